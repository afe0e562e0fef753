"""A trained model measured: on labelled rows it may not have seen, or on a split of its own data."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from trainwright.api.predictors.kinds import load_predictor
from trainwright.domains.predictor import Predictor


def evaluate(run_path: str | os.PathLike[str], source: Any = None, *, split: str = "test", settings: Sequence[Any] = ()) -> dict[str, Any]:
    """The metrics of a run's model on labelled rows, or on a split of its own; raises RunError or DataError."""
    return evaluate_with(load_predictor(run_path, settings=settings), source, split)


def evaluate_with(predictor: Predictor, data: Any = None, split: str = "test") -> dict[str, Any]:
    """The same, with which model it was, and which rows: `{"run", "source" | "split", "rows", "metrics", …}`."""
    if data is not None:
        found = predictor.evaluate(data)
        return {**predictor.about(), "source": str(data), **found}
    found = predictor.measure(predictor.own_rows(split), split)
    return {**predictor.about(), "split": split, **found}
