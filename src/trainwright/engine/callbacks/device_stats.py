"""What a run uses of its machine and its card, in the logged rows."""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from trainwright.engine.callbacks.base import Callback
from trainwright.engine.callbacks.options import DeviceStatsOptions
from trainwright.engine.callbacks.place import row_follows
from trainwright.engine.system import Batch, System

if TYPE_CHECKING:
    from trainwright.engine.session import Session

log = logging.getLogger("trainwright.engine")

MIB = 1 << 20
STAT, STATM = Path("/proc/stat"), Path("/proc/self/statm")


class DeviceStats(Callback):
    """Logs `device/…`: processor in percent (100 is one core), memory in MiB; read only where a row is logged, without waiting."""

    def __init__(self, options: DeviceStatsOptions | None = None) -> None:
        self.options = options or DeviceStatsOptions()
        self._since, self._spent = time.perf_counter(), time.process_time()
        self._machine = machine_time()
        self._tells_use = True

    def on_train_start(self, session: Session, system: System) -> None:
        """Begin to count."""
        self._since, self._spent, self._machine = time.perf_counter(), time.process_time(), machine_time()

    def on_train_batch_end(self, session: Session, system: System, batch: Batch, index: int) -> None:
        """Read and log, if a row follows."""
        if not row_follows(session, session.step):
            return
        found = self.processor() if self.options.cpu else {}
        if self.options.accelerator:
            found |= self.accelerator(session.device)
        for name, value in found.items():
            session.log(f"device/{name}", value, reduce="last")

    def processor(self) -> dict[str, float]:
        """Percent of a core this process used since it was last asked, percent of all cores in use, memory of this process."""
        now, spent, machine = time.perf_counter(), time.process_time(), machine_time()
        found = {"cpu_percent": 100 * (spent - self._spent) / max(now - self._since, 1e-9), "memory_mib": resident() / MIB}
        if machine is not None and self._machine is not None:
            busy, whole = machine[0] - self._machine[0], machine[1] - self._machine[1]
            found["machine_percent"] = 100 * busy / whole if whole else 0.0
        self._since, self._spent, self._machine = now, spent, machine
        return found

    def accelerator(self, device: torch.device) -> dict[str, float]:
        """Memory of the card, and how busy it is; nothing for a CPU."""
        if device.type == "mps":
            return {"mps_allocated_mib": torch.mps.current_allocated_memory() / MIB}
        if device.type != "cuda":
            return {}
        found = {
            "cuda_allocated_mib": torch.cuda.memory_allocated(device) / MIB,
            "cuda_reserved_mib": torch.cuda.memory_reserved(device) / MIB,
            "cuda_peak_mib": torch.cuda.max_memory_allocated(device) / MIB,
        }
        torch.cuda.reset_peak_memory_stats(device)
        return found | self._use(device)

    def _use(self, device: torch.device) -> dict[str, float]:
        if not self._tells_use:
            return {}
        try:
            return {"cuda_busy_percent": float(torch.cuda.utilization(device))}
        except (ImportError, RuntimeError) as error:
            self._tells_use = False
            log.info("device_stats: how busy the card is cannot be read (%s)", str(error).splitlines()[0])
            return {}


def machine_time() -> tuple[float, float] | None:
    """Processor time of the whole machine, busy and in all, in clock ticks; None where the system does not tell."""
    try:
        fields = [int(each) for each in STAT.read_text().split("\n", 1)[0].split()[1:9]]
    except (OSError, ValueError):
        return None
    return float(sum(fields) - fields[3] - fields[4]), float(sum(fields))  # idle and waiting for the disk are not busy


def resident() -> float:
    """Memory of this process in bytes: what is in RAM now, or its peak where only that is told."""
    import resource

    try:
        return float(int(STATM.read_text().split()[1]) * resource.getpagesize())
    except (OSError, ValueError, IndexError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return float(peak if sys.platform == "darwin" else peak * 1024)
