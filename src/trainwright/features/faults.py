"""Everything that is wrong with the number columns of a table, looked for in all its rows once one of them has failed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainwright.config.errors import DataError, ManyErrors, RequestError
from trainwright.data.source_piece import SourcePiece
from trainwright.features.base import Feature, one_array, row_list
from trainwright.features.floats import infinite, is_text, parse, text_fix, texts_at, to_floats, too_large
from trainwright.features.number import NumberFeature
from trainwright.features.statistics import Moments

if TYPE_CHECKING:
    from trainwright.data.source import Source

SHOWN = 5
"""Rows named in a message."""
LARGE = 1e150
"""Numbers above this are named where a column is too large to be scaled: their squares come near the end of float64."""
MOSTLY = 0.9
"""The share of numbers from which the type of a column of text may have been inferred as number."""


class Found:
    """Rows with one kind of fault: the first few with their texts, and how many there are."""

    def __init__(self) -> None:
        self.count, self.rows, self.texts = 0, list[int](), list[str]()

    def add(self, rows: np.ndarray, texts: Iterable[str] = ()) -> None:
        """Takes further rows."""
        room = SHOWN - len(self.rows)
        self.count += len(rows)
        self.rows += rows[:room].tolist()
        self.texts += list(texts)[:room]

    def listed(self, feature: Feature) -> str:
        """The first rows as the source names them, with their texts if there are any, and how many more."""
        shown = row_list(np.array(self.rows), feature.place, self.texts or None)
        return shown + (f" and {self.count - len(self.rows):,} more" if self.count > len(self.rows) else "")


class NumberFaults:
    """What is wrong with one number column."""

    def __init__(self, feature: NumberFeature) -> None:
        self.feature, self.present = feature, 0
        self.text, self.infinite, self.large = Found(), Found(), Found()
        self.moments, self.largest = Moments(), 0.0

    def add(self, values: pa.Array, rows: np.ndarray, fitting: np.ndarray) -> None:
        """Looks at a piece of the column; `fitting` says which of its rows the scale is fitted on."""
        values = values.dictionary_decode() if pa.types.is_dictionary(values.type) else values
        self.present += len(values) - values.null_count
        if is_text(values.type):
            self.present -= int(pc.sum(pc.equal(pc.utf8_trim_whitespace(values), "")).as_py() or 0)
            bad = parse(values)[1]
            if bad is not None:
                self.text.add(rows[bad], texts_at(values, bad))
        numbers = to_floats(values, self.feature.name, rows, lenient=True)
        self.infinite.add(rows[np.isinf(numbers)])
        chosen = np.isfinite(numbers) & fitting
        self.large.add(rows[chosen & (np.abs(numbers) > LARGE)])
        self.largest = max(self.largest, float(np.abs(numbers[chosen]).max(initial=0)))
        self.moments.add(numbers[chosen])

    def errors(self, where: str, fitted: bool) -> list[RequestError]:
        """What was found, as it is shown; the options of a column that is `fitted` change only in a new training."""
        name, target, config = self.feature.name, self.feature.target, self.feature.config
        found: list[RequestError] = []
        if self.text.count and config.invalid == "error":
            what = "text that is not a number" if self.text.count == 1 else f"{self.text.count:,} texts that are not numbers"
            listed = self.text.listed(self.feature)
            fix = text_fix(name, target, [] if fitted else self.text.texts, not fitted and 2 * self.text.count > self.present)
            found.append(DataError(f"column '{name}' holds {what}: {listed}", where=where, why=self.why(fitted), fix=fix))
        if self.infinite.count and config.infinity == "error":
            found.append(infinite(name, self.infinite.listed(self.feature), target, where, self.infinite.count))
        if not math.isfinite(float(self.moments.squares)):
            found.append(too_large(name, self.largest, target, where, self.large.listed(self.feature)))
        if fitted:
            for error in found:
                error.fix = f"correct them; or train anew and {error.fix.removeprefix('correct them, or ')}"
        return found

    def why(self, fitted: bool) -> str:
        """Why a column with text is a number column."""
        numbers = self.present - self.text.count
        share = f"{numbers:,} of its {self.present:,} values are numbers"
        if fitted:
            return f"the model was trained on numbers; {share}"
        if numbers < MOSTLY * self.present:
            return f"the column is of type number, but only {share}"
        return f"{share}, so its type is inferred as number where none is given"


def explain_faults(error: RequestError, features: Mapping[str, Feature], source: Source, train: np.ndarray | None = None) -> RequestError:
    """The error with every fault of the number columns in all rows; `train` are the rows to fit on, None when that was done before.

    That of a piece of a source is left as it is: whoever has the whole source explains it.
    """
    if isinstance(source, SourcePiece):
        return error
    looked = {name: NumberFaults(each) for name, each in features.items() if isinstance(each, NumberFeature)}
    fitting = np.zeros(len(source), bool)
    if train is not None:
        fitting[train] = True
    start = 0
    for piece in source.batches(list(looked)) if looked else ():
        rows = np.arange(start, start + piece.num_rows)
        start += piece.num_rows
        for name in list(looked):
            try:
                looked[name].add(one_array(piece[name]), rows, fitting[rows])
            except DataError:  # a column of another kind, which the error tells of already
                del looked[name]
    found = {name: errors for name, faults in looked.items() if (errors := faults.errors(source.name, fitted=train is None))}
    given = error.errors if isinstance(error, ManyErrors) else [error]
    others = [each for each in given if not any(f"column '{name}'" in each.what for name in found)]
    every = [each for errors in found.values() for each in errors] + others
    return every[0] if len(every) == 1 else ManyErrors(every)
