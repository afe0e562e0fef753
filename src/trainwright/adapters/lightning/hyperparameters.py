"""What `save_hyperparameters` keeps of a LightningModule: written with the run, and what a module is made from again."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping
from typing import Any

from trainwright.adapters.lightning.written import decode_value, encode_value
from trainwright.config.errors import ConfigError, TrainwrightError

log = logging.getLogger("trainwright.systems")


LARGEST = 20_000
"""Characters of a value that a configuration still takes."""


def plain_values(params: Any) -> dict[str, Any]:
    """Hyperparameters as a mapping: of a mapping, a Namespace or a dataclass."""
    if params is None:
        return {}
    return {str(name): each for name, each in (params if isinstance(params, Mapping) else vars(params)).items()}


def written_hyperparameters(module: Any) -> dict[str, Any]:
    """Name → value as a configuration holds it; what cannot be written, or is large, is said."""
    written, left = dict[str, Any](), list[str]()
    for name, value in (plain_values(module.hparams) if getattr(module, "_hparams", None) else {}).items():
        try:
            written[name] = encode_value(value)
            if len(str(written[name])) > LARGEST:
                left.append(f"{name} ({len(str(written.pop(name))):,} characters)")
        except TrainwrightError:
            left.append(f"{name} (a {type(value).__name__})")
    if left:
        log.warning("hyperparameters that cannot be written are not in the run's configuration: %s", ", ".join(left))
    return written


def argument_name(module: Any) -> str:
    """The argument that `save_hyperparameters(config)` was given as one; empty where each is an argument of its own."""
    name = getattr(module, "_hparams_name", None)
    return "" if name in (None, "kwargs") else str(name)


def make_module(kind: type, written: Mapping[str, Any], argument: str = "") -> Any:
    """A LightningModule made from what `written_hyperparameters` gave; raises ConfigError for arguments that do not fit."""
    values = {name: decode_value(each) for name, each in written.items()}
    taken = inspect.signature(kind.__init__).parameters  # type: ignore[misc]
    if argument in taken:
        values = {argument: _as_attributes(kind, values)}
    elif not any(each.kind is each.VAR_KEYWORD for each in taken.values()):
        values = {name: each for name, each in values.items() if name in taken}
    try:
        return kind(**values)
    except TypeError as error:
        fix = f"give an instance: model={kind.__name__}(…), or call self.save_hyperparameters() in its __init__ before training"
        why = f"{error}; the run has: {', '.join(written) or 'none'}"
        raise ConfigError(f"{kind.__name__} cannot be made again from the run", where="tw.load(model)", why=why, fix=fix) from error


def _as_attributes(kind: type, values: dict[str, Any]) -> Any:
    """A mapping whose values are attributes too, as Lightning gives `hparams`."""
    from importlib import import_module

    root = next(each.__module__ for each in kind.__mro__ if each.__name__ == "LightningModule").partition(".core")[0]
    return import_module(f"{root}.utilities.parsing").AttributeDict(values)
