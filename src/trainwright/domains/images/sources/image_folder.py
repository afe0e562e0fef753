"""Pictures in a folder for each class, with a table beside them, or all in one folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from trainwright.config.errors import DataError, did_you_mean
from trainwright.data.source import TrainingNote
from trainwright.domains.images.sources.arranging import Arranged, arrange
from trainwright.domains.images.sources.duplicates import tell_copies
from trainwright.domains.images.sources.folder_table import UNTOLD, FolderTable, given_split
from trainwright.domains.images.sources.metadata import find_metadata, read_metadata
from trainwright.domains.images.sources.options import ImageFolderOptions
from trainwright.domains.images.sources.walking import Found, Pictures, find_pictures

BY_PHOTOGRAPH = (
    "the split is by photograph: where one person or thing is in several, what is measured says nothing of others. A split by person needs "
    "a column that names them: a table with paths and data.split=grouped data.split.by=COLUMN, or data.source.pattern and data.source.group"
)


class ImageFolder(FolderTable):
    """A row for each picture: `file` and `image`, its path below the folder, and `label`, the folder of the first level.

    Rows are in the order train, validation, test, then of the classes, then of the paths; or of a table of metadata, whose columns are
    beside `file` and `image` in place of `label`.
    """

    def __init__(self, options: ImageFolderOptions, memory_limit: int) -> None:
        root, found = look_at(options.path)
        beside = find_metadata(found, options.metadata)
        if beside:
            made = read_metadata(found, beside, memory_limit)
            super().__init__(
                made.columns, root, options.path, paths=made.paths, tables=made.tables, targets=made.targets, declared=made.declared,
                split=made.split,
            )  # fmt: skip
            self.notes = made.notes
            self._measure(options)
            return
        given = Path(options.path).expanduser().is_file()
        arranged = Arranged(found.pictures[0].paths) if given else arrange(found, options)
        named = read_names(arranged.files, options)
        columns = {"file": arranged.files, "image": arranged.files, **named}
        columns |= {} if arranged.labels is None else {"label": arranged.labels}
        columns |= {} if arranged.splits is None else {"split": arranged.splits}
        group = find_group(options, named)
        classes = None if arranged.labels is None else pc.unique(arranged.labels).to_pylist()
        trainable = classes is not None and len(classes) > 1
        super().__init__(
            columns,
            root,
            options.path,
            targets=["label"] if trainable else [],
            declared={
                "image": {"type": "image"},
                **{name: UNTOLD for name in columns if name not in ("image", "label", *named)},
                **({group: UNTOLD} if group else {}),
                **({"label": {"type": "category"}} if classes and all(each.isdigit() for each in classes) else {}),
            },
            split=_split(arranged, group),
        )
        self.notes, self.refusal = arranged.notes, arranged.refusal
        del found, columns
        pa.default_memory_pool().release_unused()  # what listing took is of no use to training
        if trainable and not given:
            notes, refusal = tell_copies(root, arranged.files, arranged.labels, arranged.splits, options.duplicates == "allow")
            self.notes += notes
            self.refusal = self.refusal or refusal
            self.notes += [] if group or arranged.splits is not None else [TrainingNote(BY_PHOTOGRAPH)]
        self._measure(options)

    def _measure(self, options: ImageFolderOptions) -> None:
        """Add the numbers that are asked for of each picture."""
        if options.measures:
            from trainwright.domains.images.classical.measured import add_measures

            column = self.listed_columns[0]
            references = [str(self.root / each) for each in self.table[column].to_pylist()]
            add_measures(self, column, references, options.measures)


def look_at(given: str) -> tuple[Path, Found]:
    """The folder, and what lies below it; of one picture that alone. Raises DataError."""
    path = Path(given).expanduser().absolute()
    if path.is_file():
        return path.parent, Found(path.parent, [Pictures("", pa.array([path.name], pa.string()))])
    if not path.is_dir():
        raise DataError(f"there is no file or folder '{given}'", where="data.source", fix="name a folder of pictures")
    return path, find_pictures(path)


def read_names(files: pa.Array, options: ImageFolderOptions) -> dict[str, pa.Array]:
    """What the groups of a pattern find in the names of files, less their ending. Raises DataError for names that it does not fit."""
    if options.pattern is None:
        return {}
    stems = pc.replace_substring_regex(files, r"^(.*/)?(.+?)(\.[^./]*)?$", r"\2")
    try:
        found = pc.extract_regex(stems, f"^(?:{options.pattern})$")
    except pa.ArrowInvalid as error:
        raise DataError(
            "the pattern cannot be used", where="data.source.pattern", why=str(error), fix="look-arounds are not known"
        ) from error
    if found.null_count:
        wrong = files.filter(pc.is_null(found))
        why = f"of {len(files):,} names {len(wrong):,} do not fit, the first is '{wrong[0].as_py()}'"
        fix = "it has to fit the whole name, less its ending"
        raise DataError("the pattern does not fit all names of files", where="data.source.pattern", why=why, fix=fix)
    return {field.name: pc.struct_field(found, field.name) for field in found.type}


def find_group(options: ImageFolderOptions, named: dict[str, pa.Array]) -> str:
    """The column whose pictures stay together; empty where none is asked for. Raises DataError for one that there is not."""
    if options.group is not None and options.group not in named:
        fix = did_you_mean(options.group, named) or r"data.source.pattern='(?P<person>[^_]+)_\d+' makes one of names such as anna_3.jpg"
        raise DataError(f"no column '{options.group}' in what the names of files say", where="data.source.group", fix=fix)
    return options.group or ""


def _split(arranged: Arranged, group: str) -> dict[str, Any]:
    if arranged.splits is not None:
        return given_split(arranged.splits)
    return {"type": "grouped", "column": group} if group else {}
