"""Plain systems in the engine: micro-batches join exactly whatever the loss, parts are logged, YAML makes the same system."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainwright.config.errors import ConfigError
from trainwright.data.rows import TensorRows
from trainwright.engine.config import TrainerConfig
from trainwright.engine.trainer import Trainer
from trainwright.systems.plain import PlainSystem
from trainwright.systems.plain_options import PlainOptions
from trainwright.tracking.csv import read_rows

G = torch.Generator().manual_seed(0)
X = torch.randn(36, 5, generator=G, dtype=torch.float64)
Y = torch.randint(0, 3, (36,), generator=G)
LEFT_OUT = torch.where(torch.rand(36, generator=G) < 0.4, 7, Y)


def trained(
    folder: Path, target: Tensor, loss: Any, micro: int, steps: int = 3, size: int = 12, resume: bool = False
) -> tuple[nn.Module, Any]:
    torch.manual_seed(0)
    system = PlainSystem(nn.Linear(5, 3).double(), ["input"], loss)
    rows = TensorRows({"input": X, "target": target})
    options = {"batch_size": size, "micro_batch_size": micro, "max_steps": steps, "log_every": "1 steps", "trackers": ["csv"]}
    config = TrainerConfig.model_validate({**options, "early_stopping": None, "optimizer": {"type": "sgd", "learning_rate": 0.1}})
    result = Trainer(config, seed=1, device="cpu", console=False).fit(system, rows, None, run=folder, resume=resume)
    return system.model, result


LOSSES: dict[str, tuple[Any, Tensor]] = {
    "classes": ("cross_entropy", Y),
    "class weights": ({"type": "cross_entropy", "weight": [1.0, 4.0, 0.2]}, Y),
    "balanced": ({"type": "cross_entropy", "weight": "balanced"}, Y),
    "left out": ({"type": "cross_entropy", "ignore_index": 7, "label_smoothing": 0.1}, LEFT_OUT),
    "torch's own": (nn.CrossEntropyLoss(torch.tensor([1.0, 4.0, 0.2]), ignore_index=7), LEFT_OUT),
    "values": ("huber", X[:, :3] * 2),
    "a sum": ([{"type": "mse", "weight": 1.0}, {"type": "l1", "weight": [0, 1.0, 0.0, 3]}], X[:, :3]),
}


@pytest.mark.parametrize("name", LOSSES)
def test_micro_batches_make_the_step_of_the_whole_batch(name: str, tmp_path: Path) -> None:
    loss, target = LOSSES[name]
    whole, _ = trained(tmp_path / "whole", target, loss, 12)
    pieces, _ = trained(tmp_path / "pieces", target, loss, 5)
    for mine, theirs in zip(pieces.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-12)


def test_a_step_is_the_one_of_a_loop_written_by_hand(tmp_path: Path) -> None:
    weights = [1.0, 4.0, 0.2]
    model, _ = trained(tmp_path / "run", LEFT_OUT, {"type": "cross_entropy", "weight": weights, "ignore_index": 7}, 10, steps=1, size=36)
    torch.manual_seed(0)
    by_hand = nn.Linear(5, 3).double()
    optimizer = torch.optim.SGD(by_hand.parameters(), lr=0.1)
    nn.CrossEntropyLoss(torch.tensor(weights, dtype=torch.float64), ignore_index=7)(by_hand(X), LEFT_OUT).backward()
    optimizer.step()
    for mine, theirs in zip(model.parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-12)


def test_a_continued_run_has_the_same_balanced_weights_and_schedules(tmp_path: Path) -> None:
    for name in ("balanced", "a sum"):
        loss, target = LOSSES[name]
        whole, _ = trained(tmp_path / f"{name} whole", target, loss, 12, steps=6)
        trained(tmp_path / name, target, loss, 12, steps=2)
        continued, _ = trained(tmp_path / name, target, loss, 12, steps=6, resume=True)
        assert all(torch.equal(mine, theirs) for mine, theirs in zip(continued.parameters(), whole.parameters(), strict=True))


def test_a_sum_whose_micro_batches_do_not_join_exactly_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    weighted = {"type": "cross_entropy", "class_weight": [1.0, 2.0, 3.0]}
    for reduction, micro, said in (("mean", 5, True), ("mean", 12, False), ("batchmean", 5, False)):
        caplog.clear()
        system = PlainSystem(nn.Linear(5, 3).double(), ["input"], [{**weighted, "reduction": reduction}, {"type": "focal", "weight": 0.5}])
        rows = TensorRows({"input": X, "target": Y})
        system.check(rows.take(torch.arange(4)))
        options: dict[str, Any] = {"batch_size": 12, "micro_batch_size": micro, "max_steps": 1, "early_stopping": None, "trackers": []}
        trainer = Trainer(TrainerConfig.model_validate(options), seed=1, device="cpu", console=False)
        trainer.fit(system, rows, None, run=tmp_path / f"{reduction} {micro}")
        assert ("micro-batches do not join exactly with this loss: 'cross_entropy'" in caplog.text) == said


class Once:
    """Rows that can be read only once."""

    single_pass = True


def test_weights_are_not_balanced_over_data_that_can_be_read_only_once() -> None:
    system = PlainSystem(nn.Linear(5, 3), ["input"], {"type": "cross_entropy", "weight": "balanced"})
    with pytest.raises(ConfigError, match="weights cannot be balanced") as error:
        system.fit_targets(Once())  # type: ignore[arg-type]
    assert "class_weight: [1.0, …]" in error.value.fix


def test_the_parts_of_a_sum_are_logged_each(tmp_path: Path) -> None:
    trained(tmp_path, X[:, :3], LOSSES["a sum"][0], 12)
    rows = [row for row in read_rows(tmp_path / "metrics.csv") if row.get("train/loss/mse") or row.get("loss/mse")]
    assert len(rows) >= 3, read_rows(tmp_path / "metrics.csv")[:2]


NET = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self, width: int = 4, classes: int = 3):
        super().__init__(nn.Linear(5, width), nn.ReLU(), nn.Linear(width, classes))

def share(output, target):
    return (output.argmax(1) == 0).float().mean()

def nothing():
    return 3
"""


