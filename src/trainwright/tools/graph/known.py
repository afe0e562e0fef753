"""Are the layers that a graph names there? Asked while a config is read, without torch as long as they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trainwright.config.errors import RequestError
from trainwright.config.torch_names import LAYERS
from trainwright.tools.graph.plan import Here
from trainwright.tools.graph.writing import NESTED, WORDS, LongForm, write_long_form

LISTS = ("Sequential", "ModuleList")


def check_types(node: LongForm, here: Here) -> None:
    """Raises ConfigError with the nearest name for a layer of this node, or in its list of layers, that is in no torch.nn.

    A name that the table does not have is looked up in the torch that is installed, which may be a later one.
    """
    for kind, place in _types(node, here):
        if not kind or kind in LAYERS or kind in WORDS or kind in NESTED or "." in kind or ":" in kind:
            continue
        from trainwright.tools.graph.naming import thing

        thing(kind, place)


def _types(node: LongForm, here: Here) -> Iterator[tuple[str, Here]]:
    yield node.type, here
    if node.type not in LISTS:
        return
    for number, each in enumerate(node.args):
        place = here.under(number)
        inside = _layer(each, place)
        if inside is not None:
            yield from _types(inside, place)


def _layer(value: Any, here: Here) -> LongForm | None:
    """A layer in a list of them; None for what is written wrongly, which is told when the list is made."""
    try:
        return write_long_form(value, here)
    except RequestError:
        return None
