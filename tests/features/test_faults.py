import logging
import re

import numpy as np
import pyarrow as pa
import pytest

from trainwright.config.choice import choose
from trainwright.config.errors import DataError, ManyErrors
from trainwright.data.source import TableSource
from trainwright.features.encoding import EncodedTable, TableEncoder
from trainwright.features.number import NumberFeature


class Division:
    train, validation, test = np.arange(60), np.arange(60, 80), np.arange(80, 100)


class FileLike(TableSource):
    def place(self, row: int) -> str:
        return f"row {row + 1} (line {row + 2})"


def table(mixed: dict[int, str] | None = None, **others: list[float]) -> pa.Table:
    texts = [(mixed or {}).get(row, str(row / 7)) for row in range(100)]
    return pa.table({"mixed": texts, "plain": np.sin(np.arange(100)), **others, "y": np.cos(np.arange(100.0))})


def fit(data: pa.Table, target: str = "y", **changes: dict) -> EncodedTable:
    columns = {name: choose("feature", {"type": "number", **changes.get(name, {})}) for name in data.column_names}
    return EncodedTable.fit(FileLike(data, "t.csv"), Division(), columns, [name for name in columns if name != target], [target])


def with_value(value: float, *rows: int) -> list[float]:
    return [value if row in rows else row / 3 for row in range(100)]


def test_text_in_a_number_column_names_all_rows_of_the_table_and_what_to_type() -> None:
    with pytest.raises(DataError) as caught:
        fit(table({5: "x", 90: "oops "}))
    error = caught.value
    assert str(error).startswith(
        "t.csv: column 'mixed' holds 2 texts that are not numbers: row 6 (line 7) 'x', row 91 (line 92) 'oops'\n"
        "  why: 98 of its 100 values are numbers, so its type is inferred as number where none is given"
    )
    for option in ("columns.mixed.invalid=missing", "columns.mixed=category", "columns.mixed=ignore"):
        assert option in error.fix


def test_a_bad_value_in_a_held_out_row_alone_is_found() -> None:
    with pytest.raises(DataError, match=r"holds text that is not a number: row 96 \(line 97\) 'x'$"):
        try:
            fit(table({95: "x"}))
        except DataError as error:
            raise DataError(error.what) from error


def test_more_than_five_rows_are_counted() -> None:
    with pytest.raises(DataError, match=r"9 texts that are not numbers: row 11 .* and 4 more"):
        fit(table(dict.fromkeys(range(10, 100, 10), "x")))


def test_faults_of_several_columns_come_together() -> None:
    data = table({5: "x"}, wild=with_value(np.inf, 3, 99), huge=with_value(1e300, 7), fine=with_value(0, 1))
    with pytest.raises(ManyErrors) as caught:
        fit(data)
    shown = [error.what for error in caught.value.errors]
    assert shown == [
        "column 'mixed' holds text that is not a number: row 6 (line 7) 'x'",
        "column 'wild' has 2 infinite values: row 4 (line 5), row 100 (line 101)",
        "column 'huge' has values too large to be scaled, up to 1e+300: row 8 (line 9)",
    ]
    assert "ignore=[huge]" in caught.value.errors[2].fix
    assert "columns.wild.infinity=missing" in caught.value.errors[1].fix


def test_errors_of_columns_of_other_types_are_kept() -> None:
    data = table({5: "x"}, other=["a", "b", "c", "d"] * 25)
    with pytest.raises(ManyErrors) as caught:
        fit(data, other={"type": "binary"})
    assert [re.sub(r"(column '\w+').*", r"\1", error.what) for error in caught.value.errors] == ["column 'mixed'", "column 'other'"]


def test_a_target_is_not_told_to_be_left_out() -> None:
    with pytest.raises(DataError) as caught:
        fit(table({5: "x"}), target="mixed")
    assert "invalid=missing" in caught.value.fix
    assert "ignore" not in caught.value.fix


def test_invalid_values_count_as_missing_where_asked_and_are_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "trainwright"):
        encoded = fit(table({5: "x", 90: "oops"}), mixed={"invalid": "missing"})
    assert (encoded.counts["mixed"].invalid, encoded.counts["mixed"].missing) == (2, 2)
    assert "note: column 'mixed': 2 values are not numbers and count as missing" in caplog.text
    feature = encoded.encoder.features["mixed"]
    assert isinstance(feature, NumberFeature) and feature.missing_in_training == 1
    again = TableEncoder.restore(encoded.encoder.state()).encode_inputs({"mixed": ["y", "1"], "plain": [1.0, 2.0]})
    assert again.counts["mixed"].invalid == 1


def test_a_target_with_infinite_values_drops_their_rows_where_asked() -> None:
    data = table(wild=with_value(np.inf, 3, 99))
    assert fit(data, target="wild", wild={"infinity": "missing"}).dropped[0].rows.tolist() == [3, 99]


def test_new_rows_with_text_are_told_that_options_need_a_new_training() -> None:
    encoder = fit(table()).encoder
    with pytest.raises(DataError) as caught:
        encoder.encode(FileLike(table({5: "x"}), "new.csv"))
    assert caught.value.why == "the model was trained on numbers; 99 of its 100 values are numbers"
    assert caught.value.fix.startswith("correct them; or train anew and count them as missing: columns.mixed.invalid=missing")
