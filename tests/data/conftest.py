from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from trainwright.config.registry import options_class
from trainwright.data.source import Source
from trainwright.data.sources.opening import open_source


@pytest.fixture(scope="session")
def opened() -> Callable[..., Source]:
    """Opens a file as a source; a memory limit of 0 streams it."""

    def _opened(path: Path | str, memory_limit: int = 1 << 40, type: str = "csv", **options: object) -> Source:
        given = {"type": type, "path": str(path), **options}
        return open_source(options_class("source", type).model_validate(given), memory_limit)

    return _opened


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file of text or bytes and returns its path."""

    def _write(content: str | bytes, name: str = "table.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return _write
