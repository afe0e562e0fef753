"""What a node reads, as it is written: `name`, `a.b`, `a[0]`, `a[:, -1]`, `{size: x}`, numbers, and lists and mappings of these."""

from __future__ import annotations

import ast
import keyword
from typing import Any

from trainwright.tools.graph.plan import Constant, Here, Reference

SPECIAL = ("size", "parameter", "value")
OF_TENSORS = frozenset({"shape", "dtype", "device", "ndim", "T", "mT", "H", "mH", "real", "imag"})
RESERVED = frozenset({"self", "torch", "F", "inf", "nan", "pick", "print", "range", "zip", "float"})
FORMS = "a name, a.b, a[0], a[:, -1], {size: a}, {parameter: layer.weight}, {value: text}, a number, or a list of these"


def is_name(text: Any) -> bool:
    """Whether a node, an input or an output may be called so."""
    if not isinstance(text, str) or not text.isidentifier():
        return False
    return not keyword.iskeyword(text) and text not in RESERVED and not text.startswith("_")


def is_member(text: Any) -> bool:
    """Whether text is the path of a layer or a parameter in the graph: `blocks.0.fc`."""
    return isinstance(text, str) and all(each.isidentifier() or (each.isascii() and each.isdigit()) for each in text.split("."))


def is_argument(text: Any) -> bool:
    """Whether an argument may be called so."""
    return isinstance(text, str) and text.isidentifier() and not keyword.iskeyword(text)


def read_value(value: Any, here: Here) -> Any:
    """What a node is given: references, constants, and lists and mappings of these; raises ConfigError for anything else."""
    if isinstance(value, str):
        return reference(value, here)
    if isinstance(value, dict):
        if len(value) == 1 and next(iter(value)) in SPECIAL:
            return _special(*next(iter(value.items())), here)
        return {str(key): read_value(each, here) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [read_value(each, here) for each in value]
    if value is None or isinstance(value, bool | int | float):
        return Constant(value)
    raise here.error(f"a node cannot be given {type(value).__name__}", fix=f"write {FORMS}")


def _special(key: str, value: Any, here: Here) -> Reference | Constant:
    if key == "value":
        return Constant(value)
    if not isinstance(value, str):
        raise here.error(f"`{key}:` wants a name, not {value!r}", fix=f"write {{{key}: name}}")
    if key == "parameter":
        if not is_member(value):
            raise here.error(f"'{value}' is not the name of a parameter", fix="write {parameter: layer.weight}")
        return Reference(_member("self", value), parameter=value)
    found = reference(value, here)
    return Reference(f"{found.code}.size()", found.base)


def _member(of: str, path: str) -> str:
    return of + "".join(f"[{each}]" if each.isdigit() else f".{each}" for each in path.split("."))


def reference(text: str, here: Here) -> Reference:
    """`name`, with attributes, keys, indices and slices after it; raises ConfigError for anything else."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        code, base = _code(tree)
    except (SyntaxError, ValueError):
        fix = f"write {FORMS}" if not text.strip().isidentifier() else "choose another name: it means something in Python"
        raise here.error(f"'{text}' is not something a node can be given", fix=fix) from None
    return Reference(code, base)


def _code(tree: ast.expr) -> tuple[str, str]:
    """Source over local names, and the name it starts from; raises ValueError for what is no reference."""
    if isinstance(tree, ast.Name):
        return tree.id, tree.id
    if isinstance(tree, ast.Attribute) and not tree.attr.startswith("_"):
        inside, base = _code(tree.value)
        return (f"{inside}.{tree.attr}" if tree.attr in OF_TENSORS else f"pick({inside}, {tree.attr!r})"), base
    if isinstance(tree, ast.Subscript):
        inside, base = _code(tree.value)
        return f"{inside}[{_index(tree.slice)}]", base
    raise ValueError


def _index(tree: ast.expr | None) -> str:
    if tree is None:
        return ""
    if isinstance(tree, ast.Tuple) and tree.elts:
        return ", ".join(_index(each) for each in tree.elts)
    if isinstance(tree, ast.Slice):
        return f"{_index(tree.lower)}:{_index(tree.upper)}" + (f":{_index(tree.step)}" if tree.step else "")
    if isinstance(tree, ast.Name):
        return repr(tree.id)  # a key of a mapping
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub) and isinstance(tree.operand, ast.Constant):
        return f"-{_index(tree.operand)}"
    if isinstance(tree, ast.Constant) and (tree.value is None or tree.value is Ellipsis or isinstance(tree.value, int | str)):
        return "..." if tree.value is Ellipsis else repr(tree.value)
    raise ValueError
