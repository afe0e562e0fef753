"""A plain system reads tuples, rows by name and objects of one's own, and trains with any loss."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from trainwright.config.errors import ConfigError, DataError
from trainwright.data.rows import TensorRows
from trainwright.engine.system import StepContext
from trainwright.systems.plain import PlainSystem

G = torch.Generator().manual_seed(0)
X, OTHER, Y = torch.randn(6, 3, generator=G), torch.randn(6, 3, generator=G), torch.tensor([0, 1, 2, 1, 0, 2])
NOW = StepContext(0, 0, 0.0, torch.Generator())


class Two(nn.Module):
    """a − b, scaled; says by what names it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, a: Tensor, b: Tensor, shift: float = 0.0) -> Tensor:
        return self.scale * (a - b) + shift


def mean_loss(system: PlainSystem, batch: Any) -> Tensor:
    loss = system.training_step(batch, NOW)
    if loss.mean is not None:
        return loss.mean
    return loss.total / loss.count


EXPECTED = functional.cross_entropy(2 * (X - OTHER), Y)


@pytest.mark.parametrize(
    "batch",
    [
        {"a": X, "b": OTHER, "label": Y},
        {"b": OTHER, "y": Y, "a": X},
        {"id": torch.arange(6), "a": X, "b": OTHER, "labels": Y},
        {"first": X, "second": OTHER, "target": Y},
        (X, OTHER, Y),
        [X, OTHER, Y],
        {"input.0": X, "input.1": OTHER, "target": Y},
    ],
    ids=["by name", "in any order", "with more than it takes", "by place", "a tuple", "a list", "blocks"],
)
def test_inputs_and_target_are_found(batch: Any) -> None:
    system = PlainSystem(Two())
    system.check(batch)
    torch.testing.assert_close(mean_loss(system, batch), EXPECTED)


def test_the_target_may_be_named_or_numbered() -> None:
    torch.testing.assert_close(mean_loss(PlainSystem(Two(), target="kind"), {"a": X, "b": OTHER, "kind": Y}), EXPECTED)
    torch.testing.assert_close(mean_loss(PlainSystem(Two(), target=0), (Y, X, OTHER)), EXPECTED)
    with pytest.raises(DataError, match="the batch has no 'kimd'") as error:
        PlainSystem(Two(), target="kimd").check({"a": X, "b": OTHER, "kind": Y})
    assert "did you mean 'kind'" in error.value.fix
    with pytest.raises(DataError, match="the batch has no place 7"):
        PlainSystem(Two(), target=7).check((X, OTHER, Y))
    with pytest.raises(DataError, match="the target cannot be told") as error:
        PlainSystem(Two()).check({"a": X, "b": OTHER, "kind": Y})
    assert "a (6, 3), b (6, 3), kind (6,)" in error.value.why and "target=…" in error.value.fix
    with pytest.raises(ConfigError, match="the target is a float"):
        PlainSystem(Two(), target=1.5)  # type: ignore[arg-type]


class TakesAll(nn.Module):
    def forward(self, **batch: Tensor) -> Tensor:
        return batch["b"] - batch["a"]


def test_a_model_that_takes_any_name_is_given_all_of_them() -> None:
    batch = {"a": X, "b": OTHER, "y": Y}
    torch.testing.assert_close(mean_loss(PlainSystem(TakesAll()), batch), functional.cross_entropy(OTHER - X, Y))


class Second(nn.Module):
    def forward(self, shift: float = 0.0, x: Tensor | None = None) -> Tensor | None:
        return x


def test_batches_of_other_forms_may_follow_each_other() -> None:
    expected = functional.cross_entropy(X, Y)
    system = PlainSystem(Second())
    batch: Any
    for batch in ({"x": X, "y": Y}, {"x": X, "y": Y}, {"x": X, "label": Y}, {"y": Y, "x": X}, {"x": X, "y": Y, "shift": 1.0}):
        torch.testing.assert_close(mean_loss(system, batch), expected)
    first = PlainSystem(nn.Identity())
    for batch in ({"input": X, "target": Y}, {"input": X, "target": Y}, (X, Y), {"a": X, "y": Y}, {"a": X, "y": Y}):
        torch.testing.assert_close(mean_loss(first, batch), expected)


