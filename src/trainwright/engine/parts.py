"""What a run is made of and does not change while it goes on; each part keeps its own state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from trainwright.data.rows import Rows
from trainwright.engine.agreement import Agreement
from trainwright.engine.callbacks.base import Hooks
from trainwright.engine.config import TrainerConfig
from trainwright.engine.dealing import Dealer
from trainwright.engine.events import Events
from trainwright.engine.exchange import Exchange
from trainwright.engine.feed import Feed
from trainwright.engine.following import Followers
from trainwright.engine.growth import Growth
from trainwright.engine.held_state import HeldState
from trainwright.engine.interrupt import Interrupts
from trainwright.engine.modes import Active
from trainwright.engine.monitor import BestEvaluations, Monitor
from trainwright.engine.norms import Norms
from trainwright.engine.own_streams import OwnStreams
from trainwright.engine.pieces import Pieces
from trainwright.engine.plan import Plan, place_of
from trainwright.engine.precision import Precision
from trainwright.engine.randomness import StepSeeds
from trainwright.engine.recovery import Buffers
from trainwright.engine.sampling import Sampler
from trainwright.engine.saving.saver import Saver
from trainwright.engine.spikes import SpikeWatch
from trainwright.engine.step import Backward
from trainwright.engine.system import Batch, System, to_device
from trainwright.optim.averages import Averages
from trainwright.optim.base import Optimizer
from trainwright.optim.freezing import Freezing
from trainwright.optim.gradient_hooks import GradientHooks
from trainwright.optim.learning_rates import LearningRates
from trainwright.optim.pruned import Pruned
from trainwright.parallel.strategies.base import Strategy
from trainwright.parallel.world import World
from trainwright.tracking.base import Tracker

if TYPE_CHECKING:
    from trainwright.engine.sample_metrics import SampleMeasurer
    from trainwright.engine.session import Session


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The settings of a run, and what they and the data were made into."""

    config: TrainerConfig
    first_plan: Plan
    """The plan of the settings, from which a checkpoint goes on."""
    stage: str
    """What runs: `fit`, `validate`, `test` or `predict`."""
    seed: int
    device: torch.device
    system: System
    optimizer: Optimizer
    base_learning_rate: float
    """That of the settings, before a growing batch changes it."""
    rates: LearningRates
    freezing: Freezing
    gradient_hooks: GradientHooks
    averages: Averages | None
    growth: Growth | None
    spikes: SpikeWatch | None
    train: Rows
    order_device: torch.device
    """Where the order of the training rows is wanted."""
    feed: Feed
    """Where batches of the training rows come from."""
    validation: Rows | None
    evaluation_batch_size: int
    followers: Followers
    sampler: Sampler | None
    """What makes samples now and then, where that is asked for."""
    sample_metrics: SampleMeasurer | None
    """What measures samples beside the rows of a split, where that is asked for."""
    monitor: Monitor
    best: BestEvaluations
    hooks: Hooks
    trackers: list[Tracker]
    saver: Saver
    interrupts: Interrupts
    seeds: StepSeeds
    precision: Precision
    backward: Backward
    active: Active
    """What the modes ask of batches."""
    buffers: Buffers
    held_state: HeldState
    manual: bool
    """Whether the system makes its steps by itself."""
    measures_norm: bool
    """Whether every step needs the norm of its gradient."""
    world: World
    """The processes that train together."""
    agreement: Agreement | None
    """How they come to act alike; None for one process."""
    strategy: Strategy
    """How a step runs over them."""
    own_streams: OwnStreams | None
    """What is asked before each step where every process reads a share of its own."""
    norms: Norms
    """How batch norms go over them."""
    dealer: Dealer
    """Which rows of a step this process takes."""
    explain_not_finite: Callable[[Session, int], str]
    """What is asked, with the number of a batch, for the cause of a loss that is not finite; it may make the steps up to there again."""
    pruned: Pruned = field(default_factory=Pruned)
    """Weights that are held at zero."""
    events: Events = field(default_factory=Events)
    """Who is told what happens in the run."""
    continue_with: str
    """The command that continues this run, for a person to copy."""
    media_folder: Path | None = None
    """Where media go that no run in progress holds: those of a measurement or of predictions."""

    @property
    def trained(self) -> nn.Module:
        """The module whose parameters are optimized: the system, or what has the parts of its parameters that this process holds."""
        return self.strategy.trained(self.system)

    @property
    def exchange(self) -> Exchange:
        """What puts other weights into the system for a while."""
        return Exchange(self.system, self.strategy)

    @property
    def folder(self) -> Path:
        """The run's directory."""
        return self.saver.store.folder.parent

    def place(self, batch: Batch) -> Batch:
        """A batch on the device, in the memory format of the run."""
        batch = to_device(batch, self.device)
        return batch if self.active.batch is None else self.active.batch(batch)

    def for_step(self, batch: Batch, plan: Plan, batch_number: int) -> Batch:
        """The batch of a whole step as training takes it: placed, and under the transforms of batches, keyed by its number."""
        batch, transforms = self.place(batch), self.system.batch_transforms
        if transforms is None:
            return batch
        epoch = plan.epoch_of(batch_number)
        transforms.tell_place(place_of(plan, batch_number))
        if not isinstance(batch, Pieces):
            return transforms.in_training(batch, self.seeds.transforms(epoch, batch_number))
        return Pieces(transforms.in_training(each, self.seeds.transforms(epoch, batch_number, n)) for n, each in enumerate(batch))

    def averaged(self) -> dict[str, Tensor] | None:
        """Parameter → the value that is evaluated and shipped in place of the trained one; None where that is the trained one."""
        if self.averages is not None and self.averages.evaluated is not None:
            return self.averages.weights(self.averages.evaluated)
        return self.optimizer.averaged()

    @contextmanager
    def evaluated_weights(self) -> Iterator[None]:
        """The weights that are evaluated and shipped are in the system: an average of the run's or the optimizer's, or the trained ones."""
        averaged = self.averaged()
        if averaged is None:
            yield
            return
        if self.trained is not self.system:  # parts of weights are written over, and not exchanged
            self.saver.wait_for_snapshot()
        with self.exchange.weights_inside(averaged):
            yield
