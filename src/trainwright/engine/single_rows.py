"""A batch of one row under a norm over the batch: refused in words, with what leaves no such batch."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from trainwright.config.errors import DataError
from trainwright.engine.plan import Plan

SAID = "Expected more than 1 value per channel"
"""What torch says of one row, where no other dimension has values to take the mean over."""


def is_of_single_row(error: BaseException) -> bool:
    """Whether torch refuses to normalise over one value."""
    return isinstance(error, ValueError) and str(error).startswith(SAID)


def single_row_refusal(system: nn.Module, where: str, fix: str) -> DataError:
    """The error for a batch, or a piece of one, that has one row."""
    norms = [f"{type(each).__name__} '{name}'" for name, each in system.named_modules() if isinstance(each, _BatchNorm)]
    norm = norms[0] if norms else "a norm"
    why = f"{norm} takes the mean over the rows of a batch in training, and of one row it says nothing"
    return DataError("a batch of one row cannot be normalised", where=where, why=why, fix=fix)


def sizes_without_single_rows(plan: Plan) -> str:
    """What to ask for in place of the sizes of a run."""
    if plan.ready:
        return "let the data give no batch of one row: drop_last=True of a DataLoader, or another batch_size of it"
    if plan.batch_size == 1:
        return "trainer.batch_size=2 or more"
    return "trainer.micro_batch_size=2 or more, and no accumulation"
