"""A composed configuration checked against its model: all mistakes at once, each with its place and the nearest fix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from trainwright.config.compose import Composed
from trainwright.config.domains import whose_option
from trainwright.config.errors import ConfigError, ManyErrors, RequestError, did_you_mean, nearest
from trainwright.config.foreign import looking_in
from trainwright.config.model import WRITTEN, ConfigModel, PartConfig
from trainwright.config.other_words import answer_of, framework_of
from trainwright.config.places import KeyPath, Node, Place, spell_key
from trainwright.config.structure import (
    Items,
    Leaf,
    PartHere,
    Section,
    Structure,
    below,
    field_structure,
    fields_of,
    instead_of,
    short_fields,
)
from trainwright.config.trust import reading
from trainwright.config.wording import Refusal, join_refusals

M = TypeVar("M", bound=ConfigModel)
OF_KEY = "[key]"
"""What pydantic adds to a location when a key of a mapping is refused rather than its value."""


def validate(model: type[M], composed: Composed) -> M:
    """The configuration as `model`; raises ManyErrors holding every mistake with its place, in the order of the places."""
    with reading(composed.received), looking_in(composed.folders):
        try:
            config = model.model_validate(composed.values)
            if not composed.problems:
                keep_places(config, composed.root)
                return config
            found = []
        except ValidationError as error:
            found = error.errors(include_url=False)
        raise ManyErrors(located_errors(model, composed, found))


def keep_places(value: Any, node: Node | None) -> None:
    """Give parts that tell mistakes later, when they are made or run, what was written, with its places."""
    if node is not None and isinstance(value, dict):
        for name, each in value.items():
            keep_places(each, node.under(name))
    if node is None or not isinstance(value, ConfigModel):
        return
    if isinstance(value, PartConfig) and value.keeps_places:
        vars(value)[WRITTEN] = node
        return
    for name in type(value).model_fields:
        keep_places(getattr(value, name, None), node.under(name))


def with_places(options: PartConfig, given: Mapping[str, Any]) -> dict[str, Any]:
    """Options by name, each as it was written and with its place where that was kept, for `compose`."""
    node = vars(options).get(WRITTEN)
    return {name: each if node is None else node.under(name) or each for name, each in given.items()}


def located_errors(model: type[ConfigModel], composed: Composed, found: list[Any]) -> list[RequestError]:
    """Pydantic's errors in plain words, one per place, with the problems met in composing."""
    grouped: dict[KeyPath, list[Refusal]] = {}
    for each in found:
        path, extra = _path_of(each["loc"], Section(model), composed.values)
        if each["type"] != "alternatives":
            grouped.setdefault(path, []).append(Refusal(each["type"], each.get("ctx", {}), each["input"], extra))
    grouped = {path: refusals for path, refusals in grouped.items() if not _is_told_below(path, refusals, grouped)}
    reports = [(_place(composed.root, path, refusals[0]), _report(model, composed, path, refusals)) for path, refusals in grouped.items()]
    reports += [_alternatives(composed, path, group) for path, group in _conflicts(Section(model), composed.root)]
    known = {each.where for each in composed.problems}
    reports = [each for each in reports if str(each[0]) not in known]
    order = {name: number for number, name in enumerate(dict.fromkeys(place.name for place, _ in reports))}
    reports.sort(key=lambda each: (order[each[0].name], each[0].line, each[0].column))
    return [*composed.problems, *(error for _, error in reports)]


def _is_told_below(path: KeyPath, refusals: list[Refusal], grouped: Mapping[KeyPath, list[Refusal]]) -> bool:
    """Whether a list or mapping was refused as a word alone, and as what it is has mistakes of its own: of a union `word or list`."""
    structured = isinstance(refusals[0].value, list | dict) and all(each.kind == "literal_error" for each in refusals)
    return structured and any(len(other) > len(path) and other[: len(path)] == path for other in grouped)


