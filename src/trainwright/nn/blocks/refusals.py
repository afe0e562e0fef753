"""Options of a block that do not fit each other, refused at the option to change. Imports no torch."""

from __future__ import annotations

from pydantic import ValidationError

from trainwright.config.errors import ConfigError
from trainwright.config.model import as_refusal


def refuse(option: str, what: str, *, why: str = "", fix: str = "") -> ValidationError:
    """The refusal of one option, to be raised by a validator of all."""
    refusal = as_refusal(ConfigError(what, why=why, fix=fix))
    return ValidationError.from_exception_data("block", [{"type": refusal, "loc": (option,), "input": None}])


def refuse_even(option: str, kernel: int) -> None:
    """Raises for a kernel that has no middle."""
    if kernel % 2 == 0:
        raise refuse(option, f"must be odd, not {kernel}", fix=f"use {kernel + 1}")


def refuse_uneven(option: str, number: int, by: str, divisor: int, name: str = "") -> None:
    """Raises where one option, or what is called `name`, is no multiple of another."""
    if number % divisor:
        near = max(round(number / divisor), 1) * divisor
        what = f"{f'{name} = ' if name else ''}{number} is no multiple of {by} ({divisor})"
        raise refuse(option, what, fix=f"make it {near}, or change {by}")
