"""A run while it goes on: where it is, what it is made of, what it logs, and when something is due."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from trainwright.engine.clock import Clock
from trainwright.engine.forwarding import Forwarding
from trainwright.engine.logs import Logs, Reduction
from trainwright.engine.parts import Parts
from trainwright.engine.plan import Plan
from trainwright.engine.position import Position
from trainwright.engine.renamed import ON_SESSION, renamed
from trainwright.engine.step_result import Weights
from trainwright.engine.system import Batch, StepContext
from trainwright.optim.clipping import gradients
from trainwright.parallel.world import World


@dataclass
class Session(Forwarding):
    """What callbacks and systems are given: they read where the run is and what it is made of, log numbers, and may stop it.

    The engine works with the four below, and hands on what is needed of them.
    """

    position: Position
    parts: Parts
    logs: Logs
    clock: Clock

    def __getattr__(self, name: str) -> Any:
        return renamed(self, name, ON_SESSION)

    @property
    def folder(self) -> Path:
        """The run's directory."""
        return self.parts.folder

    @property
    def world(self) -> World:
        """The processes that train together; a callback that writes does so where `session.world.is_main`."""
        return self.parts.world

    @property
    def scale(self) -> float:
        """What losses are multiplied by before they go backwards: 1, but for float16."""
        return self.parts.precision.scale

    def context(self) -> StepContext:
        """Where the run is, with the generators seeded for this batch."""
        position, seeds = self.position, self.parts.seeds
        seeds.step(position.batches_seen)
        return StepContext(position.step, position.epoch, position.progress, seeds.generator)

    def evaluation_context(self) -> StepContext:
        """Where the run is, with the generators seeded for an evaluation at this step."""
        position, seeds = self.position, self.parts.seeds
        seeds.evaluation(position.step)
        return StepContext(position.step, position.epoch, position.progress, seeds.generator)

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

    def end(self, reason: str) -> None:
        """End the run here, which all its processes do at this place."""
        self.position.stopped_because = self.position.stopped_because or reason
        self.clock.next_boundary = self.position.batches_seen

    def gradients(self) -> list[Tensor]:
        """The gradients there are now."""
        return gradients(self.parts.optimizer.parameters())

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

    # as others call it still

    def placed(self, batch: Batch) -> Batch:
        """A batch on the device."""
        return self.parts.placed(batch)

    def forward(self) -> Any:
        """Round `training_step`."""
        return self.parts.precision.forward()

    def weights_at(self, context: StepContext) -> Weights | None:
        """The weights of the parts of the loss, where the system has any."""
        return self.parts.system.loss_weights(context)

    def before_split(self, rows: Any, context: StepContext) -> None:
        """Tell what follows the run that a split is about to be measured."""
        self.parts.followers.before_split(rows, context)

    def evaluated_weights(self) -> Any:
        """The weights that are evaluated and shipped are in the system."""
        from contextlib import nullcontext

        plain = self.parts.stage != "fit" or self.position.finished
        return nullcontext() if plain else self.parts.evaluated_weights()

    def averaged(self) -> dict[str, Tensor] | None:
        """What is evaluated and shipped in place of the trained weights."""
        return self.parts.averaged()

    def elapsed(self) -> float:
        """Seconds of this run so far."""
        return self.clock.elapsed()

    def rows_between(self, before: int, after: int) -> int:
        """Training rows seen from batch count `before` to batch count `after`."""
        plan = self.position.plan
        return plan.rows_until(after) - plan.rows_until(before)
