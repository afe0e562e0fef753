"""Metrics of a plain system: by the names known for what its loss predicts, or functions of one's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from trainwright import metrics as measures
from trainwright.config.errors import ConfigError, DataError, nearest
from trainwright.config.foreign import found_at, is_path

MetricFunction = Callable[[Tensor, Tensor], Any]
Asked = str | Sequence[str | MetricFunction] | Mapping[str, MetricFunction] | None

USUAL = {"category": ["accuracy"], "binary": ["accuracy"], "number": ["r2", "rmse", "mae"]}
WHERE = "tw.fit(metrics)"


class Measures:
    """The metrics asked for; raises ConfigError for names that do not fit the loss."""

    def __init__(self, asked: Asked, kind: str) -> None:
        self.kind = kind
        self.functions: dict[str, MetricFunction] = dict(asked) if isinstance(asked, Mapping) else {}
        self.names = [] if isinstance(asked, Mapping) else self._checked([asked] if isinstance(asked, str) else asked)

    def _checked(self, asked: Sequence[str | MetricFunction] | None) -> list[str]:
        if asked is None:
            return USUAL.get(self.kind, [])
        named: list[str] = []
        for each in asked:
            if isinstance(each, str) and not is_path(each):
                named.append(each)
            elif isinstance(each, str):
                self._add(each.rpartition(":")[2].rpartition(".")[2], found_at(each)[0])
            else:
                self._add(getattr(each, "__name__", type(each).__name__).strip("<>"), each)
        if named and not self.kind:
            why = "with a loss of your own, or one that does not say what is predicted, it is not known what the outputs mean"
            raise ConfigError("metrics by name need a loss by name", where=WHERE, why=why, fix="give a mapping of name → function")
        for name in named:
            if name not in measures.PARTS or self.kind not in measures.PARTS[name].kinds:
                fitting = [each for each, part in measures.PARTS.items() if self.kind in part.kinds]
                close = next((each for each in fitting if name and each.startswith(name.lower())), "") or nearest(name, fitting)
                fix = (f"did you mean '{close}'? " if close else "") + f"available: {', '.join(fitting)}"
                raise ConfigError(f"there is no metric '{name}' for this loss", where=WHERE, fix=fix)
        return named

    def _add(self, name: str, function: Any) -> None:
        fix = "give a mapping of name → function of (outputs, targets)"
        if not callable(function):
            raise ConfigError(f"a {type(function).__name__} is no metric", where=WHERE, fix=f"give names or functions, or {fix[5:]}")
        if name in self.functions:
            raise ConfigError(f"two metrics are called '{name}'", where=WHERE, fix=fix)
        self.functions[name] = function

    def values(self, output: Tensor, target: Tensor) -> dict[str, float]:
        """Every metric of whole-split outputs."""
        return {name: float(function(output, target)) for name, function in self.functions.items()} | self._named(output, target)

    def _named(self, output: Tensor, target: Tensor) -> dict[str, float]:
        if not self.names:
            return {}
        if self.kind == "category" and target.is_floating_point():
            target = target.argmax(dim=1)
        if self.names == ["accuracy"] and self.kind == "category":  # every evaluation: no need for probabilities
            return {"accuracy": float((output.argmax(dim=1) == target).double().mean())}
        try:
            outcome = _outcome(self.kind, output, target)
            asked = [measures.options(name) for name in self.names if outcome.kind in measures.PARTS[name].kinds]
            return measures.compute(outcome, asked)
        except ValueError as error:
            fix = "check the targets of the split that is measured, or name other metrics: metrics=[…]"
            where = f"{', '.join(self.names)}: output {tuple(output.shape)}, target {tuple(target.shape)}"
            raise DataError("the metrics cannot be computed", where=where, why=str(error), fix=fix) from error

    def higher_is_better(self, name: str) -> bool | None:
        """Which way a metric is better; None for a function of one's own."""
        return None if name in self.functions else name != "loss" and measures.PARTS[name].higher_is_better


def kind_and_scores(kind: str, output: Tensor, target: Tensor) -> tuple[str, Tensor, Tensor]:
    """What the metrics measure of a loss's outputs: the kind of target, probabilities or values, and the truth beside them."""
    if kind == "category":
        return "category", output.softmax(dim=1), target
    if kind == "binary":
        scores = output.sigmoid()
        if scores.dim() == 2 and scores.shape[1] > 1:
            return "set", scores, target
        return "binary", scores.reshape(-1), target.reshape(-1)
    return ("number" if output.dim() == 1 else "vector"), output.double() if output.device.type != "mps" else output, target


def _outcome(kind: str, output: Tensor, target: Tensor) -> Any:
    kind, scores, target = kind_and_scores(kind, output, target)
    return measures.Outcome(kind, target.cpu().numpy(), scores.cpu().numpy())
