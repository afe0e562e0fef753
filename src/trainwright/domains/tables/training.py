"""How a model is trained where the configuration says nothing, by the types of its inputs: a network of pictures wants other steps."""

from __future__ import annotations

import logging
from typing import Any

from trainwright.config.domains import column_kind
from trainwright.config.part import load_named
from trainwright.domains.suggested import LENGTHS, lay_under
from trainwright.engine.config import TrainerConfig
from trainwright.features.spec import DataSpec
from trainwright.nn.encoders.auto import choose as choose_encoder
from trainwright.systems.config import SupervisedConfig

log = logging.getLogger(__name__)


def suggest_training(trainer: TrainerConfig, model: SupervisedConfig, spec: DataSpec) -> TrainerConfig:
    """The settings with what the types of the inputs want of those that nobody wrote; the log says which these are.

    A run that only a time limits is left as it is: what falls over a run needs its length.
    """
    given = trainer.model_fields_set
    if "max_time" in given and not LENGTHS & given:
        return trainer
    for group in spec.inputs:
        wanted = column_kind(group.kind).training
        if not wanted:
            continue
        encoder = group.encoder or model.encoders.get(group.kind) or choose_encoder(group, model.combiner.type, spec.rows)
        under: dict[str, Any] = load_named(wanted)(group, encoder, spec.rows)
        found, chosen = lay_under(trainer, under)
        if chosen:
            log.info("%s: trained by %s, unless trainer.* says otherwise", ", ".join(group.columns), chosen)
        return found
    return trainer
