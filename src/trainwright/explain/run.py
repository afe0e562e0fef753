"""From a question to an explanation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from trainwright.config.choice import choose
from trainwright.config.errors import RequestError
from trainwright.config.registry import build
from trainwright.explain.explanation import Explanation
from trainwright.explain.study import Asked, make_study
from trainwright.explain.subject import Subject


def explain(subject: Subject, asked: Asked) -> Explanation:
    """What a method finds of a model. Raises RequestError for what it cannot be asked, saying what it can."""
    method: Any = build("explainer", asked.method)
    with exact_attention():
        found: Explanation = method.explain(make_study(subject, asked))
    return found


@contextmanager
def exact_attention() -> Iterator[None]:
    """Without torch's fast path of attention, which answers padded rows otherwise than the one that has a gradient."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def method_options(name: str | dict[str, Any], given: dict[str, Any]) -> Any:
    """The options of a method by name, or as a part with options; raises RequestError for unknown names and options."""
    from pydantic import ValidationError
    from pydantic_core import PydanticCustomError

    from trainwright.explain import PARTS, find_name

    part = {"type": name} if isinstance(name, str) else dict(name)
    part["type"] = find_name(str(part.get("type", "")))
    try:
        return choose("explainer", part | given)
    except PydanticCustomError as error:
        context = error.context or {}
        raise RequestError(str(context.get("what")), where="--method", fix=str(context.get("fix") or ", ".join(PARTS))) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            who = [each for each, one in PARTS.items() if key in one.config.model_fields]
            fix = f"it is of {', '.join(who)}" if who else f"see trainwright list explainer.{part.get('type')}"
            raise RequestError(f"{part['type']} has no option '{key}'", where=f"--{key.replace('_', '-')}", fix=fix) from error
        raise RequestError(
            f"{key}: {first['msg']}", where=f"--{key.replace('_', '-')}", fix=f"see trainwright list explainer.{part.get('type')}"
        ) from error
