"""Keys for randomness that comes from counters: a pure function of (seed, purpose, epoch, index…), nothing to save or replay."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
import numpy.typing as npt

MASK = 0xFFFF_FFFF_FFFF_FFFF
GAMMA = 0x9E37_79B9_7F4A_7C15


def mix(word: int) -> int:
    """SplitMix64's finalizer, a bijection of 64-bit words (Steele, Lea and Flood 2014, variant 13 of Stafford)."""
    word = ((word ^ (word >> 30)) * 0xBF58_476D_1CE4_E5B9) & MASK
    word = ((word ^ (word >> 27)) * 0x94D0_49BB_1331_11EB) & MASK
    return word ^ (word >> 31)


@lru_cache(maxsize=1024)
def _word_of(purpose: str) -> int:
    return int.from_bytes(hashlib.blake2b(purpose.encode(), digest_size=8).digest(), "little")


def fold(seed: int, purpose: str, *counters: int) -> int:
    """A 64-bit key from a seed, a purpose and counters such as epoch and row; each further counter folds the key before it.

    `fold(s, p, a, b)` equals `folded(fold(s, p, a), b)`, so a loop can keep the part that does not change.
    """
    key = mix((mix((seed + GAMMA) & MASK) ^ _word_of(purpose)) & MASK)
    for counter in counters:
        key = fold_in(key, counter)
    return key


def fold_in(key: int, counter: int) -> int:
    """One more counter folded into a key; distinct counters give distinct keys."""
    return mix((key + GAMMA * (counter + 1)) & MASK)


def fold_each(key: int, counters: npt.NDArray[np.integer]) -> npt.NDArray[np.uint64]:
    """`folded(key, c)` for every c of an integer array (n), as uint64 (n)."""
    with np.errstate(over="ignore"):
        word = np.uint64(key) + np.uint64(GAMMA) * (counters.astype(np.uint64) + np.uint64(1))
        word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
        word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
        return word ^ (word >> np.uint64(31))
