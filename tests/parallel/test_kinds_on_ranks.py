"""Whatever is trained, and however: two processes give the weights of one. Real processes over gloo, all kinds in one pair of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from forked_ranks import on_ranks
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import trainwright as tw
from trainwright.data.loader_rows import LoaderRows
from trainwright.data.rows import TensorRows
from trainwright.engine.config import TrainerConfig
from trainwright.engine.system import NoStep
from trainwright.engine.trainer import Trainer
from trainwright.parallel.world import World
from trainwright.systems.plain import PlainSystem

ROWS, BATCH, STEPS = 29, 8, 6


def block(n: int = ROWS, seed: int = 0) -> dict[str, Tensor]:
    x = torch.randn(n, 5, generator=torch.Generator().manual_seed(seed))
    return {"input": x, "target": (x[:, 0] > 0).long(), "id": torch.arange(n)}


def tensors() -> TensorRows:
    return TensorRows(block())


def loader() -> Any:
    found = block()
    return LoaderRows(DataLoader(TensorDataset(found["input"], found["target"]), batch_size=7), torch.float32)


def plain(*middle: nn.Module) -> PlainSystem:
    torch.manual_seed(7)
    return PlainSystem(nn.Sequential(nn.Linear(5, 16), *middle, nn.ReLU(), nn.Linear(16, 2)), ["input"], "cross_entropy", ["accuracy"])


class Adversaries(tw.System):
    """Two optimizers that the system steps by itself, as a GAN's."""

    automatic_optimization = False

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.generator, self.critic = nn.Linear(5, 5), nn.Linear(5, 1)

    def configure_optimizers(self) -> Any:
        return [torch.optim.AdamW(self.generator.parameters(), 1e-2), torch.optim.SGD(self.critic.parameters(), 1e-2)]

    def training_step(self, batch: Any, context: Any) -> Tensor:
        first, second = self.optimizers()
        made = self.generator(batch["input"])
        with first.toggled():
            first.zero_grad()
            self.manual_backward(-self.critic(made).mean())
            first.step()
        second.zero_grad()
        loss = self.critic(made.detach()).mean() - self.critic(batch["input"]).mean() + self.critic.weight.square().sum()
        self.manual_backward(loss)
        second.step()
        return loss.detach()


class Uneven(tw.System):
    """Rows of some ids give no loss, others go through a layer of their own: processes differ in what they use."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.common, self.rare, self.never = nn.Linear(5, 1), nn.Linear(5, 1), nn.Linear(5, 1)

    def training_step(self, batch: Any, context: Any) -> tw.Loss:
        odd = batch["id"] % 7 == 3
        if not bool((batch["id"] % 5 < 4).any()):
            raise NoStep(counts=True)
        total = self.common(batch["input"]).square().sum()
        if bool(odd.any()):
            total = total + self.rare(batch["input"][odd]).square().sum()
        return tw.Loss(total, len(odd))


class LeavesOut(tw.System):
    """A batch with one of some rows makes no step, in all processes."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.net = nn.Linear(5, 1)

    def training_step(self, batch: Any, context: Any) -> tw.Loss:
        if bool((batch["id"] == 11).any()):
            raise NoStep
        return tw.Loss(self.net(batch["input"]).square().sum(), len(batch["id"]))


