"""A process of a run joins the others: it finds them, is told apart from them, and takes its share of the machine."""

from __future__ import annotations

import logging
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from trainwright.config.errors import ConfigError
from trainwright.parallel.distributed import TIMEOUT, DistributedWorld, others_present
from trainwright.parallel.flight import switch_on
from trainwright.parallel.launched import Launched, in_process_group, meet_by_network, read_launch, started_here
from trainwright.parallel.launchers.options import LaunchOptions
from trainwright.parallel.machines import machine
from trainwright.parallel.meeting import open_store
from trainwright.parallel.shares import cores, threads_each
from trainwright.parallel.world import World

log = logging.getLogger("trainwright.launch")

_joined: DistributedWorld | None = None
"""The world of this process, which has one group of torch's for as long as it lives."""
_store: Any = None


def join_world(options: LaunchOptions | None = None, threads: int = 0) -> World:
    """The world that this process belongs to: of those that a launcher started, of a process group that is there, or itself alone.

    `threads`: those that the configuration asks for, 0 for a share of the machine. Raises ConfigError where the others cannot be found.
    """
    global _joined, _store
    options = options or LaunchOptions()
    if _joined is not None and dist.is_initialized():
        return _joined
    found = read_launch()
    if not found.launcher and in_process_group().size > 1:
        _joined = _of_process_group()
    elif found.size > 1:
        refuse_second_launch(options, found)
        set_debug(options.debug)
        if dist.is_initialized():
            _joined = _of_process_group()
        else:
            _store = open_store(found, options.init, options.timeout.seconds)
            _joined = _of_store(_store, found)
    else:
        refuse_alone(options)
        if found.launcher:
            say_ignored(options, found, World())
        return World()
    settle_places(_joined)
    share_threads(_joined, threads)
    say_ignored(options, found, _joined)
    return _joined


def current_world() -> World | None:
    """The world that this process has joined; None before."""
    return _joined


def meeting_store() -> Any:
    """The store in which the processes met, for what they leave each other beside the collectives; None where there is none."""
    return _store


def refuse_second_launch(options: LaunchOptions, found: Launched) -> None:
    """Raise ConfigError where the configuration starts processes by itself in processes that were started already."""
    if options.inside is not None and found.launcher not in options.inside and not started_here():
        why = f"{found.launcher} has started {found.size} processes already ({found.variable}={found.size}), and each would start more"
        fix = f"leave launch.type out, or start the command without {found.launcher}"
        raise ConfigError(f"launch.type is {options.type}", where="launch.type", why=why, fix=fix)


def refuse_alone(options: LaunchOptions) -> None:
    """Raise ConfigError where processes were to be started by something else, and were not."""
    if options.type == "external":
        fix = "start it with torchrun, srun or mpirun; or leave launch.type out and say how many: --devices 2"
        raise ConfigError("launch.type is external, and nothing has started several processes", where="launch.type", fix=fix)


def set_debug(level: str) -> None:
    """Let torch check collectives and speak of them. Before the first group is made."""
    if level == "off":
        return
    os.environ["TORCH_DISTRIBUTED_DEBUG"] = level.upper()
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "INFO")
    dist.set_debug_level_from_env()  # type: ignore[attr-defined]


def _of_process_group() -> DistributedWorld:
    """The processes of a group that the program has made; over gloo, beside it where it is of another kind."""
    group = None if dist.get_backend() == "gloo" else dist.new_group(backend="gloo", timeout=timedelta(seconds=TIMEOUT))
    return DistributedWorld(group)


def _of_store(store: Any, found: Launched) -> DistributedWorld:
    if _all_here(found):
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    switch_on()
    with others_present():
        inside = dist.PrefixStore("world", store)  # type: ignore[attr-defined]
        dist.init_process_group("gloo", store=inside, rank=found.rank, world_size=found.size, timeout=timedelta(seconds=TIMEOUT))
        dist.monitored_barrier(timeout=timedelta(seconds=TIMEOUT))
    made = DistributedWorld(local_rank=found.local_rank)
    made._own = True
    return made


def _all_here(found: Launched) -> bool:
    """Whether all processes are on this machine for certain, so that they need no network."""
    here = (bool(started_here()) and not meet_by_network()) or os.environ.get("LOCAL_WORLD_SIZE") == str(found.size)
    return here and Path("/sys/class/net/lo").exists()


def settle_places(world: DistributedWorld) -> None:
    """Find out which ranks share this machine, and which of its GPUs is this one's own."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    told = world.gather((machine(), visible))
    here = [rank for rank, (where, _) in enumerate(told) if where == machine()]
    world.local_size = len(here)
    world.local_rank = here.index(world.rank)
    apart = len({told[rank][1] for rank in here}) == len(here)  # Slurm may show each task a GPU of its own
    world.gpu = 0 if apart and len(here) > 1 else world.local_rank


def share_threads(world: DistributedWorld, asked: int) -> None:
    """Let torch compute with this process's share of the machine, unless the person says how many threads; rank 0 says it."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    if not asked and not said and torch.get_num_threads() > 1:
        torch.set_num_threads(threads_each(world.local_size))
    if world.is_main:
        threads = asked or torch.get_num_threads()
        why = "run.threads" if asked else f"OMP_NUM_THREADS={said}" if said and not started_here() else f"of {cores()} cores"
        log.info("%d ranks, %d on this machine, %d %s each (%s)", world.size, world.local_size, threads, _threads(threads), why)


def _threads(number: int) -> str:
    return "thread" if number == 1 else "threads"


def say_ignored(options: LaunchOptions, found: Launched, world: World) -> None:
    """Say that another number of processes was started than the configuration asks for, or may be; that of the launcher counts."""
    asked = [name for name in ("restarts", "min", "max") if getattr(options, name, None)]
    if world.is_main and asked and options.type != found.launcher and not started_here():
        what = "launch.%s is left aside: %s has started the processes, and starts them again as it was told"
        log.warning(what, asked[0], found.launcher or "the program")
    if world.is_main and options.devices not in (1, "auto", world.local_size) and not started_here():
        what = "launch.devices=%s is left aside: %s started %d processes"
        log.warning(what, options.devices, found.launcher or "the program", world.size)
