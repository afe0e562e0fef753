"""A failure that nobody foresaw: told in a few lines, or left to those who tell it."""

from __future__ import annotations

import sys
from types import TracebackType

from trainwright.cli.failure import explain_unexpected
from trainwright.cli.ranks import is_rank, tell_among_ranks
from trainwright.cli.style import dim, red
from trainwright.config.errors import TrainwrightError
from trainwright.parallel.recording import record_failure


def report_unexpected(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """`sys.excepthook`: a failure nobody foresaw, in a few lines, with where to read the rest."""
    told = explain_unexpected(error.with_traceback(trace))
    if is_rank():
        tell_among_ranks(told)
        return
    print(f"{red('error', sys.stderr)}: {told.what}", file=sys.stderr)
    print(f"  {dim('why', sys.stderr)}: {told.why}", file=sys.stderr)
    for note in getattr(error, "__notes__", ()):
        print(f"  {note}", file=sys.stderr)
    print(f"  {dim('fix', sys.stderr)}: {told.fix}", file=sys.stderr)


def record_unexpected(error: BaseException) -> None:
    """Write down for the launcher what ends this rank with a traceback."""
    record_failure(error if isinstance(error, TrainwrightError) else explain_unexpected(error))
