"""What a graph is once it has been read: nodes in order, what each is given, and what is handed back. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from trainwright.config.errors import ConfigError
from trainwright.config.places import Node


class GraphError(ConfigError):
    """A mistake in a graph; `here` is its place, also for those who spell places in another way."""

    def __init__(self, what: str, here: Here, *, why: str = "", fix: str = "", certain: bool = True) -> None:
        used = f"the block is used at {here.user}" if here.user else ""
        super().__init__(what, where=str(here), why="; ".join(filter(None, (why, used))), fix=fix)
        self.here = here
        self.certain = certain
        """False where other values of the same shapes may be taken."""


@dataclass(frozen=True)
class Here:
    """A place in the graph: the path from the model, and the name of the node there."""

    root: str = "model"
    path: tuple[str | int, ...] = ()
    name: str = ""
    user: str = ""
    """Where the block is used in which this place is."""

    def __str__(self) -> str:
        return self.root + spell_path(self.path) + (f" ({self.name})" if self.name else "")

    def under(self, *keys: str | int, name: str = "") -> Here:
        """The place below this one."""
        return Here(self.root, (*self.path, *keys), name, self.user)

    def error(self, what: str, *, why: str = "", fix: str = "") -> GraphError:
        """A mistake at this place."""
        return GraphError(what, self, why=why, fix=fix)


def at_its_line(error: GraphError, written: Any) -> GraphError:
    """The error with the file and line of its node, where the graph was `written` in a file."""
    node = None if written is None else _nearest(written, error.here.path)
    place = None if node is None else node.key or node.place
    if place is not None and place.line and not error.where.startswith(str(place)):
        error.where = f"{place}: {error.where}"
    return error


def _nearest(node: Node, path: tuple[str | int, ...]) -> Node:
    """The deepest node on the way; what is under a node's name or type (`fc: {Linear: …}`) counts as under the node."""
    for key in path:
        inside = node.value.values() if isinstance(node.value, dict) else ()
        found = node.under(key) or next((each.under(key) for each in inside if each.under(key) is not None), None)
        if found is None:
            return node
        node = found
    return node


def spell_path(path: tuple[str | int, ...]) -> str:
    """`("nodes", 3)` as `.nodes[3]`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)


@dataclass(frozen=True)
class Reference:
    """A value made earlier, as Python text over local names; `base` is the name it starts from, empty for a parameter of the graph."""

    code: str
    base: str = ""
    parameter: str = ""


@dataclass(frozen=True)
class Constant:
    """A value written in the graph itself; `key` is the argument that it is given as."""

    value: Any
    key: str = ""


@dataclass(frozen=True)
class Input:
    """An input of the graph: its name, and an example's shape (without the batch) and type where they are given."""

    name: str
    shape: tuple[int, ...] | None = None
    dtype: str = "float32"
    batch: int | None = 0


@dataclass(frozen=True)
class Loop:
    """A graph that runs once per position of its sequences, with state carried from one to the next."""

    dim: int
    over: tuple[str, ...]
    carry: tuple[str, ...]
    after: dict[str, Any]
    each: Any


@dataclass(frozen=True)
class GraphNode:
    """One node: what is made (`type`, `args`, `kwargs`), what it is called with, and what its results are called."""

    here: Here
    name: str
    type: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    given: tuple[Any, ...] = ()
    given_by_name: dict[str, Any] = field(default_factory=dict)
    outputs: Any = None
    repeat: int = 1
    share: bool = False
    use: str = ""
    choose: Any = None
    plan: GraphPlan | None = None
    variants: tuple[GraphNode, ...] = ()
    """What is made for each repetition, where they differ, or side by side."""
    carry: tuple[str, ...] = ()
    """What several values are called that go from one repetition to the next."""
    join: str = ""
    """What becomes of the results of layers side by side: stack, cat, sum, mean or list."""
    dim: int = 1

    @property
    def repeated(self) -> bool:
        """Whether it is run several times, one after the other."""
        return (self.repeat > 1 or bool(self.variants)) and not self.join

    @property
    def result(self) -> str:
        """The name that the next node takes by default: the first of the named outputs, or the node itself."""
        return next(names_in(self.outputs), self.name)

    def references(self) -> Iterator[Reference]:
        """Everything the node reads."""
        yield from references_in([self.given, self.given_by_name, self.choose])


@dataclass(frozen=True)
class GraphPlan:
    """A graph that has been read and checked."""

    here: Here
    inputs: tuple[Input, ...]
    nodes: tuple[GraphNode, ...]
    outputs: Any
    loop: Loop | None = None
    blocks: Any = None


def names_in(outputs: Any) -> Iterator[str]:
    """The names in `out` or `[out, [h, c]]`, in order; `_` stands for a result that is left out."""
    if isinstance(outputs, str):
        if outputs != "_":
            yield outputs
    elif outputs is not None:
        for each in outputs:
            yield from names_in(each)


def references_in(value: Any) -> Iterator[Reference]:
    """The references in a structure of lists, tuples and mappings."""
    if isinstance(value, Reference):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from references_in(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from references_in(each)
