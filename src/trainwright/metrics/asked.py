"""Metrics as a person asks for them: names, functions, objects of torchmetrics, metrics of their own, mixed in one list or mapping."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from pydantic import ValidationError
from torch import Tensor

from trainwright.config.errors import ConfigError, DataError, did_you_mean, nearest
from trainwright.config.foreign import found_at, is_path
from trainwright.config.model import PartConfig
from trainwright.config.registry import build, check_target
from trainwright.metrics import PARTS, from_label, is_labelled, label, options, refused_options
from trainwright.metrics.base import Metric
from trainwright.metrics.batch_outcome import BatchOutcome
from trainwright.metrics.group import MetricGroup
from trainwright.metrics.objects import ObjectMetric, Pair, PairFunctions, is_metric_object
from trainwright.metrics.pairs import find_pair
from trainwright.metrics.shapes import measure_outcome
from trainwright.metrics.table import BINARY, CATEGORY, NUMBER, PICTURE, SET, SIGNAL, VECTOR
from trainwright.metrics.target import TargetMetrics
from trainwright.metrics.whole import WholeOutputs

Asked = str | Sequence[Any] | Mapping[str, Any] | Metric | Callable[..., Any] | None
PAIRS = (PICTURE, SIGNAL)
FITTING = {
    CATEGORY: (CATEGORY,),
    BINARY: (BINARY, SET),
    NUMBER: (NUMBER, VECTOR, *PAIRS),
    "": (CATEGORY, BINARY, SET, NUMBER, VECTOR, *PAIRS),
}
"""What a loss predicts → kinds of target whose metrics may be asked for; the shapes of the outputs decide between them."""

Predicts = Callable[[Tensor, Tensor], str]
"""Output and target → `category`, `binary` or `number`; empty where they do not say it."""
IGNORED = -100
"""The class number that counts for nothing, as in torch's losses."""


