"""Sounds, or other recordings, in a folder for each class, or with names that say what they are."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from trainwright.config.errors import DataError, did_you_mean
from trainwright.data.source import TableSource, TrainingNote
from trainwright.domains.signals.sources.given_part import split_given
from trainwright.domains.signals.sources.options import AVFolderOptions, SoundFolderOptions
from trainwright.domains.signals.sources.usual import declare_sounds

SOUNDS = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".m4a")
FILMS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi")
IN_THREE = re.compile(r"(?P<label>[^_]+)_(?P<speaker>[^_]+)_(?P<take>\d+)")
"""Names of files such as `seven_anna_12`."""
IN_TWO = re.compile(r"(?P<speaker>[^_]+)_(?P<take>\d+)")
"""Names of files such as `anna_12`."""
FEWEST_GROUPS = 5
"""Speakers from which on they are kept whole: of fewer, a split of its own would be one voice."""
UNTOLD: dict[str, object] = {"type": "ignore"}


class SoundFolder(TableSource):
    """A row for each sound: `file`, `audio`, and what folders or names say: `label`, or the groups of a pattern."""

    def __init__(self, options: SoundFolderOptions, memory_limit: int) -> None:
        given, part = split_given(options.path)
        root, files, notes = find_sounds(given, SOUNDS, "sound")
        said, targets = read_names(root, files, options)
        columns = {"file": [f"{each.relative_to(root)}{part}" for each in files], "audio": [f"{each}{part}" for each in files], **said}
        group = group_of(said, options.group)
        untold = {name: UNTOLD for name in columns if name not in ("audio", *targets)}
        classes = {
            name: {"type": "category"} for name in targets if all(each.isdigit() for each in said[name])
        }  # not numbers to come near to
        super().__init__(
            pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()}),
            options.path,
            default_targets=targets,
            files=files,
            columns={**untold, "audio": declare_sounds(columns["audio"]), **classes},
            split={"type": "grouped", "column": group} if group else {},
            named_by=["file"],
        )
        self.notes = [*notes, *map(TrainingNote, said_of_groups(said, group))]


class AVFolder(TableSource):
    """A row for each film: `file`, `audio` (its sound), `av` (the film), and `label`, the folder it lies in."""

    def __init__(self, options: AVFolderOptions, memory_limit: int) -> None:
        given, part = split_given(options.path)
        root, files, notes = find_sounds(given, FILMS, "film")
        said = folder_labels(root, files)
        paths = [f"{each}{part}" for each in files]
        columns = {"file": [f"{each.relative_to(root)}{part}" for each in files], "audio": paths, "av": paths, **said}
        super().__init__(
            pa.table(columns),
            options.path,
            default_targets=list(said),
            files=files,
            columns={"file": UNTOLD, "av": UNTOLD, "audio": declare_sounds(columns["audio"])},
            named_by=["file"],
        )
        self.notes = notes


def find_sounds(given: str, endings: Sequence[str], what: str) -> tuple[Path, list[Path], list[str]]:
    """The folder, the files in it (or one file) whose names end so, and notes on what else lies there. Raises DataError."""
    path = Path(given).expanduser().absolute()
    if path.is_file():
        return path.parent, [path], []
    if not path.is_dir():
        raise DataError(f"there is no file or folder '{given}'", where="data.source", fix=f"name a folder of {what}s")
    found, others = list[Path](), dict[str, int]()
    for each in walk(path):
        if each.suffix.lower() in endings:
            found.append(each)
        elif each.suffix.lower() not in ("", ".txt", ".md", ".csv", ".json", ".pdf", ".yaml"):
            others[each.suffix] = others.get(each.suffix, 0) + 1
    if not found:
        why = f"there are: {', '.join(f'{count:,} {ending}' for ending, count in others.items())}" if others else "it has no files"
        raise DataError(f"no {what} in '{given}'", where="data.source", why=why, fix=f"names of {what}s end in {', '.join(endings)}")
    said = [f"{count:,} files that end in {ending} are not read" for ending, count in sorted(others.items())]
    return path, sorted(found), said


def walk(folder: Path) -> Iterator[Path]:
    """The files in a folder and below; hidden ones, and folders whose names begin with `_` (noise to mix in), are left out."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(each for each in folders if not each.startswith((".", "_")))
        yield from (Path(place, each) for each in files if not each.startswith("."))


