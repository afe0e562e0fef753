"""Policies as timm writes them, `rand-m9-n3-p0.6-mstd0.5-inc1-tweights`, read strictly. Imports no torch.

What timm takes in silence (an unknown name of a set, a section without a number, a section twice, a magnitude that is clipped) is refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from trainwright.config.errors import ConfigError, did_you_mean

UNIFORM_ABOVE = 100.0
"""A deviation above this means that magnitudes are drawn uniformly, from 0 to M."""
HIGHEST = 10
"""Magnitudes end here unless `mmax` says otherwise."""
SETS = ("weights", "3a", "3aw")
"""Names of sets of operations after `t`."""
SEARCHED = ("original", "originalr", "v0", "v0r", "3a")
"""timm's policies of AutoAugment."""
OF_DATASETS = ("imagenet", "cifar10", "svhn")
"""torchvision's policies of AutoAugment."""
FORMS = {
    "rand": "rand-m9-n2-p0.5-mstd0.5-mmax10-inc1-tweights; every section but `rand` may be left out",
    "augmix": "augmix-m3-w3-d2-a1-mstd0.5-b0; every section but `augmix` may be left out",
    "auto": f"one of {', '.join((*SEARCHED, *OF_DATASETS))}; timm's may end in -mstd0.5",
}


@dataclass(frozen=True)
class RandPolicy:
    """RandAugment as timm has it."""

    magnitude: int = 10
    layers: int = 2
    probability: float = 0.5
    """Of each operation that was chosen, that it is applied."""
    deviation: float = 0.0
    """Of magnitudes about `magnitude`; infinite: uniform from 0 to it."""
    highest: int = HIGHEST
    increasing: bool = False
    """Whether every operation changes more with a higher magnitude."""
    choices: str = ""


@dataclass(frozen=True)
class MixPolicy:
    """AugMix as timm has it."""

    magnitude: int = 3
    width: int = 3
    depth: int = -1
    """Operations of a chain; -1: 1 to 3, drawn for each."""
    alpha: float = 1.0
    deviation: float = math.inf
    blended: bool = False


@dataclass(frozen=True)
class AutoPolicy:
    """AutoAugment by the name of what was found for it."""

    name: str = "imagenet"
    deviation: float = 0.0


@dataclass(frozen=True)
class Section:
    """What may follow a key."""

    field: str
    read: Callable[[str], Any]
    takes: str


def _whole(least: int, most: float = math.inf) -> Callable[[str], Any]:
    def read(text: str) -> int | None:
        return int(text) if re.fullmatch(r"\d+", text) and least <= int(text) <= most else None

    return read


def _number(least: float, most: float = math.inf, above: bool = False) -> Callable[[str], Any]:
    def read(text: str) -> float | None:
        if not re.fullmatch(r"\d+(\.\d*)?(e-?\d+)?", text):
            return None
        found = float(text)
        return found if (found > least if above else found >= least) and found <= most else None

    return read


def _deviation(text: str) -> float | None:
    found = _number(0)(text)
    return math.inf if found is not None and found > UNIFORM_ABOVE else found


def _yes(text: str) -> bool | None:
    return {"0": False, "1": True}.get(text)


def _set(text: str) -> str | None:
    return text if text in SETS else None


