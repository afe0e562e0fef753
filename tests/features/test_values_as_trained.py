"""A value is read as training read it: alone, beside any other row, and from any kind of file or object."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainwright.config.choice import choose
from trainwright.config.errors import DataError
from trainwright.data.sources.opening import from_object
from trainwright.data.splits.base import Split
from trainwright.features.encoding import EncodedTable, TableEncoder
from trainwright.features.reading import canonical

COLUMNS: dict[str, list[str]] = {
    "zip": ["00501", "02134", "12345", "90210"],
    "version": ["1.1", "1.10", "2.0", "1.9"],
    "phone": ["+4915112345678", "+15551234567", "+442071234567", "+33123456789"],
    "code": ["1", "2", "3", ""],
    "grade": ["1.5", "2.0", "2.5", "3.0"],
    "flag": ["True", "False", "True", "False"],
    "yes": ["yes", "no", "yes", "no"],
    "price": ["1.50", "12.25", "3.00", ""],
    "day": ["2024-01-05", "2024-02-10", "2023-12-31", "2024-07-01"],
    "moment": ["2024-01-05 10:30", "2024-02-10 23:00", "2023-12-31 00:00", "2024-07-01 06:15"],
    "word": ["red", "green", "NA", "blue"],
    "user": ["12345678901234567890", "12345678901234567891", "98765432109876543210", "7"],
}
TYPES = {"code": "category", "grade": "category", "flag": "binary", "price": "number", "day": "category", "moment": "date", "yes": "binary"}
COUNT = 64


def row_of(number: int) -> dict[str, str]:
    return {name: values[(number // (1 + place % 3)) % 4] for place, (name, values) in enumerate(COLUMNS.items())}


def csv_of(rows: list[dict[str, str]], delimiter: str = ",") -> str:
    return "\n".join([delimiter.join(COLUMNS), *(delimiter.join(row.values()) for row in rows)]) + "\n"


def fitted(data: Any, types: dict[str, str] | None = None) -> TableEncoder:
    """An encoder restored from its state, as a later process has it."""
    source = from_object(data)
    columns = {name: choose("feature", (types or TYPES).get(name, "category")) for name in source.schema.names if name != "y"}
    columns["y"] = choose("feature", "binary")
    split = Split(np.arange(len(source)), np.empty(0, np.int64), np.empty(0, np.int64), "all rows train")
    table = EncodedTable.fit(source, split, columns, [name for name in columns if name != "y"], ["y"])
    return TableEncoder.restore(json.loads(json.dumps(table.encoder.state())))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> TableEncoder:
    path = tmp_path_factory.mktemp("training") / "t.csv"
    lines = csv_of([row_of(number) for number in range(COUNT)]).splitlines()
    path.write_text("\n".join([f"{lines[0]},y", *(f"{line},{row % 2}" for row, line in enumerate(lines[1:]))]))
    return fitted(path)


def arrays(encoder: TableEncoder, data: Any) -> dict[str, np.ndarray]:
    return encoder.encode_inputs(data).blocks


def assert_same(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray], what: str) -> None:
    for key, block in wanted.items():
        assert np.array_equal(found[key], block), (what, key, found[key], block)


def forms(rows: list[dict[str, str]], folder: Path) -> dict[str, Any]:
    """The same rows as other files and objects hold them."""
    (folder / "p.csv").write_text(csv_of(rows))
    (folder / "p.tsv").write_text(csv_of(rows, "\t"))
    (folder / "quoted.csv").write_text("\n".join([",".join(COLUMNS), *(",".join(f'"{v}"' for v in row.values()) for row in rows)]))
    (folder / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = pd.DataFrame(rows, dtype=str)
    text.to_parquet(folder / "text.parquet")
    columns = {name: [row[name] for row in rows] for name in COLUMNS}
    return {
        "csv": folder / "p.csv",
        "tsv": folder / "p.tsv",
        "quoted": folder / "quoted.csv",
        "jsonl": folder / "p.jsonl",
        "text frame": text,
        "text parquet": folder / "text.parquet",
        "category frame": text.astype("category"),
        "dict": columns,
        "records": rows,
    }


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    numbers=st.lists(st.integers(0, COUNT - 1), min_size=1, max_size=6),
    foreign=st.sampled_from(["SW1A", "x", "-", "1e5", "007", "2024-01-05"]),
)
def test_a_row_is_read_alike_alone_beside_others_and_from_any_form(
    numbers: list[int], foreign: str, encoder: TableEncoder, tmp_path: Path
) -> None:
    rows = [row_of(number) for number in numbers]
    (tmp_path / "all.csv").write_text(csv_of([row_of(number) for number in range(COUNT)]))
    whole = {key: block[numbers] for key, block in arrays(encoder, tmp_path / "all.csv").items()}
    for what, data in forms(rows, tmp_path).items():
        assert_same(arrays(encoder, data), whole, what)
    for position, row in enumerate(rows):
        alone = {key: block[position : position + 1] for key, block in whole.items()}
        for what, data in forms([row], tmp_path).items():
            assert_same(arrays(encoder, data), alone, f"{what}, one row")
    strange = {name: foreign if TYPES.get(name, "category") == "category" else value for name, value in rows[0].items()}
    for what, data in forms([*rows, strange], tmp_path).items():
        beside = {key: block[:-1] for key, block in arrays(encoder, data).items()}
        assert_same(beside, whole, f"{what} beside {foreign}")


TYPED: dict[str, list[list[Any]]] = {
    "code": [[1, 2, 3, None], [1.0, 2.0, 3.0, float("nan")], [np.int8(1), np.uint64(2), Decimal("3"), None], ["1", 2, 3.0, pd.NA],
             pd.array([1, 2, 3, None], "Int64"), ["1.0", " 2", "3.", "None"], pa.array([1, 2, 3, None], pa.uint8())],
    "grade": [[1.5, 2, 2.5, 3], ["1.50", "2", "+2.5", "3.00"], [Decimal("1.50"), Decimal("2.0"), Decimal("2.5"), Decimal(3)]],
    "flag": [[True, False, True, False], [1, 0, 1, 0], [1.0, 0.0, 1.0, 0.0], [np.True_, np.False_, np.True_, np.False_],
             ["TRUE", "false", "true", "False"], ["yes", "no", "yes", "no"], ["1", "0", "1", "0"],
             pd.array([True, False, True, False], "boolean"), [True, 0, "true", "no"]],
    "yes": [[True, False, True, False], [1, 0, 1, 0], ["YES", "No", "y", "n"]],
    "price": [[1.5, 12.25, 3, None], ["1.5", "12.250", "3", "NA"],
              [Decimal("1.50"), Decimal("12.25"), 3, None], ["1.50", 12.25, 3, np.nan]],
    "day": [[datetime.date(2024, 1, 5), datetime.date(2024, 2, 10), datetime.date(2023, 12, 31), datetime.date(2024, 7, 1)],
            pd.to_datetime(["2024-01-05", "2024-02-10", "2023-12-31", "2024-07-01"]),
            [datetime.datetime(2024, 1, 5), datetime.date(2024, 2, 10), "2023-12-31", pd.Timestamp("2024-07-01")],
            [np.datetime64("2024-01-05"), np.datetime64("2024-02-10"), np.datetime64("2023-12-31"), np.datetime64("2024-07-01")]],
    "moment": [pd.to_datetime(["2024-01-05 10:30", "2024-02-10 23:00", "2023-12-31 00:00", "2024-07-01 06:15"]),
               ["2024-01-05T10:30:00", "2024-02-10 23:00:00.000", "2023-12-31", "2024-07-01 06:15"]],
    "zip": [[501, 2134, 12345, 90210], [501.0, 2134.0, 12345.0, 90210.0], ["00501", 2134, "12345", 90210]],
    "user": [[12345678901234567890, 12345678901234567891, 98765432109876543210, 7]],
    "word": [["red", "green", None, "blue"], ["red", "green", "", "blue"], pd.array(["red", "green", None, "blue"], "string"),
             ["red", "green", "n/a", "blue"], ["red", "green", float("nan"), "blue"]],
}  # fmt: skip


@pytest.mark.parametrize("name", TYPED)
def test_typed_values_are_the_written_ones(name: str, encoder: TableEncoder, tmp_path: Path) -> None:
    columns = {each: list(values) for each, values in COLUMNS.items()}
    wanted = arrays(encoder, columns)
    for values in TYPED[name]:
        assert_same(arrays(encoder, {**columns, name: values}), wanted, f"{name} from {values!r}")
        for row in range(4):
            single = {each: [of[row]] for each, of in columns.items()} | {name: [list(values)[row]]}
            assert_same(arrays(encoder, single), {key: block[row : row + 1] for key, block in wanted.items()}, f"{name} row {row}")


def test_a_sheet_is_read_cell_by_cell(encoder: TableEncoder, tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    cells = {each: list(values) for each, values in COLUMNS.items()}
    wanted = arrays(encoder, cells)
    typed = cells | {"zip": ["00501", 2134, 12345, "90210"], "code": [1, 2.0, "3", None], "flag": [True, "False", 1, False],
                     "price": [1.5, "12.25", 3, None], "grade": [1.5, 2, "2.50", 3], "yes": [True, "no", 1, 0],
                     "day": [datetime.datetime(2024, 1, 5), "2024-02-10", datetime.datetime(2023, 12, 31), "2024-07-01"],
                     "moment": [datetime.datetime(2024, 1, 5, 10, 30), "2024-02-10 23:00", "2023-12-31",
                                datetime.datetime(2024, 7, 1, 6, 15)]}  # fmt: skip
    for what, columns in (("text", cells), ("cells", typed)):
        book = openpyxl.Workbook()
        for row in [list(columns), *zip(*columns.values(), strict=True)]:
            book.active.append(row)
        book.save(tmp_path / f"{what}.xlsx")
        assert_same(arrays(encoder, tmp_path / f"{what}.xlsx"), wanted, what)


def test_a_number_that_two_spellings_have_is_unknown(encoder: TableEncoder) -> None:
    columns = {each: list(values) for each, values in COLUMNS.items()} | {"version": [1.1, 1.1, 2.0, 1.9]}
    assert encoder.encode_inputs(columns).counts["version"].unknown == 2


def test_typed_arrow_columns_are_read_alike(encoder: TableEncoder, tmp_path: Path) -> None:
    columns: dict[str, Any] = {each: pa.array(values) for each, values in COLUMNS.items()}
    wanted = arrays(encoder, columns)
    columns |= {
        "zip": pa.array(COLUMNS["zip"], pa.large_string()),
        "version": pa.array(COLUMNS["version"]).dictionary_encode(),
        "code": pa.array([Decimal("1.0"), Decimal("2.0"), Decimal("3.0"), None], pa.decimal128(5, 1)),
        "flag": pa.array([True, False, True, False]),
        "price": pa.array([1.5, 12.25, 3.0, None], pa.float32()),
        "moment": pa.array([datetime.datetime(2024, 1, 5, 10, 30), datetime.datetime(2024, 2, 10, 23), datetime.datetime(2023, 12, 31),
                            datetime.datetime(2024, 7, 1, 6, 15)], pa.timestamp("ns")),
    }  # fmt: skip
    pq.write_table(pa.table(columns), tmp_path / "typed.parquet")
    assert_same(arrays(encoder, tmp_path / "typed.parquet"), wanted, "typed parquet")


def test_a_decimal_comma_of_training_holds_later(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a;b;y\n" + "".join(f"{row},5;{row % 5};{row % 2}\n" for row in range(40)))
    encoder = fitted(path, {"a": "number", "b": "number"})
    (tmp_path / "one.csv").write_text("a;b\n3,5;2\n")
    wanted = arrays(encoder, {"a": [3.5], "b": [2]})
    assert_same(arrays(encoder, tmp_path / "one.csv"), wanted, "one row")
    assert_same(arrays(encoder, {"a": ["3,5"], "b": ["2"]}), wanted, "text")
    with pytest.raises(DataError, match="not a number"):
        encoder.encode_inputs({"a": ["3.500"], "b": ["2"]})


def test_a_short_file_is_read_in_the_dialect_of_training(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("made by a tool\n2019;2020;name;y\n" + "".join(f"{row};{row % 7};'a;{row % 3}';{row % 2}\n" for row in range(40)))
    from trainwright.config.registry import build
    from trainwright.data.sources import CSVOptions

    source = build("source", CSVOptions(path=str(path), quote="'", skip_rows=1, header=True), memory_limit=4 << 30)
    columns = {
        name: choose("feature", kind) for name, kind in {"2019": "number", "2020": "number", "name": "category", "y": "binary"}.items()
    }
    split = Split(np.arange(len(source)), np.empty(0, np.int64), np.empty(0, np.int64), "all rows train")
    encoder = EncodedTable.fit(source, split, columns, ["2019", "2020", "name"], ["y"]).encoder
    wanted = arrays(encoder, {"2019": [3], "2020": [4], "name": ["a;1"]})
    for head in ("made by a tool\n", ""):
        (tmp_path / "one.csv").write_text(f"{head}2019;2020;name\n3;4;'a;1'\n")
        assert_same(arrays(encoder, tmp_path / "one.csv"), wanted, repr(head))
    (tmp_path / "other.csv").write_text("name,2019,2020\na;1,3,4\n")
    read = encoder.read(tmp_path / "other.csv")
    assert_same(encoder.encode(read, targets=False).blocks, wanted, "another dialect")
    assert any("not written as the training file" in note for note in read.notes)


def test_words_for_missing_values_are_those_of_training(tmp_path: Path) -> None:
    frame = {"country": ["NA", "DE", None, "FR"] * 10, "x": [1.0, None, 2.0, 3.0] * 10, "y": [0, 1] * 20}
    encoder = fitted(frame, {"x": "number"})
    (tmp_path / "p.csv").write_text("country,x\nNA,NA\nDE,1\n,2\n")
    wanted = arrays(encoder, {"country": ["NA", "DE", None], "x": [None, 1.0, 2.0]})
    assert_same(arrays(encoder, tmp_path / "p.csv"), wanted, "csv")
    assert_same(arrays(encoder, {"country": ["NA", "DE", "null"], "x": ["?", 1, "2"]}), wanted, "dict")


def test_a_model_without_a_reading_still_encodes(encoder: TableEncoder) -> None:
    state = encoder.state()
    del state["reading"]
    assert TableEncoder.restore(state).encode_inputs(COLUMNS).blocks


@pytest.mark.parametrize(
    ("word", "kind", "wanted"),
    [("1.0", "integer", "1"), ("001", "integer", "1"), ("1e3", "integer", "1000"), ("x", "integer", "x"), ("1_0", "integer", "1_0"),
     ("0.10", "float", "0.1"), ("1e999", "float", "1e999"), ("TRUE", "boolean", "true"), ("0", "boolean", "false"),
     ("maybe", "boolean", "maybe"), ("1.0", "boolean", "true"),
     ("2024-01-05 00:00:00", "date", "2024-01-05"), ("soon", "date", "soon"), ("１", "integer", "１")],
)  # fmt: skip
def test_a_word_has_one_spelling(word: str, kind: str, wanted: str) -> None:
    assert canonical(word, kind) == wanted
