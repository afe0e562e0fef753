"""The `data:` section: where the rows are, how they are split, and what may be held in memory."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from trainwright.config.choice import choice
from trainwright.config.model import ConfigModel
from trainwright.config.sizes import Bytes


class DataConfig(ConfigModel):
    """Where the rows are, how they are split, and what may be held in memory."""

    source: choice("source")  # type: ignore[valid-type]
    """A path, a glob, `builtin:NAME`, or a source with its `type` and options."""
    split: choice("split") = Field(default="auto", validate_default=True)  # type: ignore[valid-type]
    """How rows are divided into training, validation and test."""
    memory_limit: Bytes = "4 GiB"  # type: ignore[assignment]
    """Above this, encoded rows are kept in a memory-mapped file instead of memory, and the file is read in pieces."""
    duplicates: str = Field(default="report", pattern="^(report|drop|error)$")
    """Exact duplicates across splits: `report` them, `drop` them from training, or stop with an `error`."""

    @field_validator("source", mode="before")
    @classmethod
    def _a_path_is_a_source(cls, value: Any) -> Any:
        from trainwright.data.sources import from_text

        return from_text(value) if isinstance(value, str) else value
