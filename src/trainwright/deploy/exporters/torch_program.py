"""What the formats of torch have in common: a program with torch's own recurrent layers, and rows as long as it wants them."""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from typing import Any

from torch import fx

from trainwright.deploy.exporters.base import Arrays, Exporter, Trained
from trainwright.deploy.exporters.fixed_axes import fill_up, sizes_of
from trainwright.deploy.exporters.options import ProgramOptions
from trainwright.deploy.tracing.program import axes_found, trace_program
from trainwright.domains.deliverable import Deliverable
from trainwright.domains.predictor import Tensors
from trainwright.tools.fx.options import read_pass
from trainwright.tools.fx.passes import apply_passes

PLACES = ("stack_trace", "from_node", "source_fn_stack")
"""What a traced operation knows of the code that it came from, beside the names of its modules."""
log = logging.getLogger("trainwright.export")


class ProgramExporter(Exporter):
    """A format that is written from a `torch.export.ExportedProgram`."""

    options: ProgramOptions

    def trace(self, trained: Trained) -> Any:
        """The program of the model; raises RequestError for what cannot be traced, or not for any size."""
        deliverable = trained.deliverable
        sizes = sizes_of(self.options.fixed, deliverable)
        program = trace_program(deliverable, sizes, recurrent="torch")
        if passes := getattr(self.options, "passes", []):
            program = trace_program(_changed(deliverable, program, passes), sizes, recurrent="torch")
        self.fixed = {axis: size for axis, size in axes_found(program, deliverable).items() if size is not None}
        forget_places(program)
        for axis, size in self.fixed.items():
            log.warning("the axis %s has %d entries in this artifact, and no other number of them", axis, size)
        return program

    def given(self, deliverable: Deliverable, tensors: Tensors) -> Arrays:
        return super().given(deliverable, fill_up(deliverable, tensors, self.fixed))


def _changed(deliverable: Deliverable, program: Any, passes: Sequence[str]) -> Deliverable:
    """The same with the operations of a program in the place of its module, after passes over them."""
    made, traced = copy.copy(deliverable), program.module(check_guards=False)
    graph = fx.GraphModule(traced, traced.graph)  # what an exported program gives refuses eval()
    made.module = apply_passes(graph, [read_pass(each) for each in passes], "--passes")
    return made


def forget_places(program: Any) -> None:
    """Take the lines of code off the operations of a program: they name folders of this machine, and are most of what a file would hold."""
    for graph in (each for each in program.graph_module.modules() if hasattr(each, "graph")):
        for node in graph.graph.nodes:
            for key in PLACES:
                node.meta.pop(key, None)
