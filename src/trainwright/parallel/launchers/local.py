"""`launch.type: local`: the processes of this machine, started by the command or the program that asks. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from pydantic import Field, field_validator, model_validator

from trainwright.config.durations import Duration, time_above_zero
from trainwright.config.errors import ConfigError
from trainwright.config.model import as_refusal
from trainwright.parallel.launched import is_waited_for, started_here
from trainwright.parallel.launchers.base import Command, Launcher, Program
from trainwright.parallel.launchers.options import LaunchOptions
from trainwright.parallel.shares import cores

if TYPE_CHECKING:
    from trainwright.parallel.agent import Ending

MOST_PER_CORE = 8
"""Ranks for each processor beyond which a number is taken for a slip."""


class AutoOptions(LaunchOptions):
    """Processes of this machine, or those of whatever has started several."""

    restarts: int = Field(default=0, ge=0)
    """How often all ranks are started again, from the last checkpoint, when one of them has failed."""
    min: int | None = Field(default=None, ge=1)
    """Members that a run needs to go on: commands that were given the same, here or on other machines, each with `devices` ranks."""
    max: int | None = Field(default=None, ge=1)
    """Members that take part at most; a further one waits for a place. With `min` or `max` members may come and go."""
    silence: Duration = Duration.parse("4 s")
    """How long nothing is heard of a member on another machine until it counts as lost."""
    address: str = ""
    """The name or address at which members on other machines reach this one; the name of the host unless given."""

    _silence = field_validator("silence")(time_above_zero)

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            fix = f"launch.max={self.min} or more, or launch.min={self.max} or fewer"
            raise as_refusal(ConfigError(f"min is {self.min} and max is {self.max}: no number is both", fix=fix))
        return self

    @property
    def members_change(self) -> bool:
        """Whether members may come and go."""
        return self.min is not None or self.max is not None


class LocalOptions(AutoOptions):
    """Processes of this machine, which the command starts."""

    inside: ClassVar[tuple[str, ...] | None] = ()

    type: str = "local"


class Local(Launcher):
    """Starts the processes of this machine, and waits for them."""

    def run_command(self, command: Command) -> Ending | None:
        """As in `Launcher`."""
        size, options = self._count(command.device), cast(AutoOptions, self.options)
        if started_here() or (is_waited_for() and (options.restarts or options.members_change)):
            return None
        if options.members_change:
            from trainwright.parallel.elastic.joined import run_joined
            from trainwright.parallel.elastic.leading import Rules

            rules = Rules(options.min or 1, options.max, options.restarts, options.timeout.seconds, options.silence.seconds)
            return run_joined(command, size, options, rules, options.address)
        if options.restarts:
            from trainwright.parallel.elastic.restarting import run_restarted

            return run_restarted(command, size, options, options.restarts)
        if size == 1:
            return None
        from trainwright.parallel.commands import run_command

        return run_command(command, size, self.options)

    def count_ranks(self, device: str) -> int:
        """As in `Launcher`. Raises ConfigError for more than the machine can have, and for members, which are commands."""
        options = cast(AutoOptions, self.options)
        if options.members_change and not started_here():
            why, fix = "a program is one process with its own objects, and no other can join it", "trainwright train, in each shell"
            raise ConfigError("launch.min and launch.max are for commands", where="launch", why=why, fix=fix)
        return self._count(device)

    def starts(self, device: str) -> bool:
        """As in `Launcher`: one process too, where it may be started again."""
        restarts = cast(AutoOptions, self.options).restarts and not is_waited_for()
        return bool(restarts) or self.count_ranks(device) > 1

    def _count(self, device: str) -> int:
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
