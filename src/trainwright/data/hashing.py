"""A 64-bit number for each row that depends on its content alone: not on the file's format, the order of columns, or how it is read."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainwright.data.source import Source

Hashes = np.ndarray
"""uint64, one per row."""

MISSING = np.uint64(0x9E3779B97F4A7C15)
STEP = np.uint64(0xD6E8FEB86659FD93)
EXACT = 1 << 53
"""Whole numbers up to here are the same as numbers with a fraction of zero."""


def mix(values: Hashes) -> Hashes:
    """splitmix64's finaliser (Steele et al. 2014): every input bit changes every output bit with probability one half."""
    with np.errstate(over="ignore"):
        values = values ^ (values >> np.uint64(30))
        values *= np.uint64(0xBF58476D1CE4E5B9)
        values ^= values >> np.uint64(27)
        values *= np.uint64(0x94D049BB133111EB)
        values ^= values >> np.uint64(31)
    return values


BYTES = mix(np.arange(1, 257, dtype=np.uint64) * MISSING)


def unmix(values: Hashes) -> Hashes:
    """What `mix` was given: it is one-to-one."""
    with np.errstate(over="ignore"):
        values = _unshift(values, 31) * np.uint64(pow(0x94D049BB133111EB, -1, 1 << 64))
        values = _unshift(values, 27) * np.uint64(pow(0xBF58476D1CE4E5B9, -1, 1 << 64))
    return _unshift(values, 30)


def _unshift(values: Hashes, bits: int) -> Hashes:
    """The x of `x ^ (x >> bits)`, for bits of at least 22."""
    return values ^ (values >> np.uint64(bits)) ^ (values >> np.uint64(2 * bits))


def row_hashes(source: Source, columns: list[str] | None = None) -> Hashes:
    """uint64, shape `rows`: equal for rows with equal values in `columns` (all when None); one pass in bounded memory."""
    return mix(_sums(source, columns))


def without_columns(hashes: Hashes, source: Source, columns: list[str]) -> Hashes:
    """The hashes over all columns but some, from those over all; only these columns are read."""
    return mix(unmix(hashes) - _sums(source, columns))


def _sums(source: Source, columns: list[str] | None) -> Hashes:
    """The sum of the columns' hashes for each row: a sum, so that the order of columns does not matter and one can be taken away."""
    found: list[Hashes] = []
    with ThreadPoolExecutor() as workers:
        for piece in source.batches(columns):
            total = np.zeros(piece.num_rows, np.uint64)
            for part in workers.map(_column_hashes, piece.column_names, piece.columns):
                total += part
            found.append(total)
    return np.concatenate(found) if found else np.zeros(0, np.uint64)


def _column_hashes(name: str, column: pa.ChunkedArray) -> Hashes:
    seed = _text_hashes(pa.array([name]))[0]
    values = [value_hashes(chunk) for chunk in column.chunks]
    hashes = values[0] if len(values) == 1 else np.concatenate([np.zeros(0, np.uint64), *values])
    with np.errstate(over="ignore"):
        return mix(hashes + seed)


def value_hashes(values: pa.Array) -> Hashes:
    """uint64 for each value; 1, 1.0 and true are the same, and so are all missing values."""
    kind = values.type
    types = pa.types
    if types.is_null(kind):
        return np.full(len(values), MISSING)
    if types.is_string(kind):
        coded = values.dictionary_encode()
        table = np.append(_text_hashes(coded.dictionary), MISSING)
        return table[pc.fill_null(coded.indices, len(coded.dictionary)).to_numpy(zero_copy_only=False)]
    if types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind):
        hashes = _number_hashes(pc.fill_null(values, False if types.is_boolean(kind) else 0).to_numpy(zero_copy_only=False))
    elif types.is_date(kind) or types.is_timestamp(kind):
        times = values.cast(pa.timestamp("us")).cast(pa.int64())
        hashes = mix(pc.fill_null(times, 0).to_numpy(zero_copy_only=False).view(np.uint64) + STEP)
    elif types.is_list(kind):
        hashes = _list_hashes(values)
    else:
        hashes = _text_hashes(pa.array([str(value) for value in values.to_pylist()], pa.string()))
    if values.null_count:
        hashes[values.is_null().to_numpy(zero_copy_only=False)] = MISSING
    return hashes


def _number_hashes(values: np.ndarray) -> Hashes:
    numbers = values.astype(np.float64) + 0.0  # minus zero becomes zero
    bits = numbers.view(np.uint64)
    if values.dtype.kind in "iu" and len(values) and (int(values.max()) > EXACT or int(values.min()) < -EXACT):
        bits = np.where(
            np.abs(numbers) < EXACT, bits, values.astype(np.int64).view(np.uint64) if values.dtype.kind == "i" else values.astype(np.uint64)
        )
    return mix(bits)


def _powers(count: int) -> Hashes:
    factors = np.full(max(count, 1), STEP | np.uint64(1))
    factors[0] = 1
    return np.multiply.accumulate(factors)


def _text_hashes(texts: pa.Array) -> Hashes:
    """A polynomial over the bytes of each string, modulo 2^64; `texts` has no nulls."""
    _, offsets, content = texts.buffers()
    ends = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)
    if content is None or not len(texts):
        return mix(np.zeros(len(texts), np.uint64))
    return _fold_runs(BYTES[np.frombuffer(content, np.uint8)[ends[0] : ends[-1]]], ends - ends[0])


def _list_hashes(values: pa.Array) -> Hashes:
    lengths = pc.fill_null(pc.list_value_length(values), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    return _fold_runs(value_hashes(values.flatten()), np.concatenate([[0], np.cumsum(lengths)]))


def _fold_runs(parts: Hashes, ends: np.ndarray) -> Hashes:
    """One hash for each run `parts[ends[i]:ends[i + 1]]`, depending on the order within it."""
    lengths = np.diff(ends)
    result = lengths.astype(np.uint64) * MISSING
    filled = np.flatnonzero(lengths)
    if len(filled):
        places = np.arange(len(parts)) - np.repeat(ends[:-1], lengths)
        with np.errstate(over="ignore"):
            result[filled] += np.add.reduceat(parts * _powers(int(lengths.max()))[places], ends[:-1][filled])
    return mix(result)
