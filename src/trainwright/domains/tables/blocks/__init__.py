"""What a report says of a table's run beside its common files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trainwright.domains.report import FORMAT, show_code, show_repeat, write_analysis
from trainwright.domains.tables.blocks.data import cautions, data_blocks
from trainwright.domains.tables.blocks.importance import importance
from trainwright.domains.tables.blocks.outcome import outcome
from trainwright.domains.tables.blocks.worst import worst
from trainwright.report.figures import is_number, plural
from trainwright.report.material import mapping
from trainwright.runs.directory import RunDirectory

Part = Callable[[], list[dict[str, Any]]]


def describe_table(data: Mapping[str, Any], targets: Sequence[str]) -> dict[str, Any]:
    """The head of analysis.json of a table's run, from what data.json has, without its blocks."""
    about: list[Any] = ["Predicting "]
    for index, target in enumerate(targets[:4]):
        about += [", " if index else "", {"text": target, "style": "code", "limit": 40}]
    source = mapping(data.get("source"))
    about += [f" and {len(targets) - 4} more"] if len(targets) > 4 else []
    about += [" from ", {"text": str(source["name"]), "style": "code"}] if source.get("name") else []
    facts = [plural(source["rows"], "row")] if is_number(source.get("rows")) else []
    return {"format": FORMAT, "about": about if targets else "", "facts": facts, "cautions": cautions(data), "blocks": []}


def table_parts(data: Mapping[str, Any], found: Mapping[str, Any], targets: Sequence[str], command: str) -> dict[str, Part]:
    """The parts of a table's report by name, each to be made by itself."""
    return {
        "outcome": lambda: outcome(mapping(found.get("targets"))),
        "importance": lambda: importance(mapping(found.get("importance")), mapping(found.get("importance_settings"))),
        "worst rows": lambda: worst(mapping(found.get("worst"))),
        "data": lambda: data_blocks(data),
        "use": lambda: use_table(targets, command),
    }


def write_table(
    run: RunDirectory, found: Mapping[str, Any], targets: Sequence[str], system: Any = None, more: Sequence[dict[str, Any]] = ()
) -> None:
    """Write analysis.json of a table's run: at its start what the data are, at its end what was found, `more`, and the system's blocks."""
    data = mapping(run.read_json("data.json"))
    parts = table_parts(data, found, targets, run.command.read_text(encoding="utf-8").strip())
    write_analysis(run, describe_table(data, targets) | {"blocks": [block for make in parts.values() for block in make()]}, system, more)


def use_table(targets: Sequence[str], command: str) -> list[dict[str, Any]]:
    """How to predict with the model of a table, from a shell and from Python, and how to repeat the run."""
    added = ", ".join(f"{target}_prediction" for target in targets[:3])
    python = "import trainwright as tw\n\nrun = tw.load({run})\nrun.predict(dataframe)" + (f"  # adds {added}" if added else "")
    return [
        show_code("Predict new rows", "trainwright predict {run} new.csv -o predictions.csv"),
        show_code("From Python", python, "python"),
        show_code("Measure it on other data", "trainwright evaluate {run} data.csv"),
        *show_repeat(command),
    ]
