"""What becomes of recordings that cannot be read: stop, skip, or take what is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from trainwright.config.errors import DataError
from trainwright.domains.signals.sources.options import Policy
from trainwright.features.npy import Unreadable

T = TypeVar("T")
SHOWN = 5


@dataclass(frozen=True)
class Readable(Generic[T]):
    """What can be read of recordings."""

    kept: list[tuple[Path, T]]
    """Path, and what was found there."""
    notes: list[str]
    """On those that were repaired or left out."""
    left_out: dict[str, str]
    """Name → why it cannot be read."""


def keep_readable(paths: Iterable[Path], look: Callable[[Path, bool], T], policy: Policy, root: Path) -> Readable[T]:
    """What `look` of (path, repair) finds in those that can be read. Raises DataError for the others under `error`."""
    kept, faults, repaired = list[tuple[Path, T]](), dict[Path, str](), dict[Path, str]()
    for path in paths:
        try:
            kept.append((path, look(path, False)))
        except Unreadable as error:
            faults[path] = str(error)
            if policy == "repair" and (found := _repaired(path, look)) is not None:
                kept.append((path, found))
                repaired[path] = faults.pop(path)
    if faults and policy == "error":
        raise DataError(
            f"{len(faults):,} {'recording' if len(faults) == 1 else 'recordings'} cannot be read: {_listed(faults, root)}",
            where="data.source",
            fix="data.source.unreadable=skip leaves them out and counts them, =repair takes what is there",
        )
    notes = [f"{len(repaired):,} repaired: {_listed(repaired, root)}"] if repaired else []
    notes += [f"{len(faults):,} left out that cannot be read: {_listed(faults, root)}"] if faults else []
    return Readable(kept, notes, {_name(path, root): why for path, why in faults.items()})


def _repaired(path: Path, look: Callable[[Path, bool], T]) -> T | None:
    try:
        return look(path, True)
    except Unreadable:
        return None


def _listed(faults: dict[Path, str], root: Path) -> str:
    shown = "; ".join(f"{_name(path, root)}: {why}" for path, why in list(faults.items())[:SHOWN])
    return shown + (f"; … ({len(faults):,} in all)" if len(faults) > SHOWN else "")


def _name(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else path.name
