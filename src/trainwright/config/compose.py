"""One configuration from its layers: base files, the file, `TRAINWRIGHT_RUN__…` variables, `key.sub=value` of the command line."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from trainwright.config.errors import ConfigError, RequestError, did_you_mean, nearest
from trainwright.config.interpolation import interpolate, missing_values
from trainwright.config.layers import assign, canonical_keys, merge
from trainwright.config.limits import refuse_count, refuse_value
from trainwright.config.loading import is_old_form, load_values, read_file
from trainwright.config.model import ConfigModel
from trainwright.config.places import KeyPath, Node, Place, is_expression, node_of, parse_path, spell_key
from trainwright.config.reading import literal
from trainwright.config.short_forms import name_encoder, name_encoder_of, write_out
from trainwright.config.structure import Section, field_structure
from trainwright.config.trust import name_own, reading, received_folder

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
    problems: list[RequestError] = field(default_factory=list)
    """Keys given twice, and overrides, variables and references that could not be used; `validate` reports them with its own findings."""
    short: tuple[str, ...] = ()
    """Options of `system` that were written at the top; messages name them as they were written."""
    imported: list[Node] = field(default_factory=list)
    """Of `imports`, those that were run."""
    checked: ConfigModel | None = None
    """What it was found to be, once it was checked."""

    @property
    def received(self) -> Path | None:
        """The folder of the run, or of the exported model, that one of the files belongs to; None for a configuration of one's own."""
        return next((found for each in self.files if (found := received_folder(each)) is not None), None)

    @property
    def values(self) -> dict[str, Any]:
        """The plain mapping."""
        return self.root.plain()

    @property
    def folders(self) -> list[Path]:
        """The folders of the files, where `./net.py:Net` is looked for after the working directory."""
        return list(dict.fromkeys(each.resolve().parent for each in reversed(self.files)))

    def place(self, path: KeyPath) -> Place:
        """Where the value at `path` was written, or the nearest thing around it."""
        return self.root.nearest(path)[0].place

    def spell(self, path: KeyPath) -> str:
        """The option at `path` as the person wrote it: without `system.` where it stood at the top."""
        return spell_key(path[1:] if len(path) > 1 and path[0] == "system" and path[1] in self.short else path)


def compose(
    model: type[ConfigModel],
    config: Any = None,
    overrides: Iterable[str | Assignment] = (),
    environment: Mapping[str, str] | None = None,
    before: Callable[[Composed], None] = lambda composed: None,
) -> Composed:
    """Compose a file (YAML, JSON, `key = value`), a mapping or another object that `load` reads with variables and overrides.

    References are interpolated. Raises ConfigError when a file cannot be read.

    `environment` is searched for run options and for `${env:…}`; by default it is the process's own. Keys given twice and what is
    wrong with single overrides or references are kept in `problems`. `before` is called with the layers put together, before
    references are resolved: it may run code that registers resolvers.
    """
    environment = os.environ if environment is None else environment
    if is_old_form(config):
        config = load_values(config)
    files: list[Path] = []
    problems: list[RequestError] = []
    top = Section(model)
    if config is None or isinstance(config, Mapping):
        root = canonical_keys(name_encoder_of(node_of(config or {}, Place("config"))), top, problems)
    else:
        root = _read_with_bases(Path(config), top, files, problems, ())
    composed = Composed(root, model, files, problems)
    with reading(composed.received):  # what an option belongs to is asked of the class that a part names
        for step in (_environment_steps(model, environment), _override_steps(overrides)):
            for layer, make in step:
                try:
                    each = _written_out(make())
                    assign(root, each.path, each.value.in_layer(len(files) + layer), top)
                except ConfigError as error:
                    composed.problems.append(error)
        before(composed)
        composed.problems += interpolate(root, model, environment)
    composed.problems += [*missing_values(root), *_unusable_values(root)]
    composed.short = write_out(root, model, composed.problems)
    return composed


def _unusable_values(root: Node) -> list[RequestError]:
    """Numbers and texts that fit no option, wherever they came from; raises ConfigError where there are too many values to look at."""
    problems: list[RequestError] = []
    for count, node in enumerate(root.walk(), 1):
        refuse_count(count, root.place.name)
        try:
            for each in node.value if isinstance(node.value, dict) else [node.value]:
                refuse_value(each, str(node.place))
        except ConfigError as error:
            problems.append(error)
    return problems


