"""What one checkpoint is made of: when it was due, what it holds, and what of that may be copied while training goes on."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from trainwright.checkpoint.manifest import Manifest
from trainwright.checkpoint.options import CheckpointConfig
from trainwright.checkpoint.retention import Retention
from trainwright.checkpoint.snapshot import Snapshot, TensorFiles, keys_of
from trainwright.checkpoint.store import CheckpointStore
from trainwright.engine.interval import Interval
from trainwright.engine.monitor import Best
from trainwright.engine.plan import Plan
from trainwright.engine.state import (
    AVERAGES,
    EVALUATED,
    OPTIMIZER,
    RUNNING,
    STATE,
    SYSTEM,
    Weights,
    average_tensors,
    evaluated_tensors,
    running_tensors,
    weights_of,
)

if TYPE_CHECKING:
    from trainwright.engine.session import Session

log = logging.getLogger("trainwright.engine")


@dataclass
class SaveIntervals:
    """When checkpoints are due by count or by time: those that may be removed again, those that stay, the weights alone."""

    every: Interval | None = None
    keep: Interval | None = None
    weights: Interval | None = None

    @classmethod
    def of(cls, config: CheckpointConfig, plan: Plan) -> SaveIntervals:
        """As the config says; raises ConfigError for what does not fit the run."""
        given = {"every": config.every, "keep_every": config.keep_every, "weights_every": config.weights_every}
        return cls(*(None if each is None else Interval(each, plan, f"trainer.checkpoint.{name}") for name, each in given.items()))

    def by_name(self) -> dict[str, Interval]:
        """Those there are."""
        return {name: each for name, each in vars(self).items() if each is not None}


@dataclass(frozen=True)
class Order:
    """One checkpoint to be written: everything of it that is no tensor, as it was when it was asked for."""

    step: int
    manifests: list[Manifest]
    """Of the full checkpoint, of the weights alone, or both."""
    document: bytes
    held: dict[int, Weights]
    """Weights of best evaluations before, which only memory has."""
    values: Mapping[int, float]
    retention: Retention
    best: Best
    snapshot: Snapshot | None = None

    def writing(self, store: CheckpointStore, tensors: TensorFiles) -> Generator[None, None, None]:
        """Write it, best weights first, remove what is not kept, set the pointers; in pieces. Raises OSError when the disk refuses."""
        for step, weights in sorted(self.held.items()):
            yield from store.writing(Manifest("weights", step, value=self.values.get(step)), {SYSTEM: weights}, {})
        for manifest in self.manifests:
            whole = manifest.kind == "full"
            yield from store.writing(
                manifest, tensors if whole else {SYSTEM: as_evaluated(tensors)}, {STATE: self.document} if whole else {}
            )
            if whole:
                store.record(manifest.step)
        store.prune(self.retention)
        store.point()


def writing_from(snapshot: Snapshot, order: Order, store: CheckpointStore) -> Iterator[None]:
    """The work of the background: finish the copy, then write it."""
    snapshot.wait()
    yield
    yield from order.writing(store, snapshot.files)


def tensors_of(session: Session) -> dict[str, Mapping[str, Tensor]]:
    """File → tensors of a full checkpoint, as they are in the session."""
    found: dict[str, Mapping[str, Tensor]] = {SYSTEM: weights_of(session.system), OPTIMIZER: session.optimizer.tensors()}
    for name, tensors in ((EVALUATED, evaluated_tensors(session.parts)), (AVERAGES, average_tensors(session.parts.averages))):
        if tensors:
            found[name] = tensors
    return {**found, RUNNING: running_tensors(session)}


def as_evaluated(tensors: TensorFiles) -> dict[str, Tensor]:
    """The weights of a full checkpoint as they are evaluated and shipped."""
    return {**tensors[SYSTEM], **tensors.get(EVALUATED, {})}


def only_the_step_changes(session: Session, tensors: TensorFiles) -> set[Any]:
    """Keys of the tensors that nothing changes before the next optimizer step: trained parameters, its state, outputs of steps made."""
    outputs = [tensor for name, tensor in tensors[RUNNING].items() if name.startswith("outputs/")]
    averages = [tensor for name in (EVALUATED, AVERAGES) for tensor in tensors.get(name, {}).values()]
    return keys_of([*session.optimizer.parameters(), *tensors[OPTIMIZER].values(), *averages, *outputs])


def copied(tensors: Mapping[str, Tensor], room: Weights) -> Weights:
    """Copies on the CPU, in the memory of `room` where it fits: memory never touched before takes ten times as long."""
    made = {}
    for name, tensor in tensors.items():
        there = room.get(name)
        fits = there is not None and there.shape == tensor.shape and there.dtype == tensor.dtype
        made[name] = there.copy_(tensor.detach()) if fits and there is not None else tensor.detach().to("cpu", copy=True)
    return made


def refused(step: int, error: OSError) -> None:
    """Say that the disk refused a checkpoint."""
    log.warning("no checkpoint at step %d: %s; the ones before are untouched, training goes on", step, error.strerror or error)
