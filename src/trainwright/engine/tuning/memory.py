"""Memory while a step is tried: what it took at most, and how much there is."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import torch

from trainwright.files.memory import available_bytes, read_kilobytes

HOST_SHARE = 0.8
"""Share of the host's available memory that a step may take."""


class Meter(Protocol):
    """Measures the memory of trials on one device."""

    limit: int | None
    """Bytes that may be in use at most; None where it is not known."""
    before: int
    """Bytes in use before the first trial."""

    def begin(self) -> None:
        """Forget the peak so far."""

    def peak(self) -> int | None:
        """Most bytes in use since `begin`; None where it cannot be measured."""


class CudaMeter:
    """Bytes allocated by torch on a CUDA device; `margin` is the share of what is free, or torch's, that must stay free."""

    def __init__(self, device: torch.device, margin: float) -> None:
        self._device = device
        torch.cuda.empty_cache()
        free, _ = torch.cuda.mem_get_info(device)
        self.limit: int | None = int((free + torch.cuda.memory_reserved(device)) * (1 - margin))
        self.before = torch.cuda.memory_allocated(device)

    def begin(self) -> None:
        """Forget the peak so far."""
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(self._device)

    def peak(self) -> int | None:
        """Most bytes allocated since `begin`."""
        return torch.cuda.max_memory_allocated(self._device)


class HostMeter:
    """Resident bytes of this process; the system may give it `HOST_SHARE` of what is available."""

    def __init__(self) -> None:
        self.before = _status("VmRSS") or 0
        available = available_bytes()
        self.limit: int | None = None if available is None else self.before + int(available * HOST_SHARE)
        self._resets = True

    def begin(self) -> None:
        """Forget the peak so far, where the system can."""
        try:
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            self._resets = False

    def peak(self) -> int | None:
        """Most bytes resident since `begin`; None where the system does not tell."""
        return _status("VmHWM") if self._resets else None


def meter_of(device: torch.device, margin: float) -> Meter:
    """The meter of a device; MPS shares the host's memory."""
    return CudaMeter(device, margin) if device.type == "cuda" else HostMeter()


def _status(name: str) -> int | None:
    return read_kilobytes(Path("/proc/self/status"), name)
