"""WFDB records in a folder, with what their headers say of the person."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from trainwright.config.errors import DataError
from trainwright.data.source import TableSource, TrainingNote
from trainwright.domains.signals.reading import Facts, probe
from trainwright.domains.signals.reading.files import stamp
from trainwright.domains.signals.reading.wfdb_header import read_header
from trainwright.domains.signals.sources.given_part import split_given
from trainwright.domains.signals.sources.measured import add_measures
from trainwright.domains.signals.sources.options import RecordsOptions, WFDBOptions
from trainwright.domains.signals.sources.snomed import NAMES, SCORED
from trainwright.domains.signals.sources.unreadable import keep_readable
from trainwright.domains.signals.sources.usual import LABELS
from trainwright.features.npy import Unreadable

PATIENT = re.compile(r"patient(?:[ _]?id)?\s*:\s*(\S+)", re.IGNORECASE)
"""A comment that says whose record it is."""
PATIENT_FOLDER = re.compile(r"(?:patient|subject|person)[-_]?\w*", re.IGNORECASE)
"""A folder with the records of one patient, as PTB's `patient001`."""
BEATS = ("atr", "ecg", "ari", "qrs", "man")
"""How names of annotations of beats end in the sets of PhysioNet; `atr` is what the source of beats looks for by itself."""
PERSON = {"age": pa.float64(), "sex": pa.string()}
"""What headers say of a person, or not."""
UNTOLD: dict[str, object] = {"type": "ignore"}
"""Columns that say which record it is rather than what is in it."""


class WFDBRecords(TableSource):
    """A row for each record: `record`, `patient`, `signal`, `age`, `sex`, `rate`, `seconds`, and `labels` where headers have diagnoses."""

    def __init__(self, options: WFDBOptions, memory_limit: int) -> None:
        given, part = split_given(options.path)
        root, headers = find_headers(given)
        readable = keep_readable(headers, lambda path, repair: probe(f"{path}{part}", repair=repair), options.unreadable, root)
        kept, notes, self.left_out = readable.kept, readable.notes, readable.left_out
        if not kept:
            raise DataError(
                "no record can be read", where="data.source", why="; ".join(notes), fix="name another folder, or write the records again"
            )
        facts = [each for _, each in kept]
        columns = describe_records(kept, root, options, part)
        labels, more = class_labels(facts, options)
        labelled = any(labels)
        if labelled:
            columns["labels"] = pa.array(labels, pa.list_(pa.string()))
        super().__init__(
            pa.table(columns),
            options.path,
            default_targets=["labels"] if labelled else [],
            files=[path for path, _ in kept],
            columns=declare_columns(columns, options) | ({"labels": LABELS} if labelled else {}),
            split=split_by_patient(columns),
            named_by=["record"],
        )
        self.notes = [*notes, *map(TrainingNote, more), *said_of(facts), *map(TrainingNote, said_of_patients(columns))]
        self.offers = "" if labelled else offer_beats(self.files)
        self.valueless = {name: each for name, each in PERSON.items() if name not in columns}
        add_measures(self, "signal", options)


def offer_beats(headers: Sequence[Path]) -> str:
    """How beats are predicted where annotations of them lie beside records; empty where none do."""
    ending = next((each for each in BEATS if any(header.with_suffix(f".{each}").is_file() for header in headers)), "")
    option = "data.type=wfdb_beats" + (f" data.source.extension={ending}" if ending != BEATS[0] else "")
    return f"beats are annotated ('.{ending}'), and {option} makes a row of each, to predict its kind" if ending else ""


def find_headers(given: str) -> tuple[Path, list[Path]]:
    """The folder and the headers of records in it, or of one record; those of the segments of others are no records. Raises DataError."""
    path = Path(given).expanduser().absolute()
    if not path.is_dir():
        header = path if path.suffix == ".hea" else path.with_name(f"{path.stem if path.suffix in ('.mat', '.dat') else path.name}.hea")
        if not header.is_file():
            raise DataError(
                f"there is no record '{given}'", where="data.source", why=f"'{header.name}' is not there", fix="name a folder of records"
            )
        return path.parent, [header]
    headers = sorted(path.rglob("*.hea"))
    if not headers:
        raise DataError(
            f"no WFDB record in '{given}'", where="data.source", why="no file ends in .hea", fix="name the folder of the records"
        )
    segments = {part for header in headers for part in segments_of(header)}
    return path, [each for each in headers if each not in segments]


def segments_of(header: Path) -> list[Path]:
    """The headers of the segments of a record; none for one that cannot be read, which is told when it is looked at."""
    try:
        return [header.with_name(f"{each.name}.hea") for each in read_header(stamp(str(header))).segments]
    except Unreadable:
        return []


def describe_records(kept: Sequence[tuple[Path, Facts]], root: Path, options: RecordsOptions, part: str = "") -> dict[str, pa.Array]:
    """The columns that all sources of records have, less those without a value; `part` is the fragment of a single one."""
    facts = [each for _, each in kept]
    patients = [patient_of(path, each, root, options.patient) for path, each in kept]
    columns = {
        "record": pa.array([f"{path.relative_to(root).with_suffix('')}{part}" for path, _ in kept]),
        "patient": pa.array(patients, pa.string()),
        "signal": pa.array([f"{path.with_suffix('')}{part}" for path, _ in kept]),
        "age": pa.array([each.age for each in facts], pa.float64()),
        "sex": pa.array([each.sex for each in facts], pa.string()),
        "rate": pa.array([each.rate for each in facts], pa.float64()),
        "seconds": pa.array([each.seconds for each in facts], pa.float64()),
    }
    return {name: each for name, each in columns.items() if each.null_count < len(each)}


