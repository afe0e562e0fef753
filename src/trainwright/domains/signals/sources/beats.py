"""A row for each annotated beat of WFDB records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa

from trainwright.config.errors import DataError
from trainwright.data.source import TableSource, TrainingNote
from trainwright.domains.signals.reading import Facts, probe
from trainwright.domains.signals.reading.annotations import AAMI, Annotations, others_beside, read_annotations
from trainwright.domains.signals.sources.given_part import split_given
from trainwright.domains.signals.sources.options import WFDBBeatsOptions
from trainwright.domains.signals.sources.unreadable import keep_readable
from trainwright.domains.signals.sources.wfdb import UNTOLD, find_headers, patient_of, said_of
from trainwright.features.npy import Unreadable

BEFORE, AFTER = 1.1, 0.5
"""Seconds round a beat: back over the beat before it."""
LAST = 8
"""Intervals whose median an interval is compared with."""


class WFDBBeats(TableSource):
    """A row for each beat: `record`, `patient`, `block`, `signal` (`RECORD#at=SAMPLE`), `symbol`, `rr_before`, `rr_ratio`, and `beat`."""

    def __init__(self, options: WFDBBeatsOptions, memory_limit: int) -> None:
        root, headers = find_headers(whole(options.path))
        headers = [each for each in headers if each.with_suffix(f".{options.extension}").is_file()] or refuse_bare(headers, options)
        readable = keep_readable(headers, lambda path, repair: look(path, repair, options.extension), options.unreadable, root)
        kept, notes, self.left_out = readable.kept, readable.notes, readable.left_out
        tables = [beats_of(path, *found, root, options) for path, found in kept]
        rows = {name: np.concatenate([each[name] for each in tables]) for name in tables[0]} if tables else {}
        if not len(rows.get("beat", [])):
            raise DataError(
                f"no beat is annotated in '{options.path}'", where="data.source", why="; ".join(notes), fix="name records with beats"
            )
        several = len(kept) > 1
        untold = dict.fromkeys(("record", "patient", "block", "symbol", "at", "rr_before", "rr_ratio"), UNTOLD)
        super().__init__(
            pa.table({name: pa.array(values.tolist()) for name, values in rows.items()}),
            options.path,
            default_targets=["beat"],
            files=[path for path, _ in kept],
            columns={
                **untold,
                "signal": {"type": "signal", "around": {"before": BEFORE, "after": AFTER}, "unreadable": options.unreadable},
            },
            split=split_of(rows, several),
            named_by=["record", "at"],
        )
        self.later_options = {"type": options.type, "extension": options.extension, "classes": options.classes}
        self.notes = [*notes, *said_of([facts for _, (facts, _) in kept]), *map(TrainingNote, said_of_beats(rows))]


def whole(given: str) -> str:
    """The path. Raises DataError where it names a part of a recording."""
    path, part = split_given(given)
    if part:
        why = f"'{part}' names a part, and an interval between beats begins before it"
        raise DataError(f"'{given}' is not read beat by beat", where="data.source", why=why, fix=f"name the whole record: {path}")
    return path


def refuse_bare(headers: Sequence[Path], options: WFDBBeatsOptions) -> NoReturn:
    """Raises DataError: none of the records has annotations, which say where beats are."""
    ending, beside = f".{options.extension}", others_beside(headers[0].with_suffix(""))
    what = f"{'the record' if len(headers) == 1 else 'no record in'} '{options.path}' has {'no ' if len(headers) == 1 else ''}annotations"
    why = f"a row is a beat, and '{ending}' files say where beats are" + (f"; beside '{headers[0].stem}': {beside}" if beside else "")
    fix = f"put RECORD{ending} beside each record, or train with data.source.extension=EXT, how their names end"
    raise DataError(f"{what} '{ending}'", where="data.source", why=why, fix=fix)


def look(path: Path, repair: bool, extension: str) -> tuple[Facts, Annotations]:
    """What is known of a record and its beats. Raises Unreadable."""
    facts = probe(str(path), repair=repair)
    if facts.rate is None:
        raise Unreadable("its header gives no sampling frequency, so that intervals are not known")
    return facts, read_annotations(path, extension).beats


def beats_of(path: Path, facts: Facts, marks: Annotations, root: Path, options: WFDBBeatsOptions) -> dict[str, np.ndarray[Any, Any]]:
    """The columns of one record; `rr_before` in seconds, `rr_ratio` against the median of the last eight intervals before it."""
    inside = (marks.samples >= 0) & (marks.samples < facts.length)
    marks = marks.pick(inside)
    record, rate = str(path.relative_to(root).with_suffix("")), float(facts.rate or 1)
    interval = np.diff(marks.samples, prepend=marks.samples[:1]) / rate
    interval[:1] = np.nan
    patient = patient_of(path, facts, root, options.patient) or record
    count = len(marks.samples)
    return {
        "record": np.full(count, record, object),
        "patient": np.full(count, patient, object),
        "block": marks.samples * options.blocks // max(facts.length, 1),
        "signal": np.array([f"{path.with_suffix('')}#at={each}" for each in marks.samples], object),
        "at": marks.samples,
        "symbol": np.array(marks.symbols, object),
        "rr_before": interval,
        "rr_ratio": ratio_to_last(interval),
        "beat": np.array([class_of(each, options.classes) for each in marks.symbols], object),
    }


def ratio_to_last(interval: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Each interval as a share of the median of the last eight before it; 1 where there is none before."""
    ratio = np.ones(len(interval))
    for place in range(2, len(interval)):
        ratio[place] = interval[place] / max(float(np.median(interval[max(1, place - LAST) : place])), 1e-9)
    return ratio


def class_of(symbol: str, classes: str) -> str:
    """What a beat is called: its group of AAMI, its symbol, or `normal` and `other`."""
    if classes == "symbol":
        return symbol
    return AAMI.get(symbol, "Q") if classes == "aami" else ("normal" if symbol == "N" else "other")


def split_of(rows: dict[str, np.ndarray[Any, Any]], several: bool) -> dict[str, object]:
    """Patients whole where there are three or more; of one record, a part in time is tested on, and the next one picks the best epoch."""
    if several and len(set(rows["patient"].tolist())) >= 3:
        return {"type": "grouped", "column": "patient"}
    blocks = sorted(set(rows["block"].tolist()))
    if len(blocks) < 3:
        return {}
    return {"type": "kfold", "column": "block", "fold": blocks[-1], "validation_fold": "next"}


def said_of_beats(rows: dict[str, np.ndarray[Any, Any]]) -> list[str]:
    """How many beats there are of each kind."""
    counts = Counter(rows["symbol"].tolist())
    return [f"beats: {', '.join(f'{count:,} {symbol}' for symbol, count in counts.most_common())}"]
