"""Every loss and metric against every type of target, and the bounds of weights and thresholds: refused before anything is written."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from small_tables import passengers, write_csv
from torch.nn import functional

import trainwright as tw
from trainwright.cli.main import main
from trainwright.config.errors import ConfigError
from trainwright.config.registry import options_class
from trainwright.features.spec import TargetSpec
from trainwright.losses import PARTS, find_name
from trainwright.metrics import PARTS as METRICS
from trainwright.systems.row_losses import make_loss
from trainwright.systems.run_config import read_config

NEEDED = {
    "adaptive_log_softmax_with_loss": {"in_features": 4, "n_classes": 9, "cutoffs": [3]},
    "linear_cross_entropy": {"in_features": 4, "num_classes": 9},
}
KINDS = ("number", "vector", "binary", "category", "set")
FITTING: dict[str, set[str]] = {
    "bce_with_logits": {"binary", "category", "set"},
    "cross_entropy": {"binary", "category", "mask"},
    "label_smoothing_cross_entropy": {"binary", "category", "mask"},
    "multi_margin": {"binary", "category"},
    "focal": {"binary", "category", "set", "mask"},
    "multi_label_soft_margin": {"set"},
    "asymmetric": {"category", "set"},
    **{name: {"mask"} for name in ("dice", "tversky", "lovasz")},
    "mse": {"number", "vector"},
    "l1": {"number", "vector"},
    "smooth_l1": {"number", "vector"},
    "huber": {"number", "vector"},
    "binary_cross_entropy": {"binary", "category", "set"},
    "sigmoid_cross_entropy": {"binary", "category", "set"},
    "mae": {"number", "vector"},
    "torch.nn.L1Loss": {"number", "vector"},
    "torch.nn:SmoothL1Loss": {"number", "vector"},
    "torch.nn.BCEWithLogitsLoss": {"binary", "category", "set"},
    "torch.nn.CrossEntropyLoss": {"binary", "category"},
    "torch.nn.functional.mse_loss": {"number", "vector"},
    "torch.nn.functional.binary_cross_entropy_with_logits": {"binary", "category", "set"},
    "torch.nn.functional.cross_entropy": {"binary", "category"},
    "torch.nn.functional.binary_cross_entropy": set(),
    "torch.nn.BCELoss": set(),
    **{name: set() for name, part in PARTS.items() if not part.kinds},
}
OWN = """
import torch

def squares(output, target):
    return (output - target).square()

def mean(output, target):
    return (output - target).square().mean()

class Scaled(torch.nn.Module):
    def __init__(self, by: float = 1.0):
        super().__init__()
        self.by = by

    def forward(self, output, target):
        return self.by * (output - target).abs()

class Detached(Scaled):
    def forward(self, output, target):
        return super().forward(output.detach(), target)

class Number(Scaled):
    def forward(self, output, target):
        return 1.0

