"""How much each column of encoded rows matters to a model, within bounded memory."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import cast

import numpy as np
import torch
from torch import Tensor

from trainwright.baselines.base import drawn_rows
from trainwright.data.joined_windows import join_all
from trainwright.data.mapped_rows import block_rows
from trainwright.domains.tables.analysis.importance import Importance, permutation_importance
from trainwright.domains.tables.model import Model
from trainwright.features.cutting import windows_of
from trainwright.features.encoding import EncodedTable
from trainwright.features.spec import InputGroup
from trainwright.features.table_rows import LazyRows, table_rows
from trainwright.metrics.outcome import Outcome

log = logging.getLogger(__name__)

IMPORTANCE_BYTES = 256 << 20
"""Bytes of decoded samples that permutation importance holds, at most, and of one piece of them more."""
IMPORTANCE_ROWS = 2_000
"""Rows that permutation importance looks at, at most."""
PIECE = 32
"""Samples that are decoded at a time."""
READ = 256
"""Rows that are read of blocks at a time, so that the pages of mapped files are given back between them."""


def importance_of(model: Model, table: EncodedTable, positions: np.ndarray, outcomes: Mapping[str, Outcome], seed: int) -> Importance:
    """Permutation importance on some of the encoded rows at `positions`, of which `outcomes` has the truth and the scores."""
    drawn = drawn_rows(len(positions), IMPORTANCE_ROWS, seed)
    chosen = np.arange(len(positions)) if drawn is None else drawn
    groups, predict = shuffled_groups(table), model.scores
    if not groups:
        return Importance()
    if table.references:
        # any rows may be the first, so that those that fit are drawn at random too
        decoded = DecodedRows(model, table, positions, np.random.default_rng(seed).permutation(chosen))
        chosen, predict = decoded.chosen, decoded.scores
    dense = block_rows({key: block for key, block in table.blocks.items() if not key.startswith("target.")}, positions[chosen])
    pieces = [dense.take(torch.arange(start, min(start + READ, len(chosen)))) for start in range(0, len(chosen), READ)]
    arrays = {key: torch.cat([piece[key] for piece in pieces]).numpy() for key in pieces[0]} if pieces else {}
    some = {name: outcome.take(chosen) for name, outcome in outcomes.items()}
    return permutation_importance(predict, arrays, groups, some, seed=seed, most=IMPORTANCE_ROWS if table.references else None)


def shuffled_groups(table: EncodedTable) -> list[InputGroup]:
    """The groups whose columns permutation importance shuffles: all but the lazy ones, which is said."""
    for name in (each for each in table.references if not each.startswith("target.")):
        log.info("importance: the files of '%s' stay with their rows; how much they matter is not measured", name)
    return [group for group in table.spec.inputs if group.name not in table.references]


class DecodedRows:
    """The lazy columns of as many rows as fit into memory, each decoded once; their other columns may be changed and predicted again."""

    def __init__(self, model: Model, table: EncodedTable, positions: np.ndarray, chosen: np.ndarray, limit: int = IMPORTANCE_BYTES) -> None:
        """`chosen`: of `positions`, in the order in which they are taken while there is room."""
        self.model, self.pieces = model, list[tuple[np.ndarray, dict[str, Tensor]]]()
        rows = cast(LazyRows, table_rows(table, positions[chosen]))
        whole = self._decode(rows, limit)
        self.windows = windows_of(table, positions[chosen[:whole]])
        self.chosen = chosen[:whole]
        if whole < len(chosen):
            log.info("importance: looks at %s of %s rows, as many as fit into memory", f"{whole:,}", f"{len(chosen):,}")

    def _decode(self, rows: LazyRows, limit: int) -> int:
        """Fill the pieces; gives of how many rows they are, the first of all."""
        held, whole = 0, 0
        for start in range(0, len(rows), PIECE):
            indices = torch.arange(start, min(start + PIECE, len(rows)))
            of_rows, _ = rows.locate(indices.numpy())
            batch = rows.decode(indices, indices)
            held += sum(each.nbytes for each in batch.values())
            self.pieces.append((of_rows, batch))
            last = start + len(indices) == len(rows)
            whole = int(of_rows[-1]) + 1 if last or rows.ends_at(int(indices[-1])) else int(of_rows[-1])
            if held >= limit and whole:
                break
        self.pieces = [_first(piece, whole) for piece in self.pieces]
        return whole

    def scores(self, blocks: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The scores of the rows by target, with these blocks (n, …) of their other columns."""
        found: dict[str, list[np.ndarray]] = {}
        for of_rows, batch in self.pieces:
            inputs = {key: block[of_rows] for key, block in blocks.items()} | {key: each.numpy() for key, each in batch.items()}
            for name, scores in self.model.scores(inputs).items():
                found.setdefault(name, []).append(scores)
        joined = {name: np.concatenate(pieces) for name, pieces in found.items()}
        return joined if self.windows is None else join_all(self.windows, joined)


def _first(piece: tuple[np.ndarray, dict[str, Tensor]], rows: int) -> tuple[np.ndarray, dict[str, Tensor]]:
    """A piece without the samples of rows that are not whole."""
    of_rows, batch = piece
    kept = int(np.searchsorted(of_rows, rows))
    return of_rows[:kept], {key: each[:kept] for key, each in batch.items()}
