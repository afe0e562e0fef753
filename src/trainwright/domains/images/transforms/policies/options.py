"""What policies are told. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, PositiveInt, field_validator, model_validator

from trainwright.config.errors import ConfigError
from trainwright.config.model import refusal
from trainwright.domains.images.transforms.options import PictureTransformConfig
from trainwright.domains.images.transforms.policies.strings import SEARCHED, parse_auto, parse_mix, parse_rand

Level = Annotated[int, Field(ge=0, le=255)]
Probability = Annotated[float, Field(ge=0, le=1)]
MEANS = (124, 116, 104)
"""255 times the means of ImageNet, rounded: what timm's train.py fills edges with."""


class PolicyConfig(PictureTransformConfig):
    """What is set for a policy, whichever it is."""

    type: str
    fill: Level | list[Level] | Literal["auto"] = "auto"
    """What comes in at the edges, of each channel; `auto`: 124, 116, 104 for policies of timm, which are its, and 0 for torchvision's."""
    interpolation: Literal["auto", "random", "nearest", "bilinear", "bicubic"] = "auto"
    """How pixels are moved; `random`: bilinear or bicubic; `auto`: what the library does whose policy it is."""
    applies_in: Literal["train"] = "train"
    """Training rows alone."""
    runs_on: Literal["worker"] = "worker"
    """Each picture where it is read."""

    @property
    def of_timm(self) -> bool:
        """Whether the policy is written as timm's are."""
        return False

    @property
    def edges(self) -> int | tuple[int, ...]:
        """What comes in at the edges."""
        if self.fill == "auto":
            return MEANS if self.of_timm else 0
        return self.fill if isinstance(self.fill, int) else tuple(self.fill)

    @property
    def resample(self) -> str:
        """How pixels are moved."""
        if self.interpolation != "auto":
            return self.interpolation
        return "random" if self.of_timm else "nearest"

    @field_validator("fill")
    @classmethod
    def _is_of_channels(cls, value: Any) -> Any:
        if isinstance(value, list) and len(value) not in (1, 3):
            refusal(_refuse_levels)(value)
        return value


def _refuse_levels(levels: list[int]) -> None:
    raise ConfigError(f"fill has {len(levels)} levels", why="a picture is gray or RGB", fix="give 1 or 3 levels: fill: [124, 116, 104]")


def _ensure_one(options: PolicyConfig, numbers: set[str]) -> None:
    """Raise ConfigError where a string of timm's stands beside numbers of torchvision's."""
    fields = type(options).model_fields
    given = sorted(name for name in options.model_fields_set & numbers if getattr(options, name) != fields[name].default)
    if options.of_timm and given:
        what = f"timm's policy '{getattr(options, 'policy', '')}' stands beside {' and '.join(given)}, which torchvision's has"
        raise ConfigError(what, why="the string says all of it", fix=f"leave {' and '.join(given)} out, or the policy")


class RandAugmentOptions(PolicyConfig):
    """A few operations drawn at random (Cubuk et al. 2020), with the magnitudes of timm's string or of torchvision's bins."""

    type: str = "rand_augment"
    main: ClassVar[str] = "policy"
    policy: str = ""
    """timm's string, `rand-m9-n2-mstd0.5-inc1`; without one torchvision's numbers below hold, whose 9 is far weaker than timm's."""
    num_ops: PositiveInt = 2
    """torchvision's: how many operations, one after the other."""
    magnitude: Annotated[int, Field(ge=0)] = 9
    """torchvision's: which of the bins; the last one is the strongest."""
    num_magnitude_bins: Annotated[int, Field(ge=2)] = 31
    """torchvision's: how many bins."""

    @property
    def of_timm(self) -> bool:
        return bool(self.policy)

    @field_validator("policy")
    @classmethod
    def _is_read(cls, value: str) -> str:
        if value:
            refusal(parse_rand)(value)
        return value

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        refusal(_ensure_bins)(self)
        return self


