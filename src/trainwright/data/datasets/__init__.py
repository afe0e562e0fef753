"""Data for systems of one's own: their options, the table of parts, and what a class or function by path may give. Imports no torch."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from trainwright.config.choice import choice
from trainwright.config.model import PartConfig
from trainwright.config.registry import Part, as_asked, build
from trainwright.data.cache import CachedData
from trainwright.data.config import DataConfig
from trainwright.data.datasets.splits import in_splits, spec_of, splits_of
from trainwright.data.transforms import OfData, extend_options

MEMORY_LIMIT = 4 << 30
"""Bytes above which a table is read in pieces."""


OF_TABLES = "runs of a table have it: trainwright train DATA --target NAME; here"
INSTEAD = {
    "sampling": f"{OF_TABLES}, give a DataLoader of your own with a sampler such as torch's WeightedRandomSampler",
    "where": f"{OF_TABLES}, leave rows out in a data class of your own",
    "derive": f"{OF_TABLES}, make columns in a data class of your own",
    "window": f"{OF_TABLES}, give each window an index of its own in a data class of your own",
}
"""What a table's `data` has and data for a system of one's own do not → what to do instead."""


class DatasetOptions(CachedData, OfData):
    """What the data for systems of one's own have in common."""

    of_others: ClassVar[dict[str, str]] = INSTEAD


class TensorsOptions(DatasetOptions):
    """Tensors in a file: `.safetensors` or `.npz`, the first dimension of each the row."""

    type: str = "tensors"
    train: str
    """The file with the training rows."""
    validation: str | None = None
    """The file with the validation rows."""
    test: str | None = None
    """The file with the test rows."""
    predict: str | None = None
    """The file with rows to predict, which need no target."""
    inputs: list[str] = []
    """Names of the tensors that go into the model, as `input` (or `input.0`, `input.1`, …); without any, all keep their names."""
    target: str | None = None
    """Name of the tensor to predict, as `target`; the inputs are all others unless given."""
    split: choice("split") | None = None  # type: ignore[valid-type]
    """How the training file is divided where no validation or test file is given; default: at random."""

    @model_validator(mode="after")
    def _one_way_to_divide(self) -> Self:
        if self.split is not None and (self.validation or self.test):
            raise ValueError("split divides the training file, so it excludes validation and test files")
        return self


class TableOptions(DatasetOptions):
    """A table as one matrix: numbers standardised, categories one-hot, both fitted on the training rows only."""

    type: str = "table"
    path: str
    """A file, a pattern, or `builtin:NAME`."""
    target: str | None = None
    """The column to predict."""
    features: list[str] = []
    """The columns that make `input` (float32, rows × width); default: all but the target."""
    target_is: Literal["auto", "class", "number"] = "auto"
    """`class`: int64 numbers of classes; `number`: float32; `auto`: a class where the column holds text, yes/no or whole numbers."""
    split: choice("split") = Field(default="auto", validate_default=True)  # type: ignore[valid-type]
    """How the rows are divided."""


class TextOptions(DatasetOptions):
    """Text as windows: `input` (int64, t) and as `target` the symbol after each (int64, t); the vocabulary is that of the training part."""

    type: str = "text"
    path: str
    """A text file in UTF-8."""
    context: int = Field(default=64, ge=1)
    """Length t of a window."""
    level: Literal["char"] = "char"
    """What a symbol is: a character."""
    stride: int | None = Field(default=None, ge=1)
    """How far apart windows begin; default: `context`, so that none overlap."""
    validation: float = Field(default=0.1, ge=0, lt=1)
    """Share of the text for validation: it follows the training part."""
    test: float = Field(default=0.0, ge=0, lt=1)
    """Share of the text for test, at its end."""

    @model_validator(mode="after")
    def _something_to_train_on(self) -> Self:
        if self.validation + self.test >= 1:
            raise ValueError("validation and test leave nothing to train on")
        return self


PARTS: dict[str, Part] = {
    "tensors": Part("trainwright.data.datasets.tensors:TensorsDataset", TensorsOptions, "tensors in .safetensors or .npz files"),
    "table": Part("trainwright.domains.tables.matrix:TableDataset", TableOptions, "a table as one standardised matrix and a target"),
    "text": Part("trainwright.data.datasets.text:TextDataset", TextOptions, "windows of a text, and the character after each position"),
    "columns": Part("trainwright.data.config:DataConfig", DataConfig, "rows of a source as columns with types, for the supervised system"),
}
"""Registry name → dataset."""


class MadeData(NamedTuple):
    """What a dataset part gave: data by split, as `rows_from` takes them, and facts that a system may be built from (JSON)."""

    splits: dict[str, Any]
    spec: dict[str, Any]


def make_data(options: PartConfig, *, seed: int = 0, memory_limit: int = MEMORY_LIMIT, where: str = "data") -> MadeData:
    """The data that `options` describe. Raises DataError when they cannot be read or are in no form known."""
    options = as_asked(options)
    context = {"seed": seed, "memory_limit": memory_limit}
    given = {*options.model_fields_set, *(options.model_extra or {})}
    made = build("dataset", options, **{name: value for name, value in context.items() if name not in given})
    return MadeData(splits_of(made, where), spec_of(made))


def cached_as(options: PartConfig | None) -> CachedData | None:
    """How samples of data of one's own are kept; None where a class takes `cache` by itself."""
    return options if isinstance(options, CachedData) else None


def chain_of(options: PartConfig | None) -> list[PartConfig]:
    """The transforms of data of one's own; none where a class takes `transform` by itself."""
    return list(options.transform) if isinstance(options, OfData) else []


__all__ = [
    "PARTS",
    "MadeData",
    "TableOptions",
    "TensorsOptions",
    "TextOptions",
    "cached_as",
    "chain_of",
    "extend_options",
    "in_splits",
    "make_data",
    "spec_of",
    "splits_of",
]
