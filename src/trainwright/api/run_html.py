"""A run as a notebook shows it: its state, its metrics and a link to its report."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from trainwright.config.errors import RunError
from trainwright.runs.directory import RunDirectory
from trainwright.runs.results import flatten_metrics, read_results


def run_html(run: RunDirectory) -> str:
    """The run as HTML; of one that has no results (or whose results cannot be read) its state alone."""
    try:
        results = read_results(run.path) or {}
    except RunError as error:
        results = {}
        state = f"{run.status}; {error.what}"
    else:
        state = run.status
    head = f"<p><b>{escape(run.name)}</b> ({escape(state)}) {_report_link(run.path)}<br><code>{escape(str(run.path))}</code></p>"
    return head + _table(results.get("metrics") or {})


def _report_link(folder: Path) -> str:
    report = folder / "report.html"
    return f'<a href="{escape(str(report))}" target="_blank">report</a>' if report.is_file() else "no report yet"


def _table(metrics: dict[str, Any]) -> str:
    """One row for each metric, one column for each split."""
    values = {split: dict(flatten_metrics(found, between=" ")) for split, found in metrics.items()}
    names = list(dict.fromkeys(name for found in values.values() for name in found))
    if not names:
        return ""
    head = "".join(f"<th>{escape(split)}</th>" for split in values)
    rows = "".join(f"<tr><th>{escape(name)}</th>{''.join(_cell(found.get(name)) for found in values.values())}</tr>" for name in names)
    return f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _cell(value: Any) -> str:
    shown = "" if value is None else f"{value:.4g}" if isinstance(value, int | float) else str(value)
    return f"<td>{escape(shown)}</td>"
