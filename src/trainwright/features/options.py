"""The options of every column type; no part of the training path but pydantic is imported here."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from trainwright.config.choice import choice
from trainwright.config.class_weights import check_class_weights
from trainwright.config.errors import ConfigError
from trainwright.config.model import ConfigModel, PartConfig, as_refusal, refusal
from trainwright.config.registry import check_target
from trainwright.data.transforms import Transforms, ensure_column_chain


class FeatureConfig(PartConfig):
    """What is set for one column, whatever its type."""

    missing: Literal["auto", "error", "drop", "constant", "mean", "median", "mode", "indicator"] = "auto"
    """What happens to missing values; `auto` suits the type, and drops rows whose target is missing."""
    fill: float | str | list[float] | list[str] | None = None
    """The value that replaces missing ones when `missing: constant`; of vectors a number or a list of them, of columns of words a list."""
    encoder: choice("encoder") | None = None  # type: ignore[valid-type]
    """The encoder of this column as an input; default: the model's encoder for the type."""


class TargetConfig(FeatureConfig):
    """Options of the column types that can be predicted."""

    decoder: choice("decoder") | None = None  # type: ignore[valid-type]
    """The decoder of this column as a target."""
    loss: choice("loss") | None = None  # type: ignore[valid-type]
    """The loss of this column as a target; default: the usual one for the type."""
    metrics: list[choice("metric")] = []  # type: ignore[valid-type]
    """Metrics of this column as a target; default: the usual ones for the type."""
    weight: float = Field(default=1.0, ge=0)
    """The share of this target's loss in the total."""

    @field_validator("loss", mode="before")
    @classmethod
    def _without_reduction(cls, value: Any) -> Any:
        """torch's `reduction: none` is what a column's loss does in any case."""
        if isinstance(value, dict) and value.get("reduction", "") in ("none", None):
            return {key: each for key, each in value.items() if key != "reduction"}
        return value

    @field_validator("loss", "metrics")
    @classmethod
    def _fits_the_type(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuses losses and metrics that are for other types of target, before any data are read."""
        kind = {"loss": "loss", "metrics": "metric"}[str(info.field_name)]
        for each in value if isinstance(value, list) else [value]:
            try:
                if each is not None:
                    check_target(kind, each, str(info.data.get("type")))
            except ConfigError as error:
                raise as_refusal(error) from error
        return value


def parse_weights(given: Any) -> Any:
    """Class weights as they were given; raises ConfigError for any that is no number of 0 or more, and when all are 0."""
    if given in ("none", "auto", "balanced"):
        return "auto" if given == "balanced" else given
    if not isinstance(given, dict | list | tuple) or not given:
        what = f"{given!r} gives no weights" if isinstance(given, dict | list | tuple) else f"{given!r} is no choice of weights"
        raise ConfigError(what, fix="write none, auto, {a class: its weight, …}, or a list with a weight for each class")
    check_class_weights(given)
    return {str(name): weight for name, weight in given.items()} if isinstance(given, dict) else list(given)


Weight = Annotated[float, Field(ge=0)]
ClassWeights = Annotated[Literal["none", "auto"] | dict[str, Weight] | list[Weight], BeforeValidator(refusal(parse_weights))]


class ClassConfig(TargetConfig):
    """Options of targets with classes; `class_weight`, as losses have it, is understood too."""

    other_words: ClassVar[dict[str, str]] = {"class_weight": "class_weights"}

    class_weights: ClassWeights = "none"
    """`auto` weighs classes by inverse frequency in training; or weights by class name, or in class order: 0 or more, and not all 0."""
    join: list[Literal["blanks", "case", "unicode"]] = []
    """Spellings that are one value: those that differ in blanks, in case, or in Unicode form; the most frequent one names it."""


class AutoOptions(FeatureConfig):
    """A column whose type is inferred from the data; the options of that type may be set, and are checked once it is known."""

    model_config = ConfigDict(extra="allow")
    keeps_places: ClassVar[bool] = True

    type: str = "auto"


class NumberOptions(TargetConfig):
    """A measured quantity."""

    type: str = "number"
    missing: Literal["auto", "error", "drop", "constant", "mean", "median", "mode", "indicator"] = "auto"
    """`auto` and `indicator` fill with the median and tell the model; `auto` only where training rows have missing values."""
    scale: Literal["auto", "standard", "minmax", "quantile", "log", "robust", "none"] = "auto"
    """How an input is scaled; `auto` takes `quantile` for heavily skewed or heavy-tailed columns and `standard` otherwise."""
    output: Literal["normal", "uniform"] = "normal"
    """The distribution that `scale: quantile` maps to."""
    transform: Literal["auto", "none", "log"] = "auto"
    """Applied to a target before it is standardised; `auto` takes `log` (log(1 + y)) when that removes a heavy skew."""
    infinity: Literal["error", "missing"] = "error"
    """Whether an infinite value stops with an error or counts as missing."""
    invalid: Literal["error", "missing"] = "error"
    """Whether text that is not a number stops with an error or counts as missing."""
    thousands: Literal["auto", "none", "comma", "point", "blank", "apostrophe"] = "auto"
    """What stands between thousands where numbers are text: `1,234`, `1.234`; `auto`: found where only one reading is possible."""
    decimal: Literal["auto", "point", "comma"] = "auto"
    """The decimal mark where numbers are text; `auto`: found with the thousands. Currencies, % and parentheses are read with either."""

    @model_validator(mode="after")
    def _marks_differ(self) -> Self:
        if self.thousands == self.decimal != "auto":
            raise ValueError(f"{self.thousands} cannot be both the decimal mark and between thousands; name one of them")
        return self


class BinaryOptions(ClassConfig):
    """A column with two values."""

    type: str = "binary"
    missing: Literal["auto", "error", "drop", "constant", "mode", "indicator"] = "auto"
    """`auto` and `indicator` put missing values halfway and tell the model; `auto` only where training rows have missing values."""
    positive: str | None = None
    """The value that counts as positive; default: true, yes, 1, …, or the later in alphabetical order."""
    threshold: Annotated[float, Field(ge=0, le=1)] | Literal["tuned"] = 0.5
    """The probability from which a row is called positive, 0 to 1; `tuned` chooses it on the validation rows."""


class CategoryOptions(ClassConfig):
    """A column with a limited number of values."""

    type: str = "category"
    missing: Literal["auto", "error", "drop", "constant", "mode", "indicator"] = "auto"
    """`auto` makes missing values a category of their own where training rows have them; `indicator` always does."""
    min_count: int = Field(default=2, ge=1)
    """Input values seen in fewer training rows are `rare` and share the index of unknown values."""
    max_categories: int = Field(default=10_000, ge=1)
    """At most this many input values are kept, the most frequent ones; the others are `rare`."""
    unseen: Literal["error", "drop"] = "error"
    """What happens to rows whose target class is in no training row."""


class SetOptions(ClassConfig):
    """Several labels per row: text with a delimiter, or lists."""

    type: str = "set"
    missing: Literal["auto", "error", "drop", "constant", "indicator"] = "auto"
    """`auto` takes missing as the empty set and tells the model where training rows have missing values."""
    delimiter: str | None = None
    """Between labels in text; default: the first of `|`, `;`, `,`, tab and space that the column uses."""
    min_count: int = Field(default=1, ge=1)
    """Labels in fewer training rows are unknown."""
    max_labels: int = Field(default=1_000, ge=1)
    """At most this many labels are kept, the most frequent ones."""


class BagOptions(FeatureConfig):
    """Counts of tokens per row: text with a delimiter, or lists."""

    type: str = "bag"
    missing: Literal["auto", "error", "drop", "constant", "indicator"] = "auto"
    """`auto` takes missing as the empty bag and tells the model where training rows have missing values."""
    delimiter: str | None = None
    """Between tokens in text; default: the first of `|`, `;`, `,`, tab and space that the column uses."""
    min_count: int = Field(default=1, ge=1)
    """Tokens in fewer training rows are unknown."""
    max_tokens: int = Field(default=1_000, ge=1)
    """At most this many tokens are kept, the most frequent ones."""


class VectorOptions(TargetConfig):
    """A fixed number of numbers per row: lists, or text such as `1 2 3`."""

    type: str = "vector"
    missing: Literal["auto", "error", "drop", "constant", "mean", "indicator"] = "auto"
    """`auto` fills with the mean vector and tells the model where training rows have missing values."""
    scale: Literal["auto", "standard", "minmax", "none"] = "auto"
    """How each component is scaled; `auto` is `standard`."""
    infinity: Literal["error", "missing"] = "error"
    """Whether an infinite value stops with an error or counts as missing."""


class SequenceOptions(FeatureConfig):
    """Ordered tokens: text with a delimiter, or lists."""

    type: str = "sequence"
    missing: Literal["auto", "error", "drop", "constant"] = "auto"
    """`auto` takes missing as the empty sequence."""
    delimiter: str | None = None
    """Between tokens in text; default: the first of `|`, `;`, `,`, tab and space that the column uses."""
    min_count: int = Field(default=1, ge=1)
    """Tokens in fewer training rows are unknown."""
    max_tokens: int = Field(default=20_000, ge=1)
    """At most this many tokens are kept, the most frequent ones."""
    max_length: int = Field(default=256, ge=1)
    """Longer sequences are cut."""
    keep: Literal["first", "last"] = "first"
    """Which end of a long sequence is kept."""


class TextOptions(FeatureConfig):
    """Free text, split by a tokenizer that is fitted on the training rows."""

    type: str = "text"
    missing: Literal["auto", "error", "drop", "constant"] = "auto"
    """`auto` takes missing as the empty text."""
    tokenizer: Literal["word", "character", "bpe"] = "word"
    """Words and punctuation, single characters, or byte pairs."""
    lowercase: bool = True
    """Ignore case."""
    vocabulary: int = Field(default=8_000, ge=2)
    """At most this many tokens, padding and unknown included (byte pairs: at least 258)."""
    min_count: int = Field(default=1, ge=1)
    """Tokens seen less often in training are unknown."""
    max_length: int = Field(default=256, ge=1)
    """Longer texts are cut after this many tokens."""


class DateOptions(FeatureConfig):
    """Dates and times, as text or timestamps."""

    type: str = "date"
    missing: Literal["auto", "error", "drop", "constant", "indicator"] = "auto"
    """`auto` sets all components to 0 and tells the model."""
    format: str | None = None
    """As in strptime (`%d.%m.%Y`), or `epoch` (seconds) or `epoch_ms`; default: found from the training rows."""
    order: Literal["auto", "day_first", "month_first"] = "auto"
    """How `05/03/2020` is read; `auto`: as the training rows that can be read one way only say, else month first, which is stated."""
    invalid: Literal["error", "missing"] = "error"
    """Whether text that is no date stops with an error or counts as missing."""
    timezone: str | None = None
    """Times with a zone are converted to this one (`Europe/Paris`); default: times with a zone are read in UTC."""
    components: list[Literal["year", "month", "day", "weekday", "hour"]] | None = None
    """Parts of the date; default: all, `hour` only where a training row has a time of day."""


class TimeseriesOptions(FeatureConfig):
    """A list of numbers of any length, in order."""

    type: str = "timeseries"
    missing: Literal["auto", "error", "drop", "constant"] = "auto"
    """`auto` takes missing as the empty series."""
    max_length: int = Field(default=1_024, ge=1)
    """Longer series are cut."""
    keep: Literal["first", "last"] = "last"
    """Which end of a long series is kept."""
    scale: Literal["auto", "standard", "none"] = "auto"
    """`auto` is `standard`: mean and deviation over all values of the training rows."""
    infinity: Literal["error", "missing"] = "error"
    """Whether an infinite value stops with an error or counts as missing."""


class BucketConfig(ConfigModel):
    """Which rows make a batch together, so that little of it is padding."""

    by: Literal["length"] = "length"
    """The length of a row's array."""
    width: int = Field(ge=1)
    """Lengths of a bucket: with 100 those from 0 to 99, from 100 to 199, and so on."""


class FileOptions(TargetConfig):
    """Paths of `.npy` files, relative to the table; each is read when its row is needed. As a target: a class at every position."""

    type: str = "file"
    missing: Literal["auto", "error", "drop", "indicator"] = "auto"
    """`auto` takes a missing path as the mean, or as an empty sequence, and tells the model where training rows have missing values."""
    unreadable: Literal["error", "skip", "repair"] = "error"
    """Files that cannot be read: stop with an `error`, `skip` their rows, or `repair` them as if the path were missing."""
    shape: list[Annotated[int, Field(ge=0)] | None] | None = None
    """Shape of each array; null for what differs. Default: found in a sample of the training rows."""
    transform: Transforms = []
    """What is done with each array, in order: where it is read, and then, with `runs_on: device`, with whole batches of them."""
    scale: Literal["auto", "standard", "none"] = "auto"
    """`auto` is `standard`: mean and deviation over all numbers of a sample of the training rows, after the transforms."""
    mean: float | None = None
    """What is taken away instead of the mean that was found; needs `std`."""
    std: Annotated[float, Field(gt=0)] | None = None
    """What is divided by instead of the deviation that was found; needs `mean`."""
    classes: Annotated[int, Field(ge=2)] | Annotated[list[str], Field(min_length=2)] | None = None
    """As a target: how many classes there are, or their names; default: as many as a sample of the training rows shows."""
    draws_as: str = ""
    """The column whose random draws this one repeats: a mask is then cut at the place of its picture, under the same transforms."""
    pad: Literal["batch"] | Annotated[int, Field(ge=1)] = "batch"
    """Where arrays differ in length: filled with zeros up to the longest of the batch, or up to this length."""
    bucket: BucketConfig | None = None
    """Where arrays differ in length: training batches of rows of like length, `{by: length, width: 100}`; the order stays random."""

    @field_validator("transform")
    @classmethod
    def _follow_each_other(cls, value: Any) -> Any:
        refusal(ensure_column_chain)(value)
        return value

    @model_validator(mode="after")
    def _mean_and_std_go_together(self) -> Self:
        if (self.mean is None) != (self.std is None) or (self.mean is not None and self.scale == "none"):
            raise ValueError("mean and std are given together, and scale is then not none")
        return self

    @model_validator(mode="after")
    def _buckets_have_an_effect(self) -> Self:
        if self.bucket is not None and self.pad != "batch":
            raise ValueError(f"bucket has no effect with pad: {self.pad}, which fills up every batch alike; leave one of them out")
        return self


class IgnoreOptions(FeatureConfig):
    """A column that is left out."""

    type: str = "ignore"
    missing: Literal["auto"] = "auto"
    """A column that is left out may hold anything."""
