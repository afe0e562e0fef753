"""A plain `nn.Module` with a loss, as the trainer takes it: `model(*inputs)` against one target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from trainwright import metrics as measures
from trainwright.config.errors import ConfigError, DataError, did_you_mean, nearest
from trainwright.engine.system import Batch, Loss, Moment
from trainwright.systems.base import seeded

LossFunction = Callable[[Any, Tensor], Tensor]
MetricFunction = Callable[[Tensor, Tensor], Any]

TARGET = "target"
KINDS = {"cross_entropy": "category", "binary_cross_entropy": "binary", "mse": "number", "mae": "number", "huber": "number"}
"""Named loss → kind of target, which decides the metrics."""


def cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    """Sum over items of −log softmax(output)[target]; output (b, c, …), target class indices (b, …)."""
    return functional.cross_entropy(output, target, reduction="sum")


def binary_cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    """Sum over elements of the loss of logits against 0/1 targets of the same shape."""
    return functional.binary_cross_entropy_with_logits(output, target, reduction="sum")


def mse(output: Tensor, target: Tensor) -> Tensor:
    """Sum over elements of (output − target)²."""
    return functional.mse_loss(output, target, reduction="sum")


def mae(output: Tensor, target: Tensor) -> Tensor:
    """Sum over elements of |output − target|."""
    return functional.l1_loss(output, target, reduction="sum")


def huber(output: Tensor, target: Tensor) -> Tensor:
    """Sum over elements of Huber's loss with δ = 1."""
    return functional.huber_loss(output, target, reduction="sum")


SUMS: dict[str, LossFunction] = {
    "cross_entropy": cross_entropy,
    "binary_cross_entropy": binary_cross_entropy,
    "mse": mse,
    "mae": mae,
    "huber": huber,
}


