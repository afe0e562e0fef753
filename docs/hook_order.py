"""Writes `docs/hooks.md`: `python docs/hook_order.py`. The order is that of recorded runs, the words are the docstrings of the hooks.

Not an mkdocs hook, since it needs torch: a test compares the page with what this makes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainwright.data.rows import TensorRows
from trainwright.engine.callbacks.base import HOOKS, Callback
from trainwright.engine.callbacks.lambda_callback import LambdaCallback
from trainwright.engine.config import TrainerConfig
from trainwright.engine.system import Batch, Loss, StepContext
from trainwright.engine.trainer import Trainer

PAGE = Path(__file__).parent / "hooks.md"
EACH = {
    "on_train_epoch_start": "epoch",
    "on_train_batch_start": "step",
    "training_step()": "micro-batch",
    "on_validation_batch_start": "batch",
    "on_test_batch_start": "batch",
    "on_predict_batch_start": "batch",
}
"""What a repeated part that begins with this event is gone through for."""


class Recorded(nn.Module):
    """A line with two inputs that writes down when it is called."""

    def __init__(self, events: list[str], failing: bool = False) -> None:
        super().__init__()
        self.line, self.events, self.failing = nn.Linear(2, 1), events, failing

    def update_step(self, context: StepContext) -> None:
        self.events.append("update_step()")

    def training_step(self, batch: Batch, context: StepContext) -> Loss:
        self.events.append("training_step()")
        if self.failing:
            raise RuntimeError("an error")
        return Loss(functional.mse_loss(self.line(batch["x"]), batch["y"], reduction="sum"), len(batch["x"]))

    def evaluation_step(self, batch: Batch, context: StepContext) -> dict[str, Tensor]:
        return {"error": self.line(batch["x"]) - batch["y"]}

    def validation_step(self, batch: Batch, context: StepContext) -> dict[str, Tensor]:
        self.events.append("validation_step()")
        return self.evaluation_step(batch, context)

    def test_step(self, batch: Batch, context: StepContext) -> dict[str, Tensor]:
        self.events.append("test_step()")
        return self.evaluation_step(batch, context)

    def predict_step(self, batch: Batch) -> dict[str, Tensor]:
        self.events.append("predict_step()")
        return {"y": self.line(batch["x"])}

    def metrics(self, outputs: dict[str, Tensor]) -> dict[str, float]:
        self.events.append("metrics()")
        return {"loss": float(outputs["error"].square().mean())}


def recorder(events: list[str]) -> Callback:
    """A callback that writes down every hook, and the calls of the optimizer."""

    def note(name: str) -> Callable[..., None]:
        def hook(*given: Any) -> None:
            if name == "setup" and given[0].stage == "fit":
                optimizer = given[0].optimizer
                for called in ("step", "zero_grad"):
                    setattr(optimizer, called, noted(f"optimizer.{called}()", getattr(optimizer, called)))
            events.append(name)

        return hook

    def noted(event: str, call: Callable[[], None]) -> Callable[[], None]:
        return lambda: (events.append(event), call())[1]

    return LambdaCallback(**{name: note(name) for name in HOOKS})


def rows(number: int) -> TensorRows:
    """So many rows of numbers."""
    x = torch.arange(2.0 * number).reshape(number, 2) / number
    return TensorRows({"x": x, "y": x.sum(1, keepdim=True)})


def trainer(events: list[str], epochs: int = 2) -> Trainer:
    """Two steps an epoch, each in two micro-batches; two batches an evaluation."""
    options = {
        "max_epochs": epochs,
        "batch_size": 4,
        "micro_batch_size": 2,
        "evaluation_batch_size": 2,
        "log_every": "1 epoch",
        "sanity_check": 2,
        "early_stopping": None,
        "trackers": [],
        "checkpoint": {"every": "1 epoch", "min_interval": "0 s"},
    }
    return Trainer(TrainerConfig.model_validate(options), seed=0, device="cpu", callbacks=[recorder(events)], console=False)


def recorded() -> dict[str, list[str]]:
    """Kind of run → every hook and every call of system and optimizer, in order."""
    fit: list[str] = []
    with TemporaryDirectory() as folder:
        trainer(fit).fit(Recorded(fit), rows(8), rows(4), rows(4), run=Path(folder))
        continued: list[str] = []
        trainer(continued, epochs=3).fit(Recorded(continued), rows(8), rows(4), run=Path(folder), resume=True)
    failed: list[str] = []
    with TemporaryDirectory() as folder:
        try:
            trainer(failed).fit(Recorded(failed, failing=True), rows(8), run=Path(folder))
        except RuntimeError:
            failed.append("the error goes on to the caller")
    validate: list[str] = []
    trainer(validate).validate(Recorded(validate), rows(4))
    test: list[str] = []
    trainer(test).test(Recorded(test), rows(4))
    predict: list[str] = []
    trainer(predict).predict(Recorded(predict), rows(4))
    found = {"fit": fit, "fit, continued": continued, "fit, failed": failed}
    return found | {"validate": validate, "test": test, "predict": predict}


@dataclass(frozen=True)
class Repeated:
    """A part of a trace that came several times in a row."""

    body: tuple[Any, ...]


def folded(events: Sequence[Any]) -> tuple[Any, ...]:
    """The trace with parts that follow themselves, shortest first, as one `Repeated`."""
    found = list(events)
    length = 1
    while length <= len(found) // 2:
        start = next((i for i in range(len(found) - 2 * length + 1) if _repeats(found, i, length)), None)
        if start is None:
            length += 1
            continue
        end = start + 2 * length
        while found[end : end + length] == found[start : start + length]:
            end += length
        found[start:end] = [Repeated(tuple(found[start : start + length]))]
        length = 1
    return tuple(found)


def _repeats(events: list[Any], start: int, length: int) -> bool:
    body = events[start : start + length]
    return body == events[start + length : start + 2 * length] and body[0] in EACH


def lines(events: Sequence[Any], depth: int = 0) -> list[str]:
    """The folded trace as pseudo-code."""
    written: list[str] = []
    for event in events:
        if isinstance(event, Repeated):
            written.append("    " * depth + f"for every {EACH[event.body[0]]}:")
            written += lines(event.body, depth + 1)
        else:
            written.append("    " * depth + event)
    return written


def until(events: Sequence[str], last: str) -> list[str]:
    """The events up to one."""
    return [*events[: events.index(last) + 1], "…"]


TOP = """\
# Hooks

