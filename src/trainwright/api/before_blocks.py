"""Runs made before reports had blocks: their files as blocks. To be removed with the release after 0.2."""

from __future__ import annotations

from typing import Any

from trainwright.api.own.blocks import describe_own, own_name
from trainwright.config.errors import RunError
from trainwright.domains.tables.blocks import Part, describe_table, table_parts
from trainwright.files.text import read_json
from trainwright.report.every_run.layout import guard
from trainwright.report.material import Material, mapping, rows


def convert(material: Material) -> None:
    """Make the blocks of a run whose analysis.json has none, from data.json and from what it has."""
    if own_name(material.config):
        material.absent.pop("analysis.json", None)
        material.analysis = describe_own(material.config, material.command)
        return
    data = {}
    try:
        given = read_json(material.path / "data.json")
        data = mapping(given)
        if not isinstance(given, dict):
            material.absent["data.json"] = "there is no such file" if given is None else "it holds something else"
    except RunError as error:
        material.absent["data.json"] = error.why or error.what
    listed = [str(each.get("name")) for each in rows(data.get("columns")) if each.get("role") == "target"]
    targets = material.targets or listed
    parts = table_parts(data, material.analysis, targets, material.command)
    made = guard("data", lambda: describe_table(data, targets))
    blocks = [block for name, make in parts.items() for block in _make_part(name, make)]
    material.analysis = (made if isinstance(made, dict) else {}) | {"blocks": blocks}


def _make_part(name: str, make: Part) -> list[dict[str, Any]]:
    """The blocks of a part, or one that says why there are none."""
    found = guard(name, make)
    return found if isinstance(found, list) else [{"type": "text", "text": f"The part '{name}' cannot be drawn."}]
