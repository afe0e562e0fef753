"""Random numbers that are a pure function of a row's key and a place in the row, whatever the batch, process or device.

A counter-based generator (Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3"): every word is a hash of key
and place. Both are spread over 64 bits, brought together by exclusive or, and mixed by two rounds of `mixLea64` (Steele and Vigna 2021).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from trainwright.config.errors import RequestError
from trainwright.data.counters import GAMMA, fold
from trainwright.domains.diffusion.coefficients import widest

HALF_BITS = 0xFFFF_FFFF
WORDS_AT_ONCE = 1 << 15
"""Words of a piece on a CPU: what is made of them stays in its cache, which takes half the time of all at once."""


def as_signed(word: int) -> int:
    """An unsigned word of 64 bits as the int64 of the same bits."""
    return word - (1 << 64) if word >> 63 else word


STEP = as_signed(GAMMA)
STAFFORD = as_signed(0xBF58_476D_1CE4_E5B9), as_signed(0x94D0_49BB_1331_11EB)
LEA = as_signed(0xDABA_0B6E_B093_22E3)
MULTIPLIER, HALF = np.uint64(0xDABA_0B6E_B093_22E3), np.uint64(32)


def shift_words(words: Tensor, bits: int) -> Tensor:
    """`words` of 64 bits shifted right with zeros from the left, where int64 would bring copies of the sign."""
    return (words >> bits) & ((1 << (64 - bits)) - 1)


def mix_words(words: Tensor) -> Tensor:
    """SplitMix64's finalizer of every int64, as `data.counters.mix`."""
    words = (words ^ shift_words(words, 30)) * STAFFORD[0]
    words = (words ^ shift_words(words, 27)) * STAFFORD[1]
    return words ^ shift_words(words, 31)


def row_keys(seed: int, purpose: str, *counters: int, rows: Tensor | range) -> Tensor:
    """The keys (b,) int64 of rows numbered `rows`, an int64 tensor on any device or a range: `fold(seed, purpose, *counters, row)` each.

    For training a row is its place in the whole step, over ranks and micro-batches; for sampling the number of the sample.
    """
    numbers = torch.arange(rows.start, rows.stop, rows.step) if isinstance(rows, range) else rows
    return mix_words((numbers + 1) * STEP + as_signed(fold(seed, purpose, *counters)))


def keys_of_places(key: int, first: int, count: int, device: torch.device) -> Tensor:
    """The keys (count,) int64 of the places `first` to `first + count` of what has the key `key`: distinct, in one operation."""
    return mixed_places(first, count, device) ^ as_signed(key)


@lru_cache(maxsize=64)
def mixed_places(first: int, count: int, device: torch.device) -> Tensor:
    """Mixed numbers of places (count,) int64, kept since every step begins from them."""
    with torch.inference_mode(False):
        return mix_words(torch.arange(first + 1, first + count + 1, device=device) * STEP)


