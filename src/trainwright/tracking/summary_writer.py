"""torch's `SummaryWriter` over an event file that is open already, so that a person's pictures and histograms lie beside the rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch.utils.tensorboard import FileWriter, SummaryWriter


class OpenFile(FileWriter):
    """A writer of events into a file that somebody else opened, and closes."""

    def __init__(self, events: Any) -> None:
        self.event_writer = events

    def close(self) -> None:
        """Write what is kept back; the file stays open for the rows of the run."""
        self.event_writer.flush()


class OpenWriter(SummaryWriter):
    """Every `add_…` of a SummaryWriter, into the event file of the run."""

    def __init__(self, events: Any, folder: Path) -> None:
        self._file = OpenFile(events)
        super().__init__(log_dir=str(folder))

    def _get_file_writer(self) -> FileWriter:
        self.file_writer: Any = self._file
        self.all_writers: Any = {self.log_dir: self._file}
        return self._file
