"""What went wrong when a loss is not finite: the batch, its rows, the values in them, and the first module at fault."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from trainwright.config.errors import FOREIGN
from trainwright.data.sparse import dense_parts, is_sparse
from trainwright.engine.callbacks.base import Hooks
from trainwright.engine.loop import gradient, update
from trainwright.engine.pieces import order_of
from trainwright.engine.recovery import all_finite, weights_finite
from trainwright.engine.saving.reading import for_this_process
from trainwright.engine.saving.resuming import newest
from trainwright.engine.state import load, load_weights, weights_of
from trainwright.engine.step_result import as_loss
from trainwright.engine.system import Batch, rows_in, tensors_in
from trainwright.files.whole import whole_file
from trainwright.optim.clipping import gradients

if TYPE_CHECKING:
    from trainwright.engine.session import Session

log = logging.getLogger("trainwright.engine")

FILE = "nan_report.json"
MOST_STEPS = 2000
"""Steps that are made again from the last checkpoint, to meet the first number that is not finite with good weights."""


def write_nan_report(session: Session, batch_number: int) -> str:
    """Finds the first batch and module at fault near batch number `batch_number`, writes nan_report.json, and says it in a clause.

    Of several processes each looks for itself, and the first that finds a fault is believed; rank 0 writes.
    """
    world = session.parts.world
    findings = world.gather(look(session, batch_number))
    finding = next((each for each in findings if at_fault(each)), findings[0])
    ranks = [rank for rank, each in enumerate(findings) if at_fault(each)]
    if 0 < len(ranks) < world.size:
        finding["rank"] = ranks[0]  # the same rows were looked at by all: it is that process, its device or its memory
    if "rows" in finding and world.is_main:
        try:
            with whole_file(session.folder / FILE) as temporary:
                temporary.write_text(json.dumps(finding, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            log.warning("%s is not written: %s", FILE, error.strerror or error)
    return sentence(finding)


def at_fault(finding: dict[str, Any]) -> bool:
    """Whether a process met a number that is not finite."""
    return bool(finding.get("columns")) or finding.get("fault", "none") != "none"


def look(session: Session, batch_number: int) -> dict[str, Any]:
    """What is at fault near a batch in this process; the session is of no use for training afterwards."""
    finding: dict[str, Any] = {"step": session.step}
    session = replace(session, parts=replace(session.parts, hooks=Hooks([]), measures_norm=True))  # nobody hears of steps made again
    try:
        batch_number, replayed = replay(session, batch_number)
        batch, rows = batch_at(session, batch_number)
        finding |= {"batch": batch_number, "replayed": replayed, "rows": rows, "columns": not_finite_columns(batch)}
        if replayed or bool(weights_finite(session)):
            finding |= first_module(session, batch, batch_number)
    except FOREIGN as error:  # the system runs once more: what it raises must not hide what this is about
        log.debug("the NaN report ended early", exc_info=True)
        finding["ended"] = str(error)
    return finding


def replay(session: Session, batch_number: int) -> tuple[int, bool]:
    """Make the steps since the last checkpoint again until loss or gradient is not finite: the batch at fault, with the weights it met."""
    session.parts.saver.wait()  # one may still be on its way
    checkpoint = newest(session.parts.saver.store, session.world, None)
    if checkpoint is None:
        return batch_number, False
    begun = checkpoint.document("trainer.json").get("tick", checkpoint.manifest.step)
    if not begun <= batch_number <= begun + MOST_STEPS:
        return batch_number, False
    load(session, for_this_process(session, checkpoint))
    session.system.train(True)
    for current in range(begun, batch_number + 1):
        if current not in session.skipped_batches and not finite_step(session, current):
            return current, True
    return batch_number, True


def finite_step(session: Session, batch_number: int) -> bool:
    """Make one step as the loop does, unless its loss or its gradient is not finite: then weights and buffers are as it met them."""
    batch, _ = batch_at(session, batch_number, dealt=True)
    session.position.batches_seen = batch_number
    session.parts.freezing.apply(session.step)
    context = session.context()
    if session.parts.followers.before_step is not None:
        session.parts.followers.before_step(context)
    before = {name: tensor.detach().clone() for name, tensor in weights_of(session.system).items()}
    start, end = session.plan.bounds(session.plan.index_of(batch_number))
    share = session.parts.dealer.share_of(session.plan, end - start)
    losses = gradient(session, batch, share, context)
    finite = not session.world.any(not all_finite(session, losses) or session.parts.precision.overflowed)
    if finite:
        update(session, batch, share, context, losses)
    else:
        session.optimizer.zero_grad()
        load_weights(session.system, before, where="the replay")
    return finite


def batch_at(session: Session, batch_number: int, dealt: bool = False) -> tuple[Batch, list[int]]:
    """The rows of batch number `batch_number`, or those `dealt` to this process, and their places among the training rows."""
    plan = session.plan
    order = order_of(session.train, session.seed, plan.epoch_of(batch_number), plan)
    start, end = plan.bounds(plan.index_of(batch_number))
    rows = session.parts.dealer.select(plan, order[start:end]) if dealt else order[start:end]
    batch = session.parts.feed.again(rows.to(session.parts.order_device), plan, batch_number)
    return session.parts.for_step(batch, plan, batch_number), rows.tolist()


def not_finite_columns(batch: Batch) -> dict[str, int]:
    """Block → rows of the batch that hold a value which is not finite."""
    found: dict[str, int] = {}
    for name, block in tensors_in(batch).items():
        if is_sparse(block) and block.is_floating_point():
            values = dense_parts(block)[-1]
            found |= {name: len(block)} if not bool(torch.isfinite(values).all()) else {}
        elif block.is_floating_point() and block.numel() and block.dim():
            bad = ~torch.isfinite(block.reshape(len(block), -1)).all(dim=1)
            if bool(bad.any()):
                found[name] = int(bad.sum())
    return found


def first_module(session: Session, batch: Batch, batch_number: int) -> dict[str, Any]:
    """The first parameter, module output, loss or gradient that is not finite when the batch is tried."""
    system: Any = session.system
    for name, parameter in system.named_parameters():
        if not bool(torch.isfinite(parameter).all()):
            return {"fault": "weights", "name": name}
    seen: list[tuple[str, str]] = []

    def watch(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if not seen and any(not bool(torch.isfinite(each).all()) for each in floats(output)):
                seen.append((name, type(module).__name__))

        return hook

    handles = [module.register_forward_hook(watch(name)) for name, module in system.named_modules() if name]
    try:
        session.position.batches_seen = batch_number
        context = session.context()
        loss = as_loss(system.training_step(batch, context), rows_in(batch), system.loss_weights(context))
    finally:
        for handle in handles:
            handle.remove()
    if seen:
        return {"fault": "output", "name": seen[0][0], "module": seen[0][1]}
    if not bool(torch.isfinite(loss.total)):
        return {"fault": "loss", "name": "the loss itself"}
    (loss.total if loss.mean is None else loss.mean).backward()  # type: ignore[no-untyped-call]
    for name, parameter in system.named_parameters():
        if any(not bool(torch.isfinite(grad).all()) for grad in gradients([parameter])):
            return {"fault": "gradient", "name": name}
    return {"fault": "none", "name": ""}


def floats(output: Any) -> list[Tensor]:
    """The floating tensors of what a module gave."""
    if isinstance(output, Tensor):
        return [output] if output.is_floating_point() else []
    if isinstance(output, dict):
        output = list(output.values())
    return [each for part in output for each in floats(part)] if isinstance(output, list | tuple) else []


def sentence(finding: dict[str, Any]) -> str:
    """The finding as a clause."""
    if "rows" not in finding:
        return ""
    rows = ", ".join(map(str, finding["rows"][:5])) + (", …" if len(finding["rows"]) > 5 else "")
    said = f"; batch {finding['batch']} (training rows {rows})" + (f", on rank {finding['rank']} alone" if "rank" in finding else "")
    for name, count in finding["columns"].items():
        said += f"; {count} of its rows have values in '{name}' that are not finite"
    finding = {"name": "", **finding}
    what = {
        "weights": f"the weights '{finding['name']}' were not finite before it",
        "output": f"'{finding['name']}' ({finding.get('module')}) gives the first number that is not finite",
        "loss": "the loss is the first number that is not finite",
        "gradient": f"the gradient of '{finding['name']}' is the first that is not finite",
    }
    return said + (f"; {what[finding['fault']]}" if finding.get("fault") in what else "") + f" (see {FILE})"
