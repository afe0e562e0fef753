"""How a later layer of the configuration changes an earlier one: mappings key by key, everything else replaced."""

from __future__ import annotations

from trainwright.config.errors import ConfigError, RequestError
from trainwright.config.places import KeyPath, Node, spell_key
from trainwright.config.structure import Entries, Items, PartHere, Section, ShortForm, Structure, below, canonical


def canonical_keys(node: Node, here: Structure, problems: list[RequestError] | None = None) -> Node:
    """The node with `-` read as `_` in the names of options; the user's own names (columns) stay.

    Of an option spelled both ways the first is taken; the other is added to `problems`, or raised where there are none.
    """
    here = _settle(here, node)
    if isinstance(node.value, dict):
        keys: dict[str, Node] = {}
        for key, each in node.value.items():
            name = canonical(here, key)
            if name in keys:
                why = f"it was given before at {keys[name].key or keys[name].place}"
                twice = ConfigError(f"'{name}' is given twice", where=str(each.key or each.place), why=why, fix="keep one of them")
                if problems is None:
                    raise twice
                problems.append(twice)
                continue
            keys[name] = canonical_keys(each, _below(here, name, node), problems)
        node.value = keys
    elif isinstance(node.value, list):
        for index, each in enumerate(node.value):
            canonical_keys(each, _below(here, index, node), problems)
    return node


def merge(earlier: Node, later: Node, here: Structure) -> Node:
    """`later` on top of `earlier`: another `type` replaces a part whole, and one alternative option replaces another."""
    here = _settle(here, earlier, later)
    if isinstance(here, PartHere):
        earlier = _as_mapping(earlier) if isinstance(later.value, dict) else earlier
        if _part_name(later, _part_name(earlier, here.default)) != _part_name(earlier, here.default):
            return later
    elif _has_type(here) and isinstance(later.value, dict):
        earlier = _as_mapping(earlier)
    if not isinstance(earlier.value, dict) or not isinstance(later.value, dict):
        return later
    merged = dict(earlier.value)
    if isinstance(here, Section):
        _drop_replaced(merged, later, here)
    for key, each in later.value.items():
        merged[key] = merge(merged[key], each, _below(here, key, later)) if key in merged else each
    return Node(merged, later.place, later.key, later.layer)


def assign(root: Node, path: KeyPath, value: Node, top: Structure) -> None:
    """Set one option in place, making the mappings on the way; raises ConfigError when a list has no such item."""
    node, here = root, top
    for depth, key in enumerate(path[:-1]):
        node, here = _step(node, key, here, value, path[: depth + 1])
    last, here = path[-1], here
    if isinstance(node.value, list):
        index = _index(node, last, value, path)
        node.value[index] = merge(node.value[index], canonical_keys(value, _below(here, index, node)), _below(here, index, node))
        return
    if not isinstance(node.value, dict):
        node.value, node.place = {}, value.place
    name = canonical(here, str(last))
    inner = _below(here, name, node)
    value = canonical_keys(value, inner)
    if isinstance(here, PartHere) and name == "type" and "type" in node.value and node.value["type"].value != value.value:
        node.value.clear()
    if isinstance(here, Section):
        _drop_replaced(node.value, Node({name: value}, value.place, layer=value.layer), here)
    old = node.value.get(name)
    node.value[name] = merge(old, value, inner) if old else value


def _step(node: Node, key: str | int, here: Structure, value: Node, path: KeyPath) -> tuple[Node, Structure]:
    """The node one key further down, made when it is missing."""
    if isinstance(node.value, list):
        index = _index(node, key, value, path)
        found, inner = node.value[index], _below(here, index, node)
    else:
        if not isinstance(node.value, dict):
            node.value, node.place = {}, value.place
        name = canonical(here, str(key))
        inner = _below(here, name, node)
        if isinstance(inner, Items) and name not in node.value:
            what = f"{spell_key(path)} is not given, so no item of it can be set"
            raise ConfigError(what, where=str(value.place), fix=f"set the whole list: {spell_key(path)}=[…]")
        found = node.value.setdefault(name, Node({}, value.place, value.key, value.layer))
    inner = _settle(inner, found)
    if isinstance(inner, PartHere) or _has_type(inner):
        upgraded = _as_mapping(found)
        found.value = upgraded.value
    return found, inner


def _index(node: Node, key: str | int, value: Node, path: KeyPath) -> int:
    count = len(node.value)
    if isinstance(key, int) and key < count:
        return key
    where = spell_key(path[:-1])
    what = f"{where} is a list of {count}, and '{key}' is not one of its items"
    raise ConfigError(
        what, where=str(value.place), fix=f"items are counted from 0: {where}.0" if count else f"set the whole list: {where}=[…]"
    )


def _settle(here: Structure, *nodes: Node) -> Structure:
    """What a short form holds, seen from its values: a name or a `type` makes it a part."""
    return here.settle(any(isinstance(each.value, str) or _type_of_part(each) for each in nodes)) if isinstance(here, ShortForm) else here


def _below(here: Structure, key: str | int, node: Node) -> Structure:
    if isinstance(here, Entries | Items):
        return here.of
    return below(here, key, _type_of_part(node))


def _type_of_part(node: Node) -> dict[str, object]:
    """Of a part's mapping, the one value that says which part it is."""
    kind = node.value.get("type") if isinstance(node.value, dict) else None
    return {"type": kind.value} if kind is not None and isinstance(kind.value, str) else {}


def _part_name(node: Node, default: str) -> str:
    name = node.value if isinstance(node.value, str) else _type_of_part(node).get("type", default)
    return str(name).replace("-", "_")


def _has_type(here: Structure) -> bool:
    """Whether a section may be written as its `type` alone."""
    return isinstance(here, Section) and "type" in here.model.model_fields


def _as_mapping(node: Node) -> Node:
    """A part written as its name alone, as a mapping with `type`."""
    if not isinstance(node.value, str):
        return node
    return Node({"type": Node(node.value, node.place, node.key, node.layer)}, node.place, node.key, node.layer)


def _drop_replaced(merged: dict[str, Node], later: Node, here: Section) -> None:
    """Of options that exclude each other, those of earlier layers go when a later one sets another."""
    for group in here.model.alternatives:
        given = [name for name in group if name in later.value and later.value[name].value is not None]
        for name in group:
            if given and name not in later.value and name in merged and merged[name].layer != later.value[given[0]].layer:
                del merged[name]