def _conflicts(here: Structure, node: Node, path: KeyPath = ()) -> Iterator[tuple[KeyPath, list[str]]]:
    """Options given together in one layer of which only one may be, found also where other mistakes keep a section from being made."""
    if not isinstance(here, Section) or not isinstance(node.value, dict):
        return
    for group in here.model.alternatives:
        given = [name for name in group if name in node.value and node.value[name].value is not None]
        if len(given) > 1:
            yield path, given
    for key, each in node.value.items():
        yield from _conflicts(below(here, key), each, (*path, key))


def _path_of(loc: tuple[str | int, ...], here: Structure, value: Any) -> tuple[KeyPath, tuple[str, ...]]:
    """Pydantic's location without the names it adds for members of a union."""
    path: list[str | int] = []
    members: list[str] = []
    for key in loc:
        if key == OF_KEY:
            members.append(OF_KEY)
            continue
        inside = _at(value, key)
        known = fields_of(here, value) or {}
        if inside is not None or _has(value, key) or str(key) in known or not isinstance(here, Leaf | Items):
            if isinstance(here, Leaf | Items) and isinstance(key, str) and not _has(value, key):
                members.append(key)
                continue
            here, value = below(here, key, value), inside
            path.append(key)
        else:
            members.append(str(key))
    return tuple(path), tuple(members)


def _has(value: Any, key: str | int) -> bool:
    if isinstance(value, dict):
        return key in value
    return isinstance(value, list | tuple) and isinstance(key, int) and key < len(value)


def _at(value: Any, key: str | int) -> Any:
    """What stands at a key; one that was written without a list is the first of a list. None where there is nothing."""
    if _has(value, key):
        return value[key]
    return value if key == 0 and isinstance(value, dict | str) else None


def _place(root: Node, path: KeyPath, refusal: Refusal) -> Place:
    node, depth = root.nearest(path)
    if (refusal.kind == "extra_forbidden" or OF_KEY in refusal.members) and depth == len(path) and node.key is not None:
        return node.key
    if refusal.kind == "unknown_part" and node.under("type") is not None:
        return node.under("type").place  # type: ignore[union-attr]
    return node.place if depth == len(path) else node.key or node.place


def _report(model: type[ConfigModel], composed: Composed, path: KeyPath, refusals: list[Refusal]) -> ConfigError:
    first = refusals[0]
    place = str(_place(composed.root, path, first))
    name = composed.spell(path) or "the configuration"
    if first.kind == "extra_forbidden":
        return _unknown_option(model, composed, path, place)
    if place.startswith(f"command line: {name}="):  # the place names the option already
        place, name = "command line", place.removeprefix("command line: ")
    field = _field(model, composed.values, path)
    meaning = _phrase(getattr(field, "description", None) or "")
    if first.kind == "missing":
        around = composed.spell(path[:-1]) if composed.spell(path) == spell_key(path) else ""
        example = f"add `{path[-1]}: …`" + (f" under `{around}`" if around else "") if place.partition(":")[2] else f"add {name}=…"
        return ConfigError(f"{name} is missing", where=place, fix=f"{example} ({meaning})" if meaning else example)
    if first.kind in ("refused", "unknown_part"):
        context = first.context
        return ConfigError(f"{name}: {context['what']}", where=place, why=context.get("why", ""), fix=context.get("fix", ""))
    what, fix = join_refusals(refusals, name)
    inner = below(*_structure_at(model, composed.values, path)) if path else None
    if isinstance(inner, Section) and first.kind.startswith("model"):
        fix = f"its options: {', '.join(inner.model.model_fields)}"
    return ConfigError(what, where=place, fix=f"{fix} ({meaning})" if meaning and fix else fix)


def _phrase(description: str) -> str:
    """The first sentence of a description as it reads inside brackets."""
    text = " ".join(description.split()).partition(". ")[0].removesuffix(".")
    return text[:1].lower() + text[1:] if text[1:2].islower() or text[1:2] == " " else text


def _structure_at(model: type[ConfigModel], values: Any, path: KeyPath) -> tuple[Structure, str | int, Any]:
    here, value = _structure(model, values, path[:-1])
    return here, path[-1], value


