"""Which column is made, which say what is made, and which are left out, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from trainwright.config.domains import column_kind
from trainwright.config.errors import ConfigError, DataError, RequestError, did_you_mean
from trainwright.config.registry import load, options_class
from trainwright.data.inference import Inferred, infer
from trainwright.data.profile import ColumnProfile
from trainwright.domains.column_options import column_options, raise_all
from trainwright.domains.diffusion.options import DiffusionOptions
from trainwright.features import FeatureConfig

ARRAYS = ("timeseries", "vector")
"""Types beside those of files that are made alone."""
VALUES = ("number", *ARRAYS)
"""Types that can be made, beside those of files."""
CLASSES = ("binary", "category")
MAY_BE_CLASSES = ("number", *CLASSES)
"""Types of column that are classes where there are few of them, as a target is."""


UNASKED = "not of what is made"


@dataclass(frozen=True)
class Parts:
    """The columns by the parts they play."""

    made: list[str]
    label: str
    """The column that is the class; empty for none."""
    told: list[str]
    """Others that say which one is made."""
    options: dict[str, FeatureConfig]
    """Of all of them, by name."""
    why: dict[str, str]
    """Column → why it is of its type."""
    left: dict[str, str]
    """Columns that are left out → why."""


def infer_roles(profiles: Sequence[ColumnProfile], conditions: Sequence[str], given: Mapping[str, str]) -> list[Inferred]:
    """The type of each column; numbers and words that say which one is made are classes where there are few, as of a target."""
    found = infer(profiles, [], given)
    classes = [each.name for each in found if each.name in conditions and each.type in MAY_BE_CLASSES]
    return infer(profiles, classes, given) if classes else found


def choose_parts(
    asked: DiffusionOptions, found: Sequence[Inferred], known_targets: Sequence[str], declared: Mapping[str, Any], where: str
) -> Parts:
    """The parts of columns whose types were found; `known_targets`: those that the source knows of itself.

    Raises ConfigError, DataError or ManyErrors for names that are no columns, and where none can be made.
    """
    names = [each.name for each in found]
    ensure_known(asked, names, where)
    chosen = {each.name: column_options(asked.columns.get(each.name), each, names) for each in found}
    options = {name: each for name, (each, _) in chosen.items()}
    condition = [each for each in known_targets if each in names] if asked.condition is None else list(asked.condition)
    known = {each.name: each for each in found}
    made = list(asked.of) or find_made(options, condition, known, where)
    if both := [each for each in made if each in condition]:
        raise ConfigError(f"'{both[0]}' is both made and told", where="system.condition", fix="keep it in one of `of` and `condition`")
    for name in made:
        ensure_makeable(options[name], known[name], where)
    label = next((each for each in condition if options[each].type in CLASSES), "")
    told = [each for each in condition if each != label]
    for name in told:
        ensure_tellable(options[name], known[name], where)
    used = {**{name: with_defaults(options[name]) for name in [*made, *told]}, **({label: options[label]} if label else {})}
    for name in told:
        ensure_alike(used[made[0]], used[name], (made[0], name), where)
    why = {name: said_why(chosen[name][1], name, declared, known[name].why) for name in used}
    unused = [name for name in names if name not in used]
    left = {name: known[name].why if options[name].type == "ignore" and not chosen[name][1] else UNASKED for name in unused}
    return Parts(made, label, told, used, why, left)


def said_why(given: bool, name: str, declared: Mapping[str, Any], inferred: str) -> str:
    """Why a column is of its type."""
    if not given:
        return inferred
    return "said by the source" if name in declared else "given in the configuration"


def ensure_known(asked: DiffusionOptions, names: Sequence[str], where: str) -> None:
    """Raise DataError or ManyErrors for names that are no columns."""
    sections = {"of": asked.of, "condition": asked.condition or [], "columns": list(asked.columns)}
    errors: list[RequestError] = [
        DataError(f"`{section}` names '{name}', which is not a column of the data", where=where, fix=did_you_mean(name, names))
        for section, listed in sections.items()
        for name in listed
        if name not in names
    ]
    raise_all(errors)


def find_made(options: Mapping[str, FeatureConfig], condition: Sequence[str], known: Mapping[str, Inferred], where: str) -> list[str]:
    """The one column of files, series or vectors, else all numbers. Raises DataError where there are several or none."""
    there = {name: each for name, each in options.items() if name not in condition}
    for kinds in ([name for name, each in there.items() if is_lazy(each)], [name for name, each in there.items() if each.type in ARRAYS]):
        if len(kinds) > 1:
            what = f"{len(kinds)} columns could be made: {', '.join(kinds[:5])}"
            fix = f"name it: system.of={kinds[0]}; others may be told: system.condition=[{kinds[1]}]"
            raise DataError(what, where=where, why="one is made at a time", fix=fix)
        if kinds:
            return kinds
    numbers = [name for name, each in there.items() if each.type == "number"]
    if not numbers:
        listed = "; ".join(f"{name} ({each.type}: {known[name].why})" for name, each in list(there.items())[:6]) or "no other column"
        why = f"pictures, recordings, series, vectors and numbers can be, and there are: {listed}"
        fix = (
            "name a column and what it is: system.of=NAME columns.NAME.type=file (names of arrays and recordings), image, vector or number"
        )
        raise DataError("no column can be made", where=where, why=why, fix=fix)
    return numbers


def ensure_makeable(options: FeatureConfig, found: Inferred, where: str) -> None:
    """Raise DataError for a column of words, dates or classes, and for one that is left alone."""
    if options.type in VALUES or is_lazy(options):
        return
    fix = "name another"
    if found.varies:
        fix += f"; or say what it is: columns.{found.name}.type=number; a class is told: system.condition=[{found.name}]"
    what = f"column '{found.name}' cannot be made: it is of type {options.type}"
    raise DataError(what, where=where, why=said_plainly(found), fix=fix)


def ensure_tellable(options: FeatureConfig, found: Inferred, where: str) -> None:
    """Raise DataError for a column that says nothing of which one is made, as one whose values are all alike."""
    if options.type == "ignore":
        fix = "leave it out of system.condition" + (f"; or say what it is: columns.{found.name}.type=category" if found.varies else "")
        raise DataError(f"column '{found.name}' cannot be told", where=where, why=said_plainly(found), fix=fix)


def ensure_alike(made: FeatureConfig, told: FeatureConfig, names: tuple[str, str], where: str) -> None:
    """Raise DataError where what is made is moved at random, and what is told place by place stays."""
    moved = getattr(made, "augment", "none") != "none"
    if not moved or getattr(told, "augment", "") != "none" or getattr(told, "draws_as", ""):
        return
    what = f"'{names[0]}' is augmented, and '{names[1]}', which is told place by place, is not"
    fix = f"give it the same: columns.{names[1]}={{augment: …, draws_as: {names[0]}}}; or leave columns.{names[0]}.augment out"
    raise DataError(what, where=where, why="each place would be told of another", fix=fix)


def said_plainly(found: Inferred) -> str:
    """Why a column was taken for its type."""
    return f"it was taken for {found.type}: {found.why}"


def is_lazy(options: FeatureConfig) -> bool:
    """Whether what stands in a column says where its value is."""
    return bool(getattr(load("feature", options.type), "lazy", False))


def with_defaults(options: FeatureConfig) -> FeatureConfig:
    """The options of a column that is made, with what its type wants there where nothing else was written; rows without it are left out."""
    usual = {"missing": "drop", **column_kind(options.type).made_with}
    given = {name: each for name, each in usual.items() if name in type(options).model_fields and name not in options.model_fields_set}
    if not given:
        return options
    made = options_class("feature", options.type).model_validate({**options.model_dump(exclude_unset=True), "type": options.type, **given})
    return cast(FeatureConfig, made)
