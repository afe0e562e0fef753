"""What every launcher can be asked: to do a command in several processes, or a call of a program. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from trainwright.config.registry import load
from trainwright.parallel.launchers.options import LaunchOptions

if TYPE_CHECKING:
    from trainwright.parallel.agent import Ending

Work = Callable[[Path, "TextIO | None"], Any]
"""What a rank of a program does: given the launcher's folder, and where rank 0 shows its progress if not as the program does."""


@dataclass(frozen=True)
class Command:
    """A command that several processes are to do; each of them is given the same words."""

    words: tuple[str, ...]
    """As a person gave them, the name of the command first; `key=value` words may follow them and win."""
    device: str = "auto"
    """`run.device`."""
    threads: int = 0
    """`run.threads`."""
    run_dir: str = ""
    """Where the run is or is to be; empty where a folder of the moment is made under `runs/NAME`."""
    name_run: Callable[[], str] = str
    """Gives that name, which may follow from the data."""
    list_settings: Callable[[], Mapping[str, Any]] = dict
    """Gives every setting by its name."""
    resume: bool = False
    """Whether it goes on with a run that is there."""
    whole: bool = False
    """Whether a person wants to see where in the code an error arose."""


@dataclass(frozen=True)
class Program:
    """A call of `tw.fit` or `tw.train` that several processes are to make."""

    work: Work
    size: int
    method: str
    """How the processes begin: `fork`, or `spawn` where `work` is sent."""
    threads: int = 0
    device: str = "auto"
    """`run.device`."""
    console: TextIO | None = None
    """Where what rank 0 prints is shown, if that is not the program's own standard output."""


@dataclass(frozen=True)
class Members:
    """The runs of a group, which have nothing to do with each other: each is a command that begins it, or continues it where it is."""

    folder: Path
    """That of the group, which each sees."""
    names: tuple[str, ...]
    """Of those that are not finished."""
    commands: tuple[tuple[str, ...], ...]
    """The words of each, `train` first."""
    parallel: int | None = None
    """How many at a time; None where the person says nothing."""
    device: str = "auto"
    """`run.device`."""


class Launcher:
    """How a run comes to its processes; this one starts none: whoever asks does the work, or is one of several processes already."""

    def __init__(self, options: LaunchOptions) -> None:
        self.options = options

    def run_command(self, command: Command) -> Ending | None:
        """How a command ended that other processes have done; None where this process is to do it.

        Raises ConfigError, before anything is written, where it cannot be done so.
        """
        return None

    def run_members(self, members: Members) -> Ending | None:
        """How the runs of a group ended, or that they were handed over (code 0); None where they are started on this machine.

        Raises ConfigError as above.
        """
        return None

    def count_ranks(self, device: str) -> int:
        """How many processes a call of a program is to be made in; 1 where this process makes it by itself. Raises ConfigError as above."""
        return 1

    def starts(self, device: str) -> bool:
        """Whether a call of a program is made in other processes than this one."""
        return self.count_ranks(device) > 1

    def pickler(self) -> Callable[[Any], bytes] | None:
        """What pickles all that a call needs, the program's own code too; None where processes import that again."""
        return None

    def choose_method(self, device: str) -> str:
        """How processes of a program begin: `fork`, or `spawn` for those that are sent all they need."""
        return "spawn"

    def run_program(self, program: Program) -> Any:
        """What the work of a program gives on rank 0; raises what ended its processes."""
        raise NotImplementedError(f"{type(self).__name__} starts no processes for programs")


def make_launcher(options: LaunchOptions) -> Launcher:
    """The launcher of a `launch:` section."""
    made: Launcher = load("launcher", options.type)(options)
    return made
