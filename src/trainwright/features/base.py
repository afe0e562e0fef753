"""The class of a column type: fitted on training rows in one streaming pass, then encodes, and decodes what a model predicts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainwright.config.errors import DataError, RunError
from trainwright.features.options import FeatureConfig
from trainwright.features.spec import TargetSpec


@dataclass
class Counts:
    """How many values of a column were missing, never seen in training, or no numbers and therefore counted as missing."""

    missing: int = 0
    unknown: int = 0
    invalid: int = 0

    def add(self, other: Counts) -> None:
        """Adds the counts of another piece of the same column."""
        self.missing += other.missing
        self.unknown += other.unknown
        self.invalid += other.invalid


@dataclass(frozen=True)
class PartLayout:
    """One array of an encoded column: the shape of a row (without the axis of columns) and its dtype."""

    shape: tuple[int, ...]
    dtype: type[np.generic]


TEXTS = ("classes", "vocabulary", "rare", "patterns")
"""Lists of a fitted state that hold texts."""
EVERY = ("fitted_rows", "missing_in_training")
"""What every fitted column remembers."""


class Feature:
    """A column with a type; subclasses say how it is fitted, encoded and, where it can be predicted, decoded."""

    kind: ClassVar[str]
    grouped: ClassVar[bool] = False
    """Whether input columns of this type are read together by one encoder."""
    lazy: ClassVar[bool] = False
    """Whether its rows are decoded batch by batch rather than encoded up front."""
    predictable: ClassVar[bool] = False
    """Whether a column of this type can be a target."""
    traced_as: ClassVar[str] = ""
    """The kind whose module encodes it in an exported model, where that is another's."""
    several: ClassVar[bool] = False
    """Whether one value of it is several, so that a list may stand for a missing one."""
    counts_as: ClassVar[str] = "are not numbers"
    """What is said of values that cannot be read and count as missing."""

    def __init__(self, config: FeatureConfig, name: str, target: bool = False) -> None:
        self.config, self.name, self.target = config, name, target
        self.fitted_rows = 0
        self.missing_in_training = 0
        self.place: Place = plain_place
        self.seed = 0
        """Of the run: what is drawn in fitting follows from it."""
        if target and not self.predictable:
            raise DataError(
                f"target '{name}' is of type '{self.kind}', which cannot be predicted",
                fix="use number, binary, category, set, vector, file",
            )
        if config.missing == "constant" and config.fill is None:
            raise DataError(f"column '{name}': `missing: constant` needs a value", fix=f"give it: columns.{name}.fill=VALUE")
        if isinstance(config.fill, list) and not self.several:
            why = f"a value of a {self.kind} is one"
            raise DataError(f"column '{name}': `fill` is a list", why=why, fix=f"give one value: columns.{name}.fill=VALUE")

    def read_from(self, source: Any) -> None:
        """Told of the source whose values come next."""

    # fitting

    def fit(self, chunks: Iterable[pa.Array | pa.ChunkedArray]) -> None:
        """Fits the column on its training rows; the result does not depend on how they are cut into chunks."""
        start = 0
        for chunk in chunks:
            values = one_array(chunk)
            self.observe(values, np.arange(start, start + len(values)))
            start += len(values)
        self.finish()

    def observe(self, values: pa.Array, rows: np.ndarray) -> None:
        """Takes the next training values into account; `rows` are their row numbers in the source, for messages."""
        raise NotImplementedError

    def finish(self) -> None:
        """Turns what was observed into the fitted state."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """The fitted state in plain JSON types, exact to the last bit."""
        return {key: getattr(self, key) for key in (*EVERY, *self.remembers)}

    remembers: ClassVar[tuple[str, ...]] = ()
    """Names of the attributes that make up the fitted state."""

    @classmethod
    def restore(cls, config: FeatureConfig, name: str, state: dict[str, Any], target: bool = False) -> Self:
        """The fitted column that `state` describes; raises RunError where something is lacking."""
        feature = cls(config, name, target)
        for key in (*EVERY, *cls.remembers):
            if key not in state:
                raise RunError(f"the fitted state of column '{name}' lacks '{key}'", why="it was changed or cut off after it was written")
            refuse_other_type(name, key, state[key], getattr(feature, key, None))
            setattr(feature, key, state[key])
        feature.prepare()
        return feature

    def prepare(self) -> None:
        """Makes what is derived from the fitted state; called after `finish` and `restore`."""

    # missing values

    @property
    def policy(self) -> str:
        """What happens to missing values; `auto` is `drop` for a target."""
        return "drop" if self.target and self.config.missing == "auto" else self.config.missing

    @property
    def has_indicator(self) -> bool:
        """Whether the model is told which values were missing."""
        return not self.target and (self.policy == "indicator" or (self.policy == "auto" and self.missing_in_training > 0))

    def absent(self, values: pa.Array, rows: np.ndarray) -> np.ndarray | None:
        """Which values are missing, as a boolean array, or None when none is."""
        return nulls(values)

    def dropped(self, values: pa.Array, rows: np.ndarray) -> np.ndarray | None:
        """Which rows this column asks to leave out, or None when none is."""
        return self.absent(values, rows) if self.policy == "drop" else None

    def note_missing(self, absent: np.ndarray | None, rows: np.ndarray, counts: Counts | None = None) -> None:
        """Counts missing values; raises DataError with their rows under `missing: error`."""
        found = 0 if absent is None else int(absent.sum())
        if counts is not None:
            counts.missing += found
        if found and self.policy == "error" and absent is not None:
            raise DataError(
                f"column '{self.name}' has missing values: {self.listed(rows[absent])}",
                fix=f"fill them in, or choose another policy: columns.{self.name}.missing=drop (or constant, indicator, …)",
            ).of_rows(f"column '{self.name}' has no value", rows[absent])

    def listed(self, rows: np.ndarray, values: Iterable[Any] | None = None, quoted: bool = True) -> str:
        """Rows for a message, as the source names them; values that are words of ours already are not `quoted`."""
        return row_list(rows, self.place, values, quoted=quoted)

    @property
    def drops(self) -> bool:
        """Whether rows may be left out for what this column lacks."""
        return self.policy == "drop"

    @property
    def lacking(self) -> str:
        """What rows that are left out lack, in words."""
        return "no usable value"

    # encoding

    @property
    def row_shape(self) -> tuple[int | None, ...]:
        """The shape of one value as it is given: () for a single one, None where it differs from row to row."""
        return ()

    def layout(self) -> dict[str, PartLayout]:
        """The arrays this column is encoded to as an input, by part name."""
        raise NotImplementedError

    def encode(self, values: pa.Array, rows: np.ndarray, counts: Counts | None = None) -> dict[str, np.ndarray]:
        """The values as an input, by part name, first axis rows; adds what was missing or unknown to `counts`."""
        raise NotImplementedError

    def typical(self) -> Any:
        """The usual value in training, as a column has it; None for nothing."""
        return None

    def sizes(self) -> list[int]:
        """The vocabulary size as an input, unknown and padding included, or an empty list."""
        return []

    def extras(self) -> dict[str, Any]:
        """What encoders may know beyond shapes and sizes."""
        return {}

    def notes(self) -> list[str]:
        """What a reader should know of how the column was fitted, such as an order of day and month that was assumed."""
        return []

    def known_values(self) -> list[str]:
        """The values of training that new ones are compared with, as text; none where values are not compared."""
        return []

    def meet(self, others: Mapping[str, Feature], inputs: Sequence[str]) -> None:
        """Take what it must know of the other columns, once all are fitted or read back; nothing for most."""

    # targets

    def check_target(self) -> None:
        """Raises DataError when the fitted column cannot be a target: no values, or always the same one."""
        if self.fitted_rows <= self.missing_in_training:
            raise DataError(f"target '{self.name}' has no value in the training rows", fix="choose another target, or other rows")

    def target_layout(self) -> PartLayout:
        """The array this column is encoded to as a target."""
        raise NotImplementedError

    def target_spec(self) -> TargetSpec:
        """What a model must know to predict this column."""
        raise NotImplementedError

    def encode_target(self, values: pa.Array, rows: np.ndarray, counts: Counts | None = None) -> np.ndarray:
        """The values as a target, first axis rows."""
        raise NotImplementedError

    def decode(self, outputs: dict[str, np.ndarray]) -> dict[str, pa.Array]:
        """Prediction columns from `outputs["scores"]`: probabilities (n, classes), or values in original units (n,) or (n, width)."""
        raise NotImplementedError


def refuse_other_type(column: str, key: str, value: Any, fresh: Any) -> None:
    """Raise RunError for a value of a fitted state that is of another type than that of a column that saw nothing yet."""
    kind = (int, float) if isinstance(fresh, float) else type(fresh)
    fits = fresh is None or (isinstance(value, kind) and isinstance(value, bool) == isinstance(fresh, bool))
    if fits and key in TEXTS and isinstance(value, list):
        fits = all(isinstance(each, str) for each in value)
    if not fits:
        why = f"it is {type(value).__name__}: the file was changed after it was written"
        raise RunError(f"the fitted state of column '{column}' has no usable '{key}'", why=why, fix="restore it from a copy")


def one_array(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """A chunked column as one array, without a copy where it has one chunk."""
    if isinstance(values, pa.ChunkedArray):
        values = values.chunk(0) if values.num_chunks == 1 else values.combine_chunks()
    if isinstance(values, pa.ExtensionArray):
        values = values.storage
    return values.chunk(0) if isinstance(values, pa.ChunkedArray) else values


def nulls(values: pa.Array) -> np.ndarray | None:
    """Which values are null or NaN, or None when none is."""
    if pa.types.is_floating(values.type):
        mask = np.isnan(values.to_numpy(zero_copy_only=False))
        return mask if mask.any() else None
    if values.null_count == 0 and not pa.types.is_dictionary(values.type):
        return None
    mask = pc.is_null(values).to_numpy(zero_copy_only=False)
    return mask if mask.any() else None


def plain_place(row: int) -> str:
    """`row 5`: row number 4 as a person counts."""
    return f"row {row + 1}"


Place = Callable[[int], str]


def row_list(rows: np.ndarray, place: Place, values: Iterable[Any] | None = None, limit: int = 5, quoted: bool = True) -> str:
    """Rows for a message, with their values if given: `row 5 'abc', row 9 'x' and 3 more`."""
    numbers = [place(int(row)) for row in rows[:limit]]
    if values is not None:
        numbers = [f"{number} {value!r}" if quoted else f"{number} {value}" for number, value in zip(numbers, values, strict=False)]
    more = f" and {len(rows) - limit} more" if len(rows) > limit else ""
    return ", ".join(numbers) + more
