"""What every worker of a run on Ray is sent: the command or the call, and the surroundings in which it was given."""

from __future__ import annotations

import os
import shutil
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trainwright.parallel.launched import TERMINAL
from trainwright.parallel.launchers.base import Command

OF_THE_MACHINE = (
    "PATH", "HOME", "HOSTNAME", "HOST", "PWD", "OLDPWD", "SHELL", "SHLVL", "USER", "LOGNAME", "TMPDIR", "TEMP", "TMP", "MAIL", "TTY", "_",
    "DISPLAY", "WAYLAND_DISPLAY", "COLUMNS", "LINES", "WINDOWID", "MASTER_ADDR", "MASTER_PORT", "RANK", "WORLD_SIZE", "LOCAL_RANK",
)  # fmt: skip
"""Variables that mean another thing on another machine, or are a rank's own."""
OF_THE_MACHINE_BEGIN = (
    "RAY_",
    "SSH_",
    "XDG_RUNTIME",
    "XDG_SESSION",
    "DBUS_",
    "LD_",
    "SLURM_",
    "CUDA_VISIBLE",
    "NVIDIA_",
    "GLOO_SOCKET",
    "KUBERNETES_",
)


@dataclass(frozen=True)
class Request:
    """A command or a call, as each worker does it."""

    command: Command | None = None
    """None for a call."""
    call: Any = None
    """Where Ray keeps the pickled call."""
    threads: int = 0
    """Threads of each rank; 0 for a share of its machine."""
    gpus: float = 0
    tee: bool = False
    restarts: int = 0
    folder: str = field(default_factory=os.getcwd)
    """The working directory of whoever asked."""
    path: tuple[str, ...] = field(default_factory=lambda: tuple(sys.path))
    arguments: tuple[str, ...] = field(default_factory=lambda: tuple(sys.argv))
    interpreter: tuple[str, ...] = ()
    """Flags that Python was started with."""
    variables: Mapping[str, str] = field(default_factory=lambda: variables_to_send())
    token: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    """By what the folders of this run are told from those of others."""


def variables_to_send() -> dict[str, str]:
    """The variables of this process that a rank on another machine has too: all but those of the machine."""
    found = {name: value for name, value in os.environ.items() if name not in OF_THE_MACHINE and not name.startswith(OF_THE_MACHINE_BEGIN)}
    if is_terminal():
        found |= {TERMINAL: "1", "COLUMNS": str(shutil.get_terminal_size().columns)}
    return found


def is_terminal() -> bool:
    """Whether a person looks on where this process prints."""
    try:
        return bool(sys.stdout.isatty())
    except (AttributeError, OSError, ValueError):
        return False
