"""What a person reads before and after training: the columns, the split, the result beside the baselines."""

from __future__ import annotations

import math
import re
import shutil
import textwrap
from collections.abc import Sequence
from typing import Any

from trainwright.baselines.comparison import FEWEST_NEW
from trainwright.data.profile import ColumnProfile
from trainwright.domains.tables.columns import Column
from trainwright.domains.tables.prepare import PreparedData
from trainwright.report.figures import plural
from trainwright.runs.results_in_words import say_absent, say_groups

SHOWN_COLUMNS = 40
WIDTH = 80
"""Characters of a line of sentences."""
SHOWN_WARNINGS = 8
_COPIED = re.compile(r"\S+=\S+(?: \S+=\S+)+|\btrainwright .*|\bpredict(?: --\S+ \S+)+")
"""Commands and settings side by side."""
WIDE = 120
"""Columns of a terminal from which on nothing is cut that a line of ours holds."""


def text_table(rows: Sequence[Sequence[str]], right: Sequence[int] = (), limits: dict[int, int] | None = None) -> str:
    """Rows as aligned columns, two blanks apart; the first row is the heading, `right` columns align right, `limits` cut long cells."""
    cut = [[_cut(cell, (limits or {}).get(position, 80)) for position, cell in enumerate(row)] for row in rows]
    widths = [max(len(row[position]) for row in cut) for position in range(len(cut[0]))]
    lines = []
    for row in cut:
        cells = [
            cell.rjust(width) if position in right else cell.ljust(width)
            for position, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _cut(text: str, limit: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def column_table(prepared: PreparedData) -> str:
    """The columns with their type, why, missing and unique values and examples; targets first, what is left out last."""
    order = {"target": 0, "input": 1, "ignored": 2}
    columns = sorted(prepared.columns, key=lambda column: order[column.role])
    rows = [["column", "type", "why", "missing", "unique", "examples"], *map(_column_row, columns[:SHOWN_COLUMNS])]
    text = text_table(rows, right=(3, 4), limits=_limits(rows))
    hidden = len(columns) - SHOWN_COLUMNS
    return text + (f"\n… and {hidden} more columns, all in data.json and the report" if hidden > 0 else "")


def _limits(rows: list[list[str]]) -> dict[int, int]:
    """Characters of names, reasons and examples, so that the table fits the terminal; elsewhere as many as are read with ease."""
    wide = shutil.get_terminal_size((WIDE, 24)).columns
    name = 28 if wide >= WIDE else 18
    others = sum(max(len(row[place]) for row in rows) for place in (1, 3, 4)) + min(max(len(row[0]) for row in rows), name)
    rest = max(wide - others - 5 * 2, 20)
    why = min(52, max(max(len(row[2]) for row in rows), len("why")), rest * 3 // 5)
    return {0: name, 2: why, 5: min(36, rest - why)}


def _column_row(column: Column) -> list[str]:
    profile = column.profile
    kind = {"target": f"{column.type} ←", "input": column.type, "ignored": "left out"}[column.role]
    missing = f"{profile.missing:,}" if profile.missing else "·"
    return [column.name, kind, column.why, missing, unique_values(profile), ", ".join(map(str, profile.examples))]


def unique_values(profile: ColumnProfile) -> str:
    """How many different values a column has; of more than were counted, so much."""
    return f"> {profile.unique:,}" if profile.unique_capped else f"{profile.unique:,}"


def data_lines(prepared: PreparedData, compared: bool = True) -> list[str]:
    """The source, the columns, the split, and everything a reader should be warned of; `compared`: whether there will be a verdict."""
    lines = [f"{prepared.source.name}: {len(prepared.source):,} rows, {len(prepared.columns)} columns", "", column_table(prepared), ""]
    return [*lines, *split_lines(prepared, compared)]


def split_lines(prepared: PreparedData, compared: bool = True) -> list[str]:
    """The split, and everything a reader should be warned of."""
    split, table = prepared.split, prepared.table
    sizes = f"{len(table.train):,} training, {len(table.validation):,} validation, {len(table.test):,} test rows"
    lines = [f"split: {split.method}, {sizes}"]
    lines += prepared.sampling.lines() if prepared.sampling else []
    # what may make every number wrong comes first: not all are shown
    warnings = [*_leak_lines(prepared), *_duplicate_lines(prepared, compared), *prepared.notes, *split.notes, *_dropped_lines(prepared)]
    warnings += [warning for column in prepared.columns for warning in column.warnings]
    warnings = list(dict.fromkeys(warnings))
    lines += [f"note: {warning}" for warning in warnings[:SHOWN_WARNINGS]]
    if len(warnings) > SHOWN_WARNINGS:
        lines.append(f"note: {plural(len(warnings) - SHOWN_WARNINGS, 'more note is', 'more notes are')} in the report")
    return lines


def _leak_lines(prepared: PreparedData) -> list[str]:
    lines = []
    for leak in prepared.leaks:
        if leak.column not in prepared.inputs:
            lines.append(f"'{leak.column}' is left out: it is '{leak.target}' in other words ({leak.why}); data.leaks=report keeps it")
        else:
            lines.append(
                f"'{leak.column}' alone nearly gives '{leak.target}' away: {leak.why}; if it would not be known when predicting, ignore it"
            )
    return lines


def _duplicate_lines(prepared: PreparedData, compared: bool) -> list[str]:
    seen = [f"{len(rows):,} {name} rows" for name, rows in prepared.seen.items() if len(rows)]
    if not seen:
        return []
    exact = f" ({prepared.duplicates.text})" if prepared.duplicates.text else ""
    drop = "; data.duplicates=drop leaves equal rows out of training" if prepared.duplicates.train_rows.size else ""
    return [f"{' and '.join(seen)} have the inputs of a training row{exact}; {_judged_by(prepared, compared)}{drop}"]


def _judged_by(prepared: PreparedData, compared: bool) -> str:
    """From which rows the verdict will be made, some of which are known from training."""
    split = "test" if len(prepared.table.test) else "validation"
    new = int((~prepared.seen_of(split)).sum())
    if not compared or not len(prepared.rows(split)):
        return "no baseline is asked for, so there is no verdict, and what is measured is of all rows"
    if new == len(prepared.rows(split)):
        return f"the verdict is made from the {split} rows, which are new"
    if new < FEWEST_NEW:
        return f"the verdict is made from all {len(prepared.rows(split)):,} {split} rows: the {new:,} others are too few to judge by"
    return "the verdict is made from the others"


def _dropped_lines(prepared: PreparedData) -> list[str]:
    lines = [f"{plural(len(each.rows), 'row was', 'rows were')} left out: {each.reason}" for each in prepared.table.dropped]
    if len(prepared.unlabelled):
        lines.insert(0, f"{plural(len(prepared.unlabelled), 'row was', 'rows were')} left out: no target there")
    return lines


def number(value: float | None, digits: int = 4) -> str:
    """A metric as text; `–` where it is undefined."""
    if value is None or math.isnan(value):
        return "–"
    return f"{value:,.{digits}g}" if abs(value) >= 1000 or (value and abs(value) < 1e-3) else f"{value:.{digits}f}"


def result_lines(results: dict[str, Any], targets: list[str]) -> list[str]:
    """The test metrics of every target beside the baselines, and the verdict in words; first where a baseline is clearly better."""
    lines: list[str] = []
    for target in targets:
        verdict = results["verdict"].get(target, {})
        rows = _metric_rows(results, target)
        told, shown = verdict_lines(verdict), ["", text_table(rows, right=range(1, len(rows[0]))), *_notes_on(results, target)]
        lines += ["", *told, *shown] if verdict.get("standing") == "behind" else [*shown, *told]
    if results.get("still_improving"):
        lines += ["", *_wrap("Its length ended the run while it was still improving: a longer one may be better.")]
        lines += ["go on:", results["go_on"]]  # on a line of its own and whole: half a command may be another one
    return lines


def _notes_on(results: dict[str, Any], target: str) -> list[str]:
    """Baselines that were not run, what was drawn for intervals by groups, and which classes a split has no row of."""
    split, lines = _shown_split(results, target), []
    for said in _not_run(results["baselines"], target):
        lines += _wrap(said, "note: ")
    drawn = results["resampling"].get(split, {}).get(target) or {}
    if drawn.get("by"):
        lines += _wrap(say_groups(drawn))
    for each, found in results["classes"].items():
        for said in say_absent(target, each, found.get(target) or {}):
            lines += _wrap(said, "note: ")
    return lines


def _not_run(baselines: dict[str, Any], target: str) -> list[str]:
    """One line for each baseline that is not beside the network, with the reason."""
    parts = [(name, part) for name, each in baselines.items() for part in (each.get("note") or "").split("; ")]
    return [f"{name} was {part}" for name, part in parts if part.startswith((f"not run for '{target}' ", "not run because"))]


def _shown_split(results: dict[str, Any], target: str) -> str:
    """The split whose numbers are shown."""
    return "test" if results["metrics"].get("test", {}).get(target) else "validation"


def _metric_rows(results: dict[str, Any], target: str) -> list[list[str]]:
    """The metrics of a target on the test rows (validation rows where there are none): heading, then a row for each."""
    baselines = [name for name, each in results["baselines"].items() if each.get("test")]
    split = _shown_split(results, target)
    intervals = results["intervals"].get(split, {}).get(target, {})
    level = (results["resampling"].get(split, {}).get(target) or {}).get("level") or 0.95
    rows = [[f"{target} ({split})", "network", f"{100 * level:g} % interval" if intervals else "", *baselines]]
    for metric, value in (results["metrics"].get(split, {}).get(target) or {}).items():
        interval = intervals.get(metric)
        between = f"{number(interval[0])} … {number(interval[1])}" if interval else ""
        others = [number(results["baselines"][name]["test"].get(target, {}).get(metric)) for name in baselines]
        rows.append([metric, number(value), between, *others])
    return rows


def verdict_lines(verdict: dict[str, Any]) -> list[str]:
    """A verdict as lines of at most 80 characters: the comparison, what to know of it, what to try."""
    lines = _wrap(verdict.get("text") or "")
    for note in verdict.get("notes") or []:
        lines += _wrap(note)
    for advice in verdict.get("advice") or []:
        lines += _wrap(advice, "to try: ")
    return lines


def _wrap(text: str, before: str = "") -> list[str]:
    """A paragraph as lines; what can be copied is not divided."""
    after, whole = " " * len(before), _COPIED.sub(lambda found: found[0].replace(" ", "\0"), text)
    lines = textwrap.wrap(whole, WIDTH, initial_indent=before, subsequent_indent=after, break_long_words=False, break_on_hyphens=False)
    return [line.replace("\0", " ") for line in lines]
