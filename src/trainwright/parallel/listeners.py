"""Which process listens at a port of this machine, as far as the system lets us see."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
LISTENING = "0A"
"""The state of a socket that listens, in the tables of Linux."""


def who_listens(port: int) -> str:
    """`process 123 (python)`; empty where it cannot be known."""
    inodes = {inode for name in ("tcp", "tcp6") for inode in _inodes(PROC / "net" / name, port)}
    if not inodes:
        return ""
    wanted = {f"socket:[{each}]" for each in inodes}
    for folder in PROC.glob("[0-9]*"):
        with suppress(OSError):
            if any(os.readlink(each) in wanted for each in (folder / "fd").iterdir()):
                return f"process {folder.name} ({(folder / 'comm').read_text().strip()})"
    return ""


def _inodes(table: Path, port: int) -> list[str]:
    """The numbers of the sockets that listen at the port."""
    try:
        lines = table.read_text().splitlines()[1:]
    except OSError:
        return []
    rows = [line.split() for line in lines]
    return [row[9] for row in rows if row[3] == LISTENING and int(row[1].rpartition(":")[2], 16) == port]
