"""`launch.type: local`: the processes of this machine, started by the command or the program that asks. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from trainwright.config.errors import ConfigError
from trainwright.parallel.launchers.base import Command, Launcher, Program
from trainwright.parallel.launchers.options import LaunchOptions
from trainwright.parallel.shares import cores

if TYPE_CHECKING:
    from trainwright.parallel.agent import Ending

MOST_PER_CORE = 8
"""Ranks for each processor beyond which a number is taken for a slip."""


class AutoOptions(LaunchOptions):
    """Processes of this machine, or those of whatever has started several."""


class LocalOptions(AutoOptions):
    """Processes of this machine, which the command starts."""

    inside: ClassVar[tuple[str, ...] | None] = ()

    type: str = "local"


class Local(Launcher):
    """Starts the processes of this machine, and waits for them."""

    def run_command(self, command: Command) -> Ending | None:
        """As in `Launcher`."""
        size = self.count_ranks(command.device)
        if size == 1:
            return None
        from trainwright.parallel.commands import run_command

        return run_command(command, size, self.options)

    def count_ranks(self, device: str) -> int:
        """As in `Launcher`. Raises ConfigError for more than the machine can have."""
        asked = self.options.devices
        if asked == "auto":
            return 1 if device == "cpu" else max(1, _count_gpus())
        usable = cores()
        if asked > max(usable * MOST_PER_CORE, 2 * MOST_PER_CORE):
            why = f"this machine has {usable} processors, and each process wants one"
            fix = f"ask for {usable}, or fewer; several machines: launch=slurm, launch=ray, torchrun or srun"
            raise ConfigError(f"{asked} processes are too many", where="launch.devices", why=why, fix=fix)
        return asked

    def choose_method(self, device: str) -> str:
        """As in `Launcher`."""
        from trainwright.parallel.programs import choose_method

        return choose_method(device)

    def run_program(self, program: Program) -> Any:
        """As in `Launcher`."""
        from trainwright.parallel.programs import run_program

        return run_program(program, self.options)


def _count_gpus() -> int:
    import torch

    return torch.cuda.device_count()
