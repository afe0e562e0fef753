"""`launch.type: slurm`: the command submits a job that does it; within an allocation srun does it; within a step this process does."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from trainwright.config.errors import ConfigError
from trainwright.parallel.launchers.base import Command, Launcher, Members
from trainwright.parallel.slurm.allocation import become_step, in_allocation, in_step
from trainwright.parallel.slurm.options import SlurmOptions

if TYPE_CHECKING:
    from trainwright.parallel.agent import Ending


class Slurm(Launcher):
    """Submits jobs, and trains in those that were."""

    def run_command(self, command: Command) -> Ending | None:
        """As in `Launcher`; returns as soon as the job is submitted, unless `launch.wait` asks for its end."""
        options = cast(SlurmOptions, self.options)
        if in_step():
            return None
        if in_allocation():
            become_step(command, options)
        from trainwright.parallel.agent import Ending
        from trainwright.parallel.slurm.submission import submit_run
        from trainwright.parallel.slurm.waiting import wait_for_job

        job = submit_run(command, options)
        return Ending(wait_for_job(job) if options.wait else 0, None)

    def run_members(self, members: Members) -> Ending | None:
        """As in `Launcher`: one array of all of them. While one of the group waits or runs no other is submitted."""
        options = cast(SlurmOptions, self.options)
        if in_step() or in_allocation():
            return None
        from trainwright.parallel.agent import Ending
        from trainwright.parallel.slurm.array import jobs_of_group, say_waiting, submit_array, wait_for_array

        if waiting := jobs_of_group(members.folder):
            say_waiting(waiting)
            return Ending(0, None)
        job = submit_array(members, options)
        return Ending(wait_for_array(job) if options.wait else 0, None)

    def count_ranks(self, device: str) -> int:
        """One: a program is not submitted from within. Raises ConfigError where it is not one of the processes that srun started."""
        if in_step():
            return 1
        why = "a job begins with a command, and this program would have to be started again on the nodes"
        fix = "submit the program itself, in which each process makes this call: sbatch --wrap 'srun python my_script.py'"
        raise ConfigError("a call from Python cannot be submitted", where="launch.type: slurm", why=why, fix=fix)
