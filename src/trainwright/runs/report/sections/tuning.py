"""How batch size and learning rate were found: the trials as a table, the range test as a curve."""

from __future__ import annotations

import math

from trainwright.config.errors import RunError
from trainwright.files.text import read_json
from trainwright.runs.report.charts.axes import BOTTOM, HEIGHT, TOP, across, figure, frame, span, up
from trainwright.runs.report.charts.lines import Series, line
from trainwright.runs.report.figures import is_number, number, plural, seconds, setting, size
from trainwright.runs.report.markup import Content, Markup, note, table, tag
from trainwright.runs.report.material import Material, mapping, rows
from trainwright.runs.report.sections.layout import Section, grid

LIMITS = {
    "memory": "larger ones do not fit the memory",
    "rows": "larger ones were not asked for",
    "speed": "larger ones are no faster",
    "time": "the time for trying was over",
}


def tuning(material: Material) -> Section | None:
    """What was `auto` and how it became a number; None when nothing was."""
    try:
        found = mapping(read_json(material.path / "tuning.json"))
    except RunError as error:
        return Section("tuning", "Tuning", "", note(f"tuning.json cannot be read: {error.why or error.what}."))
    batch, rate = mapping(found.get("batch_size")), mapping(found.get("learning_rate"))
    if not batch and not rate:
        return None
    lede = "Measured on real steps before the first one; weights, randomness and the order of rows were put back."
    return Section("tuning", "Tuning", lede, [*_trials(batch), _curve(rate)])


def _trials(batch: dict[str, object]) -> list[Content]:
    tried = rows(batch.get("trials"))
    if not tried:
        return []
    option = str(batch.get("option"))
    cells = [
        [
            number(each.get("batch_size")),
            number(each.get("micro_batch_size")),
            seconds(each.get("seconds")),
            number(each.get("samples_per_second")),
            size(each.get("peak_bytes")),
            _verdict(each, option, batch.get("chosen")),
        ]
        for each in tried
    ]
    head = ["batch", "micro-batch", "per step", "samples/s", "memory", ""]
    because = LIMITS.get(str(batch.get("limited_by")), "")
    said = f"{plural(len(tried), 'size')} tried in {seconds(batch.get('seconds'))}" + (f"; {because}." if because else ".")
    return [table(head, cells, label="Batch sizes tried"), note(said, " The smallest size close to the fastest is taken.")]


def _verdict(trial: dict[str, object], option: str, chosen: object) -> str:
    if trial.get("verdict") != "fits":
        return str(trial.get("verdict") or "")
    return "chosen" if trial.get(option) == chosen else ""


def _curve(rate: dict[str, object]) -> Markup | None:
    rates, chosen = _numbers(rate.get("rates")), rate.get("chosen")
    lines = [
        Series("each step", "other", rates, _numbers(rate.get("losses"))),
        Series("smoothed", "train", rates, _numbers(rate.get("smoothed"))),
    ]
    values = [y for _, y in lines[1].finite()]
    if len(values) < 2 or min(rates) <= 0:
        return None
    # The rise at the end is cut off: it would press the fall, which is what is looked for, into a flat line.
    high = min(max(values), max(values[0], min(values)) + 2 * abs(values[0] - min(values)))
    x, y = across(min(rates), max(rates), log=True), up(*span([min(values), high]))
    marks: list[Content] = [line(Series(each.name, each.style, each.x, [min(v, high) for v in each.y]), x, y) for each in lines]
    caption: list[Content] = [tag("b", "Learning-rate range test")]
    if is_number(chosen):
        marks.insert(0, tag("path", d=f"M{x.place(float(str(chosen))):.1f} {TOP}V{HEIGHT - BOTTOM}", class_="best-line"))
        caption.append(tag("span", f"chosen: {setting(chosen)}", class_="soft"))
    said = f"least smoothed loss {min(values):.4g} at {rates[values.index(min(values))]:.2g}"
    picture = frame(x, y, marks, title="Loss over a rising learning rate, logarithmic", detail=said, x_label="learning rate")
    return grid(figure(caption, picture))


def _numbers(values: object) -> list[float]:
    found = values if isinstance(values, list) else []
    return [float(each) if isinstance(each, int | float) else math.nan for each in found]
