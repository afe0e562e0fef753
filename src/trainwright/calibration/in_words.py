"""What a calibration came to, as lines for a person."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from trainwright.calibration.blocks import fitted_on, measured_on
from trainwright.report.figures import is_number
from trainwright.report.material import mapping, rows

WIDTH, SHOWN = 80, 8


def describe_calibration(target: str, found: Mapping[str, Any]) -> list[str]:
    """A sentence for each method, on rows that took no part where there are such, and what a reader should know."""
    split = measured_on(found)
    measured = mapping(found.get(split))
    said = [_scaling(found, measured), *_thresholds(found, measured), _conformal(found, measured), *map(str, found.get("notes", []))]
    on = f"{split} rows" if split != found.get("fitted_on") else f"{split} rows, the ones it was fitted on"
    head = f"{target}, calibrated on {fitted_on(found)}; measured on {measured.get('rows', 0)} {on}:"
    return [
        "",
        *textwrap.wrap(head, WIDTH),
        *(line for each in said if each for line in textwrap.wrap(each, WIDTH, initial_indent="  ", subsequent_indent="    ")),
    ]


def _scaling(found: Mapping[str, Any], measured: Mapping[str, Any]) -> str:
    fitted, before, after = mapping(found.get("scaling")), mapping(measured.get("before")), mapping(measured.get("after"))
    if not fitted or not before:
        return ""
    scale = fitted.get("scale") or [1.0]
    name = f"temperature {1 / scale[0]:.4g}" if fitted.get("method") == "temperature" else str(fitted.get("method"))
    pairs = (("NLL", "nll"), ("ECE", "ece"), ("Brier score", "brier"))
    changes = [f"{shown} {_number(before.get(key))} → {_number(after.get(key))}" for shown, key in pairs]
    return f"{name}: {', '.join(changes)}"


def _thresholds(found: Mapping[str, Any], measured: Mapping[str, Any]) -> list[str]:
    chosen, decided = rows(found.get("thresholds")), rows(measured.get("decided"))
    if whole := mapping(measured.get("together")):
        pairs = zip(decided[:SHOWN], chosen, strict=False)
        shown = ", ".join(f"{each.get('label')} {_number(cut.get('threshold'))}" for each, cut in pairs)
        more = f", and of {len(decided) - SHOWN} more labels, which are in the report" if len(decided) > SHOWN else ""
        head = f"{found.get('metric')} {_number(whole.get('at_half'))} at 0.5 → {_number(whole.get('value'))}, labels decided together"
        return [f"{head} at {shown}{more}"]
    lines = [
        f"threshold of {each.get('label')}: {_number(chosen[min(place, len(chosen) - 1)].get('threshold'))}, {found.get('metric')} "
        f"{_number(each.get('at_half'))} at 0.5 → {_number(each.get('value'))}"
        for place, each in enumerate(decided[:SHOWN])
    ]
    return [*lines, f"{len(decided) - SHOWN} more labels are in the report"] if len(decided) > SHOWN else lines


def _conformal(found: Mapping[str, Any], measured: Mapping[str, Any]) -> str:
    fitted, shown = mapping(found.get("conformal")), mapping(measured.get("conformal"))
    if not fitted or not shown:
        return ""
    kind = "intervals" if "mean_width" in shown else "sets"
    sized = f"mean width {_number(shown['mean_width'])}" if "mean_width" in shown else f"mean size {_number(shown.get('mean_size'))}"
    empty = f", {100 * shown['empty']:.1f} % empty" if shown.get("empty") else ""
    share = f"{_number(shown.get('coverage'))} covered of {1 - fitted['alpha']:.4g} asked for"
    return f"conformal {kind} ({fitted.get('score')}): {share}, {sized}{empty}"


def _number(value: Any) -> str:
    return f"{value:.4g}" if is_number(value) else "–"
