"""TensorBoard event files; the library is imported with the first row, so that the first step does not wait for it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from trainwright.tracking import TensorBoardOptions
from trainwright.tracking.base import Row

FOLDER = "tensorboard"
NOT_TAGS = ("step",)


class TensorBoardTracker:
    """Writes each value of a row as a scalar under its column's name."""

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
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        if self._writer is None:
            self._writer = self._open()
        values = [Summary.Value(tag=name, simple_value=float(value)) for name, value in row.items() if name not in NOT_TAGS]
        self._writer.add_event(Event(wall_time=time.time(), step=int(row["step"]), summary=Summary(value=values)))

    def image(self, name: str, array: Any, step: int) -> None:
        """Write a picture, uint8 (h w c), under `name`. Raises OSError when the disk refuses."""
        from io import BytesIO

        from PIL import Image
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        encoded = BytesIO()
        Image.fromarray(array).save(encoded, format="PNG")
        height, width, channels = array.shape
        picture = Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=encoded.getvalue())
        if self._writer is None:
            self._writer = self._open()
        self._writer.add_event(Event(wall_time=time.time(), step=step, summary=Summary(value=[Summary.Value(tag=name, image=picture)])))

    def summary_writer(self) -> Any:
        """A `SummaryWriter` of torch over the open file, for kinds that rows do not have; it ends with this tracker."""
        from trainwright.tracking.summary_writer import OpenWriter

        if self._writer is None:
            self._writer = self._open()
        return OpenWriter(self._writer, self.folder)

    def _open(self) -> Any:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        writer = EventFileWriter(str(self.folder))
        if self._begin:  # TensorBoard drops what earlier files hold from this step on
            start = SessionLog(status=SessionLog.SessionStatus.START)
            writer.add_event(Event(wall_time=time.time(), step=self._begin + 1, session_log=start))
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
