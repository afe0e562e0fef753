"""The type of each column, inferred from its profile, with a short reason and what a reader should be warned of."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from trainwright.config.errors import DataError, did_you_mean
from trainwright.config.places import spell_key
from trainwright.data import wording
from trainwright.data.claims import type_of_files
from trainwright.data.profile import ColumnProfile
from trainwright.data.row_index import is_index_name
from trainwright.data.spelling import choose_joins, in_words, joined_counts

ID_NAME = re.compile(
    r"(^|[_\s.-])(id|ids|uid|uuid|guid|idx|index|key|rowid|row|rownum|row_number|no|nr|number|hash)$|^(id|unnamed: 0|index)([_\s.-]|$)",
    re.IGNORECASE,
)
CAMEL_ID = re.compile(r"[a-z](Id|ID|Uid|UUID|Key)$")
CODE_NAME = re.compile(
    r"(^|[_\s.-])(zip|zipcode|zip_code|postal|postcode|postal_code|plz|area_code|country_code|code|class|category|type|label|group|cluster)$",
    re.IGNORECASE,
)
"""Names whose whole numbers are labels, not quantities."""

TIME_NAME = re.compile(
    r"(^|[_\s.-])(time|t|second|minute|hour|day|date|week|month|quarter|year|step|epoch|period|position|age)s?$", re.IGNORECASE
)
"""Names of quantities that may well go up by one from row to row."""

ROW_NUMBER = "an id: a different whole number in every row"
ROW_INDEX = "the row index that pandas writes"
ROW_NUMBERS = (ROW_NUMBER, ROW_INDEX)

TARGET_CLASSES = 20
"""Whole numbers with at most this many different values are classes when they are to be predicted."""

ROWS_PER_CLASS = 5
"""Classes need about this many rows each; else a column of whole numbers is a quantity, and a text cannot be predicted."""

EXACT = 1 << 53
"""Whole numbers beyond this are not all floats."""

MOSTLY_MISSING = 0.5
TOO_MANY = 0.5
"""Text with more different values than this share of the rows is no category."""


@dataclass
class Inferred:
    """What a column was taken for: the registry name of a feature or `ignore`, in short why, and warnings."""

    name: str
    type: str
    why: str
    warnings: list[str] = field(default_factory=list)
    varies: bool = True
    """Whether it has two values or more, missing ones counted as one."""


def infer(profiles: Sequence[ColumnProfile], targets: Sequence[str], given: Mapping[str, str] | None = None) -> list[Inferred]:
    """The type of each column, in order.

    Args:
        profiles: of all columns.
        targets: columns to be predicted; they get a type that can be.
        given: types the user has set; these columns are not inferred.

    Raises:
        DataError: a target is not a column, has no values, only one value, or cannot be predicted.
    """
    names = [profile.name for profile in profiles]
    for target in targets:
        if target not in names:
            raise DataError(f"target '{target}' is not a column of the data", where="targets", fix=did_you_mean(target, names))
    given = given or {}
    found = []
    for profile in profiles:
        if profile.name in targets:
            check_target(profile)
        if given.get(profile.name, "auto") != "auto":
            found.append(Inferred(profile.name, given[profile.name], "set in the configuration"))
        elif profile.name in targets:
            found.append(_target(profile))
        else:
            found.append(_input(profile))
        found[-1].varies = varies(profile)
        if profile.numbers:
            found[-1].why += f": {profile.numbers}"
        if profile.offer and found[-1].type != "number":
            found[-1].warnings.append(profile.offer)
        if profile.spellings > profile.unique:
            found[-1].why += f", from {profile.spellings} spellings"
        found[-1].warnings += _spelling_warnings(profile, found[-1].type)
    return _with_an_input(found, targets)


def varies(profile: ColumnProfile) -> bool:
    """Whether a column has two values or more, missing ones counted as one; of lists it is not looked at."""
    return bool(profile.present) and (profile.unique != 1 or bool(profile.missing) or pa.types.is_list(profile.type))


def join_spellings(profile: ColumnProfile, join: Sequence[str]) -> ColumnProfile:
    """The profile of a column of text in which all spellings of a value are one."""
    if not join or not pa.types.is_string(profile.type):
        return profile
    seen = joined_counts(dict.fromkeys(profile.values, 1), join)
    unique = len(seen) if profile.unique <= len(profile.values) else profile.unique
    return replace(profile, values=list(seen), examples=list(seen)[: len(profile.examples)], unique=unique, spellings=profile.unique)


def _spelling_warnings(profile: ColumnProfile, kind: str) -> list[str]:
    """What is said of a column with classes or labels that differ in their spelling only, and how they are joined."""
    if kind not in ("binary", "category", "set") or not profile.values:
        return []
    words = wording.labels_of(profile.values) if kind == "set" else profile.values
    if not all(isinstance(word, str) for word in words):
        return []
    needed = choose_joins(words)
    if not needed:
        return []
    left = len({*joined_counts(dict.fromkeys(words, 1), needed)})
    binary = " and makes it binary" if left == 2 and kind == "category" else ""
    joining = f"columns.{profile.name}.join=[{', '.join(needed)}]"
    return [f"values that differ only in {' and '.join(needed)}: {in_words(words)}; {joining} joins them{binary}"]


def _with_an_input(found: list[Inferred], targets: Sequence[str]) -> list[Inferred]:
    """The same, but where only columns that look like row numbers are left to predict from, these are numbers after all."""
    inputs = [each for each in found if each.name not in targets]
    if any(each.type != "ignore" for each in inputs):
        return found
    for each in inputs:
        if each.why in ROW_NUMBERS:
            each.type, each.why, each.warnings = "number", "whole numbers", ["looks like an id, used because there is nothing else"]
    return found


def check_target(profile: ColumnProfile) -> None:
    """Raises DataError for a target without values, or with only one."""
    if not profile.present:
        why = f"all {profile.count} rows are missing"
        raise DataError(f"target '{profile.name}' has no values", where="targets", why=why, fix="choose another target, or other rows")
    if profile.unique == 1 and profile.values:
        raise DataError(
            f"target '{profile.name}' is constant",
            where="targets",
            why=f"every value is {profile.examples[0]}",
            fix="choose a target that varies",
        )


def _input(profile: ColumnProfile) -> Inferred:
    type_, why, warnings = _plain(profile)
    if type_ != "ignore" and profile.missing > MOSTLY_MISSING * profile.count:
        warnings = [*warnings, f"{profile.missing / profile.count:.0%} of its values are missing"]
    return Inferred(profile.name, type_, why, warnings)


Found = tuple[str, str, list[str]]


def _plain(profile: ColumnProfile) -> Found:
    """Type, why and warnings of an input column."""
    kind = profile.type
    if not profile.present:
        return "ignore", "all values are missing", []
    if profile.all_integer and is_index_name(profile.name):  # also where parts of a file count anew, so that numbers come twice
        return "ignore", ROW_INDEX, ["looks like the row index of a frame, left out; give it a type to use it"]
    if not varies(profile):
        return "ignore", f"constant: {profile.examples[0]}", []
    if profile.unique == 1 and not pa.types.is_list(kind):
        return "category", f"one value ({profile.examples[0]}) or missing", []
    if pa.types.is_boolean(kind):
        return "binary", "true or false", []
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _number(profile)
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return "date", "dates" if pa.types.is_date(kind) else "dates with time", []
    if pa.types.is_list(kind):
        return _list(profile)
    if pa.types.is_string(kind):
        return _kept_text(profile) if profile.kept_as_text else _text(profile)
    return "ignore", f"values of type {kind} cannot be used", [f"columns of type {kind} cannot be used"]


def _number(profile: ColumnProfile) -> Found:
    if profile.unique == 2 and not profile.unique_capped:
        return "binary", f"two values: {', '.join(profile.examples[:2])}", []
    if profile.all_integer and _is_row_number(profile):
        return "ignore", ROW_NUMBER, ["looks like an id, left out; give it a type to use it"]
    if profile.all_integer and _beyond_floats(profile):
        return _long_codes(profile)
    if (
        profile.all_integer
        and CODE_NAME.search(profile.name)
        and profile.unique <= max(10, 0.05 * profile.present)
        and not profile.unique_capped
    ):
        return "category", f"{_unique(profile)} whole numbers, and named like a label", []
    return "number", "whole numbers" if profile.all_integer else "numbers", _dates_in_numbers(profile)


def _dates_in_numbers(profile: ColumnProfile) -> list[str]:
    """What is said of whole numbers that are dates or months all the same, with the line that reads them so."""
    pattern = wording.whole_dates(profile.values) if profile.all_integer else ""
    if not pattern:
        return []
    what = "dates" if "%d" in pattern else "months"
    line = f"\"{spell_key(('columns', profile.name))}={{type: date, format: '{pattern}'}}\""
    return [f"whole numbers such as {int(profile.values[0])} may be {what}, and were taken for a quantity; {line} reads {what}"]


def _beyond_floats(profile: ColumnProfile) -> bool:
    """Whether whole numbers are kept exactly but would not be as floats; times in nanoseconds are quantities all the same."""
    exact = pa.types.is_integer(profile.type)
    largest = max(abs(profile.minimum or 0), abs(profile.maximum or 0))
    return exact and largest > EXACT and not TIME_NAME.search(profile.name)


def _long_codes(profile: ColumnProfile) -> Found:
    if profile.unique <= max(10, TOO_MANY * profile.present) and not profile.unique_capped:
        return "category", f"{_unique(profile)} whole numbers beyond 2^53, taken for codes", []
    warning = f"left out: whole numbers beyond 2^53 are not exact as numbers; columns.{profile.name}=number reads them as such"
    return "ignore", "codes: whole numbers beyond 2^53", [warning]


def is_id_name(name: str) -> bool:
    """Whether a column is named like an id: `id`, `customer_id`, `UserID`, `Unnamed: 0`."""
    return bool(ID_NAME.search(name) or CAMEL_ID.search(name))


def _is_row_number(profile: ColumnProfile) -> bool:
    """Every row has its own whole number, and they count up from 0 or 1 or the name says id."""
    if profile.present < 10 or profile.missing or not profile.unique_per_row:
        return False
    return is_id_name(profile.name) or (profile.counts_up and profile.minimum in (0, 1) and not TIME_NAME.search(profile.name))


def _list(profile: ColumnProfile) -> Found:
    element = profile.type.value_type
    low, high = profile.length_low, profile.length_high
    if pa.types.is_integer(element) or pa.types.is_floating(element) or pa.types.is_boolean(element):
        if low == high:
            return "vector", f"{high} numbers in every row", []
        return "timeseries", f"lists of {low} to {high} numbers", []
    if pa.types.is_string(element):
        repeated = wording.share(profile.values, lambda labels: len(set(labels)) < len(labels))
        return ("sequence", "lists of labels that repeat", []) if repeated > 0.2 else ("set", "lists of labels", [])
    return "ignore", f"lists of {element} cannot be used", [f"lists of {element} cannot be used"]


def _text(profile: ColumnProfile) -> Found:
    values: list[str] = profile.values
    if (files := type_of_files(profile.name, values)) is not None:
        return *files, []
    numbers = 0.0 if profile.kept_as_text else wording.share(values, wording.NUMBER.fullmatch)
    if numbers >= wording.MOSTLY and len(values) > 2:
        return _number_text(profile, numbers)
    if profile.unique == 2:
        return "binary", f"two values: {', '.join(profile.examples[:2])}", []
    if wording.date_share(values) >= 0.95:
        return "date", f"dates such as {values[0].strip()}", []
    if wording.month_share(values) >= 0.95 and len(values) > 2:
        line = f'"{spell_key(("columns", profile.name))}={{type: date, components: [year, month]}}"'
        return "date", f"months such as {values[0].strip()}", [f"months have no day; {line} leaves day and weekday out"]
    lengths = wording.number_list_lengths(values)
    if lengths:
        fixed = len(set(lengths)) == 1
        return (
            ("vector", f"{lengths[0]} numbers in every row", []) if fixed else ("timeseries", "lists of numbers of different lengths", [])
        )
    delimiter = wording.label_delimiter(values) if not wording.is_language(values) else ""
    if delimiter:
        repeated = wording.repeats_labels(values, delimiter)
        return ("sequence" if repeated else "set"), f"labels with '{delimiter}' between them", []
    return _words(profile)


def _kept_text(profile: ColumnProfile) -> Found:
    """Written numbers that stay text; where they are too many to learn from, how to read them as numbers is said."""
    type_, why, warnings = _text(profile)
    kept = f"text because of {profile.kept_as_text}"
    if type_ == "ignore":
        warnings = [f"{kept}, and left out; columns.{profile.name}=number reads numbers, =category keeps the codes"]
    return type_, f"{why}; {kept}", warnings


def _number_text(profile: ColumnProfile, numbers: float) -> Found:
    if numbers == 1.0:
        return "number", "numbers written as text", []
    others = [value for value in profile.values if not wording.NUMBER.fullmatch(value)]
    shown = ", ".join(repr(value) for value in others[:3])
    warning = f"not all its values are numbers: {shown}; columns.{profile.name}.invalid=missing counts them as missing"
    return "number", f"{numbers:.0%} of the different values are numbers", [warning]


def _words(profile: ColumnProfile) -> Found:
    """Text that is neither numbers, dates nor lists: a category, language, or too many values to learn from."""
    values: list[str] = profile.values
    share = profile.unique / profile.present
    many = profile.unique_capped or (share > TOO_MANY and profile.unique > 10)
    if not many and not (wording.is_language(values) and share > 0.2 and profile.unique > 50):
        return "category", f"{_unique(profile)} different values", []
    if wording.is_language(values):
        return "text", f"{wording.mean_words(values):.0f} words on average", []
    if profile.unique_per_row:
        return "ignore", "an id: a different value in every row", ["looks like an id, left out; give it a type (text, category) to use it"]
    why = f"{_unique(profile)} different values in {profile.present} rows: too many to learn from"
    return "ignore", why, ["left out; give it a type (text, category) to use it"]


def _target(profile: ColumnProfile) -> Inferred:
    """The type of a column that is to be predicted."""
    kind = profile.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return Inferred(profile.name, *_number_target(profile))
    type_, why, warnings = _plain(profile)
    if type_ == "number" and profile.unique == 2:
        type_, why = "binary", f"two values: {', '.join(profile.examples[:2])}"
    months = type_ == "date" and pa.types.is_string(kind) and wording.date_share(profile.values) < 0.95
    if (months or type_ in ("ignore", "text")) and pa.types.is_string(kind) and _enough_rows(profile):
        type_, why, warnings = "category", f"{_unique(profile)} different values", []
    if type_ in ("binary", "category", "number", "vector", "set"):
        return Inferred(profile.name, type_, why, warnings)
    raise DataError(
        f"target '{profile.name}' cannot be predicted",
        where="targets",
        why=f"it was taken for {'text' if type_ == 'ignore' else type_}: {why}",
        fix=profile.offer
        or f"a target is binary, category, number, vector or set, or mask where every pixel has a class; set columns.{profile.name}.type",
    )


def _number_target(profile: ColumnProfile) -> Found:
    """Two values are classes; so are a few whole numbers in a row with enough rows each, such as digits 0…9 or grades 3…8."""
    if profile.unique == 2 and not profile.unique_capped:
        return "binary", f"two values: {', '.join(profile.examples[:2])}", []
    low, high = profile.minimum or 0, profile.maximum or 0
    few = profile.all_integer and not profile.unique_capped and profile.unique <= TARGET_CLASSES
    dense = low >= 0 and high - low + 1 <= 2 * profile.unique
    if few and dense and _enough_rows(profile):
        return "category", f"{profile.unique} whole numbers from {low:g} to {high:g}, taken for classes", []
    return "number", "whole numbers" if profile.all_integer else "numbers", []


def _enough_rows(profile: ColumnProfile) -> bool:
    return not profile.unique_capped and profile.present >= ROWS_PER_CLASS * profile.unique


def _unique(profile: ColumnProfile) -> str:
    return f"more than {profile.unique}" if profile.unique_capped else str(profile.unique)
