"""The run in words, as its progress shows it: headline, place, columns, end."""

from __future__ import annotations

from collections.abc import Mapping

from trainwright.engine.longer import twice_as_long
from trainwright.engine.session import Session

SHOWN = 5
"""Metrics of a line at most; all of them are in metrics.csv."""


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


def mark(session: Session, row: Mapping[str, float]) -> str:
    """A star for the best so far."""
    return "  *" if session.best.steps[:1] == [row["step"]] else ""


def choose_columns(session: Session, row: Mapping[str, float]) -> list[str]:
    """The columns of the table: losses, the monitored metric, then others while there is room."""
    first = ["train/loss", "validation/loss", f"validation/{session.monitor.name}"]
    others = [name for name in row if name.startswith("validation/")]
    return [name for name in dict.fromkeys([*first, *others]) if name in row][:SHOWN]


def width(name: str) -> int:
    """Characters of a column."""
    return max(len(name), 9)


def span(seconds: float) -> str:
    """Seconds as a person says them: `42 s`, `3 min 20 s`, `2 h 05 min`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def ending(session: Session) -> str:
    """How the run ended, and which weights it kept."""
    best = f"; best {session.monitor.name} {session.best.entries[0][1]:.4g} at step {session.best.steps[0]}" if session.best.steps else ""
    on = ", still improving" if twice_as_long(session) else ""
    return f"stopped at step {session.step} ({session.stopped_because.replace('_', ' ')}){best}{on}"
