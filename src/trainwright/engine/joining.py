"""Whether pieces of a batch join into the loss of the whole: tried on the first rows, by value, before step 1."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import torch

from trainwright.config.errors import FOREIGN
from trainwright.engine.dealing import micro_batches
from trainwright.engine.pieces import Pieces, order_of
from trainwright.engine.step_result import as_loss
from trainwright.engine.system import Batch, Loss, NoStep, StepContext, rows_in
from trainwright.nn.untouched import untouched

if TYPE_CHECKING:
    from trainwright.engine.session import Session

log = logging.getLogger("trainwright.engine")

TRIES = 3
"""Groups of rows that are cut: counts of two pieces may agree by chance."""
MOST = 64
"""Rows that are compared at once."""
TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-9}
"""Relative; rounding alone stays well below."""
COARSE = 3e-2
FIX = "give the sum and the count it is over: return tw.Loss(total, count); or leave micro-batches out (micro_batch_size = batch_size)"


def say_inexact_pieces(session: Session) -> None:
    """Warn where the loss of a batch is not that of its micro-batches, joined by their items: another mean than over rows."""
    plan = session.plan
    in_use = plan.micro_batch_size < plan.batch_size
    may_heal = session.device.type != "cpu" and session.config.recovery.out_of_memory == "heal"
    if (
        session.parts.manual
        or (plan.ready and session.train.order is None)
        or not (in_use or may_heal)
        or plan.batch_size < 2
        or session.train.single_pass
    ):
        return
    if session.parts.system.inexact_pieces:
        return  # it says so itself
    found = differing_ready(session) if plan.ready else differing(session)
    if found is None:
        return
    whole, joined = found
    said = f"the loss of {session.parts.system.shown_name} is {whole:.6g} for some rows and {joined:.6g} for their micro-batches joined"
    said += ": it is a mean over something else than rows"
    if in_use:
        log.warning("%s, so every step depends on how a batch is cut; %s", said, FIX)
    else:
        log.info("%s; should memory run out, steps in smaller pieces would not be the same: return tw.Loss(total, count)", said)


def differing(session: Session) -> tuple[float, float] | None:
    """Loss of some rows at once and in two pieces, where they are not one number; None where they are, or chance is in it."""
    plan = session.plan
    system: Any = session.system
    size = max(2, min(plan.micro_batch_size, MOST))
    order = order_of(session.train, session.seed, 0, plan)
    dtype = next((each.dtype for each in system.parameters() if each.is_floating_point()), torch.float32)
    full = session.config.precision.type == "fp32"
    tolerance = TOLERANCE.get(dtype, COARSE) if full else COARSE
    with untouched(system), system.rehearsing():
        system.train(False)  # neither dropout nor statistics of the batch
        for start in range(0, min(TRIES * size, plan.rows - 1), size):
            batch = system.as_evaluated(session.parts.place(session.train.take(order[start : start + size].to(session.parts.order_device))))
            rows = min(size, plan.rows - start)
            if not isinstance(batch, dict) or isinstance(batch, Pieces) or rows < 2:
                return None
            values = [_loss(session, [batch], seed) for seed in (0, 1)]
            joined = _loss(session, list(micro_batches(batch, rows, -(-rows // 2))), 0)
            if None in (*values, joined) or _apart(values[0], values[1], tolerance):
                return None
            if _apart(values[0], joined, tolerance):
                return values[0], joined  # type: ignore[return-value]
    return None


def differing_ready(session: Session) -> tuple[float, float] | None:
    """The same for batches that come ready: the loss of two joined to one, and of both as pieces of a step."""
    system: Any = session.system
    dtype = next((each.dtype for each in system.parameters() if each.is_floating_point()), torch.float32)
    tolerance = TOLERANCE.get(dtype, COARSE) if session.config.precision.type == "fp32" else COARSE
    with untouched(system), system.rehearsing():
        system.train(False)
        for place in range(min(TRIES, len(session.train) - 1)):
            pieces = [system.as_evaluated(session.parts.place(session.train.take(torch.tensor([each])))) for each in (place, place + 1)]
            whole = join_batches(pieces)
            if whole is None:
                return None
            values = [_loss(session, [whole], seed) for seed in (0, 1)]
            joined = _loss(session, pieces, 0)
            if None in (*values, joined) or _apart(values[0], values[1], tolerance):
                return None
            if _apart(values[0], joined, tolerance):
                return values[0], joined  # type: ignore[return-value]
    return None


def join_batches(batches: list[Any]) -> Any:
    """Two batches of tensors as one; None for others, or where the sizes of their rows differ."""
    first, second = batches if len(batches) == 2 else (None, None)
    if isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        fits = first.dim() and first.dim() == second.dim() and first.shape[1:] == second.shape[1:]
        return torch.cat([first, second]) if fits else None
    if type(first) not in (dict, list, tuple) or type(first) is not type(second) or len(first) != len(second):  # type: ignore[arg-type]
        return None
    keys = list(first) if isinstance(first, dict) else list(range(len(first)))  # type: ignore[arg-type]
    if isinstance(first, dict) and keys != list(second):  # type: ignore[arg-type]
        return None
    parts = [join_batches([first[key], second[key]]) for key in keys]  # type: ignore[index]
    if any(part is None for part in parts):
        return None
    return dict(zip(keys, parts, strict=True)) if isinstance(first, dict) else type(first)(parts)  # type: ignore[misc]


def _apart(one: Any, other: Any, tolerance: float) -> bool:
    return bool(abs(one - other) > tolerance * max(abs(one), abs(other), 1e-3))


def _loss(session: Session, pieces: list[Batch], seed: int) -> float | None:
    """The mean loss of pieces as a step joins them; None where there is none, or the step cannot be made here: the first will tell."""
    torch.manual_seed(seed)
    context = StepContext(0, 0, 0.0, torch.default_generator)
    losses: list[Loss] = []
    try:
        if session.parts.followers.before_step is not None:
            session.parts.followers.before_step(context)
        for piece in pieces:
            with session.parts.precision.forward():
                value = session.system.training_step(piece, context)
            losses.append(value if isinstance(value, Loss) else as_loss(value, rows_in(piece), session.parts.system.loss_weights(context)))
    except (NoStep, *FOREIGN):
        return None
    total = sum(float(each.total.detach()) if each.mean is None else float(each.mean.detach()) * float(each.count) for each in losses)
    items = float(sum(each.count for each in losses))
    return total / items if items else None
