"""Every loss of torch.nn by name: its own mean on one batch, exactly joined from pieces, with all its arguments."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from core_losses import PARTS
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_cases import CASES, WEIGHTS, Case, classes, normal
from torch import Tensor, nn

from trainwright.losses import find_name
from trainwright.losses.base import Criterion
from trainwright.losses.build import criterion, of_torch
from trainwright.losses.names import TORCH

NOT_OURS = {"size_average", "reduce", "device", "dtype", "_weight"}
"""Deprecated by torch, or decided by the run."""


def losses_of_torch() -> list[str]:
    return [name for name in dir(nn) if isinstance(getattr(nn, name), type) and "Loss" in name and not name.endswith("Options")]


def cut(value: Any, start: int, end: int) -> Any:
    if isinstance(value, tuple):
        return tuple(each[start:end] for each in value)
    if isinstance(value, dict):
        return {name: each[start:end] for name, each in value.items()}
    return None if value is None else value[start:end]


def leaves(output: Any) -> list[Tensor]:
    return [each.requires_grad_() for each in (output if isinstance(output, tuple) else [output])]


def test_every_loss_of_torch_has_a_name_here_and_no_other() -> None:
    assert set(losses_of_torch()) == set(TORCH), "torch has a loss that is not covered, or lost one"
    assert set(TORCH.values()) <= set(PARTS)
    assert {case.options["type"] for case in CASES.values()} == set(TORCH.values()) - {
        "adaptive_log_softmax_with_loss",
        "linear_cross_entropy",
    }


@pytest.mark.parametrize("name", losses_of_torch())
def test_every_argument_of_torch_is_an_option(name: str) -> None:
    if name == "NLLLoss2d":
        return  # an old name of NLLLoss, with its arguments
    options = set(PARTS[TORCH[name]].config.model_fields)
    wanted = {"class_weight" if each == "weight" else each for each in inspect.signature(getattr(nn, name)).parameters}
    assert wanted - NOT_OURS <= options
    for each in inspect.signature(getattr(nn, name)).parameters.values():
        field = PARTS[TORCH[name]].config.model_fields.get(each.name)
        if field is not None and each.default is not each.empty and each.name not in ("ignore_index", "out_features"):
            assert field.default == each.default, each.name


@pytest.mark.parametrize("name", losses_of_torch())
def test_all_spellings_mean_the_same(name: str) -> None:
    assert (
        find_name(name)
        == find_name(f"torch.nn.{name}")
        == find_name(TORCH[name])
        == find_name(TORCH[name].replace("_", "-"))
        == TORCH[name]
    )


@pytest.mark.parametrize("name", CASES)
def test_the_whole_batch_is_torchs_mean_and_so_are_its_pieces_joined(name: str) -> None:
    case = CASES[name]
    made = criterion(case.options)

    @settings(max_examples=8, deadline=None)
    @given(st.integers(2, 7), st.integers(0, 10_000), st.data())
    def holds(rows: int, seed: int, data: st.DataObject) -> None:
        output, target, batch = case.make(rows, torch.Generator().manual_seed(seed))
        inputs = leaves(output)
        expected = case.call(case.torch_loss, output, target, batch)
        whole, items = made.total(output, target, batch)
        torch.testing.assert_close(whole / items, expected, equal_nan=True)
        if not torch.isfinite(expected):
            return
        slopes = torch.autograd.grad(expected, inputs)
        end = data.draw(st.integers(1, rows - 1))
        pieces = [made.total(*(cut(each, a, b) for each in (output, target, batch))) for a, b in ((0, end), (end, rows))]
        total, count = pieces[0][0] + pieces[1][0], pieces[0][1] + pieces[1][1]
        torch.testing.assert_close(total / count, expected)
        for mine, theirs in zip(torch.autograd.grad(total / count, inputs), slopes, strict=True):
            torch.testing.assert_close(mine, theirs)

    holds()


@pytest.mark.parametrize("name", CASES)
def test_an_instance_of_torchs_loss_becomes_the_criterion_of_its_name(name: str) -> None:
    case: Case = CASES[name]
    made = of_torch(case.torch_loss)
    assert made is not None and made.name == case.options["type"]
    if made.name == "ctc":
        made = criterion({**made.options.model_dump(), "batch_first": True, "log_softmax": True})
    if name == "kl":
        made = criterion({**made.options.model_dump(), "log_softmax": True})
    output, target, batch = case.make(5, torch.Generator().manual_seed(3))
    torch.testing.assert_close(made(output, target, batch), case.call(case.torch_loss, output, target, batch))


def test_every_criterion_that_torch_has_passes_its_own_check_on_good_rows() -> None:
    for case in CASES.values():
        criterion(case.options).check(*case.make(6, torch.Generator().manual_seed(1)))


def test_losses_that_hold_the_last_layer_are_torchs_and_train_it() -> None:
    g = torch.Generator().manual_seed(0)
    output, target = normal(6, 8, g=g).float(), classes(6, g=g)
    torch.manual_seed(0)
    theirs: Any = nn.AdaptiveLogSoftmaxWithLoss(8, 12, [2, 6], head_bias=True)
    made: Any = criterion({"type": "adaptive_log_softmax", "in_features": 8, "n_classes": 12, "cutoffs": [2, 6], "head_bias": True})
    made.head.load_state_dict(theirs.state_dict())
    torch.testing.assert_close(made(output, target), theirs(output, target).loss)
    assert made.scores(output).shape == (6, 12) and len(list(made.parameters())) == len(list(theirs.parameters()))
    assert criterion(theirs)(output, target) == made(output, target)


def test_linear_cross_entropy_is_torchs_with_weights_and_classes_left_out() -> None:
    g = torch.Generator().manual_seed(0)
    output, target = normal(6, 8, g=g).float(), classes(6, g=g)
    theirs: Any = nn.LinearCrossEntropyLoss(8, 4, bias=True, weight=torch.tensor(WEIGHTS), ignore_index=1, label_smoothing=0.1)
    options = {"type": "LinearCrossEntropyLoss", "in_features": 8, "num_classes": 4, "bias": True}
    made: Any = criterion({**options, "weight": WEIGHTS, "ignore_index": 1, "label_smoothing": 0.1})
    made.head.linear.load_state_dict(theirs.linear.state_dict())
    expected = theirs(output, target)
    torch.testing.assert_close(made(output, target), expected)
    pieces = [made.total(output[a:b], target[a:b]) for a, b in ((0, 2), (2, 6))]
    torch.testing.assert_close((pieces[0][0] + pieces[1][0]) / (pieces[0][1] + pieces[1][1]), expected)
    made.check(output, target)
    assert made.scores(output).shape == (6, 4)


def test_the_table_imports_no_torch() -> None:
    names = "trainwright.losses, trainwright.losses.choosing, trainwright.systems.plain_options"
    code = f"import sys, {names}; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_the_page_names_every_loss() -> None:
    page = (Path(__file__).parents[2] / "docs/losses.md").read_text()
    assert [name for name in PARTS if f"`{name}`" not in page] == []
    assert [name for name in TORCH if f"`{name}`" not in page and name != "NLLLoss2d"] == []


@pytest.mark.parametrize("name", PARTS)
def test_every_part_of_the_table_can_be_made(name: str) -> None:
    needed: dict[str, dict[str, Any]] = {
        "adaptive_log_softmax_with_loss": {"in_features": 4, "n_classes": 9, "cutoffs": [3]},
        "linear_cross_entropy": {"in_features": 4, "num_classes": 9},
    }
    made = criterion({"type": name, **needed.get(name, {})})
    assert isinstance(made, Criterion) and made.name == name
