"""Published sets of sounds as they lie: ESC-50, UrbanSound8K, Speech Commands, and text lists."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from trainwright.config.errors import DataError, did_you_mean
from trainwright.data.source import TableSource, TrainingNote
from trainwright.domains.signals.sources.options import (
    ESC50Options,
    SoundListOptions,
    SpeechCommandsOptions,
    UrbanSound8KOptions,
)
from trainwright.domains.signals.sources.sound_folder import SOUNDS, UNTOLD, find_sounds
from trainwright.domains.signals.sources.tables import existing, read_rows
from trainwright.domains.signals.sources.usual import declare_sounds

LISTS = {"validation": "validation_list.txt", "test": "testing_list.txt"}
MOST_PER_CLASS = 2**27 - 1
"""What Speech Commands divides hashes by, less one (`MAX_NUM_WAVS_PER_CLASS`)."""


class ESC50(TableSource):
    """A row for each clip: `file`, `audio`, `category`, `fold`, `source`, `esc10`; clips of one source share a fold."""

    def __init__(self, options: ESC50Options, memory_limit: int) -> None:
        root = Path(options.path).expanduser().absolute()
        rows = read_rows(root / "meta" / "esc50.csv", ("filename", "fold", "category"))
        rows = [row for row in rows if not options.esc10 or row.get("esc10", "").lower() == "true"]
        files = existing([root / "audio" / row["filename"] for row in rows], "data.source")
        columns: dict[str, list[Any]] = {
            "file": [row["filename"] for row in rows],
            "audio": [str(each) for each in files],
            "category": [row["category"] for row in rows],
            "fold": [int(row["fold"]) for row in rows],
            "source": [row.get("src_file") or row["filename"].split("-")[1] for row in rows],
        }
        super().__init__(pa.table(columns), options.path, **_declared(columns, "category", options.test_fold), files=files)
        wrong = [row["filename"] for row in rows if row["filename"].split("-")[0] != row["fold"]]
        self.notes = [TrainingNote(f"{len(wrong)} names give another fold than esc50.csv, the first is {wrong[0]}")] if wrong else []
        self.notes += divided(columns, "source", "fold")


class UrbanSound8K(TableSource):
    """A row for each excerpt: `file`, `audio`, `class`, `fold`, `source` (fsID), `salience`; excerpts of one recording share a fold."""

    def __init__(self, options: UrbanSound8KOptions, memory_limit: int) -> None:
        root = Path(options.path).expanduser().absolute()
        rows = read_rows(root / "metadata" / "UrbanSound8K.csv", ("slice_file_name", "fsID", "fold", "class"))
        files = existing([root / "audio" / f"fold{row['fold']}" / row["slice_file_name"] for row in rows], "data.source")
        columns: dict[str, list[Any]] = {
            "file": [row["slice_file_name"] for row in rows],
            "audio": [str(each) for each in files],
            "class": [row["class"] for row in rows],
            "fold": [int(row["fold"]) for row in rows],
            "source": [row["fsID"] for row in rows],
        }
        super().__init__(pa.table(columns), options.path, **_declared(columns, "class", options.test_fold), files=files)
        self.notes = divided(columns, "source", "fold")


class SpeechCommands(TableSource):
    """A row for each word: `file`, `audio`, `word`, `speaker`, `split`; a speaker is in one split."""

    def __init__(self, options: SpeechCommandsOptions, memory_limit: int) -> None:
        root, files, notes = find_sounds(options.path, (".wav",), "sound")
        names = [each.relative_to(root).as_posix() for each in files]
        words = [name.split("/")[0] for name in names]
        check_words(options.words, words)
        part = by_hash(names) if options.split == "hash" else by_lists(root, names)
        columns: dict[str, list[Any]] = {
            "file": names,
            "audio": [str(each) for each in files],
            "word": [each if options.words is None or each in options.words else "_unknown_" for each in words],
            "speaker": [each.stem.split("_nohash_")[0] for each in files],
            "split": part,
        }
        untold = dict.fromkeys(("file", "speaker", "split"), UNTOLD)
        super().__init__(
            pa.table(columns),
            options.path,
            default_targets=["word"],
            files=files,
            columns={**untold, "audio": declare_sounds(columns["audio"])},
            split={"type": "column", "column": "split"},
            named_by=["file"],
        )
        self.notes = [*notes, *divided(columns, "speaker", "split")]


class SoundList(TableSource):
    """A row for each line of the lists: `file`, `audio`, `label`, `split`."""

    def __init__(self, options: SoundListOptions, memory_limit: int) -> None:
        lists = {"train": options.path, "validation": options.validation, "test": options.test}
        rows = [(part, *line) for part, path in lists.items() if path for line in read_list(Path(path).expanduser(), options.root)]
        columns: dict[str, list[Any]] = {
            "file": [name for _, name, _, _ in rows],
            "audio": [str(path) for _, _, path, _ in rows],
            "label": [label for _, _, _, label in rows],
            "split": [part for part, _, _, _ in rows],
        }
        existing([path for _, _, path, _ in rows], "data.source")
        twice = [name for name, count in Counter(columns["file"]).items() if count > 1]
        if twice:
            what = f"{len(twice):,} sounds are listed twice, the first is '{twice[0]}'"
            raise DataError(what, where="data.source", why="a sound in two splits measures nothing", fix="list each once")
        divided_by_lists = options.validation is not None or options.test is not None
        files = [Path(each).expanduser() for each in lists.values() if each]
        super().__init__(
            pa.table(columns),
            options.path,
            default_targets=["label"],
            files=files,
            columns={"file": UNTOLD, "split": UNTOLD, "audio": declare_sounds(columns["audio"])},
            split={"type": "column", "column": "split"} if divided_by_lists else {},
            named_by=["file"],
        )


def _declared(columns: Mapping[str, Sequence[Any]], target: str, test_fold: int) -> dict[str, Any]:
    """Target, options of columns and split of a set with given folds."""
    untold = {name: UNTOLD for name in columns if name not in ("audio", target)}
    split = {"type": "kfold", "column": "fold", "fold": test_fold, "validation_fold": "next"}
    sounds = declare_sounds(columns["audio"])
    return {"default_targets": [target], "columns": {**untold, "audio": sounds}, "split": split, "named_by": ["file"]}


def divided(columns: Mapping[str, Sequence[object]], group: str, part: str) -> list[str]:
    """A note where something that belongs together is in several parts."""
    seen = dict[object, set[object]]()
    for each, where in zip(columns[group], columns[part], strict=True):
        seen.setdefault(each, set()).add(where)
    broken = [each for each, places in seen.items() if len(places) > 1]
    return [TrainingNote(f"{len(broken):,} of '{group}' are in several of '{part}', the first is {broken[0]}")] if broken else []


def check_words(wanted: Sequence[str] | None, words: Sequence[str]) -> None:
    """Raises DataError for a word that no folder is named after."""
    known = sorted(set(words))
    for each in wanted or []:
        if each not in known:
            raise DataError(f"no folder is called '{each}'", where="data.source.words", fix=did_you_mean(each, known))


def by_lists(root: Path, names: Sequence[str]) -> list[str]:
    """The split of each sound (`WORD/file.wav`) by the lists of the set. Raises DataError for a list that is not there."""
    listed = dict[str, str]()
    for part, name in LISTS.items():
        path = root / name
        if not path.is_file():
            raise DataError(f"'{name}' is not there", where="data.source", fix="data.source.split=hash divides by the hash of the speaker")
        listed |= {line.strip(): part for line in path.read_text(encoding="utf-8").splitlines() if line.strip()}
    return [listed.get(name, "train") for name in names]


def by_hash(names: Sequence[str]) -> list[str]:
    """The split of each sound by the rule of Speech Commands (`which_set`): a tenth each for validation and test, whole speakers."""
    return [which_set(name) for name in names]


def which_set(name: str) -> str:
    """`train`, `validation` or `test` from SHA-1 of the name before `_nohash_`, modulo 2^27 (Warden 2018)."""
    said = Path(name).name.split("_nohash_")[0].removesuffix(".wav")
    number = int(hashlib.sha1(said.encode(), usedforsecurity=False).hexdigest(), 16)
    percent = (number % (MOST_PER_CLASS + 1)) * (100.0 / MOST_PER_CLASS)
    return "validation" if percent < 10 else "test" if percent < 20 else "train"


def read_list(path: Path, root: str | None) -> list[tuple[str, Path, str]]:
    """(name, path, label) of each line: `label/file.wav`, or `file.wav label`. Raises DataError."""
    if not path.is_file():
        raise DataError(f"there is no list '{path}'", where="data.source", fix="give a text file with label/file.wav in each line")
    folder = Path(root).expanduser().absolute() if root else path.absolute().parent
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
        if not (text := line.strip()):
            continue
        name, _, label = text.rpartition("\t") if "\t" in text else text.rpartition(" ")
        if not name or label.lower().endswith(SOUNDS):  # no label after the name, which may have blanks in it
            name, label = text, Path(text).parent.name
        if not label:
            raise DataError(f"line {number} of '{path.name}' has no label: '{text}'", where="data.source", fix="write label/file.wav")
        found.append((name.strip(), folder / name.strip(), label))
    if not found:
        raise DataError(f"'{path.name}' has no line", where="data.source", fix="write label/file.wav in each line")
    return found
