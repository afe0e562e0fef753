"""Which name of a source is which name of a model: wrappers taken off, prefixes renamed, patterns left out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.config.name_patterns import HELD, REGULAR, fits, other_spelling

WRAPPING = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
"""What DataParallel, torch.compile, FSDP and checkpointing put into names."""
USUAL = ("model.", "net.", "network.", "system.")
"""Names under which programs hold their one network."""
FIRSTS = 6
"""First parts of names that are tried as a prefix that one side has and the other has not."""
NORMED = re.compile(r"(?P<before>.*?)parametrizations\.(?P<name>\w+)\.original(?P<part>[01])")
"""A weight under torch's weight norm; the old one called its parts `_g` and `_v`."""

STARS = {"*": r"([^.]+)", "**": r"(.+?)"}
"""What stars stand for in a map of names: one part, several."""

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


def rename(names: Mapping[str, str], renames: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The names under the map old → new (the longest old name first), and what of the map no name fits.

    An old name is a prefix of whole parts; in it `*` stands for one part and `**` for several, and the new name has them where it has
    stars; `re:` begins a regular expression, which is replaced wherever it is found. Raises ConfigError for a map that can be none.
    """
    rules = [(old, _renaming(old, new)) for old, new in sorted(renames.items(), key=lambda each: -len(each[0]))]
    found, used = {}, set()
    for source, name in names.items():
        found[source] = name
        for old, change in rules:
            changed = next((new for form in (name, unwrap_name(name)) if (new := change(form)) is not None), None)
            if changed is not None:
                used.add(old)
                found[source] = changed
                break
    return found, [each for each in renames if each not in used]


def _renaming(old: str, new: str) -> Callable[[str], str | None]:
    """What makes a name under `old` one under `new`; it gives None for other names."""
    if old.startswith(REGULAR):
        try:
            regular = re.compile(old[len(REGULAR) :])
            regular.sub(new, "")
        except (re.error, IndexError) as error:
            fix = "as Python's re.sub takes it: {'re:layer(\\d+)': 'layers.\\1'}"
            raise ConfigError(f"'{old}: {new}' renames nothing", where="renames", why=str(error), fix=fix) from error
        return lambda name: regular.sub(new, name) if regular.search(name) else None
    stars, wanted = old.count("*") - old.count("**"), new.count("*") - new.count("**")
    if wanted > stars:
        fix = "each star of the new name is one of the old name, in their order"
        raise ConfigError(f"'{old}: {new}' renames nothing", where="renames", why=f"it has {wanted} stars for {stars}", fix=fix)
    parts = [STARS.get(part, re.escape(part)) for part in re.split(r"(\*\*|\*)", old.rstrip("."))]
    pattern = re.compile("".join(parts) + r"(?P<rest>\..+|$)" if old.rstrip(".") else r"(?P<rest>.*)")

    def change(name: str) -> str | None:
        match = pattern.match(name)
        if match is None:
            return None
        held = iter(match.groups())
        start = re.sub(r"\*\*|\*", lambda _: next(held), new.rstrip("."))
        return f"{start}.{match['rest'].lstrip('.')}".strip(".")

    return change


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


def pair_names(theirs: Mapping[str, tuple[str, tuple[int, ...]]], ours: Shapes, guess: bool = False) -> tuple[dict[str, str], str]:
    """Name in the source → name in the model (its own where the model lacks it), and what prefix was put on or taken off, in words.

    `theirs` gives for each name in the source the name to look for and the shape. The variant under which most tensors fit is taken;
    of equals, the one that changes least. With `guess` prefixes are tried that only some names have.
    """
    known = _forms(ours)
    best, fitting, said = _look_up(theirs, known, "", ""), -1, ""
    for cut, put, words in _variants(theirs, ours, guess):
        found = _look_up(theirs, known, cut, put)
        count = sum(ours.get(name) == theirs[source][1] for source, name in found.items())
        if count > fitting:
            best, fitting, said = found, count, words
    return best, said


def _variants(theirs: Mapping[str, tuple[str, tuple[int, ...]]], ours: Shapes, guess: bool) -> list[tuple[str, str, str]]:
    variants = [("", "", "")]
    firsts = _first_parts((name for name, _ in theirs.values()), guess)
    for cut in dict.fromkeys([*firsts, *USUAL]):
        variants.append((cut, "", f"'{cut}' was taken off the names in the source"))
    for put in dict.fromkeys([*_first_parts(ours, guess), *USUAL]):
        variants.append(("", put, f"'{put}' was put before the names in the source"))
    return variants


def _first_parts(names: Iterable[str], guess: bool) -> list[str]:
    """First parts of names with a dot behind them, the most frequent first; a few of them with `guess`, else the one that all have."""
    counts = Counter(unwrap_name(name).partition(".")[0] + "." for name in names)
    return [part for part, _ in counts.most_common(FIRSTS)] if guess or len(counts) == 1 else []


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
