"""Numbers about each recording as columns beside it: measured once, in several processes where there are many, and kept on disk."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from trainwright.config.errors import DataError
from trainwright.data.source import TableSource
from trainwright.domains.signals.reading.reference import split_reference
from trainwright.domains.signals.sources.measuring import measure_each

log = logging.getLogger("trainwright.data")

WORTH_PROCESSES = 100
"""Recordings from which processes of their own are worth their start."""
MOST_PROCESSES = 8
LARGEST = 1 << 30
"""Bytes of a file from which on what was measured in it is not kept: to know it again it would be read whole."""
SHOWN = 3


def add_measures(source: TableSource, column: str, options: Any) -> None:
    """Add a column of numbers for each measure that `options.measures` names, of the recordings that a column refers to.

    Recordings that cannot be read or hold no beat have missing values, which is noted. Raises DataError for a name that is taken.
    """
    if not options.measures:
        return
    references = source.table[column].to_pylist()
    repair = getattr(options, "unreadable", "error") == "repair"
    found = kept_measures(references, list(dict.fromkeys(options.measures)), repair)
    names, values = found["names"], np.asarray(found["values"], np.float64).reshape(len(references), -1)
    taken = next((name for name in names if name in source.table.column_names), None)
    if taken is not None:
        what = f"a measure is called '{taken}', and so is a column of the data"
        raise DataError(what, where="data.source.measures", fix=f"rename the column, or leave the measure {taken.split('_')[0]} out")
    for name, each in zip(names, values.T, strict=True):
        missing = ~np.isfinite(each)
        source.table = source.table.append_column(name, pa.array(each, pa.float64(), mask=missing))
        if not missing.all():
            source.declared_columns[name] = {"type": "number"}
    source.later_options["measures"] = list(options.measures)
    source.notes += said_of(names, values, found["faults"])


def said_of(names: Sequence[str], values: np.ndarray, faults: Sequence[str]) -> list[str]:
    """What a reader should know: how many recordings could not be measured, and how many have no beats."""
    counts = Counter(each for each in faults if each)
    notes = [f"{count:,} recordings are not measured: {why}" for why, count in counts.most_common(SHOWN)]
    beats = [names.index(each) for each in ("rhythm_heart_rate", "hrv_MeanNN") if each in names]
    without = int((np.isnan(values[:, beats]).all(axis=1) & np.array([not each for each in faults])).sum()) if beats else 0
    if without:
        notes.append(f"in {without:,} of {len(values):,} recordings too few beats are found: what is measured of beats is missing")
    return notes


def kept_measures(references: Sequence[str], measures: Sequence[str], repair: bool) -> dict[str, Any]:
    """`names`, `values` (a row for each reference) and `faults`, of an earlier time where the files and how it is measured are the same."""
    from trainwright.data.cache import CachedData
    from trainwright.data.cache.samples import open_cache

    files = sorted({path for each in references for path in files_of(each)})
    part = json.dumps([references, measures, repair])

    def make() -> dict[str, Any]:
        return compute_measures(references, measures, repair)

    if any(size_of(each) > LARGEST for each in files):
        return make()
    cache = open_cache(CachedData(type="measures", cache="disk"), f"measures|{code_of_measures()}", "measures of recordings")
    if cache is None:
        return make()
    try:
        found: dict[str, Any] = cache.of_files(files, part, make)
    finally:
        cache.close()
    return found


def files_of(reference: str) -> list[str]:
    """The files that a reference is read from: of a WFDB record its header and what lies beside it under its name."""
    path = Path(split_reference(reference).path)
    header = path if path.suffix == ".hea" else path.with_name(f"{path.name}.hea")
    if not header.is_file():
        return [str(path)]
    return [str(header), *(str(each) for end in (".dat", ".mat") if (each := header.with_suffix(end)).is_file())]


def size_of(path: str) -> int:
    """Bytes of a file; 0 where it cannot be asked."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def code_of_measures() -> str:
    """What tells how it is measured from how another version did: the code."""
    here = Path(__file__).parent
    made = hashlib.blake2b(digest_size=16)
    for each in sorted([*(here.parent / "physiology").glob("*.py"), here / "measuring.py"]):
        made.update(each.read_bytes())
    return made.hexdigest()


def compute_measures(references: Sequence[str], measures: Sequence[str], repair: bool) -> dict[str, Any]:
    """Every recording measured, in several processes where there are many."""
    begin, processes = time.monotonic(), how_many(len(references))
    where = f" in {processes} processes" if processes > 1 else ""
    log.info("measuring %s of %s recordings%s", ", ".join(measures), f"{len(references):,}", where)
    if processes > 1:
        rows = _in_processes(references, measures, repair, processes)
    else:
        rows = list(measure_each(references, measures, repair))
    log.info("measured in %.0f s", time.monotonic() - begin)
    names = rows[0][2] if rows else []
    values = np.array([[found.get(name, math.nan) for name in names] for found, _, _ in rows], np.float64)
    return {"names": names, "values": values, "faults": [fault for _, fault, _ in rows]}


def how_many(recordings: int) -> int:
    """Processes that so many recordings are worth, of the processors that this one may use."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(min(usable, MOST_PROCESSES, recordings // (WORTH_PROCESSES // 2)), 1) if recordings >= WORTH_PROCESSES else 1


def _in_processes(references: Sequence[str], measures: Sequence[str], repair: bool, processes: int) -> list[tuple[Any, str, list[str]]]:
    """The same as `measure_each`: each process is given every so many references, as text, so that it needs nothing of this one."""
    shares = [references[number::processes] for number in range(processes)]
    command = [sys.executable, "-m", "trainwright.domains.signals.sources.measuring"]

    def run(share: Sequence[str]) -> list[tuple[Any, str, list[str]]]:
        given = json.dumps({"references": list(share), "measures": list(measures), "repair": repair})
        ended = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
        if ended.returncode:
            raise DataError(
                "recordings could not be measured", where="data.source.measures", why=ended.stderr[-500:], fix="leave measures out"
            )
        return [tuple(each) for each in json.loads(ended.stdout)]

    with ThreadPoolExecutor(processes) as pool:
        found = list(pool.map(run, shares))
    return [found[number % processes][number // processes] for number in range(len(references))]
