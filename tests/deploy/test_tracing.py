"""A module is traced for any number of rows and steps, or refused with the line that stops it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from trainwright.config.errors import RequestError
from trainwright.deploy.tracing.onnx_operators import translations
from trainwright.deploy.tracing.program import trace_program
from trainwright.domains.deliverable import ROWS, Deliverable, Given, distinct_sizes

SIZES = [(1, 1), (2, 3), (7, 11)]


class Simple(Deliverable):
    """A module over one input `x` `[rows, steps, 5]`, with the lengths `n` of its rows where it takes them."""

    usual: Mapping[str, int] = {"steps": 7}

    def __init__(self, module: nn.Module, lengths: bool = False) -> None:
        self.module, self.outputs = module, []
        self.inputs = [Given("x", "x", "float32", (ROWS, "steps", 5))] + [Given("n", "x", "int64", (ROWS,))] * lengths

    def example_of(self, sizes: Mapping[str, int]) -> dict[str, Tensor]:
        rows, steps = sizes[ROWS], sizes["steps"]
        found = {"x": torch.randn(rows, steps, 5, generator=torch.manual_seed(0)), "n": torch.arange(steps, steps - rows, -1).clamp_min(1)}
        return {each.name: found[each.name] for each in self.inputs}

    def read(self, rows: Any) -> Any:
        return rows

    def columns(self, outputs: Any) -> Any:
        return outputs


class Packed(nn.Module):
    """A layer in both directions over packed rows, padded again; the states where rows end."""

    def __init__(self, kind: str, layers: int = 1, **options: Any) -> None:
        super().__init__()
        self.layers = getattr(nn, kind)(5, 4, layers, batch_first=True, bidirectional=True, **options)

    def forward(self, x: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        found, state = self.layers(packed)
        states = state if isinstance(state, tuple) else (state,)
        y = pad_packed_sequence(found, batch_first=True)[0]
        return {"y": y, **{f"state {place}": each.transpose(0, 1) for place, each in enumerate(states)}}


class Padded(nn.Module):
    """Layers over rows of one length, time first, from a state of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.gru = nn.LSTM(5, 4, bidirectional=True), nn.GRU(8, 3, bias=False)
        self.first = nn.Parameter(torch.randn(2, 1, 4))

    def forward(self, x: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        x = x.transpose(0, 1)
        first = self.first.expand(-1, x.shape[1], -1).contiguous()
        y, (h, c) = self.lstm(x, (first, first))
        return {"y": self.gru(y)[0].transpose(0, 1), "h": h.transpose(0, 1), "c": c.transpose(0, 1)}


class Beside(nn.Module):
    """Several of them beside each other, so that one graph tries all."""

    def __init__(self, **parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(parts)

    def forward(self, given: dict[str, Tensor]) -> dict[str, Tensor]:
        x, lengths = given["x"], given["n"]
        return {f"{name} {key}": each for name, part in self.parts.items() for key, each in part(x, lengths).items()}


def in_onnx(deliverable: Deliverable, path: Path) -> Any:
    """What answers inputs with the graph in ONNX Runtime."""
    program = torch.onnx.export(
        trace_program(deliverable),
        dynamo=True,
        verbose=False,
        optimize=False,
        custom_translation_table=translations(),
        input_names=[each.name for each in deliverable.inputs],
    )
    assert program is not None
    program.save(path)
    session = onnxruntime.InferenceSession(path)
    return lambda given: session.run(None, {name: each.numpy() for name, each in given.items()})


def test_recurrent_layers_answer_any_number_of_rows_and_steps_in_onnx(tmp_path: Path) -> None:
    plain = Packed("RNN", nonlinearity="relu", bias=False)
    deliverable = Simple(Beside(lstm=Packed("LSTM", 2), gru=Packed("GRU"), rnn=plain, padded=Padded()).eval(), lengths=True)
    answer = in_onnx(deliverable, tmp_path / "m.onnx")
    for rows, steps in SIZES:
        given = deliverable.example_of({ROWS: rows, "steps": steps})
        with torch.no_grad():
            expected = deliverable.module(given)
        for found, (name, wanted) in zip(answer(given), expected.items(), strict=True):
            assert np.abs(found - wanted.numpy()).max() <= 1e-6, name


def test_a_program_of_torch_has_a_fixed_number_of_steps_and_the_same_answers() -> None:
    deliverable = Simple(Beside(lstm=Packed("LSTM"), gru=Packed("GRU")).eval(), lengths=True)
    traced = trace_program(deliverable, {"steps": 3}, recurrent="torch")
    assert not any("trainwright" in str(node.target) for node in traced.graph.nodes)
    program = traced.module()
    for rows in (1, 2, 7):
        given = deliverable.example_of({ROWS: rows, "steps": 3})
        with torch.no_grad():
            expected, found = deliverable.module(given), program(given)
        for name, wanted in expected.items():
            assert (found[name] - wanted).abs().max() <= 1e-6, name


def test_without_a_fixed_number_of_steps_a_program_of_torch_is_refused() -> None:
    deliverable = Simple(Beside(gru=Packed("GRU")).eval(), lengths=True)
    with pytest.raises(RequestError, match="the axis 'steps' of 'x' became fixed at 7") as refused:
        trace_program(deliverable, recurrent="torch")
    assert "--fixed steps=SIZE" in refused.value.fix and "--to onnx" in refused.value.fix


def test_layers_are_as_torch_has_them_afterwards() -> None:
    before = (nn.LSTM.forward, nn.GRU.forward, nn.RNN.forward, vars(torch._VF).get("_pack_padded_sequence"))
    trace_program(Simple(OneSize().eval()), {"steps": 7})
    with pytest.raises(RequestError):
        trace_program(Simple(Branches().eval()))
    assert (nn.LSTM.forward, nn.GRU.forward, nn.RNN.forward, vars(torch._VF).get("_pack_padded_sequence")) == before
    assert torch.backends.mha.get_fastpath_enabled()


class Branches(nn.Module):
    def forward(self, given: dict[str, Tensor]) -> dict[str, Tensor]:
        if given["x"].sum() > 0:  # it branches here
            return {"y": given["x"]}
        return {"y": -given["x"]}


class Leaves(nn.Module):
    def forward(self, given: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"y": torch.from_numpy(given["x"].numpy() * 2)}  # it leaves here


class Counts(nn.Module):
    def forward(self, given: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"y": given["x"][:, : int(given["x"].sum())]}  # it counts here


class OneSize(nn.Module):
    def forward(self, given: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"y": given["x"].reshape(-1, 35)}  # it is for 7 steps here


class OneNumberOfRows(nn.Module):
    def forward(self, given: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"y": given["x"] + torch.zeros(3, 1, 1)}  # it is for 3 rows here


class AtMost(nn.Module):
    def forward(self, given: dict[str, Tensor]) -> dict[str, Tensor]:
        x = given["x"]
        return {"y": x * 2 if x.shape[1] <= 10 else x}  # it asks here


STOPPED = {
    Branches: ("the model cannot be traced", "torch.where"),
    Leaves: ("the model cannot be traced", "functions of torch"),
    Counts: ("the model cannot be traced", "torch.where"),
    OneSize: ("the axis 'steps' of 'x' became fixed at 7", "--fixed steps=SIZE"),
    OneNumberOfRows: ("the axis 'rows' of 'x' became fixed at 3", "x.shape[0]"),
    AtMost: ("at most 10 along the axis 'steps'", "--fixed steps=SIZE"),
}


@pytest.mark.parametrize("module", STOPPED, ids=lambda each: each.__name__)
def test_what_stops_a_trace_is_told_with_its_line(module: type[nn.Module], capfd: pytest.CaptureFixture[str]) -> None:
    what, fix = STOPPED[module]
    with pytest.raises(RequestError) as refused:
        trace_program(Simple(module().eval()))
    assert what in refused.value.what and fix in refused.value.fix
    assert __file__ in refused.value.where and f"of {module.__name__}" in refused.value.where
    assert "# it" in refused.value.where  # the line itself
    assert capfd.readouterr() == ("", "")


def test_axes_that_are_fixed_are_those_there_are() -> None:
    with pytest.raises(RequestError, match="no dynamic axis 'step'") as refused:
        trace_program(Simple(OneSize().eval()), {"step": 7})
    assert "steps" in refused.value.fix
    with pytest.raises(RequestError, match="cannot have 0 entries"):
        trace_program(Simple(OneSize().eval()), {"steps": 0})
    program = trace_program(Simple(OneSize().eval()), {"steps": 14}).module()
    assert program({"x": torch.ones(5, 14, 5)})["y"].shape == (10, 35)


def test_the_axes_of_an_example_have_sizes_of_their_own() -> None:
    assert distinct_sizes({ROWS: 9, "a": 5, "b": 5, "c": 0, "d": 100}) == {ROWS: 3, "a": 5, "b": 7, "c": 11, "d": 101}
