"""`tw.testing.make_batch`: tensors by shape, dtype, range and layout, the same for the same seed."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import trainwright as tw
from trainwright.config.errors import ConfigError

pytestmark = pytest.mark.filterwarnings("ignore:Sparse")
make = tw.testing.make_batch


def test_tensors_have_the_shape_dtype_and_range_that_were_asked_for() -> None:
    spec = {
        "x": {"shape": [3], "dtype": "float32", "low": -1, "high": 1},
        "mask": {"shape": [2, 2], "dtype": "bool", "batch": None},
        "label": {"shape": [], "dtype": "int64", "high": 3},
        "picture": [3, 8, 8],
    }
    batch = make(spec, rows=64)
    assert {name: tuple(each.shape) for name, each in batch.items()} == {
        "x": (64, 3),
        "mask": (2, 2),
        "label": (64,),
        "picture": (64, 3, 8, 8),
    }
    assert batch["x"].dtype is torch.float32 and -1 <= float(batch["x"].min()) < -0.8 and 0.8 < float(batch["x"].max()) < 1
    assert batch["mask"].dtype is torch.bool and set(batch["label"].tolist()) == {0, 1, 2}


def test_a_tensor_follows_from_seed_and_name_alone_and_leaves_other_draws_as_they_are() -> None:
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    one, more = make({"x": [4]}, seed=3), make({"y": [2], "x": [4]}, seed=3)
    assert torch.equal(torch.rand(3), wanted)
    assert torch.equal(one["x"], more["x"])
    assert not torch.equal(one["x"], make({"x": [4]}, seed=4)["x"])


@pytest.mark.parametrize("layout", ["coo", "csr", "csc"])
def test_sparse_batches_hold_about_the_share_that_was_asked_for(layout: str) -> None:
    batch = make({"x": {"shape": [50], "layout": layout, "density": 0.2, "exclude_zero": True}}, rows=40)["x"]
    assert str(batch.layout) == f"torch.sparse_{layout}" and batch.shape == (40, 50)
    assert 0.15 < float((batch.to_dense() != 0).double().mean()) < 0.25


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({}, "described by names and shapes"),
        ({"x": 3}, "described by 3"),
        ({"x": {"shape": [3], "hihg": 1}}, "did you mean 'high'"),
        ({"x": {"shape": [3], "dtype": "flaot32"}}, "did you mean 'float32'"),
        ({"x": {"shape": [3], "low": 1, "high": 1}}, "no number lies in"),
        ({"x": {"shape": [-3]}}, "shape of input 'x'"),
        ({"x": {"shape": [3], "layout": "cssr"}}, "did you mean 'csr'"),
        ({"x": {"shape": [3, 3], "layout": "csr"}}, "two dimensions, not 3"),
        ({"x": {"shape": [3], "layout": "coo", "density": 2}}, "density is 2"),
        ({"x": {"high": 3}}, "shape of input 'x' is None"),
    ],
)
def test_a_description_that_cannot_be_read_is_refused(spec: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make(spec)


def test_rows_are_a_whole_number() -> None:
    assert make({"x": [3]}, rows=0)["x"].shape == (0, 3)
    with pytest.raises(ConfigError, match="-1 rows"):
        make({"x": [3]}, rows=-1)
