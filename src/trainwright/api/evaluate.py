"""A trained model measured on labelled rows it may not have seen."""

from __future__ import annotations

import os
from typing import Any

from trainwright.api.answers import evaluate_with
from trainwright.api.run import load


def evaluate(run_path: str | os.PathLike[str], source: Any) -> dict[str, Any]:
    """The metrics of a run's model on labelled rows; raises RunError or DataError."""
    return {"run": str(run_path), "source": str(source), **evaluate_with(load(run_path).model, source)}
