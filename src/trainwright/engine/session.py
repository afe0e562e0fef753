"""A run while it goes on: where it is, what it is made of, what it logs, and when something is due."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainwright.data.rows import Rows
from trainwright.engine.clock import Clock
from trainwright.engine.config import TrainerConfig
from trainwright.engine.logs import Logs, Reduction
from trainwright.engine.monitor import BestEvaluations, Monitor
from trainwright.engine.parts import Parts
from trainwright.engine.plan import Plan
from trainwright.engine.position import Position
from trainwright.engine.renamed import ON_SESSION, find_renamed
from trainwright.engine.system import StepContext, System
from trainwright.optim.base import Optimizer
from trainwright.optim.clipping import gradients
from trainwright.optim.gradient_hooks import GradientHooks
from trainwright.parallel.world import World

PLACES = {"position": Position, "parts": Parts, "logs": Logs, "clock": Clock}
"""The four things that a session is."""


@dataclass
class Session:
    """What callbacks and systems are given: they read where the run is and what it is made of, log numbers, and may stop it.

    The engine works with the four below, and hands on what is needed of them.
    """

    position: Position
    parts: Parts
    logs: Logs
    clock: Clock

    # what callbacks and systems do

    def log(self, name: str, value: float | Tensor, reduce: Reduction = "mean") -> None:
        """Put a number into the next logged row: the mean, sum or last of those since the row before; tensors stay on the device."""
        self.logs.log(name, value, reduce)

    def stop(self, reason: str) -> None:
        """End the run at the next step boundary, saved as one that is done; `reason` is kept in the results.

        A callback of any one process may ask for it: all of them end after the same step.
        """
        agreement = self.parts.agreement
        if agreement is None:
            self.end(reason)
        else:
            agreement.wish = agreement.wish or reason

    def gradients(self) -> list[Tensor]:
        """The gradients there are now."""
        return gradients(self.parts.optimizer.parameters())

    def context(self) -> StepContext:
        """Where the run is, with the generators seeded for this batch."""
        position, seeds = self.position, self.parts.seeds
        seeds.step(position.batches_seen)
        return StepContext(position.step, position.epoch, position.progress, seeds.generator, seeds.key_of(position.batches_seen))

    # what they read

    @property
    def step(self) -> int:
        """Optimizer updates made."""
        return self.position.step

    @property
    def batches_seen(self) -> int:
        """Batches used: as many as updates, and those that were skipped."""
        return self.position.batches_seen

    @property
    def rank(self) -> int:
        """Which of the processes of the run this is, from 0 on."""
        return self.parts.world.rank

    @property
    def local_rank(self) -> int:
        """Which of those on this machine this is."""
        return self.parts.world.local_rank

    @property
    def world_size(self) -> int:
        """How many processes train together."""
        return self.parts.world.size

    @property
    def skipped_batches(self) -> set[int]:
        """Numbers of batches that make no step."""
        return self.position.skipped_batches

    @property
    def rollbacks(self) -> int:
        """How often the run went back to a checkpoint because of its loss."""
        return self.position.rollbacks

    @property
    def epoch(self) -> int:
        """Passes over the training rows already finished."""
        return self.position.epoch

    @property
    def progress(self) -> float:
        """Share of the run already done; 0 while its length is not known."""
        return self.position.progress

    @property
    def plan(self) -> Plan:
        """The realised lengths of the run."""
        return self.position.plan

    @property
    def stopped_because(self) -> str:
        """What ended the run; empty while it goes on."""
        return self.position.stopped_because

    @property
    def stage(self) -> str:
        """What runs: `fit`, `validate`, `test` or `predict`."""
        return self.parts.stage

    @property
    def config(self) -> TrainerConfig:
        """The settings of the trainer."""
        return self.parts.config

    @property
    def seed(self) -> int:
        """Of the run."""
        return self.parts.seed

    @property
    def device(self) -> torch.device:
        """Where the run computes."""
        return self.parts.device

    @property
    def folder(self) -> Path:
        """The run's directory."""
        return self.parts.folder

    @property
    def system(self) -> System:
        """What is trained."""
        return self.parts.system

    @property
    def optimizer(self) -> Optimizer:
        """What updates it."""
        return self.parts.optimizer

    @property
    def world(self) -> World:
        """The processes that train together; a callback that writes does so where `session.world.is_main`."""
        return self.parts.world

    @property
    def gradient_hooks(self) -> GradientHooks:
        """What is done to gradients by name."""
        return self.parts.gradient_hooks

    @property
    def train(self) -> Rows:
        """The training rows."""
        return self.parts.train

    @property
    def validation(self) -> Rows | None:
        """The validation rows."""
        return self.parts.validation

    @property
    def monitor(self) -> Monitor:
        """What picks the best weights."""
        return self.parts.monitor

    @property
    def best(self) -> BestEvaluations:
        """The best evaluations so far."""
        return self.parts.best

    @property
    def history(self) -> list[dict[str, float]]:
        """Every logged row."""
        return self.logs.history

    def __getattr__(self, name: str) -> Any:
        place = next((place for place, of in PLACES.items() if name in {each.name for each in fields(of)}), None)
        if place is not None:
            raise AttributeError(f"a session has no '{name}' of its own: it is session.{place}.{name}")
        return find_renamed(self, name, ON_SESSION)

    # what the engine does with several of the four

    def evaluation_context(self) -> StepContext:
        """Where the run is, with the generators seeded for an evaluation at this step."""
        position, seeds = self.position, self.parts.seeds
        seeds.evaluation(position.step)
        return StepContext(position.step, position.epoch, position.progress, seeds.generator)

    @contextmanager
    def evaluated_weights(self) -> Iterator[None]:
        """The weights that are evaluated and shipped are in the system, while it is trained: averages, or the trained ones."""
        if self.parts.stage != "fit" or self.position.finished:
            yield
            return
        with self.parts.evaluated_weights():
            yield

    def end(self, reason: str) -> None:
        """End the run here, which all its processes do at this place."""
        self.position.stopped_because = self.position.stopped_because or reason
        self.clock.next_boundary = self.position.batches_seen

    def replan(self, plan: Plan) -> None:
        """Go on by another plan."""
        if plan == self.position.plan:
            return
        self.position.plan = plan
        self.clock.replan(self.parts.config, plan)
        self.parts.saver.replan(plan)

    def plan_next_boundary(self) -> None:
        """Find what is due first beside training."""
        position, saver = self.position, self.parts.saver
        self.clock.plan_next_boundary(position, saver.policy.next_step(position.step, position.batches_seen), saver.policy.next_due_at())

    def limit_reached(self) -> str:
        """What ends the run by its length: `max_epochs`, `max_steps`, `max_time`, or nothing."""
        return self.clock.limit_reached(self.position)
