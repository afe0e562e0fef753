"""What was pruned, by weight and in all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainwright.config.errors import RunError
from trainwright.files.text import read_json
from trainwright.report.blocks.table import Column, Table
from trainwright.report.every_run.layout import ReportSection
from trainwright.report.figures import is_number, setting
from trainwright.report.markup import note
from trainwright.report.material import Material, mapping, rows

FILE = "pruning.json"


def pruning(material: Material) -> ReportSection | None:
    """The sparsity of each weight, and what was left out; None for a run that was not pruned."""
    try:
        found = mapping(read_json(material.path / FILE))
    except RunError as error:
        return ReportSection("pruning", "Pruning", "", [note(f"{FILE} cannot be read: {error.why or error.what}.")])
    layers = rows(found.get("layers"))
    if not layers:
        return None
    head = [Column(name="weight"), Column(name="shape")]
    head += [Column.model_validate({"name": name, "format": "number"}) for name in ("weights", "pruned", "sparsity, %")]
    cells: list[list[Any]] = [
        [str(each.get("name")), _shape(each.get("shape")), *_counts(each)] for each in [*layers, {**found, "name": "all"}]
    ]
    reasons: dict[str, list[str]] = {}
    for name, why in mapping(found.get("left_out")).items():
        reasons.setdefault(str(why), []).append(str(name))
    left = "; ".join(f"{', '.join(names[:6])}{', …' if len(names) > 6 else ''}: {why}" for why, names in reasons.items())
    shown = Table(columns=[*head], rows=cells, note=f"Not pruned: {left}." if left else "")
    methods = [mapping(each) for each in found.get("methods") or [] if isinstance(each, dict)]
    named = ", ".join(" ".join(f"{key} {setting(value)}" for key, value in each.items() if value is not None) for each in methods)
    return ReportSection(
        "pruning", "Pruning", f"{named.removeprefix('type ')}. Zeros alone make a model neither smaller nor faster.", [shown]
    )


def _shape(found: object) -> str:
    return " × ".join(map(str, found)) if isinstance(found, list) else ""


def _counts(layer: Mapping[str, Any]) -> list[Any]:
    weights, pruned = layer.get("weights"), layer.get("pruned")
    share = 100 * pruned / weights if is_number(weights) and is_number(pruned) and weights else None
    return [weights, pruned, None if share is None else round(share, 2)]
