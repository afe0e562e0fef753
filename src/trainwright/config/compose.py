"""One configuration from its layers: base files, the file, `TRAINWRIGHT_RUN__…` variables, `key.sub=value` of the command line."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainwright.config.errors import ConfigError, ManyErrors, RequestError, did_you_mean, nearest
from trainwright.config.interpolation import interpolate
from trainwright.config.layers import assign, canonical_keys, merge
from trainwright.config.model import ConfigModel
from trainwright.config.places import KeyPath, Node, Place, node_of, parse_path
from trainwright.config.reading import literal, read_yaml
from trainwright.config.structure import Section, field_structure

ENVIRONMENT_PREFIX = "TRAINWRIGHT_"


@dataclass(frozen=True)
class Assignment:
    """One option and its value, as the command line gives it."""

    path: KeyPath
    value: Node


@dataclass
class Composed:
    """A composed configuration whose every value knows its place; not yet checked against the schema."""

    root: Node
    model: type[ConfigModel]
    files: list[Path] = field(default_factory=list)
    """Files read, the first base first."""
    name: str = "config"
    """What the whole is called in messages."""

    @property
    def values(self) -> dict[str, Any]:
        """The plain mapping."""
        return self.root.plain()  # type: ignore[no-any-return]

    @property
    def folders(self) -> list[Path]:
        """The folders of the files, where `./net.py:Net` is looked for after the working directory."""
        return list(dict.fromkeys(each.resolve().parent for each in reversed(self.files)))

    def place(self, path: KeyPath) -> Place:
        """Where the value at `path` was written, or the nearest thing around it."""
        return self.root.nearest(path)[0].place


def compose(
    model: type[ConfigModel],
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    overrides: Iterable[str | Assignment] = (),
    environment: Mapping[str, str] | None = None,
) -> Composed:
    """Compose a YAML file or a mapping with variables and overrides, interpolated; raises ConfigError or ManyErrors with places.

    `environment` is searched for run options and for `${env:…}`; by default it is the process's own.
    """
    environment = os.environ if environment is None else environment
    files: list[Path] = []
    top = Section(model)
    if config is None or isinstance(config, Mapping):
        name = "config"
        root = canonical_keys(node_of(config or {}, Place(name)), top)
    else:
        name = os.fspath(config)
        root = _read_with_bases(Path(name), top, files, ())
    layer = len(files) + 1
    assignments = [(each, layer) for each in _from_environment(model, environment)]
    assignments += [(_assignment(each), layer + 1) for each in overrides]
    errors: list[RequestError] = []
    for each, number in assignments:
        try:
            assign(root, each.path, each.value.in_layer(number), top)
        except ConfigError as error:
            errors.append(error)
    errors += interpolate(root, model, environment)
    if errors:
        raise ManyErrors(errors)
    return Composed(root, model, files, name)


def override(text: str) -> Assignment:
    """`trainer.max_epochs=40` as an assignment; raises ConfigError when it is not `key.sub=value`."""
    key, equals, value = _split(text)
    place = Place(f"command line: {text}")
    if not equals:
        raise ConfigError(f"'{text}' is not key=value", where="command line", fix="write for example trainer.max_epochs=40")
    return Assignment(parse_path(key), literal(value, place))


def given(path: str, value: Any, shown: str) -> Assignment:
    """An option set by a flag or an argument, named `shown` in messages (`command line: --target age`)."""
    return Assignment(parse_path(path), node_of(value, Place(shown)))


def _assignment(each: str | Assignment) -> Assignment:
    return override(each) if isinstance(each, str) else each


def _split(text: str) -> tuple[str, str, str]:
    """At the first `=` outside double quotes."""
    quoted = False
    for position, character in enumerate(text):
        quoted ^= character == '"'
        if character == "=" and not quoted:
            return text[:position], "=", text[position + 1 :]
    return text, "", ""


def _read_with_bases(path: Path, top: Section, files: list[Path], chain: tuple[Path, ...]) -> Node:
    """A file merged onto its bases, each read relative to the file that names it."""
    own = canonical_keys(read_yaml(path), top)
    base = own.value.pop("base", None)
    chain = (*chain, path.resolve())
    merged: Node | None = None
    for node in _named_bases(base):
        other = path.parent / node.value
        if other.resolve() in chain:
            circle = " → ".join(each.name for each in [*chain[chain.index(other.resolve()) :], other])
            raise ConfigError("base files go in a circle", where=str(node.place), why=circle, fix="remove one `base`")
        if not other.is_file():
            close = nearest(other.name, [each.name for each in other.parent.glob("*.y*ml")] if other.parent.is_dir() else [])
            fix = f"did you mean '{Path(node.value).with_name(close)}'?" if close else "the path is relative to this file"
            raise ConfigError(f"no such base file: {other}", where=str(node.place), fix=fix)
        read = _read_with_bases(other, top, files, chain)
        merged = merge(merged, read, top) if merged else read
    files.append(path)
    own = own.in_layer(len(files))
    return merge(merged, own, top) if merged else own


def _named_bases(base: Node | None) -> Sequence[Node]:
    if base is None:
        return []
    several = base.value if isinstance(base.value, list) else [base]
    for each in several:
        if not isinstance(each.value, str):
            raise ConfigError("`base` is not a file name", where=str(each.place), fix="write `base: other.yaml` or `base: [one.yaml, other.yaml]`")
    return several


def _from_environment(model: type[ConfigModel], environment: Mapping[str, str]) -> list[Assignment]:
    """`TRAINWRIGHT_RUN__SEED=3` sets run.seed; other options are not read from variables, and near misses are errors."""
    section = field_structure(model.model_fields["run"]) if "run" in model.model_fields else None
    if not isinstance(section, Section):
        return []
    known = {f"{ENVIRONMENT_PREFIX}RUN__{name.upper()}": name for name in section.model.model_fields}
    found = []
    for variable, text in sorted(environment.items()):
        if not variable.startswith(ENVIRONMENT_PREFIX):
            continue
        place = Place(f"environment: {variable}={text}")
        if variable in known:
            found.append(Assignment(("run", known[variable]), literal(text, place)))
        elif variable.startswith(f"{ENVIRONMENT_PREFIX}RUN_"):
            raise ConfigError(f"unknown variable {variable}", where="environment", fix=did_you_mean(variable, known))
        elif variable.removeprefix(ENVIRONMENT_PREFIX).lower() in section.model.model_fields:
            meant = f"{ENVIRONMENT_PREFIX}RUN__{variable.removeprefix(ENVIRONMENT_PREFIX)}"
            raise ConfigError(f"unknown variable {variable}", where="environment", fix=f"did you mean {meant}?")
    return found



