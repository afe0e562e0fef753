"""The loss of the challenge is what its metric would lose, exactly, and a network trained by it scores more than one trained by BCE."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from trainwright.config.errors import ConfigError, DataError
from trainwright.domains.signals.metrics.weight_table import read_table
from trainwright.losses.base import Criterion
from trainwright.losses.build import criterion
from trainwright.metrics import Outcome, compute_one, options

GOLDEN = json.loads((Path(__file__).parent / "golden" / "challenge_2021.json").read_text())
CODES: list[str] = GOLDEN["class_codes"]
LABELS = np.array(GOLDEN["labels"], bool)
SINUS: int = GOLDEN["sinus_index"]
RNG = np.random.default_rng(0)
FEW = ["a|A", "b", "c", "d"]
TABLE = dict(zip(FEW, [[1, 0.5, 0.2, 0.3], [0.5, 1, 0.4, 0.1], [0.2, 0.4, 1, 0.6], [0.3, 0.1, 0.6, 1]], strict=True))


def loss_of(labels: list[str], **given: Any) -> Criterion:
    """The challenge's loss, without cross-entropy unless it is asked for."""
    return criterion({"type": "challenge", "labels": labels, "cross_entropy": 0.0, **given})


def expected(loss: Criterion, logits: Any, truth: Any) -> Tensor:
    """The expected score of every row, by a loss."""
    one, z = torch.as_tensor(truth).double(), torch.as_tensor(logits, dtype=torch.float64)
    correct: Any = loss
    true = correct.merge_labels(one)
    return correct.expected(true, true) - loss.each(z, one)


def by_every_decision(truth: np.ndarray, p: np.ndarray) -> float:
    """The expected score of one row over the four classes of TABLE: every decision, times how probable it is."""
    weights, total = np.array(list(TABLE.values())), 0.0
    for decided in itertools.product([0, 1], repeat=4):
        given = np.array(decided)
        chance = float(np.prod(np.where(given, p, 1 - p)))
        either = max(int(((truth + given) > 0).sum()), 1)
        total += chance * float(truth @ weights @ given) / either
    return total


def test_the_expected_score_is_the_mean_over_every_decision() -> None:
    loss = loss_of(["a", "b", "c", "d"], weights=TABLE)
    truth, logits = (RNG.random((12, 4)) < 0.4).astype(float), RNG.normal(size=(12, 4)) * 2
    truth[0], truth[1] = 0.0, 1.0
    wanted = [by_every_decision(t, 1 / (1 + np.exp(-z))) for t, z in zip(truth, logits, strict=True)]
    assert expected(loss, logits, truth).numpy() == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("decided", ["made_up", "perfect", "everything", "only_sinus", "nothing"])
def test_of_sure_decisions_the_loss_gives_the_official_score(decided: str) -> None:
    given = {
        "made_up": np.array(GOLDEN["binary_outputs_made_up"], bool),
        "perfect": LABELS,
        "everything": np.ones_like(LABELS),
        "only_sinus": np.arange(26)[None].repeat(len(LABELS), 0) == SINUS,
        "nothing": np.zeros_like(LABELS),
    }[decided]
    loss = loss_of(CODES)
    observed, correct = (expected(loss, np.where(each, 60.0, -60.0), LABELS).sum() for each in (given, LABELS))
    inactive = expected(loss, np.where(np.arange(26) == SINUS, 60.0, -60.0)[None].repeat(len(LABELS), 0), LABELS).sum()
    score = float((observed - inactive) / (correct - inactive))
    assert score == pytest.approx(GOLDEN["scores"][decided]["challenge_metric"], abs=1e-9)


def test_single_precision_is_enough_and_a_row_that_is_sure_has_no_infinite_gradient() -> None:
    loss = loss_of(CODES)
    truth = torch.tensor(LABELS)
    logits = torch.from_numpy(RNG.normal(size=LABELS.shape) * 3)
    logits[0], logits[1] = 200.0, -200.0
    single = logits.float().requires_grad_()
    rows = loss.each(single, truth.float())
    assert rows.detach().double().numpy() == pytest.approx(loss.each(logits, truth.double()).numpy(), abs=2e-5)
    rows.sum().backward()
    assert single.grad is not None and bool(single.grad.isfinite().all())


@pytest.mark.parametrize("cross_entropy", [0.0, 0.7])
def test_gradients_are_those_of_finite_differences(cross_entropy: float) -> None:
    loss = loss_of(["a", "A", "b", "d", "not scored"], weights=TABLE, cross_entropy=cross_entropy)
    truth = (torch.from_numpy(RNG.random((6, 5))) < 0.4).double()
    logits = torch.from_numpy(RNG.normal(size=(6, 5))).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: loss.each(z, truth), logits)


