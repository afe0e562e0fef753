"""analysis.json: what a report says of a run beside its common files, as blocks made by what knows its data."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from trainwright.api.blocks.data import cautions, data_blocks
from trainwright.api.blocks.importance import importance
from trainwright.api.blocks.outcome import outcome
from trainwright.api.blocks.use import use_own, use_table
from trainwright.api.blocks.worst import worst
from trainwright.config.errors import FOREIGN, ConfigError
from trainwright.files.text import plain
from trainwright.report.blocks import check
from trainwright.report.figures import is_number, plural
from trainwright.report.material import mapping
from trainwright.runs.directory import RunDirectory

log = logging.getLogger(__name__)

FORMAT = 2


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


Part = Callable[[], list[dict[str, Any]]]


def table_parts(data: Mapping[str, Any], found: Mapping[str, Any], targets: Sequence[str], command: str) -> dict[str, Part]:
    """The parts of a table's report by name, each to be made by itself."""
    return {
        "outcome": lambda: outcome(mapping(found.get("targets"))),
        "importance": lambda: importance(mapping(found.get("importance")), mapping(found.get("importance_settings"))),
        "worst rows": lambda: worst(mapping(found.get("worst"))),
        "data": lambda: data_blocks(data),
        "use": lambda: use_table(targets, command),
    }


def describe_own(config: Mapping[str, Any], command: str) -> dict[str, Any]:
    """The content of analysis.json of a system or a model of a person's own, from its configuration."""
    about = ["Training ", {"text": own_name(config), "style": "code", "limit": 40}]
    return {"format": FORMAT, "about": about, "facts": [], "cautions": [], "blocks": use_own(config, command)}


def own_name(config: Mapping[str, Any]) -> str:
    """What is trained by the configuration of a run; empty for a table's."""
    system, model = mapping(config.get("system")), config.get("model")
    if system.get("type") == "supervised":
        return ""
    inside = system.get("model")
    inside = mapping(inside).get("type") if system.get("type") == "plain" else inside if system.get("type") == "given" else None
    name = str(inside or system.get("type") or (model if isinstance(model, str) else ""))
    return name.rpartition(":")[2].rpartition(".")[2]


def blocks_of(system: Any) -> list[dict[str, Any]]:
    """What `report_blocks` of a system gives; where it fails, a block that says so: a run is not lost for its report."""
    where = f"{system.shown_name}.report_blocks"
    try:
        with torch.no_grad():
            given = system.report_blocks()
        if not isinstance(given, list | tuple):
            raise ConfigError(f"it gives a {type(given).__name__}", where=where, fix="give a list of blocks")
        return check(given, where)
    except ConfigError as error:
        log.warning("%s", error)
        why = f"{error.what}: {error.why}" if error.why else error.what
    except FOREIGN as error:
        log.warning("%s failed: %s: %s", where, type(error).__name__, error)
        log.debug("where it arose", exc_info=error)
        why = f"{type(error).__name__}: {error}"
    return [{"type": "text", "text": [{"text": where, "style": "code"}, {"text": f" gave nothing that can be drawn: {why}", "limit": 400}]}]


def write_table(run: RunDirectory, found: Mapping[str, Any], targets: Sequence[str], system: Any = None) -> None:
    """Write analysis.json of a table's run: at its start what the data are, at its end what was found and the system's own blocks."""
    data = mapping(run.read_json("data.json"))
    parts = table_parts(data, found, targets, run.command.read_text(encoding="utf-8").strip())
    _write(run, describe_table(data, targets) | {"blocks": [block for make in parts.values() for block in make()]}, system)


def write_own(run: RunDirectory, config: Mapping[str, Any], system: Any = None) -> None:
    """Write analysis.json of a run of a person's own system: at its start its commands, at its end the system's own blocks too."""
    _write(run, describe_own(config, run.command.read_text(encoding="utf-8").strip()), system)


def _write(run: RunDirectory, content: dict[str, Any], system: Any) -> None:
    try:
        blocks = check(content["blocks"], "analysis.json")
    except ConfigError as error:  # the page says which one; a run is not lost for its report
        log.warning("%s", error)
        blocks = plain(content["blocks"])
    own = [] if system is None else blocks_of(system)
    first = next((index for index, each in enumerate(blocks) if each.get("section") in ("Data", "Use it, repeat it")), len(blocks))
    run.write_json("analysis.json", content | {"blocks": [*blocks[:first], *own, *blocks[first:]]})
