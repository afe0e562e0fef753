"""A node as it is written (`ReLU`, `{Linear: [64, 10]}`, `fc1: {type: Linear, …}`), in its long form. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trainwright.config.errors import nearest
from trainwright.tools.graph.plan import Here
from trainwright.tools.graph.registered import block_named, block_names, takes_option

KEYS = ("type", "name", "inputs", "outputs", "args", "kwargs", "repeat", "share", "use", "choose", "with")
GRAPH_KEYS = ("nodes",)
LOOP_KEYS = ("nodes", "over", "dim", "carry", "next", "each")
BLOCK_KEYS = ("block", "carry")
PARALLEL_KEYS = ("parallel", "then", "dim")
NESTED = ("graph", "loop", "block", "parallel")
WORDS = ("add", "mul", "cat", "stack")
"""Nodes of ours that take any number of inputs."""
FORMS = "ReLU, {Linear: [64, 10]}, {name: {type: Linear, in_features: 64, …}} or {use: name}"


@dataclass
class LongForm:
    """A node in its long form: `own` are the keys of the node, `args` and `kwargs` the arguments of what it makes."""

    type: str = ""
    name: str = ""
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    own: dict[str, Any] = field(default_factory=dict)


def looks_like_type(key: Any) -> bool:
    """Whether a key names a type rather than a node: a class (`Linear`), or a path (`torch.cat`, `./net.py:Net`)."""
    return isinstance(key, str) and (key[:1].isupper() or "." in key or ":" in key)


def is_layer(value: Any) -> bool:
    """Whether an argument is written as a layer: a mapping with `type`, or with a key that names a type or, alone, a block."""
    if not isinstance(value, Mapping):
        return False
    return "type" in value or any(map(looks_like_type, value)) or (len(value) == 1 and bool(block_named(str(next(iter(value))))))


def names_type(key: Any, inside: Any) -> bool:
    """Whether a key names what stands under it: a type, or a block with its arguments. With a node under it, a block's name is a name."""
    if looks_like_type(key) or not (isinstance(key, str) and block_named(key)):
        return looks_like_type(key)
    return not isinstance(inside, str) and not is_layer_under(key, inside)


def is_layer_under(key: str, value: Any) -> bool:
    """Whether what stands under the name of a type is a layer rather than its arguments, which may be called as blocks are."""
    if not isinstance(value, Mapping) or not block_named(key):
        return is_layer(value)
    node = any(each in value for each in ("type", "use", "block", "parallel"))
    return node or (is_layer(value) and not all(takes_option(block_named(key), each) for each in value))


def write_long_form(value: Any, here: Here) -> LongForm:
    """The long form of a node; raises ConfigError for what is none."""
    if isinstance(value, str):
        return LongForm(type=value)
    if not isinstance(value, Mapping) or not value or not all(isinstance(key, str) for key in value):
        raise here.error(f"{'an empty mapping' if value == {} else repr(value)} is not a node", fix=f"write {FORMS}")
    if "type" in value or "use" in value:
        return _long(value, here)
    word = next((each for each in ("block", "parallel") if each in value), "")
    if word:
        return _long({**value, "type": word}, here)
    types = _without_options([key for key, each in value.items() if names_type(key, each)])
    if len(types) == 1:
        return _short(types[0], value, here)
    names = [key for key in value if key not in KEYS and not (key == "carry" and "repeat" in value)]
    if not types and len(names) == 1:
        return _write_named(names[0], value, here)
    why = f"it names {' and '.join(types)}" if types else ""
    raise here.error("a node without `type`", why=why, fix=f"write {FORMS}")


def _without_options(types: list[str]) -> list[str]:
    """Of the keys that name types, those that are no option of a block beside them: `{convnext_block: 96, drop_path: 0.1}` is one block."""
    named = {key: block_named(key) for key in types if not looks_like_type(key)}
    return [key for key in types if not any(takes_option(block, key) for other, block in named.items() if other != key)]


def _write_named(name: str, value: Mapping[str, Any], here: Here) -> LongForm:
    """`fc1: {Linear: [64, 10]}`, also with `inputs` and the like beside the name."""
    inside = value[name]
    if not isinstance(inside, str | Mapping):
        close = nearest(name, block_names())
        fix = f"did you mean '{close}'?" if close else f"write {FORMS}"
        raise here.error(f"'{name}' is not a node", why=f"its value is {inside!r}", fix=fix)
    found = write_long_form(inside, here)
    beside = {key: each for key, each in value.items() if key != name}
    twice = "name" if found.name or "name" in beside else next((key for key in beside if key in found.own), "")
    if twice:
        raise here.error(f"`{twice}` of '{name}' is given twice", fix="keep one")
    if "args" in beside or "kwargs" in beside:
        raise here.error(f"the arguments of '{name}' stand beside it", fix=f"write them under {name}")
    found.name = name
    found.own |= beside
    return found


def _short(key: str, value: Mapping[str, Any], here: Here) -> LongForm:
    """`{Conv2d: [3, 8, 3], padding: 1, inputs: x}`."""
    found = _long({"type": key, **{name: each for name, each in value.items() if name != key}}, here)
    given = value[key]
    if isinstance(given, Mapping) and not is_layer_under(key, given):
        twice = sorted(set(given) & set(found.kwargs))
        if twice:
            raise here.error(f"the argument '{twice[0]}' is given twice", fix="keep one")
        found.kwargs = {**given, **found.kwargs}
    elif isinstance(given, list | tuple):
        found.args = (*given, *found.args)
    elif given is not None:
        found.args = (given, *found.args)
    return found


def _long(value: Mapping[str, Any], here: Here) -> LongForm:
    kind = value.get("type", "")
    if not isinstance(kind, str) or ("type" in value and not kind):
        raise here.error(f"`type` must be a name, not {kind!r}", fix="for example `type: Linear`")
    own_keys = {"loop": LOOP_KEYS, "graph": GRAPH_KEYS, "block": BLOCK_KEYS, "parallel": PARALLEL_KEYS}
    carried = ("carry",) if "repeat" in value else ()
    allowed = KEYS + own_keys.get(kind, ()) + carried
    args, kwargs, name = value.get("args") or (), value.get("kwargs") or {}, value.get("name") or ""
    if not isinstance(args, list | tuple):
        raise here.error(f"`args` must be a list, not {args!r}", fix="write args: [64, 10]")
    if not isinstance(kwargs, Mapping):
        raise here.error(f"`kwargs` must be a mapping, not {kwargs!r}", fix="write kwargs: {bias: false}")
    if not isinstance(name, str):
        raise here.error(f"`name` must be text, not {name!r}")
    own = {key: each for key, each in value.items() if key in allowed}
    rest = {key: each for key, each in value.items() if key not in allowed}
    return LongForm(kind, name, tuple(args), {**rest, **kwargs}, own)


def default_name(kind: str) -> str:
    """`BatchNorm2d` → `batch_norm2d`, `torch.nn.functional.relu` → `relu`."""
    last = re.split(r"[.:/]", kind)[-1]
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", last)
    return re.sub(r"\W", "_", spaced).lower().strip("_") or "node"
