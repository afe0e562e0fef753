"""What people get wrong with systems of their own and with runs they continue: each is told, and nothing is spoilt."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from own_systems import Parts, rows
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import trainwright as tw
from trainwright.config.errors import ConfigError, DataError, RequestError, TrainwrightError

QUIET: dict[str, Any] = {"console": False, "device": "cpu", "trackers": [], "batch_size": 16}


class Small(tw.System):
    def build(self, spec: Any) -> None:
        self.net = nn.Linear(6, 2)

    def training_step(self, batch: Any, context: tw.StepContext) -> Any:
        return cross_entropy(self.net(batch["input"]), batch["target"])


def net(classes: int = 2) -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(6, classes)


def status(folder: Path) -> str:
    return str(json.loads((folder / "run.json").read_text())["status"])


def test_a_continuation_that_is_refused_leaves_a_finished_run_as_it_was(tmp_path: Path) -> None:
    tw.fit(net(), rows(), max_steps=6, run_dir=tmp_path / "run", **QUIET)
    before = (tmp_path / "run/config.yaml").read_text()
    with pytest.raises(RequestError):
        tw.fit(net(3), rows(), max_steps=6, run_dir=tmp_path / "run", resume=True, **QUIET)
    with pytest.raises(RequestError):
        tw.fit(net(), rows(), max_steps=3, run_dir=tmp_path / "run", resume=True, **QUIET)
    assert status(tmp_path / "run") == "finished"
    assert (tmp_path / "run/config.yaml").read_text() == before


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"loss": "multi_margin"}, "loss: 'cross_entropy' → 'multi_margin'"),
        ({"learning_rate": 0.5}, "optimizer.learning_rate: 0.001 → 0.5"),
        ({"clip": {"norm": 1.0}}, "clip.norm: None → 1.0"),
    ],
)
def test_a_run_does_not_go_on_with_another_past(changed: dict[str, Any], said: str, tmp_path: Path) -> None:
    tw.fit(net(), rows(), max_steps=4, run_dir=tmp_path / "run", **QUIET)
    with pytest.raises(ConfigError, match="cannot be continued with other settings") as error:
        tw.fit(net(), rows(), max_steps=8, run_dir=tmp_path / "run", resume=True, **QUIET, **changed)
    assert said in error.value.why


def test_other_rows_in_memory_are_noticed(tmp_path: Path) -> None:
    tw.fit(net(), rows(), max_steps=4, run_dir=tmp_path / "run", **QUIET)
    with pytest.raises(RequestError, match="cannot be continued") as error:
        tw.fit(net(), rows(seed=1), max_steps=8, run_dir=tmp_path / "run", resume=True, **QUIET)
    assert "first_rows" in error.value.why


def test_a_longer_length_and_other_logging_go_on(tmp_path: Path) -> None:
    tw.fit(net(), rows(), max_steps=4, run_dir=tmp_path / "run", **QUIET)
    result = tw.fit(net(), rows(), max_steps=8, run_dir=tmp_path / "run", resume=True, log_every="1 step", **QUIET)
    assert result.steps == 8


FORMS: dict[str, tuple[Any, str]] = {
    "a key mistyped": (lambda o: {"optimizer": o, "lr_schedular": torch.optim.lr_scheduler.StepLR(o, 1)}, "unknown key 'lr_schedular'"),
    "no optimizer": (lambda o: [{"optimizer": o}, {"lr_scheduler": None}], "a description has no `optimizer`"),
    "a stranger's scheduler": (
        lambda o: ([o], [torch.optim.lr_scheduler.StepLR(torch.optim.SGD(o.param_groups[0]["params"], lr=0.1), 1)]),
        "StepLR moves no rate of this run",
    ),
}


@pytest.mark.parametrize("case", FORMS)
def test_a_scheduler_that_would_do_nothing_is_refused(case: str, tmp_path: Path) -> None:
    form, what = FORMS[case]

    class Wrong(Small):
        def configure_optimizers(self) -> Any:
            return form(torch.optim.SGD(self.parameters(), lr=0.1))

    with pytest.raises(ConfigError, match=re.escape(what)):
        tw.fit(Wrong(), rows(), max_steps=2, run_dir=tmp_path / "run", **QUIET)
    assert not (tmp_path / "run").exists()


STEPS: dict[str, tuple[Any, str]] = {
    "complex": (lambda system, loss: loss * 1j, "a complex tensor"),
    "no items": (lambda system, loss: tw.Loss(loss, 0), "the loss is over 0 items"),
    "a text logged": (lambda system, loss: system.log("z", "text") or loss, "a str is no number"),
    "a vector logged": (lambda system, loss: system.log("z", torch.zeros(3)) or loss, r"a tensor of shape (3,) is no number"),
    "a backward pass": (lambda system, loss: system.manual_backward(loss) or loss, "does not step by itself"),
}


@pytest.mark.parametrize("case", STEPS)
def test_a_step_that_cannot_be_is_refused_with_nothing_written(case: str, tmp_path: Path) -> None:
    give, what = STEPS[case]

    class Wrong(Small):
        def training_step(self, batch: Any, context: tw.StepContext) -> Any:
            return give(self, super().training_step(batch, context))

    with pytest.raises(ConfigError, match=re.escape(what)):
        tw.fit(Wrong(), rows(), max_steps=2, run_dir=tmp_path / "run", **QUIET)
    assert not (tmp_path / "run").exists()


def test_a_signature_of_another_library_is_told_what_it_should_be(tmp_path: Path) -> None:
    class Lightnings(Small):
        def training_step(self, batch: Any, batch_idx: int) -> Any:  # type: ignore[override]
            return super().training_step(batch, None)  # type: ignore[arg-type]

    class Alone(Small):
        def training_step(self, batch: Any) -> Any:  # type: ignore[override]
            return None

    for system in (Lightnings(), Alone()):
        with pytest.raises(ConfigError, match="training_step takes") as error:
            tw.fit(system, rows(), max_steps=2, run_dir=tmp_path / "run", **QUIET)
        assert "training_step(self, batch, context)" in error.value.fix


MEASURES: dict[str, tuple[dict[str, Any], str]] = {
    "rows that are not the batch's": ({"evaluation_step": lambda self, batch, context: {"p": torch.zeros(5)}}, "output 'p' has 5 rows"),
    "metrics that are none": ({"metrics": lambda self, outputs: 3}, "metrics returned a number without a name"),
    "metrics without the loss": ({"metrics": lambda self, outputs: {"acc": 1.0}}, "no metric 'loss' to judge by"),
    "nothing": ({"evaluation_step": lambda self, batch, context: None}, "nothing was measured"),
}


@pytest.mark.parametrize("case", MEASURES)
def test_what_is_measured_is_looked_at_before_the_first_step(case: str, tmp_path: Path) -> None:
    methods, what = MEASURES[case]
    made = type("Wrong", (Small,), methods)()
    with pytest.raises(TrainwrightError, match=re.escape(what)):
        tw.fit(made, rows(), rows(seed=1), max_steps=2, run_dir=tmp_path / "run", **QUIET)


def test_a_metric_of_ones_own_says_itself_which_way_is_better(tmp_path: Path) -> None:
    class Own(Small):
        monitor, mode = "error", "min"

        def metrics(self, outputs: dict[str, Tensor]) -> dict[str, float]:
            return {"error": float(outputs["loss"].mean())}

    result = tw.fit(Own(), rows(), rows(seed=1), max_steps=6, run_dir=tmp_path / "run", **QUIET)
    assert result.monitor == "error"
    assert result.best_value is not None


def test_a_system_that_steps_by_itself_may_take_the_trainers_optimizer(tmp_path: Path) -> None:
    class Manual(Small):
        automatic_optimization = False

        def training_step(self, batch: Any, context: tw.StepContext) -> Any:
            loss = super().training_step(batch, context)
            optimizer = self.optimizers()
            optimizer.zero_grad()  # type: ignore[union-attr]
            self.manual_backward(loss)
            optimizer.step()  # type: ignore[union-attr]
            return loss.detach()

    one, other = Manual(), Small()
    for system, folder in ((one, "one"), (other, "other")):
        tw.fit(system, rows(), max_steps=5, run_dir=tmp_path / folder, **QUIET)
    assert all(torch.equal(one.state_dict()[name], tensor) for name, tensor in other.state_dict().items())


def test_code_of_ones_own_that_fails_in_build_is_told_with_its_line(tmp_path: Path) -> None:
    class Broken(Small):
        def build(self, spec: Any) -> None:
            self.net = nn.Linear(spec.width, 2)

    with pytest.raises(ConfigError, match="the data know no 'width'"):
        tw.fit(Broken(), rows(), max_steps=2, run_dir=tmp_path / "run", **QUIET)

    class Divided(Small):
        def build(self, spec: Any) -> None:
            self.net = nn.Linear(6 // 0, 2)

    with pytest.raises(ConfigError, match="the system cannot be built") as error:
        tw.fit(Divided(), rows(), max_steps=2, run_dir=tmp_path / "run", **QUIET)
    assert "ZeroDivisionError" in error.value.why
    assert "test_own_mistakes.py:" in error.value.where


def test_data_without_a_length_are_told_so(tmp_path: Path) -> None:
    class Endless:
        def __getitem__(self, row: int) -> tuple[Tensor, int]:
            return torch.zeros(6), 0

    with pytest.raises(DataError, match="have no length"):
        tw.fit(net(), Endless(), max_steps=2, run_dir=tmp_path / "run", **QUIET)


def test_one_metric_may_be_given_as_a_text(tmp_path: Path) -> None:
    result = tw.fit(net(), rows(), rows(seed=1), metrics="accuracy", max_steps=2, run_dir=tmp_path / "run", **QUIET)
    assert "accuracy" in result.metrics["validation"]


def test_parts_told_of_a_moment_are_where_the_run_ended(tmp_path: Path) -> None:
    system = Parts()
    tw.fit(system, rows(), max_steps=4, run_dir=tmp_path / "run", **QUIET)
    assert system.guide.at == 3
