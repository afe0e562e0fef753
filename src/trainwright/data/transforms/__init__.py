"""Transforms of samples and batches: their options, the table of parts, and the short forms in which they are written. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, PositiveInt, field_validator
from pydantic_core import CoreSchema

from trainwright.config.choice import choice
from trainwright.config.errors import ConfigError
from trainwright.config.foreign import found_at
from trainwright.config.model import PartConfig, refusal, with_options_of
from trainwright.config.registry import Part
from trainwright.config.registry import parts as registered
from trainwright.config.torch_names import NODES
from trainwright.data.cache import CachedData
from trainwright.data.transforms.config import TransformConfig
from trainwright.data.transforms.joining_options import CutmixOptions, JoiningOptions, MixOptions, MixupOptions

__all__ = ["CutmixOptions", "JoiningOptions", "MixOptions", "MixupOptions", "TransformConfig"]
"""Options that lie in files of their own and are had from here."""


class RandomCropOptions(TransformConfig):
    """A piece at a random place, another one in every epoch."""

    type: str = "random_crop"
    main: ClassVar[str] = "size"
    size: PositiveInt | list[PositiveInt]
    """How long the piece is, along the last dimension; of several sizes, along as many last dimensions."""
    dims: list[int] | None = None
    """The dimensions that are cut, one per size; default: the last ones."""
    padding: int = Field(default=0, ge=0)
    """Entries added at both ends of each cut dimension first: 4 for pictures of 32, as CIFAR-10 is trained on."""
    padding_mode: Literal["constant", "reflect", "edge"] = "constant"
    """What is added: `fill`, or what lies inside, mirrored or repeated."""
    fill: float | None = None
    """With `constant`, what is added; default: 0, and of masks, whose pixels are whole numbers of 64 bits, -100, which is no class."""
    applies_in: Literal["train", "always"] = "train"
    """`train`: training rows alone, so that a `center_crop` after it gives other rows the same shape; `always`: every row."""
    runs_on: Literal["worker"] = "worker"
    """Each sample is cut where it is read."""


class CenterCropOptions(TransformConfig):
    """The piece in the middle; where a number is left over, it is cut at the end."""

    type: str = "center_crop"
    main: ClassVar[str] = "size"
    still: ClassVar[bool] = True
    size: PositiveInt | list[PositiveInt]
    """How long the piece is, along the last dimension; of several sizes, along as many last dimensions."""
    dims: list[int] | None = None
    """The dimensions that are cut, one per size; default: the last ones."""
    runs_on: Literal["worker"] = "worker"
    """Each sample is cut where it is read."""


class NormalizeOptions(TransformConfig):
    """(x - mean) / std, by given numbers."""

    type: str = "normalize"
    still: ClassVar[bool] = True
    mean: float | list[float] = 0.0
    """What is taken away: one number, or one per entry of `dim`."""
    std: float | list[float] = 1.0
    """What is divided by: one number above 0, or one per entry of `dim`."""
    dim: int = 0
    """The dimension of lists of numbers, such as the channels."""


class PermuteOptions(TransformConfig):
    """The dimensions in another order."""

    type: str = "permute"
    main: ClassVar[str] = "dims"
    still: ClassVar[bool] = True
    dims: list[int]
    """Which dimension comes first, second, …: `[2, 0, 1]` puts the last one first."""


class CastOptions(TransformConfig):
    """The numbers in another type."""

    type: str = "cast"
    main: ClassVar[str] = "dtype"
    still: ClassVar[bool] = True
    dtype: Literal["float16", "bfloat16", "float32", "float64", "uint8", "int16", "int32", "int64", "bool"] = "float32"
    """Type of number of torch."""


class FunctionOptions(TransformConfig):
    """A function or class of one's own by path, or a function of torch by its dotted name."""

    type: str = "function"
    call: str
    """`./my.py:jitter`, `package.module:Class`, `torch.permute`; called with the sample or batch, and `generator` where it takes that."""
    arguments: dict[str, Any] = Field(default={})
    """What a function is given beside the sample, and what a class is made with."""

    @field_validator("call")
    @classmethod
    def _is_there(cls, name: str) -> str:
        """The path with a file made absolute; refuses what cannot be had, and what a received file may not name."""
        return str(refusal(_found_call)(name))


