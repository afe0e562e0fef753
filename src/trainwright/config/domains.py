"""The domains that are there: Trainwright's own, and those of installed packages with the entry point `trainwright.domains`.

Packages are looked at when something is asked for that Trainwright itself does not have, or when all there is is listed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

from trainwright.config.domain import NAMED, ColumnKind, Domain, SystemKind
from trainwright.config.errors import FOREIGN, ConfigError, TrainwrightError, did_you_mean
from trainwright.config.part import KINDS, Part, load_named

GROUP = "trainwright.domains"
HOUSE = {name: f"trainwright.domains.{name}:DOMAIN" for name in ("tables", "signals", "images", "diffusion")}
"""Trainwright's own domains and where they are."""
OURS = "trainwright"

P = TypeVar("P", bound=Part)


@dataclass(frozen=True)
class Installed:
    """A domain with the package that it came with, as `name version`."""

    domain: Domain
    package: str


@dataclass(frozen=True)
class Broken:
    """A package whose domain cannot be had, and why."""

    entry: str
    package: str
    why: str

    def __str__(self) -> str:
        return f"the domain '{self.entry}' of the package {self.package} cannot be had: {self.why}"


@dataclass
class Register:
    """All domains by name, packages that failed, and names of parts that more than one of them registers."""

    domains: dict[str, Installed] = field(default_factory=dict)
    broken: list[Broken] = field(default_factory=list)
    owners: dict[tuple[str, str], str] = field(default_factory=dict)
    """(kind, name) → the domain it is of; `-` read as `_`."""
    clashes: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """(kind, name) → the packages that register it; Trainwright's own keep theirs, of others none has it."""

    def warnings(self) -> list[str]:
        """What is wrong with packages, in words."""
        said = [str(each) for each in self.broken]
        for (kind, name), packages in self.clashes.items():
            kept = "that of Trainwright is taken" if packages[0] == OURS else "neither is taken"
            said.append(f"the {kind} '{name}' is registered by {' and by '.join(packages)}: {kept}")
        return said


@cache
def house() -> dict[str, Domain]:
    """Trainwright's own domains."""
    return {name: load_named(path) for name, path in HOUSE.items()}


@cache
def register() -> Register:
    """All domains; what is wrong with a package is kept, and the others work."""
    found = Register({name: Installed(each, OURS) for name, each in house().items()})
    for own in house().values():
        found.owners |= {(kind, _fold(name)): own.name for kind, table in _tables(own).items() for name in table}
    for given in _load_installed(found.broken):
        if other := found.domains.get(given.domain.name):
            found.broken.append(
                Broken(given.domain.name, given.package, f"{other.package} has a domain of this name too; uninstall one of them")
            )
            continue
        found.domains[given.domain.name] = given
        for kind, table in _tables(given.domain).items():
            for name in table:
                _enter(found, kind, name, given)
    return found


def _tables(domain: Domain) -> dict[str, Mapping[str, Any]]:
    """All that a domain brings by name, by its kind."""
    return {**domain.parts, **{each: getattr(domain, each) for each in NAMED}}


def _load_installed(broken: list[Broken]) -> Iterator[Installed]:
    """The domains of installed packages, in the order of their names."""
    from importlib import metadata  # a tenth of a second, when something is to be found

    for entry in sorted(metadata.entry_points(group=GROUP), key=lambda each: (each.dist.name if each.dist else "", each.name)):
        package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value
        try:
            found = entry.load()
        except TrainwrightError as error:
            broken.append(Broken(entry.name, package, "; ".join(filter(None, (error.where, error.what, error.fix)))))
        except FOREIGN as error:  # code of others may raise anything
            broken.append(Broken(entry.name, package, f"{type(error).__name__}: {error}"))
        else:
            if isinstance(found, Domain):
                yield Installed(found, package)
            else:
                broken.append(Broken(entry.name, package, f"{entry.value} is a {type(found).__name__}, not a trainwright.domains.Domain"))


def _enter(found: Register, kind: str, name: str, given: Installed) -> None:
    key = (kind, _fold(name))
    if key in found.clashes:
        found.clashes[key].append(given.package)
        return
    own = _fold(name) in {_fold(each) for each in house_table(kind)} or found.owners.get(key) in HOUSE
    other = OURS if own else found.domains[found.owners[key]].package if key in found.owners else ""
    if other:
        found.clashes[key] = [other, given.package]
    if not own and not other:
        found.owners[key] = given.domain.name
    elif not own:
        del found.owners[key]


def house_table(kind: str) -> Mapping[str, Any]:
    """Trainwright's own parts of a kind, or what else its domains bring by name."""
    if kind in NAMED:
        return {name: path for each in house().values() for name, path in getattr(each, kind).items()}
    table = load_named(f"{KINDS[kind]}:PARTS")
    return table.own if isinstance(table, PartTable) else table


