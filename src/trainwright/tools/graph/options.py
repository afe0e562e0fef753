"""The options of `type: graph`. Imports no torch."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import model_validator

from trainwright.config.errors import ManyErrors, RequestError
from trainwright.config.model import PartConfig
from trainwright.tools.graph.checking import absolute_paths, as_validation_error
from trainwright.tools.graph.reading import read


class GraphOptions(PartConfig):
    """A network of nodes: layers of torch.nn, functions of torch and your own, in the order in which they run."""

    keeps_places: ClassVar[bool] = True

    type: str = "graph"
    inputs: Any = None
    """Names of the inputs, for example `[image, length]`, or each with an example: `{image: {shape: [3, 32, 32], dtype: float32}}`;
    one input `x` by default."""
    nodes: list[Any]
    """The nodes, for example `[{Linear: [64, 32]}, ReLU, {Linear: [32, 10]}]`; each takes the result of the one before by default."""
    outputs: Any = None
    """What is handed back: a name, a list (a tuple) or a mapping (a dict); the result of the last node by default."""
    blocks: dict[str, Any] | None = None
    """Nodes that are written once and used as `{block: name, …}`: `{residual: {parameters: [channels, {dilation: 1}], nodes: […]}}`, where
    `${channels}` stands for the argument."""
    init: Literal["default", "skip"] = "default"
    """`skip` leaves out the draws of initial weights, where weights are loaded afterwards."""
    device: str | None = None
    """Where the layers are made; `meta` gives them no memory."""
    dtype: str | None = None
    """The type of all floating parameters, for example `float16` or `complex64`; torch's default otherwise."""

    @model_validator(mode="before")
    @classmethod
    def _files_made_absolute(cls, data: Any) -> Any:
        """`./net.py:Net` means the same from any folder once the config has been read."""
        if not isinstance(data, dict):
            return data
        return {key: absolute_paths(each) if key in ("nodes", "blocks") else each for key, each in data.items()}

    @model_validator(mode="after")
    def _structure(self) -> GraphOptions:
        try:
            read(self.inputs, self.nodes, self.outputs, blocks=self.blocks)
        except ManyErrors as errors:
            raise as_validation_error(errors.errors) from None
        except RequestError as error:
            raise as_validation_error([error]) from None
        return self
