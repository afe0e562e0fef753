"""`type: loop` as it is written: which sequences are walked, which state is carried, and what is collected. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainwright.config.errors import did_you_mean
from trainwright.tools.graph.plan import Constant, Here, Loop, Reference
from trainwright.tools.graph.references import is_name, read_value, reference
from trainwright.tools.graph.writing import default_name, write_long_form

STEP = "step"


def read_loop(own: Mapping[str, Any], here: Here, previous: str) -> tuple[Loop, list[str], list[Any]]:
    """The loop, and the names and outside values of its sequences and first states; raises ConfigError for what is written wrongly."""
    over = _over(own.get("over"), here, previous)
    carry = _carry(own.get("carry"), here)
    dim = own.get("dim", 1)
    if isinstance(dim, bool) or not isinstance(dim, int):
        raise here.error(f"`dim` is {dim!r}", fix="the dimension of time as a whole number; 1 when the batch comes first")
    each = reference(own["each"], here) if isinstance(own.get("each"), str) else _last(own.get("nodes"), here)
    after = _after(own.get("next"), carry, each, here)
    loop = Loop(dim, tuple(over), tuple(carry), after, each)
    return loop, [*over, *carry], [*over.values(), *carry.values()]


def _over(over: Any, here: Here, previous: str) -> dict[str, Any]:
    if over is None:
        return {STEP: Reference(previous, previous)}
    if isinstance(over, str):
        return {STEP: reference(over, here)}
    if isinstance(over, Mapping) and over and all(is_name(name) for name in over):
        return {name: read_value(each, here) for name, each in over.items()}
    raise here.error(f"`over` is {over!r}", fix=f"write over: x (each step is called `{STEP}` inside) or over: {{inside: outside}}")


def _carry(carry: Any, here: Here) -> dict[str, Any]:
    if carry is None:
        return {}
    if isinstance(carry, str):
        carry = [carry]
    if isinstance(carry, list | tuple):
        carry = dict.fromkeys(carry)
    if not isinstance(carry, Mapping) or not all(is_name(name) for name in carry):
        raise here.error(f"`carry` is {carry!r}", fix="write carry: {state: first value}, with null where the cell starts from zeros")
    return {name: Constant(None) if each is None else read_value(each, here) for name, each in carry.items()}


def _last(nodes: Any, here: Here) -> Any:
    """What the last node inside gives."""
    if not isinstance(nodes, list | tuple) or not nodes:
        raise here.under("nodes").error("a loop needs nodes", fix="write what is done at each step")
    last = write_long_form(nodes[-1], here.under("nodes", len(nodes) - 1))
    outputs = last.own.get("outputs")
    while isinstance(outputs, list | tuple) and outputs:
        outputs = outputs[0]
    if last.name or isinstance(outputs, str):
        return reference(outputs if isinstance(outputs, str) else last.name, here)
    fix = f"for example `- {default_name(last.type)}: …` and each: {default_name(last.type)}"
    raise here.error("the last node of a loop needs a name, or `each` must say what to collect", fix=fix)


def _after(after: Any, carry: dict[str, Any], each: Any, here: Here) -> dict[str, Any]:
    if after is None and len(carry) == 1:
        return {next(iter(carry)): each}
    if not carry and after is None:
        return {}
    if not isinstance(after, Mapping):
        fix = f"write next: {{{', '.join(f'{name}: …' for name in carry)}}}"
        raise here.error("`next` must say what each carried state becomes", fix=fix)
    wrong = next((name for name in after if name not in carry), None)
    if wrong is not None:
        raise here.error(f"`next` names '{wrong}', which is not carried", fix=did_you_mean(str(wrong), carry))
    missing = next((name for name in carry if name not in after), None)
    if missing is not None:
        raise here.error(f"`next` does not say what '{missing}' becomes", fix=f"add {missing}: name of a node")
    return {name: read_value(after[name], here) for name in carry}
