"""A step is what the design says: the same gradient however it is cut, the same noise however often it is made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_runs import config, fit, rows, same, system, weights
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from trainwright.config.errors import TrainwrightError
from trainwright.engine.callbacks import Callback
from trainwright.engine.dealing import micro_batches
from trainwright.engine.step import Backward
from trainwright.engine.system import Loss, StepContext
from trainwright.engine.trainer import Trainer

WEIGHTS = torch.Generator().manual_seed(0)


def gradient(x: Tensor, items: Tensor, size: int, as_tensor: bool) -> Tensor:
    """The gradient of the mean over items, from micro-batches of `size` rows."""
    weight = torch.ones(x.shape[1], dtype=torch.float64, requires_grad=True)
    backward, total = Backward(), 0
    for piece in micro_batches({"x": x, "items": items}, len(x), size):
        losses = ((piece["x"] @ weight) ** 2) * piece["items"]
        count = piece["items"].sum()
        backward(Loss(losses.sum(), count if as_tensor else int(count)), len(x))
        total = total + (count if as_tensor else int(count))
    assert weight.grad is not None
    if as_tensor or total != len(x):
        backward.finish([weight.grad], len(x), total)
    return weight.grad


@settings(deadline=None, max_examples=40)
@given(n=st.integers(1, 20), size=st.integers(1, 20), ragged=st.booleans(), as_tensor=st.booleans(), seed=st.integers(0, 99))
def test_micro_batches_give_the_gradient_of_the_whole_batch_weighted_by_items(
    n: int, size: int, ragged: bool, as_tensor: bool, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 3, generator=generator, dtype=torch.float64)
    items = torch.randint(0, 5, (n,), generator=generator) if ragged else torch.ones(n, dtype=torch.int64)
    weight = torch.ones(3, dtype=torch.float64, requires_grad=True)
    if int(items.sum()):
        ((((x @ weight) ** 2) * items).sum() / items.sum()).backward()
    expected = torch.zeros(3, dtype=torch.float64) if weight.grad is None else weight.grad
    assert torch.allclose(gradient(x, items, size, as_tensor), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", [1, 3, 5, 7])
def test_a_run_in_micro_batches_is_the_run_in_whole_batches(size: int, tmp_path: Path) -> None:
    whole, _ = fit(tmp_path / "whole", trained=system(dropout=0.0).double(), train_rows=43, **in_double())
    pieces, _ = fit(tmp_path / "pieces", trained=system(dropout=0.0).double(), train_rows=43, micro_batch_size=size, **in_double())
    for name, tensor in weights(whole).items():
        assert torch.allclose(weights(pieces)[name], tensor, rtol=1e-9, atol=1e-12), name


def in_double() -> dict[str, Any]:
    return {"validation_rows": 0, "callbacks": [ToDouble()]}


class ToDouble(Callback):
    def on_train_batch_start(self, session: Any, system: Any, batch: dict[str, Tensor], index: int) -> None:
        batch["input"] = batch["input"].double()


def test_the_loop_gives_the_weights_of_the_loop_written_by_hand(tmp_path: Path) -> None:
    from trainwright.data.order import epoch_order

    ours, _ = fit(tmp_path, trained=system(dropout=0.0), validation_rows=0, max_epochs=3)
    by_hand, data = system(dropout=0.0), rows(43)
    optimizer = torch.optim.AdamW(by_hand.parameters(), lr=1e-3, fused=True)
    for epoch in range(3):
        for indices in epoch_order(3, epoch, 43).split(8):
            batch = data.take(indices)
            loss = nn.functional.cross_entropy(by_hand.model(batch["input"]), batch["target"])
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    for name, tensor in weights(by_hand).items():
        assert torch.allclose(weights(ours)[name], tensor, rtol=1e-5, atol=1e-7), name


def test_dropout_is_a_function_of_the_step_and_not_of_what_was_drawn_before(tmp_path: Path) -> None:
    class Draws(Callback):
        def on_train_batch_start(self, *_: Any) -> None:
            torch.rand(17)

    plain, _ = fit(tmp_path / "plain")
    disturbed, _ = fit(tmp_path / "disturbed", callbacks=[Draws()])
    assert same(weights(plain), weights(disturbed))


def test_the_persons_own_randomness_goes_on_as_if_nothing_had_been_trained(tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    fit(tmp_path)
    assert torch.equal(torch.rand(3), expected)


def test_a_last_row_left_over_joins_the_step_before_where_statistics_of_the_batch_are_needed(tmp_path: Path) -> None:
    _, with_norm = fit(tmp_path / "norm", trained=system(norm=True), train_rows=41, max_epochs=2)
    _, without = fit(tmp_path / "plain", train_rows=41, max_epochs=2)
    assert (with_norm.steps, without.steps) == (10, 12)


@pytest.mark.parametrize(
    ("loss", "message"),
    [(lambda output, target: output.detach().sum(), "does not depend on any trained parameter"), (None, r"loss of shape \(3,\)")],
)
def test_a_loss_that_cannot_be_trained_on_is_refused(loss: Any, message: str, tmp_path: Path) -> None:
    trained: Any = system(loss or "cross_entropy")
    if loss is None:
        trained.training_step = lambda batch, context: Loss(torch.ones(3, requires_grad=True) * 1, 3)
    with pytest.raises(TrainwrightError, match=message):
        fit(tmp_path, trained=trained)


def test_a_loss_that_is_not_finite_stops_the_run_before_anything_is_saved(tmp_path: Path) -> None:
    trained: Any = system()
    step = trained.training_step

    def training_step(batch: Any, context: StepContext) -> Loss:
        loss = step(batch, context)
        return Loss(loss.total * (float("nan") if context.step == 13 else 1.0), loss.count, outputs=loss.outputs)

    trained.training_step = training_step
    with pytest.raises(TrainwrightError, match="the loss is nan at step 15") as error:
        fit(tmp_path, trained=trained, checkpoint={"every": "5 steps"}, log_every="100 steps")
    assert error.value.exit_code == 1
    assert "steps 13 to 15" in str(error.value)
    assert "batch 13 (training rows 37, 14, 38, 12, 30, …); the loss is the first number that is not finite" in str(error.value)
    assert sorted(path.name for path in (tmp_path / "checkpoints").glob("step-*")) == ["step-00000005", "step-00000010"]


QUIET = {
    "plain": {"clip": {"norm": 1.0}},
    "averages": {"ema": [0.9, 0.99], "swa": {"start": "0.5 run", "every": "3 steps"}},
    "groups, hooks, adaptive clipping": {
        "parameters": {"rules": [{"match": "model.0", "learning_rate_scale": 0.5, "freeze": "9 steps"}], "no_decay": True},
        "gradient_hooks": [{"match": "model.0", "clip_norm": 1.0, "log": True}],
        "clip": {"adaptive": 0.1, "per_parameter": 1.0, "value": 1.0},
    },
    "bfloat16, muon, one cycle": {"precision": "bf16", "optimizer": "muon", "schedule": "one_cycle"},
}


@pytest.mark.parametrize("name", QUIET)
def test_an_ordinary_step_never_waits_for_the_device(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[int] = []
    at = {"step": -1}

    def counted(name: str) -> None:
        original = getattr(Tensor, name)

        def read(tensor: Tensor, *arguments: Any, **named: Any) -> Any:
            reads.append(at["step"])
            return original(tensor, *arguments, **named)

        monkeypatch.setattr(Tensor, name, read)

    for method in ("item", "tolist", "cpu", "numpy", "__float__", "__int__", "__bool__", "__index__", "nonzero"):
        counted(method)

    class Steps(Callback):
        def on_train_batch_start(self, session: Any, *_: Any) -> None:
            at["step"] = session.step

    _, result = fit(
        tmp_path, callbacks=[Steps()], validation_rows=0, log_every="10 steps", max_epochs=20, evaluate_every="60 steps", **QUIET[name]
    )
    assert result.steps == 120
    allowed = {step for step in range(120) if (step + 1) % 10 == 0 or step == 0}
    assert set(reads) - {-1} <= allowed
    assert reads


def test_training_imports_nothing_that_the_first_step_would_wait_for(tmp_path: Path) -> None:
    program = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from engine_runs import fit, Callback
class First(Callback):
    def on_train_batch_end(self, session, *_):
        if session.step == 1:
            heavy = ["torch._dynamo", "sympy", "tensorboard", "rich", "pandas", "sklearn", "scipy", "matplotlib", "torch.utils.tensorboard"]
            print([name for name in heavy if name in sys.modules])
fit(Path({str(tmp_path)!r}), callbacks=[First()], max_epochs=1, trackers=["csv", "tensorboard"], clip={{"norm": 1.0}})
print("torch._dynamo" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "False"]


def test_a_trainer_can_be_checked_before_anything_is_written(tmp_path: Path) -> None:
    plan = Trainer(config(), console=False).check(system(), 43, 20)
    assert (plan.steps_per_epoch, plan.max_steps) == (6, 24)
    assert list(tmp_path.iterdir()) == []