class Wishes:
    """What was asked for, sorted: metrics by name, functions of pairs, functions of whole outputs, metrics with a state of their own.

    `predicts` is `category`, `binary` or `number`, as the loss has it; empty where that is to be seen from the outputs. Raises ConfigError
    for names that do not fit, and for what is no metric.
    """

    def __init__(self, asked: Asked, predicts: str = "", where: str = "metrics", knows: bool = True, usual: bool = False) -> None:
        """`knows`: whether it can be told what outputs mean, so that metrics have names. `usual`: nobody asked, what fits is measured."""
        self.predicts, self.where, self.knows, self.usual = predicts, where, knows, usual
        self.named: dict[str, PartConfig] = {}
        self.pairs: dict[str, PartConfig] = {}
        """Metrics of the table that are given output and target as they are."""
        self.functions: dict[str, Callable[..., Any]] = {}
        self.others: list[tuple[str, Any]] = []
        self.given_names: set[str] = set()
        for name, each in list_metrics(asked):
            self._take(name, each)

    def _take(self, name: str, each: Any) -> None:
        if isinstance(each, str) and is_path(each) and not is_labelled(each):
            name, each = name or each.rpartition(":")[2].rpartition(".")[2], self._find(each)
        if isinstance(each, str | PartConfig) or (isinstance(each, Mapping) and "type" in each):
            chosen = self._by_name(each)
            paired = chosen.type in PARTS and PARTS[chosen.type].paired
            name = name or (chosen.type if paired and hasattr(chosen, "features") else label(chosen))
            self._claim(name)
            (self.pairs if paired else self.named)[name] = chosen
            return
        if isinstance(each, type) and (issubclass(each, Metric) or is_metric_object_class(each)):
            each = each()
        if name:
            self.given_names.add(name)
        else:
            own = isinstance(each, Metric)
            name = "" if own else str(getattr(each, "__name__", type(each).__name__)).strip("<>")
        if name:
            self._claim(name)
        if isinstance(each, Metric) or is_metric_object(each):
            self.others.append((name, each))
        elif callable(each):
            self.functions[name] = each
        else:
            fix = "give names or functions, or a mapping of name → function of (outputs, targets)"
            raise ConfigError(f"a {type(each).__name__} is no metric", where=self.where, fix=fix)

    def _find(self, path: str) -> Any:
        try:
            return found_at(path)[0]
        except ConfigError as error:
            raise ConfigError(error.what, where=self.where, why=error.why, fix=error.fix) from error

    def _claim(self, name: str) -> None:
        if name in self.functions or name in self.named or name in self.pairs or name in dict(self.others):
            fix = "give a mapping of name → function of (outputs, targets)"
            raise ConfigError(f"two metrics are called '{name}'", where=self.where, fix=fix)

    def _by_name(self, each: Any) -> PartConfig:
        if not self.knows:
            why = "with a loss of your own, or one that does not say what is predicted, it is not known what the outputs mean"
            raise ConfigError("metrics by name need a loss by name", where=self.where, why=why, fix="give a mapping of name → function")
        if isinstance(each, PartConfig):
            return each
        text = each if isinstance(each, str) else str(each["type"])
        fitting = [name for name, part in PARTS.items() if set(part.kinds) & set(FITTING[self.predicts])]
        known = next((name for name in sorted(PARTS, key=len, reverse=True) if text == name or text.startswith(f"{name}_")), None)
        if known not in fitting:
            close = next((name for name in fitting if text and name.startswith(text.lower())), "") or nearest(text, fitting)
            fix = (f"did you mean '{close}'? " if close else "") + f"available: {', '.join(fitting)}"
            raise ConfigError(f"there is no metric '{text}'" + (" for this loss" if self.predicts else ""), where=self.where, fix=fix)
        if isinstance(each, str):
            return from_label(each)
        try:
            return options(known, **{str(name): value for name, value in each.items() if name != "type"})
        except ValidationError as error:
            raise refused_options(known, error, self.where) from error

    def __bool__(self) -> bool:
        return bool(self.named or self.pairs or self.functions or self.others)

    def names(self) -> list[str]:
        """What will be measured, as far as it is known."""
        return [*self.functions, *(name for name, _ in self.others if name), *self.pairs, *self.named]

    @property
    def certain(self) -> bool:
        """Whether `names` are those of all numbers: functions of whole outputs and objects give what they give."""
        several = any(hasattr(each, "features") for each in self.pairs.values())
        return not self.others and not several and not any(takes_one(each) for each in self.functions.values())

    def of_outputs(self) -> MetricGroup:
        """New metrics of what evaluation steps give under the usual names; see `find_pair`."""
        return self.metric(partial(find_pair, self.where), lambda target: IGNORED)

    def metric(
        self, pair: Pair, ignored: Callable[[Tensor], int | None] = lambda target: None, predicts: Predicts | None = None
    ) -> MetricGroup:
        """New metrics of what was asked for. `pair` finds outputs and targets, `ignored` the class that counts for nothing, `predicts` what
        an output predicts where that follows from the rows."""
        whole = {name: each for name, each in self.functions.items() if takes_one(each)}
        members: list[tuple[str, Metric]] = [(name, WholeOutputs(each, where=name)) for name, each in whole.items()]
        pairs = {name: each for name, each in self.functions.items() if name not in whole}
        if pairs:
            members.append(("", PairFunctions(pairs, pair)))
        for name, each in self.others:
            found = fresh(each) if isinstance(each, Metric) else ObjectMetric(name, each, pair, named=name in self.given_names)
            members.append((name if isinstance(each, Metric) else "", found))
        members += [("", build("metric", each, name=name, pair=pair)) for name, each in self.pairs.items()]
        if self.named:
            members.append(("", NamedMetrics(self, pair, ignored, predicts)))
        return MetricGroup(members)

    def higher_is_better(self, name: str) -> bool | None:
        """Which way a metric is better; None where that is not known, as for a function of one's own."""
        known = self.named.get(name) or self.pairs.get(name)
        if known is not None:
            return PARTS[known.type].higher_is_better
        for prefix, each in self.others:
            if isinstance(each, Metric):
                found = MetricGroup([(prefix, each)]).higher_is_better(name)
            else:
                found = getattr(each, "higher_is_better", None) if name == prefix or name.startswith(f"{prefix}.") else None
            if isinstance(found, bool):
                return found
        return None


