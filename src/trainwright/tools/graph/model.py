"""A model described by nodes in a config: made once as modules and a forward in Python, then as fast as one written by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn

from trainwright.config.compose import Composed
from trainwright.config.errors import FOREIGN, ManyErrors, RequestError, nearest
from trainwright.config.located import validate
from trainwright.config.model import WRITTEN
from trainwright.config.places import Node as Written
from trainwright.config.places import Place, node_of
from trainwright.config.reading import parse_yaml, read_yaml
from trainwright.nn.first_values import mark_undrawn
from trainwright.tools.graph.compiled import class_with_forward, is_forward
from trainwright.tools.graph.dry import dry_run, explain_error, is_of, try_example
from trainwright.tools.graph.layers import MakeGraph, make_node
from trainwright.tools.graph.making import cast, making
from trainwright.tools.graph.naming import is_made, thing
from trainwright.tools.graph.options import GraphOptions
from trainwright.tools.graph.plan import GraphError, GraphNode, GraphPlan, at_its_line, references_in
from trainwright.tools.graph.reading import read
from trainwright.tools.graph.source import forward_source
from trainwright.tools.graph.values import dtype_of


class Graph(nn.Module):
    """A network of named nodes; its parameters are called as if the layers were attributes of a class written by hand."""

    def __init__(self, options: GraphOptions, where: str = "model") -> None:
        """`where` is what the graph is called in messages."""
        super().__init__()
        self._written = vars(options).get(WRITTEN)
        with self._telling_lines():
            plan = read(options.inputs, options.nodes, options.outputs, where, options.blocks)
            with making(options.device, options.init, plan.here.under("device")) as undrawn:
                self._assemble(plan)
            mark_undrawn(self, undrawn)
            if options.dtype is not None:
                cast(self, dtype_of(options.dtype, plan.here.under("dtype")))
            try_example(self, plan)

    @contextmanager
    def _telling_lines(self) -> Iterator[None]:
        """Mistakes told inside have the file and line of their node, where the graph was read from a file."""
        try:
            yield
        except ManyErrors as errors:
            for each in errors.errors:
                if isinstance(each, GraphError):
                    at_its_line(each, self._written)
            raise
        except GraphError as error:
            at_its_line(error, self._written)
            raise

    def _assemble(self, plan: GraphPlan) -> None:
        """The modules of a plan, in the order of its nodes, and the forward over them."""
        self._plan = plan
        errors: list[RequestError] = []
        for node in plan.nodes:
            try:
                self._keep(node)
            except ManyErrors as error:
                errors += error.errors
            except RequestError as error:
                errors.append(error)
        if errors:
            raise errors[0] if len(errors) == 1 else ManyErrors(errors)
        self._check_members(plan)
        self.__class__ = class_with_forward(type(self), forward_source(plan))

    def _keep(self, node: GraphNode) -> None:
        if node.use or not makes_layer(node):
            return
        if hasattr(self, node.name):
            why, fix = "a layer is an attribute of the model", f"for example '{node.name}_layer'"
            raise node.here.error(f"the name '{node.name}' is taken by the model itself", why=why, fix=fix)
        setattr(self, node.name, make_node(node, MakeGraph(_graph_of, self._plan.blocks)))

    def _check_members(self, plan: GraphPlan) -> None:
        """`use` and `parameter` name something that is there."""
        modules, tensors = dict(self.named_modules()), {**dict(self.named_parameters()), **dict(self.named_buffers())}
        for node in plan.nodes:
            if node.use and node.use not in modules:
                known = [name for name in modules if name]
                raise node.here.error(f"`use` names '{node.use}', which is no layer", fix=_like(node.use, known))
            for each in references_in([node.given, node.given_by_name]):
                if each.parameter and each.parameter not in tensors:
                    raise node.here.error(f"unknown parameter '{each.parameter}'", fix=_like(each.parameter, list(tensors)))

    def dry_run(self, *inputs: Any, **named: Any) -> Any:
        """The outputs for example inputs, without gradients and in evaluation mode; lazy layers get their sizes.

        Raises ConfigError with the node, both shapes and the arithmetic where shapes do not fit.
        """
        with self._telling_lines():
            return dry_run(self, self._plan, inputs, named)

    def explain_failure(self, error: BaseException) -> GraphError | None:
        """What the failure of a forward pass means for the node it arose in, with file and line; None where it arose in none."""
        if not is_of(error.__traceback__, self):
            return None
        told = explain_error(error, self)
        return None if told is None else at_its_line(told, self._written)

    def find_failure(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> GraphError | None:
        """The error of the node that cannot take these inputs, as a dry run finds it; None when all can, or it arises in no node."""
        try:
            self.dry_run(*args, **kwargs)
        except GraphError as error:
            return error
        except FOREIGN:  # no node is to blame: the failure that this is asked after says what is
            return None
        return None

    @property
    def code(self) -> str:
        """The forward as Python source."""
        return forward_source(self._plan).text

    @classmethod
    def from_yaml(cls, text: str | Path) -> Graph:
        """The graph in a YAML file, or in YAML text: `nodes` and the rest, also under `model:`; raises ConfigError."""
        return cls(options_of(text))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled and copied by the plan, from which the forward is written again."""
        return _restore, (_written_base(type(self)), self._plan), self.__dict__


def graph(nodes: list[Any], inputs: Any = None, outputs: Any = None, **options: Any) -> Graph:
    """The graph of these nodes (`init`, `device` and `dtype` are options); raises ConfigError for the first mistakes found."""
    read(inputs, nodes, outputs, blocks=options.get("blocks"))
    given = {"inputs": inputs, "nodes": nodes, "outputs": outputs, **options}
    return Graph(checked_options(node_of(given, Place("graph(…)")), []))


def makes_layer(node: GraphNode) -> bool:
    """Whether the node keeps something in the graph, as layers and parameters do and functions do not."""
    return is_made(thing(node.type, node.here))


def _graph_of(plan: GraphPlan) -> nn.Module:
    made = Graph.__new__(Graph)
    nn.Module.__init__(made)
    made._assemble(plan)
    return made


def _written_base(kind: type) -> type:
    """The class as it is in the source files, under the one that has the forward."""
    return kind.__bases__[0] if is_forward(kind.__dict__.get("forward")) else kind


def _restore(base: type, plan: GraphPlan) -> nn.Module:
    kind: Any = class_with_forward(base, forward_source(plan))
    made: nn.Module = kind.__new__(kind)
    return made


def _like(name: str, known: list[str]) -> str:
    close = nearest(name, known)
    return f"did you mean '{close}'?" if close else f"there is {', '.join(known[:12]) or 'none'}"


def options_of(text: str | Path) -> GraphOptions:
    """The options in a YAML file or text; raises ConfigError with the place."""
    is_file = isinstance(text, Path) or ("\n" not in text and text.strip().endswith((".yaml", ".yml")))
    node = read_yaml(Path(text)) if is_file else parse_yaml(str(text), "text")
    node = node.under("model") or node
    if isinstance(node.value, list):
        node = Written({"nodes": node}, node.place)
    return checked_options(node, [Path(text)] if is_file else [])


def checked_options(node: Written, files: list[Path]) -> GraphOptions:
    """The options that nodes of YAML hold; raises ManyErrors with the place of every mistake."""
    if isinstance(node.value, dict) and "type" not in node.value:
        node.value["type"] = Written("graph", node.place)
    try:
        return validate(GraphOptions, Composed(node, GraphOptions, files))
    except ManyErrors as error:
        raise error.errors[0] if len(error.errors) == 1 else error from error
