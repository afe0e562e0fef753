"""The test rows that a target's predictions get most wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from trainwright.metrics.outcome import Outcome
from trainwright.metrics.table import CLASSES, SET, VECTOR

SHOWN = 20
LONGEST = 200
ELEMENTS = 8


def worst_rows(
    outcome: Outcome,
    rows: np.ndarray,
    losses: np.ndarray | None = None,
    read: Callable[[np.ndarray], pa.Table] | None = None,
    limit: int = SHOWN,
) -> list[dict[str, Any]]:
    """The rows of the largest loss, largest first, with their number in the source and their raw values as text.

    For classes and sets only wrongly predicted rows count. `rows` are the source's row numbers of the outcome's rows.
    """
    if not len(outcome):
        return []
    losses = row_losses(outcome) if losses is None else np.asarray(losses, dtype=np.float64)
    order = np.argsort(-np.nan_to_num(losses, nan=np.inf), kind="stable")
    if outcome.kind in CLASSES or outcome.kind == SET:
        wrong = outcome.truth != outcome.labels
        order = order[(wrong if wrong.ndim == 1 else wrong.any(axis=1))[order]]
    order = order[:limit]
    texts = _texts(read(rows[order])) if read is not None and len(order) else [{} for _ in order]
    return [
        {
            "row": int(rows[k]),
            "loss": float(losses[k]),
            "truth": word_value(outcome, k, True),
            "prediction": word_value(outcome, k, False),
            "values": values,
        }
        for k, values in zip(order.tolist(), texts, strict=True)
    ]


def row_losses(outcome: Outcome) -> np.ndarray:
    """-log of the probability of the truth for classes, its mean over labels for sets, else the root of the mean squared error; [n]."""
    if outcome.kind in CLASSES:
        return -np.log(np.clip(outcome.scores[np.arange(len(outcome)), outcome.truth], 1e-15, None))
    if outcome.kind == SET:
        return -np.log(np.clip(np.where(outcome.truth, outcome.scores, 1.0 - outcome.scores), 1e-15, None)).mean(axis=1)
    truth, scores = outcome.columns()
    return np.sqrt(((scores - truth) ** 2).mean(axis=1))


def word_value(outcome: Outcome, row: int, true: bool) -> str | float:
    """The truth or the prediction of a row as a reader writes it: class, labels, number or the first elements of a vector."""
    if outcome.kind in CLASSES:
        return outcome.class_name((outcome.truth if true else outcome.labels)[row])
    if outcome.kind == SET:
        chosen = np.flatnonzero((outcome.truth if true else outcome.labels)[row])
        return ", ".join(outcome.class_name(k) for k in chosen) or "(none)"
    value = (outcome.truth if true else outcome.scores)[row]
    if outcome.kind == VECTOR:
        more = ", …" if len(value) > ELEMENTS else ""
        return "[" + ", ".join(f"{each:.4g}" for each in value[:ELEMENTS]) + more + "]"
    return float(value)


def _texts(table: pa.Table) -> list[dict[str, str]]:
    """Each row as column → text, cut at 200 characters; missing values are empty."""
    return [{name: _text(value) for name, value in row.items()} for row in table.to_pylist()]


def _text(value: Any) -> str:
    if value is None or value != value:
        return ""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
