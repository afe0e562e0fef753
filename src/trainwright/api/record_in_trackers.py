"""What trackers are told once a run is finished: its configuration, its verdict, its hyperparameters, its figures, its graph."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from trainwright.api.inspect import FILE as MODEL
from trainwright.files.inspection.layers import Flow, FlowNode
from trainwright.files.inspection.record import Inspection
from trainwright.report.blocks import CannotDraw, read
from trainwright.report.rasters import raster
from trainwright.runs.directory import RunDirectory
from trainwright.runs.results import flatten_metrics, read_results
from trainwright.tracking.kinds import GraphNode, Kinds

log = logging.getLogger("trainwright.tracking")

LATE = ("text", "hparams", "figure", "graph")
MOST_FIGURES = 40
MOST_SETTINGS = 60
NOT_SETTINGS = ("data.source", "run.dir", "run.name", "columns", "imports", "arguments")


def record_in_trackers(trackers: list[Any], run: RunDirectory, config: Any, steps: int) -> None:
    """Give it to those that take any of it; what cannot be had of a run (a graph, a figure) is left out without a word."""
    kinds = Kinds(trackers, loud=False)
    if not any(kinds.takes(each) for each in LATE):
        return
    results = read_results(run.path) or {}
    kinds.give("text", "config", f"```yaml\n{run.config.read_text(encoding='utf-8')}\n```", steps)
    verdict = result_text(results)
    if verdict:
        kinds.give("text", "results", verdict, steps)
    kinds.give("hparams", "run", settings_of(config, results), metrics_of(results), steps)
    _give_graph(kinds, run)
    _give_figures(kinds, run, steps)
    for each in trackers:
        if any(hasattr(each, kind) for kind in LATE):
            each.close()


def result_text(results: Mapping[str, Any]) -> str:
    """The final metrics and the verdicts as Markdown."""
    rows = [f"| {name} | {value:.6g} |" for name, value in metrics_of(results).items()]
    said = [each["text"] for each in results.get("verdict", {}).values() if each.get("text")]
    return "\n\n".join([*said, *(["\n".join(["| metric | value |", "|---|---|", *rows])] if rows else [])])


def metrics_of(results: Mapping[str, Any]) -> dict[str, float]:
    """`final/test/target.metric` → value, of test and validation rows; a name of their own, since rows have the plain one."""
    found: dict[str, float] = {}
    for split in ("test", "validation"):
        for name, value in flatten_metrics(results.get("metrics", {}).get(split) or {}):
            found[f"final/{split}/{name}"] = float(value)
    return found


def settings_of(config: BaseModel, results: Mapping[str, Any]) -> dict[str, str | float | bool]:
    """The settings that differ from their defaults, those that every run is asked for, and the batch size that was used."""
    changed = {name: value for name, value in _list_changed(config) if not name.startswith(NOT_SETTINGS)}
    optimizer = config.trainer.optimizer  # type: ignore[attr-defined]
    asked = {"trainer.optimizer": optimizer.type, "run.seed": config.run.seed}  # type: ignore[attr-defined]
    rate = getattr(optimizer, "learning_rate", None)
    if isinstance(rate, int | float):
        asked["trainer.optimizer.learning_rate"] = rate
    batch = results.get("realised", {}).get("batch_size")
    return {**asked, **dict(list(changed.items())[:MOST_SETTINGS]), **({} if batch is None else {"batch_size": batch})}


def _list_changed(options: BaseModel, prefix: str = "") -> Iterator[tuple[str, str | float | bool]]:
    """Single values that differ from the default of their own class, by dotted name."""
    for name, field in type(options).model_fields.items():
        value, default = getattr(options, name), field.get_default(call_default_factory=True)
        if isinstance(value, BaseModel):
            kind = getattr(value, "type", "")
            if kind and kind != getattr(default, "type", default):
                yield f"{prefix}{name}", kind
            yield from _list_changed(value, f"{prefix}{name}.")
        elif value != default and isinstance(value, str | int | float) and name != "type":
            yield f"{prefix}{name}", value


def _give_graph(kinds: Kinds, run: RunDirectory) -> None:
    """The graph of the model as the run has recorded it, where it could be run."""
    try:
        found = Inspection.from_dict(run.read_json(MODEL) or {})
    except ValueError:
        return
    if found.flow.nodes:
        kinds.give("graph", "model", graph_nodes(found.flow))


def graph_nodes(flow: Flow) -> list[GraphNode]:
    """Every call with a name of its own, those inside another below it, and what it takes from which."""
    names: dict[int, str] = {}
    calls: list[FlowNode] = []

    def name(nodes: list[FlowNode], scope: str, taken: set[str]) -> None:
        for node in nodes:
            plain = f"{scope}{node.name or node.class_name or node.kind}".replace(" ", "_")
            chosen, number = plain, 2
            while chosen in taken:
                chosen, number = f"{plain}_{number}", number + 1
            taken.add(chosen)
            names[node.number] = chosen
            calls.append(node)
            name(node.children, f"{chosen}/", taken)

    name(flow.nodes, "", set())
    inputs: dict[int, list[str]] = {}
    for source, target in flow.edges:
        if source in names:
            inputs.setdefault(target, []).append(names[source])
    return [
        GraphNode(names[each.number], each.class_name or each.name or each.kind, each.output, tuple(inputs.get(each.number, ())))
        for each in calls
    ]


def _give_figures(kinds: Kinds, run: RunDirectory, steps: int) -> None:
    """The charts among the report's blocks."""
    content = run.read_json("analysis.json") or {}
    blocks = content.get("blocks") if isinstance(content, dict) else None
    given = 0
    for place, each in enumerate(blocks or []):
        try:
            block = read(each)
            picture = raster(block) if given < MOST_FIGURES else None
        except CannotDraw:
            continue
        if picture is not None:
            given += 1
            title = block.title or type(block).__name__.lower()
            kinds.give(
                "figure", "/".join(filter(None, ("report", block.group or block.section, title))) + f" ({place + 1})", picture, steps
            )
