"""One registry for all kinds of parts: a table of name → class path and options, so that listing imports no torch."""

from __future__ import annotations

import importlib
import inspect
from collections import ChainMap
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

from trainwright.config.class_options import context_names, options_from_signature, own_options
from trainwright.config.composition import Composition, compose_class, parse_composition
from trainwright.config.config_classes import takes_config
from trainwright.config.domains import PartTable, blame_package, why_lacking
from trainwright.config.errors import FOREIGN, ConfigError, did_you_mean, nearest
from trainwright.config.foreign import found_at, is_path
from trainwright.config.model import PartConfig
from trainwright.config.nested import config_object, options_from_config
from trainwright.config.part import KINDS, OWN_KINDS, RENAMED_KINDS, Part

__all__ = [
    "KINDS", "OWN_KINDS", "RENAMED_KINDS", "Part", "aliases", "as_asked", "build", "canonical_name", "check_target", "divide_member",
    "known_parts", "load", "options_class", "options_of_class", "parts", "registered_name", "tell_alias",
]  # fmt: skip


def parts(kind: str) -> Mapping[str, Part]:
    """The parts of a kind, of all domains; raises ConfigError for an unknown kind."""
    if kind not in KINDS:
        raise ConfigError(f"unknown kind '{kind}'", fix=did_you_mean(kind, KINDS))
    table: Mapping[str, Part] = importlib.import_module(KINDS[kind]).PARTS
    return table if kind == "part" or isinstance(table, PartTable) else PartTable(kind, table)


def known_parts(kind: str) -> Mapping[str, Part]:
    """The parts of a kind with what `tw.register` named; raises ConfigError for an unknown kind."""
    if kind not in OWN_KINDS:
        return parts(kind)
    other = parts("model" if kind == "part" else kind)  # a part may be a model from nodes
    return ChainMap(cast(Any, parts("part")), cast(Any, other))  # not one new mapping: that would look for packages


def registered_name(kind: str, name: str) -> str:
    """The name in the table (`-` read as `_`), or an empty text for a path; raises ConfigError when it is neither."""
    name = divide_member(kind, name)[0]
    table = known_parts(kind)
    found = name if name in table else ""
    if not found and name.replace("-", "_").isidentifier():
        found = next((each for each in table if each.replace("-", "_") == name.replace("-", "_")), "")
    if found and kind in OWN_KINDS[1:] and found in parts("part") and found in parts(kind):
        why = f"yours is at {parts('part')[found].path}"
        raise ConfigError(
            f"'{found}' is both a part of your own and a {kind} of Trainwright's", why=why, fix="register yours by another name"
        )
    if found or is_path(name):
        return found
    if lacking := why_lacking(kind, name):
        raise lacking
    hint = f"register it with @tw.register('{name}') in a file that `imports` names" if kind in OWN_KINDS else ""
    known = [*table, *aliases(kind)]
    known += [f"{each}/{name.partition('/')[2]}" for each in table if "/" in name and nearest(name.partition("/")[0], [each], alike=0.75)]
    fix = hint if kind == "part" and not nearest(name, known) else did_you_mean(name, known) or hint
    if kind == "model" and name.replace("-", "_") in parts("block"):
        fix = f"it is a block, a node of a graph: model: {{type: graph, nodes: [{{type: {name}, …}}]}}"
    raise ConfigError(f"unknown {kind} type '{name}'", fix=fix)


def divide_member(kind: str, name: str) -> tuple[str, dict[str, str]]:
    """`timm/resnet18` as the part `timm` and the option that `resnet18` is of it; any other as the name that a part has here."""
    find_name = getattr(importlib.import_module(KINDS[kind]), "find_name", None) if kind in KINDS else None
    name = name if find_name is None else find_name(name)
    family, slash, member = name.partition("/")
    if not slash or not family.isidentifier() or kind not in KINDS:
        return name, {}
    table = known_parts(kind)
    option = _of_part(kind, family, lambda part: getattr(part.config, "member", "")) if family in table else ""
    return (family, {option: member}) if option else (name, {})


def tell_alias(kind: str, name: str) -> None:
    """Says once what a part is called here where it was given another name, for kinds whose names differ between libraries."""
    tell = getattr(importlib.import_module(KINDS[kind]), "announce_name", None)
    if tell is not None:
        tell(name)


def aliases(kind: str) -> dict[str, str]:
    """Other words for the parts of a kind → their names."""
    return getattr(importlib.import_module(KINDS[kind]), "ALIASES", {})


def canonical_name(kind: str, name: str) -> str:
    """The registered name, or the path with a relative file made absolute, so that it means the same from any folder."""
    known = registered_name(kind, name)
    if known:
        return known
    composition = _composition(kind, name)
    if composition is None:
        return found_at(name)[1]
    mixins = (canonical_name(kind, each) if _is_known(kind, each) else each for each in composition.mixins)
    return str(Composition(canonical_name(kind, composition.base), tuple(mixins)))


