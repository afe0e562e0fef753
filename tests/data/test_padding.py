"""Sequences of different lengths come out of padding and packing as they went in."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.data import DataLoader

from trainwright.config.errors import ConfigError, DataError
from trainwright.data.padding import Padded, pad_collate
from trainwright.nn.variable_length import VariableLength, length_mask, pack, unpack, unpad

LENGTHS = st.lists(st.integers(1, 9), min_size=1, max_size=6)


def sequences(lengths: list[int], width: int = 3, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(length, width, generator=generator) for length in lengths]


@settings(max_examples=40, deadline=None)
@given(lengths=st.lists(st.integers(0, 9), min_size=1, max_size=6), batch_first=st.booleans(), multiple=st.sampled_from([None, 1, 4]))
def test_padding_and_unpadding_gives_the_sequences_back(lengths: list[int], batch_first: bool, multiple: int | None) -> None:
    rows = sequences(lengths)
    batch = Padded(batch_first, value=-1.0, pad_to_multiple=multiple, fields=["x"])([{"x": row} for row in rows])
    width = -(-max(lengths) // (multiple or 1)) * (multiple or 1)
    assert batch["x"].shape == ((len(rows), width, 3) if batch_first else (width, len(rows), 3))
    assert batch["x_lengths"].tolist() == lengths and batch["x_lengths"].dtype == torch.int64
    assert all(torch.equal(one, other) for one, other in zip(unpad(batch["x"], batch["x_lengths"], batch_first), rows, strict=True))
    mask = length_mask(batch["x_lengths"], width)
    padded = batch["x"] if batch_first else batch["x"].transpose(0, 1)
    assert bool((padded[~mask] == -1).all()) and mask.sum(1).tolist() == lengths


@settings(max_examples=20, deadline=None)
@given(lengths=LENGTHS, batch_first=st.booleans())
def test_packing_keeps_the_order_whatever_the_lengths(lengths: list[int], batch_first: bool) -> None:
    batch = Padded(batch_first)([{"x": row} for row in sequences(lengths)])
    packed = pack(batch["x"], batch["x_lengths"], batch_first)
    assert len(packed.data) == sum(lengths)
    padded, found = unpack(packed, batch_first)
    assert torch.equal(padded, batch["x"]) and found.tolist() == lengths


@settings(max_examples=15, deadline=None)
@given(
    lengths=LENGTHS,
    kind=st.sampled_from(["RNN", "LSTM", "GRU"]),
    bidirectional=st.booleans(),
    layers=st.integers(1, 2),
    batch_first=st.booleans(),
)
def test_a_packed_network_computes_what_it_does_for_each_sequence_alone(
    lengths: list[int], kind: str, bidirectional: bool, layers: int, batch_first: bool
) -> None:
    torch.manual_seed(0)
    model = VariableLength(kind, input_size=3, hidden_size=4, num_layers=layers, bidirectional=bidirectional, batch_first=batch_first)
    rows = sequences(lengths)
    batch = Padded(batch_first, value=1e3)([{"x": row} for row in rows])
    outputs, state = model(batch["x"], batch["x_lengths"])
    assert outputs.shape[:2] == batch["x"].shape[:2]
    for place, (row, found) in enumerate(zip(rows, unpad(outputs, batch["x_lengths"], batch_first), strict=True)):
        alone, own = model.rnn(row)
        assert torch.allclose(found, alone, atol=1e-5)
        pairs = zip(state, own, strict=True) if kind == "LSTM" else [(state, own)]
        assert all(torch.allclose(one[:, place], other, atol=1e-5) for one, other in pairs)


def test_gradients_do_not_come_from_padding_and_a_first_state_is_taken() -> None:
    model = VariableLength(nn.GRU(3, 4, batch_first=True))
    x = torch.randn(2, 5, 3, requires_grad=True)
    first = torch.randn(1, 2, 4)
    outputs, state = model(x, torch.tensor([5, 2]), first)
    (outputs.sum() + state.sum()).backward()
    assert x.grad is not None and not x.grad[1, 2:].any() and bool(x.grad[1, :2].any())
    assert torch.allclose(outputs[1, :2], model.rnn(x[1:, :2], first[:, 1:])[0][0], atol=1e-6)
    assert not outputs[1, 2:].any()


def test_samples_may_be_mappings_tuples_or_tensors_and_their_values_arrays_numbers_or_words() -> None:
    batch = pad_collate(
        [{"x": np.ones((2, 3), "float32"), "y": 1, "w": 0.5, "id": "a"}, {"x": np.zeros((4, 3), "float32"), "y": 0, "w": 2.0, "id": "b"}]
    )
    assert list(batch) == ["x", "x_lengths", "y", "w", "id"]
    assert batch["x"].shape == (2, 4, 3) and batch["x"].dtype == torch.float32
    assert batch["y"].dtype == torch.int64 and batch["w"].dtype == torch.float32 and batch["id"] == ["a", "b"]
    pairs = [([1, 2, 3], 0), ([4], 1)]
    assert pad_collate(pairs)["0"].tolist() == [[1, 2, 3], [4, 0, 0]]
    named = Padded(names=["tokens", "label"], value={"tokens": -100})(pairs)
    assert named["tokens"].tolist() == [[1, 2, 3], [4, -100, -100]] and named["label"].tolist() == [0, 1]
    assert pad_collate([torch.ones(2), torch.ones(1)])["x"].tolist() == [[1, 1], [1, 0]]


def test_a_batch_has_the_same_fields_whatever_its_lengths() -> None:
    even, odd = (
        [{"x": torch.ones(3), "v": torch.ones(2)}] * 2,
        [{"x": torch.ones(3), "v": torch.ones(2)}, {"x": torch.ones(1), "v": torch.ones(2)}],
    )
    assert list(pad_collate(even)) == list(pad_collate(odd)) == ["x", "x_lengths", "v", "v_lengths"]
    assert list(Padded(fields=["x"])(even)) == ["x", "x_lengths", "v"]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.complex64, torch.int32, torch.uint8, torch.bool])
def test_every_dtype_stays_what_it_is(dtype: torch.dtype) -> None:
    batch = pad_collate([torch.ones(2, dtype=dtype), torch.ones(3, dtype=dtype)])
    assert batch["x"].dtype == dtype and batch["x"][0].tolist()[2] == 0


def test_loader_workers_can_be_given_it() -> None:
    data = [{"x": torch.arange(n), "y": n} for n in range(1, 7)]
    batches = list(DataLoader(data, batch_size=3, collate_fn=Padded(), num_workers=1))  # type: ignore[arg-type]
    assert [batch["x_lengths"].tolist() for batch in batches] == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize(
    ("samples", "options", "said"),
    [
        ([], {}, "there are no samples"),
        ([{"x": torch.ones(2)}, {"y": torch.ones(2)}], {}, "samples 0 and 1 of the batch have different fields\n  why: only one has x, y"),
        (
            [{"x": torch.ones(2)}, {"x": torch.ones(2).double()}],
            {},
            "'x' has different dtypes in one batch\n  why: sample 0 is float32, sample 1 is float64",
        ),
        (
            [{"x": torch.ones(2, 3)}, {"x": torch.ones(2, 4)}],
            {},
            "sample 0 has shape (2, 3), sample 1 (2, 4)\n  fix: only the first dimension may differ",
        ),
        (
            [{"x": torch.ones(2), "v": torch.ones(2)}, {"x": torch.ones(1), "v": torch.ones(3)}],
            {"fields": ["x"]},
            "fix: name it in fields to have it padded",
        ),
        ([{"x": torch.ones(2)}], {"fields": ["xx"]}, "samples have no field 'xx'\n  fix: did you mean 'x'?"),
        ([{"x": 1}], {"fields": ["x"]}, "'x' is no sequence"),
        ([{"x": torch.ones(2, dtype=torch.int64)}], {"value": 0.5}, "'x' is int64, which cannot hold the padding value 0.5"),
        ([{"x": torch.ones(2, dtype=torch.uint8)}], {"value": -100}, "'x' is uint8, which cannot hold the padding value -100"),
        ([(1, 2)], {"names": ["a"]}, "a sample has 2 values for 1 names"),
    ],
)
def test_samples_that_do_not_go_together_are_refused(samples: list[Any], options: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=re.escape(said)):
        Padded(**options)(samples)


def test_pad_to_multiple_needs_named_fields() -> None:
    with pytest.raises(ConfigError, match="pad_to_multiple needs the names of the sequences"):
        Padded(pad_to_multiple=8)


@pytest.mark.parametrize(
    ("lengths", "said"),
    [
        (torch.tensor([3, 0]), "lengths must be from 1 to 4\n  why: row 1 has 0\n  fix: leave empty sequences out"),
        (torch.tensor([5, 1]), "lengths must be from 1 to 4\n  why: row 0 has 5"),
        (torch.tensor([3]), "there are 1 lengths for 2 sequences"),
        (torch.tensor([3.0, 1.0]), "lengths are one whole number per sequence\n  why: they are float32 of shape (2,)"),
        (torch.tensor([[3, 1]]), "they are int64 of shape (1, 2)"),
    ],
)
def test_lengths_that_do_not_fit_are_refused(lengths: Tensor, said: str) -> None:
    with pytest.raises(DataError, match=re.escape(said)):
        pack(torch.zeros(2, 4, 3), lengths)


def test_unknown_networks_and_arguments_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"'LSMT' is no recurrent network\n  fix: did you mean 'LSTM'\?"):
        VariableLength("LSMT", input_size=3, hidden_size=4)
    with pytest.raises(ConfigError, match="LSTM cannot be made so"):
        VariableLength("LSTM", input_size=3, hidden=4)
    with pytest.raises(ConfigError, match="a module that is made takes no arguments"):
        VariableLength(nn.GRU(3, 4), hidden_size=4)
    with pytest.raises(DataError, match="the mask is 2 wide"):
        length_mask(torch.tensor([3, 1]), 2)
