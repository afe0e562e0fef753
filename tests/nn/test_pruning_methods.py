"""Which weights each pruning method keeps: golden masks, torch's own counts, and amounts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.nn.utils import prune as torch_prune

from trainwright.config.errors import ConfigError
from trainwright.config.registry import build, options_class
from trainwright.engine.callbacks.options import PruningOptions
from trainwright.engine.callbacks.pruning_steps import Steps
from trainwright.nn.pruning import ALIASES, PARTS, find_name
from trainwright.nn.pruning.amounts import read_amount, units_due
from trainwright.nn.pruning.base import ScoredMethod, lowest
from trainwright.nn.pruning.choosing import choose_weights
from trainwright.nn.pruning.torch_methods import as_method

W = torch.tensor([[1.0, -2, 3, -4], [5, -6, 7, -8], [0.5, -0.5, 0.5, -0.5]])


def masks(
    type: str, weights: dict[str, Tensor], kept: dict[str, Tensor] | None = None, share: float = 1.0, **options: Any
) -> dict[str, Tensor]:
    made = build("pruning_method", options_class("pruning_method", type).model_validate({"type": find_name(type), **options}))
    before = kept or {name: torch.ones_like(each, dtype=torch.bool) for name, each in weights.items()}
    return made.masks(weights, before, share, torch.Generator().manual_seed(0))


def bits(mask: Tensor) -> str:
    return " ".join("".join("1" if each else "0" for each in row) for row in mask.tolist())


GOLDEN = {
    "half of the smallest": ("l1", {"amount": 0.5}, "0011 1111 0000"),
    "five of the smallest": ("l1", {"amount": 5}, "0111 1111 0000"),
    "half of three rows is two, half to even": ("ln_structured", {"amount": 0.5, "n": 2, "dim": 0}, "0000 1111 0000"),
    "half of the columns": ("ln_structured", {"amount": 0.5, "n": 2, "dim": 1}, "0011 0011 0011"),
    "the row whose least weight is least": ("ln_structured", {"amount": 1, "n": "-inf", "dim": 0}, "1111 1111 0000"),
    "the column whose largest weight is least": ("ln_structured", {"amount": 1, "n": float("inf"), "dim": -1}, "0111 0111 0111"),
    "nothing": ("identity", {}, "1111 1111 1111"),
    "two of each four": ("semi_structured", {}, "0011 0011 1100"),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_masks(name: str) -> None:
    type, options, expected = GOLDEN[name]
    assert bits(masks(type, {"w": W}, **options)["w"]) == expected


def test_two_of_four_keeps_the_first_of_equal_ones() -> None:
    weight = torch.tensor([[1.0, -3, 2, -0.5], [4, 4, -4, 4]])
    assert bits(masks("semi_structured", {"w": weight})["w"]) == "0110 1100"


def test_two_of_four_groups_a_convolution_along_its_input_channels() -> None:
    weight = torch.randn(3, 8, 2, 2, generator=torch.Generator().manual_seed(1))
    mask = masks("semi_structured", {"w": weight})["w"]
    assert torch.equal(mask.movedim(1, -1).unflatten(-1, (2, 4)).sum(-1), torch.full((3, 2, 2, 2), 2))


def test_one_is_one_weight_and_one_point_zero_all() -> None:
    assert int(masks("l1", {"w": W}, amount=1)["w"].sum()) == 11
    assert int(masks("l1", {"w": W}, amount=1.0)["w"].sum()) == 0


def test_global_pruning_compares_all_weights() -> None:
    found = masks("global_l1", {"a": W, "b": 10 * W}, amount=0.5)
    assert (int(found["a"].sum()), int(found["b"].sum())) == (4, 8)


def test_half_of_what_remains_leaves_a_quarter() -> None:
    """Twice .5 as torch prunes: 12 weights, 6, then 3; a schedule of targets says 0.75."""
    assert int(masks("l1", {"w": W}, masks("l1", {"w": W}, amount=0.5), amount=0.75)["w"].sum()) == 3
    layer = nn.Linear(4, 3)
    layer.weight.data = W.clone()
    torch_prune.l1_unstructured(layer, "weight", 0.5)
    torch_prune.l1_unstructured(layer, "weight", 0.5)
    assert int(layer.weight_mask.sum()) == 3


def test_what_is_pruned_stays_so_even_where_it_grew() -> None:
    first = masks("l1", {"w": W}, amount=0.25)
    grown = torch.where(first["w"], W, 100.0)
    second = masks("l1", {"w": grown}, first, amount=0.5)
    assert not bool((second["w"] & ~first["w"]).any()) and int(second["w"].sum()) == 6


AS_TORCH = {
    "l1": ("l1", {}, lambda module, amount: torch_prune.l1_unstructured(module, "weight", amount)),
    "rows": ("ln_structured", {"n": 2, "dim": 0}, lambda module, amount: torch_prune.ln_structured(module, "weight", amount, n=2, dim=0)),
    "columns by -inf": (
        "ln_structured",
        {"n": -math.inf, "dim": 1},
        lambda module, amount: torch_prune.ln_structured(module, "weight", amount, n=-math.inf, dim=1),
    ),
}


@pytest.mark.parametrize("name", AS_TORCH)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), amount=st.one_of(st.floats(0.01, 1.0), st.integers(1, 5)))
def test_masks_are_torchs(name: str, seed: int, amount: float) -> None:
    type, options, prune = AS_TORCH[name]
    layer = nn.Linear(6, 5)
    layer.weight.data = torch.randn(5, 6, generator=torch.Generator().manual_seed(seed))
    weight = layer.weight.detach().clone()
    prune(layer, amount)
    assert torch.equal(masks(type, {"w": weight}, amount=amount, **options)["w"], layer.weight_mask.bool())


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), amount=st.one_of(st.floats(0.01, 1.0), st.integers(1, 40)))
def test_global_masks_are_torchs(seed: int, amount: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    layers = {"a": nn.Linear(6, 5), "b": nn.Linear(5, 3)}
    for each in layers.values():
        each.weight.data = torch.randn(each.weight.shape, generator=generator)
    weights = {name: each.weight.detach().clone() for name, each in layers.items()}
    torch_prune.global_unstructured([(each, "weight") for each in layers.values()], torch_prune.L1Unstructured, amount=amount)
    found = masks("global_l1", weights, amount=amount)
    assert all(torch.equal(found[name], each.weight_mask.bool()) for name, each in layers.items())


@settings(max_examples=40, deadline=None)
@given(scores=st.lists(st.integers(0, 4), min_size=1, max_size=30), data=st.data())
def test_as_many_are_lowest_as_are_asked_for_and_the_last_of_equal_ones(scores: list[int], data: st.DataObject) -> None:
    count = data.draw(st.integers(0, len(scores)))
    order = sorted(range(len(scores)), key=lambda place: (scores[place], -place))
    found = lowest(torch.tensor(scores, dtype=torch.float32), count)
    assert found.nonzero().flatten().tolist() == sorted(order[:count])


@pytest.mark.parametrize("type", ["random", "global_random", "random_structured"])
def test_random_methods_prune_exact_counts_drawn_from_the_generator(type: str) -> None:
    weights = {"a": torch.randn(6, 8), "b": torch.randn(4, 8)}
    first, second = (
        masks(type, weights, amount=3 if type == "random_structured" else 0.25, **({"dim": 1} if "struct" in type else {}))
        for _ in range(2)
    )
    assert all(torch.equal(first[name], second[name]) for name in weights)
    zeros = {name: int((~each).sum()) for name, each in first.items()}
    if type == "random_structured":
        assert all(int((~each).all(dim=0).sum()) == 3 for each in first.values())
    elif type == "random":
        assert zeros == {"a": 12, "b": 8}
    else:
        assert sum(zeros.values()) == 20


AMOUNTS = {"a percentage": ("90 %", 0.9), "a short one": ("12.5%", 0.125), "a count": (3, 3), "a share": (1.0, 1.0)}


@pytest.mark.parametrize("name", AMOUNTS)
def test_amounts_keep_their_type(name: str) -> None:
    given, expected = AMOUNTS[name]
    found = read_amount(given)
    assert found == expected and type(found) is type(expected)


REFUSED = {
    "ninety with a point": (90.0, "write 0.9 or '90 %'"),
    "more than all": (1.5, "write 0.015 or '1.5 %'"),
    "less than nothing": (-1, "0.9 or '90 %' for a share"),
    "nothing": (0, "identity"),
    "no share": (0.0, "share"),
    "a word": ("much", "'90 %'"),
    "yes": (True, "share"),
    "not a number": (math.nan, "share"),
    "more than all, in percent": ("150 %", "write 0.9 or '90 %'"),
    "nothing, in percent": ("0 %", "90 for as many"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_amounts_that_cannot_be_are_refused_with_what_to_write(name: str) -> None:
    given, told = REFUSED[name]
    with pytest.raises(ConfigError) as caught:
        read_amount(given)
    assert told in str(caught.value.fix)
    assert "with a point" not in str(caught.value.why) or not isinstance(given, str)


def test_a_count_beyond_what_there_is_names_the_weight() -> None:
    with pytest.raises(ConfigError) as caught:
        masks("l1", {"layers.0.weight": W}, amount=13)
    assert "13 is more than there is" in caught.value.what and "layers.0.weight" in str(caught.value.where) and "12" in caught.value.why
    assert [units_due(0.5, n) for n in (3, 5, 10)] == [2, 2, 5]
    assert units_due(0.25, 10) == 2


def test_the_cubic_schedule_is_that_of_the_paper() -> None:
    steps = Steps(first=0, last=10)
    found = [round(0.9 * steps.share(t), 4) for t in range(11)]
    assert found == [0, 0.2439, 0.4392, 0.5913, 0.7056, 0.7875, 0.8424, 0.8757, 0.8928, 0.8991, 0.9]
    assert Steps(5, 25, 10).latest(4) is None
    assert [Steps(5, 25, 10).latest(step) for step in (5, 14, 15, 24, 25, 90)] == [5, 5, 15, 15, 25, 25]
    assert Steps(0, 10, initial=0.5).share(0) == 0.5


class Norms(nn.Module):
    """A model with everything that is left out."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(5, 4, padding_idx=0)
        self.first = nn.Linear(4, 4)
        self.norm = nn.BatchNorm1d(4)
        self.second = nn.Linear(4, 4)
        self.second.weight = self.first.weight
        self.last = parametrizations.weight_norm(nn.Linear(4, 4))
        self.frozen = nn.Linear(4, 4).requires_grad_(False)
        self.scale = nn.Parameter(torch.ones(2, 4))


