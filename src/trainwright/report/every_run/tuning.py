"""How batch size and learning rate were found: the trials as a table, the range test as a curve."""

from __future__ import annotations

import math

from trainwright.config.errors import RunError
from trainwright.files.text import read_json
from trainwright.report.blocks.base import Block
from trainwright.report.blocks.lines import Line, Lines, Mark
from trainwright.report.blocks.table import Column, Table
from trainwright.report.charts.axes import span
from trainwright.report.every_run.layout import ReportSection
from trainwright.report.figures import is_number, plural, seconds, setting
from trainwright.report.markup import Content, note
from trainwright.report.material import Material, mapping, rows

LIMITS = {
    "memory": "larger ones do not fit the memory",
    "rows": "larger ones were not asked for",
    "speed": "larger ones are no faster",
    "time": "the time for trying was over",
}


def tuning(material: Material) -> ReportSection | None:
    """What was `auto` and how it became a number; None when nothing was."""
    try:
        found = mapping(read_json(material.path / "tuning.json"))
    except RunError as error:
        return ReportSection("tuning", "Tuning", "", [note(f"tuning.json cannot be read: {error.why or error.what}.")])
    batch, rate = mapping(found.get("batch_size")), mapping(found.get("learning_rate"))
    if not batch and not rate:
        return None
    lede = "Measured on real steps before the first one; weights, randomness and the order of rows were put back."
    return ReportSection("tuning", "Tuning", lede, [*_trials(batch), *_curve(rate)])


def _trials(batch: dict[str, object]) -> list[Content | Block]:
    tried = rows(batch.get("trials"))
    if not tried:
        return []
    option = str(batch.get("option"))
    keys = ("batch_size", "micro_batch_size", "seconds", "samples_per_second", "peak_bytes")
    cells = [
        [*[each[key] if is_number(each.get(key)) else None for key in keys], _verdict(each, option, batch.get("chosen"))] for each in tried
    ]
    formats = {"per step": "seconds", "samples/s": "number", "memory": "bytes"}
    head = [Column(name="batch"), Column(name="micro-batch", format="number")]
    head += [Column.model_validate({"name": name, "format": form}) for name, form in formats.items()]
    because = LIMITS.get(str(batch.get("limited_by")), "")
    said = f"{plural(len(tried), 'size')} tried in {seconds(batch.get('seconds'))}" + (f"; {because}." if because else ".")
    shown = Table(columns=[*head, ""], rows=cells, note=f"{said} The smallest size close to the fastest is taken.")
    return [shown]


def _verdict(trial: dict[str, object], option: str, chosen: object) -> str:
    if trial.get("verdict") != "fits":
        return str(trial.get("verdict") or "")
    return "chosen" if trial.get(option) == chosen else ""


def _curve(rate: dict[str, object]) -> list[Block]:
    rates, chosen = _numbers(rate.get("rates")), rate.get("chosen")
    smoothed = [y for y in _numbers(rate.get("smoothed")) if math.isfinite(y)]
    if len(smoothed) < 2 or not rates or min(rates) <= 0:
        return []
    # The rise at the end is cut off: it would press the fall, which is what is looked for, into a flat line.
    low, first = min(smoothed), smoothed[0]
    high = min(max(smoothed), max(first, low) + 2 * abs(first - low))
    lines = []
    for name, style in (("losses", "other"), ("smoothed", "train")):
        pairs = [(x, min(y, high)) for x, y in zip(rates, _numbers(rate.get(name)), strict=False) if math.isfinite(y)]
        shown = "each step" if name == "losses" else name
        lines.append(Line.model_validate({"name": shown, "style": style, "x": [x for x, _ in pairs], "y": [y for _, y in pairs]}))
    made = {
        "title": "Learning-rate range test",
        "lines": lines,
        "x_label": "learning rate",
        "x_log": True,
        "y_range": list(span([low, high])),
    }
    if not is_number(chosen):
        return [Lines.model_validate(made)]
    return [Lines.model_validate({**made, "mark": Mark(x=float(chosen)), "caption": f"chosen: {setting(chosen)}"})]


def _numbers(values: object) -> list[float]:
    found = values if isinstance(values, list) else []
    return [float(each) if isinstance(each, int | float) else math.nan for each in found]
