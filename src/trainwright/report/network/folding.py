"""A flow made short enough to be drawn: equal calls in a row become one, and deep modules are closed. Imports no torch."""

from __future__ import annotations

from dataclasses import replace

from trainwright.files.inspection.layers import Flow, FlowNode

MOST = 48
"""Boxes that a picture should not have more of."""
LONGEST_PERIOD = 8
"""Calls that may make one turn of a loop."""


def readable(flow: Flow, most: int = MOST, depth: int | None = None) -> Flow:
    """The flow folded, then closed from the inside until it has at most `most` boxes; with `depth`, closed at that depth instead."""
    whole = fold(flow)
    if depth is not None:
        return fold(close_below(whole, depth))
    deepest = _depth(whole.nodes)
    for level in range(deepest, 0, -1):
        shown = whole if level == deepest else fold(close_below(whole, level))
        if _boxes(shown.nodes) <= most:
            return shown
    return fold(close_below(whole, 1))


def _depth(nodes: list[FlowNode]) -> int:
    return 1 + max((_depth(each.children) for each in nodes if each.children), default=0)


def _boxes(nodes: list[FlowNode]) -> int:
    return sum(_boxes(each.children) if each.children else 1 for each in nodes)


def close_below(flow: Flow, depth: int) -> Flow:
    """The flow with modules below `depth` levels left out; what went into or out of them goes into or out of the module round them."""
    to: dict[int, int] = {}

    def close(node: FlowNode, level: int) -> FlowNode:
        if level < depth or not node.children:
            return replace(node, children=[close(each, level + 1) for each in node.children])
        to.update({each.number: node.number for each in node.inside()})
        return replace(node, children=[])

    nodes = [close(each, 1) for each in flow.nodes]
    return Flow(nodes, _move_edges(flow.edges, to))


def _move_edges(edges: list[tuple[int, int]], to: dict[int, int]) -> list[tuple[int, int]]:
    """Edges between what the ends have become; those that come back to where they were, or before it, are inside of it now."""
    found = ((to.get(a, a), to.get(b, b)) for a, b in edges)
    return list(dict.fromkeys(each for each in found if each[0] < each[1]))


def fold(flow: Flow) -> Flow:
    """The flow with each run of equal calls, or of equal turns of several calls, drawn once with how often it was made."""
    to: dict[int, int] = {}
    nodes = _fold_nodes(flow.nodes, to)
    ends = {each: _end(each, to) for each in to}
    return Flow(nodes, _move_edges(flow.edges, ends))


def _end(number: int, to: dict[int, int]) -> int:
    while number in to:
        number = to[number]
    return number


def _fold_nodes(nodes: list[FlowNode], to: dict[int, int]) -> list[FlowNode]:
    nodes = [replace(each, children=_fold_nodes(each.children, to)) for each in nodes]
    signs = [_sign(each) for each in nodes]
    found: list[FlowNode] = []
    start = 0
    while start < len(nodes):
        period, turns = _best(signs, start)
        first = nodes[start : start + period]
        for turn in range(1, turns):
            for kept, gone in zip(first, nodes[start + turn * period : start + (turn + 1) * period], strict=True):
                _stand_for(kept, gone, to)
        if turns > 1 and period > 1:
            found.append(FlowNode(-1 - first[0].number, "loop", "", children=first, repeat=turns))
        elif turns > 1:
            last = nodes[start + turns - 1].name
            name = first[0].name if last == first[0].name else f"{first[0].name} … {last}"
            found.append(replace(first[0], name=name, repeat=turns * first[0].repeat))
        else:
            found += first
        start += period * turns
    return found


def _sign(node: FlowNode) -> tuple[object, ...]:
    """What two calls must have in common to be drawn as one; of numbered layers and blocks the numbers may differ."""
    if node.kind in ("input", "output"):
        return (node.number,)
    name = node.name.rstrip("0123456789") if node.children or node.name.isdigit() else node.name
    return (node.kind, name, node.class_name, node.output, node.parameters, node.repeat, *map(_sign, node.children))


def _best(signs: list[tuple[object, ...]], start: int) -> tuple[int, int]:
    """The period and the number of turns that cover most from `start` on; (1, 1) when nothing is repeated."""
    best, covered = (1, 1), 1
    for period in range(1, min(LONGEST_PERIOD, (len(signs) - start) // 2) + 1):
        turn = signs[start : start + period]
        turns = 1
        while signs[start + turns * period : start + (turns + 1) * period] == turn:
            turns += 1
        if turns > 1 and turns * period > covered:
            best, covered = (period, turns), turns * period
    return best


def _stand_for(kept: FlowNode, gone: FlowNode, to: dict[int, int]) -> None:
    to[gone.number] = kept.number
    for inner, other in zip(kept.children, gone.children, strict=True):
        _stand_for(inner, other, to)
