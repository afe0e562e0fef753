"""Options of the system at the top of a configuration (`targets:`, `model:`, `loss:`), written out into `system:` before it is checked."""

from __future__ import annotations

from trainwright.config.errors import ConfigError, RequestError
from trainwright.config.layers import assign, merge
from trainwright.config.model import ConfigModel
from trainwright.config.places import Node
from trainwright.config.registry import options_class, parts
from trainwright.config.structure import Section, below

ONE_FORM = "a file has either `system:` or `model:` at the top"


def write_out(root: Node, model: type[ConfigModel], problems: list[RequestError]) -> tuple[str, ...]:
    """Move the short forms that `model` knows into `system:`, places and all, and return the keys that were moved.

    Those of a later layer go on top of an earlier `system:`; beside one of the same layer they are added to `problems`.
    """
    if not model.short or not isinstance(root.value, dict):
        return ()
    system = root.value.get("system")
    kind = _system_of(root, model)
    given = _take_given(root, model.short.get(kind, _every_name(model)), _words_of(kind), problems)
    if system is not None and _has_name(system):
        return _set_named(root, system, given, model, problems)
    if not given:
        return ()
    place = next(iter(given.values())).place
    short = Node({"type": Node(kind, place), **given}, place)
    root.value["system"] = short if system is None else merge(short, system, below(Section(model), "system"))
    return tuple(given)


def _system_of(root: Node, model: type[ConfigModel]) -> str:
    """The system that is meant: the one named, else the default, or the one whose `model` has a name or a `type`."""
    system, written = root.under("system"), root.under("model")
    named = system if system is None or isinstance(system.value, str) else system.under("type")
    if named is not None:
        return str(named.value)
    return list(model.short)[-1 if written is not None and _has_name(written) else 0]


def _words_of(kind: str) -> dict[str, str]:
    """What options of a registered system are called too (`target` for `targets`)."""
    return options_class("system", kind).other_words if kind in parts("system") else {}


def _take_given(root: Node, names: tuple[str, ...], words: dict[str, str], problems: list[RequestError]) -> dict[str, Node]:
    """The short forms that are there, by the names that the system has for them, taken out of the top; the later layer wins."""
    found: dict[str, Node] = {}
    for name in (each for each in names if each in root.value):
        node, option = root.value.pop(name), words.get(name, name)
        other = found.get(option)
        if other is not None and other.layer == node.layer:
            what = f"'{name}' and '{option}' are both given"
            problems.append(ConfigError(what, where=str(node.key or node.place), fix=f"keep {option}"))
        if other is None or node.layer > other.layer:
            found[option] = node
    return found


def _has_name(node: Node) -> bool:
    return isinstance(node.value, str) or node.under("type") is not None


def _every_name(model: type[ConfigModel]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for names in model.short.values() for name in names))


def _set_named(root: Node, system: Node, given: dict[str, Node], model: type[ConfigModel], problems: list[RequestError]) -> tuple[str, ...]:
    fix = "put it under `system:`, or leave `system:` out and keep `model:`, `loss:` and their like at the top"
    for name, each in given.items():
        if each.layer > system.layer:
            assign(root, ("system", name), each, Section(model))
        else:
            what = f"'{name}' stands at the top beside `system`"
            problems.append(ConfigError(what, where=str(each.key or each.place), why=ONE_FORM, fix=fix))
    return tuple(given)
