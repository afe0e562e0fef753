"""How much is pruned: a count (`1` is one weight) or a share (`1.0` is all of them), by the type of the number. Imports no torch."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from trainwright.config.errors import ConfigError
from trainwright.config.model import refusal

PERCENT = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*%\s*")
EXAMPLES = "write 0.9 or '90 %' for a share, 90 for as many weights"


def read_amount(given: Any) -> int | float:
    """An amount as a configuration spells it: a whole number from 1, a share in (0, 1], or a percentage. Raises ConfigError for others."""
    if isinstance(given, str) and (found := PERCENT.fullmatch(given)):
        return _share_of(given.strip(), float(found[1]))
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise ConfigError(f"{given!r} is no amount", fix=EXAMPLES)
    if isinstance(given, int):
        if given < 1:
            why = "a whole number counts weights" if given < 0 else "nothing would be pruned"
            raise ConfigError(f"an amount of {given} cannot be", why=why, fix=f"{EXAMPLES}; the method `identity` prunes nothing")
        return given
    if not 0 < given <= 1:
        fix = f"write {given / 100:g} or '{given:g} %'" if 1 < given <= 100 else EXAMPLES
        raise ConfigError(f"an amount of {given:g} cannot be", why="a number with a point is a share, above 0 and at most 1.0", fix=fix)
    return given


def _share_of(written: str, percentage: float) -> float:
    """A percentage as a share."""
    if percentage == 0:
        raise ConfigError(f"an amount of {written} cannot be", why="nothing would be pruned", fix=EXAMPLES)
    if percentage > 100:
        raise ConfigError(f"an amount of {written} cannot be", why="there are no more than all weights, 100 %", fix=EXAMPLES)
    return percentage / 100


class _Read:
    """How pydantic reads an amount, and what the schema says of one."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(refusal(read_amount))

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        whole = {"type": "integer", "minimum": 1}
        share = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
        return {"anyOf": [whole, share, {"type": "string", "pattern": rf"^{PERCENT.pattern}$"}]}


Amount = Annotated[int | float, _Read]
"""A count or a share of what is pruned."""


def units_due(amount: int | float, units: int, share: float = 1.0) -> int:
    """How many of `units` an amount is, of which `share` is due by now: shares are rounded half to even, as torch does.

    Raises ConfigError for a count that is more than there are.
    """
    if isinstance(amount, int):
        if amount > units:
            raise ConfigError(
                f"an amount of {amount} is more than there is", why=f"{units} can be pruned", fix="give less, or a share such as 0.5"
            )
        return round(amount * share)
    return min(round(amount * share * units), units)
