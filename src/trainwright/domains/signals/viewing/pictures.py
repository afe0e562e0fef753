"""The picture of one example: the recording as its column reads it, R peaks, and shading where the answer rests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from trainwright.domains.facts import Rests, RunFacts
from trainwright.domains.signals.reading import Unreadable, probe
from trainwright.domains.signals.reading.reference import split_reference
from trainwright.domains.signals.viewing.drawing import is_heart_lead, scaled_heat, spectrogram, traces_of, write_playable

Array = np.ndarray[Any, Any]

SECONDS = 10.0
"""Of a recording that are shown, round where the answer rests most."""
SHADES = 200
"""Steps of shading over the time that is shown."""
SMOOTH = 0.05
"""Seconds over which sizes are summed: gradients jump from sample to sample."""
LOUDEST = 0.99
"""The quantile of sizes that is full colour: a single sample would leave all others pale."""
HEART = 4
"""Hz that an ECG has at least twelve times of, so that its R peaks can be told."""


def draw_example(facts: RunFacts, column: str, place: int, target: str, output: str, sound: str) -> dict[str, Any] | None:
    """The fields of a block of traces; None for a row without a recording that can be read."""
    feature = facts.features[column]
    row = int(facts.rows[place])
    written = facts.read(facts.rows[place : place + 1], [column])[column].to_pylist()[0]
    if written is None:
        return None
    path = feature.path(row, str(written))
    try:
        shape, units = feature.reader.read_shape(path), units_of(path, feature.channels)
    except Unreadable:
        return None
    rests = facts.rests(place, target, output, column) if facts.rests is not None else None
    steps = float(feature.extras().get("rate") or feature.rate)
    shade = Shade.of(rests, steps, feature.rate, shape)
    first, count = window_of(shape[1], feature.rate, shade)
    try:
        shown, _ = feature.reader.read_piece(path, first, count)  # of a recording of a day nothing else is read
    except Unreadable:
        return None
    found = _picture(shown, feature, units, first, count)
    found |= {"title": f"row {row + 1}, {Path(split_reference(path).path).name}", "note": say_rests(rests, shade)}
    if shade is not None:
        _put_shade(found, shade, first / feature.rate, count / feature.rate)
    elif rests is not None:
        found |= given_picture(rests, steps, feature)
    if feature.kind == "audio":
        found["sound"] = write_playable(shown, feature.rate, facts.folder, sound)
    return found


def units_of(path: str, channels: list[str]) -> list[str]:
    """The unit of each channel, as the file has it."""
    facts = probe(path)
    known = {name.lower(): unit for name, unit in zip(facts.channels, facts.units, strict=False)}
    return [known.get(each.lower(), "") for each in channels]


def _picture(shown: Array, feature: Any, units: list[str], first: int, count: int) -> dict[str, Any]:
    names = feature.channels if len(feature.channels) == len(shown) else [f"channel {place + 1}" for place in range(len(shown))]
    traces, paper = traces_of(shown, names, units)
    found: dict[str, Any] = {"start": first / feature.rate, "seconds": count / feature.rate, "traces": traces, "paper": paper}
    if feature.kind == "audio":
        found["heats"] = [spectrogram(np.nan_to_num(shown).mean(axis=0), feature.rate)]
    else:
        found["marks"] = [{"at": first / feature.rate + each, "style": "peak"} for each in peaks_of(shown, names, feature.rate)]
    return found


def peaks_of(values: Array, names: list[str], rate: float) -> list[float]:
    """Seconds of the R peaks of those leads that are an ECG's; none where there are no such leads."""
    hearts = [place for place, name in enumerate(names) if is_heart_lead(name)]
    if not hearts or rate < 12 * HEART:
        return []
    from trainwright.domains.signals.physiology.rpeaks import rpeaks

    return [each / rate for each in rpeaks(values[hearts], rate).tolist()]


