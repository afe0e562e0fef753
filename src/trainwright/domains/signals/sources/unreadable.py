"""What becomes of recordings that cannot be read: stop, skip, or take what is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from trainwright.config.errors import DataError
from trainwright.domains.signals.sources.options import Policy
from trainwright.features.npy import Unreadable

T = TypeVar("T")
SHOWN = 5


def keep_readable(
    paths: Iterable[Path], look: Callable[[Path, bool], T], policy: Policy, root: Path
) -> tuple[list[tuple[Path, T]], list[str]]:
    """(path, what `look` of (path, repair) found) of those that can be read, and notes on the others. Raises DataError under `error`."""
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
    return kept, [*notes, *([f"{len(faults):,} left out that cannot be read: {_listed(faults, root)}"] if faults else [])]


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
