"""A sigmoid or softmax that would be taken twice, or is missing, is seen before the first step; what only looks like one is not."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import trainwright as tw
from trainwright.config.errors import DataError
from trainwright.losses.activations import LossInputs, find_activation

X = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))
LABELS = (X[:, :3] > 0).float()
CLASSES = X[:, :3].argmax(1)


class Net(nn.Module):
    """A layer, and then a function."""

    def __init__(self, last: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.layer, self.last = nn.Linear(8, 3), last

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.layer(x))


def fit(model: nn.Module, y: Tensor, place: Path, loss: Any) -> str:
    torch.manual_seed(0)
    tw.fit(model, (X, y), loss=loss, max_steps=1, run_dir=place / "run", console=False)
    return (place / "run" / "log.txt").read_text()


MOVED: dict[str, Callable[[Tensor], Tensor]] = {
    "as it is": lambda x: x.sigmoid(),
    "reshaped": lambda x: x.sigmoid().view(-1, 1).reshape(-1, 3),
    "cut": lambda x: torch.clamp(x.sigmoid(), 1e-6, 1 - 1e-6),
    "joined": lambda x: torch.cat([x[:, :1].sigmoid(), x[:, 1:].sigmoid()], dim=1),
    "hard": functional.hardsigmoid,
    "in logarithms": functional.logsigmoid,
}


@pytest.mark.parametrize("how", MOVED)
@pytest.mark.parametrize("loss", ["bce_with_logits", "multi_label_soft_margin", "focal", "asymmetric"])
def test_a_sigmoid_in_the_forward_is_refused_before_logits(how: str, loss: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="and the loss is") as error:
        fit(Net(MOVED[how]), LABELS, tmp_path, loss)
    assert "twice" in error.value.why and "check_values: false" in error.value.fix
    assert not (tmp_path / "run").exists()


def test_a_sigmoid_before_dice_is_refused_unless_dice_takes_probabilities(tmp_path: Path) -> None:
    images, masks = X.view(64, 1, 2, 4), (X > 0).float().view(64, 1, 2, 4)
    model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Sigmoid())
    with pytest.raises(DataError, match="the model ends in sigmoid, and the loss is dice"):
        tw.fit(model, (images, masks), loss="dice", max_steps=1, run_dir=tmp_path / "run", console=False)
    told = {"type": "dice", "activation": "none"}
    tw.fit(model, (images, masks), loss=told, max_steps=1, run_dir=tmp_path / "run", console=False)


@pytest.mark.parametrize("loss", ["cross_entropy", "focal", {"type": "cross_entropy", "label_smoothing": 0.1}])
def test_softmax_and_sigmoid_are_refused_before_class_logits(loss: Any, tmp_path: Path) -> None:
    for last in (lambda x: x.softmax(1), torch.sigmoid, lambda x: x.softmax(0)):
        with pytest.raises(DataError, match="the model ends in"):
            fit(Net(last), CLASSES, tmp_path, loss)


def test_log_softmax_before_cross_entropy_is_said_and_over_the_rows_it_is_refused(tmp_path: Path) -> None:
    assert "once is enough" in fit(Net(lambda x: x.log_softmax(1)), CLASSES, tmp_path, "cross_entropy")
    with pytest.raises(DataError, match="log_softmax"):
        fit(Net(lambda x: x.log_softmax(0)), CLASSES, tmp_path / "other", "cross_entropy")


def test_a_sigmoid_written_by_hand_is_said_and_logits_that_lie_in_0_to_1_are_not(tmp_path: Path) -> None:
    assert "whatever it is given" in fit(Net(lambda x: 1 / (1 + torch.exp(-x))), LABELS, tmp_path / "a", "bce_with_logits")
    model = Net(lambda x: x)
    nn.init.constant_(model.layer.weight, 1e-3)
    nn.init.constant_(model.layer.bias, 0.5)
    assert float(model(X).min()) > 0 and float(model(X).max()) < 1
    assert "WARNING" not in fit(model, LABELS, tmp_path / "b", "bce_with_logits")
    assert "WARNING" not in fit(Net(lambda x: x * x.sigmoid()), LABELS, tmp_path / "c", "bce_with_logits")


def test_what_is_meant_can_be_asked_for(tmp_path: Path) -> None:
    fit(Net(torch.sigmoid), LABELS, tmp_path, {"type": "bce_with_logits", "check_values": False})


@pytest.mark.parametrize(
    ("loss", "last", "y"),
    [
        ("bce", lambda x: x, LABELS),
        ("nll", lambda x: x, CLASSES),
        ("nll", lambda x: x.softmax(1), CLASSES),
        ("kl_div", torch.relu, LABELS / 3),
    ],
)
def test_logits_are_refused_where_a_loss_takes_what_comes_out_of_one(loss: str, last: Any, y: Tensor, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        fit(Net(last), y, tmp_path, loss)


class Own(tw.System):
    """Calls torch's losses itself."""

    def __init__(self, last: Callable[[Tensor], Tensor], loss: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.net, self.criterion = Net(last), loss

    def training_step(self, batch: Any, moment: Any) -> Tensor:
        return self.criterion(self.net(batch["input"]), batch["target"])


WRONG: list[tuple[Any, Any, Tensor]] = [
    (torch.sigmoid, functional.binary_cross_entropy_with_logits, LABELS),
    (torch.sigmoid, nn.BCEWithLogitsLoss(), LABELS),
    (torch.sigmoid, functional.multilabel_soft_margin_loss, LABELS),
    (lambda x: x.softmax(1), functional.cross_entropy, CLASSES),
    (lambda x: x.softmax(1), nn.CrossEntropyLoss(), CLASSES),
    (lambda x: x.softmax(1), functional.nll_loss, CLASSES),
    (lambda x: x, functional.binary_cross_entropy, LABELS),
]


@pytest.mark.parametrize(("last", "loss", "y"), WRONG)
def test_a_system_that_calls_torchs_losses_itself_is_refused(last: Any, loss: Any, y: Tensor, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        tw.fit(Own(last, loss), (X, y), max_steps=1, run_dir=tmp_path / "run", console=False)
    assert not (tmp_path / "run").exists()


def test_a_function_that_calls_them_is_refused_too(tmp_path: Path) -> None:
    def loss(output: Tensor, target: Tensor) -> Tensor:
        return functional.binary_cross_entropy_with_logits(output, target) + 0.0

    with pytest.raises(DataError, match="binary_cross_entropy_with_logits does not take what it is given"):
        fit(Net(torch.sigmoid), LABELS, tmp_path, loss)


def test_a_lightning_module_is_warned_at_its_first_step_and_not_stepped_more_often(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lightning = pytest.importorskip("lightning")

    class Module(lightning.LightningModule):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.net, self.calls = Net(torch.sigmoid), 0

        def training_step(self, batch: Any, index: int) -> Tensor:
            self.calls += 1
            return functional.binary_cross_entropy_with_logits(self.net(batch[0]), batch[1])

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    module = Module()
    with caplog.at_level(logging.WARNING):
        tw.fit(module, (X, LABELS), max_steps=3, run_dir=tmp_path / "run", console=False)
    assert module.calls == 3
    assert "what comes out of a sigmoid" in caplog.text and "`calls` of Module" in caplog.text


def test_right_uses_are_silent() -> None:
    layer = nn.Linear(8, 3)
    with LossInputs() as inputs:
        functional.cross_entropy(layer(X), CLASSES)
        functional.nll_loss(layer(X).log_softmax(1), CLASSES)
        functional.binary_cross_entropy(layer(X).sigmoid(), LABELS)
        functional.binary_cross_entropy_with_logits(5 * layer(X).sigmoid(), LABELS)
    assert not inputs.certain and not inputs.doubtful
    assert find_activation(layer(X)) == ("", None) and find_activation(torch.zeros(3)) == ("", None)
