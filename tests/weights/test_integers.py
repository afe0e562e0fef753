from __future__ import annotations

import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.weights.integers import fit_integers, quantize


def by_torch(values, scale, zero_point, axis=None):
    """What torch's own quantized tensors hold; they are deprecated, which is why there are ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if axis is None:
            return torch.quantize_per_tensor(values, scale, zero_point, torch.quint8)
        return torch.quantize_per_channel(values, scale, zero_point, axis, torch.quint8)


def test_per_tensor_is_as_torch_has_it():
    values = torch.tensor([-1.0, 0.0, 1.0, 2.0])
    made = quantize(values, 0.1, 10, dtype=torch.uint8)
    assert made.values.tolist() == [0, 10, 20, 30]
    assert made.values.equal(by_torch(values, 0.1, 10).int_repr())
    torch.testing.assert_close(made.restore(), by_torch(values, 0.1, 10).dequantize())
    assert quantize(values, torch.tensor(0.1), torch.tensor(10), dtype=torch.uint8).values.equal(made.values)


def test_several_tensors_each_have_a_scale():
    pairs = zip([torch.tensor([-1.0, 0.0]), torch.tensor([-2.0, 2.0])], [0.1, 0.2], [10, 20], strict=True)
    assert [quantize(*each, dtype=torch.uint8).values.tolist() for each in pairs] == [[0, 10], [10, 30]]


def test_per_channel_is_as_torch_has_it():
    values = torch.tensor([[-1.0, 0.0], [1.0, 2.0]])
    scale, zero_point = torch.tensor([0.1, 0.01]), torch.tensor([10, 0])
    made = quantize(values, scale, zero_point, axis=0, dtype=torch.uint8)
    assert made.values.tolist() == [[0, 10], [100, 200]]
    assert made.values.equal(by_torch(values, scale, zero_point, 0).int_repr())
    torch.testing.assert_close(made.restore(), by_torch(values, scale, zero_point, 0).dequantize())


@given(st.integers(0, 10_000), st.sampled_from([torch.int8, torch.uint8]), st.sampled_from([None, 0, 1, -1]), st.floats(1e-6, 1e6))
@settings(max_examples=60, deadline=None)
def test_a_number_is_at_most_half_a_step_from_its_whole_one_and_zero_is_kept(seed, dtype, axis, size):
    values = torch.randn(5, 7, generator=torch.Generator().manual_seed(seed)) * size
    values[2] = 0
    values[:, 3] += 3 * size
    made = fit_integers(values, axis, dtype)
    step = made.scale if axis is None else made.scale.reshape([-1, 1] if axis == 0 else [1, -1])
    assert bool(((made.restore() - values).abs() <= step / 2 * (1 + 1e-4)).all())
    assert bool((made.restore()[values == 0] == 0).all())
    assert made.values.dtype == dtype


def test_what_cannot_be_whole_numbers_is_told():
    values = torch.ones(2, 3)
    for scale, zero_point, axis, words in (
        (0.0, 0, None, "positive and finite"),
        (float("nan"), 0, None, "positive and finite"),
        (0.1, 300, None, "between -128 and 127"),
        (torch.ones(3), 0, 0, r"\(3,\) scales and zero points"),
        (torch.ones(2), 0, None, "along axis None"),
    ):
        with pytest.raises(ValueError, match=words):
            quantize(values, scale, zero_point, axis)
    with pytest.raises(ValueError, match="not finite"):
        fit_integers(torch.tensor([1.0, float("inf")]))
