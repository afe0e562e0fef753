"""The option `weights` of systems and modules: where they begin, and what is made to fit. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from trainwright.config.model import ConfigModel
from trainwright.config.name_patterns import Pattern


class AdaptationOptions(ConfigModel):
    """How tensors of other shapes are made to fit; a line of the log says each."""

    channels: Literal["repeat", "mean"] = "repeat"
    """Input channels of the first convolution: repeated and scaled, for one channel summed (as timm does), or each the scaled mean."""
    grid_there: tuple[int, int] | None = None
    """Rows and columns of the source's positions, where their number is not a square's."""
    grid_here: tuple[int, int] | None = None
    """Rows and columns of the model's positions, where their number is not a square's."""
    vocabulary: Literal["first", "mean"] = "first"
    """Rows of a larger vocabulary that the source lacks: they keep the model's first values, or are the mean of the source's."""


class WeightsOptions(ConfigModel):
    """Weights that something begins with."""

    source: str = Field(min_length=1)
    """A file, folder, run or checkpoint, a URL, `timm/NAME`, `hf/ORG/NAME`; after a colon the part in it (`runs/mine:geometry`)."""
    state_dict: str = ""
    """Which state dict of a file that holds several: `generator`, `ema`."""
    sha256: str | None = None
    """That of the file, checked first."""
    averaged: bool = True
    """Of a checkpoint the averaged weights, where it has some, or those that were trained."""
    ignore: list[Pattern] = []
    """Names that are left out: those of modules, or patterns (`head`, `*.running_*`)."""
    renames: dict[str, str] = {}
    """Name in the source → name here: prefixes, patterns with `*` for one part and `**` for several (`blocks.*.attn: layers.*.attention`),
    or `re:` with a regular expression (`"re:gamma$": weight`)."""
    adapt: AdaptationOptions | None = AdaptationOptions()
    """How other shapes are made to fit; `null` for not at all: such tensors are left out."""
    least: float = Field(default=0.5, ge=0, le=1)
    """The share of the tensors of the smaller side that must fit; below it they are taken for weights of another architecture."""
    download: bool = False
    """Whether `timm/NAME`, `hf/ORG/NAME` and an address without a sha256 may be fetched where this machine does not have them."""


def _by_source(value: Any) -> Any:
    return {"source": value} if isinstance(value, str) else value


def starting_weights(value: Any) -> WeightsOptions:
    """The options of a source, or of a mapping with one. Raises ConfigError for what is neither."""
    return value if isinstance(value, WeightsOptions) else WeightsOptions.model_validate(_by_source(value))


StartingWeights = Annotated[WeightsOptions, BeforeValidator(_by_source, json_schema_input_type=str | WeightsOptions)]
"""A source, or a mapping with `source`."""
