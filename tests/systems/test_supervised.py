from __future__ import annotations

import copy
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent.parent / "nn"))
from groups import ALL_GROUPS, ALL_TARGETS, batch_of, categories, draw, numbers, vector

from trainwright.config.errors import ConfigError
from trainwright.engine.system import StepContext
from trainwright.engine.system import System as TrainerSystem
from trainwright.features.spec import DataSpec, InputGroup, TargetSpec
from trainwright.nn.combiners import PARTS as COMBINERS
from trainwright.systems.base import System, build_system, seed_generators
from trainwright.systems.config import SupervisedConfig
from trainwright.systems.readout import join_members, original_units
from trainwright.systems.supervised import SupervisedSystem
from trainwright.systems.updating import Tree

MOMENT = StepContext(0, 0, 0.0, torch.default_generator)
SPEC = DataSpec([numbers(missing=True), categories()], ALL_TARGETS[1:2], 200)


def system(spec: DataSpec, seed: int = 0, **config: Any) -> SupervisedSystem:
    made = SupervisedSystem(SupervisedConfig.model_validate(config))
    build_system(made, spec, seed)
    return made


def test_it_is_what_the_trainer_asks_for() -> None:
    assert isinstance(system(SPEC), TrainerSystem)


@pytest.mark.parametrize("combiner", list(COMBINERS))
def test_steps_of_training_lower_the_loss(combiner: str) -> None:
    made = system(SPEC, combiner=combiner).train()
    batch = batch_of(SPEC, 64)
    optimizer = torch.optim.Adam(made.parameters(), lr=3e-3)
    losses = []
    for _ in range(15):
        loss = made.training_step(batch, MOMENT)
        losses.append(loss.total.item() / int(loss.count))
        optimizer.zero_grad()
        (loss.total / loss.count).backward()
        assert all(p.grad is None or p.grad.isfinite().all() for p in made.parameters())
        optimizer.step()
    assert losses[-1] < losses[0] - 0.02


@pytest.mark.parametrize("combiner", list(COMBINERS))
def test_the_loss_of_a_batch_is_the_sum_over_its_pieces(combiner: str) -> None:
    spec = DataSpec(ALL_GROUPS, ALL_TARGETS, 200)
    made = system(spec, combiner=combiner).train()
    for module in made.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        elif hasattr(module, "dropout") and isinstance(module.dropout, float):
            module.dropout = 0.0
    batch = batch_of(spec, 10)
    pieces = [{key: values[rows] for key, values in batch.items()} for rows in (slice(0, 3), slice(3, 4), slice(4, 10))]
    gradients = []
    for parts in ([batch], pieces):
        made.zero_grad()
        for part in parts:
            made.training_step(part, MOMENT).total.backward()
        gradients.append({name: p.grad.clone() for name, p in made.named_parameters() if p.grad is not None})
    for name, whole in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], whole, atol=1e-4, rtol=1e-3)


def test_equal_seeds_give_equal_weights_and_leave_the_generator_alone() -> None:
    torch.manual_seed(5)
    before = torch.default_generator.get_state()
    first = system(SPEC, seed=3).state_dict()
    assert torch.equal(torch.default_generator.get_state(), before)
    torch.rand(7)
    second, third = system(SPEC, seed=3).state_dict(), system(SPEC, seed=4).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(not torch.equal(first[key], third[key]) for key in first)


def test_a_seeded_block_restores_the_generator_after_an_error() -> None:
    before = torch.default_generator.get_state()
    with pytest.raises(ZeroDivisionError), seed_generators(1):
        torch.rand(3)
        _ = 1 / 0
    assert torch.equal(torch.default_generator.get_state(), before)


