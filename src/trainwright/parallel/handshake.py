"""Before a run begins its ranks compare what they were given: one gather, and a difference is told by rank and by name."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainwright.config.errors import ConfigError, RunError
from trainwright.parallel.machines import machine
from trainwright.parallel.world import World

TOKEN = ".ranks"
"""A file of the run that all ranks look for, there for a moment."""
SEEN_WITHIN = 5.0
"""Seconds that a network's file system may take to show a new file."""
FIXES = {
    "version": "install the same on every machine",
    "config": "start every rank with the same command, configuration and variables",
    "code": "copy the same files to every machine, or keep them on a disk that all share",
    "rows": "give every rank the same data",
    "data": "give every rank the same data",
    "parameters": "make the model from the configuration and run.seed alone, not from what differs by machine or rank",
}
"""The first word of a key → what to do where it differs."""
SHOWN = 60


def compare(world: World, facts: Mapping[str, Any], listed: Mapping[str, Sequence[str]] | None = None) -> None:
    """Raise ConfigError on every rank where one has other facts than rank 0, naming the rank, its machine and the fact.

    Of `listed` facts, whose entries are many, a digest is gathered, and the entries only where it differs.
    """
    listed = listed or {}
    digests = {name: digest(entries) for name, entries in listed.items()}
    told = world.gather((machine().split()[0], {**facts, **digests}))
    differing = [(rank, name) for rank in range(1, world.size) for name in _differing(told[0][1], told[rank][1])]
    if not differing:
        return
    rank, name = differing[0]
    host, theirs = told[rank]
    here, there = told[0][1].get(name), theirs.get(name)
    if name in listed:
        entries = world.gather(list(listed[name]))
        here, there = first_difference(entries[0], entries[rank])
    others = f"; {len(differing) - 1} more differences" if len(differing) > 1 else ""
    raise ConfigError(
        f"rank {rank} was not given what rank 0 was: {name} differs",
        where=f"rank {rank} ({host})",
        why=f"{name} is {_short(there)} there, and {_short(here)} on rank 0{others}",
        fix=next((fix for word, fix in FIXES.items() if name.startswith(word)), FIXES["config"]),
    )


def _differing(first: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    return [name for name in {**first, **other} if first.get(name) != other.get(name)]


def digest(entries: Sequence[str]) -> str:
    """One number for a list of texts."""
    return hashlib.sha256("\0".join(entries).encode("utf-8", "backslashreplace")).hexdigest()[:16]


def first_difference(first: Sequence[str], other: Sequence[str]) -> tuple[str, str]:
    """The first entries in which two lists differ; `nothing` where one of them is at its end."""
    for place in range(max(len(first), len(other))):
        one = first[place] if place < len(first) else "nothing"
        two = other[place] if place < len(other) else "nothing"
        if one != two:
            return one, two
    return "", ""


def _short(value: Any) -> str:
    text = "missing" if value is None else str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def check_shared(world: World, run: Path) -> None:
    """Raise RunError on every rank where one does not see the directory of the run that rank 0 has made."""
    token = world.first(lambda: _leave_token(run))
    seen = world.is_main or _sees(run, token)
    told = world.gather((seen, machine().split()[0]))
    if world.is_main:
        (run / TOKEN).unlink(missing_ok=True)
    blind = next(((rank, host) for rank, (found, host) in enumerate(told) if not found), None)
    if blind is not None:
        rank, host = blind
        why = f"rank 0 ({told[0][1]}) has made it, and there is no such file on {host}, or another one"
        fix = "put the run on a disk that all machines share, under the same path: run.dir=/shared/…"
        raise RunError(f"rank {rank} ({host}) does not see the directory of the run", where=str(run), why=why, fix=fix)


def _leave_token(run: Path) -> str:
    token = secrets.token_hex(16)
    with (run / TOKEN).open("w", encoding="utf-8") as file:
        file.write(token)
        file.flush()
        os.fsync(file.fileno())
    return token


def _sees(run: Path, token: str) -> bool:
    ends = time.monotonic() + SEEN_WITHIN
    while True:
        try:
            if (run / TOKEN).read_text(encoding="utf-8") == token:
                return True
        except OSError:
            pass
        if time.monotonic() > ends:
            return False
        time.sleep(0.05)
