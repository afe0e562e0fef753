"""Imported where it is imported: every module of Trainwright, but those that import Ray, and what runs import beside them."""

from __future__ import annotations

import gc
import pkgutil
from contextlib import suppress
from importlib import import_module

import trainwright

APART = ("trainwright.__main__", "trainwright.parallel.launchers.on_ray.")
"""Beginnings of names: what runs a command, and what imports a package of 600 modules that few tests need."""
BESIDE = ("sklearn.linear_model", "sklearn.ensemble", "torch.utils.tensorboard", "safetensors.torch")

names = [each.name for each in pkgutil.walk_packages(trainwright.__path__, "trainwright.")]
for name in (*names, *BESIDE):
    if not name.startswith(APART):
        with suppress(ImportError):  # of an extra that is not installed
            import_module(name)

gc.freeze()  # nothing of it is garbage: a search in a forked process would walk it all, and copy what it touches