@pytest.mark.parametrize("combiner", ["auto", "tabnet", "transformer"])
def test_weights_go_through_a_state_dict_unchanged(combiner: str) -> None:
    spec = DataSpec(ALL_GROUPS, ALL_TARGETS, 200)
    first, second = system(spec, 0, combiner=combiner).eval(), system(spec, 1, combiner=combiner).eval()
    batch = batch_of(spec, 7)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    one, two = first.predict_step(batch), second.predict_step(batch)
    assert all(torch.equal(one[key], two[key]) for key in one)
    stored = [tensor for tensor in first.state_dict().values() if tensor.numel()]
    assert len({tensor.data_ptr() for tensor in stored}) == len(stored)


def test_evaluation_gives_scores_truth_and_loss_of_every_target_rows_first() -> None:
    spec = DataSpec(ALL_GROUPS, ALL_TARGETS, 200)
    made = system(spec).eval()
    batch = batch_of(spec, 9)
    with torch.no_grad():
        outputs = made.evaluation_step(batch, MOMENT)
    for target in ALL_TARGETS:
        assert outputs[f"{target.name}.loss"].shape == (9,)
        assert len(outputs[f"{target.name}.truth"]) == 9
    for name in ("alive", "kind"):
        torch.testing.assert_close(outputs[f"{name}.scores"].sum(1), torch.ones(9))
    assert outputs["alive.scores"].shape == (9, 2)
    assert outputs["price.scores"].shape == (9,)
    assert outputs["place.scores"].shape == (9, 2)
    torch.testing.assert_close(outputs["price.truth"], batch["target.price"].double() * 2 + 10)
    torch.testing.assert_close(outputs["place.truth"], batch["target.place"].double() * torch.tensor([3.0, 4.0]) + torch.tensor([1.0, 2.0]))
    assert set(made.predict_step({key: value for key, value in batch.items() if not key.startswith("target.")})) == {
        f"{target.name}.scores" for target in ALL_TARGETS
    }


def test_metrics_of_training_outputs_equal_those_of_evaluation() -> None:
    spec = DataSpec(ALL_GROUPS[:2], ALL_TARGETS, 200)
    made = system(spec).eval()
    batch = batch_of(spec, 40)
    with torch.no_grad():
        training, evaluation = made.training_step(batch, MOMENT).outputs, made.evaluation_step(batch, MOMENT)
    one, two = made.metrics(training), made.metrics(evaluation)
    assert one == two
    assert set(one) == set(made.metric_names())
    assert math.isfinite(one["loss"])
    assert made.higher_is_better("kind.accuracy")
    assert not made.higher_is_better("loss")


def test_without_members_the_loss_of_training_is_the_loss_of_evaluation() -> None:
    targets = [replace(target, weight=weight) for target, weight in zip(ALL_TARGETS, [1.0, 0.5, 2.0, 0.0, 1.0], strict=True)]
    spec = DataSpec(ALL_GROUPS[:2], targets, 200)
    made = system(spec, combiner="mlp").eval()
    batch = batch_of(spec, 12)
    loss = made.training_step(batch, MOMENT)
    with torch.no_grad():
        value = made.metrics(made.evaluation_step(batch, MOMENT))["loss"]
    assert loss.total.item() / 12 == pytest.approx(value, rel=1e-5)
    assert sum(float(part) for part in loss.parts.values()) == pytest.approx(loss.total.item(), rel=1e-5)


def mean_probability(kind: str, output: Tensor) -> Tensor:
    return output.softmax(2).mean(1) if kind == "category" else output.sigmoid().mean(1)


@pytest.mark.parametrize("kind", ["category", "set", "binary"])
def test_members_are_joined_by_the_mean_of_their_probabilities(kind: str) -> None:
    output = torch.randn(5, 4, 1 if kind == "binary" else 3, dtype=torch.float64) * 4
    joined = join_members(kind, output)
    got = joined.softmax(1) if kind == "category" else joined.sigmoid()
    torch.testing.assert_close(got, mean_probability(kind, output))
    torch.testing.assert_close(join_members("number", output), output.mean(1))


