"""How rows are divided into training, validation and test: the options and the table of parts."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field, field_validator, model_validator

from trainwright.config.choice import choice
from trainwright.config.model import PartConfig
from trainwright.config.registry import Part

VALIDATION, TEST = 0.15, 0.15
"""Default shares. In a few hundred rows, less validation picks the best epoch by luck, and less training costs more than it gains."""


class FractionOptions(PartConfig):
    """Shares of the rows."""

    validation: float = Field(default=VALIDATION, ge=0, lt=1)
    """Share of the rows that pick the best epoch."""
    test: float = Field(default=TEST, ge=0, lt=1)
    """Share of the rows that measure the result, once, at the end."""
    train: float | None = Field(default=None, gt=0, le=1)
    """Share of the rows that are learned from; default: all others."""

    @model_validator(mode="after")
    def _shares_make_one(self) -> FractionOptions:
        train = 1 - self.validation - self.test if self.train is None else self.train
        if train <= 0 or abs(train + self.validation + self.test - 1) > 1e-6:
            raise ValueError(
                f"train, validation and test make {train + self.validation + self.test:g}, not 1, or leave nothing to train on"
            )
        return self

    @property
    def shares(self) -> tuple[float, float, float]:
        """Training, validation and test, making 1."""
        return 1 - self.validation - self.test, self.validation, self.test


class DrawnOptions(FractionOptions):
    """Shares of rows that are drawn."""

    seed: int | None = Field(default=None, ge=0)
    """Seed of the split alone: runs of other seeds then have the same test rows; default: the run's."""


class AutoOptions(DrawnOptions):
    """Stratified when classes are predicted and have rows enough, else random."""

    type: str = "auto"


class RandomOptions(DrawnOptions):
    """Rows at random."""

    type: str = "random"


class StratifiedOptions(DrawnOptions):
    """Rows at random, with each class (or each tenth of a number) in every split in the same proportion."""

    type: str = "stratified"
    columns: list[str] = []
    """Columns whose values are spread evenly; default: the targets."""


class GroupedOptions(DrawnOptions):
    """Rows at random, with rows of the same group never in two splits."""

    other_words: ClassVar[dict[str, str]] = {"by": "column"}

    type: str = "grouped"
    column: str
    """The column that says which group a row belongs to, such as a patient."""
    columns: list[str] = []
    """Columns whose values are spread as evenly as whole groups allow; default: targets that are classes or label sets."""


class ColumnOptions(PartConfig):
    """A column says which split a row belongs to."""

    type: str = "column"
    column: str
    """Its name."""
    train: list[str | int | bool] = ["train", "training", 0]
    """Its values for training rows."""
    validation: list[str | int | bool] = ["validation", "valid", "val", "dev", 1]
    """Its values for validation rows."""
    test: list[str | int | bool] = ["test", "testing", 2]
    """Its values for test rows."""
    groups: str | None = None
    """A column, such as a patient: values of it whose rows are in two splits are refused."""
    share: float = Field(default=0, ge=0, lt=0.5)
    """Where no row is of validation: the share of the training rows that picks the best epoch instead."""


class TimeOptions(FractionOptions):
    """The earliest rows for training, the latest for test."""

    type: str = "time"
    column: str
    """The column with the time: dates, times or numbers."""


class FilesOptions(PartConfig):
    """Validation and test rows from files of their own."""

    type: str = "files"
    validation: choice("source") | None = None  # type: ignore[valid-type]
    """The file with validation rows; without one, a share of the training rows."""
    test: choice("source") | None = None  # type: ignore[valid-type]
    """The file with test rows; without one, a share of the training rows."""
    share: float = Field(default=VALIDATION, ge=0, lt=0.5)
    """Share of the training rows for the split that has no file; 0 leaves it out."""
    seed: int | None = Field(default=None, ge=0)
    """Seed by which that share is drawn; default: the run's."""

    @field_validator("validation", "test", mode="before")
    @classmethod
    def _a_path_is_a_source(cls, value: Any) -> Any:
        from trainwright.data.sources import from_text

        return from_text(value) if isinstance(value, str) else value


class KFoldOptions(PartConfig):
    """One of k folds is the test; the others are trained on, less a share (or a fold) for validation."""

    type: str = "kfold"
    folds: int = Field(default=5, ge=2)
    """Number of folds, made at random and stratified: by class, or by every label of a set (iterative stratification)."""
    fold: int | str = 0
    """Which fold is the test: its number from 0, or with `column` its value there."""
    column: str | None = None
    """A column that gives the fold of each row, instead of making folds."""
    groups: str | None = None
    """A column, such as a patient: rows of one value are never in two folds, nor in training and validation."""
    columns: list[str] = []
    """Columns whose values are in every fold alike; default: targets that are classes or label sets."""
    validation: float = Field(default=VALIDATION, ge=0, lt=1)
    """Share of the rows outside the test fold that pick the best epoch."""
    validation_fold: int | str | None = None
    """A fold that does that instead of a share: its number or value, or `next`, the one after the test fold."""
    seed: int | None = Field(default=None, ge=0)
    """Seed of the folds alone: runs of other seeds then have the same ones; default: the run's."""


PARTS: dict[str, Part] = {
    "auto": Part("trainwright.data.splits.auto:AutoSplit", AutoOptions, "stratified for classes, random for numbers"),
    "random": Part("trainwright.data.splits.random:RandomSplit", RandomOptions, "rows at random"),
    "stratified": Part(
        "trainwright.data.splits.stratified:StratifiedSplit", StratifiedOptions, "each class in the same proportion everywhere"
    ),
    "grouped": Part("trainwright.data.splits.grouped:GroupedSplit", GroupedOptions, "groups are never divided, classes and labels alike"),
    "column": Part("trainwright.data.splits.column:ColumnSplit", ColumnOptions, "a column says it"),
    "time": Part("trainwright.data.splits.time:TimeSplit", TimeOptions, "earliest rows train, latest rows test"),
    "files": Part("trainwright.data.splits.files:FilesSplit", FilesOptions, "validation and test files of their own"),
    "kfold": Part("trainwright.data.splits.kfold:KFoldSplit", KFoldOptions, "one of k folds is the test"),
}
"""Registry name → split."""


def split_columns(options: PartConfig) -> list[str]:
    """Columns that only say where a row belongs, and so are no inputs: those of `column`, `kfold` and `grouped` splits."""
    named = [getattr(options, each, None) for each in ("column", "groups")]
    return [each for each in named if each] if options.type in ("column", "kfold", "grouped") else []


__all__ = [
    "PARTS",
    "AutoOptions",
    "ColumnOptions",
    "FilesOptions",
    "FractionOptions",
    "GroupedOptions",
    "KFoldOptions",
    "RandomOptions",
    "StratifiedOptions",
    "TimeOptions",
    "split_columns",
]
