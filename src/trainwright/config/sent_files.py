"""Modules that were loaded by the path of their file, for a process that is sent what their classes make."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from trainwright.config.foreign import BY_PATH, module_of_file


class SentFiles:
    """Sent to another process before what the classes and functions of such modules make, it loads the same files there."""

    def __reduce__(self) -> tuple[Any, ...]:
        held = [getattr(module, "__file__", None) for name, module in sys.modules.copy().items() if name.startswith(BY_PATH)]
        return _load_files, ([each for each in held if isinstance(each, str)],)


def _load_files(files: list[str]) -> SentFiles:
    for each in files:
        module_of_file(Path(each))
    return SentFiles()
