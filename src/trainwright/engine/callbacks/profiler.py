"""torch.profiler over a window of steps."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainwright.engine.callbacks.base import Callback
from trainwright.engine.callbacks.options import ProfilerOptions
from trainwright.engine.callbacks.place import run_folder
from trainwright.engine.callbacks.step_ranges import StepRanges
from trainwright.engine.system import Batch, Loss, System
from trainwright.files.whole import whole_file

if TYPE_CHECKING:
    from trainwright.engine.session import Session

log = logging.getLogger("trainwright.engine")

FOLDER = "profile"
EXCHANGES = ("gloo:", "nccl:", "c10d::", "mpi:", "ucc:")
"""What the names of exchanges begin with in a profile."""


class Profiler(Callback):
    """Records steps `first` to `last`; writes `profile/steps-<first>-<last>.txt` and a trace for chrome://tracing or Perfetto.

    Those steps are slower, their updates the same. A run that ends or continues within the window has what it recorded of it. Of several
    processes each writes its own, with what it exchanged: `…-rank-1.txt`. The parts of a step are ranges in the trace, and on CUDA for
    NVIDIA's tools (NVTX).
    """

    every_rank = True

    def __init__(self, options: ProfilerOptions | None = None) -> None:
        self.options = options or ProfilerOptions()
        self._profile: Any = None
        self._began_at = 0
        self._ranges: StepRanges | None = None
        self.every_rank = self.options.every_rank

    def on_train_batch_start(self, session: Session, system: System, batch: Batch, index: int) -> None:
        """Begin with the first step of the window that this process makes."""
        if self._profile is None and self.options.first <= session.step + 1 <= self.options.last:
            self._profile, self._began_at = self._start(session), session.step + 1
            self._ranges = StepRanges(cuda=session.device.type == "cuda")
            self._ranges.watch(system)
        if self._ranges is not None:
            self._ranges.begin()

    def on_before_backward(self, session: Session, system: System, loss: Loss) -> None:
        """The forward pass of a micro-batch is over."""
        self._turn("backward")

    def on_after_backward(self, session: Session, system: System) -> None:
        """So is its backward pass: another one follows, or the gradients of other processes."""
        self._turn("wait")

    def on_before_optimizer_step(self, session: Session, system: System) -> None:
        """The gradients are whole."""
        self._turn("optimizer")

    def on_before_zero_grad(self, session: Session, system: System) -> None:
        """The weights are updated."""
        self._turn("wait")

    def _turn(self, name: str) -> None:
        if self._ranges is not None:
            self._ranges.turn(name)

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
        if self._ranges is not None:
            self._ranges.close()
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
        if self._ranges is not None:
            self._ranges.release()
            self._ranges = None
        profile.stop()
        of_rank = f"-rank-{session.rank}" if session.world_size > 1 else ""
        name = f"steps-{self._began_at:08d}-{session.step:08d}{of_rank}"
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
            temporary.write_text(table + "\n" + describe_exchanges(profile.key_averages()), encoding="utf-8")
        with whole_file(folder / f"{name}.json") as temporary:
            profile.export_chrome_trace(str(temporary))
        log.info("profile of steps %d to %d: %s", self._began_at, session.step, folder / name)


def describe_exchanges(averages: Any) -> str:
    """What went between processes, as a table: how often, and the milliseconds of this process; nothing for one by itself."""
    found = [each for each in averages if str(each.key).startswith(EXCHANGES)]
    if not found:
        return ""
    lines = [f"{each.key:<40} {each.count:>8} {each.cpu_time_total / 1000:>14.3f}" for each in found]
    return "\n".join(["", f"{'exchanged with other processes':<40} {'calls':>8} {'milliseconds':>14}", *lines]) + "\n"
