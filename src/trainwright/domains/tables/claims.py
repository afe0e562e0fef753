"""Which files and folders are tables."""

from __future__ import annotations

from pathlib import Path

from trainwright.config.domain import Claim
from trainwright.data.endings import COMPRESSED, EXTENSIONS
from trainwright.data.folder_names import partitioned_files
from trainwright.data.sources import kind_of


def claims(path: Path) -> Claim | None:
    """A file whose name ends as those of tables do, a folder of `name=value` folders; any other file faintly, as text in columns."""
    if path.is_dir():
        files = partitioned_files(path, "data.source")
        return Claim(60, "a folder of name=value folders", kind_of(files[0])) if files else None
    ends = [each.lower() for each in path.suffixes if each.lower() not in COMPRESSED]
    if ends and ends[-1] in EXTENSIONS:
        return Claim(50, f"its name ends in {ends[-1]}", EXTENSIONS[ends[-1]])
    return Claim(10, "any file may be text in columns", kind_of(path))
