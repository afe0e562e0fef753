"""Whether a dataset can go to worker processes, and these can begin from where the training runs; said before they are."""

from __future__ import annotations

import multiprocessing
import pickle
import sys
from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

from trainwright.config.errors import ConfigError
from trainwright.data.rows import Rows
from trainwright.engine.loader_options import LoaderOptions

DEEP = 4
"""Attributes of attributes … that are searched for what cannot be pickled."""


def start_method(options: LoaderOptions) -> str:
    """How workers begin. Raises ConfigError for a way that this system does not have."""
    methods = multiprocessing.get_all_start_methods()
    method = options.start_method
    if method == "auto":
        method = "forkserver" if "forkserver" in methods else "spawn"
    if method not in methods:
        fix = f"one of {', '.join(methods)}"
        raise ConfigError(f"'{method}' is not there on this system", where="trainer.loader.start_method", fix=fix)
    return method


def check_beginning(rows: Rows, options: LoaderOptions) -> None:
    """Raises ConfigError where workers would run a person's script again, or could not find what was defined in a session."""
    method, main = start_method(options), sys.modules.get("__main__")
    if method == "fork" or main is None:
        return
    file, spec = getattr(main, "__file__", None), getattr(main, "__spec__", None)
    other = "set trainer.loader.start_method: fork, or trainer.loader.workers: 0"
    if file and not (spec is not None and spec.name.endswith(".__main__")) and is_unguarded(Path(file)):
        why = f"each imports it ({method}) and would run all of it again"
        fix = f'put what it does under `if __name__ == "__main__":`, or {other}'
        raise ConfigError("workers cannot begin from this script", where=str(file), why=why, fix=fix)
    if not file:
        try:
            needed = bytes(ForkingPickler.dumps(rows))
        except (TypeError, AttributeError, pickle.PicklingError) as error:
            raise not_picklable(rows, error) from error
        if b"__main__" in needed:
            why = "its class, or a function in it, was defined in this session and is in no file"
            fix = f"put it into a module and import it, or {other}"
            raise ConfigError("the dataset cannot be sent to workers", where="trainer.loader.workers", why=why, fix=fix)


def is_unguarded(script: Path) -> bool:
    """Whether a script does the same when it is imported as when it is run."""
    return script.suffix == ".py" and script.is_file() and "__name__" not in script.read_text(encoding="utf-8", errors="replace")


def not_picklable(rows: Rows, error: BaseException) -> ConfigError:
    """The error that names the attribute of the dataset which cannot go to another process."""
    path, value, why = culprit(rows if rows.dataset is None else rows.dataset, "dataset", error)
    kind = value.__qualname__ if isinstance(value, type) or hasattr(value, "__qualname__") else type(value).__qualname__
    return ConfigError(
        f"the dataset cannot be sent to workers: {path} ({kind}) cannot be pickled",
        where="trainer.loader.workers",
        why=str(why),
        fix="make it a function or class of a module, open files and connections when first used, or set trainer.loader.workers: 0",
    )


def culprit(
    value: Any, path: str, error: BaseException, dumps: Callable[[Any], Any] = ForkingPickler.dumps, depth: int = 0
) -> tuple[str, Any, BaseException]:
    """The innermost part of `value` that `dumps` cannot pickle: its path, itself, and why."""
    if isinstance(value, dict):
        parts = [(f"{path}[{name!r}]", each) for name, each in value.items()]
    elif isinstance(value, list | tuple):
        parts = [(f"{path}[{index}]", each) for index, each in enumerate(value)]
    else:
        parts = [(f"{path}.{name}", each) for name, each in getattr(value, "__dict__", {}).items()]
    for inner, each in parts if depth < DEEP and not isinstance(value, type) else []:
        try:
            dumps(each)
        except Exception as found:  # noqa: BLE001  (pickling runs a person's code)
            return culprit(each, inner, found, dumps, depth + 1)
    return path, value, error
