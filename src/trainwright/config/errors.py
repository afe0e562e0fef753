"""Every error a user can meet: what happened, where, why, and the nearest fix."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Self

EXIT_FAILED = 1
EXIT_REQUEST = 2
EXIT_INTERRUPTED = 75

FOREIGN = (Exception, SystemExit)
"""What code of others may raise that is told as a mistake in it; `sys.exit(0)` there would else pass for a success."""


class TrainwrightError(Exception):
    """A failure with its place, its reason and its fix; `exit_code` is what the command line returns."""

    exit_code = EXIT_FAILED

    def __init__(self, what: str, *, where: str = "", why: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what, self.where, self.why, self.fix = what, where, why, fix

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        lines = [place + self.what]
        if self.why:
            lines.append(f"  why: {self.why}")
        if self.fix:
            lines.append(f"  fix: {self.fix}")
        return "\n".join(lines)

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows in place of a traceback: where, what, why and fix, as the command line does."""
        return f"error: {self}".splitlines()


class RequestError(TrainwrightError):
    """The request was wrong (config, data or arguments); nothing was written. Exit code 2."""

    exit_code = EXIT_REQUEST


class ConfigError(RequestError):
    """The configuration is wrong."""


class DataError(RequestError):
    """The data cannot be used as asked."""

    wrong_rows: Mapping[int, str] = {}
    """Numbers of the rows that cannot be used, from 0, with what is wrong with each, where it is of these rows alone."""

    def of_rows(self, fault: str, rows: Iterable[int], values: Iterable[object] | None = None) -> Self:
        """The error as one of these rows alone, which have a fault, and the values with it where they are given."""
        numbers = list(map(int, rows))
        shown = [fault] * len(numbers) if values is None else [f"{fault}: {value!r}" for value in values]
        self.wrong_rows = dict(zip(numbers, shown, strict=True))
        return self


class RunError(RequestError):
    """A directory is not a run, is from a newer format, or holds nothing that can be used."""


class ManyErrors(RequestError):
    """Several mistakes found in one pass, each an error of its own, in `errors`."""

    def __init__(self, errors: list[RequestError]) -> None:
        super().__init__("\n".join(str(error) for error in errors))
        self.errors = errors

    def __reduce__(self) -> tuple[type[ManyErrors], tuple[list[RequestError]]]:
        return ManyErrors, (self.errors,)  # as pickle takes it from process to process


class Interrupted(TrainwrightError):
    """A signal asked the run to stop; it was saved and can be continued. Exit code 75."""

    exit_code = EXIT_INTERRUPTED


def nearest(name: str, names: Iterable[str], alike: float = 0.55) -> str:
    """The closest of `names` to `name` (case ignored, `-` equal to `_`), or an empty string where none is so much `alike`, 0 to 1."""
    folded = {each.lower().replace("-", "_"): each for each in names}
    found = difflib.get_close_matches(name.lower().replace("-", "_"), folded, n=1, cutoff=alike)
    return folded[found[0]] if found else ""


def did_you_mean(name: str, names: Iterable[str], limit: int = 12) -> str:
    """A fix line: the nearest name, and the allowed ones (at most `limit`; of more than that, only the nearest where there is one)."""
    names = list(names)
    close = nearest(name, names)
    if close and len(names) > limit:
        return f"did you mean '{close}'?"
    shown = ", ".join(names[:limit]) + (f", … ({len(names)} in all)" if len(names) > limit else "")
    return (f"did you mean '{close}'? " if close else "") + (f"available: {shown}" if names else "")
