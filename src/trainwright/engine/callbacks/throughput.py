"""Steps per second, operations per second, and the share of what the device can do."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from trainwright.engine.callbacks.base import Callback
from trainwright.engine.callbacks.options import ThroughputOptions
from trainwright.engine.callbacks.peak_flops import measured_peak, peak_of
from trainwright.engine.callbacks.place import pieces_here, row_follows, rows_of_step
from trainwright.engine.system import Batch, System

if TYPE_CHECKING:
    from trainwright.engine.session import Session

log = logging.getLogger("trainwright.engine")


class Throughput(Callback):
    """Logs `throughput/steps_per_second`, `throughput/samples_per_second`, `throughput/flops_per_second` and `throughput/mfu` (0 to 1).

    Over the time of training since the last row, evaluation and checkpoints left out. The operations are those of one real step, forwards,
    backwards and update, divided by its rows; MFU is their rate over the peak of the device (Chowdhery et al. 2022, appendix B). Of several
    processes one counts its own rows, and the rates are those of all, on as many devices.
    """

    def __init__(self, options: ThroughputOptions | None = None) -> None:
        self.options = options or ThroughputOptions()
        self.per_row: float | None = None
        """Floating-point operations of a training row."""
        self.peak: float | None = None
        self._counter: Any = None
        self._pieces = 0

    def on_train_start(self, session: Session, system: System) -> None:
        """Know the peak; says once when the device's is not known."""
        if self.options.flops:
            self.peak = self.options.peak or self._known_peak(session)

    def _known_peak(self, session: Session) -> float | None:
        precision = session.config.precision.type
        if session.device.type == "cpu":
            return measured_peak(precision)
        name = torch.cuda.get_device_name(session.device) if session.device.type == "cuda" else session.device.type
        known = peak_of(name, precision)
        if known is None:
            log.warning("throughput: no MFU is logged: the peak of %s at %s is not known; give it as `peak` (FLOP/s)", name, precision)
        return known

    def on_train_batch_start(self, session: Session, system: System, batch: Batch, index: int) -> None:
        """Count this step, unless one was counted."""
        self._close()  # a step that was begun but not made
        if self.options.flops and self.per_row is None:
            from torch.utils.flop_counter import FlopCounterMode

            self._counter, self._pieces = FlopCounterMode(display=False), 0
            self._counter.__enter__()

    def on_after_backward(self, session: Session, system: System) -> None:
        """Count the pieces, so that a step made again is not taken for one."""
        self._pieces += 1

    def on_train_batch_end(self, session: Session, system: System, batch: Batch, index: int) -> None:
        """Take the count; log, if a row follows."""
        if self._counter is not None:
            self._take(session, rows_of_step(session, batch, index))
        if row_follows(session, session.step):
            self._log(session)

    def _take(self, session: Session, rows: int) -> None:
        total = self._counter.get_total_flops()
        self._close()
        here, pieces = pieces_here(session, rows)
        if self._pieces != pieces:
            return
        self.per_row = total / here
        if not total:
            log.warning("throughput: no operation of the step could be counted (compiled or hand-written kernels); no FLOP/s are logged")

    def _log(self, session: Session) -> None:
        if session.device.type == "cuda":
            torch.cuda.synchronize(session.device)  # the host waits here for the row anyway
        step, trained = session.position.last_row
        seconds = max(session.clock.timing.read()["train"] - trained, 1e-9)
        rows = session.position.rows_since_last_row(session.batches_seen + 1)
        found = {"steps_per_second": (session.step - step) / seconds, "samples_per_second": rows / seconds}
        if self.per_row:
            found["flops_per_second"] = self.per_row * rows / seconds
            if self.peak is not None:
                found["mfu"] = found["flops_per_second"] / (self.peak * session.world_size)
        for name, value in found.items():
            session.log(f"throughput/{name}", value, reduce="last")

    def teardown(self, session: Session, system: System) -> None:
        """Count no longer."""
        self._close()

    def _close(self) -> None:
        if self._counter is not None:
            counter, self._counter = self._counter, None
            counter.__exit__(None, None, None)

    def state_dict(self) -> dict[str, Any]:
        """The operations of a row: they are counted once in a run."""
        return {} if self.per_row is None else {"per_row": self.per_row}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the state back."""
        self.per_row = float(state["per_row"])
