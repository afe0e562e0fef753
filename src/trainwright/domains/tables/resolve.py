"""The configuration of a run with everything that was found in its data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trainwright.baselines import ColumnsOptions
from trainwright.config.choice import choose
from trainwright.config.domains import column_kind
from trainwright.config.model import PartConfig
from trainwright.domains.tables.prepare import PreparedData
from trainwright.domains.tables.training import suggest_training
from trainwright.systems.run_config import Config


def resolve_config(config: Config, prepared: PreparedData) -> Config:
    """The configuration with the types, targets, left-out columns and network that were found, so that it repeats the run as it stands."""
    from trainwright.systems.supervised import resolve_options as resolved_model

    ignored = [column.name for column in prepared.columns if column.role == "ignored"]
    columns = {column.name: column.options for column in prepared.columns if column.role != "ignored"}
    name = config.run.name or default_name(prepared)
    found: dict[str, Any] = {"targets": prepared.targets, "inputs": prepared.inputs, "ignore": ignored, "columns": columns}
    model = resolved_model(config.system.model, prepared.spec)
    found |= {"model": model}
    return config.model_copy(
        update={
            "evaluation": config.evaluation.model_copy(update={"baselines": baselines_of(config, prepared)}),
            "system": config.system.model_copy(update=found),
            "trainer": suggest_training(config.trainer, model, prepared.spec),
            "run": config.run.model_copy(update={"name": name}),
        }
    )


def baselines_of(config: Config, prepared: PreparedData) -> list[PartConfig]:
    """The baselines that are asked for; where none are named, the usual ones with those that types of input columns bring."""
    chosen = list(config.evaluation.baselines)
    if "baselines" in config.evaluation.model_fields_set:
        return chosen
    kinds = dict.fromkeys(column.type for column in prepared.columns if column.role == "input")
    brought = [choose("baseline", each) for kind in kinds for each in column_kind(kind).baselines]
    if brought and all(prepared.table.encoder.features[name].lazy for name in prepared.inputs):
        chosen = [each for each in chosen if not isinstance(each, ColumnsOptions)]  # which read columns, and there are files alone
    there = {each.type for each in chosen}
    return chosen + [each for each in brought if each.type not in there]


def default_name(prepared: PreparedData) -> str:
    """`titanic-survived`: the data's name and the targets."""
    stem = Path(prepared.source.name.removeprefix("builtin:")).name.split(".")[0] or "data"
    stem = "table" if " " in stem else stem
    return "-".join([stem, *prepared.targets[:2]])
