"""Tables that say how far one diagnosis is from another: a CSV with a row and a column for each class, equal classes as `a|b`."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from trainwright.config.errors import ConfigError, did_you_mean

SHIPPED = {"2021": "challenge_2021"}
"""Name → the table that comes with the package."""
METRIC = "challenge_score"
Given = str | Mapping[str, Sequence[float]]
"""A name, the path of a CSV, or class → its row of weights."""


@dataclass(frozen=True, eq=False)
class WeightTable:
    """`weights` [true, predicted] from 0 to 1, the names of each class, and the place of the inactive one, where one is asked for."""

    names: tuple[frozenset[str], ...]
    weights: np.ndarray
    inactive: int = -1

    def place_of(self, name: str) -> int | None:
        """The class that a name is of, written in any case; None for one that is not scored."""
        folded = {each.strip().casefold() for each in name.split("|")}
        return next((place for place, names in enumerate(self.names) if names & folded), None)

    def places(self, classes: Sequence[str], where: str = METRIC) -> np.ndarray:
        """Which class of the table each of a target's is, -1 for those that are not scored. Raises ConfigError where none is."""
        found = [self.place_of(name) for name in classes]
        if all(each is None for each in found):
            why = f"the target has {', '.join(list(classes)[:6])}"
            fix = "name labels by the codes of the table (or its abbreviations), or give a table of them: weights: FILE.csv"
            raise ConfigError("no label of the target is a class of the challenge's weights", where=where, why=why, fix=fix)
        return np.array([-1 if each is None else each for each in found], np.int64)

    def merge(self, classes: Sequence[str], where: str = METRIC) -> np.ndarray:
        """Which labels of a target make each class of the table; float64 [labels, classes]. Raises ConfigError where none does."""
        places = self.places(classes, where)
        return (places[:, None] == np.arange(len(self.names))).astype(np.float64)


@lru_cache(maxsize=16)
def read_table(weights: str, inactive: str) -> WeightTable:
    """The table of a name or of a CSV file, with its inactive class. Raises ConfigError for one that is none."""
    found = table_of(weights, f"{METRIC}.weights")
    folded = inactive.strip().casefold()
    place = next((at for at, own in enumerate(found.names) if folded in own), None)
    if place is None:
        heads = ["|".join(sorted(own)) for own in found.names]
        fix = did_you_mean(inactive, heads) or f"one of {', '.join(heads[:8])}"
        raise ConfigError(f"the inactive class '{inactive}' is not in the table", where=f"{METRIC}.inactive", fix=fix)
    return replace(found, inactive=place)


def table_of(given: Given, where: str) -> WeightTable:
    """The table of a name, of a CSV file, or of what `rows_of` read, without an inactive class. Raises ConfigError for one that is none."""
    rows = rows_of(given, where) if isinstance(given, str) else given
    shown = given if isinstance(given, str) else "it"
    if not rows or any(len(each) != len(rows) for each in rows.values()):
        raise ConfigError(f"{shown} is not square", where=where, fix="give a weight in every cell")
    table = np.array(list(rows.values()), np.float64)
    if not np.isfinite(table).all():
        raise ConfigError(f"{shown} holds NaN or infinity", where=where, fix="give a finite weight in every cell")
    names = [{each.strip().casefold() for each in head.split("|")} for head in rows]
    if isinstance(given, str) and given in SHIPPED:
        known = _abbreviations(given)
        names = [own | known.get(head, set()) for head, own in zip(rows, names, strict=True)]
    return WeightTable(tuple(frozenset(each) for each in names), table)


def rows_of(weights: str, where: str) -> dict[str, list[float]]:
    """Class → its row of weights, of a name or of a CSV file. Raises ConfigError for one that holds no such table."""
    path = Path(__file__).with_name(f"{SHIPPED[weights]}.csv") if weights in SHIPPED else Path(weights)
    if not path.is_file():
        raise ConfigError(f"there is no table {weights}", where=where, fix=f"{did_you_mean(weights, SHIPPED)}; or the path of a CSV file")
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.reader(file) if row]
    heads = [each.strip() for each in rows[0][1:]] if rows else []
    if not heads or [row[0].strip() for row in rows[1:]] != heads or len(set(heads)) < len(heads):
        why = "its first column must name the same classes as its first row, in their order, each once"
        raise ConfigError(f"{path.name} is no table of weights", where=where, why=why, fix="save the official weights.csv again")
    try:
        return {row[0].strip(): [float(each) for each in row[1:]] for row in rows[1:]}
    except ValueError as error:
        raise ConfigError(f"{path.name} holds what is no number", where=where, why=str(error), fix="give a weight in every cell") from error


def _abbreviations(name: str) -> dict[str, set[str]]:
    """Other names of the classes of a shipped table."""
    path = Path(__file__).with_name(f"{SHIPPED[name]}_names.csv")
    with path.open(encoding="utf-8", newline="") as file:
        return {row["code"]: {each.casefold() for each in row["name"].split("|")} for row in csv.DictReader(file)}
