"""Every kind of data and of system that the fault harness kills, beside the settings of `fault_runs`.

Imported once by the fork server, forked for every start.
"""

from __future__ import annotations

import csv
import importlib.util
import itertools
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from fault_runs import FEATURES, KINDS, numbers
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, WeightedRandomSampler

import trainwright as tw
from trainwright.api import fit as _fit  # noqa: F401  (so that forked processes need not import it)
from trainwright.cli.main import main

ROWS, BATCH = 208, 16
CADENCES: dict[str, Any] = {"evaluate_every": "11 steps", "log_every": "4 steps", "max_steps": 66}
SAVING: dict[str, Any] = {"every": "7 steps", "min_interval": "0 s", "keep_best": 2}
PLATEAU: dict[str, Any] = {"type": "plateau", "metric": "train/loss", "patience": 1, "factor": 0.5}
"""A schedule that listens to what steps left behind: a row that differs makes other weights."""


def net() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(FEATURES, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 2))


def pairs() -> TensorDataset:
    return TensorDataset(*numbers(ROWS, 0))


def trained(folder: Path, model: Any, data: Any, **options: Any) -> None:
    """Begin or go on with `tw.fit`."""
    torch.set_num_threads(1)
    given: dict[str, Any] = {
        "schedule": PLATEAU,
        "optimizer": {"type": "sgd", "momentum": 0.9},
        "learning_rate": 0.1,
        **CADENCES,
        **options,
    }
    rows: Any = TensorDataset(*numbers(60, 1))
    held_out = DataLoader(rows, batch_size=20) if isinstance(data, DataLoader) else rows
    place: dict[str, Any] = {"run_dir": folder, "resume": True, "checkpoint": SAVING, "trackers": ["csv"], "seed": 5}
    tw.fit(model, data, validation=held_out, console=False, early_stopping=None, **place, **given)


def plain(folder: Path, data: Any, **options: Any) -> None:
    trained(folder, net(), data, loss="cross_entropy", metrics=["accuracy", "f1", "roc_auc", "log_loss"], **options)


class Mapped(Dataset[Any]):
    """Rows by number, random within themselves."""

    def __init__(self) -> None:
        self.x, self.y = numbers(ROWS, 0)

    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.x[index] + 0.1 * torch.randn(FEATURES), self.y[index]


