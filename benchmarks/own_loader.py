"""What a step over a person's own DataLoader costs beside the same loop by hand: 64 → 128 → 10, batch 64, torch's AdamW in both.

    python -m benchmarks.own_loader [--rounds 40] [--threads 1]

Each loop has a loader of its own over the same rows; they take turns epoch by epoch, and the ratio is the median over neighbouring epochs.
`tensors` is a TensorDataset, `samples` a Dataset with a `__getitem__` in Python, `drawn` one whose samples are random; `lightning` is a
LightningModule over a TensorDataset that logs its loss in every step, beside the same loop by hand without a log.
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
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset, TensorDataset

from benchmarks.step_overhead import BATCH, ROWS, model
from trainwright.data.forms import rows_from
from trainwright.engine.config import TrainerConfig
from trainwright.engine.interrupt import Interrupts
from trainwright.engine.loop import train_epoch
from trainwright.engine.trainer import Trainer
from trainwright.systems.plain import PlainSystem

ADAMW = {"type": "torch.optim.AdamW", "lr": 1e-3}
BARS = {"tensors": "1.10", "samples": "1.10", "drawn": "–", "lightning": "1.15"}


class Samples(Dataset[Any]):
    """Rows that a person's own class hands out one by one."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        return self.x[row], self.y[row]


class Drawn(Samples):
    """The same with noise."""

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        return self.x[row] + 0.1 * torch.randn(64), self.y[row]


DATASETS: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "tensors": TensorDataset,
    "samples": Samples,
    "drawn": Drawn,
    "lightning": TensorDataset,
}


def by_hand(loader: Any) -> Callable[[], None]:
    """DataLoader and AdamW as in the tutorials; nothing is logged."""
    net = model()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)

    def epoch() -> None:
        for inputs, target in loader:
            optimizer.zero_grad()
            functional.cross_entropy(net(inputs), target).backward()
            optimizer.step()

    return epoch


def lightning_system() -> Any:
    """A LightningModule with torch's AdamW of its own, which logs its loss in every step."""
    import lightning.pytorch as L

    from trainwright.adapters.lightning.system import LightningSystem

    class Classifier(L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = model()

        def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
            inputs, target = batch
            loss = functional.cross_entropy(self.net(inputs), target)
            self.log("train_loss", loss)
            return loss

        def configure_optimizers(self) -> Any:
            return torch.optim.AdamW(self.parameters(), lr=1e-3)

    system = LightningSystem(Classifier())
    system.positional = True
    return system


def ours(loader: Any, folder: Path) -> Callable[[], None]:
    """The trainer's own loop over the loader as `tw.fit` takes it: a row every 50 steps in metrics.csv, a checkpoint every 10 seconds."""
    folder.mkdir()
    options: dict[str, Any] = {"max_epochs": 10**6, "trackers": ["csv"], "checkpoint": {"every": "10 s"}}
    lightning = folder.name == "lightning"
    rows = rows_from(loader, "train", torch.float32)
    trainer = Trainer(TrainerConfig.model_validate(options | ({} if lightning else {"optimizer": ADAMW})), console=False)
    system = lightning_system() if lightning else PlainSystem(model(), None, "cross_entropy", None)
    session = trainer.opening.session(system, rows, None, folder, Interrupts(), None)
    session.parts.saver.store.prepare()
    session.parts.saver.begin(session)
    session.plan_next_boundary()
    session.clock.timing.phase("train").__enter__()
    return lambda: train_epoch(session)


def in_turn(loops: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Seconds by the clock and of the processor of every loop's epochs; who begins changes from round to round."""
    for loop in loops.values():
        loop()
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in loops}
    names = list(loops)
    for _ in range(rounds):
        names.reverse()
        for name in names:
            wall, processor = time.perf_counter(), time.process_time()
            loops[name]()
            seconds[name].append((time.perf_counter() - wall, time.process_time() - processor))
    return seconds


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    generator = torch.Generator().manual_seed(0)
    x, y = torch.rand(ROWS, 64, generator=generator), torch.randint(0, 10, (ROWS,), generator=generator)
    steps = -(-ROWS // BATCH)
    print(f"torch {torch.__version__}, {arguments.threads} thread(s), {arguments.rounds} rounds of {steps} steps")
    with tempfile.TemporaryDirectory() as folder:
        for name, dataset in DATASETS.items():
            loaders = [DataLoader(dataset(x, y), batch_size=BATCH, shuffle=True) for _ in range(2)]
            loops = {"by hand": by_hand(loaders[0]), "ours": ours(loaders[1], Path(folder) / name)}
            seconds = in_turn(loops, arguments.rounds)
            hand, our = (statistics.median(wall for wall, _ in seconds[each]) / steps * 1e6 for each in loops)
            pairs = list(zip(seconds["ours"], seconds["by hand"], strict=True))
            wall, processor = (statistics.median(mine[clock] / other[clock] for mine, other in pairs) for clock in (0, 1))
            print(f"  {name:8} by hand {hand:6.1f} µs, ours {our:6.1f} µs per step, ratio wall {wall:.3f}", end="")
            print(f"   processor {processor:.3f}   (bar {BARS[name]})")


if __name__ == "__main__":
    main()
