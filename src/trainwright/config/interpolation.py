"""`${key.sub}`, `${env:NAME,default}` and `${resolver:value,…}` replaced by what they name, also within each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trainwright.config.block_parameters import give_back_parameters, hold_parameters
from trainwright.config.config_classes import MISSING
from trainwright.config.errors import ConfigError, RequestError, nearest
from trainwright.config.limits import MOST_DEPTH, MOST_REPEATED, MOST_TEXT, refuse_repeated
from trainwright.config.model import ConfigModel
from trainwright.config.places import KeyPath, Node, is_expression, node_of, parse_path, spell_key
from trainwright.config.reading import literal
from trainwright.config.references import VARIABLES, Piece, Reference, pieces_of
from trainwright.config.resolvers import call_resolver
from trainwright.config.structure import Section, default_at, field_structure, short_fields
from trainwright.config.trust import ask

CHOICES = ("oc.select", "oc.dict.keys", "oc.dict.values")
"""Resolvers whose first value is the name of an option."""
OTHERWISE = "for example ${run.seed}; an environment variable is ${env:NAME}, and $${ stands for the characters themselves"


def interpolate(root: Node, model: type[ConfigModel] | None, environment: Mapping[str, str]) -> list[RequestError]:
    """Resolve every reference under `root` in place, and return what could not be resolved. `$${` stands for `${`.

    Options that are not given have the defaults of `model`, where there is one.
    """
    resolver = _Resolver(root, model, environment)
    hold_parameters(root)
    for node in list(root.walk()):
        resolver.resolve(node)
    give_back_parameters(root)
    return resolver.errors


def missing_values(root: Node, path: KeyPath = ()) -> list[RequestError]:
    """A ConfigError for every option that is `???`, which says that it must be given; entries of lists are taken as they are."""
    if isinstance(root.value, list):
        return [error for number, each in enumerate(root.value) for error in missing_values(each, (*path, number))]
    if not isinstance(root.value, dict):
        return []
    found: list[RequestError] = []
    for key, each in root.value.items():
        here = (*path, key)
        if each.value == MISSING:
            what = f"{spell_key(here)} is not given: ??? says that it must be"
            found.append(
                ConfigError(what, where=str(each.place), fix=f"write a value here, or give {spell_key(here)}=… on the command line")
            )
        found += missing_values(each, here)
    return found


class _Resolver:
    def __init__(self, root: Node, model: type[ConfigModel] | None, environment: Mapping[str, str]) -> None:
        self.root, self.model, self.environment = root, model, environment
        self.errors: list[RequestError] = []
        self.open: list[tuple[int, str]] = []
        self.done: set[int] = set()
        self.copied = 0
        self.expressions = _expressions(root)
        self.places = dict(_paths(root))

    def resolve(self, node: Node) -> None:
        """Replace the references in one text; nodes it refers to are resolved first."""
        if id(node) in self.done or not isinstance(node.value, str) or "${" not in node.value or self.copied > MOST_REPEATED:
            return
        self.done.add(id(node))
        if len(self.open) > MOST_DEPTH:
            what = f"references lead to references more than {MOST_DEPTH} times"
            raise ConfigError(what, where=str(node.place), fix="name what is meant at once")
        self.open.append((id(node), node.value))
        try:
            node.value = self.replace(node)
        except ConfigError as error:
            self.errors.append(error)
        self.open.pop()

    def replace(self, node: Node) -> Any:
        pieces = pieces_of(node.value, str(node.place))
        if len(pieces) == 1 and isinstance(pieces[0], Reference):
            return self.copied_of(self.resolve_reference(pieces[0], node), node)
        return self.join(pieces, node)

    def copied_of(self, named: Node, node: Node) -> Any:
        """A copy of what a reference names; references to references multiply it, and that has a limit."""
        self.copied += sum(1 for _ in named.walk())
        refuse_repeated(self.copied, str(node.place))
        return named.copy().value

    def join(self, pieces: list[Piece], node: Node) -> str:
        """A text whose references are replaced."""
        parts: list[str] = []
        for each in pieces:
            parts.append(self.as_text(each, node) if isinstance(each, Reference) else each)
            if sum(map(len, parts)) > MOST_TEXT:
                what = f"references make a text of more than {MOST_TEXT:,} characters"
                raise ConfigError(what, where=str(node.place), fix="refer to less")
        return "".join(parts)

    def as_text(self, reference: Reference, node: Node) -> str:
        value = self.resolve_reference(reference, node).plain()
        if isinstance(value, dict | list):
            what = f"${{{reference.text}}} is not a single value, and cannot be put inside a text"
            raise ConfigError(what, where=str(node.place), fix=f"write ${{{reference.text}}} alone")
        return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)

    def resolve_reference(self, reference: Reference, node: Node) -> Node:
        """What a reference names or computes, itself resolved."""
        if reference.resolver in VARIABLES:
            return self.variable([self.join(each, node) for each in reference.arguments], node)
        if reference.resolver in CHOICES:
            return self.select(reference, node)
        if reference.resolver:
            values = [self.argument(each, node) for each in reference.arguments]
            return node_of(call_resolver(reference.resolver, values, reference.text, str(node.place)), node.place)
        return self.resolve_name(self.join(reference.name, node), node)

    def argument(self, pieces: list[Piece], node: Node) -> Any:
        """A value given to a resolver: what a reference names, or a literal as on the command line."""
        if len(pieces) == 1 and isinstance(pieces[0], Reference):
            named = self.resolve_reference(pieces[0], node)
            self.copied += sum(1 for _ in named.walk())
            refuse_repeated(self.copied, str(node.place))
            return named.plain()
        text = self.join(pieces, node)
        return literal(text, node.place).plain() if text.strip() else text

    def select(self, reference: Reference, node: Node) -> Node:
        """The option of a name, or the default beside it where it is not given; of a mapping its keys or values alone."""
        name, *default = [self.join(each, node) for each in reference.arguments]
        here = self.find(self.path_of(name, node))
        if here is None and default and reference.resolver == "oc.select":
            return literal(default[0], node.place)
        found = self.resolve_name(name, node)
        if reference.resolver == "oc.select":
            return found
        if not isinstance(found.value, dict):
            raise ConfigError(f"${{{reference.text}}}: {name} is no mapping", where=str(node.place), fix="name one")
        return node_of(list(found.value) if reference.resolver == "oc.dict.keys" else list(found.plain().values()), node.place)

    def path_of(self, name: str, node: Node) -> KeyPath:
        """The keys of an option, from the top; dots before it lead up from where the reference stands."""
        name = name.strip()
        inner = name.lstrip(".")
        up = len(name) - len(inner)
        try:
            path = parse_path(inner.replace("[", ".").replace("]", "").lstrip(".") if '"' not in inner else inner)
        except ConfigError as error:
            raise ConfigError(f"${{{name}}} names no option", where=str(node.place), fix=error.fix) from error
        if not up:
            return path
        around = self.places.get(id(node), ())
        if up > len(around):
            raise ConfigError(f"${{{name}}} names no option", where=str(node.place), fix="lead up with fewer dots, or name it from the top")
        return (*around[: len(around) - up], *path)

    def resolve_name(self, name: str, node: Node) -> Node:
        """The option of a name, itself resolved."""
        path = self.path_of(name, node)
        found = self.find(path)
        if found is None:
            return self.default(path, name, node)
        if any(key == id(found) for key, _ in self.open):
            circle = " → ".join([text for _, text in self.open] + [self.open[0][1]])
            raise ConfigError(f"${{{name}}} refers to itself", where=str(node.place), why=circle)
        for each in found.walk():
            self.resolve(each)
        return found

    def find(self, path: KeyPath) -> Node | None:
        here: Node | None = self.root
        for key in path:
            if here is None:
                return None
            here = here.under(key) or (here.under(key.replace("-", "_")) if isinstance(key, str) else here.under(str(key)))
        return here

    def default(self, path: KeyPath, name: str, node: Node) -> Node:
        """The default of an option that is not given."""
        folded = tuple(key.replace("-", "_") if isinstance(key, str) else key for key in path)
        try:
            if self.model is None:
                raise KeyError(name)
            value = default_at(self.model, folded)
        except (KeyError, IndexError):
            close = nearest(name, _list_names(self.root, self.model))
            fix = f"did you mean ${{{close}}}?" if close else f"name an option by its keys from the top, {OTHERWISE}"
            raise ConfigError(f"${{{name}}} names no option", where=str(node.place), fix=fix) from None
        if isinstance(value, ConfigModel):
            value = value.model_dump(mode="json")
        return node_of(value if isinstance(value, int | float | str | list | dict | None) else str(value), node.place)

    def read(self, text: str, node: Node) -> Node:
        """What a variable holds: an expression where one is asked for, else a value as on the command line."""
        return Node(text, node.place) if id(node) in self.expressions else literal(text, node.place)

    def variable(self, arguments: list[str], node: Node) -> Node:
        """What an environment variable holds, or the default beside it."""
        name, default = (arguments[0].strip() if arguments else ""), "".join(arguments[1:])
        if name in self.environment:
            ask(f"${{env:{name}}}", f"read the environment variable {name}")
            return self.read(self.environment[name], node)
        if len(arguments) > 1:
            return self.read(default, node)
        fix = f"set it, or give a default: ${{env:{name},default}}"
        raise ConfigError(f"the environment variable {name} is not set", where=str(node.place), fix=fix)


def _paths(node: Node, path: KeyPath = ()) -> Iterator[tuple[int, KeyPath]]:
    """Where each text with a reference stands."""
    if isinstance(node.value, dict | list):
        for key, each in node.value.items() if isinstance(node.value, dict) else enumerate(node.value):
            yield from _paths(each, (*path, key))
    elif isinstance(node.value, str) and "${" in node.value:
        yield id(node), path


def _list_names(root: Node, model: type[ConfigModel] | None) -> list[str]:
    """Names that a reference may have meant: what is given, and the options of the sections."""
    names: list[str] = []

    def collect(value: Any, prefix: str) -> None:
        for key, each in value.items():
            names.append(prefix + str(key))
            if isinstance(each, Mapping):
                collect(each, f"{prefix}{key}.")

    collect(root.plain(), "")
    for key, field in ({} if model is None else {**model.model_fields, **short_fields(model)}).items():
        inner = field_structure(field)
        if isinstance(inner, Section):
            names += [f"{key}.{name}" for name in inner.model.model_fields]
    return list(dict.fromkeys(names))


def _expressions(root: Node) -> set[int]:
    """The nodes that hold expressions."""
    data = root.under("data")
    derived = data.under("derive") if data else None
    named = derived.value if derived and isinstance(derived.value, dict) else {}
    found: dict[KeyPath, Node | None] = {("data", "where"): data.under("where") if data else None}
    found |= {("data", "derive", name): each for name, each in named.items()}
    return {id(node) for path, node in found.items() if node is not None and is_expression(path)}
