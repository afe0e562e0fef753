"""torch.profiler over a window of steps."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainwright.engine.callbacks.base import Callback
from trainwright.engine.callbacks.options import ProfilerOptions
from trainwright.engine.callbacks.place import run_folder
from trainwright.engine.system import Batch, System
from trainwright.files.whole import whole_file

if TYPE_CHECKING:
    from trainwright.engine.session import Session

log = logging.getLogger("trainwright.engine")

FOLDER = "profile"


class Profiler(Callback):
    """Records steps `first` to `last`; writes `profile/steps-<first>-<last>.txt` and a trace for chrome://tracing or Perfetto.

    Those steps are slower, their updates the same. A run that ends or continues within the window has what it recorded of it.
    """

    def __init__(self, options: ProfilerOptions | None = None) -> None:
        self.options = options or ProfilerOptions()
        self._profile: Any = None
        self._began_at = 0

    def on_train_batch_start(self, session: Session, system: System, batch: Batch, index: int) -> None:
        """Begin with the first step of the window that this process makes."""
        if self._profile is None and self.options.first <= session.step + 1 <= self.options.last:
            self._profile, self._began_at = self._start(session), session.step + 1

    def _start(self, session: Session) -> Any:
        from torch.profiler import ProfilerActivity, profile

        activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if session.device.type == "cuda" else [])]
        options = self.options
        made = profile(
            activities=activities, profile_memory=options.memory, record_shapes=options.shapes, with_stack=options.stacks, acc_events=True
        )
        made.start()
        return made

    def on_train_batch_end(self, session: Session, system: System, batch: Batch, index: int) -> None:
        """End with the last step of the window."""
        if self._profile is not None:
            self._profile.step()
            if session.step >= self.options.last:
                self._finish(session)

    def on_train_end(self, session: Session, system: System) -> None:
        """The run may end within the window."""
        self._finish(session)

    def teardown(self, session: Session, system: System) -> None:
        """So may a run that failed."""
        self._finish(session)

    def _finish(self, session: Session) -> None:
        if self._profile is None:
            return
        profile, self._profile = self._profile, None
        profile.stop()
        name = f"steps-{self._began_at:08d}-{session.step:08d}"
        try:
            self._write(profile, run_folder(session) / FOLDER, name, session)
        except (OSError, RuntimeError) as error:
            log.warning("the profile is not written: %s", error)

    def _write(self, profile: Any, folder: Path, name: str, session: Session) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        averages = profile.key_averages(group_by_input_shape=self.options.shapes, group_by_stack_n=5 if self.options.stacks else 0)
        longest = "self_cuda_time_total" if session.device.type == "cuda" else "self_cpu_time_total"
        table = averages.table(sort_by=longest, row_limit=self.options.rows, max_name_column_width=80)
        with whole_file(folder / f"{name}.txt") as temporary:
            temporary.write_text(table + "\n", encoding="utf-8")
        with whole_file(folder / f"{name}.json") as temporary:
            profile.export_chrome_trace(str(temporary))
        log.info("profile of steps %d to %d: %s", self._began_at, session.step, folder / name)
