"""Mixed precision: what is computed in which format, the loss scale, islands, and caches that must not be stale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from engine_runs import StopAt, config, fit, rows, same, system, table, weights
from torch import Tensor, nn

from trainwright.config.errors import ConfigError, Interrupted, ManyErrors, TrainwrightError
from trainwright.engine.callbacks import Callback
from trainwright.engine.precision import Precision, Scaler, in_full, matching
from trainwright.engine.precision_options import PrecisionOptions
from trainwright.engine.state import load_weights
from trainwright.engine.system import Loss, StepContext
from trainwright.engine.trainer import Trainer

CPU = torch.device("cpu")


class Formats(Callback):
    """Notes in which format the outputs come, and whether autocast is on while gradients are made."""

    def __init__(self) -> None:
        self.outputs: set[torch.dtype] = set()
        self.backward: set[bool] = set()

    def setup(self, session: Any, system: Any) -> None:
        system.model[0].register_forward_hook(self.seen)
        system.model[0].weight.register_hook(lambda grad: self.backward.add(torch.is_autocast_enabled("cpu")))

    def seen(self, module: nn.Module, inputs: Any, output: Tensor) -> None:
        if module.training:
            self.outputs.add(output.dtype)


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_autocast_is_round_the_forward_pass_and_the_loss_only(precision: str, dtype: torch.dtype, tmp_path: Path) -> None:
    formats = Formats()
    trained, result = fit(
        tmp_path, callbacks=[formats], precision=precision, max_epochs=20, optimizer={"type": "adamw", "learning_rate": 0.02}
    )
    assert formats.outputs == {dtype}
    assert formats.backward == {False}
    assert {each.dtype for each in trained.parameters()} == {torch.float32}
    losses = [row["train/loss"] for row in result.history]
    assert losses[-1] < 0.8 * losses[0]


def test_half_precision_trains_nearly_the_weights_of_full_precision(tmp_path: Path) -> None:
    full, _ = fit(tmp_path / "full", max_epochs=3)
    for precision in ("bf16", "fp16"):
        half, _ = fit(tmp_path / precision, max_epochs=3, precision=precision)
        for name, tensor in weights(half).items():
            torch.testing.assert_close(tensor, weights(full)[name], atol=2e-2, rtol=0.1)


def test_evaluation_is_in_float32_unless_asked_for(tmp_path: Path) -> None:
    for evaluate, dtype in (("fp32", torch.float32), ("same", torch.bfloat16)):
        seen: set[torch.dtype] = set()
        trained = system()
        trained.model[0].register_forward_hook(lambda module, inputs, output: None if module.training else seen.add(output.dtype))  # noqa: B023
        fit(tmp_path / evaluate, trained=trained, max_epochs=1, precision={"type": "bf16", "evaluate": evaluate})
        assert seen == {dtype}


def test_submodules_named_full_are_islands_of_float32_and_are_themselves_again_afterwards(tmp_path: Path) -> None:
    seen: dict[int, set[torch.dtype]] = {0: set(), 3: set()}
    trained = system()
    for place, dtypes in seen.items():
        trained.model[place].register_forward_hook(
            lambda module, inputs, output, to=dtypes: to.add(output.dtype) if module.training else None
        )
    fit(tmp_path, trained=trained, max_epochs=1, precision={"type": "bf16", "full": ["model.3"]})
    assert seen == {0: {torch.bfloat16}, 3: {torch.float32}}
    assert "forward" not in vars(trained.model[3])


def test_an_island_that_a_mode_works_on_too_leaves_both_as_they_were(tmp_path: Path) -> None:
    trained = system()
    precision = {"type": "bf16", "full": ["model.0"]}
    _, result = fit(tmp_path, trained=trained, max_epochs=1, precision=precision, modes={"activation_checkpointing": ["model.0"]})
    assert result.steps == 6
    assert "forward" not in vars(trained.model[0])


def test_an_island_makes_half_arguments_full_wherever_they_are() -> None:
    given = in_full(lambda *arguments, **options: (arguments, options), "cpu")
    half, whole = torch.ones(2, dtype=torch.bfloat16), torch.ones(2, dtype=torch.int64)
    arguments, options = given(half, [half, whole], key={"a": half})
    assert arguments[0].dtype == arguments[1][0].dtype == options["key"]["a"].dtype == torch.float32
    assert arguments[1][1].dtype == torch.int64


def test_a_pattern_that_names_no_submodule_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"no submodule is named 'modle\.0'") as error:
        matching(system(), ["modle.0"])
    assert "model.0" in error.value.fix


class Overflows:
    """A step whose gradient overflows float16 as long as the loss scale is above `limit`."""

    def __init__(self, trained: Any, limit: float) -> None:
        self.trained, self.limit, self.original, self.calls = trained, limit, trained.training_step, 0

    def __call__(self, batch: Any, context: StepContext) -> Loss:
        self.calls += 1
        loss = self.original(batch, context)
        if context.step == 4:
            loss.total.register_hook(lambda grad: torch.where(grad * len(batch["target"]) > self.limit, torch.inf, grad))
        return loss


def test_a_step_that_overflows_is_made_again_at_half_the_scale_and_no_step_is_lost(tmp_path: Path) -> None:
    trained: Any = system(norm=True)
    trained.training_step = Overflows(trained, limit=1024.0)
    _, result = fit(tmp_path / "a", trained=trained, precision={"type": "fp16", "initial_scale": 8192.0}, max_epochs=None, max_steps=9)
    assert result.steps == 9
    assert trained.training_step.calls == 9 + 3
    plain: Any = system(norm=True)
    fit(tmp_path / "b", trained=plain, precision={"type": "fp16", "initial_scale": 1024.0}, max_epochs=None, max_steps=9)
    for name, tensor in weights(trained).items():
        torch.testing.assert_close(tensor, weights(plain)[name], atol=1e-3, rtol=1e-2)
    assert int(trained.model[1].num_batches_tracked) == 9


def test_a_gradient_that_is_infinite_at_every_scale_stops_the_run(tmp_path: Path) -> None:
    trained: Any = system()
    trained.training_step = Overflows(trained, limit=0.0)
    with pytest.raises(TrainwrightError, match="not finite at the smallest loss scale at step 4"):
        fit(tmp_path, trained=trained, precision="fp16")


def test_the_scale_doubles_after_its_interval_and_comes_back_from_a_checkpoint() -> None:
    scaler_options = PrecisionOptions(type="fp16", initial_scale=8.0, growth_interval=2)
    scaler = Scaler(scaler_options, CPU)
    grads = [torch.full((3,), 16.0), torch.full((2,), 8.0, dtype=torch.float64)]
    assert scaler.unscale(grads)
    assert (float(grads[0][0]), float(grads[1][0])) == (2.0, 1.0)
    assert not scaler.unscale([torch.tensor([1.0, torch.nan])])
    scaler.count_step()
    other = Scaler(scaler_options, CPU)
    other.load(scaler.state())
    for each in (scaler, other):
        each.count_step()
        assert each.scale == 16.0
        assert each.halve_scale()
        assert each.scale == 8.0


def test_a_run_in_float16_continues_bit_for_bit(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "precision": {"type": "fp16", "initial_scale": 64.0, "growth_interval": 3},
        "max_epochs": None,
        "max_steps": 14,
    }
    unbroken, _ = fit(tmp_path / "unbroken", **options)
    with pytest.raises(Interrupted):
        fit(tmp_path / "broken", callbacks=[StopAt(7)], **options)
    continued, _ = fit(tmp_path / "broken", resume=True, **options)
    assert same(weights(unbroken), weights(continued))
    assert table(tmp_path / "unbroken") == table(tmp_path / "broken")


def test_new_weights_are_used_at_once_within_an_autocast_region(tmp_path: Path) -> None:
    trained = system(dropout=0.0)
    other = {name: tensor + 1.0 for name, tensor in weights(trained).items()}
    x = rows(4).blocks["input"]
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        trained.model(x)
        before = trained.model(x)
        load_weights(trained, other, where="a test")
        after = trained.model(x)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(trained.model(x), after)
    assert not torch.equal(before, after)


@pytest.mark.parametrize(
    ("precision", "message"),
    [
        ({"type": "bf16", "initial_scale": 8.0}, "initial_scale belongs to fp16"),
        ({"type": "fp32", "full": ["norm*"]}, "full belongs to bf16 and fp16"),
        ("fp17", "fp32"),
        ({"type": "fp16", "initial_scale": 0}, "greater than 0"),
    ],
)
def test_settings_that_cannot_go_together_are_refused(precision: Any, message: str) -> None:
    with pytest.raises((ValueError, ManyErrors), match=message):
        config(precision=precision)


def test_precision_knows_its_device() -> None:
    trainer = Trainer(config(precision="bf16"), device="cpu")

    with Precision(trainer.config.precision, CPU).forward():
        assert torch.is_autocast_enabled("cpu")
        assert torch.get_autocast_dtype("cpu") == torch.bfloat16
    assert not torch.is_autocast_enabled("cpu")
