"""TensorBoard event files; the library is imported with the first row, so that the first step does not wait for it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from trainwright.tracking import TensorBoardOptions
from trainwright.tracking.base import Row
from trainwright.tracking.kinds import GraphNode, Histogram
from trainwright.tracking.tensorboard_kinds import graph_bytes, histogram_value, hparams_summaries, image_value, text_summary

FOLDER = "tensorboard"
NOT_TAGS = ("step",)


class TensorBoardTracker:
    """Writes each value of a row as a scalar under its column's name, and every other kind."""

    shown_name = "TensorBoard"

    def __init__(self, options: TensorBoardOptions, folder: Path) -> None:
        self.folder = folder / FOLDER
        self._writer: Any = None
        self._begin = 0

    def begin(self, step: int) -> list[dict[str, float]]:
        """Later files hide what was logged after `step`; nothing is read back."""
        self._begin = step
        return []

    def log(self, row: Row) -> None:
        """Write the values of a row."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=name, simple_value=float(value)) for name, value in row.items() if name not in NOT_TAGS]
        self._write(int(row["step"]), value=values)

    def image(self, name: str, array: Any, step: int) -> None:
        """Write a picture, uint8 (h w c), under `name`. Raises OSError when the disk refuses."""
        self._write(step, value=[image_value(name, array)])

    def figure(self, name: str, array: Any, step: int) -> None:
        """Write a figure of the report, uint8 (h w c)."""
        self.image(name, array, step)

    def histogram(self, name: str, found: Histogram, step: int) -> None:
        """Write how the values of a tensor are distributed."""
        self._write(step, value=[histogram_value(name, found)])

    def text(self, name: str, text: str, step: int) -> None:
        """Write Markdown under `name`."""
        self._write(step, summary=text_summary(name, text))

    def hparams(self, name: str, settings: Mapping[str, Any], metrics: Mapping[str, float], step: int) -> None:
        """Write the settings of the run and what came of them."""
        for summary in hparams_summaries(settings, metrics):
            self._write(step, summary=summary)

    def graph(self, name: str, nodes: Iterable[GraphNode]) -> None:
        """Write how data flow through the model."""
        from tensorboard.compat.proto.event_pb2 import Event

        self._open_file().add_event(Event(wall_time=time.time(), graph_def=graph_bytes(nodes)))

    def _write(self, step: int, value: Any = None, summary: Any = None) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        summary = Summary(value=value) if summary is None else summary
        self._open_file().add_event(Event(wall_time=time.time(), step=step, summary=summary))

    def _open_file(self) -> Any:
        if self._writer is None:
            self._writer = self._open()
        return self._writer

    def summary_writer(self) -> Any:
        """A `SummaryWriter` of torch over the open file, for kinds that rows do not have; it ends with this tracker."""
        from trainwright.tracking.summary_writer import OpenWriter

        return OpenWriter(self._open_file(), self.folder)

    def _open(self) -> Any:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        writer = EventFileWriter(str(self.folder))
        if self._begin:  # TensorBoard drops what earlier files hold from this step on
            start = SessionLog(status=SessionLog.SessionStatus.START)
            writer.add_event(Event(wall_time=time.time(), step=self._begin + 1, session_log=start))
            self._begin = 0  # what is written once the run is over hides nothing of it
        return writer

    def sync(self) -> None:
        """Flush to the file."""
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """Flush and close the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
