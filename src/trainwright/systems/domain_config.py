"""What domains have to do with a configuration: `data.type`, and what a domain sets where nobody else does."""

from __future__ import annotations

from typing import Any

from trainwright.config.compose import Composed
from trainwright.config.domains import OURS, brought, owner, register
from trainwright.config.errors import ConfigError, DataError, RequestError
from trainwright.config.layers import canonical_keys, merge
from trainwright.config.places import Node, Place, node_of
from trainwright.config.registry import options_class, parts, registered_name
from trainwright.config.short_forms import write_out
from trainwright.config.structure import Section
from trainwright.data.sources import from_text


def write_out_type(composed: Composed) -> None:
    """Move `data.type: wav_folder`, the kind of a source of columns, to where it belongs: `data.source.type`.

    What cannot be is added to the problems of the configuration.
    """
    data = composed.root.under("data")
    kind = data.under("type") if data else None
    if data is None or kind is None or not isinstance(kind.value, str) or not _is_source(kind.value):
        return
    name = registered_name("source", kind.value)
    source = data.under("source") or Node({}, kind.place, layer=kind.layer)
    if "path" not in options_class("source", name).model_fields:
        what, fix = f"data.type: '{name}' is at no path", f"write its options: data.source={{type: {name}, …}}"
        composed.problems.append(ConfigError(what, where=str(kind.place), fix=fix))
        del data.value["type"]
        return
    if isinstance(source.value, str):
        source = Node({"path": Node(source.value, source.place, layer=source.layer)}, source.place, source.key, source.layer)
    named = source.under("type")
    if named is not None and named.value != kind.value:
        what, why = f"data.type is '{kind.value}', and data.source.type '{named.value}'", "both say what reads the data"
        composed.problems.append(ConfigError(what, where=str(kind.place), why=why, fix="keep one of them"))
    if isinstance(source.value, dict):
        source.value["type"] = Node(name, kind.place, kind.key, kind.layer)
    del data.value["type"]
    data.value["source"] = source


def _is_source(name: str) -> bool:
    folded = name.replace("-", "_")
    return folded.isidentifier() and any(each.replace("-", "_") == folded for each in parts("source"))


def lay_under(composed: Composed) -> None:
    """Put what the domain of the data sets under everything else that was written."""
    if not any(each.domain.config for each in register().domains.values()):
        return
    domain = owner("source", _source_of(composed.root))
    found = register().domains.get(domain)
    if found is None or not found.domain.config:
        return
    place = Place(f"domain {domain}" if found.package == OURS else f"domain {domain} ({found.package})")
    problems: list[RequestError] = []
    under = canonical_keys(node_of(dict(found.domain.config), place), Section(composed.model), problems)
    write_out(under, composed.model, problems)
    composed.problems += problems
    composed.root = merge(under, composed.root, Section(composed.model))


def _source_of(root: Node) -> str:
    """The type of the source of columns; empty where it is none, or cannot be told."""
    source = root.nearest(("data", "source"))[0].plain() if root.nearest(("data", "source"))[1] == 2 else None
    written: Any = source.get("type") or source.get("path") if isinstance(source, dict) else source
    if not isinstance(written, str) or not written:
        return ""
    if written in brought("source"):
        return written
    try:
        found = "" if _is_source(written) else from_text(written)["type"]
    except DataError:  # told when the source is checked
        return ""
    return str(found)
