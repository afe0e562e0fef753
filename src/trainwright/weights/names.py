"""Which name of a source is which name of a model: wrappers taken off, prefixes renamed, patterns left out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.config.name_patterns import HELD, REGULAR, fits, other_spelling

WRAPPING = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
"""What DataParallel, torch.compile, FSDP and checkpointing put into names."""
USUAL = ("model.", "net.", "network.", "system.")
"""Names under which programs hold their one network."""
NORMED = re.compile(r"(?P<before>.*?)parametrizations\.(?P<name>\w+)\.original(?P<part>[01])")
"""A weight under torch's weight norm; the old one called its parts `_g` and `_v`."""

Shapes = Mapping[str, tuple[int, ...]]


def unwrap_name(name: str) -> str:
    """A name without what wrappers put into it."""
    return ".".join(part for part in name.split(".") if part not in WRAPPING)


def under(names: Iterable[str], submodule: str, where: str) -> dict[str, str]:
    """Name in the source → name inside `submodule`, for the names below it; raises ConfigError when there is none."""
    names = list(names)
    if not submodule:
        return {name: name for name in names}
    for prefix in ("", *USUAL):
        start = f"{prefix}{submodule}."
        found = {name: unwrap_name(name)[len(start) :] for name in names if unwrap_name(name).startswith(start)}
        found |= {name: name[len(start) :] for name in names if name.startswith(start)}
        if found:
            return found
    parts = sorted(
        {unwrap_name(name).rpartition(".")[0] for name in names} | {unwrap_name(name).partition(".")[0] for name in names} - {""}
    )
    raise ConfigError(
        f"these weights have no part '{submodule}'", where=where, fix=did_you_mean(submodule, [each for each in parts if each])
    )


def rename_prefixes(names: Mapping[str, str], renames: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The names with prefixes replaced (old → new, the longest first), and the prefixes that no name has."""
    ordered = sorted(renames, key=len, reverse=True)
    found, used = {}, set()
    for source, name in names.items():
        old = next((each for each in ordered for form in (name, unwrap_name(name)) if starts(form, each)), None)
        if old is not None:
            used.add(old)
            form = name if starts(name, old) else unwrap_name(name)
            name = f"{renames[old].rstrip('.')}.{form[len(old.rstrip('.')) :].lstrip('.')}".strip(".")
        found[source] = name
    return found, [each for each in renames if each not in used]


def starts(name: str, prefix: str) -> bool:
    """Whether `name` is `prefix` or lies below it."""
    prefix = prefix.rstrip(".")
    return not prefix or name == prefix or name.startswith(f"{prefix}.")


def matches(name: str, patterns: Sequence[str]) -> str:
    """The first pattern that leaves `name` out: a name, a module's name, one with `*`, `?` and `[…]`, or after `re:`; or nothing."""
    return next((each for each in patterns if any(_leaves_out(each, form) for form in (name, unwrap_name(name)))), "")


def _leaves_out(pattern: str, name: str) -> bool:
    """Names are read with the `model.` that a system puts before them and without; a pattern of that word alone as it stands."""
    both = pattern != HELD and pattern.removeprefix(f"{HELD}.").strip("*.?")
    forms = (name, other_spelling(name)) if both else (name,)
    return any(fits(form, pattern) or (not pattern.startswith(REGULAR) and starts(form, pattern)) for form in forms)


def pair_names(theirs: Mapping[str, tuple[str, tuple[int, ...]]], ours: Shapes) -> tuple[dict[str, str], str]:
    """Name in the source → name in the model (its own where the model lacks it), and what prefix was put on or taken off, in words.

    `theirs` gives for each name in the source the name to look for and the shape. The variant under which most tensors fit is taken;
    of equals, the one that changes least.
    """
    known = _forms(ours)
    best, fitting, said = _look_up(theirs, known, "", ""), -1, ""
    for cut, put, words in _variants(theirs, ours):
        found = _look_up(theirs, known, cut, put)
        count = sum(ours.get(name) == theirs[source][1] for source, name in found.items())
        if count > fitting:
            best, fitting, said = found, count, words
    return best, said


def _variants(theirs: Mapping[str, tuple[str, tuple[int, ...]]], ours: Shapes) -> list[tuple[str, str, str]]:
    variants = [("", "", "")]
    firsts = {unwrap_name(name).partition(".")[0] + "." for name, _ in theirs.values()}
    for cut in [*firsts, *USUAL] if len(firsts) == 1 else USUAL:
        variants.append((cut, "", f"'{cut}' was taken off the names in the source"))
    own = {unwrap_name(name).partition(".")[0] + "." for name in ours}
    for put in [*own, *USUAL] if len(own) == 1 else USUAL:
        variants.append(("", put, f"'{put}' was put before the names in the source"))
    return variants


def _forms(ours: Shapes) -> dict[str, str]:
    """Every form under which a name of the model may be looked for → that name."""
    forms: dict[str, list[str]] = {}
    for name in ours:
        forms.setdefault(unwrap_name(name), []).append(name)
        norm = NORMED.fullmatch(unwrap_name(name))
        if norm:
            forms.setdefault(f"{norm['before']}{norm['name']}_{'gv'[int(norm['part'])]}", []).append(name)
    return {form: names[0] for form, names in forms.items() if len(names) == 1} | {name: name for name in ours}


def _look_up(theirs: Mapping[str, tuple[str, tuple[int, ...]]], known: Mapping[str, str], cut: str, put: str) -> dict[str, str]:
    found = {}
    for source, (name, _) in theirs.items():
        plain = unwrap_name(name)
        changed = put + (plain.removeprefix(cut) if cut else plain)
        exact = name if name in known and not cut and not put else changed
        found[source] = known.get(exact, exact)
    return found