def declare_columns(columns: Mapping[str, object], options: RecordsOptions) -> dict[str, dict[str, object]]:
    """Options of the columns: the recording is a signal, and what names it is no input."""
    untold = {name: UNTOLD for name in ("record", "patient", "rate", "seconds") if name in columns}
    return {**untold, "signal": {"type": "signal", "unreadable": options.unreadable}}


def split_by_patient(columns: Mapping[str, pa.Array]) -> dict[str, object]:
    """Records of one patient stay on one side, where it is known of all whose they are and there are several patients."""
    patients = columns.get("patient")
    known = patients is not None and not patients.null_count and len(patients.unique()) >= 3
    return {"type": "grouped", "column": "patient"} if known else {}


def patient_of(path: Path, facts: Facts, root: Path, pattern: str | None) -> str | None:
    """Whose record it is: by the pattern, a comment of the header, the name of its folder. Raises DataError where a pattern fits not."""
    name = path.relative_to(root).with_suffix("").as_posix()
    if pattern is not None:
        found = re.search(pattern, name)
        if found is None:
            what = f"the pattern of patients does not fit the record '{name}'"
            raise DataError(what, where="data.source.patient", fix=r"give one with a group that fits all, such as '(\w+)_\d+'")
        return found[1] if found.re.groups else found[0]
    said = next((match[1] for each in facts.comments if (match := PATIENT.match(each))), None)
    return said or next((each for each in reversed(path.parent.relative_to(root).parts) if PATIENT_FOLDER.fullmatch(each)), None)


def class_labels(facts: Sequence[Facts], options: WFDBOptions) -> tuple[list[list[str]], list[str]]:
    """The classes of each record, and notes on codes that are left out or have no name. Two codes of one class are one."""
    classes = _classes(options.labels)
    counts = Counter(code for each in facts for code in each.codes)
    left_out = Counter({code: count for code, count in counts.items() if classes is not None and code not in classes})
    unnamed = Counter({code: count for code, count in counts.items() if classes is None and code not in NAMES})
    names = NAMES if classes is None else classes
    labels = [list(dict.fromkeys(names.get(code, code) for code in each.codes if code not in left_out)) for each in facts]
    tally = Counter(label for each in labels for label in each)
    rare = Counter({label: count for label, count in tally.items() if count < options.min_count})
    labels = [[label for label in each if label not in rare] for each in labels]
    notes = [
        _counted(left_out, f"codes outside of labels={options.labels} are left out"),
        _counted(unnamed, "codes that have no abbreviation keep their number"),
        _counted(rare, f"classes of fewer than {options.min_count} records are left out"),
    ]
    if (without := sum(not each for each in labels)) and tally:
        notes.append(f"{without:,} of {len(labels):,} records have no label")
    return labels, [each for each in notes if each]


def _counted(counts: Counter[str], what: str) -> str:
    if not counts:
        return ""
    shown = ", ".join(f"{name} ({count:,})" for name, count in counts.most_common(8))
    return f"{len(counts)} {what}: {shown}" + (", …" if len(counts) > 8 else "")


def _classes(labels: str) -> Mapping[str, str] | None:
    """Code → class; None where all count."""
    if labels == "all":
        return None
    return SCORED if labels == "scored" else read_classes(Path(labels).expanduser())


def read_classes(path: Path) -> dict[str, str]:
    """Code → class from the first two columns of a CSV file, with or without a header. Raises DataError."""
    where = "data.source.labels"
    if not path.is_file():
        raise DataError(f"labels: '{path}' is no file", where=where, fix="all, scored, or a CSV file with code and class in each row")
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = [row for row in csv.reader(file) if any(row)]
    short = next((number for number, row in enumerate(rows, 1) if len(row) < 2), None)
    if short is not None:
        raise DataError(
            f"row {short} of '{path.name}' has one value", where=where, why="code and class are wanted", fix="write 426783006,NSR"
        )
    found = {row[0].strip(): row[1].strip() for row in rows if row[0].strip().isdigit()}
    if not found:
        raise DataError(
            f"'{path.name}' has no code", where=where, why="no value of its first column is a number", fix="write 426783006,NSR"
        )
    return found


def said_of(facts: Sequence[Facts]) -> list[str]:
    """What headers had to be forgiven, each counted."""
    counts = Counter(_kind_of(warning) for each in facts for warning in set(each.warnings))
    return [f"{count:,} {'record' if count == 1 else 'records'}: {what}" for what, count in counts.most_common(8)]


def _kind_of(warning: str) -> str:
    """A warning without what differs from record to record."""
    return re.sub(r"'[^']*'", "…", warning)


def said_of_patients(columns: Mapping[str, pa.Array]) -> list[str]:
    """Whether records of one patient may be in two splits."""
    patients = columns.get("patient")
    if patients is None:
        return ["whose records they are is not known, so that those of one patient may be in two splits: data.source.patient says it"]
    count = len(patients.unique())
    if patients.null_count:
        return [f"whose record it is is not known of {patients.null_count:,} of {len(patients):,}: data.source.patient says it"]
    return [f"{len(patients):,} records of {count:,} patients"] if count < len(patients) else []
