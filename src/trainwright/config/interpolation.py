"""`${key.sub}` and `${env:NAME,default}` replaced by what they name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from trainwright.config.errors import ConfigError, RequestError, nearest
from trainwright.config.limits import MOST_DEPTH, MOST_REPEATED, MOST_TEXT, refuse_repeated
from trainwright.config.model import ConfigModel
from trainwright.config.places import KeyPath, Node, is_expression, node_of, parse_path
from trainwright.config.reading import literal
from trainwright.config.structure import Section, default_at, field_structure, short_fields
from trainwright.config.trust import ask

REFERENCE = re.compile(r"(?P<escaped>\$\$\{)|\$\{(?P<name>[^{}]*)\}|(?P<open>\$\{)")


def interpolate(root: Node, model: type[ConfigModel], environment: Mapping[str, str]) -> list[RequestError]:
    """Resolve every reference under `root` in place, and return what could not be resolved. `$${` stands for `${`."""
    resolver = _Resolver(root, model, environment)
    for node in list(root.walk()):
        resolver.resolve(node)
    return resolver.errors


class _Resolver:
    def __init__(self, root: Node, model: type[ConfigModel], environment: Mapping[str, str]) -> None:
        self.root, self.model, self.environment = root, model, environment
        self.errors: list[RequestError] = []
        self.open: list[tuple[int, str]] = []
        self.done: set[int] = set()
        self.copied = 0
        self.expressions = _expressions(root)

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
        text: str = node.value
        whole = REFERENCE.fullmatch(text)
        if whole and whole["name"] is not None:
            named = self.resolve_name(whole["name"], node)
            self.copied += sum(1 for _ in named.walk())  # references to references multiply what they name
            refuse_repeated(self.copied, str(node.place))
            return named.copy().value
        parts, end = [], 0
        for found in REFERENCE.finditer(text):
            parts.append(text[end : found.start()])
            if found["open"]:
                raise ConfigError(
                    f"'${{' is never closed in '{text}'",
                    where=str(node.place),
                    fix="close it with '}', or write $${ for the characters themselves",
                )
            parts.append("${" if found["escaped"] else self.as_text(found["name"], node))
            end = found.end()
            if sum(map(len, parts)) > MOST_TEXT:
                what = f"references make a text of more than {MOST_TEXT:,} characters"
                raise ConfigError(what, where=str(node.place), fix="refer to less")
        return "".join([*parts, text[end:]])

    def as_text(self, name: str, node: Node) -> str:
        value = self.resolve_name(name, node).plain()
        if isinstance(value, dict | list):
            raise ConfigError(
                f"${{{name}}} is not a single value, and cannot be put inside a text", where=str(node.place), fix=f"write ${{{name}}} alone"
            )
        return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)

    def resolve_name(self, name: str, node: Node) -> Node:
        """What a reference names, itself resolved."""
        if name.startswith("env:"):
            return self.variable(name.removeprefix("env:"), node)
        try:
            path = parse_path(name.strip())
        except ConfigError as error:
            raise ConfigError(f"${{{name}}} names no option", where=str(node.place), fix=error.fix) from error
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
            value = default_at(self.model, folded)
        except (KeyError, IndexError):
            close = nearest(name, _list_names(self.root, self.model))
            fix = f"did you mean ${{{close}}}?" if close else "name an option by its keys from the top, for example ${run.seed}"
            raise ConfigError(f"${{{name}}} names no option", where=str(node.place), fix=fix) from None
        if isinstance(value, ConfigModel):
            value = value.model_dump(mode="json")
        return node_of(value if isinstance(value, int | float | str | list | dict | None) else str(value), node.place)

    def read(self, text: str, node: Node) -> Node:
        """What a variable holds: an expression where one is asked for, else a value as on the command line."""
        return Node(text, node.place) if id(node) in self.expressions else literal(text, node.place)

    def variable(self, text: str, node: Node) -> Node:
        name, comma, default = text.partition(",")
        if name.strip() in self.environment:
            ask(f"${{env:{name.strip()}}}", f"read the environment variable {name.strip()}")
            return self.read(self.environment[name.strip()], node)
        if comma:
            return self.read(default.strip(), node)
        what = f"the environment variable {name.strip()} is not set"
        raise ConfigError(what, where=str(node.place), fix=f"set it, or give a default: ${{env:{name.strip()},default}}")


def _list_names(root: Node, model: type[ConfigModel]) -> list[str]:
    """Names that a reference may have meant: what is given, and the options of the sections."""
    names: list[str] = []

    def collect(value: Any, prefix: str) -> None:
        for key, each in value.items():
            names.append(prefix + str(key))
            if isinstance(each, Mapping):
                collect(each, f"{prefix}{key}.")

    collect(root.plain(), "")
    for key, field in {**model.model_fields, **short_fields(model)}.items():
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
