"""Measures of predictions: a table of metrics by name, their defaults per kind of target, and how to compute them.

The table and the options import nothing heavy; `Outcome`, `compute`, `intervals` and `difference_interval` are
loaded on first use.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from trainwright.config.domains import column_kind, house
from trainwright.config.elsewhere import found_later
from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.config.foreign import is_path
from trainwright.config.model import PartConfig
from trainwright.metrics.table import (
    PARTS,
    AveragingOptions,
    CalibrationOptions,
    FBetaOptions,
    KappaOptions,
    MetricPart,
    PlainOptions,
    RankingOptions,
    SetOverlapOptions,
    TopKOptions,
)

if TYPE_CHECKING:
    from trainwright.config.domain import ColumnKind
    from trainwright.metrics.bootstrap import Difference, difference_interval, intervals
    from trainwright.metrics.evaluate import compute, compute_one
    from trainwright.metrics.outcome import Outcome

__all__ = [
    "PARTS",
    "AveragingOptions",
    "CalibrationOptions",
    "Difference",
    "FBetaOptions",
    "KappaOptions",
    "MetricPart",
    "Outcome",
    "PlainOptions",
    "RankingOptions",
    "SetOverlapOptions",
    "TopKOptions",
    "compute",
    "compute_one",
    "default_metrics",
    "default_monitor",
    "difference_interval",
    "from_label",
    "headline",
    "intervals",
    "is_labelled",
    "label",
    "mode",
    "options",
    "refused_options",
    "written_metric",
]

_LATER = {
    "Outcome": "trainwright.metrics.outcome",
    "compute": "trainwright.metrics.evaluate",
    "compute_one": "trainwright.metrics.evaluate",
    "intervals": "trainwright.metrics.bootstrap",
    "difference_interval": "trainwright.metrics.bootstrap",
    "Difference": "trainwright.metrics.bootstrap",
}
__getattr__ = found_later(__name__, _LATER)


def options(name: str, **values: Any) -> PartConfig:
    """The options of a registered metric, with defaults for what is not given; raises ConfigError for an unknown name."""
    if name not in PARTS:
        raise ConfigError(f"unknown metric type '{name}'", fix=did_you_mean(name, PARTS))
    return PARTS[name].config.model_validate({"type": name, **values})


def default_metrics(kind: str) -> list[PartConfig]:
    """The metrics computed for a target of this kind when the config names none; the first is the headline."""
    return [options(name) for name in _find_measures(kind).metrics]


def _find_measures(kind: str) -> ColumnKind:
    """What a column of a type is measured by; raises ConfigError for one that cannot be predicted."""
    found = column_kind(kind)
    if not found.metrics:
        known = [name for domain in house().values() for name, each in domain.columns.items() if each.metrics]
        raise ConfigError(f"there are no metrics for targets of kind '{kind}'", fix=did_you_mean(kind, known))
    return found


def headline(kind: str) -> PartConfig:
    """The one metric that sums a target of this kind up for a reader (accuracy, R², Jaccard)."""
    return default_metrics(kind)[0]


def default_monitor(kind: str) -> str:
    """The metric that picks the best checkpoint of a target of this kind when the config names none."""
    found = _find_measures(kind)
    return found.monitor or found.metrics[0]


def label(metric: PartConfig) -> str:
    """The key of a metric in results: its type, then the options that differ from their defaults (`f1_micro`, `top_k_accuracy_5`)."""
    if metric.type not in PARTS:
        return metric.type.replace(":", ".").rsplit(".", 1)[-1]
    changed = {
        name: getattr(metric, name)
        for name, field in type(metric).model_fields.items()
        if name != "type" and getattr(metric, name) != field.default
    }
    named = PARTS[metric.type].paired  # of several options a value alone does not say whose it is
    return "_".join([metric.type, *(f"{name}={_as_text(value)}" if named else str(value) for name, value in changed.items())])


def _as_text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def from_label(key: str) -> PartConfig:
    """The options behind a metric's key (`f1_micro` is f1 with average=micro); raises ConfigError when it is none's."""
    if key not in PARTS:
        for name in sorted(PARTS, key=len, reverse=True):
            if key.startswith(f"{name}_") and (found := _read_label(name, key.removeprefix(f"{name}_"))) is not None:
                return found
    return options(key)


def _read_label(name: str, rest: str) -> PartConfig | None:
    """The options of a metric from what stands after its name in a key."""
    fields = [each for each in PARTS[name].config.model_fields if each != "type"]
    pieces = re.split(rf"(?:^|_)({'|'.join(fields)})=", rest)[1:] if fields and PARTS[name].paired else []
    given = [dict(zip(pieces[::2], pieces[1::2], strict=True))] if pieces else [{option: rest} for option in fields]
    words = rest.split("_")
    given += [dict(zip(each, words, strict=True)) for each in combinations(fields, len(words))] if len(words) > 1 else []
    for values in given:
        try:
            return options(name, **{option: _as_value(value) for option, value in values.items()})
        except ValidationError:
            continue
    return None


def _as_value(text: str) -> Any:
    """Text of a key as the option's value: a truth, a number, a list of numbers, or a word."""
    if text in ("True", "False"):
        return text == "True"
    if text.startswith("[") and text.endswith("]"):
        return [_as_value(each.strip()) for each in text[1:-1].split(",")]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def is_labelled(text: str) -> bool:
    """Whether text is the key of a metric of pairs, which may end with the path of what makes its features."""
    return any(part.paired and text.startswith(f"{name}_") for name, part in PARTS.items())


def written_metric(given: Any) -> Any:
    """The key of a metric as a configuration has it: a key, a path, or a type with options. Raises ConfigError for none of the table."""
    if isinstance(given, str):
        if not is_path(given) or is_labelled(given):
            from_label(given)
        return given
    if not isinstance(given, Mapping) or not isinstance(given.get("type"), str) or is_path(given["type"]):
        return given
    try:
        return label(options(given["type"], **{str(name): value for name, value in given.items() if name != "type"}))
    except ValidationError as error:
        raise refused_options(given["type"], error) from error


def refused_options(name: str, error: ValidationError, where: str = "") -> ConfigError:
    """The first of the options that a metric does not take, in words."""
    first = error.errors(include_url=False)[0]
    option = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        allowed = [each for each in PARTS[name].config.model_fields if each != "type"]
        fix = did_you_mean(option, allowed) if allowed else "leave it out"
        return ConfigError(f"metric '{name}' has no option '{option}'", where=where, fix=fix)
    return ConfigError(f"{option} of metric '{name}' is {first['input']!r}", where=where, why=first["msg"])


def mode(monitor: str) -> str:
    """`max` or `min`: which way the monitored value is better; `monitor` is `loss`, a metric's key, or `target.metric`."""
    name = monitor.rsplit(".", 1)[-1].rsplit("/", 1)[-1]
    if name == "loss" or name.endswith("_loss"):
        return "min"
    known = [part for part in PARTS if name == part or name.startswith(part + "_")]
    if not known:
        raise ConfigError(f"unknown metric '{name}' in monitor '{monitor}'", fix=did_you_mean(name, ["loss", *PARTS]))
    return "max" if PARTS[max(known, key=len)].higher_is_better else "min"
