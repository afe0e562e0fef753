"""PTB-XL as it lies on disk."""

from __future__ import annotations

import ast
import csv
from collections import Counter
from pathlib import Path

import pyarrow as pa

from trainwright.config.errors import DataError
from trainwright.data.source import TableSource, TrainingNote
from trainwright.domains.signals.sources.measured import add_measures
from trainwright.domains.signals.sources.options import PTBXLOptions
from trainwright.domains.signals.sources.tables import existing, read_rows
from trainwright.domains.signals.sources.usual import LABELS

NEEDED = ("ecg_id", "patient_id", "age", "sex", "scp_codes", "strat_fold", "filename_lr", "filename_hr")
SEXES = {"0": "male", "1": "female"}
TOO_OLD = 89
"""Years above which ages are not told: such rows have 300."""
UNTOLD: dict[str, object] = {"type": "ignore"}


class PTBXL(TableSource):
    """A row for each record: `ecg_id`, `patient_id`, `signal`, `age`, `sex`, `strat_fold`, `labels` of the task."""

    def __init__(self, options: PTBXLOptions, memory_limit: int) -> None:
        root = Path(options.path).expanduser().absolute()
        rows = read_rows(root / "ptbxl_database.csv", NEEDED)
        statements = read_statements(root / "scp_statements.csv", options.task)
        labels = [labels_of(row, statements, options.min_likelihood, number) for number, row in enumerate(rows, 2)]
        labels, notes = leave_out_rare(labels, options.min_count)
        kept = [(row, found) for row, found in zip(rows, labels, strict=True) if found]
        if not kept:
            raise DataError(f"no record has a statement of the task '{options.task}'", where="data.source.task", fix="data.source.task=all")
        headers = [root / f"{row['filename_lr' if options.rate == 100 else 'filename_hr']}.hea" for row, _ in kept]
        existing(headers, "data.source")
        columns = {
            "ecg_id": pa.array([int(float(row["ecg_id"])) for row, _ in kept]),
            "patient_id": pa.array([str(int(float(row["patient_id"]))) for row, _ in kept]),
            "signal": pa.array([str(each.with_suffix("")) for each in headers]),
            "age": pa.array([age_of(row["age"]) for row, _ in kept], pa.float64()),
            "sex": pa.array([SEXES.get(row["sex"].split(".")[0]) for row, _ in kept], pa.string()),
            "strat_fold": pa.array([int(float(row["strat_fold"])) for row, _ in kept]),
            "labels": pa.array([found for _, found in kept], pa.list_(pa.string())),
        }
        folds = {"train": list(range(1, 9)), "validation": [9], "test": [10]}
        super().__init__(
            pa.table(columns),
            options.path,
            default_targets=["labels"],
            files=[root / "ptbxl_database.csv", root / "scp_statements.csv"],
            columns={
                **dict.fromkeys(("ecg_id", "patient_id", "strat_fold"), UNTOLD),
                "signal": {"type": "signal"},
                "labels": LABELS,
            },
            split={"type": "column", "column": "strat_fold", **folds},
            named_by=["ecg_id"],
        )
        if len(kept) < len(rows):
            notes.append(
                f"{len(rows) - len(kept):,} of {len(rows):,} records have no statement of the task '{options.task}' and are left out"
            )
        old = sum(float(row["age"] or 0) > TOO_OLD for row, _ in kept)
        self.notes = [*notes, *([f"{old:,} ages above {TOO_OLD} are written as 300 and were taken as {TOO_OLD + 1}"] if old else [])]
        add_measures(self, "signal", options)


def read_statements(path: Path, task: str) -> dict[str, str]:
    """Code → label for the task. Raises DataError."""
    if not path.is_file():
        raise DataError(f"there is no table '{path.name}'", where="data.source", fix="it lies beside ptbxl_database.csv")
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.reader(file))
    names = rows[0]
    found = [(row[0], dict(zip(names, row, strict=False))) for row in rows[1:] if row]
    if task in ("subdiagnostic", "superdiagnostic"):
        column = "diagnostic_subclass" if task == "subdiagnostic" else "diagnostic_class"
        return {code: row[column] for code, row in found if _is_set(row.get("diagnostic", "")) and row.get(column)}
    return {code: code for code, row in found if task == "all" or _is_set(row.get(task, ""))}


def _is_set(text: str) -> bool:
    return text.strip() in ("1", "1.0")


def labels_of(row: dict[str, str], statements: dict[str, str], least: float, line: int) -> list[str]:
    """The labels of a record, of statements of at least this likelihood; the mapping is read as a literal, and nothing of it is run."""
    try:
        codes = ast.literal_eval(row["scp_codes"])
        wanted = [code for code, likelihood in codes.items() if float(likelihood) >= least]
    except (ValueError, SyntaxError, AttributeError, TypeError, MemoryError, RecursionError) as error:
        what = f"line {line} of ptbxl_database.csv: scp_codes is no mapping of codes: {row['scp_codes'][:60]!r}"
        raise DataError(what, where="data.source", fix="write {'NORM': 100.0}") from error
    return list(dict.fromkeys(statements[code] for code in wanted if code in statements))


def leave_out_rare(labels: list[list[str]], least: int) -> tuple[list[list[str]], list[str]]:
    """Labels without those of fewer records, and a note that counts them."""
    counts = Counter(label for each in labels for label in each)
    rare = sorted(label for label, count in counts.items() if count < least)
    notes: list[str] = (
        [TrainingNote(f"{len(rare)} labels of fewer than {least} records are left out: {', '.join(rare[:8])}")] if rare else []
    )
    return [[label for label in each if label not in rare] for each in labels], notes


def age_of(text: str) -> float | None:
    """Years; 90 for those that are not told because they are above 89."""
    if not text:
        return None
    age = float(text)
    return float(TOO_OLD + 1) if age > TOO_OLD else age
