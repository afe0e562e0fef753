"""The log of a run: plain messages on the console, and a rotating file that says when, where and how serious."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, TextIO

from trainwright.config.received import visible
from trainwright.files.text import refusal

FORMAT = "%(asctime)s - %(filename)s[%(lineno)d] - %(levelname)s: %(message)s"
FILE_BYTES = 50_000_000
FILES = 30
ROOT = "trainwright"


def console_logging(level: int = logging.INFO, *, rank: int = 0, stream: TextIO | None = None) -> logging.Handler:
    """Show messages of this package on `stream` (stderr); ranks above 0 speak only of errors. A second call replaces the first."""
    handler = _Console(stream)
    handler.setLevel(level if rank == 0 else max(level, logging.ERROR))
    handler.setFormatter(_Plain(f"[rank {rank}] " if rank else ""))
    handler.addFilter(lambda record: not getattr(record, "only_in_files", False))  # what the terminal shows in a form of its own
    logger = logging.getLogger(ROOT)
    for old in [each for each in logger.handlers if isinstance(each, _Console)]:
        logger.removeHandler(old)
    logger.addHandler(handler)
    _open_to(logger, level)
    return handler


def file_logging(path: Path, level: int = logging.DEBUG) -> logging.Handler:
    """Append messages to `path`, kept in 30 files of 50 MB. Raises RunError when it cannot be written."""
    try:
        handler = _File(path, maxBytes=FILE_BYTES, backupCount=FILES - 1, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise refusal(error, path) from error
    handler.setLevel(level)
    handler.setFormatter(logging.Formatter(FORMAT))
    logger = logging.getLogger(ROOT)
    logger.addHandler(handler)
    _open_to(logger, level)
    return handler


def stop_logging(handler: logging.Handler) -> None:
    """Detach and close a handler that one of the functions above returned."""
    logging.getLogger(ROOT).removeHandler(handler)
    with suppress(OSError):  # what a full disk refuses must not hide what happened
        handler.close()


@contextmanager
def log_to_file(path: Path, level: int = logging.DEBUG) -> Iterator[logging.Handler]:
    """`file_logging` for the length of a `with` block."""
    handler = file_logging(path, level)
    try:
        yield handler
    finally:
        stop_logging(handler)


@contextmanager
def warnings_as(policy: str) -> Iterator[None]:
    """Python's warnings through this package's log: `once` a place, `all`, only in the file (`log`), or raised (`error`)."""
    level = logging.DEBUG if policy == "log" else logging.WARNING
    with warnings.catch_warnings():
        if policy != "once":
            warnings.simplefilter("error" if policy == "error" else "always")

        def show(message: Warning | str, category: type[Warning], filename: str, lineno: int, file: Any = None, line: Any = None) -> None:
            logging.getLogger(ROOT).log(level, "%s: %s (%s:%d)", category.__name__, message, Path(filename).name, lineno)

        warnings.showwarning = show
        yield


class _Console(logging.StreamHandler[TextIO]):
    """Writes to the stderr of the moment, so that a replaced or captured one is respected."""

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__(stream)
        self._follows = stream is None

    def emit(self, record: logging.LogRecord) -> None:
        if self._follows:
            self.stream = sys.stderr
        super().emit(record)


class _File(RotatingFileHandler):
    """Loses lines that a full disk refuses, without a traceback for each."""

    def handleError(self, record: logging.LogRecord) -> None:
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


class _Plain(logging.Formatter):
    """The message alone, with the level only where it is a warning or worse."""

    def __init__(self, prefix: str) -> None:
        super().__init__("%(message)s")
        self.prefix = prefix

    def format(self, record: logging.LogRecord) -> str:
        level = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        return self.prefix + level + visible(super().format(record))


def _open_to(logger: logging.Logger, level: int) -> None:
    if logger.level == logging.NOTSET or logger.level > level:
        logger.setLevel(level)
