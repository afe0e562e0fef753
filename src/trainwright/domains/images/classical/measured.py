"""Numbers about each picture as columns beside it: measured once, by several workers where there are many, and kept on disk."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from trainwright.config.errors import DataError
from trainwright.data.source import TableSource
from trainwright.domains.images.classical.library import skimage
from trainwright.domains.images.classical.measures import measure
from trainwright.domains.images.reading.decoding import read_picture
from trainwright.domains.images.reading.options import Decoding
from trainwright.domains.images.reading.scanning import worker_pool
from trainwright.features.npy import Unreadable
from trainwright.report.figures import plural

log = logging.getLogger("trainwright.data")

WORTH_WORKERS = 200
"""Pictures from which workers are worth their start."""
CHUNK = 50
"""Pictures that a worker is given at a time."""
SHOWN = 3
VECTORS = ("hog",)
"""Measures that are one column of many numbers."""

Found = tuple[dict[str, float], str]
"""Numbers of a picture by name, and why there are none."""


def add_measures(source: TableSource, column: str, references: Sequence[str], measures: Sequence[str]) -> None:
    """Add a column of numbers for each thing that is measured in the pictures of a column; `hog` is one column of 1,764.

    Pictures that cannot be read have missing values, which is noted. Raises DataError for a name that is taken.
    """
    if not measures:
        return
    skimage("feature")  # before a picture is read
    measures = list(dict.fromkeys(measures))
    found = kept_measures(references, measures)
    vectors = {name: [each for each in found["names"] if each.startswith(f"{name}_")] for name in measures if name in VECTORS}
    single = [name for name in found["names"] if not any(name in names for names in vectors.values())]
    values = np.asarray(found["values"], np.float64).reshape(len(references), len(found["names"]))
    at = {name: place for place, name in enumerate(found["names"])}
    for name in single:
        _append(source, name, pa.array(values[:, at[name]], pa.float64(), mask=~np.isfinite(values[:, at[name]])), "number")
    for name, parts in vectors.items():
        rows = values[:, [at[each] for each in parts]]
        lists = [row.tolist() if np.isfinite(row).all() else None for row in rows.astype(np.float32)]
        _append(source, name, pa.array(lists, pa.list_(pa.float32())), "vector")
    source.later_options["measures"] = measures
    counts = Counter(each for each in found["faults"] if each)
    source.notes += [f"{plural(count, 'picture is', 'pictures are')} not measured: {why}" for why, count in counts.most_common(SHOWN)]


def _append(source: TableSource, name: str, values: pa.Array, kind: str) -> None:
    if name in source.table.column_names:
        what = f"a measure is called '{name}', and so is a column of the data"
        raise DataError(what, where="data.source.measures", fix=f"rename the column, or leave the measure {name.split('_')[0]} out")
    source.table = source.table.append_column(name, values)
    if values.null_count < len(values):
        source.declared_columns[name] = {"type": kind}


def kept_measures(references: Sequence[str], measures: Sequence[str]) -> dict[str, Any]:
    """`names`, `values` (a row for each picture) and `faults`, of an earlier time where pictures and how they are measured are the same."""
    from trainwright.data.cache import CachedData
    from trainwright.data.cache.samples import open_cache

    cache = open_cache(CachedData(type="measures", cache="disk"), f"measures|{code_of_measures()}", "measures of pictures")
    files = sorted({each.partition("#")[0] for each in references})

    def make() -> dict[str, Any]:
        return measure_all(references, measures)

    if cache is None:
        return make()
    try:
        found: dict[str, Any] = cache.of_files(files, json.dumps([list(references), list(measures)]), make)
    finally:
        cache.close()
    return found


def code_of_measures() -> str:
    """What tells how it is measured from how another version did: the code, and scikit-image's version."""
    made = hashlib.blake2b(str(skimage("feature").__spec__.origin).encode(), digest_size=16)
    for each in sorted(Path(__file__).parent.glob("*.py")):
        made.update(each.read_bytes())
    return made.hexdigest()


def measure_all(references: Sequence[str], measures: Sequence[str]) -> dict[str, Any]:
    """Every picture measured, by as many workers as there are processors where there are many."""
    begin = time.monotonic()
    log.info("measuring %s of %s", ", ".join(measures), plural(len(references), "picture"))
    chunks = [list(references[start : start + CHUNK]) for start in range(0, len(references), CHUNK)]
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if workers == 1 or len(references) < WORTH_WORKERS:
        rows = [each for chunk in chunks for each in measure_some(chunk, measures)]
    else:
        with worker_pool(workers) as pool:
            waiting = [pool.submit(measure_some, chunk, measures) for chunk in chunks]
            rows = [each for future in waiting for each in future.result()]
    log.info("measured in %.0f s", time.monotonic() - begin)
    names = list(next((found for found, _ in rows if found), {}))
    values = np.array([[found.get(name, math.nan) for name in names] for found, _ in rows], np.float64)
    return {"names": names, "values": values, "faults": [fault for _, fault in rows]}


def measure_some(references: Sequence[str], measures: Sequence[str]) -> list[Found]:
    """The numbers of some pictures, or why there are none."""
    found: list[Found] = []
    for each in references:
        try:
            found.append((measure(read_picture(each, Decoding()).pixels, measures), ""))
        except Unreadable as error:
            found.append(({}, f"it cannot be read: {error}"))
    return found
