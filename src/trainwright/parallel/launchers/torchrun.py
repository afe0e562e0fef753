"""`launch.type: torchrun`: torch's elastic launcher starts the processes, and members of a run meet in its store. Imports no torch."""

from __future__ import annotations

import hashlib
import os
import re
from typing import TYPE_CHECKING, ClassVar, Self, cast

from pydantic import Field, field_validator, model_validator

from trainwright.config.errors import ConfigError, RunError
from trainwright.config.model import as_refusal
from trainwright.parallel.launched import is_waited_for
from trainwright.parallel.launchers.base import Command
from trainwright.parallel.launchers.local import Local
from trainwright.parallel.launchers.options import LaunchOptions

if TYPE_CHECKING:
    from trainwright.parallel.agent import Ending

PLACE = re.compile(r"[^/\s:]+(:[0-9]{1,5})?")


class TorchrunOptions(LaunchOptions):
    """Processes that torchrun starts, and starts again; `min` and `max` count its agents, which are commands that were given the same."""

    inside: ClassVar[tuple[str, ...] | None] = ("torchrun",)

    type: str = "torchrun"
    restarts: int = Field(default=0, ge=0)
    """How often each agent starts all processes again when one has failed (`--max-restarts`)."""
    min: int = Field(default=1, ge=1)
    """Agents that a run needs."""
    max: int | None = Field(default=None, ge=1)
    """Agents that take part at most; as many as `min` unless given."""
    rendezvous: str = ""
    """`HOST:PORT` of one of the machines, where the agents meet, for all the same; one agent needs none."""

    @property
    def members_change(self) -> bool:
        """Whether there may be several agents."""
        return (self.max or self.min) > 1

    @field_validator("rendezvous")
    @classmethod
    def _is_a_place(cls, value: str) -> str:
        if value and not PLACE.fullmatch(value):
            raise as_refusal(ConfigError(f"'{value}' is no place where agents can meet", fix="write HOST:PORT, such as node-a:29400"))
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        most = self.max or self.min
        if self.min > most:
            fix = f"launch.max={self.min} or more, or launch.min={most} or fewer"
            raise as_refusal(ConfigError(f"min is {self.min} and max is {most}: no number is both", fix=fix))
        if most > 1 and not self.rendezvous:
            fix = "launch.rendezvous=HOST:PORT, a machine of the run and a free port there; launch=auto needs none"
            raise as_refusal(ConfigError(f"{most} agents of torchrun have to be told where they meet", fix=fix))
        return self


class Torchrun(Local):
    """Hands a command to torchrun; a program starts its processes itself, as with `local`."""

    def run_command(self, command: Command) -> Ending | None:
        """As in `Launcher`."""
        if is_waited_for():
            return None
        options, size = cast(TorchrunOptions, self.options), self._count(command.device)
        again = bool(options.restarts) or (options.max or options.min) > 1
        if again and not command.run_dir:
            why = "torchrun gives every start the same words, so each has to find the run by them"
            raise ConfigError("torchrun starts again what has a place", where="launch", why=why, fix="name it: run.dir=runs/x")
        if command.run_dir and not command.resume and os.path.isdir(command.run_dir) and os.listdir(command.run_dir):
            fix = "add --resume to continue it, or to take part in it; or choose another place with run.dir=DIR"
            raise RunError("this place is taken", where=command.run_dir, fix=fix)
        from trainwright.parallel.torchrun import run_torchrun

        words = [*command.words, *(["--resume"] if again and not command.resume and command.words[0] == "train" else [])]
        return run_torchrun([*words, *(["--traceback"] if command.whole else [])], self._flags(options, size, command))

    def _flags(self, options: TorchrunOptions, size: int, command: Command) -> list[str]:
        most = options.max or options.min
        name = hashlib.sha256(os.path.abspath(command.run_dir).encode()).hexdigest()[:16]
        seconds = max(1, int(options.timeout.seconds))
        quick = f"last_call_timeout=1,keep_alive_interval=1,keep_alive_max_attempt=3,join_timeout={seconds}"
        place = options.rendezvous or "localhost:0"
        return [
            *(f"--nnodes={options.min}:{most}", f"--nproc-per-node={size}", f"--max-restarts={options.restarts}"),
            *("--rdzv-backend=c10d", f"--rdzv-endpoint={place}", f"--rdzv-id={name}", f"--rdzv-conf={quick}"),
            *("--monitor-interval=0.1", "--signals-to-handle=SIGTERM,SIGINT,SIGUSR1,SIGHUP", "--shutdown-timeout=60"),
            *(["--tee=3"] if options.tee else []),
        ]
