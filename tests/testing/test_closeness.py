"""`tw.testing.assert_close`: states and outputs of any form, the worst element by its name and index."""

from __future__ import annotations

import functools
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from torch import Tensor, nn

import trainwright as tw
from trainwright.config.errors import RequestError
from trainwright.files.tensors import save_tensors
from trainwright.testing.closeness import TOLERANCES

close = tw.testing.assert_close


def refused(*sides: Any, **options: Any) -> str:
    with pytest.raises(AssertionError) as caught:
        close(*sides, **options)
    return str(caught.value)


def test_tolerances_of_zero_ask_for_equality() -> None:
    assert_equal = functools.partial(close, rtol=0, atol=0)
    assert_equal(1e-9, 1e-9)
    with pytest.raises(AssertionError, match=r"1e-09, expected 1e-10: 9e-10 apart where 0 is allowed"):
        assert_equal(1e-9, 1e-10)
    close(1e-9, 1e-10)


def test_mappings_are_compared_by_name_whatever_their_type_and_order() -> None:
    foo, bar, baz = torch.tensor(1.0), 2.0, np.array(3.0)
    expected = OrderedDict([("foo", foo), ("bar", bar), ("baz", baz)])
    close({"baz": baz, "bar": bar, "foo": foo}, expected)
    assert "  bar 2.5, expected 2" in refused({"baz": baz, "bar": 2.5, "foo": foo}, expected)


def test_types_are_told_apart_where_asked() -> None:
    expected = torch.tensor([1.0, 2.0, 3.0])
    actual = expected.clone()
    close(nn.Parameter(actual), expected)
    with pytest.raises(TypeError, match="Parameter"):
        close(nn.Parameter(actual), expected, allow_subclasses=False)
    with pytest.raises(TypeError, match=r"(?s)x: .*ndarray.*Give both as the same kind"):
        close({"x": actual.numpy()}, {"x": expected})
    assert "types do not match" in refused(1.0, 1)
    close(1.0, 1, check_dtype=False)
    assert "torch.float64 != torch.float32" in refused(actual.double(), expected)
    close(actual.double(), expected, check_dtype=False)


def test_the_message_is_replaced_or_framed() -> None:
    expected, actual = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 4.0, 5.0])
    assert refused(actual, expected, msg="these are not close") == "these are not close"
    framed = refused(actual, expected, msg=lambda text: f"Header\n\n{text}\n\nFooter")
    assert framed.startswith("Header\n\nnot close: 1 of 1 value compared\n  [1]: 4, expected 2: 2 apart") and framed.endswith("Footer")


def test_the_worst_element_of_the_worst_tensor_is_told_first() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    other = {name: each.clone() for name, each in net.state_dict().items()}
    other["0.weight"][2, 1] += 0.5
    other["0.weight"][0, 0] += 0.1
    other["1.bias"][1] -= 3
    lines = refused(other, net).splitlines()
    assert lines[0] == "not close: 2 of 4 values compared"
    assert lines[1].startswith("  1.bias [1]: ") and ": 3 apart where 1." in lines[1] and lines[1].endswith("; 1 of 2 elements")
    assert lines[2].startswith("  0.weight [2, 1]: ") and lines[2].endswith("; 2 of 12 elements")


def test_names_that_one_side_lacks_are_told_with_the_nearest() -> None:
    text = refused({"head.weights": torch.ones(1), "more": torch.ones(1)}, {"head.weight": torch.ones(1)})
    assert "'head.weight' is missing; there is 'head.weights'" in text
    assert "'head.weights' is not expected; there is 'head.weight'" in text and "  'more' is not expected" in text


def test_files_of_weights_and_modules_are_states(tmp_path: Path) -> None:
    net = nn.Linear(2, 2)
    save_tensors(tmp_path / "a.safetensors", net.state_dict())
    close(tmp_path / "a.safetensors", net, rtol=0, atol=0)
    assert "weight [" in refused(tmp_path / "a.safetensors", nn.Linear(2, 2))
    with pytest.raises(RequestError, match="nowhere"):
        close(tmp_path / "nowhere.safetensors", net)


def test_predictions_are_compared_column_by_column() -> None:
    ours = pa.table({"p": [0.1, 0.2], "class": ["a", "b"]})
    close(ours, pa.table({"class": ["a", "b"], "p": [0.1, 0.2]}))
    text = refused(ours.to_pandas(), pd.DataFrame({"p": [0.1, 0.3], "class": ["a", "c"]}))
    assert "  class [1]: 'b', expected 'c'; 1 of 2 elements" in text and "  p [1]: 0.2, expected 0.3" in text


def test_what_lies_within_is_named_by_its_way() -> None:
    @dataclass
    class Box:
        score: Tensor
        label: str

    def boxes(score: float, label: str = "cat") -> dict[str, Any]:
        return {"boxes": [Box(torch.tensor(0.0), "dog"), Box(torch.tensor(score), label)]}

    close(boxes(1.0), boxes(1.0))
    text = refused(boxes(1.5, "cow"), boxes(1.0))
    assert "boxes[1].score 1.5, expected 1" in text and "boxes[1].label 'cow', expected 'cat'" in text
    assert "'boxes[2]' is missing" in refused({"boxes": [1, 2]}, {"boxes": [1, 2, 3]})


def test_numbers_that_are_none_differ_and_equal_infinities_do_not() -> None:
    nan, inf = float("nan"), float("inf")
    assert "[1]: nan, expected nan: nan apart" in refused(torch.tensor([0.0, nan]), torch.tensor([0.0, nan]))
    close(torch.tensor([inf, nan]), torch.tensor([inf, nan]), equal_nan=True)
    assert "[0]: nan, expected 1: nan apart" in refused(torch.tensor([nan, 9.0]), torch.tensor([1.0, 1.0]))


def test_layouts_are_told_apart_and_sparse_values_are_placed() -> None:
    dense = torch.tensor([[0.0, 2.0], [0.0, 3.0]])
    other = torch.tensor([[0.0, 2.0], [0.0, 3.5]]).to_sparse()
    assert "[1, 1]: 3.5, expected 3" in refused(other, dense.to_sparse())
    assert "layout" in refused(dense.to_sparse(), dense)
    close(dense.to_sparse(), dense, check_layout=False)


def test_shapes_that_differ_are_told() -> None:
    assert "Size([2]) != torch.Size([3])" in refused(torch.ones(2), torch.ones(3))
    assert "(3,)" in refused(np.array(["a"] * 2), np.array(["a"] * 3))


def test_one_tolerance_alone_is_refused() -> None:
    with pytest.raises(ValueError, match="rtol and atol"):
        close(1.0, 1.0, rtol=0)


def test_tolerances_are_those_of_torch() -> None:
    from torch.testing._comparison import default_tolerances

    for dtype, ours in TOLERANCES.items():
        assert dtype is not None and default_tolerances(dtype) == ours
    assert default_tolerances(torch.int64) == (0.0, 0.0)
