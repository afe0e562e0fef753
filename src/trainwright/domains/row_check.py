"""Every row of the data looked at before any training: what its columns name is read whole, and what cannot be is named."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from trainwright.config.errors import DataError
from trainwright.data.source import Source
from trainwright.features.base import one_array
from trainwright.features.lazy import LazyFeature
from trainwright.features.row_progress import RowProgress
from trainwright.report.figures import plural

log = logging.getLogger(__name__)

SHOWN = 20
"""Rows that are listed of those that cannot be read for one reason."""


@dataclass
class BrokenRow:
    """A row that names what cannot be read."""

    column: str
    row: int
    """From 0."""
    place: str
    """Where it is, as its source says: `row 3 (line 4)`."""
    value: str
    why: str


@dataclass
class CheckedRows:
    """What was looked at, and what cannot be read."""

    name: str
    rows: int
    columns: dict[str, str] = field(default_factory=dict)
    """Column → type, of those whose rows name files."""
    broken: list[BrokenRow] = field(default_factory=list)
    unpaired: list[BrokenRow] = field(default_factory=list)
    """Rows whose files can be read, and do not go together: a mask of another size than its picture."""
    notes: list[str] = field(default_factory=list)
    """What is worth saying of the others."""
    fix: str = ""
    """What to do about those that cannot be read."""

    def lines(self) -> list[str]:
        """The first rows that cannot be read for each reason, how many more there are, and what was looked at."""
        shown = [*_first_of_each(self.broken), *_first_of_each(self.unpaired, "files that do not go together")]
        named = ", ".join(f"'{name}' ({kind})" for name, kind in self.columns.items())
        what = f"all that {named} names was decoded" if named else "no column names files"
        apart = f"; {plural(len(self.unpaired), 'pair of files does', 'pairs of files do')} not go together" if self.unpaired else ""
        return [*shown, *self.notes, f"{self.name}: {plural(self.rows, 'row')}, {what}; {len(self.broken):,} cannot be read{apart}"]

    def raise_broken(self) -> None:
        """Raise DataError where a row cannot be read, or its files do not go together."""
        if not self.broken:
            return self._raise_unpaired()
        columns = list(dict.fromkeys(each.column for each in self.broken))
        name = "names a file" if len(self.broken) == 1 else "name files"
        what = f"{len(self.broken):,} of {plural(self.rows, 'row')} {name} that cannot be read"
        raise DataError(what, where=self.name, why=f"in {', '.join(map(repr, columns))}, as listed", fix=self.fix)

    def _raise_unpaired(self) -> None:
        if self.unpaired:
            verb = "names" if len(self.unpaired) == 1 else "name"
            what = f"{len(self.unpaired):,} of {plural(self.rows, 'row')} {verb} files that do not go together"
            fix = "write these files again, or leave their rows out (data.where)"
            raise DataError(what, where=self.name, why=f"in '{self.unpaired[0].column}', as listed", fix=fix)


def _first_of_each(found: Sequence[BrokenRow], reason: str = "") -> list[str]:
    """The first rows for each reason, or all for one, and how many more there are."""
    shown, kinds = list[str](), Counter[str]()
    for each in found:
        kind = f"'{each.column}': {reason or re.split('[;:(]', each.why)[0].strip()}"
        kinds[kind] += 1
        shown += [f"{each.place}: {each.value}: {each.why}"] if kinds[kind] <= SHOWN else []
    return [
        *shown,
        *(f"{plural(count - SHOWN, 'more row')} of {kind} (--json lists all)" for kind, count in kinds.items() if count > SHOWN),
    ]


def check_rows(source: Source, columns: Iterable[LazyFeature]) -> CheckedRows:
    """Read every row, and all that these columns of files name. Raises DataError for rows that cannot be parsed."""
    for note in source.notes:
        log.info(note)
    found = CheckedRows(source.name, len(source))
    features = {feature.name: feature for feature in columns}
    for feature in features.values():
        found.columns[feature.name] = feature.kind
        broken = _check_column(feature, source)
        found.broken += broken
        found.fix = found.fix or (feature.how_to_mend([each.why for each in broken]) if broken else "")
        found.notes += feature.remarks()
    for feature in features.values():
        found.unpaired += _check_pairs(feature, features, source, {each.row for each in found.broken})
    if not found.columns:
        for _ in source.batches():  # rows that cannot be parsed are told by what reads them
            pass
    return found


def _check_column(feature: LazyFeature, source: Source) -> list[BrokenRow]:
    feature.place = getattr(source, "place", feature.place)
    feature.read_from(source)
    start, broken = 0, list[BrokenRow]()
    with RowProgress(len(source), f"column '{feature.name}'") as progress:
        for batch in source.batches([feature.name]):
            values, rows = one_array(batch[feature.name]), np.arange(start, start + batch.num_rows)
            before, known = start, len(broken)
            faults = feature.check_rows(values, rows, lambda looked, bad, b=before, k=known: progress(b + looked, k + bad))  # type: ignore[misc]
            broken += [
                BrokenRow(feature.name, row, feature.place(row), str(values[row - start].as_py()), why)
                for row, why in sorted(faults.items())
            ]
            start += batch.num_rows
    return broken


def _check_pairs(feature: LazyFeature, others: Mapping[str, LazyFeature], source: Source, broken: Set[int]) -> Iterable[BrokenRow]:
    """The rows whose file does not go with that of the column that this one follows, of those that can be read."""
    feature.follow(others, [name for name, each in others.items() if not each.target])
    if not feature.follows:
        return
    start = 0
    with RowProgress(len(source), f"column '{feature.name}' beside '{feature.follows}'") as progress:
        for batch in source.batches([feature.name, feature.follows]):
            numbers = np.arange(start, start + batch.num_rows)
            good = np.array([row for row in numbers.tolist() if row not in broken], np.int64)
            values = {name: one_array(batch[name]).take(pa.array(good - start)) for name in (feature.name, feature.follows)}
            own, other = feature.refer(values[feature.name], good), others[feature.follows].refer(values[feature.follows], good)
            faults = feature.unpaired(own, other, good)
            for at, row in enumerate(good.tolist()):
                if row in faults:
                    yield BrokenRow(feature.name, row, feature.place(row), str(values[feature.name][at].as_py()), faults[row])
            start += batch.num_rows
            progress(start, len(faults))
