"""A run measured again on one of its own splits."""

from __future__ import annotations

from typing import Any

from trainwright.api.evaluate import evaluate_with
from trainwright.api.predictors.kinds import open_place
from trainwright.api.predictors.place import find_place
from trainwright.runs.directory import RunDirectory


def measured_split(found: RunDirectory, split: str) -> dict[str, Any]:
    """`{"run", "split", "rows", "metrics": {target: {metric: value}}}`; raises RunError when the data changed or the split is empty."""
    return evaluate_with(open_place(find_place(found)), None, split)
