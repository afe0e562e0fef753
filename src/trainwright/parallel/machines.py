"""What tells this machine from others. Imports no torch."""

from __future__ import annotations

import socket
from pathlib import Path

BOOT = Path("/proc/sys/kernel/random/boot_id")


def machine() -> str:
    """A name for this machine: processes with the same one share its processors and its disk."""
    try:
        boot = BOOT.read_text().strip()
    except OSError:
        boot = ""
    return f"{socket.gethostname()} {boot}".strip()