def _found_call(name: str) -> str:
    if not name.startswith("torch.") or ":" in name:
        return found_at(name)[1]
    if name not in NODES:
        fix = "name a function of torch that only computes (torch.permute), or your own: ./my.py:function"
        raise ConfigError(f"'{name}' is not a function of torch that transforms a tensor", fix=fix)
    return name


PARTS: dict[str, Part] = {
    "random_crop": Part("trainwright.data.transforms.crops:RandomCrop", RandomCropOptions, "a piece at a random place"),
    "center_crop": Part("trainwright.data.transforms.crops:CenterCrop", CenterCropOptions, "the piece in the middle"),
    "normalize": Part("trainwright.data.transforms.values:Normalize", NormalizeOptions, "(x - mean) / std, by given numbers"),
    "permute": Part("trainwright.data.transforms.values:Permute", PermuteOptions, "the dimensions in another order"),
    "cast": Part("trainwright.data.transforms.values:Cast", CastOptions, "the numbers in another type"),
    "mixup": Part("trainwright.data.transforms.mixup:Mixup", MixupOptions, "each row mixed with another one of its step"),
    "cutmix": Part("trainwright.data.transforms.cutmix:Cutmix", CutmixOptions, "a piece of each row replaced by that of another one"),
    "mix": Part("trainwright.data.transforms.mix:Mix", MixOptions, "mixup and cutmix in turn, as timm has them"),
    "function": Part("trainwright.data.transforms.function:Function", FunctionOptions, "a function of one's own by path, or of torch"),
}

OURS = ("applies_in", "runs_on", "of")
"""What is set beside the arguments of anybody's function."""


def applies_always(options: PartConfig) -> bool:
    """Whether a transform also applies where rows are evaluated and predicted."""
    return getattr(options, "applies_in", "always") == "always"


def on_device(options: PartConfig) -> bool:
    """Whether a transform is given whole batches."""
    return getattr(options, "runs_on", "worker") == "device"


def joins_rows(options: PartConfig) -> bool:
    """Whether a transform makes one row of several."""
    return getattr(options, "joins_rows", False)


def comes_first(options: PartConfig) -> bool:
    """Whether a transform of whole rows comes before those of their columns."""
    return getattr(options, "before_columns", False)


def show_transform(options: PartConfig) -> str:
    """What messages call a transform."""
    return str(getattr(options, "call", options.type))


def ensure_column_chain(chain: Sequence[PartConfig]) -> None:
    """Raise ConfigError for transforms that cannot follow each other on the values of one column."""
    ensure_no_parts(chain)
    ensure_order(chain)
    mixing = next((each for each in chain if joins_rows(each)), None)
    if mixing is not None:
        what = f"{show_transform(mixing)} mixes whole rows, inputs and targets together"
        raise ConfigError(what, fix=f"set it for the data: `data: {{transform: {show_transform(mixing)}}}`")


def ensure_order(chain: Sequence[PartConfig]) -> None:
    """Raise ConfigError for a transform of samples that stands after one of batches."""
    for before, after in pairwise(chain):
        if on_device(before) and not on_device(after):
            what = f"{show_transform(after)} runs in workers, but stands after {show_transform(before)}, which runs on the device"
            fix = f"put it before {show_transform(before)}, or set runs_on: device for it too"
            raise ConfigError(what, why="samples are read and transformed in workers before they are a batch", fix=fix)


def ensure_table_chain(chain: Sequence[PartConfig]) -> None:
    """Raise ConfigError for transforms that cannot be applied to the batches of a table."""
    ensure_no_parts(chain)
    for each in chain:
        name = show_transform(each)
        if not on_device(each):
            why = "a row of a table is encoded before it is trained on"
            fix = f"set it for a column of files: columns.NAME.transform; or add runs_on: device to give {name} whole batches"
            raise ConfigError(f"{name} runs in workers, on one sample", why=why, fix=fix)
        if applies_always(each):
            why = "what is done to rows that are predicted belongs to a column, with which it is kept"
            fix = f"add applies_in: train to {name}, or set it for a column: columns.NAME.transform"
            raise ConfigError(f"{name} always applies", why=why, fix=fix)
    ensure_mixed_once(chain)
    ensure_first(chain)


