"""Which files and folders are recordings."""

from __future__ import annotations

from pathlib import Path

from trainwright.config.domain import Claim


def claims(path: Path) -> Claim | None:
    """A folder with WFDB records; a record."""
    if path.is_dir():
        first = next(path.rglob("*.hea"), None)
        return Claim(75, "a folder of WFDB records", "wfdb") if first else None
    return Claim(75, "a WFDB record", "wfdb") if path.suffix == ".hea" else None
