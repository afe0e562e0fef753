"""Where a trained model lies: in a run, or in a folder that one was exported to."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from trainwright.config.errors import RunError
from trainwright.config.received import name_refusal, refuse_links
from trainwright.runs.directory import RunDirectory

LAST = ("position.json", "model.json")
"""The file of a model that is written last, by kind: where it is missing, the model is not whole."""


@dataclass(frozen=True)
class Place:
    """The folder of a run or of an exported model, and what of it answers rows."""

    path: Path
    config: Path
    model: Path
    """The folder with the model's files."""
    run: RunDirectory | None = None
    """None for an exported model."""

    @property
    def received(self) -> Path:
        """The folder whose files name what is built, which somebody else may have written."""
        return self.path

    @property
    def has_model(self) -> bool:
        """Whether the model is whole."""
        return any((self.model / each).is_file() for each in LAST)


def find_place(path: str | os.PathLike[str] | RunDirectory) -> Place:
    """The run or exported model at `path`, or the latest of a folder of runs; raises RunError when there is none."""
    if isinstance(path, RunDirectory):
        return Place(path.path, path.config, path.model, path)
    folder = Path(path)
    try:
        exported = os.fspath(path) and not (folder / "run.json").exists() and any((folder / each).is_file() for each in LAST)
        if exported:
            refuse_links(folder, ())
    except (OSError, ValueError) as error:
        raise name_refusal(error if isinstance(error, OSError) else OSError(str(error)), folder) from error
    if exported:
        return Place(folder, folder / "config.yaml", folder)
    found = RunDirectory.open(path)
    return Place(found.path, found.config, found.model, found)


def require_config(place: Place) -> Place:
    """The place; raises RunError when there is no configuration in it yet."""
    if not place.config.is_file():
        why = "it was interrupted before its first step" if place.run else "a model that was exported has its configuration beside it"
        fix = "start it anew" if place.run else "restore it from a copy, or export it again"
        raise RunError("this run has no config.yaml", where=str(place.path), why=why, fix=fix)
    return place
