"""What exports and what does not: a page that is written from measurements, and a few of them made anew.

`python tests/deploy/test_what_exports.py` measures all and writes docs/what-exports.md.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from traced_parts import CASES, STEPS, Case, EncoderDeliverable

from trainwright.config.errors import RequestError, TrainwrightError
from trainwright.config.registry import parts
from trainwright.deploy.exporters.onnx_functions import functions
from trainwright.deploy.tracing.onnx_operators import translations
from trainwright.deploy.tracing.program import trace_program
from trainwright.domains.deliverable import ROWS, Deliverable, Given

PAGE = Path(__file__).parents[2] / "docs" / "what-exports.md"
CLOSE = 1e-5
"""Of float32, times the largest answer where that is above 1."""


class Together(Deliverable):
    """Several encoders as one module, so that one graph tries them all."""

    def __init__(self, *names: str) -> None:
        self.each = {name.replace(", ", " "): EncoderDeliverable(CASES[name]) for name in names}
        self.module = Beside({name: one.module for name, one in self.each.items()}).eval()
        self.outputs = []
        self.usual = {f"{name} {STEPS}": one.usual[STEPS] for name, one in self.each.items() if one.usual}
        self.inputs = [
            Given(f"{name}|{given.name}", name, given.dtype, tuple(f"{name} {axis}" if axis == STEPS else axis for axis in given.axes))
            for name, one in self.each.items()
            for given in one.inputs
        ]

    def example_of(self, sizes: Any) -> dict[str, Tensor]:
        return self.draw(sizes[ROWS], {name: sizes.get(f"{name} {STEPS}", 0) for name in self.each})

    def draw(self, rows: int, steps: dict[str, int]) -> dict[str, Tensor]:
        return {f"{name}|{key}": value for name, one in self.each.items() for key, value in one.draw(rows, steps[name], rows).items()}

    def read(self, rows: Any) -> Any:
        return rows

    def columns(self, outputs: Any) -> Any:
        return outputs


class Beside(nn.Module):
    """Modules by name, each over the inputs that begin with its name."""

    def __init__(self, modules: dict[str, nn.Module]) -> None:
        super().__init__()
        self.names, self.each = list(modules), nn.ModuleList(modules.values())

    def forward(self, given: dict[str, Tensor]) -> dict[str, Tensor]:
        found = {}
        for name, module in zip(self.names, self.each, strict=True):
            found[name] = module({key.partition("|")[2]: each for key, each in given.items() if key.partition("|")[0] == name})["y"]
        return found


def worst_in_onnx(deliverable: Together, path: Path) -> dict[str, float]:
    """Encoder → the largest difference between the module and ONNX Runtime, for 1, 2 and 7 rows of three lengths."""
    names = [each.name for each in deliverable.inputs]
    program = torch.onnx.export(
        trace_program(deliverable),
        dynamo=True,
        verbose=False,
        custom_translation_table={**translations(), **functions()},
        input_names=names,
    )
    assert program is not None
    program.save(path)
    session = onnxruntime.InferenceSession(path)
    wanted = {each.name for each in session.get_inputs()}
    worst = dict.fromkeys(deliverable.each, 0.0)
    for rows, share in ((1, 1.0), (2, 0.6), (7, 2.0)):
        given = deliverable.draw(rows, {name: int(one.usual.get(STEPS, 0) * share) for name, one in deliverable.each.items()})
        with torch.no_grad():
            expected = deliverable.module(given)
        found = session.run(None, {name: each.numpy() for name, each in given.items() if name in wanted})
        for (name, each), answer in zip(expected.items(), found, strict=True):
            scale = max(1.0, float(each.abs().max()))
            worst[name] = max(worst[name], float(np.abs(answer - each.numpy()).max()) / scale)
    return worst


SOME = ["piecewise_linear", "rnn", "transformer", "fcn_wang, lengths"]
"""Others — embeddings, bags, convolutions, pictures — are proven where `shipped` and `shipped_files` are exported."""


def test_encoders_answer_in_onnx_as_the_run_does_for_any_number_of_rows_and_lengths(tmp_path: Path) -> None:
    worst = worst_in_onnx(Together(*SOME), tmp_path / "m.onnx")
    assert all(0 <= each <= CLOSE for each in worst.values()), worst
    assert len(worst) == len(SOME)


def test_a_loop_that_a_graph_would_freeze_is_refused() -> None:
    looping = EncoderDeliverable(CASES["fcn_wang, lengths"])
    looping.module = Loop().eval()
    with pytest.raises(RequestError, match="for some sizes alone") as caught:
        trace_program(looping)
    assert "for step in range(value.shape[3] // 8)" in caught.value.where


class Loop(nn.Module):
    """A loop over pieces, of which an example has one number."""

    def forward(self, parts: dict[str, Tensor]) -> dict[str, Tensor]:
        value = parts["value"]
        total = torch.zeros_like(value[:, 0, 0, 0]) + parts["length"][:, 0]
        for step in range(value.shape[3] // 8):
            total = total * 0.5 + value[:, 0, 0, step]
        return {"y": total}


def test_a_state_space_over_rows_of_different_lengths_has_no_number_of_steps_of_its_own() -> None:
    space = EncoderDeliverable(Case("state_space", CASES["state_space, lengths"].group, {"depth": 2, "width": 8}, differs=True))
    program = trace_program(space, recurrent="torch")
    for rows, steps in ((1, 251), (4, 90)):
        given = space.draw(rows, steps)
        with torch.no_grad():
            torch.testing.assert_close(program.module()(given)["y"], space.module(given)["y"], atol=1e-5, rtol=1e-5)


def test_every_encoder_is_on_the_page() -> None:
    page = PAGE.read_text()
    rows = re.findall(r"^\| `([^`]+)`(?:, lengths)? \|", page, re.MULTILINE)
    known = {name for name, part in parts("encoder").items() if name != "auto"}
    assert known == {CASES[each].part.partition("/")[0] for each in CASES}
    assert set(rows) == {each.partition(",")[0] for each in CASES}


# the page

BETWEEN = re.compile(r"(<!-- measured by [^>]*-->\n\n\|[^\n]*\n\|[^\n]*\n)(.*?)(\n?<!-- to here -->)", re.DOTALL)


def measure(name: str, folder: Path) -> str:
    """A row of the table."""
    shown = f"`{name.partition(',')[0]}`" + (", lengths" if "," in name else "")
    try:
        delta = f"{next(iter(worst_in_onnx(Together(name), folder / 'm.onnx').values())):.0e}"
    except TrainwrightError as error:
        return f"| {shown} | {'not tried' if CASES[name].needs else error.what} | |"
    if not CASES[name].differs:
        return f"| {shown} | {delta} | any rows |"
    try:
        trace_program(EncoderDeliverable(CASES[name]), recurrent="torch")
        return f"| {shown} | {delta} | any length |"
    except TrainwrightError:
        return f"| {shown} | {delta} | a fixed length |"


def write_page(folder: Path) -> None:
    """Measure every encoder and write the page."""
    rows = []
    for name in CASES:
        rows.append(measure(name, folder))
        print(rows[-1], flush=True)
    PAGE.write_text(BETWEEN.sub(lambda found: found[1] + "\n".join(rows) + "\n\n" + found[3].lstrip(), PAGE.read_text()))


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as made:
        write_page(Path(made))
