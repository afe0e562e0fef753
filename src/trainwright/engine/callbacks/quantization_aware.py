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
from trainwright.nn.quantization.rounded import RoundedLinear, Rounding, round_layers, unround_layers

if TYPE_CHECKING:
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

    def setup(self, session: Session, system: System) -> None:
        """Round the layers; raises ConfigError where there is none, and for weights that are dealt out to several processes."""
        if session.stage != "fit":
            return
        if any(isinstance(each, DTensor) for each in system.parameters()):
            why = "the range of a weight is that of all of it"
            raise ConfigError("weights that are sharded are not rounded", where=WHERE, why=why, fix="train with strategy: ddp or single")
        options = self.options
        self._begin = session.plan.extent.in_steps(options.begin, f"{WHERE}.begin") if options.begin.value else 0
        rounding = Rounding(options.weights, options.group_size, options.inputs)
        self._layers = round_layers(system, rounding, as_list(options.skip), WHERE)
        log.info("quantization_aware: %s, %s weights", ", ".join(self._layers), options.weights)

    def on_train_batch_start(self, session: Session, system: System, batch: Batch, index: int) -> None:
        """Round from the step on that is asked."""
        for each in self._layers.values():
            each.rounding = session.step >= self._begin

    def teardown(self, session: Session, system: System) -> None:
        """Leave dense layers as they were."""
        unround_layers(self._layers)
        self._layers = {}
