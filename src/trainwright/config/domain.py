"""What a domain declares: one table of the parts it brings, by kind, and of what goes with them. Imports nothing that a part needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.config.model import PartConfig
from trainwright.config.part import KINDS, Part, load_named

OPEN = tuple(each for each in KINDS if each != "part")
"""Kinds of which a domain brings parts; `part` holds those that a person registers."""

NAMED = ("builtin", "synth", "views", "blocks", "block_types")
"""What a domain brings beside parts, each by a name that no other has."""

Chosen = str | Mapping[str, Any]
"""A part by name or with options, as a configuration writes it."""


@dataclass(frozen=True)
class ColumnKind:
    """What a column of one type gets where the configuration names nothing else."""

    encoder: Chosen = "passthrough"
    """As an input; or `module:function` of (group, combiner, training rows) that gives options."""
    by_column: bool = False
    """Whether that function looks at each column, so that its answer is not written down for the whole type."""
    deep: bool = False
    """Whether its usual encoder is a deep network, after which no members and few layers are wanted."""
    training: str = ""
    """As an input, how a model is trained where the configuration says nothing: `module:function` of (group, its encoder's options,
    training rows) that gives options of `trainer` as a configuration writes them."""
    missing: str = ""
    """What `missing: auto` does, in words, where it does anything."""
    decoder: Chosen = "linear"
    """As a target."""
    target: str = ""
    """What it is as a target, where that is another's kind: `number`, `binary`, `category`, `vector` or `set`."""
    views: str = ""
    """`module:function` of (groups, names) that gives ways to look at a row, over which an answer is averaged; empty for none."""
    loss: Chosen = ""
    """As a target; the usual one of `target` where empty. Of Trainwright's own, empty where a column cannot be predicted."""
    metrics: tuple[str, ...] = ()
    """What is measured of it as a target; the first sums it up."""
    monitor: str = ""
    """The metric that picks the best checkpoint; the first one unless given."""
    made_with: Mapping[str, Any] = field(default_factory=dict)
    """Options that it has where more like it are to be made, unless the configuration says otherwise: `{"normalize": "inception"}`."""
    baselines: tuple[Chosen, ...] = ()
    """As an input: simple models that are measured beside the network too, where `evaluation.baselines` names none."""


@dataclass(frozen=True)
class SystemKind:
    """What trains a system and answers rows with what it became, as `module:Name`: they are imported when they are used."""

    prepare: str
    """A subclass of `Prepared`, made of (configuration, data in memory or None). Raises ConfigError, DataError or ManyErrors."""
    predictor: str
    """(place, settings, model, loss) → Predictor. Raises RunError where there is no model yet."""
    form: str = "own run"
    """What a command calls such a run, where it uses other flags and settings for it."""
    adds_to_export: bool = False
    """Whether its predictor writes something beside the files of the model where one is exported."""
    calibrate: str = ""
    """(run, configuration, data or None) → `Calibrating`; empty where such runs cannot be calibrated."""
    sampling: str = ""
    """The options that `sampling` of its predictor takes (a `PartConfig`): flags of `trainwright sample`, keywords of `run.sample`; empty
    where its samples are made by `sample(n, generator)` of the system, which takes none."""

    @property
    def sampling_options(self) -> type[PartConfig] | None:
        """The class of those options; None where there are none."""
        found: type[PartConfig] | None = load_named(self.sampling) if self.sampling else None
        return found


class Claim(NamedTuple):
    """That data are a domain's: how sure (1 to 100), why in a few words, and the source that reads them."""

    strength: int
    why: str
    type: str = ""
    """A source of the domain, for a system of its own a dataset; its only one unless given."""


