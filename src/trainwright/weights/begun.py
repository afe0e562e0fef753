"""What became of weights that modules were given, to be kept with the run that trains them."""

from __future__ import annotations

from pathlib import Path
from weakref import WeakKeyDictionary

from torch import nn

from trainwright.files.text import write_json
from trainwright.weights.report import WeightReport

FILE = "weights.json"
"""In a run: what its modules began with."""
_reports: WeakKeyDictionary[nn.Module, list[WeightReport]] = WeakKeyDictionary()


def remember(module: nn.Module, report: WeightReport) -> None:
    """Keep a report with the module, whose run will write it."""
    _reports.setdefault(module, []).append(report)


def reports_in(module: nn.Module) -> list[tuple[str, WeightReport]]:
    """Name of a part (empty for the module itself) and what became of weights it was given, in order."""
    return [(name, report) for name, part in module.named_modules() for report in _reports.get(part, [])]


def write_reports(folder: Path, module: nn.Module) -> list[WeightReport]:
    """Write `weights.json`, where the module or parts of it were given weights; returns what stands in it. Raises RunError for the disk."""
    found = reports_in(module)
    if found:
        write_json(folder / FILE, [{"module": name, **report.to_dict()} for name, report in found])
    return [report for _, report in found]
