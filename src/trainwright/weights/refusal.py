"""What to say when weights do not fit a model: another architecture, or which names and shapes, and the nearest ones."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from trainwright.config.errors import ConfigError, nearest
from trainwright.weights.matching import Match
from trainwright.weights.names import unwrap_name
from trainwright.weights.report import SHOWN, shape

SHARE = 0.5
"""Below this share of fitting tensors the two are taken for different architectures."""
COMPARED = 400
"""Names that are searched for the nearest one."""


def refusal(found: Match, partial: bool, least: float = 0.0) -> ConfigError | None:
    """The error to raise for a match, or None when it can be loaded: whole, or with `partial` the share `least` of the smaller side."""
    report = found.report
    if report.complete:
        return None
    theirs = len(found.values) + len(report.unexpected) + len(report.dropped)
    if partial and found.values:
        smaller = min(len(found.own) - len(report.ignored), theirs)
        heads = sum(each.name.rpartition(".")[0] in report.heads for each in report.dropped)
        return None if len(report.loaded) + heads >= least * smaller else _another(found, smaller, partial)
    total = max(len(found.own), len(found.values) + len(report.unexpected) + len(report.dropped))
    if not found.values or len(report.loaded) / total < SHARE:
        return _another(found, total, partial)
    lines = [f"missing: {name} {shape(found.own[name].shape)}" for name in report.missing]
    lines += [_describe_unexpected(name, found) for name in report.unexpected]
    lines += [str(each) for each in report.dropped]
    more = f"; and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
    fix = "take what fits with partial=True, leave names out with ignore=[…], or rename with renames={'old': 'new'}"
    return ConfigError("these weights do not fit the model", where=report.source, why="; ".join(lines[:SHOWN]) + more, fix=fix)


def _describe_unexpected(name: str, found: Match) -> str:
    close = nearest(name, (found.report.missing or list(found.own))[:COMPARED])
    return f"not in the model: {name} {shape(found.theirs[name].shape)}" + (
        f" (nearest: {close} {shape(found.own[close].shape)})" if close else ""
    )


def _another(found: Match, total: int, partial: bool) -> ConfigError:
    theirs = [f"{name} {shape(value.shape)}" for name, value in found.theirs.items()] + [str(each) for each in found.report.dropped]
    ours = [f"{name} {shape(value.shape)}" for name, value in found.own.items() if name not in found.values]
    told = f"they say to be of {found.report.architecture}; " if found.report.architecture else ""
    fits = f"{told}{len(found.report.loaded)} of {total} tensors fit by name and shape"
    why = f"{fits}; they have {_some(theirs)}; the model has {_some(ours)}"
    part = _part(found)
    fix = part or "use the model that they were made with, or map the names with renames={'old': 'new'}"
    if not part and found.values and not partial:
        fix += ", or take what fits with partial=True"
    return ConfigError("these are weights of another architecture", where=found.report.source, why=why, fix=fix)


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "") if names else "nothing else"


def _part(found: Match) -> str:
    """The fix when one side is a part of the other."""
    theirs = {unwrap_name(name): value for name, value in found.theirs.items()}
    inside = _prefix(theirs, found.own)
    if inside:
        return f"the model is their part '{inside}': name it with submodule='{inside}', or as SOURCE:{inside}"
    around = _prefix(found.own, theirs)
    return f"they fit the model's part '{around}': load them into that" if around else ""


def _prefix(large: Mapping[str, Tensor], small: Mapping[str, Tensor]) -> str:
    """The prefix under which most of `small` lies in `large`, or nothing."""
    if not small:
        return ""
    counts: dict[str, int] = {}
    for name, value in large.items():
        parts = name.split(".")
        for end in range(1, len(parts)):
            rest = ".".join(parts[end:])
            if rest in small and small[rest].shape == value.shape:
                prefix = ".".join(parts[:end])
                counts[prefix] = counts.get(prefix, 0) + 1
    best = max(counts, key=lambda each: (counts[each], -len(each)), default="")
    return best if best and counts[best] > SHARE * len(small) else ""