def test_what_is_left_out_is_listed_with_the_reason() -> None:
    found = choose_weights(Norms())
    assert list(found.weights) == ["words.weight", "first.weight"]
    assert found.weights["first.weight"].also == ("second.weight",)
    reasons = {name: why.partition(",")[0] for name, why in found.left_out.items()}
    assert reasons["norm.weight"] == "it scales or shifts a normalization"
    assert reasons["last.weight"] == "a parametrization gives it"
    assert reasons["first.bias"] == "it is a vector"
    assert reasons["frozen.weight"] == "it is frozen"
    assert reasons["scale"] == "it is not called a weight"


def test_a_pattern_names_biases_and_frozen_weights_but_never_normalization() -> None:
    assert set(choose_weights(Norms(), ["*.bias"]).weights) == {"first.bias", "second.bias", "last.bias", "frozen.bias"}
    assert list(choose_weights(Norms(), ["frozen.weight"]).weights) == ["frozen.weight"]
    assert list(choose_weights(Norms(), ["first"]).weights) == ["first.weight"]  # of a module its weights alone
    with pytest.raises(ConfigError, match="nothing to prune"):
        choose_weights(Norms(), ["norm"])
    with pytest.raises(ConfigError) as caught:
        choose_weights(Norms(), ["frist"])
    assert "first" in str(caught.value.fix)