class NamedMetrics(TargetMetrics):
    """Metrics by name of outputs and targets of any number of dimensions; see `shapes.measured`."""

    def __init__(self, wishes: Wishes, pair: Pair, ignored: Callable[[Tensor], int | None], predicts: Predicts | None = None) -> None:
        super().__init__(wishes.named.values(), self._measure)
        self.asked = dict(wishes.named)
        self._wishes, self._pair, self._ignored, self._predicts = wishes, pair, ignored, predicts
        self._checked = ("", 0)

    def _measure(self, outputs: Mapping[str, Tensor]) -> BatchOutcome | None:
        found = self._pair(outputs)
        if found is None:
            return None
        output, target = found
        predicts = "" if self._predicts is None else self._predicts(output, target)
        predicts = predicts or self._wishes.predicts or predicted_by(output, target, self.asked.values())
        rows = measure_outcome(predicts, output, target, ignored=self._ignored(target), mask=outputs.get("mask"))
        if (rows.kind, rows.width) != self._checked:
            self._checked = (rows.kind, rows.width)
            for each in self.asked.values():
                if rows.kind in PARTS[each.type].kinds:
                    check_target("metric", each, rows.kind, width=rows.width)
        return rows

    def update(self, outputs: Mapping[str, Tensor], batch: Any = None) -> None:
        """Take in the rows. Raises DataError for shapes that do not fit, ConfigError for metrics that are not defined for them."""
        try:
            super().update(outputs, batch)
        except ValueError as error:
            raise self._refusal(error, self._pair(outputs)) from error

    def compute(self) -> dict[str, float]:
        """Every metric by its key. Raises DataError for classes that are none."""
        try:
            return super().compute()
        except ValueError as error:
            raise self._refusal(error, None) from error

    def _refusal(self, error: ValueError, found: tuple[Tensor, Tensor] | None) -> DataError:
        shapes = "" if found is None else f": output {tuple(found[0].shape)}, target {tuple(found[1].shape)}"
        fix = "measure rows whose targets it takes, or name other metrics: metrics=[…]"
        return DataError("the metrics cannot be computed", where=", ".join(self.asked) + shapes, why=str(error), fix=fix)

    def _begin(self, kind: str) -> None:
        if self._wishes.usual:
            self.asked = {name: each for name, each in self.asked.items() if kind in PARTS[each.type].kinds}
        for name, each in self.asked.items():
            if kind not in PARTS[each.type].kinds:
                what = f"metric '{name}' cannot be computed of this output"
                fitting = ", ".join(other for other, part in PARTS.items() if kind in part.kinds)
                why = f"the outputs are of kind '{kind}', by their shape"
                raise ConfigError(what, where=self._wishes.where, why=why, fix=f"available: {fitting}")
        super()._begin(kind)


def fresh(given: Metric) -> Metric:
    """A copy of a person's metric that has seen nothing: the one given is not changed, and each evaluation has its own."""
    made = copy.deepcopy(given)
    made.load({})
    return made


def predicted_by(output: Tensor, target: Tensor, asked: Any) -> str:
    """What outputs predict, where no loss says it: classes, labels or numbers."""
    if not target.is_floating_point():
        return CATEGORY if output.dim() == target.dim() + 1 else BINARY
    numbers = all(NUMBER in PARTS[each.type].kinds or VECTOR in PARTS[each.type].kinds for each in asked)
    return NUMBER if numbers else BINARY


def named_metrics(
    asked: Asked, predicts: str = "", output: str = "output", target: str = "target", ignore_index: int | None = IGNORED
) -> MetricGroup:
    """Metrics of what an evaluation step gives under two names, for `metrics(self)` of a system: names, functions, objects, mixed.

    `predicts` says what `output` holds: `category` (logits (b, c, …) or (b, …, c) beside class numbers (b, …), of which `ignore_index`
    counts for nothing), `binary` (logits beside labels of the same shape) or `number`; empty to see it from types and shapes. Raises
    ConfigError for names that do not fit.
    """
    if predicts not in FITTING:
        raise ConfigError(f"nothing predicts '{predicts}'", where="named_metrics(predicts)", fix=did_you_mean(predicts, list(FITTING)[:3]))

    def pair(outputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor] | None:
        if output in outputs and target in outputs:
            return outputs[output], outputs[target]
        missing = output if output not in outputs else target
        fix = did_you_mean(missing, outputs) if outputs else "return it from evaluation_step"
        raise ConfigError(
            f"the outputs have no '{missing}' to measure", where="named_metrics", why=f"they have {', '.join(outputs)}", fix=fix
        )

    return Wishes(asked, predicts, "named_metrics").metric(pair, lambda truth: ignore_index)


def list_metrics(asked: Asked) -> Iterator[tuple[str, Any]]:
    """(name, metric) of everything asked for, in order; the name is empty where it has none of its own."""
    if asked is None:
        return
    if isinstance(asked, Mapping) and "type" not in asked:
        yield from ((str(name), each) for name, each in asked.items())
    elif isinstance(asked, Sequence) and not isinstance(asked, str):
        yield from (("", each) for each in asked)
    else:
        yield "", asked


def is_metric_object_class(value: type) -> bool:
    """Whether instances of a class are metrics of another library."""
    return all(callable(getattr(value, each, None)) for each in ("update", "compute", "reset"))


def takes_one(function: Callable[..., Any]) -> bool:
    """Whether a function must be given one argument alone: the outputs of all rows by name."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    places = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    several = any(each.kind is each.VAR_POSITIONAL for each in parameters)
    return not several and len(places) == 1
