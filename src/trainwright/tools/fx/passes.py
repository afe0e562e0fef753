"""Passes over a graph of operations: functions of one's own, and patterns with what takes their place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import fx
from torch.fx import subgraph_rewriter

from trainwright.config.errors import FOREIGN, RequestError, TrainwrightError
from trainwright.config.foreign import found_at
from trainwright.config.own_code import describe_failure
from trainwright.tools.fx.options import PassOptions

Pass = str | Callable[[fx.GraphModule], Any] | PassOptions


def apply_passes(graph: fx.GraphModule, passes: Sequence[Pass], where: str = "passes") -> fx.GraphModule:
    """The graph after every pass in order, each checked to leave a graph that is well formed; the graph that is given may be changed.

    A pass is a function of the graph that changes it in place or returns another, its path (`./passes.py:swap`), or PassOptions. Raises
    ConfigError for one that cannot be had, RequestError for one that fails, matches nothing or leaves a broken graph.
    """
    for number, each in enumerate(passes):
        graph = _apply(graph, each, f"{where}.{number}")
    return graph


def replace_pattern(graph: fx.GraphModule, pattern: Callable[..., Any], replacement: Callable[..., Any], where: str = "pattern") -> int:
    """How often the operations of `pattern` were found and gave way to those of `replacement`, a function of the same arguments.

    Raises RequestError where they are found nowhere.
    """
    found = len(subgraph_rewriter.replace_pattern(graph, pattern, replacement))
    if not found:
        what = f"the operations of '{pattern.__name__}' are nowhere in the graph"
        why = "they are compared one by one, by the functions that are called"
        raise RequestError(what, where=where, why=why, fix="look at the graph: trainwright.tools.fx.graph_table(graph)")
    return found


def _apply(graph: fx.GraphModule, given: Pass, where: str) -> fx.GraphModule:
    name = _name_of(given)
    try:
        made = _run(graph, given, where)
        made.graph.lint()
        made.recompile()
    except TrainwrightError:
        raise
    except FOREIGN as error:  # code of others may raise anything
        raise RequestError(f"the pass {name} failed", where=where, why=describe_failure(error), fix=f"change {name}") from error
    return made


def _run(graph: fx.GraphModule, given: Pass, where: str) -> fx.GraphModule:
    if isinstance(given, PassOptions) and given.pattern and given.replacement:
        replace_pattern(graph, found_at(given.pattern)[0], found_at(given.replacement)[0], where)
        return graph
    path = str(given.function) if isinstance(given, PassOptions) else given
    made: Any = (found_at(path)[0] if isinstance(path, str) else path)(graph)
    if made is not None and not isinstance(made, fx.GraphModule):
        fix = "change the graph in place and return nothing, or return a torch.fx.GraphModule"
        raise RequestError(f"the pass {_name_of(given)} returned {type(made).__name__}", where=where, fix=fix)
    return graph if made is None else made


def _name_of(given: Pass) -> str:
    if isinstance(given, PassOptions):
        return given.function or str(given.pattern)
    return given if isinstance(given, str) else getattr(given, "__name__", type(given).__name__)