def ensure_first(chain: Sequence[PartConfig]) -> None:
    """Raise ConfigError for what is to come before the transforms of columns, and stands after another one."""
    for before, after in pairwise(chain):
        if comes_first(after) and not comes_first(before):
            what = f"{show_transform(after)} has before_columns, but stands after {show_transform(before)}"
            raise ConfigError(what, fix=f"put it before {show_transform(before)}")


def ensure_no_parts(chain: Sequence[PartConfig]) -> None:
    """Raise ConfigError for transforms that are to be given a part, where there are none to choose from."""
    for each in chain:
        fields = type(each).model_fields
        named = next((name for name in ("of", "classes", "target") if name in fields and getattr(each, name) != fields[name].default), None)
        if named is not None:
            why = "a column has one part, the blocks of a table come all together, and its classes are known"
            raise ConfigError(f"{show_transform(each)} has `{named}`, which is of data of one's own", why=why, fix="leave it out")


def ensure_mixed_once(chain: Sequence[PartConfig]) -> None:
    """Raise ConfigError where rows are mixed again that were mixed."""
    if sum(map(joins_rows, chain)) > 1:
        raise ConfigError("rows are mixed twice", why="a mixed row has two targets, not four", fix="keep one of the transforms that mix")


def write_out(given: Any) -> Any:
    """A list of transforms, each with its `type`: one alone, names, `{name: options}`, paths and torch's names written out."""
    return [_write_one(each) for each in (given if isinstance(given, list | tuple) else [given])]


def _write_one(given: Any) -> Any:
    if isinstance(given, str):
        given = {"type": given}
    if not isinstance(given, dict):
        return given
    if "type" not in given and len(given) == 1:
        ((name, options),) = given.items()
        given = {"type": name, **_options_of(str(name), options)}
    name = given.get("type")
    if isinstance(name, str) and (":" in name or "." in name):
        arguments = {key: value for key, value in given.items() if key not in ("type", *OURS)}
        return {"type": "function", "call": name, "arguments": arguments, **{key: given[key] for key in OURS if key in given}}
    return given


def _options_of(name: str, options: Any) -> dict[str, Any]:
    """The options of a transform that were written below its name."""
    if isinstance(options, dict):
        return options
    return {} if options is None else {_main_of(name): options}


def _main_of(name: str) -> str:
    """The option that a transform's value means where it is written alone."""
    table = registered("transform")
    found = next((part for each, part in table.items() if each.replace("-", "_") == name.replace("-", "_")), None)
    return getattr(found.config, "main", "value") if found is not None else "value"


def extend_options(options: type[PartConfig]) -> type[PartConfig]:
    """The options of a data class of one's own with `transform` and `cache`, unless it takes these, or anything, by itself."""
    return with_options_of(CachedData, with_options_of(OfData, options))


class ShortForms:
    """Tells editors of the short forms: one transform without a list, and a name with its options below it."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        below = {"type": "object", "minProperties": 1, "maxProperties": 1, "not": {"required": ["type"]}}
        one = {"anyOf": [{"x-part": "transform"}, below]}
        return {"anyOf": [{"type": "array", "items": one}, one]}


if TYPE_CHECKING:
    Transforms = list[PartConfig]
else:
    Transforms = Annotated[list[choice("transform")], BeforeValidator(write_out), ShortForms()]
    """The annotation of a field that takes one transform or a chain of them."""


def ensure_data_chain(chain: Sequence[PartConfig]) -> None:
    """Raise ConfigError for transforms that cannot follow each other on data of one's own."""
    ensure_order(chain)
    first = next((each for each in chain if comes_first(each)), None)
    if first is not None:
        why = "data of one's own have no columns, and transforms apply in the order they are written in"
        raise ConfigError(f"{show_transform(first)} has before_columns", why=why, fix="leave it out")
    ensure_mixed_once(chain)


class OfData(PartConfig):
    """What data of one's own have beside the arguments of their class."""

    transform: Transforms = []
    """What is done with each sample where it is read, and then, with `runs_on: device`, with whole batches: a transform or a list."""

    @field_validator("transform")
    @classmethod
    def _follow_each_other(cls, value: Any) -> Any:
        refusal(ensure_data_chain)(value)
        return value
