"""What came of a run: the best weights loaded, the test split evaluated once, the numbers summed up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainwright.config.clock import process_seconds
from trainwright.config.errors import Interrupted
from trainwright.data.rows import Rows
from trainwright.engine.choosing import KeptWeights, choose_weights
from trainwright.engine.evaluation import EvaluationInterrupted, metrics_of
from trainwright.engine.evaluation_files import settle_files
from trainwright.engine.longer import twice_as_long
from trainwright.engine.saving.kinds import stop_error
from trainwright.engine.session import Session
from trainwright.engine.state import load_weights, weights_of
from trainwright.optim.build import own_weight_decay
from trainwright.optim.group_table import describe_groups
from trainwright.optim.parts import whole_size


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
    longer: str = ""
    """`trainer.max_epochs=30`: twice the length, for a run that its length ended while it was still improving."""

    system: Any = None
    """What was trained, with the kept weights."""

    def __iter__(self) -> Iterator[Any]:
        """`model, metrics, run = trainer.fit(…)`: the system, the metrics by split, the run's directory."""
        return iter((self.system, self.metrics, self.path))

    @property
    def best(self) -> dict[str, Any] | None:
        """Step, metric and value of the kept weights; None without a validation split."""
        return None if self.best_step is None else {"step": self.best_step, "metric": self.monitor, "value": self.best_value}

    @property
    def train_metrics(self) -> dict[str, float]:
        """Running training metrics at the kept weights."""
        return self.metrics.get("train", {})


def finish(session: Session, test: Rows | None, path: Path) -> FitResult:
    """Load the best weights, evaluate the test split once, and sum the run up."""
    trained = session.parts.trained
    try:
        chosen = choose_weights(session)
        if chosen.weights is not None:
            load_weights(session.system, chosen.weights, where=f"the kept weights ({chosen.name})")
        session.parts.strategy.release(session.system)
        share_weights(session)
        session.position.finished = True
        metrics = final_metrics(session, test, chosen)
        if session.parts.interrupts.requested:
            raise EvaluationInterrupted
    except EvaluationInterrupted:
        name = session.parts.interrupts.name
        if not session.parts.saver.resumable:
            raise stop_error(session, name, saved=session.config.checkpoint.type == "weights") from None
        raise Interrupted(f"{name}: trained and saved, not yet evaluated", fix=f"continue with: {session.parts.continue_with}") from None
    settle_files(session.parts.trackers)
    plan, decay = session.plan, own_weight_decay(session.config.optimizer)
    best_step, best_value = chosen.step, chosen.value
    epochs = session.plan.rows_until(session.batches_seen) / plan.rows
    realised = {
        "batch_size": None if plan.ready else plan.batch_size,
        "micro_batch_size": None if plan.ready else plan.micro_batch_size,
        "steps": session.step,
        "epochs": epochs,
        "parameters": sum(whole_size(each) for each in session.optimizer.parameters()),
        "kept": chosen.name,
        "batches_left_out": len(session.skipped_batches),
        "parameter_groups": describe_groups(session.optimizer.parameter_groups, trained, session.parts.base_learning_rate, decay),
    }
    timing = timing_of(session)
    name, because, system = session.monitor.name, session.stopped_because, session.system.handed_back
    steps, history = session.step, session.history
    longer = twice_as_long(session)
    return FitResult(steps, epochs, best_step, best_value, name, because, timing, realised, metrics, history, path, longer, system)


def share_weights(session: Session) -> None:
    """Let every process have the weights that rank 0 kept."""
    world = session.parts.world
    if world.size > 1 and session.parts.saver.together is None:  # else each has its part
        kept_there = {name: tensor.detach().to("cpu") for name, tensor in weights_of(session.system).items()}
        load_weights(session.system, world.broadcast(kept_there), where="the weights that rank 0 kept")


def final_metrics(session: Session, test: Rows | None, chosen: KeptWeights) -> dict[str, dict[str, float]]:
    """Metrics by split at the kept weights; validation's are those of the evaluation that found them."""
    best_step = chosen.step
    rows = [row for row in session.history if row["step"] == best_step or (best_step is None and row["step"] == session.step)]
    known = rows[-1] if rows else {}
    metrics = {split: under(known, split) for split in ("train", "validation")}
    if chosen.metrics is not None:
        metrics["validation"] = chosen.metrics
    with session.clock.timing.phase("evaluate"):
        measured = session.position.evaluated_at == session.step and chosen.weights is None
        if session.validation is not None and not metrics["validation"] and not measured:
            metrics["validation"] = metrics_of(session, session.validation, "validation")
        if test is not None and len(test):
            for hook in session.parts.hooks.on_test_start:
                hook(session, session.system)
            metrics["test"] = metrics_of(session, test, "test")
            for hook in session.parts.hooks.on_test_end:
                hook(session, session.system, metrics["test"])
    return {split: values for split, values in metrics.items() if values}


def under(row: dict[str, float], split: str) -> dict[str, float]:
    """The metrics of a split in a logged row."""
    return {name.removeprefix(f"{split}/"): value for name, value in row.items() if name.startswith(f"{split}/")}


def timing_of(session: Session) -> dict[str, float]:
    """Seconds as results.json has them; phases and steps over all processes of the run, start-up of this one."""
    seconds = session.clock.timing.read()
    rows = session.plan.rows_until(session.batches_seen)
    passed = process_seconds()
    return {
        "startup_seconds": passed if session.clock.first_step_after is None else session.clock.first_step_after,
        "train_seconds": seconds["train"],
        "evaluate_seconds": seconds["evaluate"],
        "checkpoint_seconds": seconds["checkpoint"],
        "total_seconds": passed,
        "steps": session.step,
        "samples_per_second": rows / seconds["train"] if seconds["train"] else 0.0,
    }