def test_equal_labels_are_one_class_and_labels_that_are_not_scored_learn_by_cross_entropy_alone() -> None:
    truth, labels = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]), ["a", "A", "not scored"]
    for weight, learns in ((0.0, False), (1.0, True)):
        logits = torch.zeros(2, 3, requires_grad=True)
        loss_of(labels, weights=TABLE, cross_entropy=weight).each(logits, truth).sum().backward()
        assert logits.grad is not None and bool((logits.grad[:, :2] != 0).all()) and bool((logits.grad[:, 2] != 0).any()) is learns
    either = loss_of(labels, weights=TABLE)
    sure = [either.each(torch.tensor([[60.0, -60.0, 0.0], [-60.0, 60.0, 0.0]]), each).sum() for each in (truth, truth.flip(0))]
    assert [float(each) for each in sure] == pytest.approx([0.0, 0.0], abs=1e-6)


def test_pieces_of_a_step_join_into_the_whole() -> None:
    loss, z, truth = loss_of(CODES, cross_entropy=1.0), torch.randn(40, 26), torch.tensor(LABELS).float()
    whole, pieces = loss.total(z, truth), [loss.total(z[at : at + 7], truth[at : at + 7]) for at in range(0, 40, 7)]
    assert float(whole[0]) == pytest.approx(sum(float(each) for each, _ in pieces), rel=1e-5)
    assert whole[1] == 40 == sum(int(count) for _, count in pieces)


def train(loss: Criterion, x: Tensor, y: Tensor) -> torch.nn.Module:
    """A linear model after 300 steps of Adam."""
    torch.manual_seed(0)
    model = torch.nn.Linear(x.shape[1], y.shape[1])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        (loss.each(model(x), y).flatten(1).mean(dim=1) if loss.name != "challenge" else loss.each(model(x), y)).mean().backward()
        optimizer.step()
    return model


@pytest.mark.parametrize("seed", [1])
def test_a_network_trained_by_it_scores_more_than_one_trained_by_cross_entropy(seed: int) -> None:
    random = np.random.default_rng(seed)
    x = random.normal(size=(3000, 12))
    z = x @ random.normal(size=(12, 26)) * 0.5 - 2.2  # rare labels, badly told apart: half is no good cut
    y = random.random(z.shape) < 1 / (1 + np.exp(-z))
    learn, test = slice(0, 1500), slice(1500, None)
    given = torch.from_numpy(x).float(), torch.from_numpy(y).float()
    scores = {}
    for name in ("challenge", "bce_with_logits"):
        loss = criterion({"type": "challenge", "labels": CODES} if name == "challenge" else name)
        model = train(loss, given[0][learn], given[1][learn])
        p = model(given[0][test]).sigmoid().detach().double().numpy()
        scores[name] = compute_one(Outcome("set", y[test], p, CODES), options("challenge_score"))
    assert scores["challenge"] > scores["bce_with_logits"] + 0.05, scores


def test_what_it_cannot_mean_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the labels of the outputs have no names"):
        criterion("challenge")
    with pytest.raises(ConfigError, match="no label of the target is a class"):
        loss_of(["cat", "dog"])
    with pytest.raises(ConfigError, match="there is no table"):
        loss_of(CODES, weights=str(tmp_path / "absent.csv"))
    with pytest.raises(ConfigError, match="not square"):
        loss_of(["a"], weights={"a": [1.0, 0.5]})
    with pytest.raises(DataError, match="there are 26 labels"):
        loss_of(CODES).check(torch.zeros(3, 5), torch.zeros(3, 5))
    with pytest.raises(DataError, match="from 0 to 1"):
        loss_of(CODES).check(torch.randn(3, 26), torch.full((3, 26), 2.0))


def test_a_table_in_a_file_is_kept_with_the_options(tmp_path: Path) -> None:
    file = tmp_path / "weights.csv"
    file.write_text(",".join(["", *FEW]) + "\n" + "".join(f"{name},{','.join(map(str, row))}\n" for name, row in TABLE.items()))
    loss = loss_of(["a", "b", "c", "d"], weights=str(file))
    file.unlink()
    again = criterion(json.loads(loss.options.model_dump_json()))
    z, truth = torch.randn(5, 4), (torch.rand(5, 4) < 0.5).float()
    assert torch.equal(loss.each(z, truth), again.each(z, truth))
    assert np.array_equal(read_table("2021", "426783006").weights, np.asarray(loss_of(CODES, weights=2021).weights))  # type: ignore[arg-type]
