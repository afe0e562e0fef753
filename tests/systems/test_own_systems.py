"""Systems of one's own: parts that follow the run, losses in parts, several optimizers, and what people get wrong."""

from __future__ import annotations

import copy
import pickle
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from own_systems import Field, Gan, Guide, Parts, rows
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, softplus

import trainwright as tw
from trainwright.config.errors import ConfigError, DataError, Interrupted, TrainwrightError
from trainwright.data.counters import fold, fold_in
from trainwright.data.order import epoch_order
from trainwright.engine.callbacks import Callback
from trainwright.engine.result import FitResult

QUIET: dict[str, Any] = {"console": False, "device": "cpu", "trackers": []}


def trained(system: Any, folder: Path, steps: int = 8, **options: Any) -> FitResult:
    return tw.fit(system, rows(), max_steps=steps, batch_size=16, run_dir=folder, **{**QUIET, **options})


def weights(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_parts_are_told_before_and_after_every_step_those_inside_first(tmp_path: Path) -> None:
    order: list[str] = []

    class Inner(tw.BaseModule):
        def configure(self) -> None:
            self.weight = nn.Parameter(torch.ones(1))

        def update_step(self, context: tw.StepContext) -> None:
            order.append(f"inner {context.step}")

    class Outer(tw.BaseObject):
        def configure(self) -> None:
            self.inner = Guide()

        def update_step(self, context: tw.StepContext) -> None:
            order.append(f"outer {context.step} {self.inner.at}")

    class Two(tw.System):
        def build(self, spec: Any) -> None:
            self.list = nn.ModuleList([Inner()])
            self.outer = Outer()

        def training_step(self, batch: Any, context: tw.StepContext) -> Tensor:
            order.append("step")
            return (batch["input"].mean() * self.list[0].weight).sum()

        def update_step(self, context: tw.StepContext) -> None:
            order.append(f"system {context.step}")

        def update_step_end(self, context: tw.StepContext) -> None:
            order.append(f"end {context.step}")

    trained(Two(), tmp_path, steps=2)
    trial = order.index("end 0") - 4
    assert order[trial : trial + 10] == [
        *("inner 0", "outer 0 0", "system 0", "step", "end 0"),
        *("inner 1", "outer 1 1", "system 1", "step", "end 1"),
    ]


def test_a_part_that_is_no_module_stays_out_of_the_parameters_and_of_checkpoints(tmp_path: Path) -> None:
    system = Parts()
    trained(system, tmp_path)
    assert not [name for name in system.state_dict() if "guide" in name or "large" in name]
    assert system.guide.at == 7
    assert [each for each in system.field.told if each[0] == "after"] == [("after", step) for step in range(8)]


def test_a_part_that_fails_is_named(tmp_path: Path) -> None:
    class Failing(Guide):
        def update_step(self, context: tw.StepContext) -> None:
            if context.step == 3:
                raise ValueError("no such view")

    class Broken(Parts):
        def build(self, spec: Any) -> None:
            super().build(spec)
            self.guide = Failing()

    with pytest.raises(ValueError, match="no such view") as error:
        trained(Broken(), tmp_path)
    assert error.value.__notes__ == ["in update_step of 'guide' (Failing), step 3"]


def test_a_part_taken_away_or_put_in_place_of_another_is_no_longer_told(tmp_path: Path) -> None:
    system = Parts()
    first = Guide()

    class Swapping(Callback):
        def on_train_batch_end(self, session: Any, trained: Any, batch: Any, index: int) -> None:
            if session.step == 2:
                trained.guide = Guide()
            if session.step == 5:
                del trained.guide

    built = Parts.build

    def build(spec: Any) -> None:
        built(system, spec)
        system.guide = first

    system.build = build  # type: ignore[method-assign]
    trained(system, tmp_path, callbacks=[Swapping()])
    assert first.at == 1
    assert not hasattr(system, "guide")


def test_options_are_checked_whole_and_may_be_given_as_a_mapping() -> None:
    assert Field({"width": 3}).cfg.width == 3
    assert Field().config.width == 5
    with pytest.raises(ConfigError, match="unknown option 'widht'") as error:
        Field({"widht": 3})
    assert "did you mean 'width'?" in error.value.fix


def test_a_system_can_be_copied_and_pickled_while_it_belongs_to_a_run(tmp_path: Path) -> None:
    system = Parts()
    trained(system, tmp_path)
    assert same(weights(copy.deepcopy(system)), weights(system))
    assert same(weights(pickle.loads(pickle.dumps(system))), weights(system))


def test_parts_of_the_loss_are_weighted_by_schedule_and_logged_each(tmp_path: Path) -> None:
    weight = [0, 0.5, 0.1, 4]
    options = {"log_every": "1 step", "evaluate_every": "1 step", "learning_rate": 0.0}  # so that a row is of one step
    result = trained(Parts({"loss": {"lambda_size": weight}}), tmp_path, **options)
    for row in result.history:
        step = row["step"] - 1
        expected = row["train/loss/fit"] + (0.5 + (0.1 - 0.5) * min(step / 4, 1)) * row["train/loss/size"]
        assert row["train/loss"] == pytest.approx(expected, rel=1e-5)


def test_a_weight_for_a_part_that_never_comes_is_warned_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trained(Parts({"loss": {"lambda_szie": 2.0}}), tmp_path)
    said = [each for each in caplog.messages if "lambda_szie" in each]
    assert len(said) == 1
    assert "did you mean 'size'?" in said[0]


@pytest.mark.parametrize("pieces", [1, 4])
def test_a_scalar_loss_in_micro_batches_is_that_of_the_whole_batch(pieces: int, tmp_path: Path) -> None:
    class Mean(tw.System):
        def build(self, spec: Any) -> None:
            self.net = nn.Linear(6, 2)

        def training_step(self, batch: Any, context: tw.StepContext) -> Tensor:
            return cross_entropy(self.net(batch["input"]), batch["target"])

    whole, split = Mean(), Mean()
    trained(whole, tmp_path / "whole")
    trained(split, tmp_path / "split", micro_batch_size=16 // pieces)
    for name, tensor in weights(whole).items():
        torch.testing.assert_close(weights(split)[name], tensor, rtol=1e-5, atol=1e-6)


def test_a_scalar_loss_gives_the_very_weights_of_the_loop_written_by_hand(tmp_path: Path) -> None:
    class Mean(tw.System):
        def build(self, spec: Any) -> None:
            self.net = nn.Linear(6, 2)

        def training_step(self, batch: Any, context: tw.StepContext) -> Tensor:
            return cross_entropy(self.net(batch["input"]), batch["target"])

    x, y = rows()
    system = Mean()
    trained(system, tmp_path, steps=6, optimizer="torch.optim.SGD", learning_rate=0.1)
    torch.manual_seed(0)
    net = nn.Linear(6, 2)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for step in range(6):
        taken = epoch_order(0, step // 3, 48)[step % 3 * 16 : step % 3 * 16 + 16]
        optimizer.zero_grad()
        cross_entropy(net(x[taken]), y[taken]).backward()
        optimizer.step()
    assert same(weights(system.net), weights(net))


def by_hand(steps: int) -> dict[str, Tensor]:
    torch.manual_seed(5)
    gan = Gan()
    one = torch.optim.Adam(gan.generator.parameters(), lr=2e-3)
    two = torch.optim.SGD(gan.discriminator.parameters(), lr=1e-2)
    x, _ = rows()
    key = fold(0, "step")
    for step in range(steps):
        torch.manual_seed(fold_in(key, step))
        real = x[epoch_order(0, step // 3, 48)[step % 3 * 16 : step % 3 * 16 + 16]]
        fake = gan.generator(torch.randn(16, 3))
        two.zero_grad()
        (softplus(-gan.discriminator(real)).mean() + softplus(gan.discriminator(fake.detach())).mean()).backward()
        two.step()
        one.zero_grad()
        softplus(-gan.discriminator(fake)).mean().backward()
        one.step()
    return weights(gan)


@pytest.mark.parametrize("made", ["ours", "torch"])
def test_two_optimizers_stepped_by_the_system_give_the_weights_of_the_loop_written_by_hand(made: str, tmp_path: Path) -> None:
    torch.manual_seed(5)
    gan = Gan(made=made)
    result = trained(gan, tmp_path, steps=9, log_every="1 step")
    for name, expected in by_hand(9).items():
        torch.testing.assert_close(gan.state_dict()[name], expected, rtol=1e-5, atol=1e-6)
    assert result.steps == 9
    assert {"train/loss", "train/loss/told", "train/loss/fooled"} <= result.history[-1].keys()


@pytest.mark.parametrize("made", ["ours", "torch"])
def test_a_run_with_two_optimizers_continues_bit_for_bit(made: str, tmp_path: Path) -> None:
    def gan() -> Gan:
        torch.manual_seed(5)
        return Gan(made=made)

    whole, broken, again = gan(), gan(), gan()
    trained(whole, tmp_path / "whole", steps=10)

    class Stop(Callback):
        def on_train_batch_end(self, session: Any, system: Any, batch: Any, index: int) -> None:
            if session.step == 4:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(broken, tmp_path / "broken", steps=10, callbacks=[Stop()], checkpoint={"every": "2 steps"})
    trained(again, tmp_path / "broken", steps=10, resume=True)
    assert same(weights(again), weights(whole))


class Scheduled(tw.System):
    """Makes its optimizer and a scheduler as for Lightning."""

    def __init__(self, interval: str = "step") -> None:
        super().__init__()
        self.interval = interval
        self.net = nn.Linear(6, 2)

    def training_step(self, batch: Any, context: tw.StepContext) -> Tensor:
        return cross_entropy(self.net(batch["input"]), batch["target"])

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.net.parameters(), lr=0.1, momentum=0.9)
        scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": self.interval}}


@pytest.mark.parametrize(("interval", "rate"), [("step", 0.1 * 0.5**6), ("epoch", 0.1 * 0.5**2)])
def test_a_scheduler_of_the_system_steps_when_it_says(interval: str, rate: float, tmp_path: Path) -> None:
    result = trained(Scheduled(interval), tmp_path, steps=7, log_every="1 step")
    assert result.history[-1]["learning_rate"] == pytest.approx(rate * (0.5 if interval == "step" else 1))


def test_a_run_with_a_scheduler_of_the_system_continues_bit_for_bit(tmp_path: Path) -> None:
    def system() -> Scheduled:
        torch.manual_seed(1)
        return Scheduled()

    whole, first, second = system(), system(), system()
    trained(whole, tmp_path / "whole", steps=8)
    trained(first, tmp_path / "part", steps=5)
    trained(second, tmp_path / "part", steps=8, resume=True)
    assert same(weights(second), weights(whole))


def test_an_evaluation_without_a_step_of_its_own_measures_the_loss_over_all_rows(tmp_path: Path) -> None:
    system = Parts()
    result = trained(system, tmp_path, validation_data=rows(37, seed=2), evaluation_batch_size=8)
    x, y = rows(37, seed=2)
    system.eval()
    with torch.no_grad():
        fit = cross_entropy(system.field(x), y)
    assert result.metrics["validation"]["fit"] == pytest.approx(float(fit), rel=1e-5)


def test_what_is_logged_in_an_evaluation_is_a_mean_over_rows_and_can_be_watched(tmp_path: Path) -> None:
    class Logging(Parts):
        def validation_step(self, batch: Any, context: tw.StepContext) -> None:
            right = (self.field(batch["input"]).argmax(1) == batch["target"]).float().mean()
            self.log("right", right)

    system = Logging()
    result = trained(system, tmp_path, validation_data=rows(37, seed=2), evaluation_batch_size=8, monitor="right", mode="max")
    x, y = rows(37, seed=2)
    assert result.metrics["validation"]["right"] == pytest.approx(float((system.field(x).argmax(1) == y).float().mean()))
    assert result.monitor == "right"


def test_a_batch_that_wants_no_step_makes_none(tmp_path: Path) -> None:
    from trainwright.engine.system import NoStep

    class Choosy(Parts):
        def training_step(self, batch: Any, context: tw.StepContext) -> Any:
            if float(batch["input"][0, 0]) > 0:
                raise NoStep
            return super().training_step(batch, context)

    result = trained(Choosy(), tmp_path, steps=5)
    assert result.steps == 5
    assert result.realised["batches_left_out"] > 0


def test_a_run_of_steps_that_never_come_ends(tmp_path: Path) -> None:
    from trainwright.engine.system import NoStep

    class Never(Parts):
        def training_step(self, batch: Any, context: tw.StepContext) -> Any:
            raise NoStep

    class Skips(Parts):
        def on_train_batch_start(self, session: Any, batch: Any, index: int) -> int:
            return -1

    for kind in (Never, Skips):
        with pytest.raises(TrainwrightError, match=r"an epoch ended without a step\n  why: none of its .* by NoStep or by -1"):
            trained(kind(), tmp_path / kind.__name__, steps=5)


class NoGradStep(torch.optim.SGD):
    """Calls its closure under `no_grad`, as several of other people do."""

    def step(self, closure: Any) -> Any:  # type: ignore[override]
        with torch.no_grad():
            found = closure()
        super().step()
        return found


@pytest.mark.parametrize("kind", ["lbfgs", "without a graph"])
def test_an_optimizer_that_wants_a_closure_is_given_one_and_resumed_to_the_bit(kind: str, tmp_path: Path) -> None:
    class Closing(Parts):
        def configure_optimizers(self) -> Any:
            return torch.optim.LBFGS(self.parameters(), lr=0.5, max_iter=3) if kind == "lbfgs" else NoGradStep(self.parameters(), lr=0.5)

    class Stop(tw.Callback):
        def on_train_batch_end(self, session: Any, system: Any, batch: Any, index: int) -> None:
            if session.step == 3:
                session.parts.interrupts.request()

    def system() -> Any:
        torch.manual_seed(0)
        return Closing()

    whole, again = system(), system()
    trained(whole, tmp_path / "whole", steps=6, micro_batch_size=16)
    with pytest.raises(Interrupted):
        trained(system(), tmp_path / "cut", steps=6, micro_batch_size=16, callbacks=[Stop()])
    trained(again, tmp_path / "cut", steps=6, micro_batch_size=16, resume=True)
    assert all(torch.equal(one, other) for one, other in zip(whole.parameters(), again.parameters(), strict=True))
    with pytest.raises(ConfigError, match="cannot be combined with fp16"):
        trained(system(), tmp_path / "half", steps=2, precision="fp16", device="cpu")


WRONG: dict[str, tuple[Any, str, str]] = {
    "None": (lambda system, batch: None, "training_step returned None", "return loss"),
    "several numbers": (
        lambda system, batch: cross_entropy(system.field(batch["input"]), batch["target"], reduction="none"),
        r"the loss is a tensor of shape \(2,\)",
        "loss.mean()",
    ),
    "not connected": (lambda system, batch: batch["input"].mean(), "does not depend on any trained parameter", "detached"),
    "a float": (lambda system, batch: 1.0, "training_step returned a float", "scalar tensor"),
    "a part that is no tensor": (lambda system, batch: {"a": "x"}, "part 'a' of the loss is a str", "take its mean"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_step_that_gives_no_loss_is_refused_before_anything_is_written(case: str, tmp_path: Path) -> None:
    give, what, fix = WRONG[case]

    class Wrong(Parts):
        def training_step(self, batch: Any, context: tw.StepContext) -> Any:
            return give(self, batch)

    with pytest.raises(ConfigError, match=what) as error:
        trained(Wrong(), tmp_path / "run")
    assert fix in error.value.fix
    assert not (tmp_path / "run").exists()


def test_a_step_that_fails_is_told_with_its_line_and_the_batch(tmp_path: Path) -> None:
    class Wrong(Parts):
        def training_step(self, batch: Any, context: tw.StepContext) -> Any:
            return self.field(batch["inputs"])

    with pytest.raises(DataError, match="training_step fails on the first rows") as error:
        trained(Wrong(), tmp_path / "run")
    assert re.search(r"test_own_systems\.py:\d+", error.value.where)
    assert error.value.why == "KeyError: 'inputs'"
    assert "{input: (2, 6) float32, target: (2,) int64}" in error.value.fix
    assert not (tmp_path / "run").exists()


def test_a_system_whose_init_was_forgotten_is_told_so(tmp_path: Path) -> None:
    class Forgetful(tw.System):
        def __init__(self) -> None:
            self.number = 3

    with pytest.raises(ConfigError, match=r"the model's super\(\).__init__\(\) was not called"):
        trained(Forgetful(), tmp_path)


class NoParameters(tw.System):
    def training_step(self, batch: Any, context: tw.StepContext) -> Tensor:
        return batch["input"].mean()


CONFIGURED: dict[str, tuple[Any, str]] = {
    "no optimizer": (lambda system: [], "configure_optimizers made no optimizer"),
    "a number": (lambda system: 3, "configure_optimizers returned a int"),
    "nothing fits": (lambda system: {"one": {"parameters": "feild"}}, "'one' has no parameters: nothing fits feild"),
    "strange parameters": (
        lambda system: torch.optim.SGD([torch.zeros(2, requires_grad=True)], lr=0.1),
        "an optimizer holds parameters that are not the system's",
    ),
    "shared": (lambda system: {"one": {"type": "adam"}, "two": {"type": "sgd"}}, "is trained by 'one' and by 'two'"),
    "no parameters": (lambda system: torch.optim.SGD([], lr=0.1), "an optimizer has no parameters"),
    "a failure": (lambda system: system.nothing, "configure_optimizers fails"),
    "unknown option": (lambda system: {"one": {"type": "adam", "betas1": 3}}, "the options of 'one' are wrong"),
}


@pytest.mark.parametrize("case", CONFIGURED)
def test_optimizers_that_cannot_be_are_refused_before_anything_is_written(case: str, tmp_path: Path) -> None:
    give, what = CONFIGURED[case]

    class Wrong(Parts):
        def configure_optimizers(self) -> Any:
            return give(self)

    with pytest.raises(ConfigError, match=re.escape(what)):
        trained(Wrong(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_settings_that_a_system_with_manual_optimization_cannot_follow_are_refused(tmp_path: Path) -> None:
    for option, value in {"clip": {"norm": 1.0}, "micro_batch_size": 4, "precision": "fp16", "recovery": {"not_finite": "skip"}}.items():
        with pytest.raises(ConfigError, match=rf"{option}\S* cannot be used with manual optimization"):
            trained(Gan(), tmp_path / "run", **{option: value})


def test_a_loss_beside_that_of_a_system_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="loss cannot be given here"):
        trained(Parts(), tmp_path, loss="mse")


def test_a_system_out_of_a_run_says_so() -> None:
    with pytest.raises(TrainwrightError, match="Parts is in no run"):
        Parts().session  # noqa: B018