MSTD = Section("deviation", _deviation, "a number, the deviation of magnitudes; above 100 they are uniform: mstd0.5")
RAND = {
    "mstd": MSTD,
    "mmax": Section("highest", _whole(1), "a whole number above 0, where magnitudes end: mmax10"),
    "inc": Section("increasing", _yes, "0 or 1: inc1"),
    "m": Section("magnitude", _whole(0), "a whole number, the magnitude: m9"),
    "n": Section("layers", _whole(1), "a whole number above 0, how many operations: n2"),
    "p": Section("probability", _number(0, 1), "a number from 0 to 1, the probability of each operation: p0.5"),
    "t": Section("choices", _set, f"the name of a set, {', '.join(SETS)}: tweights"),
}
MIX = {
    "mstd": MSTD,
    "m": Section("magnitude", _whole(0, HIGHEST), "a whole number from 0 to 10, the magnitude: m3"),
    "w": Section("width", _whole(1), "a whole number above 0, how many chains: w3"),
    "d": Section("depth", _whole(1), "a whole number above 0, operations of a chain; left out: 1 to 3: d2"),
    "a": Section("alpha", _number(0, above=True), "a number above 0, of Beta and Dirichlet: a1"),
    "b": Section("blended", _yes, "0 or 1: b1"),
}
AUTO = {"mstd": MSTD}


def parse_rand(policy: str) -> RandPolicy:
    """RandAugment of timm's string; raises ConfigError with the form and what is nearest."""
    found = RandPolicy(**_sections(policy, "rand", RAND))
    if found.magnitude > found.highest:
        what = f"m{found.magnitude} of '{policy}' is above where magnitudes end, {found.highest}"
        raise ConfigError(what, why="timm clips it in silence", fix=f"write m{found.highest}, or add -mmax{found.magnitude}")
    return found


def parse_mix(policy: str) -> MixPolicy:
    """AugMix of timm's string; raises ConfigError with the form and what is nearest."""
    return MixPolicy(**_sections(policy, "augmix", MIX))


def parse_auto(policy: str) -> AutoPolicy:
    """AutoAugment by timm's or torchvision's name; raises ConfigError with the names and what is nearest."""
    name = policy.split("-")[0]
    if name not in (*SEARCHED, *OF_DATASETS):
        fix = did_you_mean(name, [*SEARCHED, *OF_DATASETS])
        raise ConfigError(f"'{policy}' is no policy of AutoAugment", why=f"it is written {FORMS['auto']}", fix=fix)
    found = _sections(policy, name, AUTO, FORMS["auto"])
    if found and name in OF_DATASETS:
        why = "torchvision's policies have the magnitudes they were found with"
        raise ConfigError(f"'{policy}' has a deviation of magnitudes", why=why, fix=f"write {name}, or original-{policy.split('-')[1]}")
    return AutoPolicy(name, **found)


def _sections(policy: str, name: str, known: Mapping[str, Section], form: str = "") -> dict[str, Any]:
    """Field → value of the sections after the first, which is `name`."""
    form = f"it is written {form or FORMS[name]}"
    first, *rest = policy.split("-")
    if first != name:
        raise ConfigError(f"'{policy}' begins with '{first}'", why=form, fix=f"begin with {name}-")
    found: dict[str, Any] = {}
    for section in rest:
        key, text = _parted(section, known)
        if key is None:
            raise ConfigError(f"'{policy}' has the unknown section '{section}'", why=form, fix=_nearest(section, known))
        spelled = known[key]
        if spelled.field in found:
            raise ConfigError(f"'{policy}' has the section '{key}' twice", why=form, fix="keep one of them")
        value = spelled.read(text)
        if value is None:
            more = f"; {did_you_mean(text, SETS)}" if key == "t" and text else ""
            raise ConfigError(f"the section '{section}' of '{policy}' is not read", why=form, fix=f"`{key}` takes {spelled.takes}{more}")
        found[spelled.field] = value
    return found


def _parted(section: str, known: Mapping[str, Section]) -> tuple[str | None, str]:
    """The key of a section and what follows it; None for a key that is unknown. A set's name may hold digits and letters."""
    if "t" in known and section.startswith("t"):
        return "t", section[1:]
    key = re.match(r"[a-zA-Z]*", section).group()  # type: ignore[union-attr]
    return (key if key in known else None), section[len(key) :]


def _nearest(section: str, known: Mapping[str, Section]) -> str:
    key = re.match(r"[a-zA-Z]*", section).group()  # type: ignore[union-attr]
    return did_you_mean(key, list(known))
