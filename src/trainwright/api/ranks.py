"""One run of several processes: the same request in each, and one directory, which rank 0 makes and the others are told of."""

from __future__ import annotations

import hashlib
import logging
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch

from trainwright._version import __version__
from trainwright.config.flat import flat
from trainwright.config.once import done_by
from trainwright.domains.prepared import Prepared
from trainwright.engine.trainer import Trainer
from trainwright.files.loaded_code import loaded_files
from trainwright.parallel.handshake import compare
from trainwright.parallel.joining import join_world
from trainwright.parallel.world import World
from trainwright.runs.directory import RunDirectory
from trainwright.systems.run_config import Config

log = logging.getLogger(__name__)

ALONE = ("launch.", "run.dir", "run.device")
"""Settings that may differ by process: how it was started, and where it sees what."""


def say_alone(config: Config, what: str) -> None:
    """Say that several processes were asked for where one does it."""
    if config.launch.devices != 1:
        log.warning("launch.devices=%s is left aside: %s in this process alone", config.launch.devices, what)


def join_for(config: Config) -> World:
    """The processes that train what the configuration says, this one alone where nothing started others."""
    return join_world(config.launch, config.run.threads)


@contextmanager
def preparing(world: World) -> Iterator[None]:
    """While a run is prepared by all its processes, the first on each machine does what is to be done once there (`prepare_data`)."""

    def by_first_here(work: Callable[[], object]) -> None:
        if world.local_rank == 0:
            work()
        world.barrier(patient=True)

    with done_by(by_first_here) if world.size > 1 else nullcontext():
        yield


def refuse_differences(prepared: Prepared, trainer: Trainer, resume: bool) -> None:
    """Raise ConfigError where a process was given another request, other rows, other code or other versions than rank 0."""
    world = prepared.world
    if world.size == 1:
        return
    settings = flat(prepared.config.model_dump(mode="json"))
    facts: dict[str, Any] = {
        "version of Trainwright": __version__,
        "version of torch": torch.__version__,
        "version of Python": platform.python_version(),
        **{f"config {name}": repr(value) for name, value in settings.items() if not name.startswith(ALONE)},
        "config resume": resume,
        **({} if prepared.config.trainer.strategy.streams == "own" else prepared.describe_rows()),
        "kind of device": trainer.device.type,
    }
    compare(world, facts, {"code": code_entries(), "parameters": parameter_entries(prepared.system)})


def code_entries() -> list[str]:
    """Name and content of each file of a person's own code that is loaded."""
    found = {path: hashlib.sha256(path.read_bytes()).hexdigest()[:12] for path in loaded_files().values()}
    return sorted(f"{path.name} {content}" for path, content in found.items())


def parameter_entries(system: Any) -> list[str]:
    """Name, shape and type of each parameter and buffer; those without a shape yet by name."""
    named = [*system.named_parameters(), *system.named_buffers()]
    return [f"{name} {_shape(each)} {each.dtype}" for name, each in named]


def _shape(tensor: Any) -> str:
    try:
        return str(tuple(tensor.shape))
    except RuntimeError:  # a lazy layer that has not seen its input
        return "not known yet"


def open_together(world: World, create: Callable[[], RunDirectory]) -> RunDirectory:
    """The directory that rank 0 makes and locks, in every process. What `create` raises is raised by all."""
    if world.size == 1:
        return create()
    made: list[RunDirectory] = []

    def describe() -> tuple[str, dict[str, Any], bool]:
        made.append(create())
        return os.path.abspath(made[0].path), made[0].info, made[0].resumed

    try:
        path, info, resumed = world.first(describe)
    except BaseException:
        for each in made:
            each.close()
        raise
    return made[0] if made else RunDirectory.follow(Path(path), info, resumed)
