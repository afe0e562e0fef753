"""What the environment says of other processes: torchrun, srun and mpirun start several and tell each of them its place."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from trainwright.config.errors import ConfigError
from trainwright.parallel.start import MEETING
from trainwright.parallel.world import World

OURS = "TRAINWRIGHT_RANKS"
"""The variable that our own launcher sets: a folder where its processes meet, and leave what it is to know."""

TELLS = "TRAINWRIGHT_TELLS"
"""The variable that our own launcher sets where it lets another one start the processes, and tells itself what ended them."""

TERMINAL = "TRAINWRIGHT_TERMINAL"
"""The variable that is set where what rank 0 prints goes to a terminal of another machine."""

SPELLINGS = (
    ("torchrun", "WORLD_SIZE", "RANK", "LOCAL_RANK"),
    ("srun", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "SLURM_LOCALID"),
    ("srun", "SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID"),
    ("Open MPI", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_RANK"),
    ("mpirun", "PMI_SIZE", "PMI_RANK", "MPI_LOCALRANKID"),
)
"""Launcher, and its variables for the number of processes, this one's rank, its rank on this machine; the first that is there counts."""


@dataclass(frozen=True)
class Launched:
    """This process among those that a launcher started."""

    rank: int
    size: int
    local_rank: int
    launcher: str
    variable: str
    """The variable that tells the number of processes."""


def read_launch(environment: Mapping[str, str] | None = None) -> Launched:
    """The place of this process as `environment` (else that of the process) has it: rank 0 of 1 where it says nothing.

    Raises ConfigError for a number of processes that is none, and for a rank that is missing or is none of them.
    """
    found = os.environ if environment is None else environment
    spelled = next((each for each in SPELLINGS if found.get(each[1]) and not alone_in_batch_script(each[1], found)), None)
    if spelled is None:
        return Launched(0, 1, 0, "", "")
    launcher, size_name, rank_name, local_name = spelled
    size = whole_number(size_name, found[size_name])
    if size < 1:
        raise ConfigError(f"{size_name}={size} is no number of processes", where="environment", fix=f"unset {size_name}, or set it to 1")
    if size == 1:
        return Launched(0, 1, 0, launcher, size_name)
    if not found.get(rank_name):
        why = f"the environment says {size} processes ({size_name}={size}), and not which of them this one is"
        raise ConfigError(f"{rank_name} is not set", where="environment", why=why, fix=f"unset {size_name}, or set it to 1")
    rank = whole_number(rank_name, found[rank_name])
    if not 0 <= rank < size:
        fix = f"start it with {launcher}, which sets both; or unset {size_name}"
        why = f"ranks of {size} processes are 0 to {size - 1} ({size_name}={size})"
        raise ConfigError(f"{rank_name}={rank} is no rank", where="environment", why=why, fix=fix)
    local = found.get(local_name)
    return Launched(rank, size, whole_number(local_name, local) if local else rank, launcher, size_name)


def alone_in_batch_script(size_name: str, environment: Mapping[str, str]) -> bool:
    """Whether SLURM_NTASKS is what a batch script asked for, whose one process has it too: srun numbers its step, or the ranks after 0."""
    in_step = environment.get("SLURM_STEP_ID") or environment.get("SLURM_PROCID", "0") != "0"
    return size_name == "SLURM_NTASKS" and not in_step


def whole_number(name: str, text: str) -> int:
    """The number that a variable holds. Raises ConfigError for anything else."""
    try:
        return int(text)
    except ValueError:
        fix = f"set {name} to a number, as torchrun, srun and mpirun do; or unset it"
        raise ConfigError(f"{name}={text} is not a whole number", where="environment", fix=fix) from None


def started_here() -> str:
    """The folder of our own launcher, where it has started this process; empty otherwise."""
    return os.environ.get(OURS, "")


def meeting_of_members() -> str:
    """The file in which the ranks of several of our launchers on one machine meet; empty where there is one launcher."""
    return "" if (found := os.environ.get(MEETING, "")) == "env" else found


def meet_by_network() -> bool:
    """Whether ranks that our launchers have started are on several machines."""
    return os.environ.get(MEETING) == "env"


def is_waited_for() -> bool:
    """Whether a launcher that starts ranks again, ours or torchrun, waits for this process, which may be the only one."""
    return bool(started_here() or os.environ.get("TORCHELASTIC_RUN_ID"))


def ensure_one_process(what: str) -> None:
    """Raise ConfigError where a launcher started several processes: each would do `what` ("measure the same rows") by itself.

    Rank 0 tells all of it, the others one line, so that a person reads it once.
    """
    found = read_launch()
    where, came = f"environment: {found.variable}={found.size}", "started"
    if not found.launcher:  # else WORLD_SIZE=1 says that this process is to work by itself
        found, where, came = in_process_group(), "torch.distributed", "joined"
    if found.size == 1:
        return
    if found.rank:
        raise ConfigError(f"rank {found.rank} of {found.size} ends too; rank 0 says why", where=where)
    each = f"each of the {found.size} processes that {found.launcher} {came} would {what} by itself, in the way of the others"
    fix = f"start one process, without {found.launcher}; where each is meant to do work of its own, set WORLD_SIZE=1 for it"
    raise ConfigError("this works in one process", where=where, why=each, fix=fix)


def in_process_group() -> Launched:
    """The place of this process in a default group that was made already, by a program of one's own."""
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not (distributed.is_available() and distributed.is_initialized()):
        return Launched(0, 1, 0, "", "")
    rank = distributed.get_rank()
    return Launched(rank, distributed.get_world_size(), rank, "init_process_group", "")


def ensure_together(world: World) -> None:
    """Raise ConfigError where a launcher started several processes and `world` is this one alone: a trainer was made without theirs."""
    if world.size > 1:
        return
    found = read_launch()
    found = found if found.launcher else in_process_group()
    if found.size > 1:
        why = f"each of the {found.size} processes that {found.launcher} started would train the run by itself"
        fix = "call tw.fit or tw.train, which join them; or Trainer(…, world=trainwright.parallel.joining.join_world())"
        raise ConfigError("this trainer was made for one process", where="Trainer", why=why, fix=fix)