Step = tuple[int, Callable[[], Assignment]]


def _override_steps(overrides: Iterable[str | Assignment]) -> list[Step]:
    return [(2, partial(override, each) if isinstance(each, str) else partial(_itself, each)) for each in overrides]


def _written_out(each: Assignment) -> Assignment:
    """`model=timm/resnet18` as the option of the encoder that it is."""
    found = name_encoder(each.value) if each.path == ("model",) else None
    return each if found is None else Assignment(*found)


def _itself(each: Assignment) -> Assignment:
    """The same with nodes of its own: layers are marked and merged in place, and the caller may compose with its list again."""
    return Assignment(each.path, each.value.copy())


def override(text: str) -> Assignment:
    """`trainer.max_epochs=40` as an assignment; raises ConfigError when it is not `key.sub=value`."""
    key, equals, value = _split(text)
    place = Place(f"command line: {text}")
    if not equals:
        raise ConfigError(f"'{text}' is not key=value", where="command line", fix="write for example trainer.max_epochs=40")
    try:
        path = parse_path(key.strip())
    except ConfigError as error:
        raise ConfigError(error.what, where=str(place), fix=error.fix) from error
    if is_expression(path):
        return Assignment(path, Node(value.strip(), place))
    found = literal(value, place)
    name_own(node.value for node in found.walk() if isinstance(node.value, str))
    return Assignment(path, found)


def assign_option(path: str, value: Any, shown: str) -> Assignment:
    """An option set by a flag or an argument, named `shown` in messages (`command line: --target age`)."""
    return Assignment(parse_path(path), node_of(value, Place(shown)))


def _split(text: str) -> tuple[str, str, str]:
    """At the first `=` outside double quotes."""
    quoted = False
    for position, character in enumerate(text):
        quoted ^= character == '"'
        if character == "=" and not quoted:
            return text[:position], "=", text[position + 1 :]
    return text, "", ""


def _read_with_bases(path: Path, top: Section, files: list[Path], problems: list[RequestError], chain: tuple[Path, ...]) -> Node:
    """A file merged onto its bases, each read relative to the file that names it."""
    with reading(received_folder(path)):
        return _merge_layers(path, top, files, problems, chain)


def _merge_layers(path: Path, top: Section, files: list[Path], problems: list[RequestError], chain: tuple[Path, ...]) -> Node:
    own = canonical_keys(name_encoder_of(read_file(path, problems)), top, problems)
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
        read = _read_with_bases(other, top, files, problems, chain)
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
            raise ConfigError(
                "`base` is not a file name", where=str(each.place), fix="write `base: other.yaml` or `base: [one.yaml, other.yaml]`"
            )
    return several


def _environment_steps(model: type[ConfigModel], environment: Mapping[str, str]) -> list[Step]:
    """`TRAINWRIGHT_RUN__SEED=3` sets run.seed; variables for options of other sections, and near misses, are mistakes."""
    section = field_structure(model.model_fields["run"]) if "run" in model.model_fields else None
    if not isinstance(section, Section):
        return []
    known = {f"{ENVIRONMENT_PREFIX}RUN__{name.upper()}": name for name in section.model.model_fields}
    short = {name.replace("RUN__", ""): name for name in known}
    begins = (f"{ENVIRONMENT_PREFIX}RUN_", *(f"{ENVIRONMENT_PREFIX}{name.upper()}__" for name in model.model_fields))
    relevant = [each for each in sorted(environment) if each.startswith(begins) or each in short]
    return [(1, partial(_variable, each, environment[each], known, short)) for each in relevant]


def _variable(variable: str, text: str, known: Mapping[str, str], short: Mapping[str, str]) -> Assignment:
    if variable in known:
        return Assignment(("run", known[variable]), literal(text, Place(f"environment: {variable}={text}")))
    if not variable.startswith(f"{ENVIRONMENT_PREFIX}RUN_") and variable not in short:
        option = variable.removeprefix(ENVIRONMENT_PREFIX).lower().replace("__", ".")
        why, fix = "variables set options of `run` alone", f"write {option}=… on the command line or in the configuration"
        raise ConfigError(f"the variable {variable} sets nothing", where="environment", why=why, fix=fix)
    fix = f"did you mean {short[variable]}?" if variable in short else did_you_mean(variable, known)
    raise ConfigError(f"unknown variable {variable}", where="environment", fix=fix)
