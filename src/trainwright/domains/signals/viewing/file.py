"""`trainwright view` of a recording: what its file says, what is wrong with it, and a window of it as it is and as it is processed."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from trainwright.config.errors import DataError, RequestError, did_you_mean
from trainwright.domains.signals.reading import Facts, Piece, Reference, Unreadable, probe, read, split_reference
from trainwright.domains.signals.reading.annotations import Annotations, read_annotations
from trainwright.domains.signals.reading.recording import READABLE, knows
from trainwright.domains.signals.reading.repair import find_faulty_leads, invalid_share
from trainwright.domains.signals.reading.sound import is_sound
from trainwright.domains.signals.viewing.drawing import scaled_heat, spectrogram, traces_of, write_playable
from trainwright.domains.signals.viewing.options import RecordingViewOptions
from trainwright.domains.views import View

USUAL, USUAL_OF_SOUND = 10.0, 30.0
"""Seconds that are shown where nothing else is asked for."""
PROCESSED_WHOLE = 20_000_000
"""Values of a recording that is processed whole; of longer ones only the window is."""
LINE = 400
"""Values of a channel that its line of characters is drawn from."""
LISTED = 2000
"""Files of a folder that are looked at for the name that was meant."""
BANDS_SHOWN = 4
"""Channels of a processed recording that are drawn as pictures of bands."""


@dataclass(frozen=True)
class Window:
    """What is shown of a recording."""

    path: str
    facts: Facts
    piece: Piece
    rate: float
    start: float
    """Seconds from the beginning."""
    seconds: float
    marks: Annotations | None
    """Those within, with samples from the beginning of the recording."""

    @property
    def units(self) -> list[str]:
        """The unit of each channel that is shown."""
        known = dict(zip(self.facts.channels, self.facts.units, strict=False))
        return [known.get(each, "") for each in self.piece.channels]


def view_recording(path: str, options: RecordingViewOptions, folder: Path) -> View | None:
    """The facts and pictures of a recording; None for a file that is none. Raises RequestError."""
    facts = look_at(path, options)
    if facts is None:
        return None
    window = read_window(path, facts, options)
    sound = is_sound(split_reference(path).path)
    blocks = [draw_raw(window, options, folder, sound)]
    if options.transform or options.run:
        blocks.append(draw_processed(window, options, folder))
    name = Path(split_reference(path).path).name
    channels = zip(window.piece.channels, window.piece.values, strict=True)
    lines = [(each, [float(v) if np.isfinite(v) else None for v in _line(lead, sound)]) for each, lead in channels]
    return View(name, list_facts(window, options), find_faults(window, options), lines, blocks)


def look_at(path: str, options: RecordingViewOptions) -> Facts | None:
    """What the head of a file says. Raises RequestError for one that is not there or cannot be read; None for another kind of file."""
    place = split_reference(path).path
    if os.path.isdir(place):
        found = recordings_in(Path(place))
        if not found:
            return None
        fix = f"name one of its recordings: {Path(place) / found[0]}"
        raise RequestError(f"'{place}' is a folder", where="command line", fix=fix)
    if os.path.isfile(place) and not knows(place):
        if os.path.isfile(f"{os.path.splitext(place)[0]}.hea"):
            fix = f"trainwright view {os.path.splitext(place)[0]}"
            raise RequestError(f"'{place}' is a part of a record", where="command line", why="its header lies beside it", fix=fix)
        return None
    try:
        facts = probe(path, rate=options.rate, repair=options.repair)
    except DataError as error:
        raise RequestError(error.what, where="command line", fix=error.fix) from error
    except Unreadable as error:
        raise _refusal(path, str(error), options) from error
    if facts.rate is None:
        why = "times are not known without it"
        raise RequestError(f"'{path}' does not say how many samples there are a second", where="command line", why=why, fix="--rate 500")
    return facts


def recordings_in(folder: Path) -> list[str]:
    """The names of the recordings in a folder, records without their ending."""
    if not folder.is_dir():
        return []
    names = sorted(each.name for each in islice(folder.iterdir(), LISTED) if each.suffix != ".dat" and knows(str(each)))
    return list(dict.fromkeys(each.removesuffix(".hea") for each in names))


def _refusal(path: str, why: str, options: RecordingViewOptions) -> RequestError:
    place = Path(split_reference(path).path)
    if not os.path.exists(place) and not os.path.exists(f"{place}.hea"):
        fix = did_you_mean(place.name, recordings_in(place.parent)) or f"what is read: {READABLE}"
        return RequestError(f"there is no recording '{path}'", where="command line", fix=fix)
    fix = "--rate 500 says it" if "rate=" in why else "--repair shows what lies before damage" if _is_mended(path, options) else ""
    return RequestError(f"'{path}' cannot be read", where="command line", why=why, fix=fix)


def _is_mended(path: str, options: RecordingViewOptions) -> bool:
    """Whether repairing would show something of a file that cannot be read."""
    try:
        return not options.repair and probe(path, rate=options.rate, repair=True).length > 0
    except (Unreadable, DataError):
        return False


def read_window(path: str, facts: Facts, options: RecordingViewOptions) -> Window:
    """The samples that are shown. Raises RequestError for a window beyond the end, or leads that are not there."""
    rate = float(facts.rate or 0)
    usual = USUAL_OF_SOUND if is_sound(split_reference(path).path) else USUAL
    first, count = round(options.start * rate), max(round((options.seconds or usual) * rate), 1)
    if first >= facts.length:
        what = f"the window begins at {options.start:g} s, and the recording ends at {facts.length / rate:g} s"
        raise RequestError(what, where="--start", fix=f"--start {max(facts.length / rate - usual, 0):g}")
    leads = _numbered(options.leads, facts)
    try:
        piece = read(path, first, first + count, leads=leads or None, rate=options.rate, repair=options.repair)
    except Unreadable as error:
        if "no channel" in str(error) or "no number" in str(error) or "several channels" in str(error):
            raise RequestError(f"'{path}': {error}", where="--leads", fix="name leads that are there, commas between them") from error
        raise _refusal(path, str(error), options) from error
    marks = _marks(path, facts, piece, options)
    return Window(path, facts, piece, rate, piece.start / rate, piece.values.shape[1] / rate, marks)


def _numbered(names: list[str], facts: Facts) -> list[str | int]:
    """Leads by name, or by number from 0 where no lead has the name."""
    there = {each.lower() for each in facts.channels}
    return [int(each) if each.isdigit() and each not in there else each for each in names]


def _marks(path: str, facts: Facts, piece: Piece, options: RecordingViewOptions) -> Annotations | None:
    """The annotations within the window; None where there are none. Raises RequestError for those that were asked for and are not there."""
    reference = split_reference(path)
    stem = os.path.splitext(reference.path)[0] if reference.path.endswith((".hea", ".dat", ".mat")) else reference.path
    if not facts.format.startswith("WFDB") or not (options.annotations or os.path.isfile(f"{stem}.atr")):
        if options.annotations:
            raise RequestError(f"a file of {facts.format} has no annotations beside it", where="--annotations", fix="leave it out")
        return None
    shift = _first_sample(reference, facts)
    first = piece.start + shift
    try:
        found = read_annotations(stem, options.annotations.lstrip(".") or "atr", first, first + piece.values.shape[1])
    except Unreadable as error:
        if options.annotations:
            raise RequestError(f"'{path}': {error}", where="--annotations", fix="name the ending of a file of annotations: atr") from error
        return None
    return replace(found, samples=found.samples - shift)


def _first_sample(reference: Reference, facts: Facts) -> int:
    """Where the part that a reference names begins in its recording."""
    return reference.start or round((reference.start_seconds or 0.0) * (facts.rate or 0.0))


def draw_raw(window: Window, options: RecordingViewOptions, folder: Path, sound: bool) -> dict[str, Any]:
    """The window as it is in the file."""
    traces, paper = traces_of(window.piece.values, window.piece.channels, window.units)
    block = _block(window, "as it is in the file", traces) | {"paper": paper, "marks": _drawn_marks(window)}
    if options.peaks:
        block["marks"] += [{"at": each, "style": "peak"} for each in find_peaks(window)]
    if sound:
        mixed = np.nan_to_num(window.piece.values).mean(axis=0)
        block["heats"] = [spectrogram(mixed, window.rate)]
        block["sound"] = write_playable(window.piece.values, window.rate, folder, "sound.wav")
    return block


def _block(window: Window, title: str, traces: list[dict[str, Any]]) -> dict[str, Any]:
    where = {"start": window.start, "seconds": window.seconds}
    return {"type": "traces", "section": "Recording", "title": title, "traces": traces, **where, "wide": True}


def _drawn_marks(window: Window) -> list[dict[str, Any]]:
    if window.marks is None:
        return []
    found = zip(window.marks.samples.tolist(), window.marks.symbols, window.marks.texts, strict=True)
    return [
        {"at": sample / window.rate, "name": text.strip("\0 ") or symbol, "style": "plain" if symbol in "N·+" else "strong"}
        for sample, symbol, text in found
    ]


def find_peaks(window: Window) -> list[float]:
    """Seconds of the R peaks within the window."""
    from trainwright.domains.signals.physiology.rpeaks import rpeaks

    return [window.start + each / window.rate for each in rpeaks(window.piece.values, window.rate).tolist()]


def draw_processed(window: Window, options: RecordingViewOptions, folder: Path) -> dict[str, Any]:
    """The same window as a chain of transforms makes it; of a chain that changes its length its beginning."""
    from trainwright.domains.signals.viewing.processed import chain_of, process

    feature = chain_of(options.transform, options.run, options.column)
    whole = window.facts.length * max(len(window.piece.channels), 1) <= PROCESSED_WHOLE
    if feature.rate:  # fitted: a run's column reads what its model is given
        try:
            values, rate, channels = feature.reader.read(window.path), feature.rate, feature.channels
        except Unreadable as error:
            raise RequestError(f"the run's column cannot read '{window.path}'", where="--run", why=str(error)) from error
        whole = True
    else:
        stop = None if whole else window.piece.start + window.piece.values.shape[1]
        piece = read(window.path, 0 if whole else window.piece.start, stop, leads=window.piece.channels, rate=options.rate)
        values, rate, channels = np.nan_to_num(piece.values), window.rate, list(piece.channels)
    made = process(feature, values, rate, channels)
    return draw_made(window, made, made.values.shape[-1] / made.rate, values.shape[-1] / rate, whole)


def draw_made(window: Window, made: Any, seconds: float, before: float, whole: bool) -> dict[str, Any]:
    """What a chain gave, the same window of it where it is as long as before."""
    aligned = abs(seconds - before) <= max(0.02 * before, 2 / made.rate)  # spectra have a frame more, or one less
    start = window.start if whole and aligned else 0.0
    first = round(start * made.rate)
    shown = made.values[..., first : first + max(round(window.seconds * made.rate), 1)]
    note = f"{made.said}; {shown.shape[-1]} of {made.values.shape[-1]} steps, {made.rate:g} a second"
    if not aligned:
        note += f"; it is {seconds:.4g} s long, {before:.4g} s before: its beginning is shown"
    elif not whole:
        note += "; the window alone was processed"
    place = {"start": window.start if aligned else 0.0, "seconds": shown.shape[-1] / made.rate, "note": note}
    if shown.ndim == 3:
        heats = [scaled_heat(each, name) for each, name in zip(shown[:BANDS_SHOWN], made.channels, strict=False)]
        return _block(window, "processed", []) | place | {"heats": heats}
    names = {each.lower(): unit for each, unit in zip(window.facts.channels, window.facts.units, strict=False)}
    names = names if made.keeps_units else {}
    traces, paper = traces_of(shown, made.channels, [names.get(each.lower(), "") for each in made.channels])
    return _block(window, "processed", traces) | place | {"paper": paper}


def list_facts(window: Window, options: RecordingViewOptions) -> list[tuple[str, str]]:
    """What is known of the recording, and which part is shown."""
    facts, seconds = window.facts, window.facts.length / window.rate
    called = "channels" if is_sound(split_reference(window.path).path) else "leads"
    units = sorted(set(facts.units), key=facts.units.index)
    rates = f", of its signals {', '.join(f'{each:g}' for each in sorted(set(facts.rates)))}" if len(set(facts.rates)) > 1 else ""
    found = [
        ("format", facts.format),
        ("rate", f"{facts.rate:g} samples a second{rates}"),
        ("length", f"{_clock(seconds)}, {facts.length:,} samples"),
        (called, f"{len(facts.channels)}: {', '.join(facts.channels[:24])}{' …' if len(facts.channels) > 24 else ''}"),
        ("units", ", ".join(each or "none" for each in units)),
        ("age, sex", ", ".join(each for each in (f"{facts.age:g}" if facts.age is not None else "", facts.sex or "") if each)),
        ("codes", ", ".join(facts.codes[:20])),
        ("shown", f"{_clock(window.start)} to {_clock(window.start + window.seconds)}"),
        ("annotations", _count_marks(window)),
    ]
    if options.peaks:
        peaks = find_peaks(window)
        rate = f", {60 / float(np.median(np.diff(peaks))):.0f} a minute" if len(peaks) > 1 else ""
        found.append(("R peaks", f"{len(peaks)}{rate}"))
    return [(name, said) for name, said in found if said]


def _count_marks(window: Window) -> str:
    if window.marks is None:
        return ""
    counts = Counter(window.marks.symbols)
    return ", ".join(f"{symbol} {count:,}" for symbol, count in counts.most_common(12)) or "none in the window"


def _clock(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.4g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min {rest:02} s" if hours else f"{minutes} min {rest:02} s"


def find_faults(window: Window, options: RecordingViewOptions) -> list[str]:
    """What is wrong with the file, and with leads in the window."""
    said = list(window.facts.warnings)
    values, names = window.piece.values, window.piece.channels
    words = {"invalid": "no valid sample", "flat": "flat", "clipped": "clipped"}
    for each in find_faulty_leads(values):
        share = f", {100 * each.share:.2g} % of its samples at a limit" if each.kind == "clipped" else ""
        said.append(f"{names[each.number]}: {words[each.kind]}{share}")
    gaps = [f"{name} {100 * share:.2g} %" for name, share in zip(names, invalid_share(values), strict=True) if 0 < share < 1]
    said += [f"samples that are no numbers: {', '.join(gaps)}"] if gaps else []
    asked = options.start + (options.seconds or 0)
    if options.seconds and asked > window.facts.length / window.rate + 1 / window.rate:
        said.append(f"the window was to end at {asked:g} s; the recording ends at {window.facts.length / window.rate:g} s")
    return said


def _line(lead: np.ndarray[Any, Any], sound: bool) -> np.ndarray[Any, Any]:
    """The values that a line of characters shows: of each stretch that which is farthest from the middle; of a sound its size."""
    pieces = np.array_split(np.abs(lead) if sound else lead, min(LINE, len(lead)))
    middle = 0.0 if sound or not np.isfinite(lead).any() else np.nanmedian(lead)
    return np.array([each[np.argmax(np.abs(np.nan_to_num(each - middle)))] for each in pieces])
