"""What process, modules and callbacks have round a run, and have not afterwards."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch

from trainwright.config.errors import FOREIGN, Interrupted, TrainwrightError
from trainwright.engine.config import TrainerConfig
from trainwright.engine.evaluation import EvaluationInterrupted
from trainwright.engine.interrupt import Interrupts
from trainwright.engine.modes import Active, modes
from trainwright.engine.randomness import restore_generators
from trainwright.engine.rank_watch import FOLDER, SECONDS, RankWatch
from trainwright.engine.session import Session
from trainwright.engine.system import System
from trainwright.engine.watchdog import Watchdog
from trainwright.nn.modes import tf32_mode
from trainwright.parallel.strategies.base import Strategy
from trainwright.parallel.world import World


@contextmanager
def surroundings(config: TrainerConfig, system: System, device: torch.device) -> Iterator[Active]:
    """The system on its device with the modes asked for, and generators that are put back."""
    system.to(device)
    tf32 = tf32_mode(cudnn=True, matmul=True) if config.precision.type == "tf32" else nullcontext()
    with restore_generators(device), tf32, without_fast_path(), modes(config.modes, system, device) as active:
        try:
            yield active
        except FOREIGN as error:
            told = explain_failure(system, error)
            if told is None:
                raise
            raise told from error


@contextmanager
def without_fast_path() -> Iterator[None]:
    """`nn.TransformerEncoder` as it is written: the fast path, taken only without gradients, writes zeros over padded positions.

    A mean over positions would differ between training, evaluation and what is exported.
    """
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def explain_failure(system: System, error: BaseException) -> TrainwrightError | None:
    """What a module of the system knows of a failure in its forward pass, as a graph of nodes does; None where none does."""
    if isinstance(error, TrainwrightError | torch.OutOfMemoryError):
        return None
    explaining: list[Any] = [each for each in system.modules() if callable(getattr(type(each), "explain_failure", None))]
    told = next((found for each in explaining if (found := each.explain_failure(error)) is not None), None)
    return None if told is None else TrainwrightError(told.what, where=told.where, why=told.why, fix=told.fix)


@contextmanager
def rank_0_speaks(world: World) -> Iterator[None]:
    """Of several processes rank 0 alone says what all of them meet; the others say what goes wrong in them, and keep the rest in a file."""
    if world.is_main:
        yield
        return
    logger = logging.getLogger("trainwright")
    levels = {each: each.level for each in logger.handlers if not isinstance(each, logging.FileHandler)}
    upwards, level, propagated = _ErrorsUp(logging.ERROR), logger.level, logger.propagate
    for each in levels:
        each.setLevel(max(each.level, logging.ERROR))
    logger.addHandler(upwards)
    logger.propagate = False
    if len(levels) == len(logger.handlers) - 1:
        logger.setLevel(logging.ERROR)  # nobody keeps the rest
    try:
        yield
    finally:
        logger.removeHandler(upwards)
        logger.propagate = propagated
        logger.setLevel(level)
        for each, before in levels.items():
            each.setLevel(before)


class _ErrorsUp(logging.Handler):
    """Hands errors on to those whom a program has asked to hear of everything."""

    def emit(self, record: logging.LogRecord) -> None:
        for each in logging.getLogger().handlers:
            each.handle(record)


@contextmanager
def call_hooks(session: Session) -> Iterator[None]:
    """`setup` before, `teardown` after whatever happens, and `on_exception` when it does."""
    parts = session.parts
    try:
        for hook in parts.hooks.setup:
            hook(session, parts.system)
        yield
    except BaseException as error:
        parts.events.tell("end", session.step, session.rank, error=f"{type(error).__name__}: {error}")
        for hook in parts.hooks.on_exception:
            hook(session, parts.system, error)
        raise
    finally:
        parts.feed.close(now=bool(parts.interrupts.requested))
        parts.freezing.release()
        if parts.averages is not None:
            parts.averages.release()
        for tracker in parts.trackers:
            tracker.close()
        for hook in parts.hooks.teardown:
            hook(session, parts.system)


@contextmanager
def release_afterwards(strategy: Strategy, system: System) -> Iterator[None]:
    """The system is by itself again afterwards: whole where all processes come to the end together, as they do after a signal too."""
    whole = False
    try:
        yield
        whole = True
    except Interrupted:
        whole = True
        raise
    finally:
        strategy.release(system, whole)


@contextmanager
def tell_when_stopped(interrupts: Interrupts) -> Iterator[None]:
    """Say that a signal ended a measurement, which leaves nothing. Raises Interrupted for it."""
    try:
        yield
    except EvaluationInterrupted:
        raise Interrupted(f"{interrupts.name}: stopped; nothing was written", fix="begin it again") from None


def watch_steps(session: Session) -> AbstractContextManager[None]:
    """A watchdog looks after the steps when one was asked for, or an end when they hang, and always after those of several processes."""
    options, position, board = session.parts.config.recovery, session.position, session.parts.world.open_board()
    limit = options.watchdog
    if board is not None:
        return RankWatch(session, board, None if limit is None else limit.seconds, session.folder / FOLDER).watching()
    if limit is None and options.hang == "wait":
        return nullcontext()
    seconds = SECONDS if limit is None else limit.seconds
    sampler = session.parts.sampler
    done = lambda: (position.batches_seen, position.evaluated_at, 0 if sampler is None else sampler.done_at)  # noqa: E731
    return Watchdog(seconds, done, options.hang == "end").watching()
