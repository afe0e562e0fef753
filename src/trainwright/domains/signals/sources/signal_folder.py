"""Recordings of the body or of sensors, a file each, in a folder for each class, or with names that say what they are."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow as pa

from trainwright.config.errors import DataError
from trainwright.data.source import TableSource, TrainingNote
from trainwright.domains.signals.sources.given_part import split_given
from trainwright.domains.signals.sources.options import SignalFolderOptions
from trainwright.domains.signals.sources.sound_folder import UNTOLD, find_sounds, group_of, read_names, said_of_groups, walk

RECORDINGS = (".edf", ".bdf")
"""How names end that are nothing but recordings."""
ARRAYS = (".mat", ".h5", ".hdf5", ".npy", ".npz", ".csv", ".tsv", ".txt")
"""How names end that may be recordings."""


class SignalFolder(TableSource):
    """A row for each file: `file`, `signal`, and what folders or names say: `label`, or the groups of a pattern."""

    def __init__(self, options: SignalFolderOptions, memory_limit: int) -> None:
        given, part = split_given(options.path)
        root, files, notes = find_sounds(given, tuple(options.endings or find_endings(given)), "recording")
        said, targets = read_names(root, files, options)
        columns = {"file": [f"{each.relative_to(root)}{part}" for each in files], "signal": [f"{each}{part}" for each in files], **said}
        group = group_of(said, options.group)
        declared = {name: UNTOLD for name in columns if name not in ("signal", *targets)}
        classes: dict[str, dict[str, object]] = {
            name: {"type": "category"} for name in targets if all(each.isdigit() for each in said[name])
        }
        super().__init__(
            pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()}),
            options.path,
            default_targets=targets,
            files=files,
            columns={**declared, "signal": {"type": "signal"}, **classes},
            split={"type": "grouped", "column": group} if group else {},
            named_by=["file"],
        )
        self.notes = [*notes, *map(TrainingNote, said_of_groups(said, group))]


def find_endings(given: str) -> tuple[str, ...]:
    """How the names of the recordings in a folder end: as EDF, or as most of the files that may be some. Raises DataError."""
    path = Path(given).expanduser()
    if not path.is_dir():
        return (path.suffix.lower(),)
    counts = Counter(each.suffix.lower() for each in walk(path))
    if found := tuple(each for each in RECORDINGS if counts[each]):
        return found
    most = max(ARRAYS, key=lambda each: counts[each])
    if not counts[most]:
        fix = f"names of recordings end in {', '.join((*RECORDINGS, *ARRAYS))}; data.source.endings says others"
        raise DataError(f"no recording in '{given}'", where="data.source", fix=fix)
    return (most,)
