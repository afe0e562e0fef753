"""What a system may know of its data when it makes its modules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trainwright.config.errors import ConfigError, did_you_mean


@dataclass(frozen=True)
class Facts:
    """The size of the training split, a small batch of it, and what the data say of themselves (`facts.classes`, `facts["vocabulary"]`)."""

    rows: int
    """Training rows; batches, where they come ready."""
    example: Any
    """The first rows as a batch, on the CPU."""
    known: Mapping[str, Any] = field(default_factory=dict)
    """Further facts by name."""

    def __getitem__(self, name: str) -> Any:
        if name not in self.known:
            fix = did_you_mean(name, self.known) if self.known else "the data say nothing more than `rows` and `example`"
            raise ConfigError(f"the data know no '{name}'", where="build(spec)", fix=fix)
        return self.known[name]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name]
