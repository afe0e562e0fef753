"""Where the boxes, frames and lines of a flow stand: one under another in the order of the calls. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from trainwright.files.inspection.layers import Flow, FlowNode

WIDTH = 380.0
INDENT = 7.0
BOX, JOIN, GAP = 26.0, 20.0, 24.0
HEAD, FOOT, LABEL = 22.0, 6.0, 20.0
LANE, LANES_FROM = 8.0, 10.0


@dataclass
class PlacedNode:
    """A box or frame with its place."""

    node: FlowNode
    left: float
    top: float
    right: float
    bottom: float = 0.0

    @property
    def middle(self) -> float:
        """Half its height down."""
        return (self.top + self.bottom) / 2


@dataclass
class Side:
    """A line past other boxes: from the side of one, down a lane on the right, to the side of another."""

    start: PlacedNode
    end: PlacedNode
    lane: float
    out: float = 0.0
    into: float = 0.0
    """How far from the middle it leaves and arrives, so that several lines at one box stay apart."""


@dataclass
class Layout:
    """Everything to be drawn."""

    height: float = 0.0
    boxes: list[PlacedNode] = field(default_factory=list)
    frames: list[PlacedNode] = field(default_factory=list)
    straight: list[tuple[PlacedNode, PlacedNode]] = field(default_factory=list)
    sides: list[Side] = field(default_factory=list)
    line: float = 0.0
    """Where the line between neighbours runs."""


def lay_out(flow: Flow) -> Layout:
    """The layout of a flow."""
    nodes = _without_single_root(flow.nodes)
    made = Layout()
    levels = max((_level(each) for each in nodes), default=0)
    order = _order(nodes)
    spans = _spans(flow, order)
    lanes = _lanes(spans)
    count = max(lanes.values(), default=-1) + 1
    step = min(LANE, 64.0 / max(count, 1))
    right = WIDTH - 4.0 - (LANES_FROM + step * count if count else 0.0)
    made.line = 14.0 + levels * INDENT
    bottom = _place(made, nodes, 0, 4.0, right, levels)
    made.height = bottom - GAP + 6.0
    at = {each.node.number: each for each in made.boxes}
    beside = set(spans)
    made.straight = [(at[a], at[b]) for a, b in flow.edges if a in at and b in at and (a, b) not in beside]
    made.sides = [Side(at[a], at[b], right + LANES_FROM + step * lanes[a, b]) for a, b in spans]
    _spread(made.sides)
    return made


def _without_single_root(nodes: list[FlowNode]) -> list[FlowNode]:
    """A frame round everything says nothing: what is inside the model stands by itself."""
    modules = [each for each in nodes if each.kind not in ("input", "output")]
    if len(modules) != 1 or not modules[0].children or modules[0].repeat > 1:
        return nodes
    return [inner for each in nodes for inner in (each.children if each is modules[0] else [each])]


def _level(node: FlowNode) -> int:
    return 1 + max((_level(each) for each in node.children), default=0) if node.children else 0


def _order(nodes: list[FlowNode]) -> list[int]:
    """The numbers of the boxes, from top to bottom."""
    return [number for each in nodes for number in (_order(each.children) if each.children else [each.number])]


def _spans(flow: Flow, order: list[int]) -> dict[tuple[int, int], tuple[int, int]]:
    """The edges that pass other boxes, with the places of their ends."""
    place = {number: index for index, number in enumerate(order)}
    found = {(a, b): (place[a], place[b]) for a, b in flow.edges if a in place and b in place}
    return {edge: span for edge, span in found.items() if span[1] != span[0] + 1}


def _lanes(spans: dict[tuple[int, int], tuple[int, int]]) -> dict[tuple[int, int], int]:
    """A lane for each, the short ones innermost; lines from one box may share theirs."""
    lanes: dict[tuple[int, int], int] = {}
    taken: list[list[tuple[int, int, int]]] = []
    for edge, (start, end) in sorted(spans.items(), key=lambda each: each[1][1] - each[1][0]):
        lane = 0
        while lane < len(taken) and any(low < end and start < high and source != edge[0] for low, high, source in taken[lane]):
            lane += 1
        taken += [[] for _ in range(lane + 1 - len(taken))]
        taken[lane].append((start, end, edge[0]))
        lanes[edge] = lane
    return lanes


def _place(made: Layout, nodes: list[FlowNode], depth: int, top: float, right: float, levels: int) -> float:
    """Put nodes one under another from `top`; returns where the next one would stand."""
    left, side = 4.0 + depth * INDENT, right - depth * INDENT * 0.6
    for node in nodes:
        placed = PlacedNode(node, left, top, side)
        if node.children:
            made.frames.append(placed)
            inside = _place(made, node.children, depth + 1, top + HEAD, right, levels) - GAP
            placed.bottom = inside + (FOOT if node.children[-1].children else LABEL)  # room for the shape below the last box
        else:
            placed.left, placed.right = (made.line - 10.0, right - levels * INDENT * 0.6)
            placed.bottom = top + (JOIN if node.kind == "operation" else BOX)
            if node.kind == "operation":
                placed.right = placed.left + 20.0 + 7.0 * len(node.name)
            made.boxes.append(placed)
        top = placed.bottom + GAP
    return top


def _spread(sides: list[Side]) -> None:
    """Lines that leave or arrive at one box do so at different heights."""
    for each in sides:
        arriving = sorted((other for other in sides if other.end is each.end), key=lambda other: -other.lane)
        each.into = -6.0 + 5.0 * arriving.index(each) if len(arriving) < 4 else -7.0 + 14.0 * arriving.index(each) / len(arriving)
        each.out = 6.0
