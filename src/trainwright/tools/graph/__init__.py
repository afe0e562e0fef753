"""Any model from a config: `type: graph` with inputs, nodes and outputs. This table imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwright.config.elsewhere import found_later
from trainwright.config.registry import Part
from trainwright.tools.graph.options import GraphOptions as GraphOptions

if TYPE_CHECKING:
    from trainwright.tools.graph.model import Graph as Graph
    from trainwright.tools.graph.model import graph as graph


PARTS: dict[str, Part] = {
    "graph": Part("trainwright.tools.graph.model:Graph", GraphOptions, "Any network, as nodes in order"),
}
__getattr__ = found_later(__name__, dict.fromkeys(("Graph", "graph"), "trainwright.tools.graph.model"))
