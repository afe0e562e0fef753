"""How long rows are cut into windows: the options. Imports neither torch nor numpy."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trainwright.config.model import ConfigModel


class WindowConfig(ConfigModel):
    """How long rows are cut into samples of one length; a row's answer is made from those of its windows."""

    column: str = ""
    """The column of files that is cut, along the first dimension of its arrays; default: the only one."""
    length: int = Field(ge=1)
    """Entries of a window."""
    stride: int | None = Field(default=None, ge=1)
    """Entries from the beginning of a window to that of the next; default: `length`, so that they neither overlap nor leave gaps."""
    rest: Literal["pad", "drop", "short"] = "pad"
    """What is left over at a row's end: filled up with zeros (`pad`), left out (`drop`), or a window of its own length (`short`)."""
    join: Literal["mean", "vote"] = "mean"
    """A row's prediction: the `mean` over its windows (of probabilities, of values), or the share of them that `vote` for each class."""

    @property
    def step(self) -> int:
        """Entries between the beginnings of two windows."""
        return self.stride or self.length
