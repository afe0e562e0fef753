"""Recordings written as files: WFDB records with their annotations, and sounds."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from trainwright.config.errors import DataError, RequestError
from trainwright.domains.signals.reading.annotations import SKIP, SYMBOLS, TEXT
from trainwright.domains.signals.reading.libraries import need

NAME = re.compile(r"[-\w]+")
RULE = "letters, digits, _ and - make the name of a WFDB record"
LIMITS = {"16": (1 << 15) - 1, "212": (1 << 11) - 1}
"""Format → the largest number of it; the lowest stands for an invalid sample."""
Format = Literal["16", "212"]
Array = np.ndarray[Any, Any]


def ensure_record_name(name: str) -> None:
    """Raise RequestError for a name that WFDB does not take."""
    if not NAME.fullmatch(name):
        raise RequestError(
            f"'{name}' is no name of a record", why=RULE, fix=f"call it '{re.sub(r'[^-a-zA-Z0-9_]', '_', name) or 'record'}'"
        )


def write_record(
    folder: str | os.PathLike[str],
    name: str,
    values: Array,
    rate: float,
    channels: Sequence[str],
    *,
    units: str | Sequence[str] = "mV",
    format: Format = "16",
    gain: float | Sequence[float] | None = None,
    comments: Sequence[str] = (),
) -> Path:
    """Write `(channels, time)` in physical units as `FOLDER/NAME.hea` and `.dat`; the path of the header.

    `gain`, steps per unit, is by default the largest round one that the values fit in. What is not finite is written as invalid. Raises
    RequestError for a name, a rate or channels that cannot be, DataError for values beyond what a gain that is given leaves.
    """
    ensure_record_name(name)
    if values.ndim != 2 or len(values) != len(channels):
        raise RequestError(f"values of shape {values.shape} and {len(channels)} names of channels do not fit", fix="give (channels, time)")
    if not rate > 0 or not np.isfinite(rate):
        raise RequestError(f"{rate:g} is no sampling frequency", fix="give samples a second, above 0")
    unit_of = [units] * len(channels) if isinstance(units, str) else list(units)
    gains = [gain] * len(channels) if gain is None or isinstance(gain, int | float) else list(gain)
    pairs = [_digits(each, format, wanted, channel) for each, wanted, channel in zip(values, gains, channels, strict=True)]
    digits = np.stack([each for each, _ in pairs])
    lines = [f"{name} {len(channels)} {rate:.12g} {digits.shape[1]}"]
    for row, (channel, unit) in enumerate(zip(channels, unit_of, strict=True)):
        first, total = int(digits[row, 0]) if digits.shape[1] else 0, _checksum(digits[row])
        lines.append(
            f"{name}.dat {format} {pairs[row][1]:.9g}(0)/{unit or 'NU'} {12 if format == '212' else 16} 0 {first} {total} 0 {channel}"
        )
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{name}.dat").write_bytes(_packed(digits.T.reshape(-1), format))
    (place / f"{name}.hea").write_text("\n".join([*lines, *(f"# {each}" for each in comments)]) + "\n", encoding="utf-8")
    return place / f"{name}.hea"


def _digits(values: Array, format: Format, gain: float | None, channel: str) -> tuple[Array, float]:
    """One channel as whole numbers, and steps per unit."""
    limit, valid = LIMITS[format], np.isfinite(values)
    largest = float(np.abs(values[valid]).max()) if valid.any() else 0.0
    used = _round_gain(limit / largest) if gain is None and largest else 1.0 if gain is None else float(gain)
    if largest * used > limit + 0.5:
        why = f"it reaches {largest:g}, and at {used:g} steps per unit format {format} ends at {limit / used:g}"
        raise DataError(f"channel '{channel}' does not fit", why=why, fix=f"gain={_round_gain(limit / largest):g}, or none")
    found = np.where(valid, np.round(np.where(valid, values, 0) * used), -limit - 1)
    return found.astype(np.int32), used


def _round_gain(largest: float) -> float:
    """The largest of 1, 2, 5 times a power of ten that is not above `largest`."""
    power = 10.0 ** np.floor(np.log10(largest))
    return float(power * max(each for each in (1, 2, 5) if each * power <= largest * (1 + 1e-12)))


def _checksum(digits: Array) -> int:
    return (int(digits.sum(dtype=np.int64)) + 32768) % 65536 - 32768


def _packed(samples: Array, format: Format) -> bytes:
    if format == "16":
        return samples.astype("<i2").tobytes()
    pairs = np.append(samples, [0] * (len(samples) % 2)).astype(np.int32).reshape(-1, 2) & 0xFFF
    three = np.stack([pairs[:, 0] & 0xFF, pairs[:, 0] >> 8 | pairs[:, 1] >> 8 << 4, pairs[:, 1] & 0xFF], axis=1)
    content = three.astype(np.uint8).tobytes()
    return content[:-1] if len(samples) % 2 else content


def write_annotations(
    folder: str | os.PathLike[str],
    name: str,
    samples: Sequence[int] | Array,
    symbols: Sequence[str],
    *,
    texts: Sequence[str] | None = None,
    extension: str = "atr",
) -> Path:
    """Write marks of a record, sorted by sample, as `FOLDER/NAME.atr`; the path. Raises RequestError for a symbol that WFDB has not."""
    ensure_record_name(name)
    codes = {symbol: code for code, symbol in SYMBOLS.items()}
    unknown = sorted({each for each in symbols if each not in codes})
    if unknown:
        raise RequestError(f"no annotation has the symbol '{unknown[0]}'", fix=f"known are: {' '.join(codes)}")
    content, before = bytearray(), 0
    for number, (sample, symbol) in enumerate(zip(samples, symbols, strict=True)):
        content += _mark(int(sample) - before, codes[symbol], texts[number] if texts else "")
        before = int(sample)
    path = Path(folder) / f"{name}.{extension}"
    path.write_bytes(bytes(content) + b"\0\0")
    return path


def _mark(later: int, code: int, text: str) -> bytes:
    """An annotation `later` samples after the one before, and its text."""
    found = bytearray()
    if not 0 <= later < 1024:
        found += (SKIP << 10).to_bytes(2, "little")
        long = later & 0xFFFFFFFF
        found += (long >> 16).to_bytes(2, "little") + (long & 0xFFFF).to_bytes(2, "little")
        later = 0
    found += (code << 10 | later).to_bytes(2, "little")
    if text:
        encoded = text.encode()[:1023]
        found += (TEXT << 10 | len(encoded)).to_bytes(2, "little") + encoded + bytes(len(encoded) % 2)
    return bytes(found)


def write_sound(path: str | os.PathLike[str], values: Array, rate: int, *, subtype: str | None = None) -> Path:
    """Write `(channels, time)` or `(time,)` between −1 and 1 as wav, flac (of 16 bits), ogg or mp3, by the ending of the path.

    Raises DataError for values that are not finite, or that numbers of so many bits would cut.
    """
    soundfile = need("soundfile", "sound files")
    if not np.isfinite(values).all():
        count = int(np.size(values) - np.isfinite(values).sum())
        raise DataError(
            f"{count:,} values are not finite",
            where=str(path),
            why="they would be written as −1",
            fix="fill them in: trainwright.domains.signals.reading.repair.fill_invalid(values)",
        )
    largest = float(np.abs(values).max()) if np.size(values) else 0.0
    if largest > 1 and subtype not in ("FLOAT", "DOUBLE"):
        raise DataError(
            f"values reach {largest:g}",
            where=str(path),
            why="a sound lies between −1 and 1, and would be cut",
            fix="scale it, or subtype='FLOAT'",
        )
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(os.fspath(path), np.asarray(values, np.float32).T, int(rate), subtype=subtype)
    return Path(path)
