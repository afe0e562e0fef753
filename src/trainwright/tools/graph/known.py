"""Are the layers that a graph names there? Asked while a config is read, without torch as long as they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trainwright.config.errors import RequestError
from trainwright.config.torch_names import LAYERS
from trainwright.tools.graph.blocks import read_repeat
from trainwright.tools.graph.plan import Here
from trainwright.tools.graph.registered import block_named, options_of_block
from trainwright.tools.graph.writing import NESTED, WORDS, LongForm, write_long_form

LISTS = ("Sequential", "ModuleList")


def check_types(node: LongForm, here: Here) -> None:
    """Raises ConfigError with the nearest name for a layer of this node, or in its list of layers, that is there by no name.

    A name that the table does not have is looked up in the torch that is installed, which may be a later one. Options of blocks are
    checked too.
    """
    for each, place in _layers(node, here):
        kind = each.type
        if not kind or kind in LAYERS or kind in WORDS or kind in NESTED or "." in kind or ":" in kind:
            continue
        if name := block_named(kind):
            _check_block(name, each, place)
            continue
        from trainwright.tools.graph.naming import thing

        thing(kind, place)


def _check_block(name: str, node: LongForm, here: Here) -> None:
    """The options of a block, also those that change with its repetitions."""
    _, changing = read_repeat(node.own.get("repeat", 1), here)
    for more in changing or [{}]:
        options_of_block(name, node.args, {**node.kwargs, **more}, here)


def _layers(node: LongForm, here: Here) -> Iterator[tuple[LongForm, Here]]:
    yield node, here
    if node.type not in LISTS:
        return
    for number, each in enumerate(node.args):
        place = here.under(number)
        inside = _layer(each, place)
        if inside is not None:
            yield from _layers(inside, place)


def _layer(value: Any, here: Here) -> LongForm | None:
    """A layer in a list of them; None for what is written wrongly, which is told when the list is made."""
    try:
        return write_long_form(value, here)
    except RequestError:
        return None
