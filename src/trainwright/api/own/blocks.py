"""What a report says of a run of a person's own system or model beside its common files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainwright.domains.report import FORMAT, show_code, show_repeat, write_analysis
from trainwright.report.material import mapping
from trainwright.runs.directory import RunDirectory


def write_own(run: RunDirectory, config: Mapping[str, Any], system: Any = None) -> None:
    """Write analysis.json of a run of a person's own system: at its start its commands, at its end the system's own blocks too."""
    write_analysis(run, describe_own(config, run.command.read_text(encoding="utf-8").strip()), system)


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


def use_own(config: Mapping[str, Any], command: str) -> list[dict[str, Any]]:
    """The same for a system of one's own, whose data its configuration names; `tw.fit` was called from Python."""
    python = show_code("From Python", "import trainwright as tw\n\ntw.load_weights(model, {run})", "python")
    if mapping(config.get("system")).get("type", "given") == "given":
        return [python]
    measure = "trainwright test {run}\ntrainwright predict {run} --split test -o predictions.npz"
    return [
        show_code("Measure it, predict", measure),
        show_code("Take the model out", "trainwright export {run} -o model"),
        python,
        *show_repeat(command),
    ]
