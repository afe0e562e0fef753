from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.config.errors import ConfigError
from trainwright.config.model import PartConfig
from trainwright.config.registry import build
from trainwright.features.spec import TargetSpec
from trainwright.nn import losses
from trainwright.nn.decoders import LinearDecoderOptions, MLPDecoderOptions
from trainwright.nn.losses import (
    BinaryCrossEntropyOptions,
    CrossEntropyOptions,
    FocalOptions,
    HuberOptions,
    MAEOptions,
    MSEOptions,
    SigmoidCrossEntropyOptions,
)

ROWS, MEMBERS = 6, 3


def target(kind: str, width: int, weights: list[float] | None = None) -> TargetSpec:
    return TargetSpec("t", kind, width, class_weights=weights)


def drawn(kind: str, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(width)
    output = torch.randn(ROWS, width, generator=generator)
    if kind in ("binary", "category"):
        return output, torch.randint(0, max(width, 2), (ROWS,), generator=generator)
    if kind == "set":
        return output, torch.randint(0, 2, (ROWS, width), generator=generator).to(torch.uint8)
    return output, torch.randn(*((ROWS,) if kind == "number" else (ROWS, width)), generator=generator)


WEIGHTS = torch.tensor([0.5, 2.0, 1.0])
REFERENCES: list[tuple[PartConfig, str, int, list[float] | None, Any]] = [
    (BinaryCrossEntropyOptions(), "binary", 1, None, lambda o, t: F.binary_cross_entropy(o[:, 0].sigmoid(), t.float(), reduction="none")),
    (
        BinaryCrossEntropyOptions(label_smoothing=0.2),
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
    (MAEOptions(), "number", 1, None, lambda o, t: F.l1_loss(o[:, 0], t, reduction="none")),
    (MAEOptions(), "vector", 1, None, lambda o, t: F.l1_loss(o, t, reduction="none").mean(1)),
    (HuberOptions(delta=0.5), "vector", 4, None, lambda o, t: F.huber_loss(o, t, delta=0.5, reduction="none").mean(1)),
    (
        SigmoidCrossEntropyOptions(),
        "set",
        3,
        WEIGHTS.tolist(),
        lambda o, t: F.binary_cross_entropy(o.sigmoid(), t.float(), weight=1 + (WEIGHTS - 1) * t, reduction="none").mean(1),
    ),
]


def name(value: object) -> str:
    return value.type if isinstance(value, PartConfig) else str(value) if isinstance(value, str) else ""


@pytest.mark.parametrize(("options", "kind", "width", "weights", "reference"), REFERENCES, ids=name)
def test_a_loss_equals_its_formula_row_by_row(
    options: PartConfig, kind: str, width: int, weights: list[float] | None, reference: Any
) -> None:
    loss = build("loss", options, target=target(kind, width, weights))
    output, truth = drawn(kind, width)
    torch.testing.assert_close(loss(output, truth), reference(output, truth))


@pytest.mark.parametrize(("options", "kind", "width", "weights", "reference"), REFERENCES, ids=name)
def test_the_loss_of_members_is_the_mean_of_each_members_loss(
    options: PartConfig, kind: str, width: int, weights: list[float] | None, reference: Any
) -> None:
    loss = build("loss", options, target=target(kind, width, weights))
    _, truth = drawn(kind, width)
    output = torch.randn(ROWS, MEMBERS, width)
    rows = loss(output, truth)
    assert rows.shape == (ROWS,)
    torch.testing.assert_close(rows, torch.stack([loss(output[:, k], truth) for k in range(MEMBERS)]).mean(0))
    torch.testing.assert_close(loss.total(output, truth), rows.sum())
    torch.testing.assert_close(loss.total(output[:, 0], truth), loss(output[:, 0], truth).sum())


def test_every_registered_loss_is_compared_here() -> None:
    assert {case[0].type for case in REFERENCES} == set(losses.PARTS)


@settings(max_examples=30, deadline=None)
@given(st.floats(-80, 80), st.integers(0, 1), st.floats(0, 4))
def test_focal_loss_and_its_gradient_are_finite_for_any_logit(logit: float, truth: int, gamma: float) -> None:
    output = torch.tensor([[logit]], requires_grad=True)
    rows = build("loss", FocalOptions(gamma=gamma), target=target("binary", 1))(output, torch.tensor([truth]))
    rows.sum().backward()
    assert rows.isfinite().all()
    assert output.grad is not None
    assert output.grad.isfinite().all()


def test_binary_cross_entropy_refuses_two_outputs() -> None:
    with pytest.raises(ConfigError, match="one output"):
        build("loss", BinaryCrossEntropyOptions(), target=target("binary", 2))


@pytest.mark.parametrize("options", [LinearDecoderOptions(), MLPDecoderOptions(width=8, dropout=0.1)], ids=name)
@pytest.mark.parametrize("members", [1, 3])
def test_a_decoder_gives_each_member_the_targets_outputs(options: PartConfig, members: int) -> None:
    decoder = build("decoder", options, width=5, members=members, target=target("category", 4)).eval()
    x = torch.randn(2, 5) if members == 1 else torch.randn(2, members, 5)
    assert decoder(x).shape == ((2, 4) if members == 1 else (2, members, 4))
    if members > 1:
        moved = x.clone()
        moved[:, 1] += 1
        changed = (decoder(moved) != decoder(x)).any(dim=2).any(dim=0).tolist()
        assert changed == [False, True, False]
