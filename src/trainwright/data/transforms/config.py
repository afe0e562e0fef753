"""What every transform is told. Imports no torch."""

from __future__ import annotations

from typing import ClassVar, Literal

from trainwright.config.model import PartConfig


class TransformConfig(PartConfig):
    """What is set for one transform, whatever it does."""

    applies_in: Literal["train", "always"] = "always"
    """`train`: training rows alone; `always`: also where rows are evaluated and predicted."""
    runs_on: Literal["worker", "device"] = "worker"
    """`worker`: on each sample, where it is read; `device`: on whole batches, where the model is, after those of workers."""
    of: str = "input"
    """What of the samples or batches of data of one's own it is given: a part by its name or `all`; a column has one part."""
    joins_rows: ClassVar[bool] = False
    """Whether it makes one row of several, inputs and targets together."""
    main: ClassVar[str] = "value"
    """The option that `{name: value}` means."""
    still: ClassVar[bool] = False
    """Whether it gives one result whatever was drawn, so that its results can be kept."""
    other_sizes: ClassVar[bool] = False
    """Whether training rows may come out in other sizes, along the last two dimensions, than the encoder is made for."""
    makes_one_length: ClassVar[bool] = False
    """Whether samples of any length get one, so that later ones may have lengths that those in training had not."""
