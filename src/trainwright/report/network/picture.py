"""The graph of a model as SVG: modules as boxes in the order of their calls, shapes on the lines between them. Imports no torch."""

from __future__ import annotations

from trainwright.files.inspection.lines import short
from trainwright.files.inspection.record import Inspection
from trainwright.report.markup import Content, Markup, tag
from trainwright.report.network.folding import readable
from trainwright.report.network.layout import WIDTH, Layout, PlacedNode, Side, lay_out

LETTER = 6.1
"""Width of a letter of the picture's type, about."""
LIGHT = "--paper: #fcfbf8; --panel: #f4f2ec; --ink: #1d1e21; --soft: #5d6068; --line: #e2dfd6; --quiet: #b9b6ad; --accent: #1f6392;"
DARK = "--paper: #141619; --panel: #1b1e22; --ink: #e7e5df; --soft: #a2a6ae; --line: #31353b; --quiet: #565b63; --accent: #82b9e4;"
ALONE = f"svg {{ {LIGHT} background: var(--paper); }} @media (prefers-color-scheme: dark) {{ svg {{ {DARK} }} }}"
"""The colours of a picture that no page surrounds."""
STYLE = """
.flow text { font: 11.5px ui-sans-serif, -apple-system, "Segoe UI", "Noto Sans", "Helvetica Neue", Arial, sans-serif; fill: var(--soft); }
.flow .name { fill: var(--ink); font-weight: 600; }
.flow rect { fill: var(--panel); stroke: var(--quiet); stroke-width: 1; }
.flow rect.learns { stroke: var(--accent); }
.flow rect.end { fill: none; stroke-dasharray: 3 3; }
.flow rect.frame { fill: none; stroke: var(--line); }
.flow path { fill: none; stroke: var(--soft); stroke-width: 1.2; }
.flow path.side { stroke: var(--accent); }
.flow path.tip { fill: var(--soft); stroke: none; }
.flow path.side-tip { fill: var(--accent); stroke: none; }
"""


def picture(found: Inspection, depth: int | None = None, alone: bool = False) -> Markup | None:
    """The picture, long networks folded where calls repeat; `alone` with its own colours. None for a model that was not run.

    `depth` closes modules below that many levels; without it as many are closed as keep it readable.
    """
    if not any(each.kind == "module" for each in found.flow.nodes):
        return None
    made = lay_out(readable(found.flow, depth=depth))
    title = f"How data flow through {found.name}"
    drawn: list[Content] = [_frame(each, made.line + 8.0) for each in made.frames]
    drawn += [_straight(made, start, end) for start, end in made.straight] + [_side(each) for each in made.sides]
    drawn += [_box(each) for each in made.boxes] + _shapes(made)
    style = tag("style", Markup(f"{ALONE if alone else ''}{STYLE}"))
    attributes = {"xmlns": "http://www.w3.org/2000/svg", "width": f"{WIDTH:g}", "height": f"{made.height:g}"} if alone else {}
    return tag(
        "svg", tag("title", title), style, *drawn,
        **attributes, viewBox=f"0 0 {WIDTH:g} {made.height:g}", role="img", aria_label=f"{title}: {_name_boxes(made)}", class_="flow",
    )  # fmt: skip


def _name_boxes(made: Layout) -> str:
    return ", ".join(each.node.name or each.node.class_name for each in made.boxes)


def _box(placed: PlacedNode) -> Markup:
    node = placed.node
    kind = {"input": "end", "output": "end"}.get(node.kind, "learns" if node.parameters else None)
    rounded = 10 if node.kind == "operation" else 4
    rect = _rect(placed, kind, rounded)
    baseline, start = placed.middle + 4.0, placed.left + 8.0
    if node.kind == "operation":
        return tag("g", rect, tag("text", node.name, x=f"{start + 2:.1f}", y=f"{baseline:.1f}", class_="name"))
    count = short(node.parameters) if node.parameters else ""
    room = (placed.right - start - 10.0 - LETTER * len(count)) / LETTER
    text = _heading(node.name, node.class_name, node.repeat, room)
    numbers = tag("text", count, x=f"{placed.right - 8:.1f}", y=f"{baseline:.1f}", text_anchor="end") if count else None
    return tag("g", rect, tag("text", text, x=f"{start:.1f}", y=f"{baseline:.1f}"), numbers)


def _heading(name: str, kind: str, repeat: int, room: float) -> list[Content]:
    """Name, class and how often, cut to what fits; a layer that is called like its class is named once."""
    times = f" ×{repeat}" if repeat > 1 else ""
    left = max(int(room) - len(times), 6)
    name = name or kind
    shown = _cut(name, left)
    rest = _cut(kind, left - len(shown) - 2) if kind and kind != name and left - len(shown) > 5 else ""
    return [tag("tspan", shown, class_="name"), f"  {rest}" if rest else None, tag("tspan", times, class_="name") if times else None]


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: max(room - 1, 1)]}…"


def _frame(placed: PlacedNode, start: float) -> Markup:
    """A frame with its heading beside the line that runs through it."""
    node = placed.node
    room = (placed.right - start - 8.0) / LETTER
    heading = (
        _heading("repeated", "", node.repeat, room) if node.kind == "loop" else _heading(node.name, node.class_name, node.repeat, room)
    )
    return tag("g", _rect(placed, "frame", 6), tag("text", heading, x=f"{start:.1f}", y=f"{placed.top + 15:.1f}"))


def _rect(placed: PlacedNode, kind: str | None, rounded: int) -> Markup:
    width, height = placed.right - placed.left, placed.bottom - placed.top
    return tag(
        "rect",
        x=f"{placed.left:.1f}",
        y=f"{placed.top:.1f}",
        width=f"{width:.1f}",
        height=f"{height:.1f}",
        rx=rounded,
        class_=kind,
    )


def _straight(made: Layout, start: PlacedNode, end: PlacedNode) -> list[Markup]:
    x = made.line
    return [
        tag("path", d=f"M{x:.1f} {start.bottom:.1f}V{end.top - 4:.1f}", stroke_dasharray="2 3" if end.node.guessed else None),
        tag("path", d=f"M{x:.1f} {end.top:.1f}l-3.2 -6h6.4z", class_="tip"),
    ]


def _side(side: Side) -> list[Markup]:
    start, end = side.start.middle + side.out, side.end.middle + side.into
    path = f"M{side.start.right:.1f} {start:.1f}H{side.lane - 4:.1f}q4 0 4 4V{end - 4:.1f}q0 4 -4 4H{side.end.right + 5:.1f}"
    return [tag("path", d=path, class_="side"), tag("path", d=f"M{side.end.right:.1f} {end:.1f}l6 -3.2v6.4z", class_="side-tip")]


def _shapes(made: Layout) -> list[Markup]:
    """The shape of what leaves each box, below it; not where it is the input of nothing."""
    leaving = {id(start) for start, _ in made.straight} | {id(each.start) for each in made.sides}
    return [
        tag("text", _cut(each.node.output, 48), x=f"{made.line + 8:.1f}", y=f"{each.bottom + 14:.1f}", class_="shape")
        for each in made.boxes
        if id(each) in leaving and each.node.output
    ]
