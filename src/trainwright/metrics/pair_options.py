"""Options of metrics that compare pictures, signals, or sets of them by features. Imports neither numpy nor torch."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

from pydantic import Field, field_validator

from trainwright.config.foreign import found_at, is_path
from trainwright.config.model import PartConfig, refusal
from trainwright.config.registry import registered_name


class RangeOptions(PartConfig):
    """In which range the true values lie."""

    data_range: float = Field(default=1.0, gt=0)
    """From the smallest to the largest value there can be: 1 for pictures in 0 … 1, 2 for −1 … 1, 255 for bytes."""
    low: float = 0.0
    """The smallest value there can be: −1 for pictures in −1 … 1."""


class SSIMOptions(RangeOptions):
    """Windows are Gaussian with a deviation of 1.5 pixels; K1 = 0.01, K2 = 0.03; each channel by itself, then their mean."""

    window: int = Field(default=11, ge=3, le=101)
    """Pixels along a side of the window, an odd number; pictures may not be smaller."""
    border: Literal["valid", "padded"] = "valid"
    """`valid`: windows that lie within the picture (Wang et al., scikit-image); `padded`: those of a mirrored border too (torchmetrics)."""

    @field_validator("window")
    @classmethod
    def _has_a_middle(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError(f"a window of {value} pixels has no middle: write {value + 1}")
        return value


class NetworkOptions(PartConfig):
    """The network whose features are compared."""

    network: str = ""
    """A module, or a function, of one's own by path (`./mine.py:Features`) that gives a list of feature maps (b, c, h, w) of pictures."""

    @field_validator("network")
    @classmethod
    def _is_there(cls, value: str) -> str:
        return str(refusal(found_at)(value)[1]) if value else value


class CenterOptions(PartConfig):
    """What is taken away before signals are compared."""

    center: bool = False
    """Take each signal's mean away first."""


class SpectrumOptions(PartConfig):
    """The frames whose spectra are compared."""

    n_fft: int = Field(default=512, ge=4)
    """Samples of a frame (Hann window); signals may not be shorter."""
    hop_length: int | None = Field(default=None, ge=1)
    """Samples from the beginning of a frame to that of the next; default: a quarter of `n_fft`."""


class FeaturesOptions(PartConfig):
    """What makes features of pictures or signals: there is no usual one, since none is downloaded."""

    features: Any = ""
    """A module or function of one's own (`./mine.py:Features`) that gives (rows, numbers), or a part of `trainwright list
    feature_extractor`: `pixels` for the values themselves."""
    limit: int = Field(default=10_000, ge=2)
    """Rows of each side whose features are kept where all are needed; of more, these many are drawn by their content."""

    @field_validator("features")
    @classmethod
    def _is_there(cls, value: Any) -> Any:
        if not isinstance(value, str) or not value:
            return value
        return str(refusal(found_at)(value)[1]) if is_path(value) else refusal(partial(registered_name, "feature_extractor"))(value)


class KIDOptions(FeaturesOptions):
    """Kernel (x·y / numbers + 1)³, unbiased (Bińkowski et al. 2018)."""

    subsets: int = Field(default=100, ge=1)
    """How many subsets the mean and its deviation are of."""
    subset_size: int = Field(default=1000, ge=2)
    """Rows of each side in a subset; of fewer, all, which then make one subset."""
    seed: int = Field(default=0, ge=0)
    """From which the subsets follow."""


class InceptionScoreOptions(FeaturesOptions):
    """exp E KL(p(y|x) ‖ p(y)) (Salimans et al. 2016), of features that give probabilities of classes."""

    splits: int = Field(default=10, ge=1)
    """Parts of the rows that the deviation is over."""


class NearestOptions(PartConfig):
    """Values of rows are compared, without features."""

    type: str = "nearest"
    rows: int = Field(default=10_000, ge=2)
    """Training rows that the nearest is looked for among, spread evenly over all."""
    limit: int = Field(default=10_000, ge=2)
    """Distances of each side that are kept for the median; of more, these many are drawn."""


class NeighbourOptions(FeaturesOptions):
    """How near counts as on the manifold of a set."""

    k: int = Field(default=3, ge=1)
    """The ball of a row reaches to its k-th nearest neighbour of its own side."""


class MMDOptions(FeaturesOptions):
    """Kernel exp(−|x − y|² / 2σ²), unbiased (Gretton et al. 2012)."""

    bandwidths: list[float] = [0.5, 1.0, 2.0]
    """Each σ as a multiple of the median distance between two reference rows; the kernels are averaged."""
