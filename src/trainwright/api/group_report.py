"""The page of a group of runs: its points with their spread, paired differences, curves, and a link to each run's own page."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import quote as quote_url

from trainwright._version import __version__
from trainwright.api.group_choice import describe_choice
from trainwright.api.group_summary import Point, Settings, Spread, Summary, count_statuses
from trainwright.config.errors import RunError
from trainwright.config.received import read_text
from trainwright.files.text import read_json, write_text
from trainwright.metrics import PARTS
from trainwright.report.blocks.base import Block, Sheet
from trainwright.report.blocks.lines import Line, Lines
from trainwright.report.charts.rows import BarRow, dots
from trainwright.report.every_run.layout import ReportSection, guard
from trainwright.report.every_run.record import show_yaml
from trainwright.report.figures import moment, plural, score, words
from trainwright.report.markup import Content, Markup, hidden_rest, note, quote, table, tag
from trainwright.report.material import gather
from trainwright.report.page import make_page
from trainwright.runs.directory import RunDirectory
from trainwright.runs.group import BEST, FILE, FOLD, REPORT, SEED, TABLE, GroupDirectory, Member

MOST_POINTS, MOST_MEMBERS, COLOURED = 40, 200, 4
LEGEND = 24
"""Characters of a name that a legend shows."""
DIFFERENCE = (
    "Every point less the one it is compared with, over the same folds or seeds. An interval that holds zero is no more than chance."
)


def write_group_report(folder: str | os.PathLike[str]) -> Path:
    """Draw `report.html` of a group of runs and return its path; may be done while its runs are trained.

    Raises RunError where the folder is no group, or the page cannot be written.
    """
    group = GroupDirectory.open(Path(folder))
    summary = Summary.of(group)
    sheet = Sheet(group.folder)
    made: list[Callable[[Summary], ReportSection | None]] = [_points, _differences, _curves, _members, _configuration]
    drawn = [guard(make.__name__.strip("_"), partial(make, summary)) for make in made]
    sections = [each for each in drawn if isinstance(each, ReportSection)]
    name = group.folder.name
    foot = tag("footer", f"Trainwright {__version__}, ", tag("bdi", str(group.folder)))
    page = make_page(
        f"{_title(summary)} · {name} · Trainwright", _opening(summary), sections, [each.render(sheet) for each in sections], None, foot
    )
    write_text(group.folder / REPORT, page)
    return group.folder / REPORT


def _title(summary: Summary) -> str:
    """`10 folds of iris-target`."""
    group = summary.group
    counts = {axis: len({each.settings[axis] for each in group.members}) for axis in group.axes}
    named = {FOLD: "fold", SEED: "seed"}
    told = [
        plural(count, named.get(axis, "value"), "") + ("" if axis in named else f" of {axis.rpartition('.')[2]}")
        for axis, count in counts.items()
    ]
    return " × ".join(told)


def _opening(summary: Summary) -> Markup:
    """What was repeated, how far it came, the number of the best point, and the points on one scale."""
    group = summary.group
    made = read_json(group.folder / FILE) or {}
    runs = next((read_json(each.run / "run.json") or {} for each in group.members if each.begun), {})
    facts = [f"{len(summary.numbers)} of {plural(len(group.members), 'run')} finished", moment(made.get("created"))]
    head = [
        tag("p", quote(runs.get("name") or group.folder.name, 80), class_="kicker"),
        tag("h1", _title(summary)),
        tag("p", [tag("span", quote(each)) for each in facts if each], class_="facts"),
    ]
    left = tag("p", f"Not finished, and in no mean: {count_statuses(summary.unfinished)}.", class_="soft") if summary.unfinished else None
    return tag("header", head, tag("div", *_headlines(summary), class_="verdicts"), left, class_="opening")


def _headlines(summary: Summary) -> list[Markup]:
    """The mean of the metric that sums runs up, on test and on validation rows, of the best point, or of all runs."""
    point = summary.best or (summary.points[0] if not summary.group.grid else None)
    if not summary.metrics:
        return [tag("p", "No run is finished: there are no numbers yet.", class_="lede")]
    shown = sorted(summary.metrics, key=lambda metric: not metric.startswith("test."))
    found = []
    for place, metric in enumerate(shown):
        spread = None if point is None else point.spread(metric)
        split, _, name = metric.partition(".")
        what = tag("span", words(name.rpartition(".")[2]), f" on {split} rows", class_="what")
        number_ = (
            tag("p", tag("strong", score(spread.mean)), tag("span", _plus_minus(spread), class_="soft"), what, class_="headline")
            if spread
            else tag("p", what)
        )
        said = tag("p", _choice(summary), class_="lede") if place == 0 else None
        found.append(tag("div", tag("div", number_, said), _dots(summary, metric), class_="verdict"))
    return found


def _choice(summary: Summary) -> str:
    if summary.group.grid and summary.best is None:
        return f"No best point: {summary.why_no_best()}."
    said = describe_choice(summary)
    return f"{BEST} has {said}." if not summary.group.grid else f"Best: {said}. {BEST} has its configuration."


def _dots(summary: Summary, metric: str) -> Markup:
    """Points of a grid, or single runs where there is none, with mean ± sd or their value."""
    rows = []
    if summary.group.grid:
        for point in summary.points[:MOST_POINTS]:
            spread = point.spread(metric)
            low, high = _ends(spread)
            rows.append(BarRow(_label(point.settings), spread.mean if spread else None, _mean(spread), low, high, point is summary.best))
    else:
        spread = summary.points[0].spread(metric)
        low, high = _ends(spread)
        rows = [BarRow("mean", spread.mean if spread else None, _mean(spread), low, high, True)]
        for each in summary.group.members[:MOST_POINTS]:
            value = summary.numbers.get(each.name, {}).get(metric)
            rows.append(BarRow(quote(each.name), value, score(value)))
    return tag("div", _axes(summary), dots(rows, f"{metric} of every point"))


def _label(settings: Settings) -> Content:
    """A point by its values alone, for which a chart has room."""
    return quote(", ".join(settings.values()), 40)


def _axes(summary: Summary) -> Content:
    """What the values are of."""
    return tag("p", ", ".join(each.rpartition(".")[2] for each in summary.group.grid), class_="soft") if summary.group.grid else None


def _ends(spread: Spread | None) -> tuple[float | None, float | None]:
    return (None, None) if spread is None or spread.deviation is None else (spread.mean - spread.deviation, spread.mean + spread.deviation)


def _plus_minus(spread: Spread) -> str:
    return f"± {score(spread.deviation)}, n = {len(spread.values)}" if spread.deviation is not None else f"n = {len(spread.values)}"


def _mean(spread: Spread | None) -> str:
    return score(None if spread is None else spread.mean)


def _text(spread: Spread | None) -> str:
    if spread is None:
        return "–"
    return score(spread.mean) + ("" if spread.deviation is None else f" ± {score(spread.deviation)}")


def _points(summary: Summary) -> ReportSection | None:
    """A row for each point, and for each value of an option over all others."""
    if not summary.group.grid or not summary.metrics:
        return None
    grid = summary.group.grid
    head: list[Content] = [*(each.rpartition(".")[2] for each in grid), "runs", *summary.metrics]
    rows: list[list[Content]] = [
        [*map(quote, point.settings.values()), _count(point), *(_text(point.spread(metric)) for metric in summary.metrics)]
        for point in summary.points
    ]
    numeric = range(len(grid), len(head))
    body: list[Content | Block] = [table(head, rows[:MOST_MEMBERS], label="Points of the grid", numeric=numeric)]
    for axis, values in summary.by_axis().items():
        short = axis.rpartition(".")[2]
        lines: list[list[Content]] = [
            [
                quote(value),
                str(max((len(each.values) for each in spreads.values()), default=0)),
                *(_text(spreads.get(metric)) for metric in summary.metrics),
            ]
            for value, spreads in values.items()
        ]
        body += [
            tag("h3", f"Over all runs with one {short}"),
            table([short, "runs", *summary.metrics], lines, label=f"By {short}", numeric=range(1, len(head))),
        ]
    return ReportSection("points", "Points", "Mean ± standard deviation (n − 1) over the finished runs of each.", body)


def _count(point: Point) -> str:
    done = sum(each.name in point.numbers for each in point.members)
    return f"{done}" if done == len(point.members) else f"{done} of {len(point.members)}"


def _differences(summary: Summary) -> ReportSection | None:
    """How other points differ from the best, over the same folds or seeds."""
    if not summary.differences or summary.reference is None:
        return None
    body: list[Content | Block] = []
    for metric in summary.metrics:
        of_metric = [each for each in summary.differences if each.metric == metric][:MOST_POINTS]
        if not of_metric:
            continue
        rows = [BarRow(_label(summary.reference.settings), 0.0, "0", main=True)]
        rows += [BarRow(_label(each.settings), each.mean, _show_signed(each.mean), *(each.interval or (None, None))) for each in of_metric]
        lines: list[list[Content]] = [
            [
                quote(each.name),
                str(len(each.values)),
                _show_signed(each.mean),
                score(each.deviation),
                _between(each.interval),
                _describe_difference(each.clear, each.better, each.values),
            ]
            for each in of_metric
        ]
        head: list[Content] = ["", "n", "difference", "sd", "95 % interval", ""]
        method = next((summary.interval_method(each) for each in of_metric if each.interval), "")
        body += [
            tag("h3", metric),
            tag("div", _axes(summary), dots(rows, f"differences of {metric}")),
            table(head, lines, label=f"Paired differences of {metric}", numeric=(1, 2, 3, 4)),
            note(f"{method[:1].upper()}{method[1:]}.") if method else None,
        ]
    return ReportSection("differences", "Paired differences", f"Less {summary.reference.name}. {DIFFERENCE}", body)


def _show_signed(value: float) -> str:
    return ("+" if value > 0 else "") + score(value)


def _between(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f"{_show_signed(interval[0])} to {_show_signed(interval[1])}"


def _describe_difference(clear: bool | None, better: str, values: Sequence[float]) -> str:
    if not any(values):
        return "equal"
    return "" if clear is None else (better or "differs") if clear else "not clear"


def _curves(summary: Summary) -> ReportSection | None:
    """The loss in training and the headline metric on validation rows, a line for each run."""
    histories = {each.name: _history(each) for each in summary.group.members[:MOST_MEMBERS] if each.begun}
    named = ["train/loss", "validation/loss", *([f"validation/{summary.headline}"] if summary.headline else [])]
    body: list[Content | Block] = []
    for name in dict.fromkeys(named):
        lines = [line for each in summary.group.members if (line := _line(summary, each, histories.get(each.name, {}), name)) is not None]
        lines.sort(key=lambda each: each.style == "faint")
        if lines:
            split, _, metric = name.partition("/")
            body.append(Lines(title=f"{words(metric)}, {split}", lines=lines, x_label="step", y_scale="auto"))
    said = f"A line for each run{'; that of the best point stands out' if summary.best else ''}."
    return ReportSection("curves", "Curves", said, body) if body else None


def _history(member: Member) -> dict[str, list[float]]:
    try:
        return gather(RunDirectory.open(member.run), {name: part.higher_is_better for name, part in PARTS.items()}).history
    except RunError:
        return {}


def _line(summary: Summary, member: Member, history: dict[str, list[float]], name: str) -> Line | None:
    pairs = [each for each in zip(history.get("step", []), history.get(name, []), strict=False) if all(map(math.isfinite, each))]
    if not pairs:
        return None
    best = summary.reference is not None and member in summary.reference.members
    alone = len(summary.group.members) <= COLOURED
    style = "coloured" if alone else "validation" if best and member is summary.reference.members[0] else "faint"  # type: ignore[union-attr]
    return Line(x=[x for x, _ in pairs], y=[y for _, y in pairs], name=_short_name(summary, member), style=style)  # type: ignore[arg-type]


def _short_name(summary: Summary, member: Member) -> str:
    """Its name where a legend has room for it, else the values alone by which it differs."""
    return member.name if len(member.name) <= LEGEND else ", ".join(member.settings[axis] for axis in summary.group.axes)


def _members(summary: Summary) -> ReportSection:
    """Every run with its settings, status and numbers, and a link to its own page."""
    axes = summary.group.axes
    head: list[Content] = ["run", *(each.rpartition(".")[2] for each in axes), "status", *summary.metrics]
    rows: list[list[Content]] = [
        [
            _link(each),
            *(quote(each.settings[axis]) for axis in axes),
            str(summary.found[each.name]["status"]),
            *(score(summary.numbers.get(each.name, {}).get(metric)) for metric in summary.metrics),
        ]
        for each in summary.group.members[:MOST_MEMBERS]
    ]
    shown = table(head, rows, label="Runs", numeric=range(len(axes) + 2, len(head)))
    return ReportSection("runs", "Runs", "", [shown, hidden_rest(len(rows), len(summary.group.members), "runs", TABLE)])


def _link(member: Member) -> Content:
    """The name of a run, a link where it has a page."""
    return (
        tag("a", member.name, href=f"{quote_url(member.name)}/report.html")
        if (member.run / "report.html").is_file()
        else quote(member.name)
    )


def _configuration(summary: Summary) -> ReportSection | None:
    """The configuration that was chosen, or that all runs share."""
    place = summary.group.folder / BEST
    if not place.is_file():
        return None
    return ReportSection("configuration", "Configuration", f"{BEST}, which trainwright train takes.", show_yaml(read_text(place), BEST))
