"""By what the members of a group differ: seeds, folds, values of options."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from trainwright.config.errors import ConfigError
from trainwright.runs.group import FOLD, SEED

MOST = 10_000
"""Members beyond which a grid is taken for a slip."""
MOST_FOLDS = 200
"""Values of a column beyond which it is taken for one that gives no folds."""
GIVEN_BY_ROWS = {"time": "the order of time", "files": "files of their own", "column": "a column"}
"""Splits that no folds can take the place of → what says which rows are tested."""
PLAIN = re.compile(r"0|[1-9]\d{0,15}|[A-Za-z_][\w .-]*[\w.-]|[A-Za-z_]", re.ASCII)
"""Texts that a setting has as they are, but for these words."""
WORDS = ("true", "false", "null", "none", "yes", "no", "on", "off", "nan", "inf")
Settings = dict[str, str]
"""Option → its value as text."""


@dataclass(frozen=True)
class Axes:
    """What is asked for."""

    seeds: tuple[int, ...] = ()
    folds: int = 0
    folds_by: str = ""
    """A column whose values are the folds."""
    groups: str = ""
    """A column whose rows of one value are never in two folds."""
    grid: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Options and their values, as text."""

    @property
    def has_folds(self) -> bool:
        """Whether members have a fold each."""
        return bool(self.folds or self.folds_by)

    @property
    def names(self) -> tuple[str, ...]:
        """The settings that differ."""
        return (*(key for key, _ in self.grid), *((FOLD,) if self.has_folds else ()), *((SEED,) if self.seeds else ()))

    def first_point(self) -> Settings:
        """The first value of each option of the grid."""
        return {key: values[0] for key, values in self.grid}

    def ensure_sound(self) -> None:
        """Raise ConfigError for none, for an option that two flags set, and for one that says where a member lies."""
        if not self.names:
            fix = "give --seeds 5, --folds 10 or --grid OPTION=VALUE,VALUE"
            raise ConfigError("nothing says how the runs differ", where="sweep", fix=fix)
        if self.groups and not self.has_folds:
            raise ConfigError("groups are kept together in folds", where="--groups", fix="give --folds 10 too")
        if self.folds and self.folds_by:
            fix = "--folds-by alone takes the folds of the column, --folds alone makes them"
            raise ConfigError("folds are asked for twice", where="--folds, --folds-by", fix=fix)
        taken = ["run.dir", "run.name", *([SEED] if self.seeds else []), *(["data.split"] if self.has_folds else [])]
        seen: list[str] = []
        for key, _ in self.grid:
            folded = key.replace("-", "_")
            other = next((each for each in [*taken, *seen] if _is_within(folded, each) or _is_within(each, folded)), "")
            if other:
                flag = "another --grid" if other in seen else {SEED: "--seeds", "data.split": "--folds"}.get(other, "the group")
                raise ConfigError(f"{key} is set by {flag} already", where=f"--grid {key}", fix="say it once")
            seen.append(folded)

    def members(self, split: Any = None, values_of: Callable[[str], Sequence[str]] = lambda column: ()) -> list[Settings]:
        """The settings of each member; the last axis changes fastest.

        `split`: the options that folds take the place of. `values_of` gives the values of a column. Raises ConfigError for what makes no
        group, and for too many.
        """
        self.ensure_sound()
        axes: list[list[Settings]] = [[{key: value} for value in values] for key, values in self.grid]
        if self.has_folds:
            same = fold_settings(split, self)
            folds = _folds_of(self.folds_by, values_of(self.folds_by)) if self.folds_by else [str(each) for each in range(self.folds)]
            axes.append([{**same, FOLD: fold} for fold in folds])
        if self.seeds:
            axes.append([{SEED: str(seed)} for seed in self.seeds])
        if (count := math.prod(map(len, axes))) > MOST:
            raise ConfigError(f"{count:,} runs are too many", where="sweep", why=f"a group has at most {MOST:,}", fix="give fewer values")
        return [dict(itertools.chain.from_iterable(each.items() for each in chosen)) for chosen in itertools.product(*axes)]


def fold_settings(split: Any, axes: Axes) -> Settings:
    """The split of folds, with what the configuration's own split says of groups, strata and validation rows.

    Raises ConfigError for a split that says by itself which rows are tested.
    """
    kind = getattr(split, "type", "auto")
    if kind in GIVEN_BY_ROWS:
        why = f"the {kind} split of this configuration takes them from {GIVEN_BY_ROWS[kind]}, and folds would test others"
        fix = "data.split=auto makes folds at random; --seeds repeats the split as it is"
        raise ConfigError("folds cannot take the place of this split", where="data.split", why=why, fix=fix)
    found: Settings = {"data.split.type": "kfold"}
    if axes.folds_by:
        found["data.split.column"] = _quote_setting(axes.folds_by)
    else:
        found["data.split.folds"] = str(axes.folds)
        if getattr(split, "column", None) and kind == "kfold":
            found["data.split.column"] = "null"  # folds are made now
    if groups := axes.groups or (getattr(split, "column", "") if kind == "grouped" else ""):
        found["data.split.groups"] = _quote_setting(groups)
    if kind == "stratified" and getattr(split, "columns", None):
        found["data.split.columns"] = f"[{', '.join(map(_quote_setting, split.columns))}]"
    if kind != "kfold" and "validation" in getattr(split, "model_fields_set", ()):
        found["data.split.validation"] = str(split.validation)
    seed = getattr(split, "seed", None)
    if seed is not None or axes.seeds:
        found["data.split.seed"] = str(0 if seed is None else seed)  # with several seeds all have the same folds
    return found


def _folds_of(column: str, values: Sequence[str]) -> list[str]:
    """The values of a column as folds, in their order. Raises ConfigError for fewer than two, and for very many."""
    if not 2 <= len(values) <= MOST_FOLDS:
        what = f"'{column}' has {len(values):,} values, {'too many' if len(values) > MOST_FOLDS else 'too few'} for folds"
        fix = f"name a column with each row's fold; --folds 10 --groups {column} makes folds in which its values stay together"
        raise ConfigError(what, where="--folds-by", fix=fix)
    return [_quote_setting(each) for each in sorted(values, key=_in_order)]


def _in_order(text: str) -> tuple[float, str]:
    try:
        return float(text), text
    except ValueError:
        return math.inf, text


def _quote_setting(text: str) -> str:
    """Text as a setting has it, in quotes where it would be read as something else."""
    if PLAIN.fullmatch(text) and text.lower() not in WORDS:
        return text
    return "'" + text.replace("'", "''") + "'"


def setting_text(value: Any) -> str:
    """A value of Python as a setting has it."""
    if isinstance(value, str):
        return _quote_setting(value) if value else "''"
    if value is None or isinstance(value, bool | list | tuple | dict):
        return json.dumps(value)
    return repr(value) if isinstance(value, int | float) else str(value)


def _is_within(option: str, section: str) -> bool:
    return f"{option}.".startswith(f"{section}.")
