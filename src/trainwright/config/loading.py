"""The values of a configuration in any form that people keep one in, as plain nested mappings."""

from __future__ import annotations

import argparse
import json
import os
from functools import partial
from pathlib import Path
from typing import Any

from trainwright.config.errors import ConfigError, ManyErrors, RequestError, nearest
from trainwright.config.limits import MOST_DEPTH, refuse_count, refuse_depth
from trainwright.config.places import Node, Place, node_of
from trainwright.config.reading import kind_of, parse_yaml, read_yaml
from trainwright.config.text_files import read_text

YAML = (".yaml", ".yml")
KEY_VALUE = (".ini", ".txt", ".cfg", ".conf")
JSON = (".json",)
ENDINGS = (*YAML, *JSON, *KEY_VALUE)
"""Files that hold a configuration, by their ending."""


def load_values(anything: Any, parser: argparse.ArgumentParser | None = None) -> dict[str, Any]:
    """The values of a file or an object, with the types of an argparse `parser` for `key = value` files; raises ConfigError."""
    found: dict[str, Any] = load_node(anything, parser).plain()
    return found


def load_node(anything: Any, parser: argparse.ArgumentParser | None = None) -> Node:
    """The same with the place of every value."""
    from trainwright.config.old_forms.objects import plain

    if not isinstance(anything, str | os.PathLike):
        if parser is not None:
            raise ConfigError("a parser types files, not objects", fix="give the path of a `key = value` file")
        return node_of(plain(anything), Place("config"))
    path = Path(anything)
    if parser is not None:
        if path.suffix.lower() not in KEY_VALUE:
            raise ConfigError("a parser types `key = value` files", where=str(path), fix=f"name a file that ends in {', '.join(KEY_VALUE)}")
        from trainwright.config.old_forms.with_parser import read_with_parser

        return node_of(plain(read_with_parser(path, parser), str(path)), Place(str(path)))
    return _with_bases(path, ())


def read_file(path: Path, problems: list[RequestError] | None = None) -> Node:
    """The options in a configuration file of any of these forms, with their places; raises ConfigError for another ending.

    Keys given twice are added to `problems`, or raised where there are none.
    """
    ending = path.suffix.lower()
    if ending in KEY_VALUE:
        from trainwright.config.old_forms.key_value import read_key_values

        return read_key_values(path, problems)
    if ending in JSON:
        return _read_json(path, problems)
    if ending in YAML or not ending:
        return read_yaml(path, problems=problems)
    close = nearest(ending, ENDINGS)
    hint = f"did you mean '{path.with_suffix(close).name}'? " if close else ""
    raise ConfigError(f"'{ending}' files hold no configuration", where=str(path), fix=f"{hint}write {', '.join(ENDINGS)}")


def is_old_form(config: Any) -> bool:
    """Whether `config` is an object that `load` reads and that is neither a path nor a plain mapping."""
    from collections.abc import Mapping

    return config is not None and not isinstance(config, str | os.PathLike) and not (isinstance(config, Mapping) and _is_plain(config))


def _is_plain(config: Any) -> bool:
    return type(config) is dict


def _read_json(path: Path, problems: list[RequestError] | None) -> Node:
    """JSON by its own rules (escapes, tabs), with places as YAML finds them, which reads nearly all of it."""
    text = read_text(path)
    repeated: list[str] = []
    try:
        value = json.loads(text, object_pairs_hook=partial(_mapping, repeated))
    except json.JSONDecodeError as error:
        where = f"{path}:{error.lineno}:{error.colno}"
        raise ConfigError(f"not valid JSON: {error.msg}", where=where, fix="close every bracket and quote") from error
    except RecursionError:
        refuse_depth(MOST_DEPTH + 1, str(path))
        raise
    except ValueError as error:
        raise ConfigError("a number cannot be read", where=str(path), why=str(error), fix="put it in quotes if it is text") from error
    if not isinstance(value, dict):
        raise ConfigError(f"the file holds {kind_of(value)}, not options", where=str(path), fix='write {"key": value}')
    whole = node_of(value, Place(str(path)))
    refuse_count(sum(1 for _ in whole.walk()), str(path))
    found: list[RequestError] = []
    try:
        node = parse_yaml(text.replace("\t", " "), str(path), found)
    except ConfigError:
        node = whole
    node = node if node.plain() == value else whole
    found = found or [ConfigError(f"'{key}' is given twice", where=str(path), fix="keep one of them") for key in repeated]
    if problems is not None:
        problems += found
    elif found:
        raise found[0] if len(found) == 1 else ManyErrors(found)
    return node


def _mapping(repeated: list[str], pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; keys that it holds twice are added to `repeated`."""
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated += [key for key in made if keys.count(key) > 1]
    return made


def _with_bases(path: Path, chain: tuple[Path, ...]) -> Node:
    """A file merged onto its bases, key by key, each found relative to the file that names it."""
    from trainwright.config.layers import merge
    from trainwright.config.structure import Leaf

    if path.resolve() in chain:
        raise ConfigError("base files go in a circle", where=str(path), fix="remove one `base`")
    own = read_file(path)
    base = own.value.pop("base", None) if path.suffix.lower() in (*YAML, *JSON) else None
    merged: Node | None = None
    for each in [] if base is None else base.value if isinstance(base.value, list) else [base]:
        if not isinstance(each.value, str):
            raise ConfigError("`base` is not a file name", where=str(each.place), fix="write `base: other.yaml`")
        read = _with_bases(path.parent / each.value, (*chain, path.resolve()))
        merged = merge(merged, read, Leaf()) if merged else read
    return merge(merged, own, Leaf()) if merged else own
