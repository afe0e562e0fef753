"""A module's forward as a graph of operations, or the line that cannot be traced."""

from __future__ import annotations

from torch import fx, nn

from trainwright.config.errors import FOREIGN, RequestError
from trainwright.config.own_code import describe_failure, own_place


def trace_graph(module: nn.Module, tracer: type[fx.Tracer] = fx.Tracer) -> fx.GraphModule:
    """The operations of a module's forward, one after another; it shares the module's weights and runs as the module does.

    Layers of torch stay whole, modules of one's own are gone through. Raises RequestError with the line that decides by values.
    """
    try:
        return fx.GraphModule(module, tracer().trace(module), type(module).__name__)
    except FOREIGN as error:  # forward is code of others
        where = own_place(error) or type(module).__name__
        fix = "write torch.where(condition, a, b) instead of if, and loops over what is known before there are rows"
        raise RequestError(
            f"the graph of {type(module).__name__} cannot be traced", where=where, why=describe_failure(error), fix=fix
        ) from error
