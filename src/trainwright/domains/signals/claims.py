"""Which files and folders are recordings."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

from trainwright.config.domain import Claim
from trainwright.domains.signals.sources.signal_folder import RECORDINGS
from trainwright.domains.signals.sources.sound_folder import FILMS, SOUNDS, walk

LOOKED_AT = 5000
"""Files of a folder that are looked at: what it is, is seen long before the last."""
LAYOUTS = {
    "ptbxl_database.csv": ("ptbxl", "PTB-XL"),
    "meta/esc50.csv": ("esc50", "ESC-50"),
    "metadata/UrbanSound8K.csv": ("urbansound8k", "UrbanSound8K"),
    "testing_list.txt": ("speech_commands", "Speech Commands"),
}
"""A file that a published set has → its source, and its name."""


def claims(path: Path) -> Claim | None:
    """A published set as it lies, a folder of WFDB records, sounds or films; one of them."""
    if not path.is_dir():
        return claim_file(path)
    for file, (source, name) in LAYOUTS.items():
        if (path / file).is_file() and (source != "speech_commands" or (path / "validation_list.txt").is_file()):
            return Claim(76, f"{name}: '{file}' is there", source)
    counts = Counter(each.suffix.lower() for each in islice(walk(path), LOOKED_AT))
    records, sounds, films = counts[".hea"], sum(counts[each] for each in SOUNDS), sum(counts[each] for each in FILMS)
    if records and records >= sounds:
        beside = f"; {sounds:,} sounds in it are not read" if sounds else ""
        return Claim(75, f"a folder of WFDB records, {_counted(records)} headers{beside}", "wfdb")
    if sounds >= max(films, 1):
        return Claim(
            70,
            f"a folder of sounds, {_counted(sounds)}"
            + (f"; {films:,} films in it are not read" if films else "")
            + (f"; {records:,} WFDB records in it are not read" if records else ""),
            "sound_folder",
        )
    if films:
        return Claim(70, f"a folder of films, {_counted(films)}", "av_folder")
    recordings = sum(counts[each] for each in RECORDINGS)
    return Claim(60, f"a folder of recordings, {_counted(recordings)}", "signal_folder") if recordings else None


def claim_file(path: Path) -> Claim | None:
    """A sound, film or EDF file, a WFDB record by its header, by its signals, or by its name without an ending."""
    ending = path.suffix.lower()
    if not path.is_file():
        there = path.with_name(f"{path.name}.hea").is_file()
        return Claim(75, "a WFDB record, named without an ending", "wfdb") if there else None
    if ending == ".hea" or (ending in (".dat", ".mat") and path.with_suffix(".hea").is_file()):
        return Claim(75, "a WFDB record", "wfdb")
    if ending in SOUNDS:
        return Claim(70, "a sound", "sound_folder")
    if ending in FILMS:
        return Claim(70, "a film", "av_folder")
    return Claim(70, "a recording", "signal_folder") if ending in RECORDINGS else None


def _counted(count: int) -> str:
    return f"{count:,}" if count < LOOKED_AT else f"{count:,} or more"
