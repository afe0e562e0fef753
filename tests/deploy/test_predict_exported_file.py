"""`trainwright predict model.onnx` answers files as the run that was exported does."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from shipped_guests import Shipped, guests

from trainwright.cli.main import main
from trainwright.deploy import hosted_predictor

ROWS = 150


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with guests that training did not see, as text and with types, which are answered 64 at a time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hosted_predictor, "PIECE", 64)
    given = {name: each for name, each in guests(ROWS, seed=1).items() if name not in ("stays", "spends")}
    pa.csv.write_csv(pa.table(given), "rows.csv")
    pa.parquet.write_table(pa.table(given), "rows.parquet")
    return tmp_path


@pytest.mark.parametrize("rows", ["rows.csv", "rows.parquet"])
def test_an_exported_file_answers_a_file_as_its_run(rows: str, shipped: Shipped, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(shipped.file), rows, rows, "-o", "out.parquet"]) == 0
    assert "out.parquet: 300 rows" in capsys.readouterr().out
    found, wanted = pa.parquet.read_table("out.parquet"), shipped.run.predict(rows)
    assert found.column_names == wanted.column_names and pa.parquet.ParquetFile("out.parquet").num_row_groups == 6
    for name in wanted.column_names:
        for half in (found[name].to_pylist()[:ROWS], found[name].to_pylist()[ROWS:]):
            kind = wanted.schema.field(name).type
            expected = wanted[name].to_pylist()
            assert half == (pytest.approx(expected, rel=1e-4, abs=1e-5) if pa.types.is_floating(kind) else expected)


def test_rows_that_cannot_be_read_are_named_or_get_a_reason(shipped: Shipped, capsys: pytest.CaptureFixture[str]) -> None:
    lines = Path("rows.csv").read_text().splitlines()
    at = lines[0].replace('"', "").split(",").index("fare")
    for row in (3, 100):
        lines[row] = ",".join(each if place != at else "dear" for place, each in enumerate(lines[row].split(",")))
    Path("rows.csv").write_text("\n".join(lines) + "\n")
    assert main(["predict", str(shipped.file), "rows.csv", "-o", "out.csv"]) == 2
    assert "row 3, column 'fare'" in capsys.readouterr().err and not Path("out.csv").exists()
    assert main(["predict", str(shipped.file), "rows.csv", "-o", "out.parquet", "--bad-rows", "null"]) == 0
    found = pa.parquet.read_table("out.parquet")
    assert [row for row, each in enumerate(found["reason"].to_pylist()) if each is not None] == [2, 99]
    assert found["stays_prediction"].to_pylist()[2] is None and "'dear'" in found["reason"].to_pylist()[99]


REFUSED = {
    "no rows": ("MODEL", "there are no rows to predict"),
    "no such file": ("nowhere.onnx rows.csv", "there is no such file"),
    "no model": ("rows.onnx rows.csv", "no model that ONNX Runtime can load"),
    "its own file": ("MODEL rows.csv -o MODEL", "names no format"),
    "a threshold": ("MODEL rows.csv --threshold 0.3", "has no effect here"),
    "a column too few": ("MODEL few.csv", "is missing"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_an_exported_file_cannot_do_is_refused(case: str, shipped: Shipped, capsys: pytest.CaptureFixture[str]) -> None:
    Path("rows.onnx").write_bytes(b"no model")
    Path("few.csv").write_text("age,fare\n3,4\n")
    words, what = REFUSED[case]
    assert main(["predict", *words.replace("MODEL", str(shipped.file)).split()]) == 2
    said = capsys.readouterr().err
    assert what in said and "fix:" in said and "Traceback" not in said