class Stream(IterableDataset[Any]):
    """Rows in their order."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        x, y = numbers(ROWS, 0)
        yield from zip(x, y, strict=True)


def endless() -> Iterator[tuple[Tensor, Tensor]]:
    x, y = numbers(ROWS, 0)
    while True:
        yield from zip(x, y, strict=True)


def tensors(folder: Path) -> None:
    plain(folder, numbers(ROWS, 0), batch_size=BATCH)


def tensors_in_micro_batches(folder: Path) -> None:
    plain(folder, pairs(), batch_size=BATCH, micro_batch_size=6)


def map_dataset(folder: Path) -> None:
    plain(folder, Mapped(), batch_size=BATCH)


def shuffled_loader(folder: Path) -> None:
    plain(folder, DataLoader(pairs(), batch_size=BATCH, shuffle=True))


def weighted_loader(folder: Path) -> None:
    weights = torch.where(pairs().tensors[1] == 1, 3.0, 1.0).tolist()
    plain(folder, DataLoader(Mapped(), batch_size=BATCH, drop_last=True, sampler=WeightedRandomSampler(weights, 200)))


def loader_with_workers(folder: Path) -> None:
    plain(folder, DataLoader(Mapped(), batch_size=BATCH, shuffle=True, num_workers=1))


def loader_in_accumulation(folder: Path) -> None:
    plain(folder, DataLoader(pairs(), batch_size=BATCH, shuffle=True), accumulation=3, evaluate_every="2 epochs")


def iterable(folder: Path) -> None:
    plain(folder, DataLoader(Stream(), batch_size=BATCH))


def function_of_an_iterator(folder: Path) -> None:
    plain(folder, lambda: iter(Stream()), batch_size=BATCH)


def generator(folder: Path) -> None:
    plain(folder, endless(), batch_size=BATCH)


def own_metric_functions(folder: Path) -> None:
    def confidence(output: Tensor, target: Tensor) -> Tensor:
        return output.softmax(dim=1).amax(dim=1).mean()

    trained(
        folder,
        net(),
        DataLoader(pairs(), batch_size=BATCH, shuffle=True),
        loss=functional.cross_entropy,
        metrics={"confidence": confidence},
    )


class Parts(tw.System):
    """Returns parts of a loss, and logs."""

    def __init__(self) -> None:
        super().__init__()
        self.net = net()

    def training_step(self, batch: Any, context: Any) -> Any:
        loss = functional.cross_entropy(self.net(batch[0]), batch[1])
        self.log("halves", float(loss.detach()) / 2)
        self.log("largest", loss.detach(), "last")
        return {"fit": loss, "size": 0.001 * sum(each.pow(2).sum() for each in self.parameters())}


class Outputs(Parts):
    """Gives outputs for its own metrics of them."""

    def training_step(self, batch: Any, context: Any) -> Any:
        output = self.net(batch[0])
        total = functional.cross_entropy(output, batch[1], reduction="sum")
        return tw.Loss(total, len(output), outputs={"right": output.argmax(dim=1) == batch[1], "top": output.amax(dim=1).detach()})

    def evaluation_step(self, batch: Any, context: Any) -> Any:
        output = self.net(batch[0])
        return {"loss": functional.cross_entropy(output, batch[1], reduction="none"), "right": output.argmax(dim=1) == batch[1]}

    def metrics(self, outputs: dict[str, Tensor]) -> dict[str, float]:
        return {name: float(each.double().mean()) for name, each in outputs.items()}


class Adversaries(tw.System):
    """Two optimizers, stepped by the system."""

    automatic_optimization = False

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.made, self.judge = nn.Linear(3, FEATURES), nn.Linear(FEATURES, 1)

    def configure_optimizers(self) -> Any:
        return [torch.optim.Adam(self.made.parameters(), lr=0.01), torch.optim.Adam(self.judge.parameters(), lr=0.01)]

    def training_step(self, batch: Any, context: Any) -> Any:
        maker, judge = self.optimizers()
        x = batch[0]
        fake = self.made(torch.randn(len(x), 3))
        told = functional.softplus(-self.judge(x)).mean() + functional.softplus(self.judge(fake.detach())).mean()
        judge.zero_grad()
        self.manual_backward(told)
        judge.step()
        fooled = functional.softplus(-self.judge(fake)).mean()
        maker.zero_grad()
        self.manual_backward(fooled)
        maker.step()
        return {"told": told.detach(), "fooled": fooled.detach()}

    def evaluation_step(self, batch: Any, context: Any) -> Any:
        return {"loss": functional.softplus(-self.judge(batch[0]))[:, 0]}


def parts_of_a_loss(folder: Path) -> None:
    trained(folder, Parts(), DataLoader(pairs(), batch_size=BATCH, shuffle=True))


def outputs_of_a_system(folder: Path) -> None:
    trained(folder, Outputs(), DataLoader(pairs(), batch_size=BATCH, shuffle=True))


def adversaries(folder: Path) -> None:
    trained(folder, Adversaries(), DataLoader(pairs(), batch_size=BATCH, shuffle=True), schedule=None, optimizer="adamw")


def lightning_module(folder: Path) -> None:
    """Logs by step and by epoch, numbers and torchmetrics, with a scheduler that listens to what it logged; begins anew within epochs."""
    import lightning
    import torchmetrics

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.right = net(), torchmetrics.MeanMetric()
            self.several = torchmetrics.MetricCollection([torchmetrics.Recall("binary"), torchmetrics.Precision("binary")])
            self.order = torchmetrics.AUROC("binary")

        def training_step(self, batch: Any, index: int) -> Any:
            output = self.net(batch[0])
            loss = functional.cross_entropy(output, batch[1])
            self.right.update((output.argmax(dim=1) == batch[1]).float())
            self.log("loss", loss, on_step=True, on_epoch=True)
            self.log("most", loss, on_step=False, on_epoch=True, reduce_fx="max")
            self.log("right", self.right, on_step=False, on_epoch=True)
            self.several.update(output.argmax(dim=1), batch[1])
            self.log_dict(self.several, on_step=False, on_epoch=True)
            self.log("order", self.order, on_step=False, on_epoch=True)
            self.order.update(output.softmax(dim=1)[:, 1].detach(), batch[1])
            return loss

        def validation_step(self, batch: Any, index: int) -> None:
            self.log("val_loss", functional.cross_entropy(self.net(batch[0]), batch[1]))

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)
            listens = {"scheduler": torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, factor=0.7), "monitor": "val_loss"}
            return {"optimizer": optimizer, "lr_scheduler": listens}

    trained(folder, Module(), DataLoader(pairs(), batch_size=BATCH, shuffle=True), schedule=None, optimizer="adamw")


def hugging_face_dataset(folder: Path) -> None:
    import datasets

    x, y = numbers(ROWS, 0)
    rows = datasets.Dataset.from_dict({"input": x.tolist(), "target": y.tolist()}).with_format("torch")
    plain(folder, rows, batch_size=BATCH, target="target")


TABLE = """
data: {{source: {place}/rows.csv, split: random{more}}}
targets: [answer]
evaluation: {{baselines: [], importance: false, intervals: false}}
trainer:
  {{batch_size: 16, max_steps: 66, evaluate_every: 11 steps, log_every: 4 steps, early_stopping: null, trackers: [csv],
    schedule: {{type: plateau, metric: train/answer.roc_auc, patience: 1, factor: 0.5}},
    checkpoint: {{every: 7 steps, min_interval: 0 s, keep_best: 2}}}}