@pytest.fixture
def net(tmp_path: Path) -> str:
    (tmp_path / "net.py").write_text(NET)
    return str(tmp_path / "net.py")


def options(net: str, **more: Any) -> PlainOptions:
    return PlainOptions.model_validate({"model": {"type": f"{net}:Net", "width": 6}, **more})


def test_options_make_the_system_with_the_same_weights_for_the_same_seed(net: str) -> None:
    torch.manual_seed(5)
    first: Any = PlainSystem.from_options(
        options(net, loss=["cross_entropy", {"type": "focal", "weight": 0.5}], target="kind"), None, seed=3
    )
    torch.manual_seed(6)
    state = torch.get_rng_state()
    second = PlainSystem.from_options(options(net), None, seed=3)
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(first.model.parameters(), second.model.parameters(), strict=True))
    assert first.model[0].out_features == 6 and first.kind == "category" and first.metric_names() == ["loss", "accuracy"]
    batch = {"x": X.float(), "kind": Y}
    first.check(batch)
    assert first.predict_step({"x": X.float()})["output"].shape == (36, 3)


def test_metrics_at_a_path_are_functions_of_outputs_and_targets(net: str) -> None:
    system = PlainSystem.from_options(options(net, metrics=["accuracy", f"{net}:share"]))
    assert system.metric_names() == ["loss", "share", "accuracy"]
    output = torch.eye(3)
    found = system.metrics({"output": output, "target": torch.tensor([0, 1, 1])})
    assert found["share"] == pytest.approx(1 / 3) and found["accuracy"] == pytest.approx(2 / 3)


def test_what_names_no_model_is_refused(net: str) -> None:
    with pytest.raises(ConfigError, match=r"gives a int, not a model"):
        PlainSystem.from_options(PlainOptions.model_validate({"model": {"type": f"{net}:nothing"}}))
