"""From settings, a system and rows to a session: everything that a run works with, made before its first step."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TextIO, cast

import torch

from trainwright.config.errors import RequestError
from trainwright.config.every_rank import build, on_every_rank
from trainwright.data.rows import Rows
from trainwright.engine.agreement import Agreement
from trainwright.engine.assembly import Assembly
from trainwright.engine.callbacks import Callback, EarlyStop
from trainwright.engine.callbacks.base import Hooks
from trainwright.engine.callbacks.making import make_callbacks
from trainwright.engine.callbacks.progress_file import FileProgress
from trainwright.engine.callbacks.terminal import LogRows
from trainwright.engine.clock import Clock
from trainwright.engine.config import TrainerConfig
from trainwright.engine.dealing import Dealer, describe_layout
from trainwright.engine.evaluation_files import EvaluationFiles, History
from trainwright.engine.events import EventFile, Events
from trainwright.engine.exchange import Exchange
from trainwright.engine.feed import Feed
from trainwright.engine.following import Followers
from trainwright.engine.held_state import HeldState
from trainwright.engine.interrupt import Interrupts
from trainwright.engine.logs import Logs
from trainwright.engine.manual import SchedulerSteps
from trainwright.engine.modes import Active
from trainwright.engine.monitor import BestEvaluations, Monitor
from trainwright.engine.nan_report import write_nan_report
from trainwright.engine.norms import Norms
from trainwright.engine.own_optimizers import OwnOptimizers
from trainwright.engine.own_streams import OwnStreams
from trainwright.engine.parts import Parts
from trainwright.engine.plan import Plan
from trainwright.engine.position import Position
from trainwright.engine.precision import Precision
from trainwright.engine.progress import progress
from trainwright.engine.randomness import StepSeeds
from trainwright.engine.recovery import Buffers
from trainwright.engine.running import RunningLoss
from trainwright.engine.running_metrics import RunningMetrics
from trainwright.engine.sample_metrics import SampleMeasurer
from trainwright.engine.sampling import Sampler
from trainwright.engine.saving.saver import Saver
from trainwright.engine.session import Session
from trainwright.engine.settings import keep_error, raise_errors
from trainwright.engine.spikes import SpikeWatch
from trainwright.engine.step import Backward
from trainwright.engine.strategy_trial import StrategyTrial
from trainwright.engine.system import System
from trainwright.engine.unsaved import UnsavedState
from trainwright.files.whole import Scratch
from trainwright.optim.averages import Averages
from trainwright.parallel.strategies.base import Strategy
from trainwright.parallel.strategies.making import make_strategy
from trainwright.parallel.strategies.options import StrategyOptions
from trainwright.parallel.world import World

log = logging.getLogger("trainwright.engine")

CHECKPOINTS = "checkpoints"

MANY = 4096
"""Rows that are evaluated at once where they lie in memory, or in mapped files."""


def evaluation_size(config: TrainerConfig, plan: Plan, rows: Rows) -> int:
    """Rows per forward pass of an evaluation: those of a micro-batch fit, and more of what is decoded may take all memory."""
    if config.evaluation_batch_size is not None:
        return config.evaluation_batch_size
    return MANY if rows.in_memory or rows.mapped or rows.batched else max(plan.micro_batch_size, 1)


@dataclass(frozen=True, kw_only=True)
class Opening:
    """What every session of one trainer begins with."""

    config: TrainerConfig
    seed: int
    device: torch.device
    callbacks: Sequence[Callback]
    console: TextIO | bool
    continue_with: str
    world: World
    own: OwnOptimizers
    history: History = "all"
    training_rows: Callable[[], Rows] | None = None
    """Where features of samples are learnt from, where what is measured are other rows."""

    def assembly(self, system: System, rows: int, validated: bool, ready: bool) -> Assembly:
        """The parts that the settings make for so many rows. Raises ConfigError when the lengths cannot be."""
        trained: Any = self.strategy.trained(system)
        own = self.own.of(trained, self.config, rows, ready)
        return Assembly(self.config, system, rows, validated, ready, own, self.strategy)

    @cached_property
    def _made_norms(self) -> dict[str, Any]:
        return {}

    @cached_property
    def strategy(self) -> Strategy:
        """How a step runs over the processes. Raises ConfigError where what is asked for cannot be."""
        return make_strategy(self.config.strategy, self.world)

    def session(
        self, system: System, train: Rows, validation: Rows | None, run: Path, interrupts: Interrupts, active: Active | None = None
    ) -> Session:
        """A session that trains in the directory `run`, with the system on its device."""
        made = self._assemble(system, train, validation is not None)
        hooks = Hooks([*self._callbacks(made, validation is not None), *unsaved_watch(system)], system, self.world)
        there = [each for each in self.config.trackers if self.world.is_main or on_every_rank("tracker", each)]
        trackers = [build("tracker", options, folder=run) for options in there]
        parts = self._parts(made, train, validation, run, interrupts)
        if self.world.is_main and self.history != "none":
            trackers.append(EvaluationFiles(run, self.history, parts.best))
        events = Events(EventFile(run)) if self.world.is_main else Events()
        return self._begun(replace(parts, hooks=hooks, trackers=trackers, active=active or Active(), events=events), made)

    def alone(self, system: System, rows: Rows, stage: str, interrupts: Interrupts, media_folder: Path | None) -> Session:
        """A session without a run: no files, no progress, and of the callbacks those alone that the trainer was given.

        Each process has the whole model, whatever the strategy: it is not taken apart for what is over at once.
        """
        options = self.config.strategy
        if options.type in ("zero", "fsdp", "tp") or options.by_torch:
            whole = self.config.model_copy(update={"strategy": StrategyOptions(batch_norm=options.batch_norm)})
            return replace(self, config=whole).alone(system, rows, stage, interrupts, media_folder)
        made = self._assemble(system, rows, validated=False, says=False)
        with Scratch() as nowhere:
            parts = self._parts(made, rows, None, nowhere, interrupts)
        hooks = Hooks(self.callbacks, system, self.world)
        return self._begun(replace(parts, stage=stage, hooks=hooks, media_folder=media_folder), made)

    def _assemble(self, system: System, train: Rows, validated: bool, says: bool = True) -> Assembly:
        """The parts of a session, the system on its device; `says`: whether what deserves a word before the first step is told."""
        system.to(self.device)
        if not system.training:
            system.train()
        trial = StrategyTrial(system, self.strategy, train, Precision(self.config.precision, self.device), self.device)
        self.strategy.place(system)
        trial.compare()
        norms = self._norms(system)
        made = self.assembly(system, len(train), validated, train.batched)
        if self.console is not False and says:
            made.say(made.groups())
            if self.world.size > 1 and self.world.is_main:
                layout = "each reads a share of its own" if train.own_share else describe_layout(made.plan)
                log.info("%s: %s", self.strategy.describe(), layout)
                if told := norms.describe(made.plan):
                    log.info("%s", told)
        return made

    def _norms(self, system: System) -> Norms:
        """How the batch norms of a system go over the processes; made once for each system."""
        if self._made_norms.get("system") is not system:
            norms = Norms(system, self.config.strategy.batch_norm, self.strategy, self.device)
            self._made_norms.update(system=system, norms=norms)
        return cast(Norms, self._made_norms["norms"])

    def _parts(self, made: Assembly, train: Rows, validation: Rows | None, run: Path, interrupts: Interrupts) -> Parts:
        """All parts that follow from the settings; callbacks, trackers and modes are put in by those who know them."""
        config, device, system = self.config, self.device, made.system
        optimizer = made.optimizer()
        keep = max(config.checkpoint.keep_best, config.average_best)
        saving = config.checkpoint.model_copy(update={"keep_best": keep})
        best = BestEvaluations(made.monitor.higher, keep)
        train, strategy = train.to(device), self.strategy
        whole = system.batch_transforms is not None and not system.batch_transforms.by_row
        dealer = Dealer(strategy.data_rank, strategy.data_size, whole=whole, together=strategy.moves_together)
        feed = Feed(train, config.loader, self.seed, device, interrupts.waits, dealer)
        precision = Precision(config.precision, device)
        measures_norm = config.clip.any or config.recovery.not_finite == "skip"
        redone = measures_norm or precision.scaler is not None or config.recovery.out_of_memory == "heal"
        return Parts(
            config=config,
            first_plan=made.plan,
            stage="fit",
            seed=self.seed,
            device=device,
            system=system,
            optimizer=optimizer,
            base_learning_rate=optimizer.base_learning_rate,
            rates=made.rates(optimizer),
            freezing=made.freezing(),
            gradient_hooks=made.gradient_hooks(),
            averages=None if config.ema is None and config.swa is None else self._averages(made),
            growth=made.growth(),
            spikes=None if config.recovery.loss_spike is None else SpikeWatch(config.recovery.loss_spike),
            train=train,
            order_device=train.device,
            feed=feed,
            validation=None if validation is None else feed.in_order(validation.to(device)),
            evaluation_batch_size=evaluation_size(config, made.plan, train),
            followers=Followers(system, train),
            sampler=None if config.sampling is None else Sampler(config.sampling),
            sample_metrics=SampleMeasurer.of(config.sample_metrics, self.training_rows),
            monitor=made.monitor,
            best=best,
            hooks=Hooks([]),
            trackers=[],
            saver=Saver.of(run / CHECKPOINTS, saving, made.plan, best, rolls_back=config.recovery.rolls_back),
            interrupts=interrupts,
            seeds=StepSeeds(self.seed, device),
            precision=precision,
            backward=Backward(),
            active=Active(),
            buffers=Buffers(system, needed=redone),
            held_state=HeldState(system),
            manual=not system.automatic_optimization,
            measures_norm=measures_norm,
            world=self.world,
            agreement=None if self.world.size == 1 else Agreement(self.world, strategy),
            strategy=strategy,
            own_streams=self._own_streams(train),
            norms=self._norms(system),
            dealer=dealer,
            explain_not_finite=write_nan_report,
            continue_with=self.continue_with or f"trainwright resume {run}",
        )

    def _own_streams(self, train: Rows) -> OwnStreams | None:
        if not train.own_share:
            return None
        return OwnStreams(self.strategy.data_world, self.config.strategy.uneven, self.strategy.moves_together)

    def _averages(self, made: Assembly) -> Averages:
        config, strategy = self.config, self.strategy
        inside = Exchange(made.system, strategy).weights_inside
        return Averages(config.ema, config.swa, strategy.trained(made.system), made.plan.extent, inside)

    def _begun(self, parts: Parts, made: Assembly) -> Session:
        """The session, which the system is told of."""
        copies = self.device.type == "cuda" and self.config.modes.compile is not None
        logs = Logs(RunningMetrics(parts.system, copies=copies), RunningLoss(self.strategy.data_world))
        session = Session(Position(made.plan), parts, logs, Clock.of(self.config, made.plan))
        parts.system.attach(session)
        return session

    def make_callbacks(self) -> list[Callback]:
        """The callbacks of the configuration, made. Raises ConfigError for one, there or given, that is none."""
        return make_callbacks(self.config.callbacks, self.callbacks)

    def check_callbacks(self, made: Assembly) -> None:
        """Raise ConfigError, or ManyErrors, for callbacks that cannot be made or do not fit the system and the plan."""
        errors: list[RequestError] = []
        for each in [*self.make_callbacks(), *self.callbacks]:
            keep_error(errors, partial(each.refuse, made.system, made.plan))
        raise_errors(errors)

    def _callbacks(self, made: Assembly, validated: bool) -> list[Callback]:
        """Those of the configuration, those given, early stopping, and progress, which tells what the others did."""
        asked, early = self.make_callbacks(), self._early_stop(made.monitor) if validated else []
        silent = self.console is False or self.config.progress == "none" or not self.world.is_main
        shown = [] if silent else [progress(None if self.console is True else self.console, self.config.progress)]  # type: ignore[arg-type]
        if self.config.progress == "file":
            shown = [FileProgress()] if self.world.is_main else []
        steps = [SchedulerSteps()] if made.own is not None and made.own.schedulers else []
        logged = [LogRows()] if self.console is not False and self.world.is_main else []
        return [*asked, *self.callbacks, *steps, *early, *logged, *shown]

    def _early_stop(self, monitor: Monitor) -> list[Callback]:
        return [] if self.config.early_stopping is None else [EarlyStop(self.config.early_stopping, monitor)]


def unsaved_watch(system: System) -> list[Callback]:
    """Who looks at the first steps for state that no checkpoint holds, where none could be tried before."""
    tried = system.tried_before and system.automatic_optimization
    return [] if tried else [UnsavedState()]
