"""Shapes, types and values that a loss would broadcast or misread are refused before the first step, with the reason and the fix."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from trainwright.config.errors import ConfigError, DataError
from trainwright.losses.build import criterion

G = torch.Generator().manual_seed(1)
X = torch.randn(6, 4, generator=G)
Y = torch.tensor([0, 1, 2, 3, 1, 1])
ONE = torch.randn(6, 1, generator=G)
LENGTHS = {"input_lengths": torch.full((2,), 9), "target_lengths": torch.full((2,), 3)}
T = torch.tensor([[1, 2, 3], [1, 1, 2]])
COSINE = {"type": "torch.nn.CosineSimilarity", "dimm": 1}
ADAPTIVE = {"type": "adaptive_log_softmax", "in_features": 4, "n_classes": 3}
LOG_P = torch.randn(9, 2, 5, generator=G).log_softmax(-1)


def squared(output: Tensor, target: Tensor) -> Tensor:
    return (output - target).square().mean()


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize(
    ("loss", "output", "target", "why", "fix"),
    [
        ("mse", ONE, ONE.squeeze(1), r"the model gives \(6, 1\) for a target of \(6,\)", "y.unsqueeze(1)"),
        ("l1", X, ONE, "broadcast against each other", "reshape the target"),
        ("bce_with_logits", ONE, torch.ones(6, 1).long(), "its target is int64", "y.float()"),
        ("bce", X.sigmoid(), torch.ones(6, 4).long(), "its target is int64", "y.float()"),
        ("bce", X, torch.ones(6, 4), "takes probabilities, from 0 to 1, the model gives from -", "use bce_with_logits"),
        ("bce_with_logits", ONE, Y.float().unsqueeze(1), "its target is from 0 to 1, here from 0 to 3", "cross_entropy with y.long"),
        ("cross_entropy", X.softmax(1), Y, "softmax would be taken twice", "leave softmax out"),
        ("cross_entropy", X, Y + 1, "the target holds classes from 1 to 4", "from 0 to 3"),
        ("cross_entropy", X, torch.where(Y == 1, -100, Y), "the target holds classes from -100", "ignore_index: -100"),
        ("cross_entropy", X, Y.float(), "no class numbers", "y.long()"),
        ("cross_entropy", X, Y.unsqueeze(1), r"need a target of \(6,\)", "y.squeeze(-1)"),
        ("cross_entropy", X, nn.functional.one_hot(Y, 4), r"need a target of \(6,\)", "y.argmax(1), or y.float()"),
        ("cross_entropy", X, Y.int(), "torch takes int64", "y.long()"),
        ("cross_entropy", X, torch.ones(6, 4), "1 in sum", "bce_with_logits"),
        ("cross_entropy", ONE, Y, "one class is always 0", "binary_cross_entropy"),
        ("cross_entropy", ONE.squeeze(1), Y, "needs outputs", "one output per class"),
        ("cross_entropy", torch.randn(2, 4, 3, 3), torch.zeros(2, 3).long(), r"need a target of \(2, 3, 3\)", r"(2, 3, 3)"),
        ("cross_entropy", torch.randn(2, 7, 5), torch.zeros(2, 7).long(), "the classes are dimension 1", "output.transpose(1, 2)"),
        ("cross_entropy", torch.randn(2, 7, 3, 5), torch.zeros(2, 7, 3).long(), "the last one seems to hold", "output.movedim(-1, 1)"),
        ("cross_entropy", X, torch.tensor([0, 1, 1, 7, 1, 9]), r"\(row 3 has 7\)", "from 0 to 3"),
        ("bce_with_logits", ONE, torch.tensor([[0.0], [1], [1], [0], [-2], [3]]), r"\(row 4 has -2\)", "cross_entropy with y.long"),
        (functional.mse_loss, ONE, ONE.squeeze(1), "broadcast against each other", "y.unsqueeze(1)"),
        (squared, ONE, ONE.squeeze(1), r"the function broadcasts them against each other, to \(6, 6\)", "target[None, :]"),
        (lambda o, t: functional.l1_loss(o, t), ONE, ONE.squeeze(1), "the function broadcasts", "y.unsqueeze(1)"),
        ("soft_target_cross_entropy", X, Y, "the probability of each class", "use cross_entropy"),
        ("nll", X, Y, "log-probabilities, 0 or less", "use cross_entropy"),
        ("nll", X.softmax(1), Y, "log-probabilities, 0 or less", "log_softmax: true"),
        ("focal", X.softmax(1), Y, "taken twice", "leave softmax out"),
        ("focal", X, Y.float().unsqueeze(1), "broadcast", "reshape"),
        ("multi_margin", X, Y + 2, "the target holds classes", "from 0 to 3"),
        ("multi_label_margin", X, torch.ones(6, 4), "no lists of classes", "multi_label_soft_margin"),
        ("multi_label_margin", X, torch.ones(6, 4).long(), "looks like 0/1 rows", "then −1"),
        ("soft_margin", X, torch.zeros(6, 4), "its target is −1 or 1, here from 0 to 0", "y * 2 - 1"),
        ("hinge_embedding", X, torch.zeros(6, 4), "−1 or 1", "y * 2 - 1"),
        ("kl_div", X.softmax(1), X.softmax(1), "log-probabilities are 0 or less", "log_softmax: true"),
        ("kl_div", X.log_softmax(1), X.log_softmax(1), "the target holds probabilities", "log_target: true"),
        (
            {"type": "kl_div", "log_target": True},
            X.log_softmax(1),
            X.softmax(1),
            "the target holds log-probabilities",
            "leave log_target out",
        ),
        ("kl_div", X.log_softmax(1), torch.zeros(6, 4).long(), "its target is int64", "y.float()"),
        ("poisson_nll", X, X, "counts are 0 or more", "check the target"),
        ({"type": "poisson_nll", "log_input": False}, X, X.abs(), "a rate is 0 or more", "softplus or exp"),
        ("gaussian_nll", (X, X), X, "a variance is 0 or more", "variance: softplus"),
        ("gaussian_nll", (X, X.abs()), ONE, "broadcast", "reshape"),
        ("asymmetric", X, X, "from 0 to 1", "0 and 1 for each label"),
        ("dice", X[..., None], X[..., None], "a mask is from 0 to 1", "divide by 255"),
        ({"type": "dice", "activation": "none"}, X[..., None], torch.ones(6, 4, 1), "it takes probabilities", "leave activation out"),
        ("margin_ranking", (ONE, ONE.squeeze(1)), torch.ones(6), "compares outputs of one shape", "one shape"),
        ("margin_ranking", (ONE, ONE), torch.ones(6), r"\(6, 1\) for a target of \(6,\)", "reshape"),
        ("cosine_embedding", (X, X), torch.ones(6, 1), "one target for each pair", "y.squeeze(-1)"),
        ("triplet_margin", (X, X, X[:1]), None, "broadcast against each other", "one shape"),
    ],
)
def test_what_a_loss_would_misread_is_refused(loss: Any, output: Any, target: Any, why: str, fix: str) -> None:
    with pytest.raises(DataError, match=why) as error:
        criterion(loss).check(output, target)
    assert fix in error.value.fix
    assert error.value.exit_code == 2


@pytest.mark.parametrize(
    ("options", "output", "target", "lengths", "why", "fix"),
    [
        ({}, LOG_P * 2, T, LENGTHS, "does not sum to 1", "log_softmax: true"),
        ({"batch_first": True}, LOG_P, T, LENGTHS, "has 9 rows and the target 2", "batch_first: false"),
        ({}, LOG_P, T.flatten(), LENGTHS, "could not be parted into micro-batches", "pad the targets"),
        ({}, LOG_P, T * 2, LENGTHS, "the target holds from", "without the blank"),
        ({"blank": 3}, LOG_P, T, LENGTHS, "the target holds from 1 to 3", "without the blank, 3"),
        ({}, LOG_P, T, {**LENGTHS, "input_lengths": torch.full((2,), 10)}, "input_lengths is from 10 to 10", "input_lengths"),
        ({}, LOG_P[:2], T, {**LENGTHS, "input_lengths": torch.full((2,), 2)}, "the loss is infinite", "zero_infinity"),
        ({}, LOG_P, T, {**LENGTHS, "target_lengths": torch.ones(2)}, "one whole number for each of 2 rows", "int64"),
        ({}, LOG_P[0], T, LENGTHS, r"outputs \(t, b, c\)", "(t, b, c)"),
    ],
)
def test_ctc_says_what_does_not_fit(options: dict[str, Any], output: Tensor, target: Tensor, lengths: Any, why: str, fix: str) -> None:
    criterion("ctc").check(LOG_P, T, LENGTHS)
    with pytest.raises(DataError, match=why) as error:
        criterion({"type": "ctc", **options}).check(output, target, lengths)
    assert fix in error.value.fix


def test_values_that_are_meant_pass_with_check_values_false() -> None:
    criterion({"type": "cross_entropy", "check_values": False}).check(X.softmax(1), Y)
    with pytest.raises(DataError, match="broadcast"):
        criterion({"type": "mse", "check_values": False}).check(ONE, ONE.squeeze(1))


def test_a_function_that_reshapes_one_of_them_itself_is_not_refused() -> None:
    column = ONE.squeeze(1)
    criterion(lambda o, t: squared(o, t.unsqueeze(1))).check(ONE, column)
    criterion(lambda o, t: squared(o.squeeze(1), t)).check(ONE, column)
    criterion(lambda o, t: squared(o, t[None, :])).check(ONE, column)  # meant, and written out
    criterion(lambda o, t: (o * t).mean()).check(X, ONE)  # one weight for each row


def test_good_rows_are_not_refused() -> None:
    criterion("cross_entropy").check(X, Y)
    criterion("cross_entropy").check(X.log_softmax(1), Y)
    criterion("cross_entropy").check(X, X.softmax(1))
    criterion({"type": "cross_entropy", "ignore_index": -100}).check(X, torch.where(Y == 1, -100, Y))
    criterion("gaussian_nll").check((X, X.abs()), X)
    criterion("dice").check(torch.randn(2, 3, 4, 4), torch.zeros(2, 4, 4).long())


def test_shapes_are_refused_in_every_step_too() -> None:
    for name in ("mse", "huber", "bce_with_logits", "asymmetric"):
        with pytest.raises(DataError, match="broadcast against each other"):
            criterion(name).total(ONE, torch.ones(6))


def test_a_class_left_out_by_chance_is_no_silent_change_of_the_mean() -> None:
    with pytest.raises(IndexError, match="-100"):
        criterion("cross_entropy").total(X, torch.where(Y == 1, -100, Y))


@pytest.mark.parametrize(
    ("given", "what", "fix"),
    [
        ("crosentropy", "unknown loss 'crosentropy'", "did you mean 'cross_entropy'"),
        ({"type": "huber", "detla": 1.0}, "no option 'detla'", "did you mean 'delta'"),
        ({"type": "huber", "delta": -1.0}, "delta of the loss is -1.0", ""),
        ({"type": "mse", "reduction": "sum"}, "reduction 'sum' is not offered", "batchmean"),
        ({"type": "mse", "reduction": "none"}, "reduction 'none' gives no single number", "batchmean"),
        ({"type": "adaptive_log_softmax"}, "the loss needs 'in_features'", ""),
        ({"weight": 1.0}, "names no loss", "write a name"),
        ([], "the list of losses is empty", "write a name"),
        ([{"type": "mse", "weight": [1, 2]}], "written with 3, 4, 6, 8", "write for example"),
        (3, "a int is no loss", "function of"),
        (nn.MSELoss, "MSELoss is a class, not a loss", "MSELoss"),
        (nn.MSELoss(reduction="sum"), "the loss has reduction='sum'", "reduction='mean'"),
        ({"type": "triplet_with_distance", "distance_function": "math:nothing"}, "cannot import 'math:nothing'", ""),
        (
            {"type": "triplet_with_distance", "distance_function": COSINE},
            "cannot be made",
            "give it other options",
        ),
        (
            {**ADAPTIVE, "cutoffs": [9]},
            "the layer of the loss cannot be made",
            "options",
        ),
        ({"type": "torch.nn.functional.mse_loss", "wrong": 1}, "the loss has no option 'wrong'", "available: inputs"),
    ],
)
def test_a_loss_that_cannot_be_is_refused(given: Any, what: str, fix: str) -> None:
    with pytest.raises(Exception, match="(?s)" + what.replace("[", r"\[")) as error:
        criterion(given, "tw.fit(loss)")
    if isinstance(error.value, ConfigError):
        assert fix in error.value.fix