@cache
def brought(kind: str) -> dict[str, Any]:
    """The parts of a kind, or what else has names, that packages bring; and parts of Trainwright's own domains beyond its tables."""
    every_domain = register().domains.values()
    own = [] if kind in NAMED else [each.domain for each in every_domain if each.package == OURS]
    others = own + [each.domain for each in every_domain if each.package != OURS]
    named = [(own.name, name, each) for own in others for name, each in _tables(own).get(kind, {}).items()]
    return {name: each for domain, name, each in named if owner(kind, name) == domain and name not in house_table(kind)}


def every(kind: str) -> dict[str, Any]:
    """All of `builtin`, `synth` … by name, Trainwright's own first."""
    return {**house_table(kind), **brought(kind)}


def load_of_domain(kind: str, name: str, path: str) -> Any:
    """What a domain named by path; raises ConfigError where a package's cannot be imported."""
    try:
        return load_named(path)
    except FOREIGN as error:
        blamed = blame_package(kind, name, error)
        if blamed is error:
            raise
        raise blamed from error


def owner(kind: str, name: str) -> str:
    """The domain that a part is of; empty for one of all domains, and for a class named by path."""
    return register().owners.get((kind, _fold(name)), "")


def package_of(domain: str) -> str:
    """The package of a domain, as `name version`; `trainwright` for its own."""
    return register().domains[domain].package


def _fold(name: str) -> str:
    return name.replace("-", "_")


class PartTable(Mapping[str, P]):
    """The parts of a kind: Trainwright's own, to which installed domains add; these are looked at when a name is not among the own."""

    def __init__(self, kind: str, own: Mapping[str, P]) -> None:
        self.kind, self.own = kind, own

    def __getitem__(self, name: str) -> P:
        if name in self.own:
            return self.own[name]
        if not isinstance(name, str) or not _fold(name).isidentifier():  # a path
            raise KeyError(name)
        found: Any = brought(self.kind)[name]
        return found

    def __iter__(self) -> Iterator[str]:
        return iter({**self.own, **brought(self.kind)})

    def __len__(self) -> int:
        return len(self.own) + len(brought(self.kind))


def column_kind(name: str) -> ColumnKind:
    """What a column of a type gets by default; for a type that says nothing of it, and a class named by path, the same as for others."""
    for each in house().values():
        if name in each.columns:
            return each.columns[name]
    kind = owner("feature", name) if _fold(name).isidentifier() else ""
    return register().domains[kind].domain.columns.get(name, ColumnKind()) if kind else ColumnKind()


def system_kind(system: str) -> SystemKind | None:
    """What prepares a system and answers rows for it, as its domain says; None for one that is trained on splits."""
    for each in house().values():
        if system in each.systems:
            return each.systems[system]
    name = owner("system", system) if _fold(system).isidentifier() and system not in house_table("system") else ""
    return register().domains[name].domain.systems.get(system) if name else None


def why_lacking(kind: str, name: str) -> ConfigError | None:
    """Why a name that no table has is not there: two packages register it, or a package that may have it failed. None for neither."""
    found = register()
    if packages := found.clashes.get((kind, _fold(name))):
        what, why = f"two packages register the {kind} '{name}'", f"it is in {' and in '.join(packages)}"
        return ConfigError(what, why=why, fix="uninstall one of them, or ask its authors for another name")
    if found.broken:
        fix = did_you_mean(name, [*house_table(kind), *brought(kind)])
        why = f"an installed package may have it: {'; '.join(map(str, found.broken))}"
        return ConfigError(f"unknown {kind} type '{name}'", why=why, fix=f"update that package; or {fix}" if fix else "")
    return None


def packages_in_use() -> dict[str, str]:
    """Domain → package of those that other packages bring, where this process had to look for them."""
    known = register().domains if register.cache_info().currsize else {}
    return {name: each.package for name, each in known.items() if each.package != OURS}


def whose_option(kind: str, key: str, name: str) -> str:
    """The parts of other domains that have an option which the part `name` has not, in words; those of this kind first. Else empty."""
    mine, found = owner(kind, name), []
    for each in sorted(KINDS, key=lambda other: other != kind):
        for part, domain in _list_owned(each):
            if domain != mine and key in register().domains[domain].domain.parts[each][part].config.model_fields:
                found.append(f"{each}.{part} (domain {domain})")
    return f"'{key}' is an option of {', '.join(found[:3])}" if found else ""


def _list_owned(kind: str) -> list[tuple[str, str]]:
    """(name, domain) of the parts of a kind that are a domain's."""
    domains = register().domains.values()
    return [
        (name, each.domain.name) for each in domains for name in each.domain.parts.get(kind, {}) if owner(kind, name) == each.domain.name
    ]


def blame_package(kind: str, name: str, error: BaseException) -> BaseException:
    """What an import of a part raised, in words if it is an installed package's."""
    found = owner(kind, name)
    if isinstance(error, TrainwrightError) or not found or package_of(found) == OURS:
        return error
    why = f"{type(error).__name__}: {error}"
    fix = f"change it: it is of the domain '{found}', package {package_of(found)}"
    return ConfigError(f"{kind} '{name}' cannot be imported", why=why, fix=fix)


def forget() -> None:
    """Look again for installed packages."""
    for each in (register, brought):
        each.cache_clear()