def test_the_row_of_padding_is_no_weight() -> None:
    words = choose_weights(Norms(), ["words"]).weights["words.weight"]
    weight = torch.arange(20.0).view(5, 4)
    assert words.taken(weight).shape == (4, 4)
    assert words.mask(torch.zeros(4, 4, dtype=torch.bool)).tolist() == [[True] * 4, *[[False] * 4] * 4]


def test_a_file_of_masks_prunes_what_it_says(tmp_path: Any) -> None:
    mask = torch.tensor([[1, 1, 0, 0], [0, 1, 0, 1], [1, 0, 0, 0]])
    save_file({"w": mask}, tmp_path / "m.safetensors")
    np.savez(tmp_path / "m.npz", w_mask=mask.bool().numpy())
    for name in ("m.safetensors", "m.npz"):
        found = masks("mask", {"w": W, "other": W}, file=str(tmp_path / name))
        assert torch.equal(found["w"], mask.bool()) and bool(found["other"].all())


def test_files_that_are_no_masks_are_refused(tmp_path: Any) -> None:
    save_file({"x": torch.ones(3, 4)}, tmp_path / "name.safetensors")
    save_file({"w": torch.ones(4, 3)}, tmp_path / "shape.safetensors")
    save_file({"w": torch.full((3, 4), 0.5)}, tmp_path / "values.safetensors")
    (tmp_path / "broken.npz").write_bytes(b"PK no archive")
    (tmp_path / "m.pt").write_bytes(b"\x80")
    (tmp_path / "text.npz").write_text("1 0 1")
    np.savez(tmp_path / "pickled.npz", w=np.array([object()], dtype=object))
    told = {
        "name.safetensors": "no weight that is pruned is called 'x'",
        "shape.safetensors": "does not fit",
        "values.safetensors": "other values than 0 and 1",
        "broken.npz": "cannot be read",
        "pickled.npz": "cannot be read",
        "m.pt": "cannot be read from this file",
        "text.npz": "cannot be read",
        "none.npz": "no such file",
    }
    for name, said in told.items():
        with pytest.raises(ConfigError) as caught:
            masks("mask", {"w": W}, file=str(tmp_path / name))
        assert said in caught.value.what and name in str(caught.value.where)
        assert caught.value.fix and "pickle" not in str(caught.value.why)


class LeastSquare(ScoredMethod):
    """A criterion of one's own."""

    def scores(self, weight: Tensor, generator: torch.Generator) -> Tensor:
        return weight.square()


class EveryOther(torch_prune.BasePruningMethod):
    """The one of torch's tutorial."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        mask = default_mask.clone()
        mask.view(-1)[::2] = 0
        return mask


def test_classes_of_ones_own_are_methods_those_of_torch_too() -> None:
    kept = {"w": torch.ones_like(W, dtype=torch.bool)}
    generator = torch.Generator()
    assert bits(LeastSquare(amount=5).masks({"w": W}, kept, 1.0, generator)["w"]) == "0111 1111 0000"
    assert bits(as_method(EveryOther()).masks({"w": W}, kept, 1.0, generator)["w"]) == "0101 0101 0101"
    with pytest.raises(ConfigError, match="no pruning method"):
        as_method(nn.ReLU())


def test_torchs_names_are_understood() -> None:
    for name in ALIASES:
        options = PruningOptions.model_validate({"method": {"type": name, **({"file": "m.npz"} if find_name(name) == "mask" else {})}})
        assert options.method.type in PARTS
