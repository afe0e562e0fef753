"""What a report is made of: the files of a run, each of which may be missing or damaged without stopping the page."""

from __future__ import annotations

import csv
import io
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainwright.config.errors import RequestError, RunError
from trainwright.config.reading import parse_yaml
from trainwright.config.received import read_text
from trainwright.files.text import read_json
from trainwright.runs.directory import RunDirectory
from trainwright.runs.results import LOSS, read_results

log = logging.getLogger(__name__)

NAMES = {
    "results": "results.json",
    "analysis": "analysis.json",
    "environment": "environment.json",
    "code": "code.json",
}
MEANING = {
    "data.json": "the columns and the split",
    "results.json": "the final numbers",
    "analysis.json": "what was found out about the data and the predictions",
    "environment.json": "what it ran on",
    "metrics.csv": "the curves",
    "config.yaml": "the configuration",
    "command.txt": "the command",
}


@dataclass
class Material:
    """The content of a run's files; what could not be had is empty here and said in `absent` (file → why)."""

    path: Path
    run: dict[str, Any]
    results: dict[str, Any] = field(default_factory=dict)
    analysis: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    code: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    config_text: str = ""
    command: str = ""
    history: dict[str, list[float]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    higher_is_better: Mapping[str, bool] = field(default_factory=dict)
    """Metric → whether more of it is better, for those that are known."""

    @property
    def targets(self) -> list[str]:
        """The targets, in the order of the run's own list, else of the results."""
        measured = [mapping(mapping(self.results.get("metrics")).get(split)) for split in ("test", "validation", "train")]
        found = [name for each in measured for name in each if name != LOSS or isinstance(each[name], dict)]
        names = [str(each) for each in self.run.get("targets") or []]
        return list(dict.fromkeys([*names, *mapping(self.results.get("verdict")), *found]))

    def metrics(self, split: str, target: str) -> dict[str, Any]:
        """Metric → value of one target on one split."""
        return mapping(mapping(mapping(self.results.get("metrics")).get(split)).get(target))


def gather(run: RunDirectory, higher_is_better: Mapping[str, bool]) -> Material:
    """Read every file that a report shows."""
    material = Material(run.path, run.info, higher_is_better=higher_is_better)
    for attribute, name in NAMES.items():
        try:
            content = read_results(run.path) if name == "results.json" else read_json(run.path / name)
        except RunError as error:
            material.absent[name] = error.why or error.what
            continue
        if content is None:
            material.absent[name] = "there is no such file"
        elif not isinstance(content, dict):
            material.absent[name] = "it holds something else"
        setattr(material, attribute, mapping(content))
    material.config_text = _text(material, "config.yaml")
    material.command = _text(material, "command.txt").strip()
    material.config = _parse_config(material)
    material.history = _history(material)
    material.absent.pop("code.json", None)
    return material


def mapping(value: Any) -> dict[str, Any]:
    """`value` when it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def rows(value: Any) -> list[dict[str, Any]]:
    """The mappings in `value` when it is a list, else none."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _text(material: Material, name: str) -> str:
    try:
        text = read_text(material.path / name, errors="replace")
    except FileNotFoundError:
        material.absent[name] = "there is no such file"
    except RunError as error:
        material.absent[name] = error.why or error.what
    else:
        if not text.strip():
            material.absent[name] = "it is empty"
        return text
    return ""


def _parse_config(material: Material) -> dict[str, Any]:
    try:
        content = parse_yaml(material.config_text, "config.yaml").plain()
    except RequestError as error:
        material.absent["config.yaml"] = f"it cannot be read: {error}".splitlines()[0]
        return {}
    if not isinstance(content, dict):
        material.absent.setdefault("config.yaml", "it holds something else")
    return mapping(content)


def _history(material: Material) -> dict[str, list[float]]:
    """metrics.csv by column, empty cells as NaN."""
    try:
        text = read_text(material.path / "metrics.csv", errors="replace")
        table = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    except FileNotFoundError:
        material.absent["metrics.csv"] = "there is no such file"
        return {}
    except (RunError, csv.Error) as error:
        material.absent["metrics.csv"] = getattr(error, "why", "") or str(error)
        return {}
    if len(table) < 2:
        material.absent["metrics.csv"] = "nothing was logged"
        return {}
    # a killed process may leave a last line cut short, in the middle of a number too; any other that is left out is said
    written = table[1:] if text.endswith("\n") else table[1:-1]
    whole = [row for row in written if len(row) == len(table[0]) and not any(map(_is_damaged, row))]
    if len(whole) < len(written):
        damaged = len(written) - len(whole)
        log.warning("%s: %d of %d lines are damaged and left out of the curves", material.path / "metrics.csv", damaged, len(written))
    if not whole:
        material.absent["metrics.csv"] = "no line of it is whole"
        return {}
    cells = zip(*whole, strict=True)
    return {name: [_value(each) for each in column] for name, column in zip(table[0], cells, strict=False)}


def _is_damaged(cell: str) -> bool:
    """Whether a cell holds bytes that are no text."""
    return "\ufffd" in cell or "\0" in cell


def _value(cell: str) -> float:
    try:
        return float(cell) if cell else math.nan
    except ValueError:
        return math.nan
