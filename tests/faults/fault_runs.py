"""The runs that the fault harness kills, one per kind of system; imported once by the fork server, forked for every start.

A kind is a function of the run's folder that trains there, or goes on there.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trainwright.data.rows import TensorRows
from trainwright.engine import callbacks, progress  # noqa: F401  (so that forked processes need not import them)
from trainwright.engine.config import TrainerConfig
from trainwright.engine.saving import writing
from trainwright.engine.trainer import Trainer
from trainwright.features.spec import DataSpec, InputGroup, TargetSpec
from trainwright.files.tensors import save_tensors
from trainwright.systems.base import build_system
from trainwright.systems.config import SupervisedConfig
from trainwright.systems.plain import PlainSystem
from trainwright.systems.supervised import SupervisedSystem
from trainwright.tracking import csv  # noqa: F401

FEATURES = 6
OPTIONS: dict[str, Any] = {
    "batch_size": 16,
    "max_epochs": 8,
    "evaluate_every": "9 steps",
    "log_every": "4 steps",
    "checkpoint": {"every": "5 steps", "min_interval": "0 s", "keep_best": 2},
    "early_stopping": None,
    "trackers": ["csv"],
}


def numbers(rows: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, FEATURES, generator=generator)
    return x, (x[:, 0] * x[:, 1] + 0.3 * torch.randn(rows, generator=generator) > 0).long()


def plain_rows(rows: int, seed: int) -> TensorRows:
    x, y = numbers(rows, seed)
    return TensorRows({"input": x, "target": y})


def table_rows(rows: int, seed: int) -> TensorRows:
    x, y = numbers(rows, seed)
    return TensorRows({"numbers.value": x.unsqueeze(1).contiguous(), "target.answer": y})


def perceptron(norm: bool, dropout: float) -> Any:
    torch.manual_seed(1)
    inner = [nn.BatchNorm1d(16)] if norm else []
    net = nn.Sequential(nn.Linear(FEATURES, 16), *inner, nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 2))
    return PlainSystem(net, ["input"], "cross_entropy", None)


def supervised() -> Any:
    torch.manual_seed(1)
    system = SupervisedSystem(SupervisedConfig.model_validate({"combiner": {"type": "concat", "depth": 1, "width": 16}}))
    inputs = [InputGroup("numbers", "vector", ["numbers"], None, {"value": (1, FEATURES)})]
    build_system(system, DataSpec(inputs, [TargetSpec("answer", "category", 2, ["no", "yes"])], 200))
    return system


def train(folder: Path, system: Any, rows: Callable[[int, int], TensorRows], **options: Any) -> None:
    """Begin or go on, and leave what came of it in `outcome.json` and `final.safetensors`."""
    torch.set_num_threads(1)
    config = TrainerConfig.model_validate(OPTIONS | options)
    trainer = Trainer(config, seed=5, device="cpu", console=False)
    result = trainer.fit(system, rows(200, 0), rows(60, 1), rows(60, 2), run=folder, resume=True)
    save_tensors(folder / "final.safetensors", system.state_dict())
    outcome = {"steps": result.steps, "best": result.best, "because": result.stopped_because, "metrics": result.metrics}
    (folder / "outcome.json").write_text(json.dumps(outcome))


def batch_norm_and_dropout(folder: Path) -> None:
    train(folder, perceptron(True, 0.2), plain_rows)


def table(folder: Path) -> None:
    train(folder, supervised(), table_rows, schedule={"type": "cosine", "warmup": "6 steps"})


def plateau_early_stopping_and_clipping(folder: Path) -> None:
    options = {"schedule": {"type": "plateau", "patience": 2, "factor": 0.5}, "early_stopping": {"patience": 6}, "clip": {"norm": 0.5}}
    train(folder, perceptron(False, 0.1), plain_rows, optimizer={"type": "adamw", "learning_rate": 0.05}, **options)


def momentum_in_micro_batches(folder: Path) -> None:
    optimizer = {"type": "sgd", "momentum": 0.9, "nesterov": True, "learning_rate": 0.1}
    train(folder, perceptron(True, 0.0), plain_rows, optimizer=optimizer, micro_batch_size=6)


def in_the_background(folder: Path) -> None:
    """As large states are saved: copied while the next gradient is computed, written by a thread; every policy at once."""
    writing.SMALL = 0
    kept = {"keep_every": "20 steps", "weights_every": "15 steps", "best_as_weights": True, "name": "at-{step}-{validation/loss:.3f}"}
    train(folder, perceptron(True, 0.2), plain_rows, checkpoint=OPTIONS["checkpoint"] | kept, ema=0.5)


def averages(folder: Path) -> None:
    """Two moving averages, an equal one, and the average of the best, the best of all kept."""
    averaged = {"ema": {"decay": [0.9, 0.5], "choose": "best"}, "swa": {"start": "0.5 run", "every": "7 steps"}, "average_best": 2}
    train(folder, perceptron(True, 0.1), plain_rows, max_epochs=4, **averaged)


def float16_and_rules(folder: Path) -> None:
    """A loss scale that changes, groups of parameters with rules, freezing and gradient hooks."""
    rules = [{"match": "model.0", "freeze": "1 epoch"}, {"match": "*.bias", "schedule": {"type": "plateau", "patience": 1}}]
    options = {"parameters": {"rules": rules, "no_decay": True}, "gradient_hooks": [{"match": "model.0", "scale": 0.5, "log": True}]}
    precision = {"type": "fp16", "initial_scale": 64.0, "growth_interval": 6}
    train(folder, perceptron(True, 0.1), plain_rows, max_epochs=4, precision=precision, **options)


def growing_batch(folder: Path) -> None:
    growth = {"times": 2, "patience": 1, "min_delta": 10.0, "scaling": "sqrt"}
    train(folder, perceptron(True, 0.1), plain_rows, batch_growth=growth)


def schedule_free(folder: Path) -> None:
    train(folder, perceptron(False, 0.1), plain_rows, max_epochs=4, optimizer={"type": "schedule_free_adamw", "learning_rate": 0.03})


def sharpness_aware(folder: Path) -> None:
    inner = {"type": "lookahead", "inner": {"type": "sgd", "momentum": 0.9}}
    train(folder, perceptron(True, 0.1), plain_rows, max_epochs=4, optimizer={"type": "sam", "inner": inner}, micro_batch_size=8)


KINDS: dict[str, Callable[[Path], None]] = {
    "batch norm, dropout": batch_norm_and_dropout,
    "table": table,
    "plateau, early stopping, clipping": plateau_early_stopping_and_clipping,
    "momentum, micro-batches": momentum_in_micro_batches,
    "in the background": in_the_background,
    "averages": averages,
    "float16, rules": float16_and_rules,
    "growing batch": growing_batch,
    "schedule free": schedule_free,
    "sharpness aware": sharpness_aware,
}


def killed_at_call(folder: str, number: int, calls: list[str]) -> None:
    """Write a checkpoint over an older one of the same step, and die by SIGKILL before the `number`-th of these calls of `os`."""
    from fault_disk import step_saved

    left = number

    def dying(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **more)

        return call

    for name in calls:
        setattr(os, name, dying(getattr(os, name)))
    step_saved(Path(folder), 2, 7.0)
    sys.exit(0)