def normal_by_key(
    keys: Tensor, shape: Sequence[int], *, device: torch.device | str | None = None, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Standard normal numbers (b, *shape), row k a function of the int64 `keys[k]` and `shape` alone, on the device of `keys` unless given.

    By Box and Muller 1958 from 32 bits each: at most 6.7 from 0. Types give the same numbers to rounding, devices too.
    """
    check_keys(keys)
    size = math.prod(shape)
    numbers = normal_rows(keys if device is None else keys.to(device), size, computed_in(dtype))
    return numbers[:, :size].reshape(len(keys), *shape).to(dtype)


def normal_rows(keys: Tensor, size: int, dtype: torch.dtype) -> Tensor:
    """Normal numbers (b, n) of rows of `size`, n the next even number."""
    numbers = torch.empty(len(keys), (size + 1) // 2 * 2, device=keys.device, dtype=dtype)
    for part, words in word_pieces(keys, numbers.shape[1] // 2):
        box_muller(words.view(torch.int32).to(dtype), numbers[part])
    return numbers


def tabled_normal_rows(keys: Tensor, size: int, dtype: torch.dtype) -> Tensor:
    """Normal numbers (b, n) of rows of `size`, n the next multiple of 4, each out of a table by 16 bits: for sums of many of them.

    They take a third of the time of others, reach 4.4 at most, and have the distribution function of normal numbers to 1 / 131,072.
    """
    numbers, table = torch.empty(len(keys), (size + 3) // 4 * 4, device=keys.device, dtype=dtype), normal_table(dtype, keys.device)
    for part, words in word_pieces(keys, numbers.shape[1] // 4):
        if keys.device.type == "cpu":
            table.numpy().take(words.numpy().view(np.uint16), out=numbers[part].numpy(), mode="wrap")  # no check, which takes a copy
        else:
            places = words.view(torch.int16).int().bitwise_and_(0xFFFF)
            numbers[part] = table.index_select(0, places.view(-1)).view(places.shape)
    return numbers


@lru_cache(maxsize=8)
def normal_table(dtype: torch.dtype, device: torch.device) -> Tensor:
    """Middles of 65,536 equal shares of the standard normal distribution, scaled to a variance of 1."""
    with torch.inference_mode(False):
        middles = torch.special.ndtri((torch.arange(1 << 16, dtype=torch.float64) + 0.5) / (1 << 16))
        return (middles / middles.square().mean().sqrt()).to(dtype).to(device)


def uniform_by_key(
    keys: Tensor, shape: Sequence[int] = (), *, device: torch.device | str | None = None, dtype: torch.dtype = torch.float64
) -> Tensor:
    """Uniform numbers (b, *shape) in (0, 1), never 0 and never 1, row k a function of the int64 `keys[k]` alone; float64 has 52 bits.

    A longer row begins with the numbers of a shorter one.
    """
    check_keys(keys)
    size, made = math.prod(shape), computed_in(dtype)
    numbers = torch.empty(len(keys), size, device=device or keys.device, dtype=made)
    for part, words in word_pieces(keys.to(numbers.device), size):
        numbers[part] = uniform_of(words, made)
    return numbers.reshape(len(keys), *shape).to(dtype)


def normal_and_uniform_by_key(
    keys: Tensor, shape: Sequence[int], count: int, *, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor]:
    """`normal_by_key` (b, *shape), and `count` uniform numbers of each row (b, count) float64 in (0, 1) from the places after it."""
    size, made, wide = math.prod(shape), computed_in(dtype), widest(keys.device)
    half, shares = (size + 1) // 2, []
    numbers = torch.empty(len(keys), 2 * half, device=keys.device, dtype=made)
    for part, words in word_pieces(keys, half + count):
        box_muller(words[:, :half].view(torch.int32).to(made), numbers[part])
        shares.append(uniform_of(words[:, half:], wide))
    numbers = numbers if size == 2 * half else numbers[:, :size]
    uniform = shares[0] if len(shares) == 1 else torch.cat(shares) if shares else numbers.new_empty(0, count, dtype=wide)
    return numbers.reshape(len(keys), *shape).to(dtype), uniform


def uniform_of(words: Tensor, dtype: torch.dtype) -> Tensor:
    """Numbers in (0, 1) from words, which are overwritten: the middles of 2**52 equal parts, 2**23 in float32."""
    bits = 52 if dtype == torch.float64 else 23  # with the half that is added they fill the mantissa
    whole = words.bitwise_right_shift_(64 - bits).bitwise_and_((1 << bits) - 1).to(dtype)
    return whole.add_(0.5).mul_(2.0**-bits)


def check_keys(keys: Tensor) -> None:
    """Raises RequestError for anything but a row of int64."""
    if not isinstance(keys, Tensor) or keys.dtype != torch.int64 or keys.ndim != 1:
        told = f"{keys.dtype} of {tuple(keys.shape)}" if isinstance(keys, Tensor) else type(keys).__name__
        raise RequestError(f"keys are {told}", where="keys", fix="int64 (b,): row_keys(seed, purpose, rows=range(b))")


def computed_in(dtype: torch.dtype) -> torch.dtype:
    """The type numbers are made in before they are cast: float64 for itself, float32 for all others."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def box_muller(halves: Tensor, out: Tensor) -> None:
    """Write normal numbers into `out` (b, 2m) from as many whole numbers of 32 bits, overwritten: m radii and m angles a row."""
    half = halves.shape[1] // 2
    a_half, unit, turn, minus_two = constants(halves.dtype)
    radius, angle = halves[:, :half], halves[:, half:].mul_(turn)
    radius.add_(a_half).abs_().mul_(unit).log_().mul_(minus_two).sqrt_()
    torch.mul(angle.cos(), radius, out=out[:, :half])
    torch.mul(angle.sin_(), radius, out=out[:, half:])


@lru_cache(maxsize=4)
def constants(dtype: torch.dtype) -> tuple[Tensor, ...]:
    """½, 2⁻³¹, π·2⁻³¹ and −2: tensors, since to make one of a number of Python takes as long as to multiply a small row by it."""
    with torch.inference_mode(False):
        return tuple(torch.tensor(each, dtype=dtype) for each in (0.5, 2.0**-31, math.pi * 2.0**-31, -2.0))


def word_pieces(keys: Tensor, count: int) -> Iterator[tuple[slice, Tensor]]:
    """The first `count` words of each key's row, int64, with the slice of rows they are of: all at once, on a CPU in pieces."""
    if not len(keys) or not count:
        return
    if keys.device.type != "cpu":
        yield slice(0, len(keys)), words_on_device(keys, count)
        return
    rows = max(WORDS_AT_ONCE // count, 1)
    for start in range(0, len(keys), rows):
        part = slice(start, start + rows)
        yield part, torch.from_numpy(words_on_cpu(keys[part].numpy(), count))


def words_on_device(keys: Tensor, count: int) -> Tensor:
    """The first `count` words of each key's row (b, count) int64."""
    heads = (keys * STEP)[:, None]
    fold_halves(heads)
    words = places_of(count, keys.device) ^ heads
    for _ in range(2):
        fold_halves(words.mul_(LEA))
    return words


def fold_halves(words: Tensor) -> None:
    """Fold the upper half of every word into its lower half, in place."""
    words.bitwise_xor_((words >> 32).bitwise_and_(HALF_BITS))


@lru_cache(maxsize=8)
def places_of(count: int, device: torch.device) -> Tensor:
    """The mixed numbers of the places 1 to `count` of a row (count,) int64, kept since every row and call begins from them."""
    with torch.inference_mode(False):
        return mix_words(torch.arange(1, count + 1, device=device) * STEP)


def words_on_cpu(keys: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """The same numbers as `words_on_device` in half the time: numpy has unsigned words, and less to do for every call."""
    heads = keys.view(np.uint64)[:, None] * np.uint64(GAMMA)
    words = array_of_places(count) ^ (heads ^ heads >> HALF)
    spare = np.empty_like(words)
    for _ in range(2):
        np.multiply(words, MULTIPLIER, out=words)
        np.bitwise_xor(words, np.right_shift(words, HALF, out=spare), out=words)
    return words.view(np.int64)


@lru_cache(maxsize=8)
def array_of_places(count: int) -> npt.NDArray[np.uint64]:
    """`places_of` as unsigned words."""
    return places_of(count, torch.device("cpu")).numpy().view(np.uint64)