class PlainSystem(nn.Module):
    """Trains `model` on rows with blocks `inputs…` and `target`.

    `loss` is a name from `SUMS`, or a function of (output, target) that gives a scalar, taken as the mean over the rows, or a tensor,
    taken element by element. `metrics`: names from `trainwright list metric`, or a mapping of name → function of (outputs, targets).
    """

    monitor = "loss"

    def __init__(
        self, model: nn.Module, inputs: list[str], loss: str | LossFunction, metrics: list[str] | Mapping[str, MetricFunction] | None
    ) -> None:
        super().__init__()
        if isinstance(loss, str) and loss not in SUMS:
            raise ConfigError(
                f"unknown loss '{loss}'", where="tw.fit(loss)", fix=f"{did_you_mean(loss, SUMS)}; or a function of (output, target)"
            )
        self.model, self.inputs = model, inputs
        self.kind = KINDS[loss] if isinstance(loss, str) else ""
        self.sum = SUMS[loss] if isinstance(loss, str) else None
        self.function = None if isinstance(loss, str) else loss
        self.functions = dict(metrics) if isinstance(metrics, Mapping) else {}
        self.names = self._checked_names(metrics)

    def _checked_names(self, metrics: list[str] | Mapping[str, MetricFunction] | None) -> list[str]:
        if isinstance(metrics, Mapping):
            return []
        if metrics is None:
            return {"category": ["accuracy"], "binary": ["accuracy"], "number": ["r2", "rmse", "mae"]}.get(self.kind, [])
        if metrics and not self.kind:
            why = "with a loss of your own it is not known what the outputs mean"
            raise ConfigError(
                "metrics by name need a loss by name", where="tw.fit(metrics)", why=why, fix="give a mapping of name → function"
            )
        for name in metrics:
            if name not in measures.PARTS or self.kind not in measures.PARTS[name].kinds:
                fitting = [each for each, part in measures.PARTS.items() if self.kind in part.kinds]
                close = next((each for each in fitting if name and each.startswith(name.lower())), "") or nearest(name, fitting)
                fix = (f"did you mean '{close}'? " if close else "") + f"available: {', '.join(fitting)}"
                raise ConfigError(f"there is no metric '{name}' for this loss", where="tw.fit(metrics)", fix=fix)
        return list(metrics)

    def output_of(self, batch: Batch) -> Any:
        """The model's output for the rows of a batch."""
        return self.model(*[batch[name] for name in self.inputs])

    def loss_of(self, output: Any, target: Tensor) -> tuple[Tensor, int]:
        """The loss as a sum, and over how many items."""
        if self.sum is not None:
            items = target.numel() if self.kind != "category" or target.dtype == torch.int64 else len(target)
            return self.sum(output, target), items
        value = self.function(output, target)  # type: ignore[misc]
        return (value.sum(), value.numel()) if value.dim() else (value * len(target), len(target))

    def training_step(self, batch: Batch, moment: Moment) -> Loss:
        """The loss of the rows."""
        target = batch[TARGET]
        output = self.output_of(batch)
        total, items = self.loss_of(output, target)
        return Loss(total, items, outputs=self._collected(output, target, total, items))

    def evaluation_step(self, batch: Batch, moment: Moment) -> dict[str, Tensor]:
        """Output and target of each row, as far as they are measured, and with a loss of one's own the mean loss of its batch."""
        target = batch[TARGET]
        output = self.output_of(batch)
        total, items = self.loss_of(output, target) if self.function is not None or not self._small(output) else (target, 1)
        return self._collected(output, target, total, items)

    def _small(self, output: Any) -> bool:
        """Whether outputs are kept for the metrics: a number or a vector per row, not an image."""
        return isinstance(output, Tensor) and output.dim() <= 2

    def _collected(self, output: Any, target: Tensor, total: Tensor, items: int) -> dict[str, Tensor]:
        kept = {"output": output.detach(), TARGET: target} if self._small(output) else {}
        if self.function is not None or not kept:
            kept["loss"] = (total.detach() / items).expand(len(target))
        return kept

    @torch.no_grad()
    def metrics(self, outputs: dict[str, Tensor]) -> dict[str, float]:
        """`loss` per item and the metrics asked for."""
        if "loss" in outputs:
            found = {"loss": float(outputs["loss"].double().mean())}
        else:
            total, items = self.loss_of(outputs["output"], outputs[TARGET])
            found = {"loss": float(total) / items}
        if "output" in outputs:
            found |= {name: float(function(outputs["output"], outputs[TARGET])) for name, function in self.functions.items()}
            found |= self._named(outputs["output"], outputs[TARGET])
        return found

    def _named(self, output: Tensor, target: Tensor) -> dict[str, float]:
        if not self.names:
            return {}
        if self.kind == "category" and target.dtype != torch.int64:
            target = target.argmax(dim=1)
        if self.names == ["accuracy"] and self.kind == "category":  # every evaluation: no need for probabilities
            return {"accuracy": float((output.argmax(dim=1) == target).double().mean())}
        truth = target.cpu().numpy()
        if self.kind == "category":
            outcome = measures.Outcome("category", truth, output.softmax(dim=1).cpu().numpy())
        elif self.kind == "binary":
            scores = output.sigmoid().cpu().numpy()
            several = scores.ndim == 2 and scores.shape[1] > 1
            outcome = (
                measures.Outcome("set", truth, scores) if several else measures.Outcome("binary", truth.reshape(-1), scores.reshape(-1))
            )
        else:
            outcome = measures.Outcome("number" if output.dim() == 1 else "vector", truth, output.cpu().numpy().astype(np.float64))
        return measures.compute(outcome, [measures.options(name) for name in self.names if outcome.kind in measures.PARTS[name].kinds])

    def metric_names(self) -> list[str]:
        """The keys that `metrics` may return."""
        return ["loss", *self.functions, *self.names]

    def higher_is_better(self, name: str) -> bool | None:
        """Which way a key of `metrics` is better; None for a function of one's own."""
        return None if name in self.functions else name != "loss" and measures.PARTS[name].higher_is_better

    def check(self, batch: Batch) -> None:
        """Try a forward pass and the loss on some rows before the run begins; raises DataError that says what does not fit."""
        shapes = ", ".join(
            f"{name} {tuple(batch[name].shape)} {str(batch[name].dtype).removeprefix('torch.')}" for name in (*self.inputs, TARGET)
        )
        modes = [(module, module.training) for module in self.modules()]
        self.train(False)
        try:
            with torch.no_grad(), seeded(0):
                output = self._tried("the model does not take these rows", shapes, lambda: self.output_of(batch), self._input_fix(batch))
                self._check_shapes(output, batch[TARGET])
                seen = f"{shapes}; output {tuple(output.shape)}" if isinstance(output, Tensor) else shapes
                fix = self._loss_fix(output, batch[TARGET])
                self._tried("the loss does not take this output and target", seen, lambda: self.loss_of(output, batch[TARGET]), fix)
        finally:
            for module, mode in modes:
                module.training = mode

    def _input_fix(self, batch: Batch) -> str:
        """What to change when the model refuses its inputs."""
        layer = next((each for each in self.model.modules() if isinstance(each, nn.Linear)), None)
        first = batch[self.inputs[0]]
        if len(self.inputs) == 1 and first.is_floating_point() and layer is not None and first.shape[-1] != layer.in_features:
            return f"a row has {first.shape[-1]} values and the first nn.Linear takes {layer.in_features}: make both the same"
        embeds = any(isinstance(each, nn.Embedding) for each in self.model.modules())
        if len(self.inputs) == 1 and layer is not None and not first.is_floating_point() and not embeds:
            return "layers such as nn.Linear take floats: give the input as x.float()"
        return f"model(…) must take {len(self.inputs)} tensor(s) of these shapes and types, one per input and without the target"

    def _loss_fix(self, output: Any, target: Tensor) -> str:
        """What to change when the loss refuses the model's output and the target."""
        if self.function is not None:
            return "the loss is called as loss(output, target), with tensors of these shapes and types"
        if self.kind != "category":
            return "give the target as floats (`y.float()`), in the shape of the model's output"
        if target.is_floating_point() and target.shape != output.shape:
            return "cross_entropy takes class numbers: give the target as y.long(); for values to be predicted use loss='mse'"
        if target.dim() == output.dim() and target.shape[-1] == 1:
            return "give one class number per row, without the last dimension: y.squeeze(-1)"
        return f"the model gives {output.shape[1]} classes: the target must hold whole numbers from 0 to {output.shape[1] - 1}, one per row"

    def _tried(self, what: str, shapes: str, call: Callable[[], Any], fix: str) -> Any:
        try:
            return call()
        except (RuntimeError, ValueError, IndexError, TypeError, AttributeError) as error:
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise DataError(what, where=shapes, why=why, fix=fix) from error

    def _check_shapes(self, output: Any, target: Tensor) -> None:
        if self.sum is None:
            return
        if not isinstance(output, Tensor):
            fix = "give a loss of your own: a function of (output, target)"
            raise DataError(f"the model gives a {type(output).__name__}, not a tensor", where="tw.fit(loss)", fix=fix)
        if self.kind != "category" and output.shape != target.shape:
            why = "they would be broadcast against each other, and the loss would mean something else"
            fix = "reshape the target, or the model's output, so that both agree (`y.unsqueeze(1)`, `output.squeeze(1)`)"
            raise DataError(
                f"the model gives {tuple(output.shape)} for a target of {tuple(target.shape)}", where="tw.fit", why=why, fix=fix
            )
        if self.kind == "category" and output.dim() < 2:
            fix = "give one output per class, or use loss='binary_cross_entropy'"
            raise DataError(f"cross_entropy needs outputs (rows, classes), the model gives {tuple(output.shape)}", where="tw.fit", fix=fix)
