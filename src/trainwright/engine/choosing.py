"""Which weights a run keeps: the best evaluation's, or an average of weights where that is better on the validation rows."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainwright.engine.assembly import normalises_over_batch
from trainwright.engine.evaluation import compute_numbers, joint_metric, metric_of, turns_of, walk
from trainwright.engine.pieces import Pieces, order_of
from trainwright.engine.saving.best_weights import best_weights
from trainwright.engine.state import Weights, evaluated_weights
from trainwright.engine.system import Batch, StepContext
from trainwright.optim.averages import RAW, best_of
from trainwright.optim.batch_norm import refresh_batch_norm
from trainwright.optim.model_average import average_weights

if TYPE_CHECKING:
    from trainwright.engine.session import Session

log = logging.getLogger("trainwright.engine")

SWA = "swa"


@dataclass
class KeptWeights:
    """The weights that a run keeps."""

    weights: Weights | None
    """None: those in the system."""
    name: str
    """`best`, `last`, `average of the best 3`, or the name of an average."""
    step: int | None
    """The step of the evaluation that found them; None without a validation split."""
    value: float | None
    metrics: dict[str, float] | None = None
    """Of the validation split, where they were measured for the choice."""


def choose_weights(session: Session) -> KeptWeights:
    """The best weights, or the average that the settings prefer. Ends with no trace in the system."""
    best = next(iter(best_weights(session, 1)), None)
    step, value = session.best.entries[0] if best is not None else (None, None)
    chosen = KeptWeights(best, "best", step, value) if best is not None else KeptWeights(last(session), "last", None, None)
    for name, weights in averages(session).items():
        if session.validation is None:
            return KeptWeights(weights, name, None, None)
        metrics = measure_weights(session, weights)
        found = session.monitor.value(metrics)
        log.info("%s: %s %.6g on the validation split", name, session.monitor.name, found)
        if always(session, name):
            return KeptWeights(weights, name, session.step, found, metrics)
        if math.isnan(found):
            continue
        if chosen.value is None or best_of({"": chosen.value, name: found}, session.monitor.higher) == name:
            chosen = KeptWeights(weights, name, session.step, found, metrics)
    return chosen


def last(session: Session) -> Weights | None:
    """Without a validation split: what would be evaluated, where that is not what is trained."""
    return evaluated_weights(session) if session.parts.averaged() is not None else None


def always(session: Session, name: str) -> bool:
    """Whether an average is kept whatever its worth."""
    swa = session.config.swa
    return name == SWA and swa is not None and swa.choose == "always"


def averages(session: Session) -> dict[str, Weights]:
    """The averages that the settings want compared with the best weights, by name."""
    found: dict[str, Weights] = {}
    config, here = session.config, session.parts.averages
    if config.average_best > 1 and len(session.best.steps) > 1:
        several = best_weights(session, config.average_best)
        if len(several) > 1:
            found[f"average of the best {len(several)}"] = average_weights(several)
    if here is None:
        return found
    if SWA in here.names():
        refresh(session)
        weights = here.weights(SWA)
        found |= {SWA: weights} if weights is not None else {}
    if config.ema is not None and config.ema.choose == "best" and session.validation is not None:
        found |= {name: each for name, each in here.candidates().items() if name not in (SWA, here.evaluated)}
        found.setdefault(RAW, evaluated_weights(session))
    return found


def refresh(session: Session) -> None:
    """Batch-norm statistics that belong to the equal average, from some training batches."""
    swa, here = session.config.swa, session.parts.averages
    if swa is None or here is None or not swa.refresh or not normalises_over_batch(session.system):
        return
    context = StepContext(session.step, session.epoch, session.progress, session.parts.seeds.generator)
    session.parts.seeds.evaluation(session.step)
    with here.swap_in(name=SWA):
        found = refresh_batch_norm(
            session.system,
            first_batches(session, swa.refresh),
            lambda batch: session.system.evaluation_step(batch, context),
        )
    here.keep_buffers(SWA, found)


def first_batches(session: Session, count: int) -> Iterator[Batch]:
    """The batches of at most `count` steps in the first epoch's order; ready ones that make a step together come one by one."""
    plan = session.plan
    order = order_of(session.train, session.seed, 0, plan).to(session.parts.order_device)
    for index in range(min(count, plan.steps_per_epoch)):
        start, end = plan.bounds(index)
        batch = session.parts.feed.again(order[start:end], plan, plan.first_tick + index)
        for piece in batch if isinstance(batch, Pieces) else [batch]:
            yield session.system.as_evaluated(session.parts.place(piece))


def measure_weights(session: Session, weights: Weights) -> dict[str, float]:
    """Metrics of the validation split with other weights."""
    if session.validation is None:
        return {}
    session.parts.seeds.evaluation(session.step)
    metric, turns = metric_of(session.system), turns_of(session, session.validation)
    joint = None if turns.size == 1 else joint_metric(session, session.validation, metric, metric.update, turns)
    with session.parts.exchange.weights_inside(weights), session.parts.precision.evaluation():
        walk(
            session.system,
            session.validation,
            metric.update if joint is None else joint.take_in,
            batch_size=session.parts.evaluation_batch_size,
            device=session.device,
            interrupts=session.parts.interrupts,
            turns=turns,
            end_round=None if joint is None else joint.end_round,
        )
    return session.parts.world.broadcast(compute_numbers(metric))
