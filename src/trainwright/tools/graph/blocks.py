"""Blocks of a graph: nodes written once, with parameters that each use fills in. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trainwright.config.errors import did_you_mean
from trainwright.tools.graph.plan import Here
from trainwright.tools.graph.references import is_name
from trainwright.tools.graph.registered import block_named
from trainwright.tools.graph.writing import BLOCK_KEYS, KEYS, PARALLEL_KEYS

OF_BLOCK = ("parameters", "inputs", "nodes", "outputs")
PARAMETER = re.compile(r"\$\{([^{}]*)\}")
FORM = 'name: {parameters: [channels, {dilation: 1}], nodes: [{Conv1d: ["${channels}", 8, 3], dilation: "${dilation}"}]}'


@dataclass(frozen=True)
class Block:
    """What is written under a name of `blocks`; a parameter that is in `defaults` may be left out."""

    name: str
    here: Here
    parameters: tuple[str, ...]
    defaults: Mapping[str, Any]
    inputs: tuple[str, ...]
    nodes: Any
    outputs: Any

    def fill(self, value: Any, arguments: Mapping[str, Any]) -> Any:
        """A value of the block with `${name}` replaced by the argument: alone it keeps its type, within text it is text."""
        if isinstance(value, str):
            return self._text(value, arguments)
        if isinstance(value, Mapping):
            return {key: self.fill(each, arguments) for key, each in value.items()}
        return [self.fill(each, arguments) for each in value] if isinstance(value, list | tuple) else value

    def _text(self, text: str, arguments: Mapping[str, Any]) -> Any:
        unknown = next((name for name in PARAMETER.findall(text) if name not in arguments), None)
        if unknown is not None:
            what = f"'${{{unknown}}}' is no parameter of the block '{self.name}'"
            raise self.here.error(what, fix=did_you_mean(unknown, self.parameters) or f"add it: parameters: [{unknown}]")
        whole = PARAMETER.fullmatch(text)
        if whole:
            return arguments[whole[1]]
        return PARAMETER.sub(lambda found: _as_text(arguments[found[1]]), text)

    def arguments(self, given: Mapping[str, Any], here: Here) -> dict[str, Any]:
        """Name → value for one use; raises ConfigError at the use for what is missing or unknown."""
        unknown = next((name for name in given if name not in self.parameters), None)
        if unknown is not None:
            fix = (
                did_you_mean(unknown, self.parameters) if self.parameters else f"add parameters: [{unknown}] to the block, or leave it out"
            )
            raise here.error(f"the block '{self.name}' has no parameter '{unknown}'", fix=fix)
        missing = [name for name in self.parameters if name not in given and name not in self.defaults]
        if missing:
            fix = f"write {{block: {self.name}, {', '.join(f'{name}: …' for name in missing)}}}"
            raise here.error(f"the block '{self.name}' needs {' and '.join(missing)}", why=f"it is defined at {self.here}", fix=fix)
        found = dict(given)
        for name in self.parameters:  # a default may name parameters before it
            if name not in found:
                found[name] = self.fill(self.defaults[name], found)
        return found


@dataclass
class Blocks:
    """The blocks of a graph by name, and those that are being read, one inside the other."""

    named: dict[str, Block] = field(default_factory=dict)
    open: tuple[str, ...] = ()

    def find(self, name: Any, here: Here) -> Block:
        """The block of that name; raises ConfigError for one that is not there, or is inside itself."""
        block = self.named.get(name) if isinstance(name, str) else None
        if block is None:
            fix = did_you_mean(str(name), self.named) if self.named else f"write it down: blocks: {{{name}: {{nodes: […]}}}}"
            fix = f"it is a block of Trainwright's: write {{type: {name}, …}}" if block_named(str(name)) else fix
            raise here.error(f"unknown block {name!r}", fix=fix)
        if name in self.open:
            raise here.error(f"a block uses itself: {' → '.join([*self.open, name])}", why="it would never end", fix="leave one use out")
        return block

    def inside(self, name: str) -> Blocks:
        """The same while the nodes of `name` are read."""
        return Blocks(self.named, (*self.open, name))


def read_blocks(written: Any, here: Here) -> Blocks:
    """The blocks as they are written; raises ConfigError with the place of what is none."""
    if written is None:
        return Blocks()
    if not isinstance(written, Mapping):
        raise here.error(f"blocks are {written!r}", fix=f"write {FORM}")
    return Blocks({str(name): _read_block(name, each, here.under(str(name))) for name, each in written.items()})


def _read_block(name: Any, written: Any, here: Here) -> Block:
    if not is_name(name):
        raise here.error(f"{name!r} cannot be the name of a block", fix="use letters, digits and `_`, and no word of Python")
    if not isinstance(written, Mapping):
        raise here.error(f"the block '{name}' is {written!r}", fix=f"write {FORM}")
    unknown = next((key for key in written if key not in OF_BLOCK), None)
    if unknown is not None:
        raise here.under(str(unknown)).error(f"unknown option '{unknown}' of a block", fix=did_you_mean(str(unknown), OF_BLOCK))
    names, defaults = _read_parameters(written.get("parameters"), here.under("parameters"))
    inputs = written.get("inputs") or ()
    inputs = (inputs,) if isinstance(inputs, str) else tuple(inputs)
    wrong = next((each for each in inputs if not is_name(each)), None)
    if wrong is not None:
        raise here.under("inputs").error(f"{wrong!r} cannot be the name of an input", fix="write inputs: [x, skip]")
    if not isinstance(written.get("nodes"), list | tuple) or not written["nodes"]:
        raise here.error(f"the block '{name}' has no nodes", fix=f"write {FORM}")
    _refuse_unused(names, [written["nodes"], written.get("outputs"), *defaults.values()], here)
    return Block(name, here, names, defaults, inputs, written["nodes"], written.get("outputs"))


def _read_parameters(written: Any, here: Here) -> tuple[tuple[str, ...], dict[str, Any]]:
    names: list[str] = []
    defaults: dict[str, Any] = {}
    for each in [] if written is None else written if isinstance(written, list | tuple) else [written]:
        names += each if isinstance(each, Mapping) else [each]
        defaults |= each if isinstance(each, Mapping) else {}
    taken = {*KEYS, *BLOCK_KEYS, *PARALLEL_KEYS}
    for name in names:
        if not is_name(name) or name in taken or names.count(name) > 1:
            why = "it is a key of a node" if name in taken else "it is there twice" if names.count(name) > 1 else ""
            raise here.error(f"{name!r} cannot be the name of a parameter", why=why, fix="write parameters: [channels, {dilation: 1}]")
    return tuple(names), defaults


def _refuse_unused(names: Sequence[str], where: Sequence[Any], here: Here) -> None:
    read = {name for text in _texts(where) for name in PARAMETER.findall(text)}
    unused = next((name for name in names if name not in read), None)
    if unused is not None and read <= {*names}:  # else one of them is misspelt where it is used, which is told there
        fix = f"write ${{{unused}}} where it belongs, or leave it out of parameters"
        raise here.under("parameters").error(f"the parameter '{unused}' is never used", fix=fix)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(each)


def used_in(value: Any) -> Iterator[str]:
    """The blocks that nodes name, at any depth."""
    if isinstance(value, Mapping):
        if isinstance(value.get("block"), str):
            yield value["block"]
        for each in value.values():
            yield from used_in(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from used_in(each)


def _as_text(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def read_repeat(value: Any, here: Here) -> tuple[int, list[dict[str, Any]]]:
    """`3`, or `{dilation: [1, 2, 4]}`: how often, and the arguments that change with the repetition, none for a number."""
    if isinstance(value, Mapping):
        if not value or not all(isinstance(each, list | tuple) and each for each in value.values()):
            raise here.error(
                f"`repeat` is {dict(value)!r}", fix="write repeat: {dilation: [1, 2, 4]}, a list for each argument that changes"
            )
        lengths = {str(name): len(each) for name, each in value.items()}
        if len({*lengths.values()}) > 1:
            why = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            raise here.error("the lists of `repeat` have different lengths", why=why, fix="give each argument as many values")
        count = next(iter(lengths.values()))
        return count, [{str(name): each[number] for name, each in value.items()} for number in range(count)]
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise here.error(f"`repeat` is {value!r}", fix="a whole number of at least 1, or a list for each argument that changes")
    return value, []
