from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from core_losses import PARTS
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.config.errors import ConfigError
from trainwright.config.model import PartConfig
from trainwright.config.registry import options_class
from trainwright.features.spec import TargetSpec
from trainwright.losses.base import Criterion, Reduction, reduce_items
from trainwright.losses.build import criterion
from trainwright.losses.options import (
    AsymmetricOptions,
    BCEWithLogitsOptions,
    CrossEntropyOptions,
    FocalOptions,
    HuberOptions,
    L1Options,
    LabelSmoothingCrossEntropyOptions,
    MSEOptions,
    MultiLabelSoftMarginOptions,
    MultiMarginOptions,
    SmoothL1Options,
)
from trainwright.losses.rows import RowLoss
from trainwright.losses.shared_options import CriterionOptions
from trainwright.systems.row_losses import make_loss

ROWS, MEMBERS = 6, 3


def target(kind: str, width: int, weights: list[float] | None = None) -> TargetSpec:
    return TargetSpec("t", kind, width, class_weights=weights)


def drawn(kind: str, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(width)
    output = torch.randn(ROWS, width, generator=generator)
    if kind in ("binary", "category"):
        return output, torch.randint(0, max(width, 2), (ROWS,), generator=generator)
    if kind == "set":
        return output, torch.randint(0, 2, (ROWS, width), generator=generator).to(torch.float32)
    return output, torch.randn(*((ROWS,) if kind == "number" else (ROWS, width)), generator=generator)


def focal_of_labels(p: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Lin et al. 2017, eq. 5, alpha 0.25 and gamma 2."""
    return -(0.25 * t * (1 - p) ** 2 * p.log() + 0.75 * (1 - t) * p**2 * (1 - p).log())


WEIGHTS = torch.tensor([0.5, 2.0, 1.0])
REFERENCES: list[tuple[PartConfig, str, int, list[float] | None, Any]] = [
    (BCEWithLogitsOptions(), "binary", 1, None, lambda o, t: F.binary_cross_entropy(o[:, 0].sigmoid(), t.float(), reduction="none")),
    (
        BCEWithLogitsOptions(label_smoothing=0.2),
        "binary",
        1,
        [0.5, 2.0],
        lambda o, t: F.binary_cross_entropy(o[:, 0].sigmoid(), t * 0.8 + 0.1, reduction="none") * WEIGHTS[t],
    ),
    (CrossEntropyOptions(), "category", 3, None, lambda o, t: F.nll_loss(o.softmax(1).log(), t, reduction="none")),
    (
        CrossEntropyOptions(label_smoothing=0.1),
        "category",
        3,
        WEIGHTS.tolist(),
        lambda o, t: -((F.one_hot(t, 3) * 0.9 + 0.1 / 3) * WEIGHTS * o.softmax(1).log()).sum(1),
    ),
    (FocalOptions(gamma=0.0), "category", 3, None, lambda o, t: F.cross_entropy(o, t, reduction="none")),
    (FocalOptions(gamma=0.0), "binary", 1, None, lambda o, t: F.binary_cross_entropy(o[:, 0].sigmoid(), t.float(), reduction="none")),
    (
        FocalOptions(gamma=2.0),
        "category",
        3,
        WEIGHTS.tolist(),
        lambda o, t: -WEIGHTS[t] * (1 - o.softmax(1)[range(ROWS), t]) ** 2 * o.softmax(1)[range(ROWS), t].log(),
    ),
    (MSEOptions(), "number", 1, None, lambda o, t: F.mse_loss(o[:, 0], t, reduction="none")),
    (MSEOptions(), "vector", 4, None, lambda o, t: F.mse_loss(o, t, reduction="none").mean(1)),
    (L1Options(), "number", 1, None, lambda o, t: F.l1_loss(o[:, 0], t, reduction="none")),
    (L1Options(), "vector", 1, None, lambda o, t: F.l1_loss(o, t, reduction="none").mean(1)),
    (HuberOptions(delta=0.5), "vector", 4, None, lambda o, t: F.huber_loss(o, t, delta=0.5, reduction="none").mean(1)),
    (
        BCEWithLogitsOptions(),
        "set",
        3,
        WEIGHTS.tolist(),
        lambda o, t: F.binary_cross_entropy(o.sigmoid(), t.float(), weight=1 + (WEIGHTS - 1) * t, reduction="none").mean(1),
    ),
    (
        BCEWithLogitsOptions(label_smoothing=0.2),
        "set",
        3,
        None,
        lambda o, t: F.binary_cross_entropy(o.sigmoid(), t * 0.8 + 0.1, reduction="none").mean(1),
    ),
    (
        BCEWithLogitsOptions(reduction="batchmean"),
        "set",
        3,
        None,
        lambda o, t: F.binary_cross_entropy(o.sigmoid(), t, reduction="none").sum(1),
    ),
    (MSEOptions(reduction="batchmean"), "vector", 4, None, lambda o, t: F.mse_loss(o, t, reduction="none").sum(1)),
    (SmoothL1Options(beta=0.5), "number", 1, None, lambda o, t: F.smooth_l1_loss(o[:, 0], t, beta=0.5, reduction="none")),
    (
        LabelSmoothingCrossEntropyOptions(smoothing=0.2),
        "category",
        3,
        None,
        lambda o, t: -((F.one_hot(t, 3) * 0.8 + 0.2 / 3) * o.log_softmax(1)).sum(1),
    ),
    (
        MultiMarginOptions(margin=0.5),
        "category",
        3,
        WEIGHTS.tolist(),
        lambda o, t: F.multi_margin_loss(o, t, margin=0.5, weight=WEIGHTS, reduction="none"),
    ),
    (
        MultiLabelSoftMarginOptions(),
        "set",
        3,
        None,
        lambda o, t: F.multilabel_soft_margin_loss(o, t, reduction="none"),
    ),
    (
        FocalOptions(gamma=2.0, alpha=0.25),
        "set",
        3,
        None,
        lambda o, t: focal_of_labels(o.sigmoid(), t).mean(1),
    ),
    (
        AsymmetricOptions(gamma_neg=2.0, gamma_pos=0.0, clip=0.0),
        "set",
        3,
        None,
        lambda o, t: -(t * o.sigmoid().log() + (1 - t) * o.sigmoid() ** 2 * (1 - o.sigmoid()).log()).mean(1),
    ),
]


def name(value: object) -> str:
    return value.type if isinstance(value, PartConfig) else str(value) if isinstance(value, str) else ""


@pytest.mark.parametrize(("options", "kind", "width", "weights", "reference"), REFERENCES, ids=name)
def test_a_loss_equals_its_formula_row_by_row(
    options: PartConfig, kind: str, width: int, weights: list[float] | None, reference: Any
) -> None:
    loss = make_loss(options, target(kind, width, weights))
    output, truth = drawn(kind, width)
    torch.testing.assert_close(loss(output, truth), reference(output, truth))


@pytest.mark.parametrize(("options", "kind", "width", "weights", "reference"), REFERENCES, ids=name)
def test_the_loss_of_members_is_the_mean_of_each_members_loss(
    options: PartConfig, kind: str, width: int, weights: list[float] | None, reference: Any
) -> None:
    loss = make_loss(options, target(kind, width, weights))
    _, truth = drawn(kind, width)
    output = torch.randn(ROWS, MEMBERS, width)
    rows = loss(output, truth)
    assert rows.shape == (ROWS,)
    torch.testing.assert_close(rows, torch.stack([loss(output[:, k], truth) for k in range(MEMBERS)]).mean(0))
    torch.testing.assert_close(loss.total(output, truth), rows.sum())
    torch.testing.assert_close(loss.total(output[:, 0], truth), loss(output[:, 0], truth).sum())


def test_every_loss_that_is_for_columns_is_compared_here() -> None:
    assert {case[0].type for case in REFERENCES} == {name for name, part in PARTS.items() if set(part.kinds) - {"mask"}}


@settings(max_examples=30, deadline=None)
@given(st.floats(-80, 80), st.integers(0, 1), st.floats(0, 4))
def test_focal_loss_and_its_gradient_are_finite_for_any_logit(logit: float, truth: int, gamma: float) -> None:
    output = torch.tensor([[logit]], requires_grad=True)
    rows = make_loss(FocalOptions(gamma=gamma), target("binary", 1))(output, torch.tensor([truth]))
    rows.sum().backward()
    assert rows.isfinite().all()
    assert output.grad is not None
    assert output.grad.isfinite().all()


def test_binary_cross_entropy_refuses_two_outputs() -> None:
    with pytest.raises(ConfigError, match="one output"):
        make_loss(BCEWithLogitsOptions(), target("binary", 2))


class Cubed(Criterion):
    """|output − truth|³, as a loss of one's own."""

    def __init__(self, options: CriterionOptions) -> None:
        super().__init__(options)

    def compute(self, reduction: Reduction, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return reduce_items((output - target).abs().pow(3), reduction)

    def count(self, output: torch.Tensor, target: torch.Tensor) -> int:
        return output.numel()


class Scaled(RowLoss):
    """A loss of one's own that is made for its target."""

    def __init__(self, options: CriterionOptions, target: TargetSpec) -> None:
        super().__init__(options, target)
        self.width = target.width

    def each(self, output: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        return (output - truth).square().mean(-1) * self.width


def test_losses_of_ones_own_are_taken_per_row_whatever_they_are_made_of() -> None:
    output, truth = torch.randn(ROWS, MEMBERS, 4), torch.randn(ROWS, 4)
    error = output - truth.unsqueeze(1)
    for name, expected in (("Cubed", error.abs().pow(3).mean((1, 2))), ("Scaled", 4 * error.square().mean((1, 2)))):
        path = f"{__file__}:{name}"
        loss = make_loss(options_class("loss", path).model_validate({"type": path}), target("vector", 4))
        torch.testing.assert_close(loss(output, truth), expected)
        torch.testing.assert_close(loss.total(output, truth), expected.sum())
    torch.testing.assert_close(criterion(f"{__file__}:Cubed")(output[:, 0], truth), error[:, 0].abs().pow(3).mean())


@pytest.mark.parametrize("kind", ["binary", "angle"])
def test_a_target_of_a_type_of_ones_own_is_read_as_its_loss_reads(kind: str) -> None:
    width = 1 if kind == "binary" else 3
    output, truth = torch.randn(ROWS, MEMBERS, width), torch.randint(0, 2, (ROWS, *(() if kind == "binary" else (width,))))
    rows = make_loss(BCEWithLogitsOptions(), target(kind, width))(output, truth)
    facts = truth.view(ROWS, 1, width).expand_as(output).float()
    torch.testing.assert_close(rows, F.binary_cross_entropy_with_logits(output, facts, reduction="none").mean((1, 2)))
    classes = make_loss(CrossEntropyOptions(), target("angle", 3))
    many, index = torch.randn(ROWS, MEMBERS, 3), torch.randint(0, 3, (ROWS,))
    expected = F.cross_entropy(many.flatten(0, 1), index.repeat_interleave(MEMBERS), reduction="none").view(ROWS, MEMBERS).mean(1)
    torch.testing.assert_close(classes(many, index), expected)
    torch.testing.assert_close(classes.total(many, index), expected.sum())
