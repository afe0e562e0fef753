"""The trainer: puts a session together, runs the loop, and says what came of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

import torch
from torch import nn

from trainwright.checkpoint.retention import BestK, LastK
from trainwright.checkpoint.store import CheckpointStore
from trainwright.config import registry
from trainwright.config.errors import ConfigError, RunError
from trainwright.data.rows import Rows
from trainwright.engine.cadence import Cadence
from trainwright.engine.callbacks import Callback, EarlyStop
from trainwright.engine.callbacks.base import Hooks
from trainwright.engine.config import TrainerConfig
from trainwright.engine.interrupt import Interrupts
from trainwright.engine.loop import train as run_loop
from trainwright.engine.monitor import Best, Monitor
from trainwright.engine.plan import Plan, make_plan
from trainwright.engine.progress import progress
from trainwright.engine.randomness import StepSeeds, generators_restored
from trainwright.engine.result import FitResult, finish
from trainwright.engine.running import RunningLoss, RunningOutputs
from trainwright.engine.saving import Saver
from trainwright.engine.session import Session
from trainwright.engine.system import System
from trainwright.optim.build import build_optimizer, build_schedule
from trainwright.optim.schedules import PlateauOptions

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
    ) -> None:
        """`continue_with`: the command told to a person after an interruption. `console`: where progress goes, False for nowhere.

        `initial_checkpoint`: save before the first step too, for systems whose first weights do not follow from `seed`.
        """
        self.config, self.seed, self.device = config, seed, find_device(device)
        self.callbacks, self.continue_with = list(callbacks), continue_with
        self.console, self.initial_checkpoint = console, initial_checkpoint

    def check(self, system: System, train_rows: int, validation_rows: int = 0) -> Plan:
        """The plan for so many rows. Raises ConfigError when the settings do not fit each other, the rows or the system; writes nothing."""
        plan, monitor = self._plan(system, train_rows)
        build_schedule(self.config.schedule, plan.extent, monitor.higher)
        build_optimizer(self.config.optimizer, system.named_parameters())
        self._cadences(plan)
        if isinstance(self.config.schedule, PlateauOptions) and not validation_rows:
            why = "there are no validation rows"
            raise ConfigError(
                "plateau has nothing to watch", where="trainer.schedule", why=why, fix="give validation rows, or another schedule"
            )
        return plan

    def fit(
        self,
        system: System,
        train: Rows,
        validation: Rows | None = None,
        test: Rows | None = None,
        *,
        run: Path,
        resume: bool = False,
        on_first_step: Callable[[], None] | None = None,
    ) -> FitResult:
        """Train in the directory `run`, and leave the best weights in `system` (the last ones without a validation split).

        With `resume` a run that has a checkpoint continues from it; one that has none yet begins. Raises ConfigError, DataError or RunError
        before the first step, NotFinite while training, Interrupted after a signal once the run was saved.
        """
        validation = validation if validation is not None and len(validation) else None
        self.check(system, len(train), 0 if validation is None else len(validation))
        with generators_restored(self.device), Interrupts() as interrupts:
            session = self._session(system, train, validation, run, interrupts)
            session.on_first_step = on_first_step
            try:
                return self._run(session, test, resume, run)
            except BaseException as error:
                for hook in session.hooks.on_exception:
                    hook(session, system, error)
                raise
            finally:
                for tracker in session.trackers:
                    tracker.close()
                for hook in session.hooks.teardown:
                    hook(session, system)

    def _run(self, session: Session, test: Rows | None, resume: bool, run: Path) -> FitResult:
        hooks, system = session.hooks, session.system
        for hook in hooks.setup:
            hook(session, system)
        self._begin(session, resume)
        for hook in hooks.on_fit_start:
            hook(session, system)
        run_loop(session)
        result = finish(session, self._placed(test), run)
        for hook in hooks.on_fit_end:
            hook(session, system)
        return result

    def _begin(self, session: Session, resume: bool) -> None:
        """Continue from a checkpoint or begin; nothing is written before the place was tried."""
        store = session.saver.store
        store.prepare()
        if not resume and store.found():
            fix = "continue it with resume, or choose another place"
            raise RunError("there are checkpoints of a run here already", where=str(store.folder), fix=fix)
        continued = resume and session.saver.resume(session)
        for tracker in session.trackers:
            session.history = tracker.begin(session.step) or session.history
        if resume and not continued:
            log.info("%s: no checkpoint yet; the run begins", store.folder.parent)
        if self.initial_checkpoint and not continued and not session.saver.save(session):
            raise RunError(
                "the first checkpoint cannot be written", where=str(store.folder), fix="free some space, or choose another place"
            )

    def _plan(self, system: System, rows: int) -> tuple[Plan, Monitor]:
        return make_plan(self.config, rows, batch_statistics=normalises_over_batch(system)), Monitor(self.config, system)

    def _cadences(self, plan: Plan) -> tuple[Cadence, Cadence, Cadence | None]:
        """When to log, to evaluate, and to save where the config says so."""
        every = self.config.checkpoint.every
        save = Cadence(every, plan, "trainer.checkpoint.every") if every else None
        return (
            Cadence(self.config.log_every, plan, "trainer.log_every"),
            Cadence(self.config.evaluate_every, plan, "trainer.evaluate_every"),
            save,
        )

    def _callbacks(self, monitor: Monitor, validated: bool) -> list[Callback]:
        """Those given, then early stopping, then progress, which tells what the others did."""
        early = [EarlyStop(self.config.early_stopping, monitor)] if validated and self.config.early_stopping is not None else []
        shown = [] if self.console is False else [progress(None if self.console is True else self.console)]
        return [*self.callbacks, *early, *shown]

    def _session(self, system: System, train: Rows, validation: Rows | None, run: Path, interrupts: Interrupts) -> Session:
        """All parts of the run, with the system on its device."""
        config, device = self.config, self.device
        plan, monitor = self._plan(system, len(train))
        system.to(device)
        if not system.training:
            system.train()
        log_cadence, evaluate_cadence, save_cadence = self._cadences(plan)
        store = CheckpointStore(run / CHECKPOINTS, [LastK(config.checkpoint.keep_last), BestK(config.checkpoint.keep_best)])
        return Session(
            config=config,
            plan=plan,
            seed=self.seed,
            device=device,
            system=system,
            optimizer=build_optimizer(config.optimizer, system.named_parameters()),
            schedule=build_schedule(config.schedule, plan.extent, monitor.higher),
            train=self._placed(train),
            validation=self._placed(validation),
            monitor=monitor,
            best=Best(monitor.higher, config.checkpoint.keep_best),
            hooks=Hooks(self._callbacks(monitor, validation is not None)),
            trackers=[registry.build("tracker", options, folder=run) for options in config.trackers],
            saver=Saver(store, config.checkpoint, save_cadence),
            interrupts=interrupts,
            log_cadence=log_cadence,
            evaluate_cadence=evaluate_cadence,
            seeds=StepSeeds(self.seed, device),
            continue_with=self.continue_with or f"trainwright resume {run}",
            running_loss=RunningLoss(device),
            running_outputs=RunningOutputs(plan.rows),
        )

    def _placed(self, rows: Any) -> Any:
        """Rows on the device for good, where they can move."""
        return rows.to(self.device) if hasattr(rows, "to") else rows


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


def normalises_over_batch(system: System) -> bool:
    """Whether some module cannot train on a single row."""
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in system.modules())
