"""The trainer: puts a session together, runs the loop, and says what came of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TextIO

import torch
from torch import nn

from trainwright.checkpoint.retention import BestK, LastK
from trainwright.checkpoint.store import CheckpointStore
from trainwright.config import registry
from trainwright.config.clock import process_start
from trainwright.config.errors import ConfigError, Interrupted, RunError
from trainwright.data.rows import Rows
from trainwright.engine.boundary import metrics_of
from trainwright.engine.cadence import Cadence
from trainwright.engine.callbacks import Callback, EarlyStop
from trainwright.engine.callbacks.base import Hooks
from trainwright.engine.config import TrainerConfig
from trainwright.engine.evaluation import EvaluationInterrupted
from trainwright.engine.interrupt import Interrupts
from trainwright.engine.loop import train as run_loop
from trainwright.engine.monitor import Best, Monitor
from trainwright.engine.plan import make_plan
from trainwright.engine.progress import progress
from trainwright.engine.randomness import StepSeeds, generators_restored
from trainwright.engine.running import RunningLoss, RunningOutputs
from trainwright.engine.saving import Saver, load_weights
from trainwright.engine.session import Session
from trainwright.engine.system import System
from trainwright.optim.build import build_optimizer, build_schedule
from trainwright.tracking.base import Tracker

log = logging.getLogger("trainwright.engine")

CHECKPOINTS = "checkpoints"


class RunLike(Protocol):
    """What the trainer needs of a run directory."""

    @property
    def path(self) -> Path:
        """The run's directory."""


@dataclass
class FitResult:
    """What came of a run."""

    steps: int
    """Optimizer updates of the whole run."""
    epochs: float
    """Passes over the training rows."""
    best_step: int | None
    """The step whose weights were kept; None without a validation split: the last ones are kept then."""
    best_value: float | None
    """The monitored metric at that step."""
    monitor: str
    """The monitored metric."""
    stopped_because: str
    """`max_epochs`, `max_steps`, `max_time`, `early_stopping`, or what a callback said."""
    timing: dict[str, float]
    """Seconds by phase, as results.json has them."""
    realised: dict[str, Any]
    """Batch size, steps, epochs and parameters, as results.json has them."""
    metrics: dict[str, dict[str, float]]
    """Split → metric → value: `train` (running) and `validation` at the kept weights, `test` once at the end."""
    history: list[dict[str, float]] = field(default_factory=list)
    """Every logged row."""
    path: Path | None = None
    """The run's directory."""

    @property
    def best(self) -> dict[str, Any] | None:
        """Step, metric and value of the kept weights; None without a validation split."""
        return None if self.best_step is None else {"step": self.best_step, "metric": self.monitor, "value": self.best_value}

    @property
    def train_metrics(self) -> dict[str, float]:
        """Running training metrics at the kept weights."""
        return self.metrics.get("train", {})


class Trainer:
    """Runs a system over rows; owns all engineering, knows no modality."""

    def __init__(
        self,
        config: TrainerConfig,
        run: RunLike,
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
        self.config, self.run, self.seed = config, run, seed
        self.device = find_device(device)
        self.callbacks = list(callbacks)
        self.continue_with = continue_with or f"trainwright resume {run.path}"
        self.console, self.initial_checkpoint = console, initial_checkpoint

    def fit(self, system: System, train: Rows, validation: Rows | None = None, test: Rows | None = None, *, resume: bool = False) -> FitResult:
        """Train, and leave the best weights in `system` (the last ones without a validation split).

        With `resume` a run that has a checkpoint continues from it; one that has none yet begins. Raises ConfigError, DataError or RunError
        before the first step, NotFinite while training, Interrupted after a signal once the run was saved.
        """
        with generators_restored(self.device), Interrupts() as interrupts:
            session = self._session(system, train, validation, interrupts)
            try:
                return self._run(session, test, resume)
            except BaseException as error:
                for hook in session.hooks.on_exception:
                    hook(session, system, error)
                raise
            finally:
                for tracker in session.trackers:
                    tracker.close()
                for hook in session.hooks.teardown:
                    hook(session, system)

    def _run(self, session: Session, test: Rows | None, resume: bool) -> FitResult:
        hooks, system = session.hooks, session.system
        for hook in hooks.setup:
            hook(session, system)
        self._begin(session, resume)
        for hook in hooks.on_fit_start:
            hook(session, system)
        run_loop(session)
        result = finish(session, self._placed(test), self.run.path)
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
            log.info("%s: no checkpoint yet; the run begins", self.run.path)
        if self.initial_checkpoint and not continued and not session.saver.save(session):
            raise RunError("the first checkpoint cannot be written", where=str(store.folder), fix="free some space, or choose another place")

    def _session(self, system: System, train: Rows, validation: Rows | None, interrupts: Interrupts) -> Session:
        """All parts of the run; raises ConfigError when the settings do not fit each other or the data."""
        config, device = self.config, self.device
        plan = make_plan(config, len(train), batch_statistics=normalises_over_batch(system))
        monitor = Monitor(config, system)
        system.to(device)
        if not system.training:
            system.train()
        validation = validation if validation is not None and len(validation) else None
        early = [] if validation is None or config.early_stopping is None else [EarlyStop(config.early_stopping, monitor)]
        shown = [] if self.console is False else [progress(None if self.console is True else self.console)]
        every = config.checkpoint.every
        store = CheckpointStore(self.run.path / CHECKPOINTS, [LastK(config.checkpoint.keep_last), BestK(config.checkpoint.keep_best)])
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
            hooks=Hooks([*self.callbacks, *early, *shown]),
            trackers=build_trackers(config, self.run.path),
            saver=Saver(store, config.checkpoint, Cadence(every, plan, "trainer.checkpoint.every") if every else None),
            interrupts=interrupts,
            log_cadence=Cadence(config.log_every, plan, "trainer.log_every"),
            evaluate_cadence=Cadence(config.evaluate_every, plan, "trainer.evaluate_every"),
            seeds=StepSeeds(self.seed, device),
            continue_with=self.continue_with,
            running_loss=RunningLoss(device),
            running_outputs=RunningOutputs(plan.rows),
        )

    def _placed(self, rows: Any) -> Any:
        """Rows on the device for good, where they can move."""
        return rows.to(self.device) if hasattr(rows, "to") else rows


