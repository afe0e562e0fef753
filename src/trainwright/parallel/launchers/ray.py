"""`launch.type: ray`: Ray Train places the processes in a Ray cluster, or in a Ray of this machine's own. Imports neither torch nor ray."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainwright.parallel.launched import started_here
from trainwright.parallel.launchers.base import Command, Launcher, Program
from trainwright.parallel.launchers.on_ray.options import RayOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainwright.parallel.agent import Ending


class Ray(Launcher):
    """Asks Ray Train for the processes, and shows what rank 0 says."""

    options: RayOptions

    def run_command(self, command: Command) -> Ending | None:
        """As in `Launcher`."""
        if started_here():
            return None
        from trainwright.parallel.launchers.on_ray.driver import run_command

        return run_command(command, self.options)

    def count_ranks(self, device: str) -> int:
        """As in `Launcher`; of `auto` 1, since the cluster is asked later."""
        return 1 if started_here() or self.options.devices == "auto" else self.options.devices

    def starts(self, device: str) -> bool:
        """As in `Launcher`: one process too is a worker of Ray's."""
        return not started_here()

    def choose_method(self, device: str) -> str:
        """As in `Launcher`."""
        return "spawn"

    def pickler(self) -> Callable[[Any], bytes] | None:
        """As in `Launcher`: that of Ray, which sends functions of notebooks too."""
        from trainwright.parallel.launchers.on_ray.cluster import import_ray

        dumps: Callable[[Any], bytes] = import_ray().cloudpickle.dumps
        return dumps

    def run_program(self, program: Program) -> Any:
        """As in `Launcher`."""
        from trainwright.parallel.launchers.on_ray.driver import run_program

        return run_program(program, self.options)
