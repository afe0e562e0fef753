"""Blocks that are registered by name, as layers of a graph: found, and their options checked. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from trainwright.config.compose import Composed
from trainwright.config.errors import ManyErrors, RequestError
from trainwright.config.located import validate
from trainwright.config.model import PartConfig
from trainwright.config.places import Node, Place, node_of
from trainwright.config.registry import options_class, parts
from trainwright.tools.graph.plan import Here


def block_named(kind: str) -> str:
    """The name of a registered block (`-` read as `_`); empty where there is none of that name."""
    name = kind.replace("-", "_")
    return name if name.isidentifier() and name in parts("block") else ""


def block_names() -> Iterable[str]:
    """All that are registered."""
    return parts("block")


def options_of_block(kind: str, args: Sequence[Any], kwargs: Mapping[str, Any], here: Here) -> PartConfig:
    """The options of a block, by position and by name; raises GraphError (or ManyErrors) for what cannot be."""
    options = options_class("block", kind)
    names = [name for name in options.model_fields if name != "type"]
    if len(args) > len(names):
        raise here.error(f"{kind} takes at most {len(names)} arguments, not {len(args)}", fix=f"in this order: {', '.join(names)}")
    given: dict[str, Any] = dict(zip(names, args, strict=False))
    twice = next((name for name in given if name in kwargs), "")
    if twice:
        raise here.error(f"the argument '{twice}' of {kind} is given twice", why="by position and by name", fix="keep one")
    given |= kwargs
    root = Node({name: node_of(each, Place(name)) for name, each in given.items()}, Place(""))
    try:
        return validate(options, Composed(root, options, []))
    except ManyErrors as errors:
        found = sorted(errors.errors, key=lambda each: "missing" in each.what)  # an option that is misspelt is not there either
        told = [_at_node(each, kind, kwargs, here) for each in found]
        raise told[0] if len(told) == 1 else ManyErrors(told) from None


def _at_node(error: RequestError, kind: str, kwargs: Mapping[str, Any], here: Here) -> RequestError:
    """The mistake at its option where that is written by name, else at the node."""
    here = here.under(error.where, name=here.name) if error.where in kwargs else here
    return here.error(f"{kind}: {error.what}", why=error.why, fix=error.fix)


def takes_option(kind: str, name: Any) -> bool:
    """Whether a block has an option of this name."""
    return isinstance(name, str) and name.replace("-", "_") in options_class("block", kind).model_fields
