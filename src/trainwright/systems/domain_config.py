"""What domains have to do with a configuration: `data.type`, and what a domain sets where nobody else does."""

from __future__ import annotations

import logging
from typing import Any

from trainwright.config.compose import Composed
from trainwright.config.domains import OURS, brought, house_table, owner, register
from trainwright.config.errors import ConfigError, DataError, RequestError
from trainwright.config.layers import canonical_keys, merge
from trainwright.config.places import Node, Place, node_of
from trainwright.config.registry import options_class, parts, registered_name
from trainwright.config.short_forms import write_out
from trainwright.config.structure import Section
from trainwright.data.claims import claimed_by
from trainwright.data.config import is_text_of_data
from trainwright.data.sources import from_text

log = logging.getLogger(__name__)


def write_out_path(composed: Composed) -> None:
    """Move `data.path`, where a source of columns finds its data, to where it belongs: `data.source.path`; both are a problem."""
    data = composed.root.under("data")
    path, kind = (data.under("path"), data.under("type")) if data else (None, None)
    if data is None or path is None or not isinstance(path.value, str):
        return
    if kind is not None and not (isinstance(kind.value, str) and (kind.value == "columns" or _is_source(kind.value))):
        return  # an option of a dataset of a person's own
    source = data.under("source") or Node({}, path.place, layer=path.layer)
    named = source if isinstance(source.value, str) else source.under("path")
    if named is not None and isinstance(named.value, str) and named.value != path.value and named.layer == path.layer:
        what, why = f"data.path is '{path.value}', and data.source '{named.value}'", "both say where the data are"
        composed.problems.append(ConfigError(what, where=str(path.place), why=why, fix="keep one of them"))
    if not isinstance(source.value, dict):
        source = Node({}, source.place, source.key, source.layer)
    source.value["path"] = Node(path.value, path.place, path.key, path.layer)
    del data.value["path"]
    data.value["source"] = source


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
    _move_path(source)
    named = source.under("type")
    if named is not None and named.value != kind.value:
        what, why = f"data.type is '{kind.value}', and data.source.type '{named.value}'", "both say what reads the data"
        composed.problems.append(ConfigError(what, where=str(kind.place), why=why, fix="keep one of them"))
    if isinstance(source.value, dict):
        source.value["type"] = Node(name, kind.place, kind.key, kind.layer)
    del data.value["type"]
    data.value["source"] = source


def write_out_claim(composed: Composed) -> None:
    """Name the source that reads a path which has options beside it, so that these are checked as its own."""
    source, depth = composed.root.nearest(("data", "source"))
    if depth < 2:
        return
    _move_path(source)
    path = source.under("path")
    kind = _source_of(composed.root) if path is not None and source.under("type") is None else ""
    if path is not None and kind and "path" in options_class("source", kind).model_fields:
        source.value["type"] = Node(kind, path.place, layer=path.layer)


def _move_path(source: Node) -> None:
    """Move a path that stands for the type, as in `data.source=a.csv data.source.delimiter=;`, to where it belongs."""
    named = source.under("type")
    if named is not None and source.under("path") is None and is_text_of_data(named.value) and not named.value.startswith("builtin:"):
        source.value["path"] = source.value.pop("type")


def ask_domain(composed: Composed) -> None:
    """Give `data.source` of a system that a domain brings the dataset that this domain claims it for; no other domain is asked."""
    data, system = composed.root.under("data"), composed.root.under("system")
    named = system.under("type") if system is not None and isinstance(system.value, dict) else system
    if data is None or named is None or not isinstance(named.value, str) or not isinstance(data.value, dict) or "type" in data.value:
        return
    found = register().domains.get(owner("system", named.value)) if named.value.replace("-", "_").isidentifier() else None
    source = data.under("source")
    place = source.under("path") if source is not None and isinstance(source.value, dict) else source
    if found is None or not found.domain.claims or source is None or place is None or not isinstance(place.value, str):
        return
    claim = claimed_by(found.domain, place.value)
    if claim is None:
        known = ", ".join(f"data.type={each}" for each in found.domain.parts.get("dataset", {}))
        what = f"'{place.value}' is not claimed by the domain {found.domain.name}, which the system '{named.value}' is of"
        composed.problems.append(DataError(what, where=str(place.place), fix=f"name a path that there is, or say what it is: {known}"))
        return
    if isinstance(source.value, dict) and set(source.value) == {"path"}:
        data.value["source"] = Node(place.value, place.place, source.key, source.layer)
    data.value["type"] = Node(claim.type, place.place, layer=place.layer)
    log.info("data: '%s' is read as %s, of the domain %s: %s", place.value, claim.type, found.domain.name, claim.why)


def _is_source(name: str) -> bool:
    folded = name.replace("-", "_")
    return folded.isidentifier() and any(each.replace("-", "_") == folded for each in parts("source"))


def lay_under(composed: Composed) -> None:
    """Put what the domain of the data sets under everything else that was written."""
    kind = _source_of(composed.root)
    if not kind or kind in house_table("source"):  # tables set nothing, and no packages are looked for
        return
    domain = owner("source", kind)
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
    if written in house_table("source") or (written.replace("-", "_").isidentifier() and written in brought("source")):
        return written
    try:
        found = from_text(written)["type"]
    except DataError:  # told when the source is checked
        return ""
    return str(found)
