"""One registry for all kinds of parts: a table of name → class path and options, so that listing imports no torch."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass
from functools import partial
from typing import Any

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.config.foreign import context_names, found_at, is_path, options_from_signature, own_options
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
    "callback": "trainwright.engine.callbacks",
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
    return importlib.import_module(KINDS[kind]).PARTS


def registered_name(kind: str, name: str) -> str:
    """The name in the table (`-` read as `_`), or an empty text for a path; raises ConfigError when it is neither."""
    table = parts(kind)
    folded = name.replace("-", "_")
    if name in table or folded in table:
        return name if name in table else folded
    if is_path(name):
        return ""
    raise ConfigError(f"unknown {kind} type '{name}'", fix=did_you_mean(name, table))


def canonical_name(kind: str, name: str) -> str:
    """The registered name, or the path with a relative file made absolute, so that it means the same from any folder."""
    return registered_name(kind, name) or found_at(name)[1]


def options_class(kind: str, name: str) -> type[PartConfig]:
    """The options of a registered part, or those read from the signature of a class named by path."""
    known = registered_name(kind, name)
    if known:
        return parts(kind)[known].config
    made_from, path = found_at(name)
    return own_options(made_from) or options_from_signature(made_from, path, kind)


def load(kind: str, name: str) -> Any:
    """The class behind a registry name, a dotted path or `file.py:Class`; raises ConfigError saying why it cannot be had."""
    known = registered_name(kind, name)
    if not known:
        return found_at(name)[0]
    module, _, attribute = parts(kind)[known].path.partition(":")
    return getattr(importlib.import_module(module), attribute)


def build(kind: str, config: PartConfig, **context: Any) -> Any:
    """The part that `config.type` names: `Class(config, **context)`, or `Class(**options, **context)` for a class named by path.

    A class named by path is given the part of the context that its signature takes, unless its first parameter is a PartConfig.
    """
    made_from = load(kind, config.type)
    if registered_name(kind, config.type) or own_options(made_from):
        return made_from(config, **context)
    accepted = context_names(made_from, context)
    given = {name: getattr(config, name) for name in type(config).model_fields if name != "type" and _is_given(config, name)}
    given |= config.model_extra or {}
    make = partial(made_from, **given, **{name: context[name] for name in accepted})
    try:
        inspect.signature(make).bind()
    except TypeError as error:
        why = f"{error}; from here it can get: {', '.join(context) or 'nothing'}"
        raise ConfigError(
            f"'{config.type}' cannot be made as {kind}", why=why, fix="give the rest a default, or name it as an option"
        ) from error
    except ValueError:  # a class in C without a signature
        return make()
    return make()


def _is_given(config: PartConfig, name: str) -> bool:
    """Defaults of the class that cannot be written in YAML are left to the class."""
    return name in config.model_fields_set or type(config).model_fields[name].exclude_if is None
