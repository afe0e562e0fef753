"""One of k folds is the test."""

from __future__ import annotations

import numpy as np

from trainwright.config.errors import DataError
from trainwright.data.splits import KFoldOptions
from trainwright.data.splits.base import RowsToDivide, Split, assemble_split, ensure_some_values, not_empty, shown_parts
from trainwright.data.splits.even import Even, evened_columns
from trainwright.data.splits.groups import groups_of, refuse_divided

SHOWN = 8
NEXT = "next"


class KFoldSplit:
    """The same seed makes the same folds, so runs with `fold` 0 … k − 1 test every row once."""

    def __init__(self, options: KFoldOptions) -> None:
        self.options = options

    def divide(self, rows: RowsToDivide) -> Split:
        """Divides the rows."""
        evened = self.options.columns or evened_columns(rows)
        even = Even.of(rows, evened)
        groups, notes = self._groups(rows)
        fold, names = self._given(rows) if self.options.column else self._made(rows, even, groups)
        if groups is not None and self.options.column:
            fix = "correct the column, or make folds: data.split.column=null data.split.folds=10"
            refuse_divided(rows, self.options.column, self.options.groups or "", fold, groups, "folds", fix)
        _refuse_single_class(rows, fold, names)
        if groups is not None and self.options.validation_fold is None and self.options.validation:
            _refuse_one_group_left(fold, groups, names, self.options.groups or "")
        notes = [*even.notes, *notes, *_few_rows(rows, len(names))]
        place, validated = self._places(names)
        part = np.full(len(fold), 2)
        rest = fold != place
        part[rest] = self._validate(even.take(rest), fold[rest], validated, rows, None if groups is None else _renumbered(groups[rest]))
        if self.options.column and (absent := fold < 0).any():
            said = f"{int(absent.sum()):,} rows have no fold in '{self.options.column}' and are never tested: {shown_parts(part[absent])}"
            notes.append(said)
        split = assemble_split(rows.numbers, part, self._method(names, place, validated, evened), notes)
        wanted = 1.0 if validated is not None else self.options.validation
        return not_empty(split, (1, wanted, 1), f"{int(rest.sum())} rows outside the test fold")

    def _groups(self, rows: RowsToDivide) -> tuple[np.ndarray | None, list[str]]:
        column = self.options.groups
        if not column:
            return None, []
        groups, absent = groups_of(rows, column)
        ensure_some_values(int((~absent).sum()), column)
        count, alone = int(groups.max(initial=-1)) + 1, int(absent.sum())
        said = [f"{count - alone:,} groups in '{column}', none of them in two folds"]
        said += [f"{alone:,} rows have no group in '{column}': each is one of its own"] if alone else []
        if not self.options.column and count < self.options.folds:
            fix = f"folds={count} or fewer, or groups by another column"
            raise DataError(f"{count} groups in '{column}' cannot make {self.options.folds} folds", where="data.split.groups", fix=fix)
        return groups, said

    def _made(self, rows: RowsToDivide, even: Even, groups: np.ndarray | None) -> tuple[np.ndarray, list[str]]:
        """The fold of each row, and the names of folds."""
        count = self.options.folds
        if count > len(rows.numbers):
            raise DataError(f"{len(rows.numbers)} rows cannot make {count} folds", where="data.split.folds", fix="fewer folds")
        return even.folds(count, rows.generator, groups), [str(each) for each in range(count)]

    def _given(self, rows: RowsToDivide) -> tuple[np.ndarray, list[str]]:
        """The fold of each row as the column says it, -1 for none, and the names of folds in their order."""
        column = self.options.column or ""
        codes, names = rows.codes(column)
        absent = rows.column(column).is_null(nan_is_null=True).to_numpy()
        there = [code for code in range(len(names)) if (codes[~absent] == code).any()]
        there.sort(key=lambda code: _in_order(names[code]))
        place = np.full(len(names), -1)
        place[there] = np.arange(len(there))
        return np.where(absent, -1, place[codes]), [names[code] for code in there]

    def _places(self, names: list[str]) -> tuple[int, int | None]:
        """Which fold is the test, and which the validation, where one is."""
        place = self._place(self.options.fold, names, "data.split.fold")
        asked = self.options.validation_fold
        if asked is None:
            return place, None
        if len(names) < 3:
            fix = "more folds, or leave validation_fold out: a share of the other rows is taken"
            raise DataError(f"{len(names)} folds leave none to train on", where="data.split.validation_fold", fix=fix)
        found = (place + 1) % len(names) if asked == NEXT else self._place(asked, names, "data.split.validation_fold")
        if found == place:
            raise DataError(f"fold {names[place]} is the test already", where="data.split.validation_fold", fix="another fold, or next")
        return place, found

    def _place(self, asked: int | str, names: list[str], where: str) -> int:
        if str(asked) in names:
            return names.index(str(asked))
        if not self.options.column:
            raise DataError(f"there is no fold {asked!r}", where=where, fix=f"a number from 0 to {len(names) - 1}")
        what = f"no row has fold '{asked}' in '{self.options.column}'"
        raise DataError(what, where=where, fix=f"one of {', '.join(names[:12])}")

    def _validate(self, even: Even, fold: np.ndarray, validated: int | None, rows: RowsToDivide, groups: np.ndarray | None) -> np.ndarray:
        """Of the rows outside the test fold, 1 for those of validation, else 0."""
        if validated is not None:
            return (fold == validated).astype(np.int64)
        return even.divide((1 - self.options.validation, self.options.validation), rows.generator, groups)

    def _method(self, names: list[str], place: int, validated: int | None, evened: list[str]) -> str:
        options, name = self.options, names[place]
        made = f"fold {name} of column {options.column}" if options.column else f"fold {name} of {len(names)}"
        made += f", stratified by {', '.join(evened)}" if evened and not options.column else ""
        made += f", grouped by {options.groups}" if options.groups else ""
        return made + (f", validation fold {names[validated]}" if validated is not None else "")


