"""The state dict in what a file or a directory holds: by its usual names, or by the one that is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.weights.dcp import DcpDirectory

USUAL = ("state_dict", "model_state_dict", "model", "module", "net", "network", "weights", "params")
"""Keys under which programs keep the state dict, the likeliest first."""
PROGRAM = "in a program that you trust: torch.save(model.state_dict(), 'weights.pt'); then convert that file"


def take_state_dict(directory: DcpDirectory, key: str = "") -> tuple[str, dict[str, Tensor], dict[str, str]]:
    """Where the state dict was, its tensors, and what was left; of the directory's files only what it needs is read.

    Raises ConfigError when there is none, or several and no key says which; RunError where the directory is damaged.
    """
    content, names = directory.make_state_dict()
    at, state = choose_state_dict(content, key, directory.folder)
    left = list_rest(content, at) | dict.fromkeys(directory.others, "no tensor")
    return at, {name: directory.tensor(names[id(value)]) for name, value in flat(state)}, left


def choose_state_dict(content: Any, key: str, where: Path) -> tuple[str, Mapping[str, Any]]:
    """The state dict in a file's content and its key; raises ConfigError when there is none, or several and no key says which."""
    if isinstance(content, Tensor):
        content = {"tensor": content}
    found = dict(_states(content))
    if key:
        if key not in found:
            raise ConfigError(f"there is no state dict '{key}' in this file", where=str(where), fix=_choices(content, found, key))
        return key, found[key]
    usual = [each for each in USUAL if each in found]
    if not usual and "" in found:
        return "", found[""]
    inner = usual[:1] or list(found)
    if len(inner) == 1:
        return inner[0], found[inner[0]]
    what = "this file holds several state dicts" if found else "this file holds no state dict"
    why = ", ".join(f"{name} ({len(list(flat(each)))} entries)" for name, each in found.items()) or f"it is {kind_of_value(content)}"
    raise ConfigError(what, where=str(where), why=why, fix=f"choose one: --key {inner[0]}" if found else PROGRAM)


def join_states(content: Any, where: Path) -> tuple[str, Mapping[str, Any]]:
    """As `choose_state_dict` without a key; of state dicts that have no usual name all are taken, their keys before the names."""
    found = {name: each for name, each in _states(content) if name}
    outermost = {name: each for name, each in found.items() if not any(name.startswith(f"{other}.") for other in found)}
    if not outermost or _has_tensors(content) or any(each in found for each in USUAL):
        return choose_state_dict(content, "", where)
    return ", ".join(outermost), outermost


def _has_tensors(content: Any) -> bool:
    return isinstance(content, Mapping) and any(isinstance(value, Tensor) for value in content.values())


def _choices(content: Any, found: Mapping[str, Any], key: str) -> str:
    names = [each for each in found if each]
    return did_you_mean(key, names) if names else "leave --key out: the file itself is the state dict" if "" in found else PROGRAM


def _states(content: Any, at: str = "", depth: int = 0) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The mappings with tensors by name in them, and their keys; optimizers' states are none."""
    if not isinstance(content, Mapping) or {"state", "param_groups"} <= content.keys():
        return
    tensors = any(isinstance(value, Tensor) for value in content.values())
    if tensors or (depth and content and all(isinstance(each, Mapping) and dict(_states(each)) for each in content.values())):
        yield at, content
    if depth < 2:
        for name, value in content.items():
            yield from _states(value, f"{at}.{name}" if at else str(name), depth + 1)


def flat(state: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Names and values of a state dict, those of mappings inside it joined with dots."""
    for name, value in state.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def list_rest(content: Any, at: str) -> dict[str, str]:
    """What beside the state dict is in the file."""
    if not at or not isinstance(content, Mapping):
        return {}
    first, _, rest = at.partition(".")
    left = {str(name): kind_of_value(value) for name, value in content.items() if str(name) != first}
    inner = list_rest(content[first], rest) if rest else {}
    return left | {f"{first}.{name}": kind for name, kind in inner.items()}


def kind_of_value(value: Any) -> str:
    if isinstance(value, Mapping):
        if {"state", "param_groups"} <= value.keys():
            return "an optimizer's state"
        count = sum(isinstance(each, Tensor) for _, each in flat(value))
        return f"{count} tensors" if count else f"a mapping of {len(value)}"
    if isinstance(value, Tensor):
        return f"a tensor {tuple(value.shape)}"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    return repr(value)[:40] if isinstance(value, (int, float, str, bool)) or value is None else type(value).__name__
