"""Configuration objects of other libraries as plain mappings: what cannot be written in a config is refused by its path."""

from __future__ import annotations

import dataclasses
import sys
from argparse import Namespace
from collections.abc import Mapping
from datetime import date
from enum import Enum
from os import PathLike, fspath
from types import SimpleNamespace
from typing import Any

from trainwright.config.errors import ConfigError, ManyErrors, RequestError
from trainwright.config.limits import refuse_depth
from trainwright.config.model import PartConfig
from trainwright.config.places import parse_path, spell_key

Path = tuple[str, ...]


def plain(value: Any, name: str = "config") -> dict[str, Any]:
    """A mapping, Namespace, CfgNode, dataclass, OmegaConf node, pydantic model or SimpleNamespace as nested plain mappings.

    Keys with dots become nested. Raises ConfigError naming the path of a value that a config cannot hold (ManyErrors for several).
    """
    problems: list[RequestError] = []
    found = fields_of_object(value)
    if found is None:
        what = f"{type(value).__name__} is not a configuration"
        fix = "give a mapping, a Namespace, a dataclass, an OmegaConf or YACS node, a pydantic model, or the path of a file"
        raise ConfigError(what, where=name, fix=fix)
    made = _mapping(found, (), name, problems, (id(value),))
    if problems:
        raise problems[0] if len(problems) == 1 else ManyErrors(problems)
    return made


def fields_of_object(value: Any) -> Mapping[Any, Any] | None:
    """Key → value of anything that is a configuration; None for all else."""
    omegaconf = _omegaconf(value)
    if omegaconf is not None:
        return omegaconf
    if isinstance(value, Mapping):
        return value
    if isinstance(value, Namespace | SimpleNamespace):
        return vars(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    if isinstance(getattr(type(value), "model_fields", None), dict):
        return {name: getattr(value, name) for name in type(value).model_fields if not _is_left_out(value, name)}
    if not isinstance(value, type) and all(callable(getattr(value, each, None)) for each in ("freeze", "defrost")):
        return _of_node(value)
    return None


def _is_left_out(value: Any, name: str) -> bool:
    return isinstance(value, PartConfig) and type(value).model_fields[name].exclude_if is not None and getattr(value, name) is None


def _of_node(value: Any) -> Mapping[Any, Any]:
    """A node that can be frozen and is no mapping: by its `items`, else by its public attributes."""
    items = getattr(value, "items", None)
    return dict(items()) if callable(items) else {key: each for key, each in vars(value).items() if not key.startswith("_")}


def _omegaconf(value: Any) -> Mapping[Any, Any] | None:
    """An OmegaConf mapping, resolved; raises ConfigError naming every value that is missing (`???`)."""
    if "omegaconf" not in sys.modules:
        return None
    from omegaconf import DictConfig, OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    if not isinstance(value, DictConfig):
        return None
    try:
        missing = sorted(OmegaConf.missing_keys(value))
        resolved = OmegaConf.to_container(value, resolve=True)
    except OmegaConfBaseException as error:
        why = str(error).partition("\n")[0]
        raise ConfigError("a reference cannot be resolved", where="OmegaConf", why=why, fix="set what it refers to") from error
    if missing:
        problems: list[RequestError] = [
            ConfigError(f"{each} is missing (???)", where="OmegaConf", fix="give it a value") for each in missing
        ]
        raise problems[0] if len(problems) == 1 else ManyErrors(problems)
    return resolved if isinstance(resolved, dict) else {}


def _mapping(found: Mapping[Any, Any], path: Path, name: str, problems: list[RequestError], around: tuple[int, ...]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, each in found.items():
        try:
            keys = nested_keys(str(key.name if isinstance(key, Enum) else key))
            here = (*path, *keys)
            place_at(made, keys, _value(each, here, name, problems, around), here, name)
        except RequestError as error:
            problems.append(error)
    return made


def nested_keys(key: str) -> Path:
    """`trainer.max_epochs` → ("trainer", "max_epochs"); a part in double quotes keeps its dots."""
    if "." not in key:
        return (key,)
    try:
        return tuple(str(each) for each in parse_path(key))
    except ConfigError:
        return (key,)


def place_at(made: dict[str, Any], keys: Path, value: Any, path: Path, name: str) -> None:
    """Put a value under nested keys; raises ConfigError where a plain value is in the way."""
    here = made
    for key in keys[:-1]:
        here = here.setdefault(key, {})
        if not isinstance(here, dict):
            raise ConfigError(f"'{spell_key(path)}' lies inside a plain value", where=name, fix=f"give '{key}' a value or keys below it")
    last = keys[-1]
    if isinstance(here.get(last), dict) and isinstance(value, dict):
        for key, each in value.items():
            place_at(here[last], (key,), each, (*path, key), name)
        return
    if last in here:
        raise ConfigError(f"'{spell_key(path)}' is given twice", where=name, fix="keep one of them")
    here[last] = value


def _value(value: Any, path: Path, name: str, problems: list[RequestError], around: tuple[int, ...]) -> Any:
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, bool | int | float | str):  # subclasses, such as numpy's float64
        return next(kind(value) for kind in (bool, int, float, str) if isinstance(value, kind))
    if isinstance(value, PathLike):
        return fspath(value)
    if isinstance(value, date):
        return value.isoformat()
    if id(value) in around:
        raise ConfigError(f"{spell_key(path)} holds itself", where=name, fix="remove the circle")
    around = (*around, id(value))
    refuse_depth(len(around), name)
    found = fields_of_object(value)
    if found is not None:
        return _mapping(found, path, name, problems, around)
    if isinstance(value, list | tuple | range) or type(value).__name__ == "ListConfig":
        return [_value(each, (*path, str(number)), name, problems, around) for number, each in enumerate(value)]
    if type(value).__module__ == "numpy" and getattr(value, "ndim", 1) == 0:
        return _value(value.item(), path, name, problems, around)
    raise ConfigError(f"{spell_key(path)}: {_type_name(value)} cannot be a value of a config", where=name, fix=_instead(value))


def _type_name(value: Any) -> str:
    kind = type(value)
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if callable(value) and hasattr(value, "__qualname__"):
        return f"the function {value.__qualname__}"
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"a {kind.__name__} of shape {tuple(value.shape)}"
    return f"{kind.__module__}.{kind.__qualname__}" if kind.__module__ != "builtins" else f"a {kind.__name__}"


def _instead(value: Any) -> str:
    if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        return f"name it as text: {value.__module__}:{value.__qualname__}"
    if hasattr(value, "tolist"):
        return "write numbers (.tolist()), or a file"
    return "write a list" if isinstance(value, set | frozenset) else "write numbers, text, true or false, lists and mappings"