class Failing(Scaled):
    def forward(self, output, target):
        raise KeyError("epsilon")
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / "passengers.csv", passengers(120))
    (tmp_path / "own.py").write_text(OWN)
    return tmp_path


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The message of a dry run that must be refused, leaving nothing behind."""
    before = set(os.listdir())
    code = main(["train", "passengers.csv", *words, "--dry-run"])
    said = capsys.readouterr().err
    assert code == 2, said
    assert "Traceback" not in said
    assert set(os.listdir()) == before
    return said


def target_of(kind: str, weights: list[float] | None = None) -> TargetSpec:
    """A target of three classes or values, as a loss of one logit or value has it."""
    width = 1 if kind in ("number", "binary") else 3
    return TargetSpec("y", kind, width, class_weights=weights)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", FITTING)
def test_a_loss_is_taken_for_the_targets_it_is_for_and_refused_for_others(loss: str, kind: str) -> None:
    make = options_class("feature", kind).model_validate
    if kind not in FITTING[loss]:
        with pytest.raises(ValidationError, match=f"loss '{find_name(loss)}' is not defined for the {kind} target") as error:
            make({"type": kind, "loss": {"type": loss, **NEEDED.get(loss, {})}})
        fitting = {name for name, part in PARTS.items() if kind in part.kinds}
        assert fitting and all(each in error.value.errors()[0]["ctx"]["fix"] for each in fitting)
        return
    target = replace(target_of(kind), width=2) if kind == "binary" and PARTS[find_name(loss)].config.one_per_class else target_of(kind)
    made = make_loss(make({"type": kind, "loss": loss}).loss, target)
    truth = {"number": torch.randn(4), "vector": torch.randn(4, 3), "set": torch.eye(4, 3)}.get(kind, torch.tensor([0, 1, 1, 0]))
    output = torch.randn(4, target.width)
    assert made(output, truth).shape == (4,)


def test_every_loss_of_torch_is_a_registered_one_that_says_for_which_targets_it_is() -> None:
    ours = {name: part for name, part in PARTS.items() if name != "challenge"}  # of a domain, and of the labels of its table alone
    assert all(set(part.kinds) == FITTING[name] for name, part in ours.items())
    losses = [each for each in torch.nn.modules.loss.__all__ if hasattr(torch.nn, each)]
    assert all(find_name(f"torch.nn.{each}") in PARTS for each in losses)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", METRICS)
def test_a_metric_is_checked_against_the_type_of_the_column_as_a_loss_is(metric: str, kind: str) -> None:
    make = options_class("feature", kind).model_validate
    if kind in METRICS[metric].kinds:
        make({"type": kind, "metrics": [metric]})
    else:
        with pytest.raises(ValidationError, match=f"metric '{metric}' is not defined for the {kind} target"):
            make({"type": kind, "metrics": [metric]})


BOUNDS: dict[str, tuple[str, list[str], str]] = {
    "a loss for classes, of a number": ("age", ["columns.age.loss=cross_entropy"], "mse, l1, huber, smooth_l1"),
    "a loss of torch for classes, of a number": (
        "fare",
        ["columns.fare.loss=torch.nn.CrossEntropyLoss"],
        "mse, l1, huber, smooth_l1",
    ),
    "a loss of torch for 0 and 1, of a number": ("fare", ["columns.fare.loss=torch.nn.BCEWithLogitsLoss"], "the number target"),
    "a loss for numbers, of two classes": (
        "sex",
        ["columns.sex.loss=mse"],
        "cross_entropy, label_smoothing_cross_entropy, focal",
    ),
    "a metric for classes, of a number": ("fare", ["columns.fare.metrics=[f1]"], "r2, rmse"),
    "an average of another type": ("port", ["columns.port.metrics=[{type: f1, average: samples}]"], "use auto, macro"),
    "more classes than there are": ("port", ["columns.port.metrics=[{type: top_k_accuracy, k: 4}]"], "write k: 2 or less"),
    "a loss without an option": ("port", ["columns.port.loss={type: focal, alfa: 0.5}"], "did you mean 'alpha'"),
    "gamma": ("port", ["columns.port.loss={type: focal, gamma: -1}"], "columns.port.loss.gamma: -1 is not at least 0"),
    "smoothing": ("port", ["columns.port.loss={type: cross_entropy, label_smoothing: 1}"], "1 is not below 1"),
    "delta": ("fare", ["columns.fare.loss={type: huber, delta: 0}"], "0 is not above 0"),
    "an option of torch": ("fare", ["columns.fare.loss={type: torch.nn.HuberLoss, delta: -1}"], "-1 is not above 0"),
    "the weight of ones, of three classes": (
        "port",
        ["columns.port.loss={type: focal, alpha: 0.5}"],
        "alpha of the loss",
    ),
    "weights of classes in the loss": (
        "port",
        ["columns.port.loss={type: cross_entropy, class_weight: [1, 2, 3]}"],
        "write class_weights",
    ),
    "places of a batch": ("fare", ["columns.fare.loss={type: mse, inputs: {target: y}}"], "a column has one output and one truth"),
    "a class that is left out": ("port", ["columns.port.loss={type: cross_entropy, ignore_index: 1}"], "ignore_index of the loss"),
    "a reduction": ("fare", ["columns.fare.loss={type: torch.nn.MSELoss, reduction: sum}"], "reduction 'sum' is not offered"),
    "weights of torch": (
        "port",
        ["columns.port.loss={type: torch.nn.CrossEntropyLoss, weight: [1, 1, 1]}"],
        "write class_weights",
    ),
    "a negative weight of a class": ("port", ["columns.port.class_weights={C: 1, Q: -2}"], "the weight of class 'Q' is -2"),
    "a weight that is no number": ("port", ["columns.port.class_weights=[1, .nan, 1]"], "class number 2 is nan"),
    "an infinite weight": ("port", ["columns.port.class_weights=[1, .inf, 1]"], "class number 2 is inf"),
    "a weight of text": ("port", ["columns.port.class_weights={C: high}"], "the weight of class 'C' is 'high'"),
    "weights that are all 0": ("port", ["columns.port.class_weights=[0, 0, 0]"], "the weights are all 0"),
    "weights by name that are all 0": ("port", ["columns.port.class_weights={C: 0, Q: 0, S: 0}"], "are all 0"),
    "too few weights": ("port", ["columns.port.class_weights=[1, 2]"], "2 weights for 3 classes"),
    "an unknown class": ("port", ["columns.port.class_weights={X: 2}"], "names a class that does not occur: 'X'"),
    "no choice of weights": ("port", ["columns.port.class_weights=heavy"], "write none, auto"),
    "a negative weight of a target": ("fare", ["columns.fare.weight=-1"], "-1 is not at least 0"),
    "no target that weighs anything": ("fare", ["columns.fare.weight=0"], "the losses of all targets weigh 0"),
    "a threshold above 1": ("sex", ["columns.sex.threshold=1.5"], "1.5 is not at most 1"),
    "a threshold below 0": ("sex", ["columns.sex.threshold=-0.1"], "-0.1 is not at least 0"),
    "a threshold that is no number": ("sex", ["columns.sex.threshold=.nan"], "columns.sex.threshold"),
    "a threshold of three classes": ("port", ["columns.port.threshold=0.4"], "no option 'threshold'"),
    "a tuned threshold without rows": ("sex", ["columns.sex.threshold=tuned", "data.split.validation=0"], "there are no validation rows"),
    "a loss of an input": ("fare", ["columns.age.loss=mse"], "columns.age.loss is set for a column that is no target"),
    "class weights of an input": ("fare", ["columns.port.class_weights=auto"], "leave it out, or name 'port' as a target"),
    "a loss that gives one number for all rows": ("fare", ["columns.fare.loss=own.py:mean"], "leave out its mean over the rows"),
    "a loss that gives no tensor": ("fare", ["columns.fare.loss=own.py:Number"], "gives a float, not a tensor"),
    "a loss without a graph": ("fare", ["columns.fare.loss=own.py:Detached"], "does not depend on the outputs"),
    "a loss that fails": ("fare", ["columns.fare.loss=own.py:Failing"], "KeyError: 'epsilon'"),
    "a module that is no loss": ("fare", ["columns.fare.loss=torch.nn.ReLU"], "does not take the outputs and truth of a number target"),
}


@pytest.mark.parametrize("case", BOUNDS)
def test_what_does_not_fit_a_target_is_refused_by_a_dry_run_with_the_fix(here: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    target, settings, expected = BOUNDS[case]
    assert expected in refused(capsys, "--target", target, *settings)


@pytest.mark.parametrize("setting", ["loss: torch.nn.MSELoss", "metrics: [r2]", "class_weights: [1, -1]", "threshold: 7"])
def test_validate_refuses_what_does_not_fit_the_type_that_is_written(here: Path, capsys: pytest.CaptureFixture[str], setting: str) -> None:
    (here / "config.yaml").write_text(
        f"data: {{source: passengers.csv}}\ntargets: [sex]\ncolumns:\n  sex:\n    type: binary\n    {setting}\n"
    )
    assert main(["validate", "config.yaml"]) == 2
    assert f"config.yaml:6:{setting.index(':') + 7}: columns.sex.{setting.partition(':')[0]}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "loss", ["own.py:squares", "{type: own.py:Scaled, by: 2.0}", "torch.nn.functional.l1_loss", "torch.nn.SmoothL1Loss"]
)
def test_losses_of_ones_own_are_tried_and_taken(here: Path, capsys: pytest.CaptureFixture[str], loss: str) -> None:
    assert main(["train", "passengers.csv", "--target", "fare", f"columns.fare.loss={loss}", "--dry-run"]) == 0


def test_trying_a_loss_changes_neither_random_numbers_nor_its_state() -> None:
    options = options_class("loss", "torch.nn.SmoothL1Loss")()
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    make_loss(options, target_of("number"))
    torch.testing.assert_close(torch.rand(3), expected)


def test_class_weights_are_those_of_the_loss_and_are_refused_where_it_has_none() -> None:
    options = options_class("loss", "torch.nn.CrossEntropyLoss")()
    plain, weighted = (make_loss(options, target_of("category", each)) for each in (None, [1.0, 3.0, 0.0]))
    output, truth = torch.randn(4, 3), torch.tensor([0, 1, 2, 1])
    torch.testing.assert_close(weighted(output, truth), plain(output, truth) * torch.tensor([1.0, 3.0, 0.0, 3.0]))
    labels = make_loss(options_class("loss", "torch.nn.BCEWithLogitsLoss")(), target_of("set", [1.0, 2.0, 1.0]))
    present = torch.eye(4, 3)
    expected = functional.binary_cross_entropy_with_logits(output, present, pos_weight=torch.tensor([1.0, 2.0, 1.0]), reduction="none")
    torch.testing.assert_close(labels(output, present), expected.mean(1))
    with pytest.raises(ConfigError, match="class_weights of a set"):
        make_loss(options_class("loss", "asymmetric")(), target_of("set", [1.0, 2.0, 1.0]))


@pytest.mark.parametrize("given", [{"class_weight": "balanced"}, {"class_weights": "auto"}, {"class-weight": "auto"}])
def test_class_weights_of_a_column_go_by_the_words_of_losses_too(given: dict[str, str]) -> None:
    made = options_class("feature", "category").model_validate({"type": "category", **given})
    assert made.model_dump()["class_weights"] == "auto"


def test_class_weights_of_a_column_whose_type_is_inferred_go_by_both_words(here: Path) -> None:
    assert main(["train", "passengers.csv", "--target", "port", "columns.port.class_weight=balanced", "--dry-run"]) == 0


def test_a_loss_at_the_top_is_that_of_every_target_that_names_none_and_must_fit_each(here: Path) -> None:
    (here / "config.yaml").write_text("data: {source: builtin:iris}\ntarget: target\nloss: focal\nmetrics: [accuracy]\n")
    quick = ["trainer.max_epochs=1", "evaluation.baselines=[]", "evaluation.importance=false", "evaluation.report=false", "run.dir=run"]
    assert main(["train", "config.yaml", *quick]) == 0
    target = read_config(here / "run" / "config.yaml").system.columns["target"]
    assert target.loss.type == "focal" and [each.type for each in target.metrics] == ["accuracy"]
    assert list(tw.load(here / "run").metrics["test"]["target"]) == ["accuracy"]


def test_a_loss_at_the_top_that_fits_a_target_not_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "builtin:iris", "--target", "target", "loss=mse", "run.dir=run"]) == 2
    assert "loss 'mse' is not defined for the category target" in capsys.readouterr().err and not (here / "run").exists()
