"""The optimizers that a system makes by itself, made once."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from trainwright.config.errors import RequestError
from trainwright.engine.config import TrainerConfig
from trainwright.engine.plan import make_plan
from trainwright.engine.system import System

if TYPE_CHECKING:
    from trainwright.optim.base import Optimizer
    from trainwright.optim.several import Optimizers

log = logging.getLogger("trainwright.engine")


class OwnOptimizers:
    """What `configure_optimizers` of a system gave: asked for before the run is checked, and again when it begins."""

    def __init__(self) -> None:
        self._made: tuple[System, Optimizers] | None = None

    def of(self, system: System, config: TrainerConfig, rows: int, ready: bool) -> Optimizers | None:
        """Those of a system for so many rows (batches, where they come ready); None where it makes none."""
        if self._made is None or self._made[0] is not system:
            from trainwright.optim.configured import read_configured, try_making

            try:
                plan = make_plan(config, rows, ready=ready)
            except RequestError:
                return None  # said with everything else that does not fit
            system.plan_known(plan)
            made = try_making(system.configure_optimizers)
            if made is None:
                return None
            self._made = (system, read_configured(made, system))
        return self._made[1]


def say_decayed(system: System, optimizer: Optimizer) -> None:
    """Warn of weight decay on what parametrizations compute weights from, where the system itself asked for it."""
    from trainwright.optim.several import Optimizers, find_decayed

    found = find_decayed(system, optimizer) if isinstance(optimizer, Optimizers) else {}
    if found:
        fix = "give them a param_group with weight_decay=0 in configure_optimizers"
        log.warning("weight decay pulls at what parametrizations compute weights from (%s): %s", ", ".join(found), fix)
