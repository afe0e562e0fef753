"""How a diffusion model is trained where the configuration says nothing."""

from __future__ import annotations

import logging
from typing import Any

from trainwright.domains.diffusion.layout import Layout
from trainwright.domains.suggested import LENGTHS, lay_under
from trainwright.engine.config import TrainerConfig

log = logging.getLogger("trainwright.diffusion")

USUAL: dict[str, Any] = {
    "max_steps": 3000,
    "batch_size": 256,
    "optimizer": {"type": "adamw", "learning_rate": 2e-3},
    "schedule": "cosine",
    "ema": {"decay": 0.9999, "warmup": {"power": 0.75}},
    "evaluate_every": "0.05 run",
    "sampling": {"every": "0.1 run", "n": 36},
}
"""Options of `trainer` as a configuration writes them."""


def suggest_training(trainer: TrainerConfig, layout: Layout) -> TrainerConfig:
    """The settings with averages of the weights, a rate and a length of those that nobody wrote; the log says which these are."""
    if "max_time" in trainer.model_fields_set and not LENGTHS & trainer.model_fields_set:
        return trainer
    found, chosen = lay_under(trainer, USUAL)
    if chosen:
        log.info("trained by %s, unless trainer.* says otherwise", chosen)
    return found
