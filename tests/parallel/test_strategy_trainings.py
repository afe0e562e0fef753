"""A whole run under every strategy is the run of one process: weights, metrics, averages, and the model is given back as it was."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from forked_ranks import on_ranks
from torch import Tensor, nn

from trainwright.config.errors import ConfigError
from trainwright.data.rows import TensorRows
from trainwright.engine.callbacks import Callback
from trainwright.engine.config import TrainerConfig
from trainwright.engine.trainer import Trainer
from trainwright.parallel.world import World
from trainwright.systems.plain import PlainSystem

pytestmark = pytest.mark.slow

STRATEGIES: dict[str, Any] = {
    "zero": "zero",
    "fsdp": "fsdp",
    "fsdp by layer": {"type": "fsdp", "groups": {"match": ["*"]}, "reshard": False},
    "tp": {"type": "tp", "plan": {"0": "colwise", "3": "rowwise"}},
    "torch's ddp": {"reduction": "torch"},
}
SKIPPING = ["fsdp by layer", "tp", "torch's ddp"]
SPOILT: dict[str, Any] = {"spoilt": 20, "recovery": {"not_finite": "skip"}, "sanity_check": 0}
HANDED_ON = [("fsdp by layer", "tp"), ("tp", "zero"), ("zero", "fsdp")]


def rows(n: int, seed: int, spoilt: int | None = None) -> TensorRows:
    x = torch.randn(n, 5, generator=torch.Generator().manual_seed(seed))
    if spoilt is not None:
        x[spoilt] = float("nan")
    return TensorRows({"input": x, "target": (x[:, 0] > 0).long()})


def network() -> PlainSystem:
    torch.manual_seed(7)
    model = nn.Sequential(nn.Linear(5, 16), nn.LayerNorm(16), nn.ReLU(), nn.Linear(16, 2))
    return PlainSystem(model, ["input"], "cross_entropy", ["accuracy", "roc_auc"])


class Frozen(Callback):
    """Whether the first layer was where it was while it was frozen, and what the others see of a run."""

    every_rank = True

    def __init__(self) -> None:
        self.norms: list[float] = []

    def on_train_batch_end(self, session: Any, system: Any, batch: Any, index: int) -> None:
        self.norms.append(float(session.logs.gradient_norm))


def fit(world: World, folder: Path, **options: Any) -> dict[str, Any]:
    given = {
        "batch_size": 12,
        "micro_batch_size": 3,
        "max_steps": 9,
        "log_every": "3 steps",
        "evaluate_every": "3 steps",
        "early_stopping": None,
        "evaluation_batch_size": 7,
        "clip": {"norm": 0.3},
        "ema": {"decay": [0.5, 0.9]},
        "swa": {"start": "5 steps", "every": "2 steps", "refresh": 0},
        "trackers": [],
        "parameters": {"rules": [{"match": "0", "freeze": "4 steps"}, {"match": "3", "learning_rate": 0.02}]},
        "schedule": "cosine",
    }
    resume, spoilt = options.pop("resume", False), options.pop("spoilt", None)
    watch, system = Frozen(), network()
    before = {name: id(each) for name, each in system.named_parameters()}
    config = TrainerConfig.model_validate(given | options)
    trainer = Trainer(config, seed=3, device="cpu", callbacks=[watch], console=False, world=world)
    result = trainer.fit(system, rows(41, 0, spoilt), rows(23, 1), rows(17, 2), run=folder, resume=resume)
    same = {name: id(each) for name, each in system.named_parameters()} == before
    classes = [type(each).__name__ for each in system.modules()]
    weights = {name: tensor.clone() for name, tensor in system.state_dict().items()}
    history = [{name: value for name, value in row.items() if name != "seconds" and "per_second" not in name} for row in result.history]
    found = {"metrics": result.metrics, "history": history, "norms": watch.norms, "parameters": result.realised["parameters"]}
    return found | {"weights": weights, "same": same, "classes": classes, "kept": result.realised["kept"]}


def of_two(world: Any, folder: Path) -> dict[str, Any]:
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module")
    found = {label: fit(world, folder / label, strategy=strategy) for label, strategy in STRATEGIES.items()}
    for before, after in HANDED_ON:
        place = folder / f"{before} to {after}"
        fit(world, place, strategy=STRATEGIES[before], max_steps=5, schedule="constant")
        found[f"{before} to {after}"] = fit(world, place, strategy=STRATEGIES[after], schedule="constant", resume=True)
    hook = {"hook": {"type": "powersgd", "start_step": 2}}
    found["hooked"] = fit(world, folder / "hooked", strategy=hook, schedule="constant", max_steps=8)
    fit(world, folder / "hooked cut", strategy=hook, schedule="constant", max_steps=5)
    found["hooked again"] = fit(world, folder / "hooked cut", strategy=hook, schedule="constant", max_steps=8, resume=True)
    for label in SKIPPING:
        found[f"{label} skips"] = fit(world, folder / f"{label} skips", strategy=STRATEGIES[label], **SPOILT)
    found["measured"] = measured(world)
    found["refused"] = {label: refused(world, folder, label) for label in MISTAKES}
    return found


def measured(world: World) -> dict[str, Any]:
    """Metrics outside of a run, of a model that stays as it is."""
    system = network()
    config = TrainerConfig.model_validate({"max_steps": 1, "strategy": "fsdp", "evaluation_batch_size": 7})
    found = Trainer(config, device="cpu", console=False, world=world).validate(system, rows(23, 1))
    return {"metrics": found, "kinds": {type(each).__name__ for each in system.parameters()}, "step": vars(system).get("evaluation_step")}


class Softmax(nn.Module):
    """Outputs of one layer that the next cannot take in parts, which no name tells."""

    def __init__(self, within: bool = False) -> None:
        super().__init__()
        self.within = within
        self.up, self.down = nn.Linear(5, 16), nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        if self.within:
            return nn.functional.linear(nn.functional.linear(x, self.up.weight), self.down.weight)
        return self.down(self.up(x).softmax(-1))


MISTAKES = {
    "split where it is taken whole": (False, {"type": "tp", "plan": {"up": "colwise", "down": "rowwise"}}, "the loss of the first rows is"),
    "used outside": (True, {"type": "fsdp", "groups": {"match": ["up", "down"]}}, "Tensor"),
}


def refused(world: World, folder: Path, label: str) -> dict[str, Any]:
    within, strategy, _ = MISTAKES[label]
    torch.manual_seed(7)
    model = Softmax(within)
    before = {name: each.clone() for name, each in model.state_dict().items()}
    config = TrainerConfig.model_validate({"max_steps": 2, "strategy": strategy, "trackers": []})
    with pytest.raises(ConfigError) as raised:
        Trainer(config, device="cpu", console=False, world=world).fit(
            PlainSystem(model, ["input"], "cross_entropy", []), rows(12, 0), run=folder / f"refused {label}"
        )
    whole = all(torch.equal(each, before[name]) for name, each in model.state_dict().items())
    return {"said": f"{raised.value.what} {raised.value.why} {raised.value.fix}", "whole": whole, "kind": type(model.up).__name__}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    import torch.distributed.fsdp
    import torch.distributed.tensor.parallel  # noqa: F401  # once, for all that are forked

    return on_ranks(tmp_path_factory.mktemp("two"), of_two)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return fit(World(), tmp_path_factory.mktemp("alone"))


@pytest.mark.parametrize("label", STRATEGIES)
def test_a_run_under_a_strategy_is_the_run_of_one_process(two: list[dict[str, Any]], alone: dict[str, Any], label: str) -> None:
    for rank in two:
        found = rank[label]
        assert largest(found["weights"], alone["weights"]) <= 1e-6
        assert found["kept"] == alone["kept"]
        assert found["parameters"] == alone["parameters"]
        assert found["norms"] == pytest.approx(alone["norms"], abs=1e-6)
        for split, values in alone["metrics"].items():
            assert found["metrics"][split] == pytest.approx(values, abs=1e-6), split
        for mine, theirs in zip(found["history"], alone["history"], strict=True):
            assert mine == pytest.approx(theirs, abs=1e-6)
        assert found["same"]
        assert found["classes"] == alone["classes"]


def test_a_model_that_is_measured_outside_of_a_run_is_not_taken_apart(two: list[dict[str, Any]]) -> None:
    expected = measured(World())
    for rank in two:
        assert rank["measured"]["metrics"] == pytest.approx(expected["metrics"], abs=1e-6)
        assert rank["measured"]["kinds"] == {"Parameter"}
        assert rank["measured"]["step"] is None


@pytest.mark.parametrize("label", MISTAKES)
def test_a_model_that_is_another_one_when_it_is_dealt_is_refused_and_given_back(two: list[dict[str, Any]], label: str) -> None:
    for rank in two:
        found = rank["refused"][label]
        assert "as it is set" in found["said"]
        assert MISTAKES[label][2] in found["said"]
        assert found["whole"]
        assert found["kind"] == "Linear"


def test_a_row_that_is_not_finite_is_left_out_by_all(two: list[dict[str, Any]], tmp_path: Path) -> None:
    alone = fit(World(), tmp_path, **SPOILT)
    for rank in two:
        for label in SKIPPING:
            assert largest(rank[f"{label} skips"]["weights"], alone["weights"]) <= 1e-6, label


def test_what_a_hook_remembers_is_in_checkpoints(two: list[dict[str, Any]]) -> None:
    for rank in two:
        assert largest(rank["hooked"]["weights"], rank["hooked again"]["weights"]) == 0
        assert largest(rank["hooked"]["weights"], rank["zero"]["weights"]) > 0


@pytest.mark.parametrize(("before", "after"), HANDED_ON)
def test_a_run_goes_on_under_another_strategy(
    two: list[dict[str, Any]], tmp_path: Path, before: str, after: str, unbroken: dict[str, Any]
) -> None:
    for rank in two:
        found = rank[f"{before} to {after}"]
        assert largest(found["weights"], unbroken["weights"]) <= 1e-6
        assert found["metrics"]["validation"] == pytest.approx(unbroken["metrics"]["validation"], abs=1e-6)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Its averages begin where those of a run of five steps began."""
    folder = tmp_path_factory.mktemp("unbroken")
    fit(World(), folder, max_steps=5, schedule="constant")
    return fit(World(), folder, schedule="constant", resume=True)


def largest(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    assert one.keys() == other.keys()
    return max(float((one[name].double() - other[name].double()).abs().max()) for name in one)
