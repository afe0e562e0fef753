"""Columns that a model needs and a source lacks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from trainwright.config.errors import DataError, nearest
from trainwright.data.expressions.selection import Selection
from trainwright.data.source import Source, other_sheets


def refuse_absent(
    source: Source, needed: Iterable[str], known: Collection[str], selection: Selection | None, from_folders: Collection[str]
) -> None:
    """Raises DataError naming the columns that the source lacks, with near names that training did not know, or what is needed."""
    there, needed = dict.fromkeys(source.schema.names), list(needed)  # in their order, and found at once
    if selection:  # what a person can give are the columns under a derived one
        needed = [each for name in needed for each in ([name] if name in there else selection.columns_under([name]))]
    lacking = [name for name in needed if name not in there]
    if lacking:
        unknown = [name for name in there if name not in known]
        close = {name: nearest(name, unknown) for name in lacking}
        guesses = ", ".join(f"'{found}' for '{name}'" for name, found in close.items() if found)
        fix = f"did you mean {guesses}?" if guesses else f"the model needs the columns {first(needed, 20)}"
        folders = [name for name in lacking if name in from_folders]
        why = f"in training {first(folders, 10)} came from the names of folders" if folders else ""
        if folders and not guesses:
            path = "/".join(f"{name}=…" for name in folders)
            fix = f"give files that lie in such folders ({path}/), by the folder or their whole path, or add the column to the rows"
        what = f"missing column{'s' if len(lacking) > 1 else ''} {first(lacking, 10)}"
        raise DataError(what, where=source.name, why=why, fix=fix + other_sheets(source))


def first(names: Sequence[str], limit: int) -> str:
    """The first names in quotes, and how many more there are."""
    return ", ".join(f"'{name}'" for name in names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")
