"""The run in words, as its progress shows it: headline, place, columns, end."""

from __future__ import annotations

from collections.abc import Mapping

from trainwright.engine.longer import twice_as_long
from trainwright.engine.session import Session

SHOWN = 5
"""Numbers of a line at most; all of them are in metrics.csv."""
ENGINES = ("step", "epoch", "seconds", "learning_rate", "gradient_norm", "samples_per_second", "validation/")
"""Columns that every run has, by their beginnings; what else is in a row somebody logged."""


def headline(session: Session) -> str:
    """What the run will be: the numbers that were chosen, before the first step."""
    plan = session.plan
    pieces = f" in pieces of {plan.micro_batch_size}" if plan.micro_batch_size < plan.batch_size else ""
    ends = []
    if plan.max_steps is not None:
        ends.append(f"{in_words(plan.max_steps, 'step')} ({in_words(plan.epochs_at(plan.max_steps), 'epoch')})")
    ends += [] if plan.max_seconds is None else [span(plan.max_seconds)]
    begun = f"; continues after step {session.step:,}" if session.step else ""
    joined = "" if plan.ready and plan.batch_size == 1 else f", {plan.batch_size:,} per step{'' if plan.ready else pieces}"
    shape = f"{in_words(plan.rows, 'ready batch' if plan.ready else 'row')}{joined}, {in_words(plan.steps_per_epoch, 'step')} per epoch"
    return f"{shape}, at most {' or '.join(ends)}, on {session.device}{begun}"


def in_words(number: float, unit: str) -> str:
    """A number and its unit, which has an `s` unless the number is one."""
    shown = f"{number:,}" if isinstance(number, int) else f"{number:.4g}"
    return f"{shown} {unit}{'' if number == 1 else 'es' if unit.endswith('ch') and unit != 'epoch' else 's'}"


def position(session: Session) -> str:
    """Step and epoch, of how many."""
    plan = session.plan
    steps = f"/{plan.max_steps}" if plan.max_steps else ""
    return f"step {session.step}{steps}  epoch {plan.epoch_of(max(session.batches_seen - 1, 0)) + 1}"


def choose_columns(session: Session, row: Mapping[str, float]) -> list[str]:
    """The columns of the table: the losses, what picks the best weights, the first metric of each target; without any, what was logged."""
    measured = [name for name in row if name.startswith("validation/")] or [name for name in row if name.startswith("train/")]
    losses = ["train/loss", "validation/loss"]
    of_targets = {name.rpartition(".")[0] or name: name for name in reversed(measured) if name not in losses}
    logged = [] if of_targets else [name for name in row if not name.startswith(ENGINES) and name not in losses]
    first = [*losses, f"validation/{session.monitor.name}", *reversed(of_targets.values()), *logged]
    return [name for name in dict.fromkeys(first) if name in row][:SHOWN]


def span(seconds: float) -> str:
    """Seconds as a person says them: `42 s`, `3 min 20 s`, `2 h 05 min`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def done(session: Session) -> float:
    """The share of the run that is behind it, by steps or by time; 0 where neither ends it."""
    seconds = session.plan.max_seconds
    return max(session.progress, 0.0 if seconds is None else min(session.clock.elapsed() / seconds, 1.0))


def row_text(session: Session, row: Mapping[str, float]) -> str:
    """A row in one line, with every number that was measured or logged."""
    told = [name for name in row if name.startswith("validation/") or not name.startswith(ENGINES)]
    values = "  ".join(f"{name} {row[name]:.4g}" for name in told)
    return f"{position(session)}  {values}{'  *' if is_best(session, row) else ''}"


def is_best(session: Session, row: Mapping[str, float]) -> bool:
    """Whether the row is of the best evaluation so far."""
    return session.best.steps[:1] == [row["step"]]


def ending(session: Session) -> str:
    """How the run ended, and which weights it kept."""
    best = f"; best {session.monitor.name} {session.best.entries[0][1]:.4g} at step {session.best.steps[0]}" if session.best.steps else ""
    on = ", still improving" if twice_as_long(session) else ""
    return f"stopped at step {session.step} ({session.stopped_because.replace('_', ' ')}){best}{on}"
