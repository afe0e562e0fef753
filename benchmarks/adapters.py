"""What the adapters add to a step: a LightningModule and a model that returns its loss, against the same calls without an adapter.

    python benchmarks/adapters.py [--rounds 200] [--steps 50] [--threads 1]

A step is all that is called between two batches but for the optimizer: hooks before, forward pass, hooks round the backward pass, hooks
after. The bare step calls the same module itself. Both take turns within a round, so whatever else the machine does falls on both; the
median over rounds of the difference is printed. The bar is 10 µs.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainwright.adapters.lightning.system import LightningSystem
from trainwright.adapters.returning_loss import ReturningLossSystem
from trainwright.data.rows import TensorRows
from trainwright.engine.config import TrainerConfig
from trainwright.engine.interrupt import Interrupts
from trainwright.engine.session import Session
from trainwright.engine.step import Backward
from trainwright.engine.system import Loss
from trainwright.engine.trainer import Trainer

BATCH = 32
BAR = 10.0
Step = Callable[[], None]


def rows() -> TensorRows:
    generator = torch.Generator().manual_seed(0)
    return TensorRows({"x": torch.randn(256, 16, generator=generator), "labels": torch.randint(0, 4, (256,), generator=generator)})


def lightning_module(logs: bool) -> Any:
    import lightning.pytorch as L

    class Classifier(L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Linear(16, 4)

        def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
            loss = functional.cross_entropy(self.net(batch["x"]), batch["labels"])
            if logs and self._trainer is not None:
                self.log("train_loss", loss)
            return loss

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    return Classifier()


class Returning(nn.Module):
    """As a model of Hugging Face: columns by name, a mapping with `loss` and `logits`."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(16, 4)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        logits = self.net(x)
        return {"logits": logits} if labels is None else {"loss": functional.cross_entropy(logits, labels), "logits": logits}


def session_of(system: Any, folder: Path) -> Session:
    options = {"batch_size": BATCH, "max_epochs": 10**6, "trackers": [], "log_every": "1000000 steps"}
    session = Trainer(TrainerConfig.model_validate(options), device="cpu", console=False).opening.session(
        system, rows(), None, folder, Interrupts()
    )
    for hook in session.parts.hooks.setup:
        hook(session, system)
    return session


def backwards(loss: Loss, backward: Backward) -> None:
    backward(loss, BATCH, 1.0, True)


def adapted(session: Session, batch: dict[str, Tensor]) -> Step:
    """What the loop calls of a system in one step, hooks as it calls them."""
    system, hooks, backward = session.system, session.parts.hooks, Backward()
    context = session.context()

    def step() -> None:
        for hook in hooks.on_train_batch_start:
            hook(session, system, batch, 0)
        loss = system.training_step(batch, context)
        for hook in hooks.on_before_backward:
            hook(session, system, loss)
        backwards(loss, backward)
        for hook in hooks.on_after_backward:
            hook(session, system)
        for hook in hooks.on_before_optimizer_step:
            hook(session, system)
        for hook in hooks.on_before_zero_grad:
            hook(session, system)
        for hook in hooks.on_train_batch_end:
            hook(session, system, batch, 0)

    return step


def bare(call: Callable[[], Tensor]) -> Step:
    """The same forward and backward pass, and the sum that every system's loss is logged from."""
    backward = Backward()

    def step() -> None:
        backwards(Loss.of_mean(call(), BATCH), backward)

    return step


def cleared(step: Step, module: nn.Module) -> Step:
    """The step, with gradients dropped after it on both sides alike."""
    parameters = list(module.parameters())

    def whole() -> None:
        step()
        for each in parameters:
            each.grad = None

    return whole


def pairs(folder: Path) -> dict[str, tuple[Step, Step]]:
    """Name → (with the adapter, without)."""
    found = {}
    for name, logs in (("LightningModule", False), ("LightningModule that logs", True)):
        module, twin = lightning_module(logs), lightning_module(logs)
        session = session_of(LightningSystem(module), folder)
        batch = rows().take(torch.arange(BATCH))
        alone = bare(lambda twin=twin, batch=batch: twin.training_step(batch, 0))
        found[name] = (cleared(adapted(session, batch), module), cleared(alone, twin))
    model, copy = Returning(), Returning()
    session = session_of(ReturningLossSystem(model), folder)
    batch = rows().take(torch.arange(BATCH))
    found["model that returns a loss"] = (cleared(adapted(session, batch), model), cleared(bare(lambda: copy(**batch)["loss"]), copy))
    return found


def seconds(step: Step, times: int) -> float:
    before = time.perf_counter()
    for _ in range(times):
        step()
    return (time.perf_counter() - before) / times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"torch {torch.__version__}, {arguments.threads} thread(s), {arguments.rounds} rounds of {arguments.steps} steps")
    with tempfile.TemporaryDirectory() as folder:
        for name, (ours, theirs) in pairs(Path(folder)).items():
            differences, alone = [], []
            for number in range(arguments.rounds):
                order = (ours, theirs) if number % 2 else (theirs, ours)
                taken = {id(step): seconds(step, arguments.steps) for step in order}
                differences.append(taken[id(ours)] - taken[id(theirs)])
                alone.append(taken[id(theirs)])
            added = statistics.median(differences) * 1e6
            print(f"  {name:26} adds {added:5.2f} µs to a step of {statistics.median(alone) * 1e6:6.1f} µs   (bar {BAR:g})")


if __name__ == "__main__":
    main()