@dataclass(frozen=True)
class Domain:
    """A domain by name, in one sentence, with what it brings; everything that needs code is named as `module:Name` and imported when used.

    Raises ConfigError for a table that cannot be one.
    """

    name: str
    about: str
    parts: Mapping[str, Mapping[str, Part]] = field(default_factory=dict)
    """Kind of part → name → part."""
    columns: Mapping[str, ColumnKind] = field(default_factory=dict)
    """Type of column → what it gets by default."""
    systems: Mapping[str, SystemKind] = field(default_factory=dict)
    """System → what prepares it and what answers rows for it; others are trained on splits."""
    builtin: Mapping[str, str] = field(default_factory=dict)
    """NAME of `builtin:NAME` → the function of (name) that gives the rows: a source, Arrow table, DataFrame or mapping."""
    synth: Mapping[str, str | Part] = field(default_factory=dict)
    """NAME of `trainwright synth NAME` → the function of (folder, seed) that writes made data into it; a `Part` where it has options,
    which it gets as a third argument and which are flags of the command. It may return a list of what `trainwright train FOLDER` needs
    beside the folder, such as `["--target", "ring"]`."""
    views: Mapping[str, Part] = field(default_factory=dict)
    """What `trainwright view FILE` can look at → the function of (path, options, folder for media) that gives a `domains.views.View`, or
    None for a file of another kind; its options are flags of the command."""
    blocks: Mapping[str, str] = field(default_factory=dict)
    """What a report tells of its data → the function of `RunFacts` that gives blocks."""
    block_types: Mapping[str, str] = field(default_factory=dict)
    """Type of a block → its class (`report.blocks.base.Block`)."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """What a configuration says where its data are the domain's and it says nothing itself."""
    claims: str = ""
    """The function of (path) that says whether a file or folder is the domain's, as a `Claim`; None where it is not."""
    claimed: str = ""
    """What that function knows a folder by, in a few words (`sounds (.wav)`): they are named where a folder has nothing that is read."""

    infers: str = ""
    """The function of (column, values) that says what a column of names of files is, as (type, why): `image`, `paths of pictures`; None
    where it is not the domain's. Values are the first different ones, as text."""

    adopts: str = ""
    """The function of (object) that gives the source of rows in memory that are the domain's, None for others: asked before an object is
    taken for a table."""

    def __post_init__(self) -> None:
        where = f"domain {self.name!r}"
        if not isinstance(self.name, str) or not self.name.isidentifier():
            raise ConfigError(f"{self.name!r} cannot be the name of a domain", fix="letters, digits and _, as `sounds`")
        if not isinstance(self.about, str) or not self.about:
            raise ConfigError(
                "it does not say what it is", where=where, fix='give one sentence: Domain("sounds", "Recordings in WAV files.")'
            )
        wrong = [each.name for each in fields(self)[2:-4] if not isinstance(getattr(self, each.name), Mapping)]
        if wrong:
            raise ConfigError(f"`{wrong[0]}` is no mapping", where=where, fix=f"write {wrong[0]}={{name: …}}")
        self._check_parts(where)
        self._check_paths(where)
        for name, each in self.columns.items():
            if not isinstance(each, ColumnKind):
                fix = f"write {name!r}: ColumnKind(encoder=…)"
                raise ConfigError(f"columns[{name!r}] is a {type(each).__name__}", where=where, fix=fix)
            if name not in self.parts.get("feature", {}):
                fix = did_you_mean(name, self.parts.get("feature", {})) or "add it to parts['feature']"
                raise ConfigError(f"columns[{name!r}] is no type of column that it brings", where=where, fix=fix)

    def _check_paths(self, where: str) -> None:
        given = {f"{each}[{name!r}]": found for each in NAMED for name, found in getattr(self, each).items()}
        named = {shown: each.path if isinstance(each, Part) else each for shown, each in given.items()}
        wrong = next((name for name, each in self.views.items() if not isinstance(each, Part)), None)
        if wrong is not None:
            raise ConfigError(f"views[{wrong!r}] is no Part", where=where, fix=EXAMPLE.replace("Class", "function"))
        for shown, path in {
            **named,
            **{each: getattr(self, each) for each in ("claims", "infers", "adopts") if getattr(self, each)},
        }.items():
            if not isinstance(path, str) or not path.partition(":")[2]:
                fix = "write module:name, which is imported when it is used"
                raise ConfigError(f"{shown} is {path!r}, which names nothing in a module", where=where, fix=fix)

    def _check_parts(self, where: str) -> None:
        for kind, table in self.parts.items():
            if kind not in OPEN:
                raise ConfigError(f"there is no kind '{kind}' of parts", where=where, fix=did_you_mean(str(kind), OPEN))
            if not isinstance(table, Mapping):
                raise ConfigError(f"parts[{kind!r}] is no mapping", where=where, fix=f"write {kind!r}: {{name: Part(…)}}")
            for name, part in table.items():
                if not isinstance(part, Part):
                    raise ConfigError(f"{kind} '{name}' is a {type(part).__name__}, not a Part", where=where, fix=EXAMPLE)
                if not isinstance(name, str) or not name.replace("-", "_").isidentifier():
                    raise ConfigError(f"{name!r} cannot be the name of a {kind}", where=where, fix="letters, digits, - and _")
                if not part.path.partition(":")[2]:
                    raise ConfigError(f"{kind} '{name}' is at '{part.path}', which names no class", where=where, fix=EXAMPLE)


EXAMPLE = 'write Part("package.module:Class", "package.options:Options", "what it is")'
