"""Write a run's report from its files."""

from __future__ import annotations

import os
from pathlib import Path

from trainwright.files.text import write_text
from trainwright.files.whole import sweep
from trainwright.runs.directory import RunDirectory
from trainwright.runs.group import is_group


def write_report(run_path: str | os.PathLike[str]) -> Path:
    """Draw `report.html` of the run at `run_path` (the latest run in that folder, or a group of runs) and return its path.

    Raises RunError when there is no run or the page cannot be written.
    """
    if is_group(run_path):
        from trainwright.api.group_report import write_group_report

        return write_group_report(run_path)
    from trainwright.api.before_blocks import convert
    from trainwright.metrics import PARTS
    from trainwright.report.page import render

    run = RunDirectory.open(run_path)
    page = render(run, {name: part.higher_is_better for name, part in PARTS.items()}, convert)
    sweep(run.path)
    write_text(run.report, page)
    return run.report
