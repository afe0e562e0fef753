"""What a checkpoint holds of a session, and what of that may be copied while training goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from trainwright.checkpoint.snapshot import TensorFiles, keys_of
from trainwright.engine.state import (
    AVERAGES,
    EVALUATED,
    OPTIMIZER,
    RUNNING,
    STRATEGY,
    SYSTEM,
    average_tensors,
    evaluated_tensors,
    rank_prefix,
    running_tensors,
    weights_of,
)

if TYPE_CHECKING:
    from trainwright.engine.session import Session


def tensors_of(session: Session, *, whole: bool = True) -> dict[str, Mapping[str, Tensor]]:
    """File → tensors of a full checkpoint, as they are in the session; of the weights alone unless it is to be `whole`."""
    parts = session.parts
    found: dict[str, Mapping[str, Tensor]] = {SYSTEM: weights_of(parts.system)}
    evaluated = evaluated_tensors(parts)
    if evaluated:
        found[EVALUATED] = evaluated
    if not whole:
        return found
    found[OPTIMIZER] = parts.optimizer.tensors()
    kept = parts.strategy.tensors()
    if kept:
        found[STRATEGY] = {f"{rank_prefix(parts.world)}{name}": tensor for name, tensor in kept.items()}
    averages = average_tensors(parts.averages)
    if averages:
        found[AVERAGES] = averages
    return {**found, RUNNING: running_tensors(session)}


def join_evaluated(tensors: TensorFiles) -> dict[str, Tensor]:
    """The weights of a full checkpoint as they are evaluated and shipped."""
    return {**tensors[SYSTEM], **tensors.get(EVALUATED, {})}


def only_the_step_changes(session: Session, tensors: TensorFiles) -> set[Any]:
    """Keys of the tensors that nothing changes before the next optimizer step: trained parameters, its state, outputs of steps made."""
    outputs = [tensor for name, tensor in tensors.get(RUNNING, {}).items() if name.startswith("outputs/")]
    others = [tensor for name in (OPTIMIZER, EVALUATED, AVERAGES) for tensor in tensors.get(name, {}).values()]
    return keys_of([*session.parts.optimizer.parameters(), *others, *outputs])
