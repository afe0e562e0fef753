"""Training that came to its end while what follows it did not: what was saved, and the command that does the rest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trainwright.config.errors import RequestError, TrainwrightError
from trainwright.runs.directory import RunDirectory


class Unwritten(TrainwrightError):
    """The training is complete, but its results or report could not be made. Exit code 1."""


@contextmanager
def explain_unwritten(run: RunDirectory, what: str, fix: str) -> Iterator[None]:
    """Turn a refusal of the disk or the data within the block into Unwritten: `what` is missing, and `fix` is the call that makes it."""
    try:
        yield
    except (OSError, RequestError) as error:
        raise Unwritten(
            f"the training is complete, but {what} could not be written",
            where=str(run.path),
            why=f"{reason(error)}; {list_kept(run)}",
            fix=f"once that is mended: {fix}",
        ) from error


def reason(error: OSError | RequestError) -> str:
    """The failure in one line."""
    if isinstance(error, OSError):
        return f"{Path(error.filename).name}: {error.strerror}" if error.filename else error.strerror or str(error)
    return (f"{Path(error.where).name}: " if error.where else "") + error.what + (f" ({error.why})" if error.why else "")


def list_kept(run: RunDirectory) -> str:
    """What of the run is on disk: its last checkpoint and its results."""
    checkpoints = sorted(each.name for each in run.checkpoints.glob("step-*"))
    found = [f"the checkpoint {checkpoints[-1]}"] if checkpoints else []
    found += ["the model and the results"] if run.results.is_file() else []
    return "saved: " + " and ".join(found) if found else "nothing was saved, so it is trained again"
