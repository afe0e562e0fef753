"""Which words of a column are kept, in which order; index 0 and 1 are reserved by the column types that use it."""

from __future__ import annotations

from trainwright.features.words import sorted_classes

DISTINCT = 1 << 20
"""Above this many distinct words, those seen once so far are forgotten."""


def prune(seen: dict[str, int]) -> None:
    """Keeps memory bounded on columns where almost every value is new: forgets words seen once when there are too many."""
    if len(seen) > DISTINCT:
        for word in [word for word, count in seen.items() if count == 1]:
            del seen[word]


def frequent(seen: dict[str, int], min_count: int, limit: int) -> list[str]:
    """The words seen at least `min_count` times, the most frequent `limit` of them (ties by order), in order."""
    enough = [word for word in sorted_classes(list(seen)) if seen[word] >= min_count]
    return sorted_classes(sorted(enough, key=lambda word: -seen[word])[:limit])
