"""What each kind of run gives to others: a module whose answers are those of `predict`, from rows as a host reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import soundfile
import torch
from torch import Tensor, nn

import trainwright as tw
from trainwright.deploy.tracing.program import axes_found, trace_program
from trainwright.domains.deliverable import Deliverable
from trainwright.domains.images.synth.options import ShapesOptions
from trainwright.domains.images.synth.shapes import write_shapes
from trainwright.nn.variable_length import VariableLength

QUIET: dict[str, Any] = {"evaluation": {"baselines": [], "importance": False, "report": False}}
ONE_STEP: dict[str, Any] = {"trainer": {"max_steps": 1, "batch_size": 8, "trackers": ["csv"]}, **QUIET}


def answers(deliverable: Deliverable, rows: Any) -> Any:
    """What the module says of rows, in the words of the data."""
    with torch.no_grad():
        return deliverable.columns(deliverable.module(deliverable.read(rows)))


def same(found: Any, expected: Any) -> None:
    """Whether two tables agree, numbers to 1e-5."""
    for name in found.column_names:
        given, wanted = found[name].to_pylist(), expected[name].to_pylist()
        if isinstance(given[0], float):
            np.testing.assert_allclose(given, wanted, rtol=0, atol=1e-5)
        else:
            assert given == wanted, name


@pytest.fixture(scope="module")
def masks(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run of pictures and masks."""
    folder = tmp_path_factory.mktemp("masks")
    write_shapes(folder / "shapes", 1, ShapesOptions(pictures=24, size=16))
    small = {"encoders": {"image": {"type": "small_cnn", "widths": [4, 8]}}}
    return tw.train(folder / "shapes", run_dir=folder / "run", model=small, **ONE_STEP)


def test_masks_are_predicted_by_the_module_as_by_the_run(masks: Any) -> None:
    deliverable = masks.predictor.deliverable()
    rows = masks.predictor.own_rows("train")
    picture = deliverable.inputs[0]
    assert picture.dtype == "uint8" and picture.axes == ("rows", 3, 16, 16)
    expected, found = masks.predictor.answer(rows), answers(deliverable, rows)
    assert found["mask_prediction"].to_pylist() == expected["mask_prediction"].to_pylist()
    assert deliverable.host["inputs"][picture.column]["channels"] == 3


def test_recordings_of_any_length_are_answered_as_by_the_run(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    lengths = random.integers(60, 90, 24)
    for row, length in enumerate(lengths):
        soundfile.write(tmp_path / f"{row}.wav", random.normal(size=(length, 2)) / 9, 100, subtype="FLOAT")
    data = {"wave": [str(tmp_path / f"{row}.wav") for row in range(24)], "kind": ["a", "b"] * 12}
    column = {"type": "signal", "encoder": {"type": "rnn", "width": 4, "bidirectional": True}}
    run = tw.train(data, target="kind", columns={"wave": column}, run_dir=tmp_path / "run", **ONE_STEP)
    deliverable = run.predictor.deliverable()
    assert [each.axes for each in deliverable.inputs] == [("rows", 2, "wave.length"), ("rows",)]
    assert deliverable.host["inputs"]["wave"]["rate"] == 100 and deliverable.host["inputs"]["wave"]["axes"] == [2, "wave.length"]
    program = trace_program(deliverable).module()
    for rows in (1, 2, 7):
        given = pa.table({"wave": data["wave"][:rows]})
        with torch.no_grad():
            found = deliverable.columns(program(deliverable.read(given)))
        same(found, run.predict(given))
    same(answers(deliverable, run.predictor.own_rows("train")), run.predictor.answer(run.predictor.own_rows("train")))


class Attends(nn.Module):
    """Tokens with lengths through torch's encoder and an LSTM; the mean counts padded positions, as careless code does."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(9, 8)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 1)
        self.bag, self.rnn = nn.EmbeddingBag(9, 8), VariableLength("LSTM", input_size=8, hidden_size=4, bidirectional=True)
        self.out = nn.Linear(8, 2)

    def forward(self, tokens: Tensor, length: Tensor) -> Tensor:
        absent = torch.arange(tokens.shape[1]) >= length[:, None]
        x = self.encoder(self.tokens(tokens), src_key_padding_mask=absent).mean(1)
        return self.out(x + self.bag(tokens) + self.rnn(self.tokens(tokens), length)[0].sum(1))


def test_a_fitted_model_is_answered_as_by_the_run_for_any_number_of_rows(tmp_path: Path) -> None:
    tokens, length = torch.randint(0, 9, (40, 11)), torch.randint(1, 12, (40,))
    data = {"tokens": tokens, "length": length, "target": torch.arange(40) % 2}
    tw.fit(Attends(), data, loss="cross_entropy", max_steps=2, run_dir=tmp_path / "run", device="cpu", console=False)
    predictor = tw.load(tmp_path / "run", model=Attends()).predictor
    deliverable = predictor.deliverable()
    program = trace_program(deliverable)
    assert axes_found(program, deliverable) == {"rows": None, "tokens.1": None}
    for rows, steps in ((1, 11), (2, 5), (7, 11)):
        given = {"tokens": tokens[:rows, :steps], "length": length[:rows].clamp_max(steps)}
        expected = predictor.predict(given)
        with torch.no_grad():
            found = deliverable.columns(program.module()(deliverable.read(given)))
        assert found.keys() == expected.keys()
        for name, each in expected.items():
            np.testing.assert_allclose(found[name], each, rtol=0, atol=1e-6)
