"""Which columns are inputs, which targets, which are left out, of what type, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from trainwright.config.errors import ConfigError, DataError, RequestError, did_you_mean
from trainwright.config.registry import check_target
from trainwright.data.inference import Inferred
from trainwright.data.profile import ColumnProfile
from trainwright.data.splits import split_columns
from trainwright.domains.column_options import column_options, quote_name, raise_all
from trainwright.features import FeatureConfig
from trainwright.systems.run_config import Config

GIVEN, DECLARED = "given in the configuration", "said by the source"
"""Why a column is of its type, where that was not found by looking at its values."""


@dataclass(frozen=True)
class Column:
    """A column of the data, its type and options, the part it plays, and why."""

    name: str
    options: FeatureConfig
    role: str
    """`input`, `target` or `ignored`."""
    why: str
    profile: ColumnProfile
    warnings: list[str] = field(default_factory=list)

    @property
    def type(self) -> str:
        """The registry name of the column's type."""
        return self.options.type

    def without(self, why: str) -> Column:
        """The same column, left out."""
        return replace(self, role="ignored", why=why)


def targets_of(config: Config, default: list[str], names: list[str], where: str, elsewhere: str = "") -> list[str]:
    """The targets asked for, or the ones the source knows of itself; raises DataError when there are none or one is not in the data.

    `elsewhere`: where else a column may be, for the end of a message.
    """
    targets = config.system.targets or default
    if not targets:
        shown = f"{', '.join(names[:20])}{', …' if len(names) > 20 else ''}{elsewhere}"
        raise DataError(
            "no target named: which column is to be predicted?",
            where=where,
            fix=f"add --target NAME (or `targets: [NAME]`); the columns are: {shown}",
        )
    errors: list[RequestError] = [
        DataError(f"target '{name}' is not a column of the data", where=where, fix=did_you_mean(name, names) + elsewhere)
        for name in targets
        if name not in names
    ]
    errors += [ConfigError(f"'{name}' is both a target and in `ignore`") for name in targets if name in config.system.ignore]
    raise_all(errors)
    return list(dict.fromkeys(targets))


def plan_columns(
    config: Config,
    profiles: list[ColumnProfile],
    inferred: list[Inferred],
    targets: list[str],
    where: str,
    elsewhere: str = "",
    declared: Mapping[str, Any] | None = None,
) -> list[Column]:
    """The part each column plays; raises every mistake in the names and options of columns at once.

    `declared`: what the source says of columns, by name.
    """
    known = [profile.name for profile in profiles]
    check_names(config, known, where, elsewhere)
    planned = []
    for profile, found in zip(profiles, inferred, strict=True):
        options, chosen = column_options(config.system.columns.get(profile.name), found, known)
        said = (declared or {}).get(profile.name, {}).get("type") == options.type
        role, why = _role(config, found, options, targets, (DECLARED if said else GIVEN) if chosen else found.why)
        options = _as_target(config, options) if role == "target" else _as_input(config, options) if role == "input" else options
        warnings = [f"'{profile.name}': {warning}" for warning in found.warnings] if role != "ignored" or options.type == "ignore" else []
        planned.append(Column(profile.name, options, role, why, profile, warnings))
    if not any(column.role == "input" for column in planned):
        offered = next((profile.offer for profile in profiles if profile.offer), "")
        fix = offered or "name some with `inputs`, or give columns a type with `columns.NAME=TYPE`"
        raise DataError("no column is left to predict from", where=where, fix=fix)
    return planned


def check_names(config: Config, known: list[str], where: str, elsewhere: str = "") -> None:
    """Raises DataError or ManyErrors for options of columns that are not among the `known`."""
    inputs = config.system.inputs
    listed = inputs if isinstance(inputs, list) else []
    sections: dict[str, list[str]] = {"columns": list(config.system.columns), "ignore": config.system.ignore, "inputs": listed}
    there = set(known)
    errors: list[RequestError] = [
        DataError(
            f"`{section}` names '{name}', which is not a column of the data",
            where=where,
            fix=_fix_of_name(name, section, known) + elsewhere,
        )
        for section, names in sections.items()
        for name in names
        if name not in there
    ]
    if isinstance(inputs, str) and inputs != "auto":
        errors.append(ConfigError(f"`inputs` is a list of columns or `auto`, not '{inputs}'", fix=f"write inputs: [{inputs}]"))
    raise_all(errors)


def _fix_of_name(name: str, section: str, known: list[str]) -> str:
    """The nearest names; for the beginning of a dotted name, how the command line names it whole."""
    dotted = next((each for each in known if each.startswith(f"{name}.")), "") if section == "columns" else ""
    return quote_name(dotted) if dotted else did_you_mean(name, known)


def _as_target(config: Config, options: FeatureConfig) -> FeatureConfig:
    """The options of a target with the loss and the metrics of all targets, where it names none of its own."""
    asked = {"loss": config.system.loss, "metrics": config.system.metrics}
    given = {name: each for name, each in asked.items() if each and name in type(options).model_fields and not getattr(options, name)}
    if not given:
        return options
    for name, each in given.items():
        for part in each if isinstance(each, list) else [each]:
            check_target("metric" if name == "metrics" else name, part, options.type)
    return options.model_copy(update=given)


def _as_input(config: Config, options: FeatureConfig) -> FeatureConfig:
    """The options of an input, with what its encoder says of how such a column is prepared where it says so."""
    encoder = options.encoder or config.system.model.encoders.get(options.type)
    settle = getattr(encoder, "settle_column", None)
    return options if settle is None else settle(options)


def _role(config: Config, found: Inferred, options: FeatureConfig, targets: list[str], why: str) -> tuple[str, str]:
    if found.name in targets:
        return "target", why
    if found.name in config.system.ignore:
        return "ignored", "in `ignore`"
    if found.name == config.data.weights:
        return "ignored", "says how much rows count"
    if found.name in split_columns(config.data.split):
        return "ignored", "says how the rows are split"
    if options.type == "ignore":
        return "ignored", why
    if isinstance(config.system.inputs, list) and found.name not in config.system.inputs:
        return "ignored", "not in `inputs`"
    return "input", why