class Shade:
    """Where an answer rests along the time of a recording: sizes `(channels or 1, steps)` and how many steps there are a second."""

    def __init__(self, sizes: Array, steps: float, first: float) -> None:
        self.sizes, self.steps, self.first = sizes, steps, first

    @classmethod
    def of(cls, rests: Rests | None, steps: float, rate: float, shape: tuple[int, ...]) -> Shade | None:
        """The shade of a recording of this shape; None where the network was given another length of it, or nothing is known."""
        if rests is None or not np.isfinite(rests.sizes).all():
            return None
        sizes = rests.sizes if rests.sizes.ndim <= 2 else rests.sizes.sum(axis=tuple(range(1, rests.sizes.ndim - 1)))
        sizes = np.atleast_2d(sizes)
        whole, given = shape[1] / rate, sizes.shape[1] / steps
        if rests.first == 0 and abs(whole - given) > max(0.02 * whole, 2 / steps):
            return None
        if len(sizes) != shape[0]:
            sizes = sizes.sum(axis=0, keepdims=True)
        return cls(sizes, steps, rests.first / rate)

    def over(self, start: float, seconds: float) -> list[list[float]]:
        """Shades of 0 to 1 over these seconds, for each channel, or for all together."""
        times = start + (np.arange(SHADES) + 0.5) * seconds / SHADES
        places = ((times - self.first) * self.steps).astype(int)
        wide = max(round(max(SMOOTH, seconds / SHADES) * self.steps), 1)
        kernel = np.ones(wide) / wide
        smooth = np.stack([np.convolve(each, kernel, "same")[: self.sizes.shape[1]] for each in self.sizes])
        inside = (places >= 0) & (places < smooth.shape[1])
        found = np.where(inside, smooth[:, places.clip(0, smooth.shape[1] - 1)], 0.0)
        found = np.maximum(found - np.median(found), 0)  # what lies everywhere says nothing of where
        full = float(np.quantile(found, LOUDEST)) or float(found.max()) or 1.0
        return [[round(each, 2) for each in line] for line in (found / full).clip(0, 1).tolist()]

    def middle(self) -> float:
        """The second round which it rests most."""
        wide = max(int(2 * self.steps), 1)
        summed = np.convolve(self.sizes.sum(axis=0), np.ones(wide), "same")
        return self.first + int(np.argmax(summed[: self.sizes.shape[1]])) / self.steps


def window_of(length: int, rate: float, shade: Shade | None) -> tuple[int, int]:
    """First sample and count of what is shown: all of a short recording, of a long one what the answer rests on, else its beginning."""
    count = round(SECONDS * rate)
    if length <= 1.2 * count:
        return 0, length
    first = round((shade.middle() - SECONDS / 2) * rate) if shade is not None else 0
    return min(max(first, 0), length - count), count


def _put_shade(found: dict[str, Any], shade: Shade, start: float, seconds: float) -> None:
    lines = shade.over(start, seconds)
    if len(lines) == len(found["traces"]) > 1:
        found["traces"] = [{**trace, "shade": line} for trace, line in zip(found["traces"], lines, strict=True)]
    else:
        found["shade"] = lines[0]


def given_picture(rests: Rests, steps: float, feature: Any) -> dict[str, Any]:
    """What the network was given, where it is another stretch or length than the recording, with its own shading."""
    if rests.given.ndim == 3:
        return {"heats": [scaled_heat(rests.given[0], "what the model is given")]}
    whole = Shade(np.atleast_2d(rests.sizes), steps, 0.0)
    given = np.atleast_2d(rests.given * feature.spread + feature.center)
    names = feature.channels if len(feature.channels) == len(given) else [f"channel {place + 1}" for place in range(len(given))]
    found: dict[str, Any] = {"traces": traces_of(given, names, [""] * len(given))[0], "paper": False, "marks": []}
    found |= {"start": 0.0, "seconds": given.shape[1] / steps}
    _put_shade(found, whole, 0.0, given.shape[1] / steps)
    return found


def say_rests(rests: Rests | None, shade: Shade | None) -> str:
    """What the shading is."""
    if rests is None:
        return ""
    named = f"the answer for '{rests.output}'" if rests.output else "the answer"
    drawn = "" if shade is not None else "; drawn is what the model is given, which is another stretch than the file has"
    return f"Shaded is where {named} rests, by integrated gradients{drawn}."
