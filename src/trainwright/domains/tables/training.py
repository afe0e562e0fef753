"""How a model is trained where the configuration says nothing, by the types of its inputs: a network of pictures wants other steps."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from trainwright.config.domains import column_kind
from trainwright.config.model import ConfigModel
from trainwright.config.part import load_named
from trainwright.engine.config import TrainerConfig
from trainwright.features.spec import DataSpec
from trainwright.nn.encoders.auto import choose as choose_encoder
from trainwright.systems.config import SupervisedConfig

log = logging.getLogger(__name__)
LENGTHS = {"max_epochs", "max_steps"}
"""Either says how long a run is."""


def suggest_training(trainer: TrainerConfig, model: SupervisedConfig, spec: DataSpec) -> TrainerConfig:
    """The settings with what the types of the inputs want of those that nobody wrote; the log says which these are.

    A run that only a time limits is left as it is: what falls over a run needs its length.
    """
    given = trainer.model_fields_set
    if "max_time" in given and not LENGTHS & given:
        return trainer
    for group in spec.inputs:
        wanted = column_kind(group.kind).training
        if not wanted:
            continue
        encoder = group.encoder or model.encoders.get(group.kind) or choose_encoder(group, model.combiner.type, spec.rows)
        under: dict[str, Any] = load_named(wanted)(group, encoder, spec.rows)
        if LENGTHS & given:
            under = {name: each for name, each in under.items() if name not in LENGTHS}
        chosen = _lay_under(trainer, under)
        if chosen:
            log.info("%s: trained by %s, unless trainer.* says otherwise", ", ".join(group.columns), _in_words(chosen))
        return TrainerConfig.model_validate(_merge(chosen, trainer.model_dump(exclude_unset=True)))
    return trainer


def _lay_under(given: ConfigModel, under: Mapping[str, Any]) -> dict[str, Any]:
    """What is not given already; of a part of another type nothing is."""
    found: dict[str, Any] = {}
    for name, value in under.items():
        here = getattr(given, name)
        if name not in given.model_fields_set:
            found[name] = value
        elif isinstance(value, Mapping) and isinstance(here, ConfigModel) and value.get("type") == getattr(here, "type", None):
            below = _lay_under(here, {key: each for key, each in value.items() if key != "type"})
            found |= {name: below} if below else {}
    return found


def _merge(under: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    both = {name for name, each in under.items() if isinstance(each, Mapping) and isinstance(given.get(name), Mapping)}
    return {**under, **given, **{name: _merge(under[name], given[name]) for name in both}}


def _in_words(chosen: Mapping[str, Any], before: str = "") -> str:
    parts = []
    for name, each in chosen.items():
        if isinstance(each, Mapping):
            named = [f"{before}{name}={each['type']}"] if "type" in each else []
            rest = {key: value for key, value in each.items() if key != "type"}
            parts += [*named, *([_in_words(rest, f"{before}{name}.")] if rest else [])]
        else:
            parts.append(f"{before}{name}={'null' if each is None else each}")
    return " ".join(parts)