def read_names(root: Path, files: Sequence[Path], options: SoundFolderOptions) -> tuple[dict[str, list[str]], list[str]]:
    """The columns that folders or names say, and which is predicted; none of either for sounds that say nothing."""
    pattern = re.compile(options.pattern) if options.pattern else None
    labels = folder_labels(root, files)
    said = {**labels, **match_names(files, pattern)} if pattern else {**labels, **speakers_of(files, labels)} or names_in_three(files)
    if options.target is not None:
        if options.target not in said:
            what = f"no column '{options.target}' in what the names of files say"
            raise DataError(what, where="data.source.target", fix=did_you_mean(options.target, said) or "give data.source.pattern")
        return said, [options.target]
    return said, list(said)[:1]


def speakers_of(files: Sequence[Path], labels: dict[str, list[str]]) -> dict[str, list[str]]:
    """`speaker` and `take` of names such as `anna_12` in the folders of classes, where all are so and speakers are of several classes."""
    found = [match for each in files if (match := IN_TWO.fullmatch(each.stem))]
    if not labels or len(found) < len(files):
        return {}
    classes = dict[str, set[str]]()
    for match, label in zip(found, labels["label"], strict=True):
        classes.setdefault(match["speaker"], set()).add(label)
    if min(map(len, classes.values())) < 2:
        return {}
    return {"speaker": [match["speaker"] for match in found], "take": [match["take"] for match in found]}


def match_names(files: Sequence[Path], pattern: re.Pattern[str]) -> dict[str, list[str]]:
    """What the named groups of a pattern find in the names of files. Raises DataError for one that does not fit all."""
    where = "data.source.pattern"
    if not pattern.groupindex:
        raise DataError("the pattern has no named group", where=where, fix=r"name what is to be a column: (?P<digit>\d)_(?P<speaker>\w+)")
    found = [pattern.fullmatch(each.stem) or pattern.fullmatch(each.name) for each in files]
    wrong = [file.name for file, match in zip(files, found, strict=True) if match is None]
    if wrong:
        why = f"of {len(files):,} names {len(wrong):,} do not fit, the first is '{wrong[0]}'"
        raise DataError(
            "the pattern does not fit all names of files", where=where, why=why, fix="it has to fit the whole name, less its ending"
        )
    return {name: [match[name] for match in found if match is not None] for name in pattern.groupindex}


def folder_labels(root: Path, files: Sequence[Path]) -> dict[str, list[str]]:
    """`label`: the first folder below the root; nothing where all lie in one folder. Raises DataError where only some lie in folders."""
    parts = [each.relative_to(root).parts for each in files]
    direct = [file.name for file, each in zip(files, parts, strict=True) if len(each) == 1]
    if len(direct) == len(files):
        return {}
    if direct:
        why = f"{len(direct):,} of {len(files):,} lie beside the folders, the first is '{direct[0]}'"
        raise DataError(
            "some sounds lie in folders, and some do not", where="data.source", why=why, fix="put each into the folder of its class"
        )
    return {"label": [each[0] for each in parts]}


def names_in_three(files: Sequence[Path]) -> dict[str, list[str]]:
    """`label`, `speaker`, `take` of names such as `seven_anna_12`, where all are so and a label is of several; else nothing."""
    found = [match for each in files if (match := IN_THREE.fullmatch(each.stem))]
    if len(found) < max(len(files), 2):
        return {}
    labels = [match["label"] for match in found]
    if not 2 <= len(set(labels)) <= len(labels) / 2:
        return {}
    first = "digit" if all(each.isdigit() for each in labels) else "label"
    return {first: labels, "speaker": [match["speaker"] for match in found], "take": [match["take"] for match in found]}


def group_of(said: dict[str, list[str]], asked: str | None) -> str:
    """The column whose rows stay together: the one that is asked for, or speakers where there are several. Raises DataError."""
    if asked is not None and asked not in said:
        fix = did_you_mean(asked, said) or "give data.source.pattern"
        raise DataError(f"no column '{asked}' in what the names of files say", where="data.source.group", fix=fix)
    return asked or ("speaker" if len(set(said.get("speaker", []))) >= FEWEST_GROUPS else "")


def said_of_groups(said: dict[str, list[str]], group: str) -> list[str]:
    """Whether a speaker may be in two splits."""
    speakers = len(set(said.get("speaker", [])))
    if group:
        return [f"{len(set(said[group])):,} values of '{group}', whose sounds belong together"]
    if not speakers:
        return []
    return [
        f"{speakers} {'speaker is' if speakers == 1 else 'speakers are'} in all splits: what is measured says nothing of other voices "
        "(data.source.group=speaker keeps each whole)"
    ]