def test_predicting_needs_no_target() -> None:
    for target in (None, "kind"):
        system = PlainSystem(Two(), target=target)
        torch.testing.assert_close(system.predict_step({"a": X, "b": OTHER})["output"], 2 * (X - OTHER))
    torch.testing.assert_close(PlainSystem(nn.Identity()).predict_step(X)["output"], X)


@dataclass
class Graph:
    """A batch class of a person's own."""

    nodes: Tensor
    label: Tensor


class OfGraph(nn.Module):
    def forward(self, graph: Graph) -> Tensor:
        return graph.nodes


def test_own_batch_classes_go_whole_into_the_model_and_into_a_function_without_a_target_field() -> None:
    batch = Graph(X, Y)
    torch.testing.assert_close(mean_loss(PlainSystem(OfGraph()), batch), functional.cross_entropy(X, Y))
    plain = SimpleNamespace(nodes=X, wanted=OTHER)
    system = PlainSystem(OfGraph(), loss=lambda output, given: ((output - given.wanted) ** 2).mean())
    system.check(plain)
    loss = system.training_step(plain, NOW)
    assert loss.count == 6
    torch.testing.assert_close(loss.mean, functional.mse_loss(X, OTHER))


class Triple(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(3, 2)

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> tuple[Tensor, ...]:
        return self.body(anchor), self.body(positive), self.body(negative)


@pytest.mark.parametrize(
    ("inputs", "batch"),
    [
        (None, {"anchor": X, "positive": OTHER, "negative": -X}),
        (None, (X, OTHER, -X)),
        (None, {"input.0": X, "input.1": OTHER, "target": -X}),
        (["input.0", "input.1"], {"input.0": X, "input.1": OTHER, "target": -X}),
    ],
)
def test_a_loss_without_a_target_leaves_every_part_to_the_model(inputs: Any, batch: Any) -> None:
    system: Any = PlainSystem(Triple(), inputs, "triplet_margin")
    system.check(batch)
    body = system.model.body
    torch.testing.assert_close(mean_loss(system, batch), functional.triplet_margin_loss(body(X), body(OTHER), body(-X)))
    kept = system.evaluation_step(batch, NOW)
    assert system.metrics(kept)["loss"] == pytest.approx(float(mean_loss(system, batch).detach()), rel=1e-5)


class Speech(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(2, 4)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.body(x)
        return found


SOUND, TEXT = torch.randn(3, 7, 2, generator=G), torch.tensor([[1, 2, 3], [3, 1, 0], [2, 0, 0]])
LENGTHS = (torch.tensor([7, 6, 5]), torch.tensor([3, 2, 1]))


@pytest.mark.parametrize(
    ("loss", "batch", "target"),
    [
        ({}, {"x": SOUND, "text": TEXT, "input_lengths": LENGTHS[0], "target_lengths": LENGTHS[1]}, "text"),
        (
            {"inputs": {"input_lengths": "frames", "target_lengths": "letters"}},
            {"sound": SOUND, "text": TEXT, "frames": LENGTHS[0], "letters": LENGTHS[1]},
            "text",
        ),
        ({"inputs": {"input_lengths": 2, "target_lengths": 3}}, (SOUND, TEXT, *LENGTHS), 1),
    ],
)
def test_ctc_takes_its_lengths_from_the_batch_and_the_model_does_not(loss: Any, batch: Any, target: Any) -> None:
    system: Any = PlainSystem(Speech(), loss={"type": "ctc", "batch_first": True, "log_softmax": True, **loss}, target=target)
    system.check(batch)
    log_probs = system.model(SOUND).log_softmax(-1).transpose(0, 1)
    torch.testing.assert_close(mean_loss(system, batch), functional.ctc_loss(log_probs, TEXT, *LENGTHS))


class Named(nn.Module):
    def __init__(self, model_type: type) -> None:
        super().__init__()
        self.body, self.kind = nn.Linear(3, 3), model_type

    def forward(self, x: Tensor) -> Any:
        return {"logits": self.body(x), "aux": x} if self.kind is dict else (self.body(x), x)


@pytest.mark.parametrize("kind", [dict, tuple])
def test_models_that_give_several_outputs_are_measured_by_the_one_the_loss_reads(kind: type) -> None:
    system: Any = PlainSystem(Named(kind), loss="cross_entropy", metrics=["accuracy"])
    batch = {"x": X, "y": Y}
    kept = system.evaluation_step(batch, NOW)
    found = system.metrics(kept)
    logits = system.model.body(X)
    assert found["loss"] == pytest.approx(functional.cross_entropy(logits, Y).item(), rel=1e-5)
    assert found["accuracy"] == pytest.approx((logits.argmax(1) == Y).float().mean().item())
    given = {"logits", "aux"} if kind is dict else {"0", "1"}
    assert set(system.predict_step(batch)) == given


def test_the_loss_over_batches_counts_items_and_not_batches() -> None:
    weights = [1.0, 5.0, 0.1]
    system = PlainSystem(nn.Identity(), loss={"type": "cross_entropy", "weight": weights}, metrics={})
    parts = [system.evaluation_step((X[a:b], Y[a:b]), NOW) for a, b in ((0, 2), (2, 6))]
    joined = {name: torch.cat([each[name] for each in parts]) for name in parts[0]}
    assert system.metrics(joined)["loss"] == pytest.approx(functional.cross_entropy(X, Y, torch.tensor(weights)).item(), rel=1e-5)
    images = torch.randn(4, 3, 5, 5, generator=G)
    labels = torch.randint(0, 3, (4, 5, 5), generator=G)
    labels[0] = -100
    parts = [system.evaluation_step((images[a:b], labels[a:b]), NOW) for a, b in ((0, 1), (1, 4))]
    joined = {name: torch.cat([each[name] for each in parts]) for name in parts[0]}
    expected = functional.cross_entropy(images, labels, torch.tensor(weights)).item()
    assert system.metrics(joined)["loss"] == pytest.approx(expected, rel=1e-5)


def test_balanced_weights_come_from_all_training_rows() -> None:
    system: Any = PlainSystem(nn.Linear(3, 3), ["input"], {"type": "cross_entropy", "weight": "balanced"})
    rows = TensorRows({"input": X.repeat(900, 1), "target": torch.tensor([0, 0, 0, 1, 1, 2]).repeat(900)})
    system.check(rows.take(torch.arange(2)))
    system.fit_targets(rows)
    torch.testing.assert_close(system.criterion.class_weight, torch.tensor([6 / 9, 1.0, 2.0]))
    assert "criterion.class_weight" in system.state_dict()


def test_a_sigmoid_before_a_loss_of_logits_is_refused() -> None:
    target = torch.tensor([[0.0], [1.0]])
    system = PlainSystem(nn.Sequential(nn.Linear(3, 1), nn.Sigmoid()), ["input"], "bce_with_logits")
    with pytest.raises(DataError, match="the model ends in sigmoid, and the loss is bce_with_logits") as error:
        system.check({"input": X[:2], "target": target})
    assert "use bce" in error.value.fix
    PlainSystem(nn.Sequential(nn.Linear(3, 1), nn.Sigmoid()), ["input"], "bce").check({"input": X[:2], "target": target})


def test_a_model_that_cannot_take_the_batch_is_told_by_what_names() -> None:
    with pytest.raises(DataError, match="the model does not take these rows") as error:
        PlainSystem(Two()).check({"a": X, "b": torch.randn(6, 2), "y": Y})
    assert "a, b by these names" in error.value.fix and "a (6, 3) float32, b (6, 2) float32" in error.value.where


def test_checking_changes_neither_modes_nor_random_numbers() -> None:
    model: Any = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))
    model[1].eval()
    before = torch.get_rng_state()
    PlainSystem(model).check((X, Y))
    assert torch.equal(before, torch.get_rng_state())
    assert model[0].training and not model[1].training and int(model[1].num_batches_tracked) == 0
