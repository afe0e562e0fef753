"""Columns side by side on a few threads: numpy and pyarrow release the interpreter lock where the work is."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from trainwright.config.errors import ManyErrors, RequestError

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

WORTH_THREADS = 8_192
"""Batches with fewer rows are done in line: starting threads would take longer."""


class Workers:
    """Runs a task for each of several columns; as many threads as processors, at most 8."""

    def __init__(self) -> None:
        self.pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.pool is not None:
            self.pool.shutdown()

    def each(self, task: Callable[[Any], None], columns: Sequence[Any], rows: int) -> None:
        """Runs `task(column)` for every column; raises the request error of the column that has one, or ManyErrors."""

        def run(column: Any) -> RequestError | None:
            try:
                task(column)
            except RequestError as error:
                return error
            return None

        if rows < WORTH_THREADS or len(columns) == 1:
            raise_all([run(column) for column in columns])
            return
        if self.pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self.pool = ThreadPoolExecutor(min(os.cpu_count() or 1, 8))
        raise_all(list(self.pool.map(run, columns)))


def raise_all(errors: Sequence[RequestError | None]) -> None:
    """Raises the error, or all of them as ManyErrors, when there are any."""
    found = [error for error in errors if error is not None]
    if found:
        raise found[0] if len(found) == 1 else ManyErrors(found)
