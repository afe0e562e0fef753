"""One registry for all kinds of parts: a table of name → class path and options, so that listing imports no torch."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.config.model import PartConfig

KINDS: dict[str, str] = {
    "source": "trainwright.data.sources",
    "split": "trainwright.data.splits",
    "feature": "trainwright.features",
    "encoder": "trainwright.nn.encoders",
    "combiner": "trainwright.nn.combiners",
    "decoder": "trainwright.nn.decoders",
    "loss": "trainwright.nn.losses",
    "metric": "trainwright.metrics",
    "optimizer": "trainwright.optim",
    "schedule": "trainwright.optim.schedules",
    "tracker": "trainwright.tracking",
    "baseline": "trainwright.baselines",
}
"""Kind → the module that holds its table `PARTS: dict[str, Part]`; that module imports no torch."""


@dataclass(frozen=True)
class Part:
    """A registered part: where its class is (`module:Class`), its options, and one line on what it is."""

    path: str
    config: type[PartConfig]
    summary: str = ""


def parts(kind: str) -> dict[str, Part]:
    """The table of a kind; raises ConfigError for an unknown kind."""
    if kind not in KINDS:
        raise ConfigError(f"unknown kind '{kind}'", fix=did_you_mean(kind, KINDS))
    return importlib.import_module(KINDS[kind]).PARTS  # type: ignore[no-any-return]


def options_class(kind: str, name: str) -> type[PartConfig]:
    """The options of a registered part, or those read from the signature of a class named by path."""
    table = parts(kind)
    if name in table:
        return table[name].config
    raise ConfigError(f"unknown {kind} type '{name}'", fix=did_you_mean(name, table))


def load(kind: str, name: str) -> Any:
    """The class behind a registry name, a dotted path or `file.py:Class`; raises ConfigError saying why it cannot be had."""
    table = parts(kind)
    if name in table:
        module, _, attribute = table[name].path.partition(":")
        return getattr(importlib.import_module(module), attribute)
    raise ConfigError(f"unknown {kind} type '{name}'", fix=did_you_mean(name, table))


def build(kind: str, config: PartConfig, **context: Any) -> Any:
    """The part that `config.type` names, made as `Class(config, **context)`."""
    return load(kind, config.type)(config, **context)