def _in_order(name: str) -> tuple[float, str]:
    """Numbers by their value, before other texts."""
    try:
        return float(name), name
    except ValueError:
        return np.inf, name


def _renumbered(groups: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.unique(groups, return_inverse=True)[1]
    return found


def _refuse_one_group_left(fold: np.ndarray, groups: np.ndarray, names: list[str], column: str) -> None:
    """Raise DataError where a fold leaves one group only, of which none can be for validation while others are trained on."""
    left = [len(np.unique(groups[fold != place])) for place in range(len(names))]
    if (least := min(left)) < 2:
        what = f"fold {names[left.index(least)]} leaves {least} group of '{column}' outside it, too few to train and to validate on"
        fix = "more folds, groups by another column, or data.split.validation=0"
        raise DataError(what, where="data.split.groups", why=f"'{column}' has {int(groups.max()) + 1} groups", fix=fix)


def _refuse_single_class(rows: RowsToDivide, fold: np.ndarray, names: list[str]) -> None:
    """Raise DataError where a fold holds one class of a target only, so that nothing could be measured on it."""
    for target in rows.class_targets():
        codes, classes = rows.codes(target)
        pairs = np.unique(np.stack([fold, codes], 1)[fold >= 0], axis=0)
        single = np.flatnonzero(np.bincount(pairs[:, 0], minlength=len(names)) < 2)
        if not len(single) or len(np.unique(codes)) < 2:
            continue
        sizes = np.bincount(codes, minlength=len(classes))
        few = int(np.sort(sizes)[-2])
        shown = ", ".join(names[each] for each in single[:SHOWN]) + (", …" if len(single) > SHOWN else "")
        what = f"fold{'s' if len(single) > 1 else ''} {shown} would hold one class of '{target}' only"
        why = f"all classes but '{classes[int(np.argmax(sizes))]}' have at most {few} rows, for {len(names)} folds"
        raise DataError(what, where="data.split", why=why, fix=f"fewer folds (at most {max(2, few)}), or more rows of the other classes")


def _few_rows(rows: RowsToDivide, count: int) -> list[str]:
    """A note for each target with classes of fewer rows than folds."""
    notes = []
    for target in rows.class_targets():
        codes, names = rows.codes(target)
        sizes = np.bincount(codes, minlength=len(names))
        few = [f"{names[code]} ({sizes[code]})" for code in np.flatnonzero((sizes > 0) & (sizes < count))]
        if few:
            shown = ", ".join(few[:SHOWN]) + (f", … {len(few)} in all" if len(few) > SHOWN else "")
            notes.append(f"classes of '{target}' with fewer rows than the {count} folds are in some test folds only: {shown}")
    return notes