def options_class(kind: str, name: str) -> type[PartConfig]:
    """The options of a registered part, or those read from the nested Config or the signature of a class named by path."""
    known = registered_name(kind, name)
    if known:
        return _of_part(kind, known, lambda part: part.config)
    if _composition(kind, name) is not None:
        return options_of_class(load(kind, name), canonical_name(kind, name), kind)
    made_from, path = found_at(name)
    return options_of_class(made_from, path, kind)


def options_of_class(made_from: Any, path: str, kind: str) -> type[PartConfig]:
    """The options of a class: its first parameter's PartConfig, its nested Config, or its signature; and what its kind adds to them."""
    found = own_options(made_from)
    if not found:
        found = options_from_config(made_from, path) if takes_config(made_from) else options_from_signature(made_from, path, kind)
    extend = getattr(importlib.import_module(KINDS[kind]), "extend_options", None) if kind in KINDS else None
    return found if extend is None else extend(found)


def load(kind: str, name: str) -> Any:
    """The class behind a registry name, a dotted path, `file.py:Class` or a composition; raises ConfigError saying why it cannot be had."""
    known = registered_name(kind, name)
    if known:
        return _of_part(kind, known, lambda part: part.load())
    composition = _composition(kind, name)
    if composition is None:
        return found_at(name)[0]
    return compose_class(composition, partial(load, kind), known_parts(kind))


def _of_part(kind: str, name: str, take: Callable[[Part], Any]) -> Any:
    """What `take` finds at a registered part; raises ConfigError where it cannot be imported from an installed package."""
    try:
        return take(known_parts(kind)[name])
    except FOREIGN as error:
        blamed = blame_package(kind, name, error)
        if blamed is error:
            raise
        raise blamed from error


def check_target(kind: str, options: PartConfig, target_kind: str, target: str = "", width: int | None = None) -> None:
    """Raises ConfigError, naming the parts that fit, for a loss or metric that is known not to be for this kind of target.

    `width` is the number of classes or values of the target, where it is known. Parts of one's own, and targets of a type of one's
    own, are not known and pass.
    """
    table = parts(kind)
    fitting = [name for name, each in table.items() if target_kind in each.kinds]
    known = table[options.type].kinds if options.type in table else None
    if known is not None and target_kind not in known and fitting:
        named = f" '{target}'" if target else ""
        raise ConfigError(
            f"{kind} '{options.type}' is not defined for the {target_kind} target{named}",
            why=f"it is for {' and '.join(known)} targets" if known else "it takes other values than a column gives",
            fix=f"use one of: {', '.join(fitting)}",
        )
    options.check_target(target_kind, width)


def target_kind_of(kind: str, options: PartConfig, target_kind: str, at_positions: bool) -> str:
    """The kind of a target as a loss or metric has it: a class at every position is a `mask` for those that know masks."""
    known = parts(kind)
    return "mask" if at_positions and options.type in known and "mask" in known[options.type].kinds else target_kind


def _composition(kind: str, name: str) -> Composition | None:
    return parse_composition(name, known_parts(kind)) if kind in OWN_KINDS else None


def _is_known(kind: str, name: str) -> bool:
    folded = name.replace("-", "_")
    return any(each.replace("-", "_") == folded for each in known_parts(kind))


def build(kind: str, config: PartConfig, **context: Any) -> Any:
    """The part that `config.type` names: `Class(config, **context)`, or `Class(**options, **context)` for a class without options.

    A class with a nested `Config` is given an instance of it, or of its options. A class named by path or registered by `tw.register`
    is given the part of the context that its signature takes, unless its first parameter is a PartConfig.
    """
    config = as_asked(config)
    made_from = load(kind, config.type)
    if registered_name(kind, config.type) in parts(kind) and kind != "part":
        return made_from(config, **context)
    accepted = context_names(made_from, context)
    if own_options(made_from):
        return made_from(config, **({name: context[name] for name in accepted} if kind in OWN_KINDS else context))
    if takes_config(made_from):
        return made_from(config_object(made_from, config), **{name: context[name] for name in accepted})
    given = {name: getattr(config, name) for name in type(config).model_fields if name != "type" and _is_given(config, name)}
    given |= config.model_extra or {}
    make = partial(made_from, **given, **{name: context[name] for name in accepted})
    try:
        inspect.signature(make).bind()
    except TypeError as error:
        why = f"{error}; from here it can get: {', '.join(context) or 'nothing'}"
        raise ConfigError(
            f"'{config.type}' cannot be made as {kind}", why=why, fix="give the rest a default, or name it as an option"
        ) from error
    except ValueError:  # a class in C without a signature
        return make()
    return make()


def as_asked(options: PartConfig) -> PartConfig:
    """The options that a class of one's own asks for, without those that its kind added (`extend_options`), which it is not given."""
    plain: type[PartConfig] | None = getattr(type(options), "plain", None)
    if plain is None:
        return options
    given = {name: getattr(options, name) for name in plain.model_fields}
    return plain.model_construct(options.model_fields_set & set(given), **given)


def _is_given(config: PartConfig, name: str) -> bool:
    """Defaults of the class that cannot be written in YAML are left to the class."""
    return name in config.model_fields_set or type(config).model_fields[name].exclude_if is None
