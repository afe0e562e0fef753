"""Whether a run of another length would have had the same past: its schedules, freezing and averages up to the step it has reached."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from trainwright.config.errors import RunError
from trainwright.engine.assembly import Assembly
from trainwright.optim.averages import moments
from trainwright.optim.freezing import Freezing
from trainwright.optim.schedules.base import Extent

if TYPE_CHECKING:
    from trainwright.engine.session import Session

MOST_COMPARED = 2000
"""Steps at which two schedules are compared."""


def check_past(session: Session, saved: list[Any] | None, where: str) -> None:
    """Raise RunError when the length now asked for would have made the steps already made other ones."""
    now, step = session.plan.extent, session.step
    if saved is None or Extent(*saved) == now:
        return
    before = past(session, Extent(*saved), step)
    different = [name for name, value in past(session, now, step).items() if value != before[name]]
    if different:
        why = f"with {now.steps} steps instead of {saved[1]}, {different[0]} would have been another before step {step}"
        fix = "keep the length, or begin a child run from here: trainwright resume RUN --fork"
        raise RunError("this run cannot be continued with another length", where=where, why=why, fix=fix)


def past(session: Session, extent: Extent, step: int) -> dict[str, Any]:
    """What follows from the length of the run, up to `step`."""
    config = session.config
    made = Assembly(config, session.system, session.plan.rows, session.validation is not None)
    made.length = extent
    steps = range(0, step, max(1, step // MOST_COMPARED))
    groups = {each.label: each.schedule for each in made.groups() if each.schedule is not None}
    found: dict[str, Any] = {"the schedule": [made.schedule().factor(each) for each in steps]}
    for label, options in groups.items():
        schedule = made.schedule(options)
        found[f"the schedule of '{label}'"] = [schedule.factor(each) for each in steps]
    freezing = Freezing(config.parameters.rules, session.system, extent)
    found["what is frozen"] = [(min(each.start, step), min(each.end or math.inf, step)) for each in freezing.windows()]
    if config.swa is not None:
        first, every = moments(config.swa, extent)
        found["the average of swa"] = (first, every) if first <= step else None
    return found
