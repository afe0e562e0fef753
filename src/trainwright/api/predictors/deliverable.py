"""A system of one's own, a plain model or a graph of layers as one traceable module: the blocks of a batch in, what it predicts out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from trainwright.config.errors import FOREIGN, RequestError
from trainwright.config.own_code import describe_failure
from trainwright.data.rows import Rows
from trainwright.domains.deliverable import ROWS, Deliverable, Given
from trainwright.domains.predictor import Columns, Field, Tensors
from trainwright.engine.evaluation import as_outputs
from trainwright.engine.outputs import in_float32
from trainwright.engine.surroundings import without_fast_path

if TYPE_CHECKING:
    from trainwright.api.predictors.system import SystemPredictor


class SystemNetwork(nn.Module):
    """`predict_step` as the forward of a module; its outputs in float32 where they are in half precision."""

    def __init__(self, system: Any) -> None:
        super().__init__()
        self.system = system

    def forward(self, blocks: Tensors) -> Tensors:
        return in_float32(as_outputs(self.system.predict_step(dict(blocks)), blocks))


class SystemDeliverable(Deliverable):
    """The blocks that the system was trained on, but its target; any number of rows, and of other axes what the trace finds."""

    def __init__(self, predictor: SystemPredictor, system: Any, fields: Sequence[Field]) -> None:
        if not fields:
            what, why = "this model cannot be traced", "it is not known which tensors it takes: its data were read once, or are no tensors"
            raise RequestError(what, where="--to", why=why, fix="train it on rows by name; or export the model as it is: --to safetensors")
        self.predictor, self.fields = predictor, list(fields)
        self.module = SystemNetwork(system).eval()
        self.inputs = [
            Given(each.name, each.name, each.type, (ROWS, *(f"{each.name}.{place}" for place in range(1, len(each.shape) + 1))))
            for each in fields
        ]
        self.usual = {f"{each.name}.{place + 1}": int(size or 1) for each in fields for place, size in enumerate(each.shape)}
        self.guessed = frozenset(self.usual)
        self.outputs = [Field(name, str(each.dtype).removeprefix("torch."), tuple(each.shape[1:])) for name, each in self._try().items()]
        self.host = {
            "inputs": {each.name: {"type": each.type, "gives": "numbers", "shape": list(each.shape)} for each in fields},
            "targets": {each.name: {"type": each.type, "shape": list(each.shape)} for each in self.outputs},
        }

    def example(self, fixed: Mapping[str, int] | None = None) -> Tensors:
        """Three rows of the sizes of training: what the code wants of them is not known."""
        return self.example_of({**self.usual, ROWS: 3, **(fixed or {})})

    def example_of(self, sizes: Mapping[str, int]) -> Tensors:
        generator = torch.Generator().manual_seed(0)
        return {
            given.name: _numbers([sizes[each] if isinstance(each, str) else each for each in given.axes], given.dtype, generator)
            for given in self.inputs
        }

    def read(self, rows: Any) -> Tensors:
        """Rows as they come, or those that the predictor has read."""
        blocks = self.predictor.blocks_of(rows if isinstance(rows, Rows) else self.predictor.read(rows))
        return {each.name: blocks[each.name].to(getattr(torch, each.type)) for each in self.fields}

    def columns(self, outputs: Tensors) -> Columns:
        return self.predictor.postprocess(outputs)

    def _try(self) -> Tensors:
        """What it gives for three rows of nothing in particular. Raises RequestError where it takes no such rows."""
        try:
            with torch.inference_mode(), without_fast_path():
                found: Tensors = self.module(self.example())
        except FOREIGN as error:  # a person's own code raises anything
            fix = "let predict_step(self, batch) take the blocks of a batch without the target, and return tensors, rows first"
            if getattr(self.module.system, "makes_samples", False):
                fix = f"its samples are drawn by trainwright sample RUN; to export one network of it, {fix}"
            raise RequestError("this model cannot be traced", where="predict_step", why=describe_failure(error)[:300], fix=fix) from error
        return found


def _numbers(shape: Sequence[int], dtype: str, generator: torch.Generator) -> Tensor:
    """Normal numbers, or ones where they are whole: a token, a class or a length that there is."""
    kind: torch.dtype = getattr(torch, dtype)
    if kind.is_floating_point or kind.is_complex:
        return torch.randn(tuple(shape), generator=generator).to(kind)
    return torch.ones(tuple(shape), dtype=kind)