run: {{device: cpu, seed: 5}}
"""


def by_command(folder: Path, more: str = "") -> None:
    """`trainwright train`, or the same command to go on."""
    torch.set_num_threads(1)
    place = Path(f"{folder}.data")
    if not (place / "config.yaml").exists():
        place.mkdir(exist_ok=True)
        x, y = numbers(300, 0)
        with (place / "rows.csv").open("w", newline="") as file:
            csv.writer(file).writerows(
                [[*(f"x{number}" for number in range(FEATURES)), "answer"], *torch.cat([x, y[:, None]], dim=1).tolist()]
            )
        (place / ".config").write_text(TABLE.format(place=place, more=more))
        os.replace(place / ".config", place / "config.yaml")
    assert main(["train", str(place / "config.yaml"), f"run.dir={folder}", "--resume"]) == 0


def table_by_command(folder: Path) -> None:
    by_command(folder)


def streamed_table(folder: Path) -> None:
    by_command(folder, ", memory_limit: 4 KiB}".rstrip("}"))


MORE: dict[str, Callable[[Path], None]] = {
    each.__name__.replace("_", " "): each
    for each in (
        tensors,
        tensors_in_micro_batches,
        map_dataset,
        shuffled_loader,
        weighted_loader,
        loader_with_workers,
        loader_in_accumulation,
        iterable,
        function_of_an_iterator,
        generator,
        hugging_face_dataset,
        own_metric_functions,
        parts_of_a_loss,
        outputs_of_a_system,
        adversaries,
        lightning_module,
        table_by_command,
        streamed_table,
    )
}
NEEDS = {"hugging face dataset": ["datasets"], "lightning module": ["lightning", "torchmetrics"]}
for kind, packages in NEEDS.items():
    if any(importlib.util.find_spec(each) is None for each in packages):
        del MORE[kind]
    else:
        _ = [importlib.import_module(each) for each in packages]  # here, so that forked processes need not
ALL = {**KINDS, **MORE}


def process(kind: str, folder: str, dies_at: int = 0) -> None:
    """Train, quietly; what goes wrong is in `<folder>.stderr`. Dies by SIGKILL before the `dies_at`-th file takes its place."""
    quiet = os.open(f"{folder}.stderr", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    Path(f"{folder}.begun").touch()
    if dies_at:
        places, replace = itertools.count(1), os.replace

        def dying(source: Any, place: Any) -> None:
            if next(places) == dies_at:
                os.kill(os.getpid(), signal.SIGKILL)
            replace(source, place)

        os.replace = dying  # type: ignore[assignment]
    ALL[kind](Path(folder))