def test_joining_survives_extreme_logits() -> None:
    output = torch.tensor([[[200.0], [-200.0]]])
    assert join_members("binary", output).abs().item() < 1e-3
    assert join_members("category", torch.tensor([[[300.0, 0.0], [300.0, 0.0]]])).isfinite().all()


def test_a_log_scale_is_undone_in_double_precision() -> None:
    values = np.array([0.0, 10.0, 1e6, -0.5])
    logged = np.where(values < 0, values, np.log1p(np.maximum(values, 0)))
    encoded = torch.tensor((logged - 5.0) / 2.0)
    torch.testing.assert_close(
        original_units(encoded, {"mean": 5.0, "std": 2.0, "transform": "log"}), torch.tensor(values), rtol=1e-9, atol=1e-9
    )


def test_groups_tied_by_name_share_their_weights() -> None:
    tied = [InputGroup(name, "category", [name], None, {"index": (1,)}, sizes=[50], tied="who") for name in ("sender", "receiver")]
    made = system(DataSpec(tied, ALL_TARGETS[:1], 100), encoders={"category": {"type": "embedding", "width": 4}})
    assert len(made.encoders) == 1
    assert len([key for key in made.state_dict() if key.startswith("encoders")]) == 1
    pair = InputGroup("who", "category", ["sender", "receiver"], None, {"index": (2,)}, sizes=[50, 50], tied="who")
    joined = system(DataSpec([pair], ALL_TARGETS[:1], 100), encoders={"category": {"type": "embedding", "width": 4}})
    index = torch.randint(0, 50, (6, 2))
    joined.load_state_dict(made.state_dict())
    one = made.predict_step({"sender.index": index[:, :1], "receiver.index": index[:, 1:]})
    two = joined.predict_step({"who.index": index})
    torch.testing.assert_close(one, two)


def test_a_columns_own_encoder_decoder_and_loss_are_used() -> None:
    from trainwright.losses.options import CrossEntropyOptions
    from trainwright.nn.decoders import MLPDecoderOptions
    from trainwright.nn.encoders import PeriodicOptions

    group = replace(numbers(), encoder=PeriodicOptions(width=5))
    target = replace(ALL_TARGETS[0], decoder=MLPDecoderOptions(width=7), loss=CrossEntropyOptions())
    made = system(DataSpec([group], [target], 100), combiner="concat")
    assert made.encoders[0].width == 5
    assert made.predict_step(batch_of(made.spec, 3))["alive.scores"].shape == (3, 2)
    assert type(made.losses[0].loss).__name__ == "CrossEntropy"


def test_a_plain_network_on_a_vector_is_exactly_its_two_matrices() -> None:
    target = TargetSpec("digit", "category", 10, [str(i) for i in range(10)])
    spec = DataSpec([vector(64)], [target], 100)
    made = system(spec, combiner={"type": "concat", "depth": 1, "width": 128})
    assert sum(p.numel() for p in made.parameters()) == 64 * 128 + 128 + 128 * 10 + 10
    batch = batch_of(spec, 5)
    first, second = made.combiner.layers.linears[0], made.decoders[0].layer
    logits = (batch["vector.value"][:, 0] @ first.weight.T + first.bias).relu() @ second.weight.T + second.bias
    expected = torch.nn.functional.cross_entropy(logits, batch["target.digit"], reduction="sum")
    torch.testing.assert_close(made.training_step(batch, MOMENT).total, expected)


def test_modules_that_follow_the_run_are_told_the_moment() -> None:
    class Fading(torch.nn.Module):
        def update_step(self, context: StepContext) -> None:
            self.seen = context.step

    class Small(System):
        def build(self, spec: Any) -> None:
            self.inner = torch.nn.Sequential(Fading())

    made = Small()
    build_system(made, None)
    Tree(made).update_step(StepContext(7, 0, 0.5, torch.default_generator))
    assert made.inner[0].seen == 7


