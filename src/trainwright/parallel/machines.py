"""What tells this machine from others, and its processes from those that had their numbers before. Imports no torch."""

from __future__ import annotations

import os
import socket
from collections.abc import Collection
from pathlib import Path

BOOT = Path("/proc/sys/kernel/random/boot_id")


def machine() -> str:
    """A name for this machine: processes with the same one share its processors and its disk."""
    try:
        boot = BOOT.read_text().strip()
    except OSError:
        boot = ""
    return f"{socket.gethostname()} {boot}".strip()


def see_place() -> str:
    """A name for all processes that have numbers of one counting: those of a container, or of a machine."""
    try:
        return f"{machine()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def began_at(pid: int) -> str:
    """When a process began, as the system counts; empty for one that is not there, or has ended and is not looked after."""
    _, fields = _read_process(pid)
    return "" if not fields or fields[0] in ("Z", "X") else fields[19]


def find_ancestor(names: Collection[str]) -> str:
    """The nearest process above this one that has one of `names`, by its number and when it began; empty where none is seen."""
    pid = os.getppid()
    while pid > 0:
        name, fields = _read_process(pid)
        if not fields:
            return ""
        if name in names:
            return f"{pid} {fields[19]}"
        pid = int(fields[1])
    return ""


def _read_process(pid: int) -> tuple[str, list[str]]:
    """The name of a process, of which the system keeps 15 characters, and what follows it in its status: state, parent, …"""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", []
    return text[text.find("(") + 1 : text.rfind(")")], text.rpartition(")")[2].split()