def finish(session: Session, test: Rows | None, path: Path) -> FitResult:
    """Load the best weights, evaluate the test split once, and sum the run up."""
    weights = session.saver.best_weights(session)
    if weights is not None:
        load_weights(session.system, weights, where="the best checkpoint")
    best_step, best_value = session.best.entries[0] if weights is not None else (None, None)
    try:
        metrics = final_metrics(session, test, best_step)
    except EvaluationInterrupted:
        name = session.interrupts.name
        raise Interrupted(f"{name}: trained and saved, not yet evaluated", fix=f"continue with: {session.continue_with}") from None
    plan = session.plan
    epochs = session.rows_between(0, session.step) / plan.rows
    realised = {
        "batch_size": plan.batch_size,
        "micro_batch_size": plan.micro_batch_size,
        "steps": session.step,
        "epochs": epochs,
        "parameters": sum(each.numel() for each in session.optimizer.parameters()),
    }
    timing = timing_of(session)
    name, because = session.monitor.name, session.stopped_because
    return FitResult(session.step, epochs, best_step, best_value, name, because, timing, realised, metrics, session.history, path)


def final_metrics(session: Session, test: Rows | None, best_step: int | None) -> dict[str, dict[str, float]]:
    """Metrics by split at the kept weights; validation's are those of the evaluation that found them."""
    rows = [row for row in session.history if row["step"] == best_step or (best_step is None and row["step"] == session.step)]
    known = rows[-1] if rows else {}
    metrics = {split: under(known, split) for split in ("train", "validation")}
    with session.timing.phase("evaluate"):
        if session.validation is not None and not metrics["validation"]:
            metrics["validation"] = metrics_of(session, session.validation)
        if test is not None and len(test):
            for hook in session.hooks.on_test_start:
                hook(session, session.system)
            metrics["test"] = metrics_of(session, test)
            for hook in session.hooks.on_test_end:
                hook(session, session.system, metrics["test"])
    return {split: values for split, values in metrics.items() if values}


def under(row: dict[str, float], split: str) -> dict[str, float]:
    """The metrics of a split in a logged row."""
    return {name.removeprefix(f"{split}/"): value for name, value in row.items() if name.startswith(f"{split}/")}


def timing_of(session: Session) -> dict[str, float]:
    """Seconds as results.json has them; phases and steps over all processes of the run, start-up of this one."""
    seconds = session.timing.read()
    rows = session.rows_between(0, session.step)
    started = process_start()
    return {
        "startup_seconds": (session.first_step_at or time.time()) - started,
        "train_seconds": seconds["train"],
        "evaluate_seconds": seconds["evaluate"],
        "checkpoint_seconds": seconds["checkpoint"],
        "total_seconds": time.time() - started,
        "steps": session.step,
        "samples_per_second": rows / seconds["train"] if seconds["train"] else 0.0,
    }


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


def build_trackers(config: TrainerConfig, folder: Path) -> list[Tracker]:
    """The trackers asked for, writing into the run's directory."""
    return [registry.build("tracker", options, folder=folder) for options in config.trackers]


def normalises_over_batch(system: System) -> bool:
    """Whether some module cannot train on a single row."""
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in system.modules())