def test_missing_blocks_are_read_only_where_a_group_has_them() -> None:
    spec = DataSpec([numbers()], ALL_TARGETS[:1], 100)
    made = system(spec)
    assert set(draw(numbers(), 2)) == {"value"}
    assert made.predict_step({"number.value": torch.zeros(2, 3)})["alive.scores"].shape == (2, 2)


class Gaussian(torch.nn.Module):
    """An encoder that announces nothing: radial bases of every number."""

    def __init__(self, centers: int = 4) -> None:
        super().__init__()
        self.centers = torch.nn.Parameter(torch.linspace(-2, 2, centers))

    def forward(self, parts: dict[str, Tensor]) -> Tensor:
        return (parts["value"].unsqueeze(-1) - self.centers).square().neg().exp().flatten(1)


class Twice(torch.nn.Module):
    """A combiner that announces nothing: two members."""

    def __init__(self, shapes: list[tuple[int, int]]) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(sum(tokens * width for tokens, width in shapes), 5)

    def forward(self, encoded: list[Tensor]) -> Tensor:
        x = self.layer(torch.cat([group.flatten(1) for group in encoded], dim=1))
        return torch.stack([x, -x], dim=1)


class Scalar(torch.nn.Module):
    """A combiner that forgets the rows."""

    def __init__(self) -> None:
        super().__init__()

    def forward(self, encoded: list[Tensor]) -> Tensor:
        return encoded[0].sum()


def test_parts_named_by_path_need_not_announce_their_shapes() -> None:
    file = f"{__file__}:"
    targets = [
        replace(ALL_TARGETS[1], loss=loss_at("torch.nn.CrossEntropyLoss")),
        replace(ALL_TARGETS[2], loss=loss_at("torch.nn.SmoothL1Loss", beta=0.5)),
        replace(ALL_TARGETS[4], loss=loss_at("torch.nn.BCEWithLogitsLoss")),
    ]
    spec = DataSpec([numbers()], targets, 100)
    made = system(spec, combiner=file + "Twice", encoders={"number": {"type": file + "Gaussian", "centers": 6}})
    assert made.encoders[0].width == 18
    assert (made.combiner.width, made.combiner.members) == (5, 2)
    batch = batch_of(spec, 8)
    loss = made.training_step(batch, MOMENT)
    loss.total.backward()
    assert made.encoders[0].part.centers.grad is not None
    hidden = made.encode(batch)
    for head, reference in zip(made.heads, ("cross_entropy", "smooth_l1_loss", "binary_cross_entropy_with_logits"), strict=True):
        output, truth = head.decoder(hidden), batch[head.truth]
        options = {"beta": 0.5} if reference == "smooth_l1_loss" else {}
        each = getattr(torch.nn.functional, reference)
        facts = truth.float() if head.target.kind == "set" else truth
        members = [each(output[:, k].squeeze(1), facts, **options) for k in range(2)]
        torch.testing.assert_close(loss.parts[head.name] / 8, torch.stack(members).mean())


def loss_at(path: str, **values: Any) -> Any:
    from trainwright.config.registry import options_class

    return options_class("loss", path).model_validate({"type": path, **values})


def test_a_part_named_by_path_that_gives_no_rows_is_refused() -> None:
    with pytest.raises(ConfigError, match="gives"):
        system(DataSpec([numbers()], ALL_TARGETS[:1], 100), combiner=f"{__file__}:Scalar")
    with pytest.raises(ConfigError, match="cannot be called"):
        system(DataSpec([categories()], ALL_TARGETS[:1], 100), encoders={"category": f"{__file__}:Gaussian"})
    with pytest.raises(ConfigError, match="one number per row"):
        made = system(DataSpec([numbers()], [replace(ALL_TARGETS[2], loss=loss_at(f"{__file__}:Total"))], 100))
        made.training_step(batch_of(made.spec, 3), MOMENT)


class Total(torch.nn.Module):
    """A loss that forgets the rows."""

    def forward(self, output: Tensor, truth: Tensor) -> Tensor:
        return (output - truth).sum()
