"""Which files of a person's own code this process has loaded."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import trainwright._version as version


def loaded_files() -> dict[str, Path]:
    """Module → file of the Python code in this process that is neither Trainwright's, nor installed, nor Python's own."""
    places = {Path(version.__file__).parent, *(Path(sysconfig.get_path(each)) for each in ("stdlib", "platstdlib", "scripts"))}
    found = {}
    for name, module in sys.modules.copy().items():
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or not file.endswith(".py"):
            continue
        path = Path(file).absolute()
        installed = "site-packages" in path.parts or "dist-packages" in path.parts
        if not installed and not any(path.is_relative_to(each) for each in places) and path.is_file():
            found[name] = path
    return found