def _ensure_bins(options: RandAugmentOptions) -> None:
    _ensure_one(options, {"num_ops", "magnitude", "num_magnitude_bins"})
    bins = options.num_magnitude_bins
    if options.magnitude >= bins:
        what, fix = (
            f"magnitude {options.magnitude} is none of {bins} bins",
            f"write {bins - 1} for the strongest",
        )
        raise ConfigError(what, why=f"they are counted from 0 to {bins - 1}", fix=fix)


class AutoAugmentOptions(PolicyConfig):
    """One of some twenty pairs of operations that were searched for (Cubuk et al. 2019)."""

    type: str = "auto_augment"
    main: ClassVar[str] = "policy"
    policy: str = "imagenet"
    """timm's original, originalr, v0, v0r or 3a, which may end in -mstd0.5, or torchvision's imagenet, cifar10 or svhn."""

    @property
    def of_timm(self) -> bool:
        return self.policy.split("-")[0] in SEARCHED

    @field_validator("policy")
    @classmethod
    def _is_read(cls, value: str) -> str:
        refusal(parse_auto)(value)
        return value


class ThreeAugmentOptions(PolicyConfig):
    """Solarised, gray, or blurred, one of the three for each picture (Touvron et al. 2022, DeiT-III); timm's policy `3a`."""

    type: str = "three_augment"

    @property
    def of_timm(self) -> bool:
        return True


class TrivialAugmentOptions(PolicyConfig):
    """One operation at a strength that is drawn (Müller and Hutter 2021): torchvision's TrivialAugmentWide."""

    type: str = "trivial_augment"
    num_magnitude_bins: Annotated[int, Field(ge=2)] = 31
    """How many strengths there are."""


class AugmixOptions(PolicyConfig):
    """Chains of operations mixed with each other and with the picture (Hendrycks et al. 2020); a mask or boxes stay the picture's own."""

    type: str = "augmix"
    main: ClassVar[str] = "policy"
    policy: str = ""
    """timm's string, `augmix-m5-w4-d2`; without one torchvision's numbers below hold."""
    severity: Annotated[int, Field(ge=1, le=10)] = 3
    """torchvision's: magnitudes are drawn from so many of ten bins, from the weakest on."""
    mixture_width: PositiveInt = 3
    """torchvision's: how many chains."""
    chain_depth: Annotated[int, Field(ge=-1)] = -1
    """torchvision's: operations of a chain; -1: 1 to 3, drawn for each."""
    alpha: Annotated[float, Field(gt=0)] = 1.0
    """torchvision's: of the distributions of the weights of chains, and of their share."""
    all_ops: bool = True
    """torchvision's: whether brightness, color, contrast and sharpness are among the operations."""

    @property
    def of_timm(self) -> bool:
        return bool(self.policy)

    @property
    def resample(self) -> str:
        return "bilinear" if self.interpolation == "auto" and not self.policy else super().resample

    @field_validator("policy")
    @classmethod
    def _is_read(cls, value: str) -> str:
        if value:
            refusal(parse_mix)(value)
        return value

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        refusal(_ensure_chains)(self)
        return self


def _ensure_chains(options: AugmixOptions) -> None:
    _ensure_one(options, {"severity", "mixture_width", "chain_depth", "alpha", "all_ops"})
    if not options.chain_depth:
        raise ConfigError("a chain of 0 operations leaves pictures as they are", fix="write chain_depth: -1 for 1 to 3, or 1 and more")


class AutoAugmentationOptions(PolicyConfig):
    """A policy with the numbers of torchvision, by Ludwig's name for it."""

    type: str = "auto_augmentation"
    main: ClassVar[str] = "method"
    method: Literal["trivial_augment", "auto_augment", "rand_augment"] = "trivial_augment"
    """Which: one operation of any strength, a pair that was searched for (imagenet), or two operations at magnitude 9 of 31."""
