"""Connectionist temporal classification."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from trainwright.losses.base import Criterion, Reduction, reduce_items
from trainwright.losses.checks import MEANT, misfit, require, span
from trainwright.losses.options import CTCOptions


class CTC(Criterion):
    """−log p(target | log-probabilities), summed over alignments (Graves et al. 2006).

    Log-probabilities (t, b, c), or (b, t, c) with `batch_first`; target (b, s), padded with anything; lengths (b) of both. Torch's mean
    divides each row by the length of its target and averages over rows: the item is the row, its cost the loss per symbol.
    """

    options: CTCOptions
    takes = ("log_probs",)
    needs = ("input_lengths", "target_lengths")
    counts = "rows"

    def compute(self, reduction: Reduction, log_probs: Tensor, target: Tensor, input_lengths: Tensor, target_lengths: Tensor) -> Tensor:
        """The loss per symbol of every row (with `batchmean`: the loss of the row), or their sum."""
        options = self.options
        log_probs = log_probs.transpose(0, 1) if options.batch_first else log_probs
        if options.log_softmax:
            log_probs = log_probs.log_softmax(dim=-1)
        rows = functional.ctc_loss(
            log_probs, target, input_lengths, target_lengths, options.blank, reduction="none", zero_infinity=options.zero_infinity
        )
        if not self.by_row:
            rows = rows / target_lengths.to(rows.device).clamp_min(1)
        return reduce_items(rows, reduction)

    def rows(self, *arguments: Any) -> int:
        """How many sequences there are."""
        return len(arguments[1])

    def check_arguments(self, log_probs: Tensor, target: Tensor, input_lengths: Tensor, target_lengths: Tensor) -> None:
        """Refuses outputs, targets and lengths that are not of the same rows."""
        found = {"output": log_probs, "target": target, "input_lengths": input_lengths, "target_lengths": target_lengths}
        shape, order = ("(b, t, c)", 0) if self.options.batch_first else ("(t, b, c)", 1)
        if log_probs.dim() != 3:
            raise misfit(self.name, f"it takes outputs {shape}", f"let the model give {shape}", **found)
        if target.dim() != 2 or target.is_floating_point():
            why = "it takes targets (b, s) of whole numbers; rows joined into one could not be parted into micro-batches"
            raise misfit(self.name, why, "pad the targets to one length, as y.long()", **found)
        if self.options.blank >= log_probs.shape[2]:
            fix = f"blank: a class from 0 to {log_probs.shape[2] - 1}"
            raise misfit(self.name, f"the blank is class {self.options.blank} of {log_probs.shape[2]}", fix, **found)
        rows = log_probs.shape[order]
        if rows != len(target):
            other = log_probs.shape[1 - order] == len(target)
            fix = f"batch_first: {str(not self.options.batch_first).lower()}" if other else "give one target for each output"
            raise misfit(self.name, f"the output {shape} has {rows} rows and the target {len(target)}", fix, **found)
        for name, each in (("input_lengths", input_lengths), ("target_lengths", target_lengths)):
            if each.shape != (rows,) or each.is_floating_point():
                raise misfit(
                    self.name, f"{name} holds one whole number for each of {rows} rows", f"give {name} as int64 ({rows},)", **found
                )

    def check_values(self, log_probs: Tensor, target: Tensor, input_lengths: Tensor, target_lengths: Tensor) -> None:
        """Refuses lengths that are not there, classes that do not exist, blanks in targets, logits, and targets longer than inputs."""
        found = {"output": log_probs, "target": target}
        steps, classes = log_probs.shape[1 if self.options.batch_first else 0], log_probs.shape[2]
        for name, each, most in (("input_lengths", input_lengths, steps), ("target_lengths", target_lengths, target.shape[1])):
            if not bool(((each >= 0) & (each <= most)).all()):
                raise misfit(self.name, f"{name} is {span(each)}, and there are {most} places", f"check {name}", **found)
        places = torch.arange(target.shape[1], device=target.device)
        kept = target[places < target_lengths.to(target.device).unsqueeze(1)]
        if kept.numel():
            blank = self.options.blank
            inside = ((kept >= 0) & (kept < classes) & (kept != blank)).all()
            fix = f"symbols are 0 to {classes - 1} without the blank, {blank}: give the blank another number, or shift the symbols by one"
            require(self.name, inside, lambda: f"the target holds {span(kept)}", fix, **found)
        if not self.options.zero_infinity:
            fix = "make the inputs longer, leave such rows out, or zero_infinity: true"
            fits = (target_lengths.to(input_lengths.device) <= input_lengths).all()
            require(self.name, fits, lambda: "a target is longer than its input: the loss is infinite", fix, **found)
        if not self.options.log_softmax:
            near = log_probs.float().logsumexp(dim=-1).abs().max() < 1e-2
            fix = f"log_softmax: true for logits, or let the model end in log_softmax; {MEANT}"
            require(self.name, near, lambda: "it takes log-probabilities, and what the model gives does not sum to 1", fix, **found)
