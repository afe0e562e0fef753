"""The encoder that a group gets when none is named: what its domain says of the type of its columns."""

from __future__ import annotations

from torch import nn

from trainwright.config.choice import choose as chosen
from trainwright.config.domains import column_kind
from trainwright.config.model import PartConfig
from trainwright.config.part import load_named
from trainwright.config.registry import build
from trainwright.features.spec import InputGroup
from trainwright.nn.encoders import (
    AutoOptions,
    BagOptions,
    ConvolutionOptions,
    DenseOptions,
    EmbeddingOptions,
    PassthroughOptions,
    PiecewiseLinearOptions,
)

ONE_HOT_UP_TO = 32
"""Categories with more values than this get learned vectors, also in networks that read one-hot columns well."""
FEW_ROWS = 1_000
"""With fewer training rows than this, numbers get shorter vectors and fewer pieces."""
SHORT_ARRAY = 256
"""Arrays of at most so many numbers are taken as they are."""
WIDE_SET = 256
"""Sets and bags over more values than this get learned vectors."""
BENDING = ("auto", "tabm", "mlp", "concat", "resnet", "project_aggregate")
"""Combiners of plain layers, which gain from piecewise-linear numbers and read one-hot categories."""


def for_numbers(group: InputGroup, combiner: str, rows: int) -> PartConfig:
    """Piecewise-linear for networks of plain layers; the others (and numbers without quantiles) take numbers as they are."""
    if combiner not in BENDING or "quantiles" not in group.extras:
        return PassthroughOptions()
    return PiecewiseLinearOptions(bins=8, width=4) if rows < FEW_ROWS else PiecewiseLinearOptions()


def for_categories(group: InputGroup, combiner: str, rows: int) -> PartConfig:
    """Learned vectors; one number per value for few values in networks of plain layers."""
    return EmbeddingOptions(one_hot_up_to=ONE_HOT_UP_TO if combiner in BENDING else 0)


def for_sets(group: InputGroup, combiner: str, rows: int) -> PartConfig:
    """Sets and bags as they are, or learned vectors over many values."""
    return BagOptions() if max(group.sizes, default=0) > WIDE_SET else PassthroughOptions()


def for_arrays(group: InputGroup, combiner: str, rows: int) -> PartConfig:
    """Convolutions along sequences; short arrays as they are, and fully connected layers over long ones and those of more dimensions."""
    if "length" in group.parts:
        return ConvolutionOptions()
    shape = group.parts["value"][1:]
    return PassthroughOptions() if len(shape) == 1 and shape[0] <= SHORT_ARRAY else DenseOptions()


def choose(group: InputGroup, combiner: str = "auto", rows: int = FEW_ROWS) -> PartConfig:
    """The options of the encoder that suits the kind of the columns, the combiner and the number of training rows."""
    usual = column_kind(group.kind).encoder
    if isinstance(usual, str) and ":" in usual:
        found: PartConfig = load_named(usual)(group, combiner, rows)
        return found
    made: PartConfig = chosen("encoder", usual)
    return made


def automatic(options: AutoOptions, group: InputGroup) -> nn.Module:
    """The encoder that suits the kind of the columns, for a combiner of plain layers."""
    return build("encoder", choose(group), group=group)
