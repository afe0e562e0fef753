"""A graph of operations as a table of text."""

from __future__ import annotations

from typing import Any

from torch import fx

HEAD = ("operation", "name", "target", "arguments", "shape")
WIDEST = 60
"""Characters of a cell; longer ones are cut."""


def graph_table(graph: fx.Graph | fx.GraphModule) -> str:
    """One line per node: what it is, its name, what it calls, its arguments and, where they are known, the shape of its value."""
    nodes = (graph.graph if isinstance(graph, fx.GraphModule) else graph).nodes
    rows = [HEAD, *(_cells(node) for node in nodes)]
    used = [place for place in range(len(HEAD)) if any(row[place] for row in rows[1:])]
    widths = {place: max(len(row[place]) for row in rows) for place in used}
    lines = ["  ".join(row[place].ljust(widths[place]) for place in used).rstrip() for row in rows]
    return "\n".join([lines[0], "  ".join("-" * widths[place] for place in used), *lines[1:]])


def _cells(node: fx.Node) -> tuple[str, ...]:
    given = [_spell(each) for each in node.args] + [f"{name}={_spell(each)}" for name, each in node.kwargs.items()]
    return node.op, node.name, _cut(_target(node.target)), _cut(", ".join(given)), _shape(node.meta.get("val"))


def _target(target: Any) -> str:
    """The path of a function, as it is called: `torch.topk`, `aten.add.Tensor`, `operator.add`."""
    if isinstance(target, str) or not callable(target) or not hasattr(target, "__name__") or type(target).__name__ == "OpOverload":
        return str(target)
    home = str(getattr(target, "__module__", None) or "torch").removeprefix("_")
    return f"{home}.{target.__name__}"


def _spell(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_spell, value))}]"
    return str(value)


def _shape(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(filter(None, map(_shape, value)))
    return f"{'x'.join(map(str, value.shape)) or '()'} {str(value.dtype).removeprefix('torch.')}" if hasattr(value, "shape") else ""


def _cut(text: str) -> str:
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"
