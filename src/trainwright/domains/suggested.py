"""What is suggested for training where nobody wrote it: laid under the settings, and told in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainwright.config.model import ConfigModel
from trainwright.engine.config import TrainerConfig

LENGTHS = {"max_epochs", "max_steps"}
"""Either says how long a run is."""


def lay_under(trainer: TrainerConfig, under: Mapping[str, Any]) -> tuple[TrainerConfig, str]:
    """The settings with those of `under` that nobody wrote, and these in words (`max_epochs=12`), empty where there are none.

    A run whose length was written keeps it. What is wrong with them raises what pydantic raises.
    """
    given = trainer.model_fields_set
    if LENGTHS & given:
        under = {name: each for name, each in under.items() if name not in LENGTHS}
    chosen = _find_unwritten(trainer, under)
    merged = _merge(chosen, trainer.model_dump(exclude_unset=True))
    return TrainerConfig.model_validate(merged), _in_words(chosen) if chosen else ""


def _find_unwritten(given: ConfigModel, under: Mapping[str, Any]) -> dict[str, Any]:
    """What is not given already; of a part of another type nothing is."""
    found: dict[str, Any] = {}
    for name, value in under.items():
        here = getattr(given, name)
        if name not in given.model_fields_set:
            found[name] = value
        elif isinstance(value, Mapping) and isinstance(here, ConfigModel) and value.get("type") == getattr(here, "type", None):
            below = _find_unwritten(here, {key: each for key, each in value.items() if key != "type"})
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
