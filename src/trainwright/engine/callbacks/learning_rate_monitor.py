"""Learning rates of all parameter groups in the logged rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwright.engine.callbacks.base import Callback
from trainwright.engine.callbacks.options import LearningRateMonitorOptions
from trainwright.engine.callbacks.place import row_follows
from trainwright.engine.system import Batch, System
from trainwright.optim.parameter_groups import ParameterGroup

if TYPE_CHECKING:
    from trainwright.engine.session import Session


class LearningRateMonitor(Callback):
    """Logs `learning_rate/<group>` of the last update, and on request `momentum/<group>` and `weight_decay/<group>`."""

    def __init__(self, options: LearningRateMonitorOptions | None = None) -> None:
        self.options = options or LearningRateMonitorOptions()

    def on_train_batch_end(self, session: Session, system: System, batch: Batch, index: int) -> None:
        """Log what the update was made with, if a row follows."""
        if not row_follows(session, session.step):
            return
        optimizer = session.optimizer
        for group in optimizer.parameter_groups:
            session.log(f"learning_rate/{group.label}", group.learning_rate(optimizer.learning_rate), reduce="last")
            if self.options.weight_decay and (decay := weight_decay_of(session, group)) is not None:
                session.log(f"weight_decay/{group.label}", decay, reduce="last")
            if self.options.momentum and (momentum := momentum_of(session)) is not None:
                session.log(f"momentum/{group.label}", momentum, reduce="last")


def weight_decay_of(session: Session, group: ParameterGroup) -> float | None:
    """The group's weight decay, or the optimizer's where the group says nothing; None when there is none."""
    own = group.weight_decay
    given = getattr(session.config.optimizer, "weight_decay", None) if own is None else own
    return None if given is None else float(given)


def momentum_of(session: Session) -> float | None:
    """The optimizer's momentum, or its first beta; None when it has neither."""
    options = session.config.optimizer
    momentum = getattr(options, "momentum", None)
    betas = getattr(options, "betas", None)
    if isinstance(momentum, int | float) and not isinstance(momentum, bool):
        return float(momentum)
    return float(betas[0]) if betas else None
