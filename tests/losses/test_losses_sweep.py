"""Every named loss × outputs × targets: taken whole, or refused in our words before step 1; and the bounds of every option."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from core_losses import PARTS
from torch import Tensor

from trainwright.config.errors import RequestError
from trainwright.losses.build import criterion

G = torch.Generator().manual_seed(0)
OPTIONS: dict[str, dict[str, Any]] = {
    "adaptive_log_softmax_with_loss": {"in_features": 4, "n_classes": 6, "cutoffs": [2, 4]},
    "linear_cross_entropy": {"in_features": 4, "num_classes": 4},
}


def normal(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=G)


OUTPUTS: dict[str, Any] = {
    "rows": normal(6),
    "one column": normal(6, 1),
    "four columns": normal(6, 4),
    "pixels": normal(6, 4, 5),
    "probabilities": normal(6, 4).softmax(1),
    "log-probabilities": normal(6, 4).log_softmax(1),
    "double": normal(6, 4).double(),
    "whole numbers": torch.randint(0, 4, (6, 4), generator=G),
    "booleans": normal(6, 4) > 0,
    "complex": torch.complex(normal(6, 4), normal(6, 4)),
    "two": (normal(6, 4), normal(6, 4)),
    "mean and variance": (normal(6, 4), normal(6, 4).exp()),
    "three": (normal(6, 4), normal(6, 4), normal(6, 4)),
}
CLASSES = torch.tensor([0, 1, 2, 3, 1, 0])
ONES = (normal(6, 4) > 0).float()
TARGETS: dict[str, Any] = {
    "classes": CLASSES,
    "classes that are not there": CLASSES + 7,
    "classes below 0": CLASSES - 2,
    "int32": CLASSES.int(),
    "bytes": CLASSES.byte(),
    "booleans": CLASSES > 0,
    "0 and 1": (CLASSES > 0).float(),
    "signs": (CLASSES > 0).float() * 2 - 1,
    "numbers": normal(6),
    "column of numbers": normal(6, 1),
    "column of classes": (CLASSES > 0).long().unsqueeze(1),
    "matrix": normal(6, 4),
    "double matrix": normal(6, 4).double(),
    "half matrix": normal(6, 4).half(),
    "complex matrix": torch.complex(normal(6, 4), normal(6, 4)),
    "matrix of 0 and 1": ONES,
    "matrix of signs": ONES * 2 - 1,
    "matrix of booleans": ONES > 0,
    "matrix of whole numbers": ONES.long(),
    "lists of labels": torch.tensor([[0, 2, -1, -1]] * 6),
    "distributions": normal(6, 4).softmax(1),
    "a missing value": torch.where(torch.arange(6) == 3, torch.nan, normal(6)),
    "missing values": ONES * torch.nan,
    "infinite values": ONES + torch.inf,
    "another width": normal(6, 5),
    "pixels of classes": torch.randint(0, 4, (6, 5), generator=G),
    "fewer rows": CLASSES[:5],
    "no tensor": "abc",
    "nothing": None,
}


def followed(output: Any) -> Any:
    """The output with a graph, where it can have one."""
    if isinstance(output, tuple):
        return tuple(followed(each) for each in output)
    return output.clone().requires_grad_() if output.is_floating_point() or output.is_complex() else output


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", PARTS)
def test_a_loss_trains_on_what_it_takes_and_refuses_the_rest_in_our_words(name: str) -> None:
    taken = 0
    for shape, output in OUTPUTS.items():
        for kind, target in TARGETS.items():
            loss, given = criterion({"type": name, **OPTIONS.get(name, {})}), followed(output)
            try:
                loss.check(given, target, {"y": target})
            except RequestError as error:
                assert error.fix, (shape, kind)
                continue
            summed, count = loss.total(given, target, {"y": target})
            (summed / count).backward()
            assert bool(summed.detach().isfinite().all()), (shape, kind)
            taken += 1
    assert taken or name == "ctc"  # which needs lengths


@pytest.mark.parametrize("name", ["l1", "mse", "smooth_l1", "huber", "gaussian_nll"])
@pytest.mark.parametrize("kind", [torch.bool, torch.uint8, torch.int64, torch.float64])
def test_whole_numbers_as_values_cost_what_they_cost_as_floats(name: str, kind: torch.dtype) -> None:
    output = (normal(6, 4), normal(6, 4).exp()) if name == "gaussian_nll" else normal(6, 4)
    for loss in (criterion(name), criterion({"type": name, "reduction": "batchmean"})):
        torch.testing.assert_close(loss(output, ONES.to(kind)).float(), loss(output, ONES))


@pytest.mark.parametrize(("name", "target"), [("mse", normal(6)), ("huber", normal(6)), ("poisson_nll", normal(6).abs())])
def test_the_first_row_whose_target_is_missing_is_named(name: str, target: Tensor) -> None:
    target[4] = torch.nan
    with pytest.raises(RequestError) as error:
        criterion(name).check_held(normal(6), target)
    assert "row 4 has nan" in str(error.value)
    criterion({"type": name, "check_values": False}).check(normal(6), target)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"type": "cross_entropy", "weight": [1.0, -1.0]}, "class number 2 is -1"),
        ({"type": "cross_entropy", "class_weight": [0.0, 0.0]}, "the weights are all 0"),
        ({"type": "cross_entropy", "class_weight": [1.0, float("nan")]}, "class number 2 is nan"),
        ({"type": "cross_entropy", "class_weight": [1.0, float("inf")]}, "class number 2 is inf"),
        ({"type": "bce_with_logits", "pos_weight": [-2.0]}, "class number 1 is -2"),
        ({"type": "bce", "weight": ["a"]}, "class number 1 is 'a'"),
        (torch.nn.CrossEntropyLoss(weight=torch.tensor([1.0, -1.0])), "class number 2 is -1"),
        (torch.nn.BCEWithLogitsLoss(pos_weight=torch.tensor([float("nan")])), "class number 1 is nan"),
        (torch.nn.CrossEntropyLoss(label_smoothing=1.0), "label_smoothing"),
        ({"type": "cross_entropy", "label_smoothing": 1.0}, "less than 1"),
        ({"type": "focal", "gamma": -0.5}, "greater than or equal to 0"),
        ({"type": "focal", "alpha": 1.5}, "less than or equal to 1"),
        ({"type": "huber", "delta": 0.0}, "greater than 0"),
        ({"type": "smooth_l1", "beta": -1.0}, "greater than or equal to 0"),
        ({"type": "triplet_margin", "margin": 0.0}, "greater than 0"),
        ({"type": "triplet_margin", "p": 0.0}, "greater than 0"),
        ({"type": "margin_ranking", "margin": -1.0}, "greater than or equal to 0"),
        ({"type": "hinge_embedding", "margin": -1.0}, "greater than or equal to 0"),
        ({"type": "multi_margin", "margin": -1.0}, "greater than or equal to 0"),
        ({"type": "cosine_embedding", "margin": 2.0}, "less than or equal to 1"),
        ({"type": "mse", "weight": -1}, "the loss 'mse' has the weight -1"),
        ({"type": "mse", "weight": float("nan")}, "not finite"),
        ([{"type": "mse", "weight": 1.0}, {"type": "l1", "weight": [1.0, -0.5, 100]}], "the loss 'l1' has the weight"),
        ([{"type": torch.nn.MSELoss(), "weight": -1.0}], "the loss 'mse' has the weight -1"),
        ([{"type": "mse", "weight": 0}, {"type": "l1", "weight": 0}], "the weights of the losses are all 0"),
        ({"type": "adaptive_log_softmax", "in_features": 4, "n_classes": 6, "cutoffs": [-2]}, "greater than or equal to 1"),
    ],
)
def test_options_outside_their_bounds_are_refused_before_any_row_is_seen(given: Any, said: str) -> None:
    with pytest.raises(RequestError) as error:
        criterion(given)
    assert said in str(error.value)
    assert "Input should be 'balanced'" not in str(error.value)


def test_a_function_of_ones_own_may_leave_out_missing_values() -> None:
    target = torch.tensor([1.0, torch.nan, 2.0])
    loss = criterion(lambda output, truth: (output - truth).square().nanmean())
    loss.check(torch.zeros(3), target)
    loss.check_held(torch.zeros(3), target)


def test_a_reward_of_ones_own_may_weigh_less_than_0() -> None:
    summed = criterion(["mse", {"type": lambda output, target: output.var(), "name": "spread", "weight": -0.1}])
    assert summed(normal(6, 1), normal(6, 1)).dim() == 0
