"""What transforms of whole batches of pictures are told. Imports no torch."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from trainwright.config.durations import Duration
from trainwright.config.errors import ConfigError
from trainwright.config.model import refusal
from trainwright.domains.images.transforms.options import PictureTransformConfig

Probability = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(gt=0, le=1)]
Pair = Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=2, max_length=2)]


class NormalizedConfig(PictureTransformConfig):
    """What is set for what is done with batches of pictures `(b, c, h, w)` after they are normalised."""

    type: str
    of_normalized: ClassVar[bool] = True
    applies_in: Literal["train"] = "train"
    """Training rows alone."""
    runs_on: Literal["device"] = "device"
    """The whole batch of a step, before it is cut into micro-batches."""


class RandomErasingOptions(NormalizedConfig):
    """Boxes of a picture replaced by zeros or noise, after normalising (Zhong et al. 2017), as timm and torchvision do it."""

    type: str = "random_erasing"
    main: ClassVar[str] = "p"
    other_words: ClassVar[dict[str, str]] = {"reprob": "p", "remode": "mode", "recount": "count"}
    p: Probability = 0.25
    """Of each picture, that anything of it is erased; timm's `--reprob`. torchvision has 0.5."""
    mode: Literal["const", "rand", "pixel"] = "pixel"
    """`value` everywhere, one normal colour for each box, or a normal number for each channel of each pixel; timm's `--remode`."""
    count: PositiveInt = 1
    """How many boxes at most; of several, 1 to so many are drawn, and share the area; timm's `--recount` draws none."""
    least_count: PositiveInt | None = None
    """How many boxes at least; default: `count`."""
    scale: Pair = [0.02, 1 / 3]
    """The area of the boxes, from this to that share of the picture. torchvision has 0.02 and 0.33."""
    ratio: Pair = [0.3, 1 / 0.3]
    """Height over width of a box, from this to that, on a logarithmic scale. torchvision has 0.3 and 3.3."""
    value: float | list[float] = 0.0
    """With `const`, what is put there, one number or one for each channel, of normalised values: 0 is the mean."""

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        refusal(_ensure_boxes)(self)
        return self


def _ensure_boxes(options: RandomErasingOptions) -> None:
    for name in ("scale", "ratio"):
        low, high = getattr(options, name)
        if low > high:
            raise ConfigError(
                f"{name} goes from {low:g} to {high:g}", why="the smaller one comes first", fix=f"{name}: [{high:g}, {low:g}]"
            )
    if options.scale[1] > 1:
        fix = "scale: [0.02, 0.33]"
        raise ConfigError(f"a box of {options.scale[1]:g} of the picture is larger than it", why="scale is a share of its area", fix=fix)
    if options.least_count is not None and options.least_count > options.count:
        raise ConfigError(f"least_count {options.least_count} is above count {options.count}", fix=f"count: {options.least_count}")
    if options.mode != "const" and options.value != 0.0:
        raise ConfigError(f"value is of mode const, and mode is {options.mode}", fix="write mode: const, or leave value out")


class CutoutOptions(NormalizedConfig):
    """Squares of a picture replaced by the mean (DeVries and Taylor 2017), their middles anywhere, cut off at the edges."""

    type: str = "cutout"
    main: ClassVar[str] = "size"
    size: PositiveInt
    """The side of a square in pixels: 16 for CIFAR-10, 8 for CIFAR-100."""
    count: PositiveInt = 1
    """How many squares."""
    p: Probability = 1.0
    """Of each picture, that anything of it is erased."""


class ProgressiveResizeOptions(NormalizedConfig):
    """Training pictures that are small at first and grow to full size (Howard 2018); evaluation always sees full size.

    One size grows in a straight line, as Composer has it; of `sizes` one is drawn for every step, the likeliest moving from first to last,
    as timm has it. The network must take pictures of any size.
    """

    type: str = "progressive_resize"
    main: ClassVar[str] = "initial_scale"
    other_sizes: ClassVar[bool] = True
    initial_scale: Share = 0.5
    """The side at the beginning, as a share of full size, at which pictures are evaluated."""
    final_scale: Share = 1.0
    """The side that is reached at `until` and kept; below 1 training never sees full size: 0.714 is 160 of 224, as RSB-A3."""
    until: Duration = Duration(0.8, "run")
    """When it is reached: `0.8 run`, `240 epochs`."""
    size_increment: PositiveInt = 4
    """Sides are multiples of this; full size is as it is."""
    sizes: Annotated[list[Share], Field(min_length=2)] | None = None
    """Shares of full size, from which one is drawn for each step."""
    spread: Annotated[float, Field(ge=0)] = 0.65
    """With `sizes`, how far draws lie about the size of the moment, in places of the list; 0: that size alone."""
    random_mix: Probability = 0.1
    """With `sizes`, the share of draws that may be any size."""

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        refusal(_ensure_sizes)(self)
        return self


def _ensure_sizes(options: ProgressiveResizeOptions) -> None:
    if options.sizes is not None and "initial_scale" in options.model_fields_set and options.initial_scale != options.sizes[0]:
        raise ConfigError(
            "sizes and initial_scale are both given", why="the first of sizes is where it begins", fix="leave initial_scale out"
        )
    if options.until.kind == "time":
        raise ConfigError(f"'{options.until}' is a time", why="what a batch is given follows from its number", fix="until: 0.8 run")


class AlternatingFlipOptions(PictureTransformConfig):
    """Flipped from left to right in every other epoch, from a start that is drawn for each picture once (Jordan 2024, airbench)."""

    type: str = "alternating_flip"
    applies_in: Literal["train"] = "train"
    """Training rows alone."""
    runs_on: Literal["worker"] = "worker"
    """Each picture where it is read."""
