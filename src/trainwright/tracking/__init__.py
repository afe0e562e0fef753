"""Where the numbers of a run are written: one protocol, several trackers."""

from __future__ import annotations

from trainwright.config.every_rank import extend_options
from trainwright.config.model import PartConfig
from trainwright.config.registry import Part

__all__ = ["PARTS", "CsvOptions", "TensorBoardOptions", "extend_options"]


class CsvOptions(PartConfig):
    """metrics.csv: one row per logged point."""

    type: str = "csv"


class TensorBoardOptions(PartConfig):
    """Event files in tensorboard/."""

    type: str = "tensorboard"


PARTS: dict[str, Part] = {
    "csv": Part("trainwright.tracking.csv:CsvTracker", CsvOptions, "metrics.csv, one row per logged point"),
    "tensorboard": Part("trainwright.tracking.tensorboard:TensorBoardTracker", TensorBoardOptions, "TensorBoard event files"),
}
