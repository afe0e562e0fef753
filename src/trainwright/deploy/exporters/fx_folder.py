"""The operations of a model as a folder of Python: readable, importable, its weights as safetensors beside it."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from trainwright.deploy.exporters.base import Answers, Trained
from trainwright.deploy.exporters.flat_program import FlatProgram, flatten
from trainwright.deploy.exporters.torch_answers import open_with
from trainwright.deploy.exporters.torch_program import ProgramExporter
from trainwright.files.tensors import save_tensors
from trainwright.files.text import write_text
from trainwright.tools.fx.table import graph_table

CODE, WEIGHTS, GRAPH = "__init__.py", "state.safetensors", "graph.txt"
TEMPLATE = '''"""The operations of a trained model, one after another: `Model()(inputs)`, tensors by name in and out.

Written by Trainwright. It needs torch and safetensors, and loads {weights} beside it.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
{imports}

INPUTS = {inputs}
"""Name → dtype, and the size of each axis; a word is one of any size."""
OUTPUTS = {outputs}
STATE = {state}
"""Argument of `compute` → name of the tensor in {weights}."""
TRAINED = {trained}
"""Those that were trained, and can be trained on."""


class Model(nn.Module):
    """Answers rows as the run did that it was made of."""

    def __init__(self, weights=Path(__file__).parent / "{weights}"):
        super().__init__()
        found = load_file(str(weights))
        for argument, name in STATE.items():
            if argument in TRAINED:
                self.register_parameter(argument, nn.Parameter(found[name]))
            else:
                self.register_buffer(argument, found[name])

    def forward(self, inputs):
        for name, (dtype, sizes) in INPUTS.items():
            if name not in inputs:
                raise ValueError(f"the input {{name!r}} is missing; there are {{list(inputs)}}")
            each = inputs[name]
            fits = len(sizes) == each.dim() and all(isinstance(size, str) or size == found for size, found in zip(sizes, each.shape))
            if not fits or str(each.dtype) != f"torch.{{dtype}}":
                raise ValueError(f"the input {{name!r}} is {{dtype}} of {{sizes}}, not {{each.dtype}} of {{tuple(each.shape)}}")
        state = [getattr(self, each) for each in STATE]
        return dict(zip(OUTPUTS, self.compute(*state, *(inputs[each] for each in INPUTS)), strict=True))

{compute}
'''


class FxFolderExporter(ProgramExporter):
    """A folder that is a package of Python; who imports it runs it, and can read it before."""

    suffix: ClassVar[str] = ""
    executes_on_load: ClassVar[bool] = True

    def write(self, trained: Trained, target: Path) -> list[Path]:
        program = self.trace(trained)
        flat = flatten(program)
        target.mkdir()
        write_text(target / CODE, _source(flat, trained, self.fixed))
        write_text(target / GRAPH, graph_table(program.graph) + "\n")
        save_tensors(target / WEIGHTS, flat.tensors)
        return [target / each for each in (CODE, WEIGHTS, GRAPH)]

    def open(self, target: Path) -> Answers:
        return open_with(_load, target)


def _load(target: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"trainwright_exported_{target.name}", target / CODE)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(f"{target / CODE} is no module")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Model().eval()


def _source(flat: FlatProgram, trained: Trained, fixed: Mapping[str, int]) -> str:
    sizes: dict[int | str, int] = dict(fixed.items())
    inputs = {each.name: (each.dtype, [sizes.get(axis, axis) for axis in each.axes]) for each in trained.deliverable.inputs}
    return TEMPLATE.format(
        weights=WEIGHTS,
        imports="\n".join(flat.imports),
        inputs=_spell({name: inputs[name] for name in flat.inputs}),
        outputs=_spell(flat.outputs),
        state=_spell(flat.state),
        trained=_spell(sorted(flat.trained)),
        compute=flat.compute,
    )


def _spell(value: Any) -> str:
    """A list or mapping as source, one entry a line."""
    if isinstance(value, dict):
        return "{\n" + "".join(f"    {name!r}: {each!r},\n" for name, each in value.items()) + "}"
    return "[\n" + "".join(f"    {each!r},\n" for each in value) + "]"
