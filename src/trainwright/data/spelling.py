"""Values that differ only in how they are spelt: in blanks, in case, or in their Unicode form."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations

import pyarrow as pa

BLANKS, CASE, UNICODE = "blanks", "case", "unicode"
JOINS = (BLANKS, CASE, UNICODE)

Key = Callable[[str], str]


def key_of(join: Sequence[str]) -> Key:
    """What two spellings have in common that count as one value.

    `blanks`: around and between words, of any kind and none (no-break, zero width); `case`; `unicode`: composed or not, full width,
    ligatures.
    """
    chosen = [step for name, step in STEPS.items() if name in join]

    def key(word: str) -> str:
        for step in chosen:
            word = step(word)
        return word

    return key


def tidy_spelling(word: str, join: Sequence[str]) -> str:
    """A spelling as it is shown: without the blanks and in the Unicode form that do not count, in its own case."""
    return key_of([name for name in join if name != CASE])(word)


def joined_counts(seen: Mapping[str, int], join: Sequence[str]) -> dict[str, int]:
    """How often each value occurs, all its spellings together, by its most frequent spelling (of equally frequent ones the first)."""
    if not join:
        return dict(seen)
    key = key_of(join)
    groups: dict[str, list[str]] = {}
    for word in sorted(seen):
        groups.setdefault(key(word), []).append(word)
    return {tidy_spelling(max(words, key=lambda word: seen[word]), join): sum(seen[word] for word in words) for words in groups.values()}


def groups_alike(words: Iterable[str], join: Sequence[str] = JOINS) -> list[list[str]]:
    """Words of which several have one key, each group in order."""
    key = key_of(join)
    groups: dict[str, list[str]] = {}
    for word in sorted(set(words)):
        groups.setdefault(key(word), []).append(word)
    return [group for group in groups.values() if len(group) > 1]


def choose_joins(words: Sequence[str]) -> list[str]:
    """The fewest of `JOINS` that join all words which any of them joins; empty where none are alike."""
    wanted = groups_alike(words)
    if not wanted:
        return []
    chosen = [list(each) for size in (1, 2, 3) for each in combinations(JOINS, size)]
    return next(join for join in chosen if groups_alike(words, join) == wanted)


def join_column(values: pa.ChunkedArray, join: Sequence[str]) -> pa.ChunkedArray:
    """A column of text with each value as its key; any other column as it is."""
    if not join or not pa.types.is_string(values.type):
        return values
    key = key_of(join)
    coded = values.combine_chunks().dictionary_encode() if values.num_chunks != 1 else values.chunk(0).dictionary_encode()
    coded = coded.chunk(0) if isinstance(coded, pa.ChunkedArray) else coded
    words = pa.array([key(word) for word in coded.dictionary.to_pylist()], pa.string())
    return pa.chunked_array([words.take(coded.indices)], pa.string())


def in_words(words: Sequence[str], limit: int = 3) -> str:
    """The groups for a message: `'no' = 'no ', 'YES' = 'yes'`."""
    groups = groups_alike(words)
    shown = [" = ".join(ascii(word) if _is_odd(word) else repr(word) for word in group[:4]) for group in groups[:limit]]
    return ", ".join(shown) + (f" and {len(groups) - limit} more" if len(groups) > limit else "")


def _is_odd(word: str) -> bool:
    """Whether a word has to be written in escapes for its difference to be seen."""
    return any(unicodedata.category(each) in ("Cf", "Mn", "Zs") and each != " " for each in word)


def _visible(word: str) -> str:
    return "".join(each for each in word if unicodedata.category(each) != "Cf")


def _one_form(word: str) -> str:
    return _visible(unicodedata.normalize("NFKC", word))


def _one_blank(word: str) -> str:
    return " ".join(_visible(word).split())


def _no_case(word: str) -> str:
    return word.casefold()


STEPS: dict[str, Key] = {UNICODE: _one_form, BLANKS: _one_blank, CASE: _no_case}
"""In the order in which they are applied."""
