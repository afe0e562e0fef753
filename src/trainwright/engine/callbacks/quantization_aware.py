"""Training that expects to be rounded: dense layers compute with int8 or int4 weights, and the float weights learn to stand it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from torch.distributed.tensor import DTensor

from trainwright.config.errors import ConfigError
from trainwright.config.name_patterns import as_list
from trainwright.engine.callbacks.base import Callback
from trainwright.engine.callbacks.options import QuantizationAwareOptions
from trainwright.engine.system import Batch, System
from trainwright.nn.quantization.rounded import RoundedLinear, Rounding, choose_layers, round_layers, unround_layers

if TYPE_CHECKING:
    from trainwright.engine.plan import Plan
    from trainwright.engine.session import Session

log = logging.getLogger("trainwright.engine")

WHERE = "trainer.callbacks: quantization_aware"


class QuantizationAware(Callback):
    """Rounds dense layers in training steps (quantization-aware training, Jacob et al. 2018), from `begin` on.

    Evaluations, the best weights and the model of the run are in float: what they would be worth in int8, the export measures.
    """

    every_rank = True

    def __init__(self, options: QuantizationAwareOptions | None = None) -> None:
        self.options = options or QuantizationAwareOptions()
        self._layers: dict[str, RoundedLinear] = {}
        self._begin = 0

    def refuse(self, system: System, plan: Plan) -> None:
        """Raise ConfigError where no layer can be rounded so, and for a beginning that the run cannot tell."""
        choose_layers(system, self._rounding, as_list(self.options.skip), WHERE)
        self._first(plan)

    @property
    def _rounding(self) -> Rounding:
        return Rounding(self.options.weights, self.options.group_size, self.options.inputs)

    def _first(self, plan: Plan) -> int:
        """The step it begins at."""
        return plan.extent.in_steps(self.options.begin, f"{WHERE}.begin") if self.options.begin.value else 0

    def setup(self, session: Session, system: System) -> None:
        """Round the layers; raises ConfigError as `refuse` does, and for weights that are dealt out to several processes."""
        if session.stage != "fit":
            return
        if any(isinstance(each, DTensor) for each in system.parameters()):
            why = "the range of a weight is that of all of it"
            raise ConfigError("weights that are sharded are not rounded", where=WHERE, why=why, fix="train with strategy: ddp or single")
        self._begin = self._first(session.plan)
        self._layers = round_layers(system, self._rounding, as_list(self.options.skip), WHERE)
        log.info("quantization_aware: %s, %s weights", ", ".join(self._layers), self.options.weights)

    def on_train_batch_start(self, session: Session, system: System, batch: Batch, index: int) -> None:
        """Round from the step on that is asked."""
        for each in self._layers.values():
            each.rounding = session.step >= self._begin

    def teardown(self, session: Session, system: System) -> None:
        """Leave dense layers as they were."""
        unround_layers(self._layers)
        self._layers = {}
