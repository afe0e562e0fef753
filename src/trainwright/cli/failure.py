"""What went wrong, said on stderr: where, what, why, fix."""

from __future__ import annotations

import errno
import sys
import traceback
from pathlib import Path

from trainwright.cli.style import bold, dim, red
from trainwright.config.errors import Interrupted, ManyErrors, RequestError, TrainwrightError
from trainwright.config.own_code import own_place
from trainwright.config.received import name_refusal, visible
from trainwright.parallel.failures import Told

HERE = str(Path(__file__).parents[1])
LONGEST = 2_000
"""Characters of one line of an error."""


def explain(error: TrainwrightError) -> None:
    """Print an error to stderr; of several mistakes each, and their number."""
    errors = error.errors if isinstance(error, ManyErrors) else [error]
    label = "interrupted" if isinstance(error, Interrupted) else "error"
    print("\n".join(describe_error(each, label) for each in errors), file=sys.stderr)
    if len(errors) > 1:
        print(dim(f"{len(errors)} mistakes", sys.stderr), file=sys.stderr)


def describe_error(error: TrainwrightError, label: str = "error") -> str:
    """One error in one to four lines, each shortened where it repeats a very long value."""
    place = bold(f"{_shorten(error.where)}: ", sys.stderr) if error.where else ""
    lines = [f"{red(label, sys.stderr)}: {place}{_shorten(error.what)}"]
    lines += [f"  {dim(name, sys.stderr)}: {_shorten(text)}" for name, text in (("why", error.why), ("fix", error.fix)) if text]
    return "\n".join([*lines, *(f"  {note}" for note in getattr(error, "__notes__", ()))])


def describe_told(told: Told, label: str = "error") -> str:
    """An error of another process, in the same form."""
    return describe_error(told.as_error(), label)


def told_failure(error: TrainwrightError | SystemExit | OSError) -> TrainwrightError | None:
    """An error as it is told, in our words: code that left the program, a missing right, a name too long; None for others of the system."""
    if isinstance(error, SystemExit):
        return told_exit(error)
    if isinstance(error, TrainwrightError):
        return error
    if isinstance(error, PermissionError) and error.filename:
        return name_refusal(error, Path(str(error.filename)))
    if error.errno != errno.ENAMETOOLONG:
        return None
    name = str(error.filename or "")
    fix = "shorten the path, or check what it was put together from"
    return RequestError("a name is too long for a file", where=f"{name[:40]}…", why=f"it has {len(name):,} characters", fix=fix)


def told_exit(error: SystemExit) -> TrainwrightError:
    """What to say when code that the configuration names asked the whole program to leave: whatever it asked for, that is a failure."""
    own = [each for each in traceback.extract_tb(error.__traceback__) if not each.filename.startswith((HERE, "<"))]
    where = f"{own[-1].filename}:{own[-1].lineno}" if own else ""
    asked = "" if error.code is None else repr(error.code)
    fix = "raise an error, or return; the traceback: --traceback"
    return TrainwrightError(f"code that is not Trainwright's ended the program: sys.exit({asked})", where=where, fix=fix)


def _shorten(text: str) -> str:
    return visible(text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} … {text[-LONGEST // 4 :]}")


def explain_unexpected(error: BaseException) -> TrainwrightError:
    """What to say of a failure that nobody foresaw, or that a person's own code raised."""
    frames = [each for each in traceback.extract_tb(error.__traceback__) if not each.filename.startswith("<")]
    where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    own = own_place(error)
    why = (
        f"your code raised it, at {own}" if own else f"not foreseen{where}: a fault in Trainwright, or in code that the configuration names"
    )
    fix = "--traceback shows the way there" if own else "add --traceback to see where it arose; please report it if the code is ours"
    told = TrainwrightError(f"{type(error).__name__}: {error}", why=why, fix=fix).with_traceback(error.__traceback__)
    for note in getattr(error, "__notes__", ()):
        told.add_note(note)
    return told
