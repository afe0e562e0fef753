"""Where the predictions of the test rows err, and which columns they rest on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from trainwright.domains.tables.analysis.importance import Importance, permutation_importance
from trainwright.domains.tables.analysis.plots import describe
from trainwright.domains.tables.analysis.worst import worst_rows
from trainwright.files.text import plain
from trainwright.metrics.outcome import Outcome

__all__ = ["Importance", "analyse", "describe", "permutation_importance", "worst_rows"]


def analyse(
    outcomes: Mapping[str, Outcome],
    rows: np.ndarray,
    read: Callable[[np.ndarray], pa.Table] | None = None,
    *,
    losses: Mapping[str, np.ndarray] | None = None,
    threshold_metrics: Mapping[str, str] | None = None,
    importance: Importance | None = None,
) -> dict[str, Any]:
    """What blocks are made of, JSON-able with NaN as null.

    `outcomes`: by target, over the test rows whose numbers in the source (from 0) are `rows`; `read` gives the raw columns of such
    rows, for the worst ones. `losses`: per-row loss by target, computed from the outcome where absent. `threshold_metrics`: for binary
    targets whose threshold was chosen on validation, the metric it was chosen for.
    """
    chosen_for = threshold_metrics or {}
    worst = {name: worst_rows(outcome, rows, (losses or {}).get(name), read) for name, outcome in outcomes.items()}
    content: dict[str, Any] = {
        "targets": {name: describe(outcome, chosen_for.get(name)) for name, outcome in outcomes.items()},
        "importance": importance.columns if importance else {},
        "importance_settings": importance.settings if importance else {},
        "worst": worst,
    }
    return plain(content)
