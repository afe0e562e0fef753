"""The trainer: puts a session together, runs the loop, and says what came of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

import torch
from torch import Tensor

from trainwright.config import registry
from trainwright.config.errors import ConfigError, Interrupted
from trainwright.data.rows import Head, Rows
from trainwright.engine.assembly import Assembly
from trainwright.engine.beginning import begin, say_untold
from trainwright.engine.boundary import leave
from trainwright.engine.callbacks import Callback, EarlyStop
from trainwright.engine.callbacks.base import Hooks, check_signatures
from trainwright.engine.config import TrainerConfig
from trainwright.engine.evaluation import EvaluationInterrupted, metrics_of, split_outputs
from trainwright.engine.feed import Feed
from trainwright.engine.interrupt import Interrupts
from trainwright.engine.joining import say_inexact_pieces
from trainwright.engine.loop import train as run_loop
from trainwright.engine.manual import SchedulerSteps
from trainwright.engine.modes import Active, modes
from trainwright.engine.monitor import Best, Monitor
from trainwright.engine.online import one_pass
from trainwright.engine.pieces import is_ready
from trainwright.engine.plan import Plan, automatic_batch_size, make_plan
from trainwright.engine.precision import Precision
from trainwright.engine.progress import progress
from trainwright.engine.randomness import StepSeeds, generators_restored
from trainwright.engine.result import FitResult, finish
from trainwright.engine.running import RunningLoss, RunningValues
from trainwright.engine.running_metrics import RunningMetrics
from trainwright.engine.sanity import sanity_check
from trainwright.engine.saving import Saver
from trainwright.engine.session import Session
from trainwright.engine.spikes import SpikeWatch
from trainwright.engine.system import System
from trainwright.engine.tuning.settle import without_auto
from trainwright.engine.unsaved import UnsavedState
from trainwright.engine.watchdog import Watchdog
from trainwright.files.whole import Scratch
from trainwright.nn.modes import tf32_mode
from trainwright.optim.averages import Averages
from trainwright.optim.several import Optimizers, own_decayed
from trainwright.parallel.launched import ensure_together
from trainwright.parallel.world import World

__all__ = ["FitResult", "Trainer"]

log = logging.getLogger("trainwright.engine")

CHECKPOINTS = "checkpoints"


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
    ) -> None:
        """`continue_with`: the command told to a person after an interruption. `console`: where progress goes, False for nowhere.

        `initial_checkpoint`: save before the first step too, for systems whose first weights do not follow from `seed`. `world`: the
        processes that train together, this one alone unless given.
        """
        self.config, self.seed, self.device, self.world = config, seed, find_device(device), world or World()
        if isinstance(callbacks, Callback) or not isinstance(callbacks, Sequence):
            raise ConfigError("callbacks are given as a list", where="callbacks", fix="callbacks=[…]")
        self.callbacks, self.continue_with = list(callbacks), continue_with
        self.console, self.initial_checkpoint = console, initial_checkpoint
        self._online: Session | None = None
        self.cautions: list[str] = []
        """What was found before the run and may be meant: said when it begins."""
        self.rehearses = False
        """Whether steps are tried, as those of a person's own system are before a run."""
        self._own: tuple[System, Optimizers] | None = None
        self.position: tuple[int, int] = (0, 0)
        """Step and epoch that `validate`, `test` and `predict` are at: those of the weights that were loaded."""
        self.media_folder: Path | None = None
        """Where media go that are saved meanwhile; without it into a place that is soon gone."""

    def check(self, system: System, train_rows: int, validation_rows: int = 0, ready: bool = False) -> Plan:
        """The plan for so many rows, or, with `ready`, for so many batches that come as they are.

        Raises ConfigError, or ManyErrors, when the settings do not fit each other, the rows or the system.
        """
        assembly = self._assembly(system, train_rows, bool(validation_rows), ready)
        assembly.check(self.device, self._asked)
        return assembly.plan

    def _assembly(self, system: System, rows: int, validated: bool, ready: bool) -> Assembly:
        return Assembly(self.config, system, rows, validated, ready, self._own_optimizers(system, rows, ready))

    def _own_optimizers(self, system: System, rows: int, ready: bool) -> Optimizers | None:
        """Those that the system makes in `configure_optimizers`, once; None where it makes none."""
        make = getattr(system, "configure_optimizers", None)
        if make is None:
            return None
        if self._own is None or self._own[0] is not system:
            from trainwright.optim.configured import configured, tried_making

            told = getattr(system, "plan_known", None)
            if told is not None:
                told(make_plan(self.config, rows, ready=ready))
            made = tried_making(make)
            if made is None:
                return None
            self._own = (system, configured(made, system))  # type: ignore[arg-type]
        return self._own[1]

    def fit(
        self,
        system: System,
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
        validation = validation if validation is not None and len(validation) else None
        train, validation, test = (limited(rows, self.config) for rows in (train, validation, test))
        self.check(system, len(train), 0 if validation is None else len(validation), is_ready(train))
        config = self.config
        try:
            limit = None if getattr(train, "sequential", False) else config.loader.timeout  # to pass over batches may take long
            seconds = None if limit is None else limit.seconds
            with self._surroundings(system) as active, Interrupts(seconds) as interrupts:
                self.config = without_auto(self, system, train, run=run, resume=resume, active=active)
                session = self._session(system, train, validation, run, interrupts, active)
                session.on_first_step, session.fork = on_first_step, fork
                with hooked(session), session.saver.guard(session), session.precision.fp32_regions(system), watched(session):
                    return self._run(session, test, resume or fork, run)
        finally:
            self.config = config

    def validate(self, system: System, rows: Rows) -> dict[str, float]:
        """Metrics of `rows` with the weights as they are, through the validation hooks; writes nothing."""
        return self._measured(system, rows, "validation", "validate")

    def test(self, system: System, rows: Rows) -> dict[str, float]:
        """Metrics of `rows` with the weights as they are, through the test hooks; writes nothing."""
        return self._measured(system, rows, "test", "test")

    def predict(self, system: System, rows: Rows) -> dict[str, Tensor]:
        """What `system.predict_step` gives for `rows`, joined in their order, through the predict hooks; writes nothing."""
        with self._surroundings(system), Interrupts() as interrupts, told_when_stopped(interrupts):
            session = self._only(system, rows, "predict", interrupts)
            with hooked(session), session.precision.fp32_regions(system):
                for hook in session.hooks.on_predict_start:
                    hook(session, system)
                outputs = split_outputs(session, session.feed.in_order(session.train), "predict")
                for name in ("on_predict_epoch_end", "on_predict_end"):
                    for hook in getattr(session.hooks, name):
                        hook(session, system)
        return outputs

    def train_online(self, system: System, rows: Rows) -> dict[str, float]:
        """One pass over new rows in their order, a step per batch, from the weights as they are; returns the mean loss.

        A later call goes on with the optimizer's state and the step count of this one. Writes nothing.
        """
        ensure_together(self.world)
        with self._surroundings(system), Interrupts() as interrupts:
            if self._online is None or self._online.system is not system:
                self._online = self._only(system, rows, "fit", interrupts)
            self._online.interrupts = interrupts
            return one_pass(self._online, self._placed(rows), self.config)

    def _measured(self, system: System, rows: Rows, split: str, stage: str) -> dict[str, float]:
        rows = limited(rows, self.config)
        with self._surroundings(system), Interrupts() as interrupts, told_when_stopped(interrupts):
            session = self._only(system, rows, stage, interrupts)
            with hooked(session), session.precision.fp32_regions(system):
                for hook in getattr(session.hooks, f"on_{split}_start"):
                    hook(session, system)
                metrics = metrics_of(session, session.feed.in_order(session.train), split)
                for hook in getattr(session.hooks, f"on_{split}_end"):
                    hook(session, system, metrics)
        return metrics

    def _only(self, system: System, rows: Rows, stage: str, interrupts: Interrupts) -> Session:
        """A session without a run: no files, no progress."""
        with Scratch() as nowhere:
            session = self._session(system, rows, None, nowhere, interrupts)
        session.stage, session.trackers, session.hooks = stage, [], Hooks(self.callbacks, system)
        session.media_folder = self.media_folder
        session.step, epoch = self.position
        session.plan = replace(session.plan, first_epoch=epoch)
        return session

    def _run(self, session: Session, test: Rows | None, resume: bool, run: Path) -> FitResult:
        hooks, system = session.hooks, session.system
        begin(session, resume, self.initial_checkpoint)
        say_untold(session)
        session.seeds.hooks("boundary", session.batches_seen)
        for hook in hooks.on_fit_start:
            hook(session, system)
        self.say_cautions()
        say_decayed(session)
        if self.rehearses:
            say_inexact_pieces(session)
        try:
            sanity_check(session)
        except EvaluationInterrupted:
            leave(session)
        run_loop(session)
        result = finish(session, session.feed.in_order(self._placed(test)), run)
        for hook in hooks.on_fit_end:
            hook(session, system)
        return result

    def say_cautions(self) -> None:
        """Warn, once, of what was found before."""
        for each in self.cautions:
            log.warning("%s", each)
        self.cautions = []

    @contextmanager
    def _surroundings(self, system: System) -> Iterator[Active]:
        """What process and modules have while they train, and have not afterwards."""
        system.to(self.device)
        tf32 = tf32_mode(cudnn=True, matmul=True) if self.config.precision.type == "tf32" else nullcontext()
        with generators_restored(self.device), tf32, modes(self.config.modes, system, self.device) as active:  # type: ignore[arg-type]
            yield active

    def _asked(self) -> list[Callback]:
        """The callbacks of the configuration, made. Raises ConfigError for one, there or given, that is none."""
        made = [registry.build("callback", options) for options in self.config.callbacks]
        places = [*(f"trainer.callbacks.{place}" for place in range(len(made))), *("callbacks" for _ in self.callbacks)]
        for place, each in zip(places, [*made, *self.callbacks], strict=True):
            if not isinstance(each, Callback):
                what = f"the class {each.__name__}" if isinstance(each, type) else f"a {type(each).__name__}"
                fix = "derive it from trainwright.Callback, and give an instance"
                raise ConfigError(f"{what} is no callback", where=place, fix=fix)
            check_signatures(each, place)
        return made

    def _callbacks(self, monitor: Monitor, validated: bool) -> list[Callback]:
        """Those of the configuration, those given, early stopping, and progress, which tells what the others did."""
        asked = self._asked()
        early = [EarlyStop(self.config.early_stopping, monitor)] if validated and self.config.early_stopping is not None else []
        silent = self.console is False or self.config.progress == "none"
        shown = [] if silent else [progress(None if self.console is True else self.console, self.config.progress)]  # type: ignore[arg-type]
        steps = [SchedulerSteps()] if self._own is not None and self._own[1].schedulers else []
        return [*asked, *self.callbacks, *steps, *early, *shown]

    def _session(
        self, system: System, train: Rows, validation: Rows | None, run: Path, interrupts: Interrupts, active: Active | None = None
    ) -> Session:
        """All parts of the run, with the system on its device."""
        config, device = self.config, self.device
        system.to(device)
        if not system.training:
            system.train()
        made = self._assembly(system, len(train), validation is not None, is_ready(train))
        groups = made.groups()
        optimizer = made.optimizer()
        log_interval, evaluation_interval = made.intervals()
        if self.console is not False:
            made.say(groups)
        keep = max(config.checkpoint.keep_best, config.average_best)
        saving = config.checkpoint.model_copy(update={"keep_best": keep})
        averaging = config.ema is not None or config.swa is not None
        train = self._placed(train)
        feed = Feed(train, config.loader, self.seed, device, interrupts.waits)
        session = Session(
            config=config,
            plan=made.plan,
            seed=self.seed,
            device=device,
            system=system,
            optimizer=optimizer,
            rates=made.rates(optimizer),
            freezing=made.freezing(),
            gradient_hooks=made.gradient_hooks(),
            averages=Averages(config.ema, config.swa, system, made.plan.extent) if averaging else None,  # type: ignore[arg-type]
            growth=made.growth(),
            train=train,
            feed=feed,
            validation=feed.in_order(self._placed(validation)),
            monitor=made.monitor,
            best=Best(made.monitor.higher, keep),
            hooks=Hooks([*self._callbacks(made.monitor, validation is not None), *unsaved_watch(system)], system),
            trackers=[registry.build("tracker", options, folder=run) for options in config.trackers],
            saver=Saver.of(run / CHECKPOINTS, saving, made.plan, rolls_back=config.recovery.rolls_back),
            interrupts=interrupts,
            log_interval=log_interval,
            evaluation_interval=evaluation_interval,
            seeds=StepSeeds(self.seed, device),
            precision=Precision(config.precision, device),
            spikes=None if config.recovery.loss_spike is None else SpikeWatch(config.recovery.loss_spike),
            active=active or Active(),
            continue_with=self.continue_with or f"trainwright resume {run}",
            running_loss=RunningLoss(),
            running_metrics=RunningMetrics(system, copies=device.type == "cuda" and config.modes.compile is not None),
            running_values=RunningValues(),
        )
        if hasattr(system, "attach"):
            system.attach(session)
        return session

    def _placed(self, rows: Any) -> Any:
        """Rows on the device for good, where they can move."""
        return rows.to(self.device) if hasattr(rows, "to") else rows


@contextmanager
def hooked(session: Session) -> Iterator[None]:
    """`setup` before, `teardown` after whatever happens, and `on_exception` when it does."""
    try:
        for hook in session.hooks.setup:
            hook(session, session.system)
        yield
    except BaseException as error:
        for hook in session.hooks.on_exception:
            hook(session, session.system, error)
        raise
    finally:
        session.feed.close(now=bool(session.interrupts.requested))
        session.freezing.release()
        if session.averages is not None:
            session.averages.release()
        for tracker in session.trackers:
            tracker.close()
        for hook in session.hooks.teardown:
            hook(session, session.system)


def limited(rows: Any, config: TrainerConfig) -> Any:
    """The rows of the first `limit_batches` batches; all of them without a limit."""
    if rows is None or config.limit_batches is None:
        return rows
    size = config.batch_size if isinstance(config.batch_size, int) else automatic_batch_size(len(rows))
    return Head(rows, config.limit_batches * (1 if is_ready(rows) else size))


def unsaved_watch(system: Any) -> list[Callback]:
    """Who looks at the first steps for state that no checkpoint holds, where none could be tried before."""
    tried = getattr(system, "tried_before", True) and getattr(system, "automatic_optimization", True)
    return [] if tried else [UnsavedState()]


def say_decayed(session: Session) -> None:
    """Warn of weight decay on what parametrizations compute weights from, where the system itself asked for it."""
    found = own_decayed(session.system, session.optimizer) if isinstance(session.optimizer, Optimizers) else {}  # type: ignore[arg-type]
    if found:
        fix = "give them a param_group with weight_decay=0 in configure_optimizers"
        log.warning("weight decay pulls at what parametrizations compute weights from (%s): %s", ", ".join(found), fix)


@contextmanager
def told_when_stopped(interrupts: Interrupts) -> Iterator[None]:
    """Say that a signal ended a measurement, which leaves nothing. Raises Interrupted for it."""
    try:
        yield
    except EvaluationInterrupted:
        raise Interrupted(f"{interrupts.name}: stopped; nothing was written", fix="begin it again") from None


def watched(session: Session) -> AbstractContextManager[None]:
    """A watchdog looks after the steps, when one was asked for."""
    limit = session.config.recovery.watchdog
    return nullcontext() if limit is None else Watchdog(limit.seconds, lambda: (session.batches_seen, session.evaluated_at)).watching()


def find_device(device: str | torch.device) -> torch.device:
    """The device meant: `auto` is CUDA, else MPS, else the CPU. Raises ConfigError when it is not there."""
    if device == "auto":
        return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        found = torch.device(device)
        if found.type == "cuda" and found.index is None:
            found = torch.device("cuda", 0)
        torch.empty(1, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        why = str(error).splitlines()[0]
        raise ConfigError(f"device '{device}' cannot be used", where="run.device", why=why, fix="auto, cpu, cuda, cuda:1 or mps") from error
    return found