<!-- Written by docs/hook_order.py. Change that, or the docstrings of trainwright.engine.callbacks.base, and run it again. -->

A hook is a named moment of a run. A [callback](callbacks.md) overrides the hooks it needs; a system that has a method of that name is
called too, after all callbacks. They are named as in Lightning 2 where they mean the same, and
[Coming from Lightning](coming-from-lightning.md) says where they do not. Hooks that nobody overrides cost nothing.

The orders on this page were recorded: what is not indented further is a hook, or with `()` a call of the system or the optimizer.
"""

NOTES = """\
## At any hook

- `session.step` counts the updates made, `session.epoch` the passes finished, `session.stage` says what runs.
- `session.stop(reason)` ends the run at the next step boundary: evaluated, saved, and with `reason` in the results.
- `session.log(name, value)` puts a number into the next logged row; a tensor stays on its device until then. With `reduce="sum"` or
  `"last"` it is not the mean of what was given since the row before.
- What a hook raises ends the run: `on_exception`, then `teardown`, and the error goes on to the caller.
- Reading a tensor of a card (`float(loss)`) makes the host wait for it. In `on_log` it has just waited.

A row is logged, and `on_log` called, after every step that `trainer.log_every` names and with every evaluation. An evaluation takes
place where `trainer.evaluate_every` says so, and a checkpoint is written where [`trainer.checkpoint`](trainer.md#checkpoints) says so. In
the recorded run all three came once an epoch.
"""

SECTIONS = {
    "fit": "## `fit`\n\nTwo epochs of two steps, each step in two micro-batches, with a validation and a test split.\n",
    "fit, continued": "### Continued from a checkpoint\n\nThe sanity check is left out, and so are hooks of epochs already begun.\n",
    "fit, failed": "### Ended by an error\n\nIn a step here; it is the same wherever it comes from. A signal ends a run so too.\n",
    "validate": "## `validate`\n",
    "test": "## `test`\n",
    "predict": "## `predict`\n",
}


def page() -> str:
    """The page as it should be."""
    runs = recorded()
    runs["fit, continued"] = until(runs["fit, continued"], "on_train_epoch_start")
    parts = [TOP]
    for name, events in runs.items():
        parts.append(f"{SECTIONS[name]}\n```text\n" + "\n".join(lines(folded(events))) + "\n```\n")
    return "\n".join([*parts, NOTES, every_hook()])


def every_hook() -> str:
    """A table of the hooks, with their arguments and docstrings."""
    rows = []
    for name in HOOKS:
        hook = getattr(Callback, name)
        given = ", ".join(list(inspect.signature(hook).parameters)[1:])
        meaning = " ".join((inspect.getdoc(hook) or "").split())
        rows.append(f"| `{name}` | `{given}` | {meaning} |")
    return "\n".join(["## Every hook", "", "| hook | given | when |", "|---|---|---|", *rows, ""])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
