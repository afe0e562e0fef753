"""What of outputs and targets of any number of dimensions is measured: rows, pixels, tokens as one long list of items."""

from __future__ import annotations

import torch
from torch import Tensor

from trainwright.metrics.batch_outcome import BatchOutcome
from trainwright.metrics.table import BINARY, CATEGORY, NUMBER, SET, VECTOR

OUTPUTS = {
    CATEGORY: "class scores (b, c, …) or (b, …, c) with class numbers (b, …)",
    BINARY: "one score for each label, in the shape of the labels",
    NUMBER: "numbers in the shape of the target",
}
"""What a loss predicts → outputs and targets that are measured."""


def measure_outcome(
    predicts: str, output: Tensor, target: Tensor, *, ignored: int | None = None, mask: Tensor | None = None, activated: bool = False
) -> BatchOutcome:
    """Outputs of what a loss predicts (`category`, `binary`, `number`), with the truth beside them, as items.

    Category: logits (probabilities where `activated`) (b, c, *d) or (b, *d, c) with class numbers (b, *d), or with the probability of each
    class; class `ignored` counts for nothing. Binary: logits and labels of one shape, of which a probability from 0.5 on is one; several
    columns, or channels before pixels, are labels of a set. Number: any shape; with more than two dimensions every element is a number.
    `mask` (b, *d) says which items count.
    Raises ValueError with both shapes where they do not fit.
    """
    if predicts == CATEGORY:
        return _classes(output, target, ignored, mask, activated)
    if output.shape != target.shape:
        raise _misfit(predicts, output, target)
    if predicts == BINARY:
        return _labels(output, target, mask, activated)
    kind = VECTOR if output.dim() == 2 else NUMBER
    if output.dim() > 2:
        output, target, mask = output.reshape(-1), target.reshape(-1), _flat(mask, target.shape)
    if mask is not None:
        output, target = output[mask.bool()], target[mask.bool()]
    return BatchOutcome(kind, target, output)


def _classes(output: Tensor, target: Tensor, ignored: int | None, mask: Tensor | None, activated: bool) -> BatchOutcome:
    if target.is_floating_point() and target.shape == output.shape:
        target = target.argmax(dim=1)
    if output.dim() < 2:
        raise _misfit(CATEGORY, output, target)
    if output.dim() > 2:
        if output.shape[:1] + output.shape[2:] == target.shape:
            output = output.movedim(1, -1)
        elif output.shape[:-1] != target.shape:
            raise _misfit(CATEGORY, output, target)
        mask = _flat(mask, target.shape)
        output, target = output.reshape(-1, output.shape[-1]), target.reshape(-1)
    elif output.shape[:1] != target.shape:
        raise _misfit(CATEGORY, output, target)
    keep = None if ignored is None else find_kept(target, ignored)
    if mask is not None:
        keep = mask.bool() if keep is None else keep & mask.bool()
    return BatchOutcome(CATEGORY, target, output, activation="" if activated else "softmax", keep=keep)


def find_kept(target: Tensor, ignored: int) -> Tensor | None:
    """Which items count; None where it is known without waiting for a device that all do."""
    found = target != ignored
    return None if target.device.type == "cpu" and bool(found.all()) else found


def _labels(output: Tensor, target: Tensor, mask: Tensor | None, activated: bool) -> BatchOutcome:
    activation = "" if activated else "sigmoid"
    several = (output.dim() == 2 or output.dim() > 3) and output.shape[1] > 1
    if not several:
        keep = _flat(mask, target.shape)
        if target.is_floating_point():  # a probability is the label it is nearer to; what is no label at all stays and is refused
            target = torch.where((target > 0) & (target < 1), (target >= 0.5).to(target.dtype), target)
        return BatchOutcome(BINARY, target.reshape(-1), output.reshape(-1), activation=activation, keep=keep)  # type: ignore[arg-type]
    if output.dim() > 2:
        mask = _flat(mask, output.shape[:1] + output.shape[2:])
        output, target = (each.movedim(1, -1).reshape(-1, each.shape[1]) for each in (output, target))
    if mask is not None:
        output, target = output[mask.bool()], target[mask.bool()]
    target = target >= 0.5 if target.is_floating_point() else target > 0
    return BatchOutcome(SET, target, output, activation=activation)  # type: ignore[arg-type]


def _flat(mask: Tensor | None, shape: tuple[int, ...]) -> Tensor | None:
    """A mask as one long list; raises ValueError where it is of other items."""
    if mask is None:
        return None
    if mask.shape != shape:
        raise ValueError(f"a mask of shape {tuple(mask.shape)} is not of items {tuple(shape)}")
    return mask.bool().reshape(-1)


def _misfit(predicts: str, output: Tensor, target: Tensor) -> ValueError:
    return ValueError(f"outputs {tuple(output.shape)} with targets {tuple(target.shape)} are not {OUTPUTS[predicts]}")
