"""MODEL_CARD.md: which model an artifact holds, what it takes and gives, how good it is, and what was checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from trainwright.deploy.exporters.base import Exporter, Trained
from trainwright.deploy.exporters.description import digest_of
from trainwright.deploy.parity.proof import Parity
from trainwright.domains.place import find_place
from trainwright.files.text import read_json
from trainwright.runs.results import flatten_metrics, read_results

SHOWN = 40
"""Columns that are listed."""


def write_card(trained: Trained, exporter: Exporter, parity: Parity) -> str:
    """The card, as Markdown; every number in it was measured by the run, or while it was exported."""
    place = find_place(trained.path)
    results = (read_results(place.path) if place.run is not None else None) or {}
    data = read_json(place.path / "data.json") or {}
    blocks = [
        f"# {parity.artifact}",
        _about(trained, exporter),
        "## Takes\n\n" + _inputs(trained),
        "## Gives\n\n" + _outputs(trained),
        "## How good it is\n\n" + _metrics(results),
        "## Trained on\n\n" + _data(data),
        "## Checked\n\n" + _checked(parity),
        "## Not known\n\nWhat it is for, who may use it, and whom its mistakes harm: whoever hands it on writes that here.",
    ]
    return "\n\n".join(blocks) + "\n"


def _about(trained: Trained, exporter: Exporter) -> str:
    system = read_json(find_place(trained.path).path / "environment.json") or {}
    packages = system.get("packages", {})
    versions = ", ".join(f"{name} {packages[name]}" for name in ("trainwright", "torch") if name in packages)
    lines = [f"The model of the run `{trained.path.name}`, as `{exporter.options.type}`.", f"Weights: sha256 `{digest_of(trained)}`."]
    return "\n".join([*lines, *([f"Trained with {versions}."] if versions else [])])


def _inputs(trained: Trained) -> str:
    deliverable = trained.deliverable
    described = deliverable.host.get("inputs", {})
    columns = list(dict.fromkeys(each.column for each in deliverable.inputs))
    rows = []
    for column in columns[:SHOWN]:
        parts = [each for each in deliverable.inputs if each.column == column]
        kind = described.get(column, {}).get("type", parts[0].dtype)
        rows.append((f"`{column}`", kind, " × ".join(str(axis) for axis in parts[0].axes)))
    more = "" if len(columns) <= SHOWN else f"\n\n{len(columns) - SHOWN} more columns are in the description that the file holds."
    return _table(("column", "type", "axes"), rows) + more


def _outputs(trained: Trained) -> str:
    targets = trained.deliverable.host.get("targets", {})
    rows = []
    for each in trained.deliverable.outputs:
        classes = targets.get(each.name.rpartition(".")[0], {}).get("classes", [])
        shown = ", ".join(map(str, classes[:12])) + (", …" if len(classes) > 12 else "")
        rows.append((f"`{each.name}`", each.type, " × ".join(map(str, ("rows", *each.shape))), shown))
    return _table(("output", "type", "axes", "classes"), rows)


def _metrics(results: dict[str, Any]) -> str:
    found = [
        (split, name.rpartition(".")[0] or "", name.rpartition(".")[2], f"{value:.4g}")
        for split in ("validation", "test")
        for name, value in flatten_metrics(results.get("metrics", {}).get(split, {}))
    ]
    return _table(("rows", "target", "metric", "value"), found) if found else "The run measured nothing on rows that it was not trained on."


def _data(data: dict[str, Any]) -> str:
    source, split = data.get("source", {}), data.get("split", {})
    if not source:
        return "Its data are not named in the files of the run."
    digest = source.get("fingerprint", {}).get("sha256", "")
    counts = ", ".join(f"{split[name]:,} {name}" for name in ("train", "validation", "test") if isinstance(split.get(name), int))
    return f"`{source.get('name', '')}`, {source.get('rows', 0):,} rows ({counts}); sha256 `{digest}`."


def _checked(parity: Parity) -> str:
    worst = parity.worst
    first = f"{parity.rows:,} rows of {parity.source} were answered by the run's model and by this artifact."
    numbers = [each for each in parity.columns if not each.decision]
    apart = f"The largest difference of a number is {max((each.largest for each in numbers), default=0.0):.1e} (`{worst.name}`)."
    return f"{first} {apart} All numbers are in `parity.json`.{_rounded(parity)}"


def _rounded(parity: Parity) -> str:
    """What rounding its weights cost, where they were rounded."""
    found = parity.findings.get("int8")
    if found is None or parity.gate is None:
        return ""
    losses = ", ".join(f"{each.of} {each.before:.4g} → {each.after:.4g}" for each in parity.gate.losses)
    batch = " A row's answer depends on the rows that are asked with it." if found["answers_depend_on_batch"] else ""
    return f"\n\nIts layers are int8 ({found['mode']}): {losses} on these rows.{batch}"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(each).replace("|", "\\|") for each in line) + " |" for line in lines)
