"""Whether a run was ended by its length while it was still improving, and the setting of one that is twice as long."""

from __future__ import annotations

from trainwright.engine.session import Session

LENGTHS = ("max_epochs", "max_steps", "max_time")
LATE = 0.9
"""A best evaluation beyond this share of the run, or at its end, was not followed by enough worse ones to call it the best."""


def twice_as_long(session: Session) -> str:
    """`trainer.max_epochs=30` for a run of 15 epochs that its length ended while it was improving; empty for any other run."""
    reason, plan = session.stopped_because, session.plan
    steps = [int(row["step"]) for row in session.history if any(name.startswith("validation/") for name in row)]
    if reason not in LENGTHS or not session.best.steps or not steps:
        return ""
    best = session.best.steps[0]
    if best < steps[-1] and best < LATE * session.step:
        return ""
    if reason == "max_time":
        return f"trainer.max_time={2 * (plan.max_seconds or 0):.0f}s"
    ends = plan.max_steps or session.step
    return f"trainer.max_steps={2 * ends}" if reason == "max_steps" else f"trainer.max_epochs={2 * ends // plan.steps_per_epoch}"