def _unknown_option(model: type[ConfigModel], composed: Composed, path: KeyPath, place: str) -> ConfigError:
    """An unknown key: the nearest one here, or the section where an option of that name belongs."""
    here, value = _structure(model, composed.values, path[:-1])
    value = _written_out(here, value, str(path[-1]))
    known = [name for name in (fields_of(here, value) or {}) if not (isinstance(here, PartHere) and name == "type")]
    key = str(path[-1])
    around = composed.spell(path[:-1])
    what = f"unknown option '{key}'" + (f" in {around}" if around else "")
    if isinstance(here, PartHere) and isinstance(value, dict) and (len(path) > 2 or "type" in value):
        what = f"unknown option '{key}' of {here.kind} '{value.get('type', here.default)}' in {around}"
    if instead := instead_of(here, key.replace("-", "_"), value):
        return ConfigError(what, where=place, fix=instead)
    if instead := _other_word(key, path):
        return ConfigError(what, where=place, why=f"that is {framework_of(key)}'s word", fix=instead)
    elsewhere = [each for each in option_paths(model) if each.rpartition(".")[2] == key.replace("-", "_")]
    elsewhere = [each for each in elsewhere if each != spell_key(path)]
    if elsewhere and not nearest(key, known):
        return ConfigError(what, where=place, fix=f"did you mean {min(elsewhere, key=lambda each: each.count('.'))}?")
    fix, why = did_you_mean(key, known) or "it has no options", ""
    if isinstance(here, PartHere) and not nearest(key, known):
        name = value.get("type", here.default) if isinstance(value, dict) else here.default
        why = whose_option(here.kind, key.replace("-", "_"), str(name))
    return ConfigError(what, where=place, why=why, fix=fix)


def _other_word(key: str, path: KeyPath) -> str:
    """Our option for one of another framework's, where options of the run are given; parts of one's own have words of their own."""
    return answer_of(key) if len(path) <= 2 or path[0] in ("trainer", "run") else ""


def _written_out(here: Structure, value: Any, key: str) -> Any:
    """A part that was written as `{name: options}`, with its `type` beside the options if `key` is one of them."""
    if not isinstance(here, PartHere) or not isinstance(value, dict) or "type" in value or len(value) != 1:
        return value
    ((name, options),) = value.items()
    return {"type": name, **options} if isinstance(options, dict) and key in options else value


def _alternatives(composed: Composed, path: KeyPath, names: list[str]) -> tuple[Place, ConfigError]:
    nodes = [composed.root.nearest((*path, name))[0] for name in names]
    dotted = [composed.spell((*path, name)) for name in names]
    places = [node.key or node.place for node in nodes]
    said = [f"{name} = {node.plain()} ({place})" for name, node, place in zip(dotted, nodes, places, strict=True)]
    what = f"{' and '.join(dotted)} exclude each other"
    return places[-1], ConfigError(what, where=str(places[-1]), why="; ".join(said), fix="keep one of them")


def _structure(model: type[ConfigModel], value: Any, path: KeyPath) -> tuple[Structure, Any]:
    here: Structure = Section(model)
    for key in path:
        here, value = below(here, key, value), _at(value, key)
    return here, value


def _field(model: type[ConfigModel], values: Any, path: KeyPath) -> Any:
    if not path:
        return None
    here, value = _structure(model, values, path[:-1])
    return (fields_of(here, value) or {}).get(str(path[-1]))


def option_paths(model: type[ConfigModel], prefix: str = "") -> list[str]:
    """The path of every option of the sections, and of the parts used by default."""
    found: list[str] = []
    for name, field in {**short_fields(model), **model.model_fields}.items():
        found.append(prefix + name)
        inner = field_structure(field)
        if isinstance(inner, Section):
            found += option_paths(inner.model, f"{prefix}{name}.")
        elif isinstance(inner, PartHere) and inner.default:
            short = model.short.get(inner.default, ())
            found += [f"{prefix}{name}.{key}" for key in fields_of(inner) or {} if key != "type" and key not in short]
    return found
