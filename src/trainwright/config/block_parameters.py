"""`${name}` of a block of a graph: a parameter that each use fills in, and no reference into the configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from trainwright.config.places import Node

LOCAL = re.compile(r"(?<!\$)\$\{([A-Za-z_]\w*)\}")
HELD = "\ue000{"
"""Stands for the `${` of a parameter while references are resolved."""


def hold_parameters(root: Node) -> None:
    """Keep the parameters of blocks from being resolved as references."""
    for blocks in _mappings(root, "blocks"):
        for block in blocks.value.values():
            names = names_of(block.under("parameters").plain()) if block.under("parameters") is not None else []
            for node in block.walk() if names else ():
                node.value = _hold(node.value, names) if isinstance(node.value, str) else node.value


def _hold(text: str, names: list[str]) -> str:
    return LOCAL.sub(lambda found: f"{HELD}{found[1]}}}" if found[1] in names else found[0], text)


def give_back_parameters(root: Node) -> None:
    """Write them as they were."""
    for node in root.walk():
        if isinstance(node.value, str) and HELD in node.value:
            node.value = node.value.replace(HELD, "${")


def _mappings(root: Node, key: str) -> Iterator[Node]:
    for node in root.walk():
        found = node.under(key)
        if found is not None and isinstance(found.value, dict):
            yield found


def names_of(parameters: Any) -> list[str]:
    """The names in `[channels, {dilation: 1}]` or `{dilation: 1}`."""
    if isinstance(parameters, list | tuple):
        return [name for each in parameters for name in names_of(each)]
    return list(parameters) if isinstance(parameters, dict) else [parameters] if isinstance(parameters, str) else []
