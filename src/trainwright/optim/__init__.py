"""Optimizers, learning-rate schedules and clipping."""

from __future__ import annotations

from trainwright.config.registry import Part
from trainwright.optim.options import AdamOptions, AdamWOptions, SGDOptions

PARTS: dict[str, Part] = {
    "adamw": Part("trainwright.optim.adamw:AdamW", AdamWOptions, "Adam with decoupled weight decay"),
    "adam": Part("trainwright.optim.adam:Adam", AdamOptions, "adaptive moments"),
    "sgd": Part("trainwright.optim.sgd:SGD", SGDOptions, "gradient descent, with momentum or Nesterov's"),
}
