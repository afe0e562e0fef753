"""Which arrays of a column of files are kept, up to which of its transforms, and what tells them from others."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from trainwright._version import __version__
from trainwright.config.model import PartConfig
from trainwright.data.cache import CachedData
from trainwright.data.cache.samples import SampleCache, open_cache
from trainwright.data.transforms import applies_always
from trainwright.features.base import Feature
from trainwright.features.lazy import LazyFeature
from trainwright.files.loaded_code import loaded_files

if TYPE_CHECKING:
    from trainwright.features.file import FileFeature

DRAWING = re.compile(r"rand|drop|bernoulli|normal_|poisson|multinomial|gumbel|rrelu|exponential|uniform")
"""What the names of torch's functions have in them that draw."""


def keep_columns(features: Mapping[str, Feature], options: CachedData) -> list[str]:
    """Let columns that are decoded batch by batch keep their samples as the options say; where, in words."""
    lazy = [each for each in features.values() if isinstance(each, LazyFeature)]
    for each in lazy:
        each.caching = options
    if not lazy and options.cache in ("memory", "disk"):
        return ["data.cache has nothing to keep: no column is decoded batch by batch"]
    return [cache.describe() for each in lazy if (cache := each.sample_cache()) is not None]


def keep_arrays(feature: FileFeature, plain: bool) -> SampleCache | None:
    """What keeps the arrays of a column after its first transforms; None where they are read as they are.

    `plain`: its files hold the numbers as they are, so that there is nothing to decode.
    """
    options = feature.caching
    if options is None or (options.cache == "auto" and plain):
        return None
    first = feature.in_workers[: count_still(feature.in_workers)]
    recipe = {
        "trainwright": __version__,
        "torch": torch.__version__,
        "read": code_of(feature.read_array),
        "reading": feature.reading(),
        "transform": [each.model_dump(mode="json") for each in first],
        "code": own_code() if not plain or any(is_own(each) for each in first) else "",
        "window": feature.window.model_dump(mode="json") if feature.window is not None else None,
        "folders": sorted({str(each) for each in feature.folders.folders}),
    }
    return open_cache(options, json.dumps(recipe, sort_keys=True), f"column '{feature.name}': samples")


def count_still(chain: Sequence[PartConfig]) -> int:
    """How many transforms at the beginning apply to all rows alike and draw nothing, as far as their names tell."""
    for place, each in enumerate(chain):
        if not applies_always(each) or not (getattr(each, "still", False) or (each.type == "function" and not DRAWING.search(each.call))):  # type: ignore[attr-defined]
            return place
    return len(chain)


def is_own(options: PartConfig) -> bool:
    """Whether a transform is neither ours nor torch's."""
    return options.type == "function" and not str(getattr(options, "call", "")).startswith("torch.")


def code_of(function: Callable[..., Any]) -> str:
    """The name of a function, and a sha256 of the file that defines it."""
    file = inspect.getsourcefile(function)
    return f"{function.__module__}.{function.__qualname__} {_sha256(Path(file)) if file else ''}"


def own_code() -> str:
    """A sha256 of the code of a person's own that is loaded, of whatever else a transform of theirs may call."""
    found = sorted((str(path), _sha256(path)) for path in set(loaded_files().values()))
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
