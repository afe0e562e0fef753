"""Measuring and predicting with the weights as they are: no run, nothing written."""

from __future__ import annotations

from torch import Tensor

from trainwright.engine.evaluation import metrics_of, predictions
from trainwright.engine.session import Session
from trainwright.engine.surroundings import call_hooks


def measure(session: Session, split: str) -> dict[str, float]:
    """Metrics of the rows of a session as the split `validation` or `test`, whose hooks are called."""
    parts = session.parts
    with call_hooks(session), parts.precision.fp32_regions(parts.system):
        for hook in parts.hooks.of_split(split).start:
            hook(session, parts.system)
        metrics = metrics_of(session, parts.feed.in_order(parts.train), split)
        for hook in parts.hooks.of_split(split).end:
            hook(session, parts.system, metrics)
    return metrics


def predict(session: Session) -> dict[str, Tensor]:
    """What `predict_step` gives for the rows of a session, joined in their order; the hooks of predicting are called."""
    parts = session.parts
    with call_hooks(session), parts.precision.fp32_regions(parts.system):
        for hook in parts.hooks.on_predict_start:
            hook(session, parts.system)
        outputs = predictions(session, parts.feed.in_order(parts.train))
        for hook in (*parts.hooks.on_predict_epoch_end, *parts.hooks.on_predict_end):
            hook(session, parts.system)
    return outputs
