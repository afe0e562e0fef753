"""The trainer: what a person asks for, as sessions that train, measure or predict."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

import torch
from torch import Tensor

from trainwright.config.errors import ConfigError
from trainwright.data.adopted_rows import as_rows
from trainwright.data.counters import fold
from trainwright.data.rows import Rows
from trainwright.engine.adapted import as_system
from trainwright.engine.beginning import begin, say_untold, say_untrained
from trainwright.engine.boundary import leave
from trainwright.engine.callbacks import Callback
from trainwright.engine.config import TrainerConfig
from trainwright.engine.dealt_twice import refuse_dealt_twice
from trainwright.engine.device import find_device
from trainwright.engine.evaluation import EvaluationInterrupted
from trainwright.engine.evaluation_files import History
from trainwright.engine.events import tell_start
from trainwright.engine.interrupt import Interrupts
from trainwright.engine.joining import say_inexact_pieces
from trainwright.engine.loop import train as run_loop
from trainwright.engine.measuring import measure, predict
from trainwright.engine.online import one_pass, online_state, take_online_state
from trainwright.engine.opening import Opening
from trainwright.engine.own_optimizers import OwnOptimizers, say_decayed
from trainwright.engine.own_streams import own_share
from trainwright.engine.pieces import limit_rows
from trainwright.engine.plan import Plan
from trainwright.engine.precision import Precision
from trainwright.engine.result import FitResult, finish
from trainwright.engine.sample_metrics import describe_measured
from trainwright.engine.sampling import draw_samples, ensure_samples, without_trace
from trainwright.engine.sanity import sanity_check
from trainwright.engine.saving.rescue import saved_on_error
from trainwright.engine.session import Session
from trainwright.engine.surroundings import call_hooks, rank_0_speaks, release_afterwards, surroundings, tell_when_stopped, watch_steps
from trainwright.engine.system import System
from trainwright.engine.tuning.settle import without_auto
from trainwright.nn.compiled import without_wrappers
from trainwright.parallel.launched import ensure_together
from trainwright.parallel.world import World

__all__ = ["FitResult", "Trainer"]

log = logging.getLogger("trainwright.engine")


class Trainer:
    """Runs a system over rows; owns all engineering, knows no modality."""

    def __init__(
        self,
        config: TrainerConfig,
        *,
        seed: int = 0,
        device: str | torch.device = "auto",
        callbacks: Sequence[Callback] = (),
        continue_with: str = "",
        console: TextIO | bool = True,
        initial_checkpoint: bool = False,
        world: World | None = None,
        history: History = "all",
    ) -> None:
        """`continue_with`: the command told to a person after an interruption. `console`: where progress goes, False for nowhere.

        `initial_checkpoint`: save before the first step too, for systems whose first weights do not follow from `seed`. `world`: the
        processes that train together, this one alone unless given. `history`: of which evaluations values per class and curves are
        kept in files: `all`, `best` or `none`.
        """
        self.config, self.seed, self.world = config, seed, world or World()
        self.device = find_device(device, self.world)
        if isinstance(callbacks, Callback) or not isinstance(callbacks, Sequence):
            raise ConfigError("callbacks are given as a list", where="callbacks", fix="callbacks=[…]")
        self.callbacks, self.continue_with = list(callbacks), continue_with
        self.console, self.initial_checkpoint, self.history = console, initial_checkpoint, history
        self.trackers: list[Any] = []
        """Those of the last run; some are told its results, though it is over."""
        self.cautions: list[str] = []
        """What was found before the run and may be meant: said when it begins."""
        self.on_best_batch_size: Callable[[int, float, int], None] | None = None
        """Told of each size that is the fastest so far while `auto` is measured: size, samples per second, sizes tried."""
        self.try_late: Callable[[], list[str]] | None = None
        """Tries a step once the hooks of the system were called, where it could not be tried without what they make."""
        self.rehearses = False
        """Whether steps are tried, as those of a person's own system are before a run."""
        self.position: tuple[int, int] = (0, 0)
        """Step and epoch that `validate`, `test` and `predict` are at: those of the weights that were loaded."""
        self.media_folder: Path | None = None
        """Where media go that are saved meanwhile; without it into a place that is soon gone."""
        self.training_rows: Callable[[], Rows] | None = None
        """Where features of samples are learnt from in `validate` and `test`, whose own rows are not those of training."""
        self.measured_by = ""
        """What the samples of the last `validate` or `test` were measured by; empty where there were none."""
        self._online: Session | None = None
        self._online_before: Mapping[str, Any] | None = None
        self._given: tuple[Any, System] | None = None
        self._own = OwnOptimizers()

    @property
    def opening(self) -> Opening:
        """What makes the sessions of these settings."""
        return Opening(
            config=self.config,
            seed=self.seed,
            device=self.device,
            callbacks=self.callbacks,
            console=self.console,
            continue_with=self.continue_with,
            world=self.world,
            own=self._own,
            history=self.history,
            training_rows=self.training_rows,
        )

    def _system(self, given: Any) -> System:
        """The system of what a person gave, the same one for the same. Raises ConfigError for what is none."""
        if self._given is None or self._given[0] is not given:
            self._given = given, as_system(given)
            without_wrappers(self._given[1])  # what is in it goes by its plain names, before anything is known by a name
        return self._given[1]

    def check(self, system: Any, train_rows: int, validation_rows: int = 0, ready: bool = False) -> Plan:
        """The plan for so many rows, or, with `ready`, for so many batches that come as they are.

        Raises ConfigError, or ManyErrors, when the settings do not fit each other, the rows or the system.
        """
        opening = self.opening
        assembly = opening.assembly(self._system(system), train_rows, bool(validation_rows), ready)
        assembly.check(self.device, lambda: opening.check_callbacks(assembly))
        return assembly.plan

    def fit(
        self,
        system: Any,
        train: Rows,
        validation: Rows | None = None,
        test: Rows | None = None,
        *,
        run: Path,
        resume: bool = False,
        fork: bool = False,
        on_first_step: Callable[[], None] | None = None,
    ) -> FitResult:
        """Train in the directory `run`, and leave the best weights in `system` (the last ones without a validation split).

        With `resume` a run that has a checkpoint continues from it; one that has none yet begins. With `fork` the checkpoint in `run` is
        a copy of another run's, whose settings may have been others. Raises ConfigError, DataError or RunError
        before the first step, NotFinite while training, Interrupted after a signal once the run was saved.
        """
        ensure_together(self.world)
        train = limit_rows(as_rows(train, "Trainer.fit(train)"), self.config)
        train = own_share(train, self.config.strategy, self.world)
        validation, test = (None if rows is None else limit_rows(as_rows(rows, "Trainer.fit"), self.config) for rows in (validation, test))
        system = self._system(system)
        validation = validation if validation is not None and len(validation) else None
        refuse_dealt_twice(self.world, system, {"train": train, "validation": validation, "test": test})
        self.check(system, len(train), 0 if validation is None else len(validation), train.batched)
        config = self.config
        try:
            limit = None if train.iterable else config.loader.timeout  # to pass over batches may take long
            seconds = None if limit is None else limit.seconds
            speaking = rank_0_speaks(self.world)
            listening = Interrupts(seconds, self.world, saves=config.checkpoint.type != "none")
            with speaking, surroundings(config, system, self.device) as active, listening as interrupts:
                self.config = without_auto(self, system, train, run=run, resume=resume, active=active)
                session = self.opening.session(system, train, validation, run, interrupts, active)
                session.clock.on_first_step, session.position.fork = on_first_step, fork
                known = {id(each) for each in system.parameters()}
                parts = session.parts
                self.trackers = parts.trackers
                hooks, regions, alone = (
                    call_hooks(session),
                    parts.precision.fp32_regions(system),
                    release_afterwards(parts.strategy, system),
                )
                with hooks, saved_on_error(session), regions, watch_steps(session), alone, parts.norms.inside():
                    return self._run(session, test, resume or fork, run, known)
        finally:
            self.config = config

    def _run(self, session: Session, test: Rows | None, resume: bool, run: Path, known: set[int]) -> FitResult:
        """From the first or the newest checkpoint to the results; `known` are the parameters that the optimizer was made for."""
        parts = session.parts
        begin(session, resume, self.initial_checkpoint)
        tell_start(session)
        say_untold(session)
        parts.seeds.hooks("boundary", session.position.batches_seen)
        for hook in parts.hooks.on_fit_start:
            hook(session, parts.system)
        say_untrained(parts.system, known)
        if self.try_late is not None:
            self.cautions += self.try_late()
        self.say_cautions()
        say_decayed(parts.system, parts.optimizer)
        if self.rehearses:
            say_inexact_pieces(session)
        try:
            sanity_check(session)
        except EvaluationInterrupted:
            leave(session)
        run_loop(session)
        result = finish(session, None if test is None else parts.feed.in_order(test.to(self.device)), run)
        for hook in parts.hooks.on_fit_end:
            hook(session, parts.system)
        parts.events.tell("finish", session.step, because=session.stopped_because)
        return result

    def validate(self, system: Any, rows: Rows) -> dict[str, float]:
        """Metrics of `rows` with the weights as they are, through the validation hooks; writes nothing."""
        return self._measure(system, rows, "validation", "validate")

    def test(self, system: Any, rows: Rows) -> dict[str, float]:
        """Metrics of `rows` with the weights as they are, through the test hooks; writes nothing."""
        return self._measure(system, rows, "test", "test")

    def _measure(self, system: Any, rows: Rows, split: str, stage: str) -> dict[str, float]:
        rows, system = limit_rows(as_rows(rows, f"Trainer.{stage}"), self.config), self._system(system)
        with surroundings(self.config, system, self.device), Interrupts(world=self.world) as interrupts, tell_when_stopped(interrupts):
            session = self._alone(system, rows, stage, interrupts)
            found = measure(session, split)
            sampled = session.parts.sample_metrics
            self.measured_by = "" if sampled is None else describe_measured(sampled.about)
            return found

    def predict(self, system: Any, rows: Rows) -> dict[str, Tensor]:
        """What `system.predict_step` gives for `rows`, joined in their order, through the predict hooks; writes nothing."""
        rows = as_rows(rows, "Trainer.predict")
        system = self._system(system)
        with surroundings(self.config, system, self.device), Interrupts(world=self.world) as interrupts, tell_when_stopped(interrupts):
            return predict(self._alone(system, rows, "predict", interrupts))

    def sample(self, system: Any, n: int, seed: int = 0) -> Any:
        """`n` things that `system.sample` makes with the weights as they are, from noise that follows from the seed; writes nothing."""
        system = self._system(system)
        ensure_samples(system, where="sample")
        with surroundings(self.config, system, self.device), system.rehearsing():
            system.to(self.device)
            within = Precision(self.config.precision, self.device).evaluation()
            return draw_samples(system, n, seed=seed, step=0, device=self.device, within=within)

    @contextmanager
    def sampling(self, system: Any, seed: int = 0) -> Iterator[System]:
        """The system on the device, in evaluation mode and the precision of evaluations, to make samples by hand; as it was afterwards."""
        system = self._system(system)
        with surroundings(self.config, system, self.device), system.rehearsing():
            system.to(self.device)
            within = Precision(self.config.precision, self.device).evaluation()
            with without_trace(system, fold(seed, "sampling"), self.device, within):
                yield system

    def train_online(self, system: Any, rows: Rows) -> dict[str, float]:
        """One pass over new rows in their order, a step per batch, from the weights as they are; returns the mean loss.

        A later call goes on with the optimizer's state and the step count of this one. Writes nothing.
        """
        ensure_together(self.world)
        rows = as_rows(rows, "Trainer.train_online")
        system = self._system(system)
        with surroundings(self.config, system, self.device), Interrupts(world=self.world) as interrupts:
            if self._online is None or self._online.parts.system is not system:
                self._online = self._alone(system, rows, "fit", interrupts)
                if self._online_before is not None:
                    take_online_state(self._online, self._online_before)
                    self._online_before = None
            self._online.parts = replace(self._online.parts, interrupts=interrupts)
            return one_pass(self._online, rows.to(self.device), self.config)

    @property
    def online_state(self) -> dict[str, Any] | None:
        """What another trainer needs to go on with `train_online` where this one is, beside the weights; None before the first call."""
        return None if self._online is None else online_state(self._online)

    def go_on_online(self, state: Mapping[str, Any] | None) -> None:
        """Begin the next `train_online` with the `online_state` of another trainer."""
        self._online, self._online_before = None, state

    def _alone(self, system: System, rows: Rows, stage: str, interrupts: Interrupts) -> Session:
        """A session without a run, at the place of the weights that were loaded."""
        session = self.opening.alone(system, rows, stage, interrupts, self.media_folder)
        session.position.step, epoch = self.position
        session.position.plan = replace(session.position.plan, first_epoch=epoch)
        return session

    def say_cautions(self) -> None:
        """Warn, once, of what was found before."""
        for each in self.cautions:
            log.warning("%s", each)
        self.cautions = []
