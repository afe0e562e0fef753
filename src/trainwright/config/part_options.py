"""Options of a part as a person gives them outside of a configuration, flags of a command or keywords of a call: checked with the part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from trainwright.config.errors import ManyErrors, RequestError, did_you_mean
from trainwright.config.model import PartConfig
from trainwright.config.wording import Refusal, join_refusals


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
        refused = [_refusal(each, where, spell) for each in error.errors(include_url=False)]
        raise refused[0] if len(refused) == 1 else ManyErrors(refused) from error


def _refusal(found: ErrorDetails, where: str, spell: Callable[[str], str]) -> RequestError:
    named = spell(str(found["loc"][0])) if found["loc"] else "options"
    what, fix = join_refusals([Refusal(found["type"], found.get("ctx", {}), found["input"])], named)
    return RequestError(what, where=where, fix=fix)


def plain_value(value: Any) -> Any:
    """A number of numpy or torch as one of Python, an array of them as a list, a tuple as a list; anything else as it is."""
    if isinstance(value, tuple | list):
        return [plain_value(each) for each in value]
    if hasattr(value, "tolist") and hasattr(value, "ndim") and value.ndim < 2:
        return value.tolist()
    return value