class Words(tw.System):
    """Sparse gradients of an embedding, in a mean that the system takes itself."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.table, self.head = nn.Embedding(40, 4, sparse=True), nn.Linear(4, 1)

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 1e-2)

    def training_step(self, batch: Any, context: Any) -> Tensor:
        return self.head(self.table(batch["id"])).square().mean()


@dataclass(frozen=True)
class Kind:
    """What is trained, on what, and how far two processes may be from one."""

    system: Callable[[], Any]
    options: dict[str, Any] = field(default_factory=dict)
    rows: Callable[[], Any] = tensors
    within: float = 1e-6


KINDS = {
    "fewer rows than processes": Kind(plain, {"batch_size": 1}),
    "norms over the batch, one row left over": Kind(lambda: plain(nn.LayerNorm(16)), {"batch_size": 14}),
    "batches of a loader": Kind(lambda: plain(), {"batch_size": None}, loader),
    "batches of a loader, joined": Kind(lambda: plain(), {"batch_size": None, "accumulation": 2}, loader),
    "optimizers of its own": Kind(Adversaries),
    "optimizers of its own, fewer rows than processes": Kind(Adversaries, {"batch_size": 1}),
    "parameters that some rows use": Kind(Uneven, {"optimizer": {"type": "adamw", "learning_rate": 0.01, "weight_decay": 0.1}}),
    "batches left out": Kind(LeavesOut),
    "sparse gradients": Kind(Words),
    "clipped": Kind(plain, {"clip": {"norm": 0.05}}),
    "sharpness aware": Kind(plain, {"optimizer": {"type": "sam", "inner": {"type": "sgd", "learning_rate": 0.05}}}),
    "lbfgs": Kind(plain, {"optimizer": {"type": "lbfgs"}, "batch_size": ROWS, "max_steps": 2}, within=1e-4),
    "averaged": Kind(plain, {"ema": 0.9}),
    "muon": Kind(plain, {"optimizer": {"type": "muon", "learning_rate": 0.01}}, within=1e-4),
    "schedule free": Kind(plain, {"optimizer": {"type": "schedule_free_adamw", "learning_rate": 0.01}}),
    "bf16": Kind(plain, {"precision": "bf16"}, within=2e-3),
    "fp16": Kind(plain, {"precision": "fp16"}, within=2e-3),
    "in order": Kind(plain, {"strategy": {"reduce": "ordered"}}),
    "rounds": Kind(plain, {"micro_batch_size": 1}),
    "not finite and skipped": Kind(plain, {"recovery": {"not_finite": "skip"}}),
    "checkpointed activations": Kind(plain, {"modes": {"activation_checkpointing": ["model.0"]}}),
}


def fit(kind: Kind, world: World, folder: Path) -> dict[str, Any]:
    given = {"batch_size": BATCH, "max_steps": STEPS, "trackers": ["csv"], "early_stopping": None, "log_every": "2 steps"}
    config = TrainerConfig.model_validate(given | kind.options)
    system = kind.system()
    result = Trainer(config, seed=3, device="cpu", console=False, world=world).fit(system, kind.rows(), run=folder)
    losses = [row.get("train/loss", 0.0) for row in result.history]
    return {"weights": {name: each.clone() for name, each in system.state_dict().items()}, "steps": result.steps, "losses": losses}


def told(kind: Kind, world: World, folder: Path) -> dict[str, Any]:
    """As `fit`; an error that both raise is told for its kind alone."""
    try:
        return fit(kind, world, folder)
    except (ValueError, RuntimeError, TypeError, tw.TrainwrightError) as error:
        return {"error": f"{type(error).__name__}: {error}"}


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    def work(world: World, folder: Path) -> dict[str, Any]:
        return {name: told(kind, world, folder / name) for name, kind in KINDS.items()}

    return on_ranks(tmp_path_factory.mktemp("kinds"), work, limit=300)


@pytest.mark.parametrize("name", KINDS)
def test_two_processes_give_the_weights_of_one(name: str, ranks: list[dict[str, Any]], tmp_path: Path) -> None:
    kind, (first, second) = KINDS[name], (rank[name] for rank in ranks)
    assert "error" not in first, first["error"]
    alone = fit(kind, World(), tmp_path / "run")
    assert first["steps"] == second["steps"] == alone["steps"]
    assert all(torch.equal(first["weights"][key], second["weights"][key]) for key in alone["weights"])
    apart = max(float((first["weights"][key] - tensor).abs().max()) for key, tensor in alone["weights"].items())
    assert apart <= kind.within
    assert first["losses"] == pytest.approx(alone["losses"], rel=max(kind.within, 1e-6) * 10)
