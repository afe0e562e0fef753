"""How much each column of encoded rows matters to a model, within bounded memory."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np
import torch

from trainwright.api.analysis.importance import Importance, permutation_importance
from trainwright.api.model import Model
from trainwright.baselines.base import drawn_rows
from trainwright.features.encoding import EncodedTable
from trainwright.features.spec import InputGroup
from trainwright.features.table_rows import table_rows
from trainwright.metrics.outcome import Outcome

log = logging.getLogger(__name__)

IMPORTANCE_BYTES = 256 << 20
"""Bytes of decoded rows that permutation importance holds, at most."""
IMPORTANCE_ROWS = 2_000
"""Rows that permutation importance looks at, at most."""


def importance_of(model: Model, table: EncodedTable, positions: np.ndarray, outcomes: Mapping[str, Outcome], seed: int) -> Importance:
    """Permutation importance on some of the encoded rows at `positions`, of which `outcomes` has the truth and the scores."""
    drawn = drawn_rows(len(positions), importance_rows(table, positions), seed)
    chosen = np.arange(len(positions)) if drawn is None else drawn
    rows = table_rows(table, positions[chosen])
    # in pieces, so that the pages of mapped files are given back between them; padded ones can only be joined in one
    size = len(chosen) if table.references else 256
    pieces = [rows.take(torch.arange(start, min(start + size, len(chosen)))) for start in range(0, len(chosen), max(size, 1))]
    arrays = {key: torch.cat([piece[key] for piece in pieces]).numpy() for key in pieces[0]}
    some = {name: outcome.take(chosen) for name, outcome in outcomes.items()}
    return permutation_importance(model.scores, arrays, shuffled_groups(table), some, seed=seed)


def importance_rows(table: EncodedTable, positions: np.ndarray) -> int:
    """Rows that permutation importance looks at: fewer where what is decoded of each is large."""
    if not table.references or not len(positions):
        return IMPORTANCE_ROWS
    example = table_rows(table, positions[:1]).example()
    size = sum(each.numel() * each.element_size() for each in example.values())
    return max(min(IMPORTANCE_ROWS, IMPORTANCE_BYTES // max(size, 1)), 1)


def shuffled_groups(table: EncodedTable) -> list[InputGroup]:
    """The groups whose columns permutation importance shuffles: all but the lazy ones, which is said."""
    for name in table.references:
        log.info("importance: the files of '%s' stay with their rows; how much they matter is not measured", name)
    return [group for group in table.spec.inputs if group.name not in table.references]
