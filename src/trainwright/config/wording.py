"""Pydantic's refusals in plain words: what was found, what is allowed, and how to write it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trainwright.config.errors import nearest
from trainwright.config.reading import kind_of

EXPECTED: dict[str, str] = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "none_required": "null",
}
BOUNDS: dict[str, tuple[str, str]] = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "at most"),
    "multiple_of": ("multiple_of", "a multiple of"),
}
_OF = {"at least": "of at least", "at most": "of at most", "a multiple of": "that is a multiple of"}


@dataclass(frozen=True)
class Refusal:
    """One of pydantic's errors at a place; `members` names the member of a union that refused."""

    kind: str
    context: Mapping[str, Any]
    value: Any
    members: Sequence[str] = field(default=())


def join_refusals(refusals: Sequence[Refusal], name: str) -> tuple[str, str]:
    """What is wrong with one value, and its fix, from all that refused it."""
    first = refusals[0]
    bounds = [each for each in refusals if each.kind in BOUNDS]
    if bounds:
        key, words = BOUNDS[bounds[0].kind]
        limit = bounds[0].context[key]
        shown = str(limit) if isinstance(limit, int) else f"{limit:g}"
        return f"{name}: {bounds[0].value} is not {words} {shown}", f"write a number {_OF.get(words, words)} {shown}"
    lengths = [each for each in refusals if each.kind in ("too_short", "too_long")]
    if lengths:
        return _length(lengths[0], name)
    literals = [each for each in refusals if each.kind in ("literal_error", "enum", "string_pattern_mismatch")]
    allowed = [option for each in literals for option in _options(each)]
    expected = list(dict.fromkeys(EXPECTED.get(each.kind, "") for each in refusals if each.kind in EXPECTED))
    said = kind_of(first.value)
    if first.kind in ("no_part", "no_type"):
        return _no_part(first, name)
    if allowed:
        return _not_among(first.value, allowed, expected, name)
    if expected:
        words = " or ".join(expected)
        return f"{name}: {said} is not {words}", _how_to_write(first.value, expected)
    message = str(first.context.get("error") or first.context.get("what") or first.kind.replace("_", " "))
    return f"{name}: {message}" if isinstance(first.value, dict) else f"{name}: {said} is refused: {message}", ""


def _options(refusal: Refusal) -> list[str]:
    if refusal.kind == "string_pattern_mismatch":
        found = re.fullmatch(r"\^\((.*)\)\$", refusal.context["pattern"])
        return found[1].split("|") if found else []
    expected = str(refusal.context.get("expected", ""))
    return re.findall(r"'([^']*)'", expected) or re.findall(r"-?\b\d+\b", expected)


def _not_among(value: Any, allowed: list[str], expected: list[str], name: str) -> tuple[str, str]:
    others = f", or {' or '.join(expected)}" if expected else ""
    boolean = {True: ("on", "yes", "true"), False: ("off", "no", "none", "false")}.get(value, ()) if isinstance(value, bool) else ()
    close = next((each for each in boolean if each in allowed), "") or (nearest(value, allowed) if isinstance(value, str) else "")
    hint = f"did you mean '{close}'? " if close else ""
    return f"{name}: {kind_of(value)} is not allowed", f"{hint}one of: {', '.join(allowed)}{others}"


def _length(refusal: Refusal, name: str) -> tuple[str, str]:
    least, most = refusal.context.get("min_length"), refusal.context.get("max_length")
    count = refusal.context["actual_length"] if "actual_length" in refusal.context else len(refusal.value)
    limit = f"at least {least}" if refusal.kind == "too_short" else f"at most {most}"
    return f"{name}: {count} {'item' if count == 1 else 'items'}, but it takes {limit}", f"list {limit}"


def _no_part(refusal: Refusal, name: str) -> tuple[str, str]:
    kind = refusal.context["kind"]
    if refusal.kind == "no_type" and refusal.context.get("given") is None:
        return f"{name}: the mapping has no `type`", f"name the {kind}, for example `type: {_example(kind)}` (trainwright list {kind})"
    shown = refusal.context.get("given") if refusal.kind == "no_type" else refusal.value
    return f"{name}: {kind_of(shown)} does not name {_a(kind)}", f"write its name, or a mapping with `type` (trainwright list {kind})"


def _a(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeio" else f"a {kind}"


def _example(kind: str) -> str:
    from trainwright.config.registry import parts

    return next(iter(parts(kind)), "…")


def _how_to_write(value: Any, expected: list[str]) -> str:
    """How the value would be written, where that can be guessed."""
    if isinstance(value, str):
        number = re.match(r"\s*([-+]?\d[\d_,]*(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*(\S.*)?$", value)
        if number and {"a whole number", "a number"} & set(expected):
            digits = number[1].replace("_", "").replace(",", "")
            return f"write {digits}, " + ("without a unit" if number[2] else "without quotes")
        if "true or false" in expected:
            meant = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(value.lower(), nearest(value, ["true", "false"]))
            return f"write {meant or 'true or false'}"
        if expected == ["a list"]:
            return f"write [{value}]"
    if isinstance(value, float) and math.isfinite(value) and expected == ["a whole number"]:
        return f"write {round(value)}"
    if expected == ["text"] and not isinstance(value, dict | list) and value is not None:
        return f'put it in quotes: "{str(value).lower() if isinstance(value, bool) else value}"'
    if value is None:
        return "give a value, or remove the line to keep the default"
    return f"write {' or '.join(expected)}"
