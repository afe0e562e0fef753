"""Graphs of operations by `torch.fx`: traced from a module, shown as a table, rewritten by passes."""

from trainwright.tools.fx.passes import apply_passes as apply_passes
from trainwright.tools.fx.passes import replace_pattern as replace_pattern
from trainwright.tools.fx.table import graph_table as graph_table
from trainwright.tools.fx.tracing import trace_graph as trace_graph
