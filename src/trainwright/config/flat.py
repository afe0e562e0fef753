"""Nested settings as one level of dotted keys, to be compared one by one."""

from __future__ import annotations

from typing import Any


def flat(values: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings as dotted keys; lists are values."""
    if not isinstance(values, dict) or not values:
        return {prefix: values}
    return {key: value for name, each in values.items() for key, value in flat(each, f"{prefix}.{name}" if prefix else str(name)).items()}
