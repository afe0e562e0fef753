"""Whose data a path is: each domain that claims it says how sure it is and why, and the strongest claim wins."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from glob import escape
from pathlib import Path
from typing import Any

from trainwright.config.domain import Claim, Domain
from trainwright.config.domains import OURS, load_of_domain, register
from trainwright.config.errors import FOREIGN, DataError
from trainwright.config.own_code import describe_failure
from trainwright.data.fetched import is_fetched, may_be_shard

log = logging.getLogger(__name__)
TABLES = "tables"
"""The domain that reads what no other claims, and says itself what is wrong with what it cannot read."""
reasons: dict[str, str] = {}
"""Path or pattern → why it is read as it is, to be said when it is opened: it is looked at whenever a configuration is checked."""
FRAGMENT = re.compile(r"#[A-Za-z_]+=[^#]*$")
"""What may stand after the name of a file: which part of it is meant."""
FILE = re.compile(r"\.[A-Za-z0-9]{2,5}(#.*)?\s*$")
"""How names of files end."""
MOSTLY = 0.95
_told: set[str] = set()


def find_claim(text: str) -> str:
    """The source that reads a path or pattern where another domain than tables claims it most; else empty. The why is in `reasons`.

    Raises DataError for two claims that are equally strong.
    """
    path = _first(text)
    others = [each.domain for each in register().domains.values() if each.domain.claims and each.domain.name != TABLES]
    found = {each.name: claim for each in others if path is not None and (claim := claim_of(each, path)) is not None}
    if path is None or not (found or register().broken):
        return ""
    if (own := claim_of(register().domains[TABLES].domain, path)) is not None:
        found[TABLES] = own
    if not found:
        _tell_broken(text)
    if not found.keys() - {TABLES}:
        return ""
    best = max(each.strength for each in found.values())
    winners = {name: each for name, each in found.items() if each.strength == best}
    if len(winners) > 1:
        _refuse_tie(text, winners)
    ((name, claim),) = winners.items()
    reasons[text] = f"'{text}' is read as {claim.type}, of the domain {name}{_package(name)}: {claim.why}"
    return "" if name == TABLES else claim.type


def claimed_by(domain: Domain, text: str) -> Claim | None:
    """What the domain of a system says of a path or pattern, with the dataset that reads it; None where it claims nothing."""
    path = _first(text)
    return None if path is None or not domain.claims else claim_of(domain, path, "dataset")


def claim_of(domain: Domain, path: Path, kind: str = "source") -> Claim | None:
    """What a domain says of a path, with one of its parts of a kind; one that fails or gives something else is told and claims nothing."""
    try:
        given = load_of_domain("claims", domain.name, domain.claims)(path)
        if given is None:
            return None
        claim = Claim(*given)
        sources = list(domain.parts.get(kind, {}))
        claim = claim if claim.type or len(sources) != 1 else claim._replace(type=sources[0])
        if claim.type in sources and isinstance(claim.strength, int) and 0 < claim.strength <= 100:
            return claim
        why = f"it gave {given!r}, not (a strength of 1 to 100, why, one of its {kind}s: {', '.join(sources)})"
    except FOREIGN as error:  # code of others may raise anything
        if isinstance(error, FileNotFoundError) and not path.exists():
            return None  # a name without an ending, which only some know
        why = describe_failure(error)
    _tell(f"the domain '{domain.name}'{_package(domain.name)} cannot say whether '{path}' is its own: {why}")
    return None


def type_of_files(column: str, values: Sequence[Any]) -> tuple[str, str] | None:
    """The type of a column of names of files, and why, by the first domain that knows it; None where it is none, or nobody does."""
    texts = [each for each in values if isinstance(each, str)]
    if not texts or sum(bool(FILE.search(each)) for each in texts) < MOSTLY * len(texts):
        return None
    for each in register().domains.values():
        if each.domain.infers and (found := _inferred(each.domain, column, texts)) is not None:
            return found
    return None


def _inferred(domain: Domain, column: str, texts: list[str]) -> tuple[str, str] | None:
    try:
        given = load_of_domain("infers", domain.name, domain.infers)(column, texts)
        if given is None or (given[0] in domain.parts.get("feature", {}) and isinstance(given[1], str)):
            return None if given is None else (given[0], given[1])
        why = f"it gave {given!r}, not (a type of column of its own, why)"
    except FOREIGN as error:  # code of others may raise anything
        why = describe_failure(error)
    _tell(f"the domain '{domain.name}'{_package(domain.name)} cannot say whether the column '{column}' is its own: {why}")
    return None


def _tell_broken(text: str) -> None:
    """Name the packages that failed, where nobody claims a path: one of them might have."""
    for each in register().broken:
        _tell(f"{each}; whether '{text}' is its own is not known")


def _tell(told: str) -> None:
    """Warn once: a path is looked at whenever a configuration is checked."""
    if told not in _told:
        _told.add(told)
        log.warning("%s", told)


def _first(text: str) -> Path | None:
    """The file or folder that is looked at: the first of a pattern; none for an address and for what is not there, nor with an ending.

    A part of a file, `FILE#t=0,10`, is whose the file is.
    """
    from trainwright.data.files import expand_braces, is_glob

    if is_fetched(text) and not may_be_shard(text):
        return None
    text = expand_braces(text)[0]
    if is_glob(text):
        import glob

        text = next(iter(sorted(glob.glob(os.path.expanduser(text), recursive=True))), "")
    for name in (text, FRAGMENT.sub("", text)):
        path = Path(os.path.expanduser(name))
        if name and (path.exists() or has_parts(path)):
            return path
    return None


def has_parts(path: Path) -> bool:
    """Whether files lie there that have its name and an ending, as those of a record that is named without one."""
    return bool(path.name) and path.parent.is_dir() and any(each.is_file() for each in path.parent.glob(f"{escape(path.name)}.*"))


def _refuse_tie(text: str, winners: dict[str, Claim]) -> None:
    said = "; ".join(f"{name}{_package(name)}: {each.why}" for name, each in winners.items())
    types = {each.type for each in winners.values()}
    one_name = len(types) < len(winners)  # `data.type` could not tell them apart
    fix = (
        "uninstall one of the packages" if one_name else "say which: " + " or ".join(f"data.type={each.type}" for each in winners.values())
    )
    raise DataError(f"'{text}' is claimed by {' and '.join(winners)} alike", where="data.source", why=said, fix=fix)


def _package(name: str) -> str:
    package = register().domains[name].package
    return "" if package == OURS else f" ({package})"
