"""Options of a part as a person gives them outside of a configuration, flags of a command or keywords of a call: checked with the part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from trainwright.config.errors import ManyErrors, RequestError, did_you_mean
from trainwright.config.model import PartConfig
from trainwright.config.wording import Refusal, join_refusals

TOLD = ("refused", "unknown_part")
"""Kinds of refusal that say themselves what is wrong, and what to do."""


def check_options(
    options: type[PartConfig], type: str, given: Mapping[str, Any], *, where: str, spell: Callable[[str], str] = str
) -> PartConfig:
    """The options that were given; raises RequestError or ManyErrors with every one that is refused, named as `spell` writes it."""
    known = [name for name in options.model_fields if name != "type"]
    strange = next((name for name in given if name not in known), None)
    if strange is not None:
        raise RequestError(f"there is no option '{spell(strange)}'", where=where, fix=did_you_mean(spell(strange), map(spell, known)))
    try:
        return options.model_validate({"type": type, **given})
    except ValidationError as error:
        refused = _refusals(error.errors(include_url=False), where, spell, options)
        raise refused[0] if len(refused) == 1 else ManyErrors(refused) from error


def _refusals(found: list[ErrorDetails], where: str, spell: Callable[[str], str], options: type[PartConfig]) -> list[RequestError]:
    """One for each option, of all that refused it: the members of a union, or what stands inside."""
    grouped: dict[str, list[ErrorDetails]] = {}
    for each in found:
        grouped.setdefault(str(each["loc"][0]) if each["loc"] else "", []).append(each)
    return [
        _missing(spell(name), options.model_fields[name].description, where)
        if each[0]["type"] == "missing" and len(each[0]["loc"]) == 1
        else _refusal(spell(name) if name else "", each, where)
        for name, each in grouped.items()
    ]


def _missing(named: str, description: str | None, where: str) -> RequestError:
    """The refusal of an option that must be given and was not, with what it is."""
    return RequestError(f"{named} is missing", where=where, fix=f"give it: {' '.join((description or named).split())}")


def _refusal(named: str, found: list[ErrorDetails], where: str) -> RequestError:
    told = next((each.get("ctx", {}) for each in found if each["type"] in TOLD), None)
    if told is not None:
        what = f"{named}: {told['what']}" if named else str(told["what"])
        return RequestError(what, where=where, why=str(told.get("why") or ""), fix=str(told.get("fix") or ""))
    if found[0]["type"] == "extra_forbidden":
        return RequestError(f"{named}: there is no option '{found[0]['loc'][-1]}'", where=where, fix="trainwright list shows all")
    inside = ".".join(str(each) for each in found[0]["loc"][1:] if isinstance(each, str))
    refusals = [Refusal(each["type"], each.get("ctx", {}), each["input"]) for each in found]
    what, fix = join_refusals(refusals, f"{named}.{inside}" if inside and len(found) == 1 else named or "options")
    return RequestError(what, where=where, fix=fix)


def plain_value(value: Any) -> Any:
    """A number of numpy or torch as one of Python, an array of them as a list, a tuple as a list; anything else as it is."""
    if isinstance(value, tuple | list):
        return [plain_value(each) for each in value]
    if hasattr(value, "tolist") and hasattr(value, "ndim") and value.ndim < 2:
        return value.tolist()
    return value
