"""Any torch.optim.lr_scheduler, run on an optimizer of its own that trains nothing, so that it becomes a function of the step."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch

from trainwright.config.errors import ConfigError
from trainwright.config.model import PartConfig
from trainwright.optim.schedules.base import Extent

INSTEAD = {
    "ReduceLROnPlateau": "type: plateau, which listens to any metric",
    "LambdaLR": "type: lambda, with `function: package.module:name`",
    "MultiplicativeLR": "type: lambda, with `function: package.module:name`",
    "SequentialLR": "type: chained",
    "ChainedScheduler": "type: product",
}
"""Torch schedulers that need what a configuration cannot give them, and what is here in their place."""


def is_torch_scheduler(found: Any) -> bool:
    """Whether a class is a scheduler as torch knows them."""
    return isinstance(found, type) and issubclass(found, torch.optim.lr_scheduler.LRScheduler)


class TorchSchedule:
    """The learning rate that a torch scheduler sets, over the base learning rate; only the rate, no momentum.

    It advances once per step, or once per epoch with `every: epoch`. Making it imports torch._dynamo, as every torch optimizer does.
    """

    metric: str | None = None

    def __init__(self, made_from: Any, options: PartConfig, extent: Extent) -> None:
        if made_from.__name__ in INSTEAD:
            fix = f"use {INSTEAD[made_from.__name__]}"
            raise ConfigError(f"'{options.type}' cannot be used here by its path", where=f"{extent.where}.type", fix=fix)
        if not extent.learning_rate:
            known = "is not known yet" if extent.learning_rate is None else "is 0"
            why = f"the base learning rate {known}, and torch's schedulers set rates, not shares"
            raise ConfigError(f"'{options.type}' needs the base learning rate", where=extent.where, why=why, fix="set it")
        self.made_from, self.name, self.extent, self.base = made_from, options.type, extent, extent.learning_rate
        self.given = options.model_dump(exclude={"type", "every"}, exclude_unset=True)
        self.steps_per_move = extent.steps_per_epoch if getattr(options, "every", "step") == "epoch" else 1
        self._begin()

    def _begin(self) -> None:
        # momentum, because schedulers that cycle it refuse optimizers without
        self.optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=self.base, momentum=0.9)
        try:
            self.scheduler = self.made_from(self.optimizer, **self.given)
        except (TypeError, ValueError) as error:
            fix = "give it the options that torch documents"
            raise ConfigError(f"'{self.name}' refused its options", where=self.extent.where, why=str(error), fix=fix) from error
        self.optimizer.step()  # torch warns when a scheduler moves before its optimizer
        self.moves, self.before = 0, self._rate()
        self.fresh = _plain(self.scheduler.state_dict())

    def _rate(self) -> float:
        return float(self.optimizer.param_groups[0]["lr"])

    def factor(self, step: int) -> float:
        """The multiplier at `step`: forward in as many moves as are missing, back from the start. The last value stays beyond the end."""
        wanted = step // self.steps_per_move
        if wanted == self.moves - 1:
            return self.before / self.base
        if wanted < self.moves:
            self._begin()
        while self.moves < wanted and not self._is_over():
            self.before = self._rate()
            self.scheduler.step()
            self.moves += 1
        return self._rate() / self.base

    def _is_over(self) -> bool:
        """Whether the scheduler refuses to move on, as OneCycleLR does after its last step."""
        total = getattr(self.scheduler, "total_steps", None)
        return isinstance(total, int) and self.moves >= total - 1

    def observe(self, value: float) -> None:
        """Nothing: the step alone decides."""

    def state(self) -> dict[str, Any]:
        """How far it is and what changed on the way, so that going on need not start over; empty when JSON cannot hold that."""
        now = self.scheduler.state_dict()
        changed = {key: value for key, value in now.items() if key not in self.fresh or _plain({key: value}) != {key: self.fresh[key]}}
        if not _survives_json(changed):
            return {}
        return {"moves": self.moves, "learning_rate": self._rate(), "before": self.before, "scheduler": changed}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take the state back; from an empty one, all moves are made again when the next factor is asked."""
        self._begin()
        if state:
            self.scheduler.load_state_dict({**self.scheduler.state_dict(), **state["scheduler"]})
            self.optimizer.param_groups[0]["lr"] = state["learning_rate"]
            self.moves, self.before = state["moves"], state["before"]


def _plain(state: Mapping[str, Any]) -> dict[str, Any]:
    """A copy that later moves do not change."""
    return {key: list(value) if isinstance(value, list) else value for key, value in state.items()}


def _survives_json(state: dict[str, Any]) -> bool:
    try:
        return json.loads(json.dumps(state)) == state
    except (TypeError, ValueError):
        return False
