import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from trainwright.config.choice import choose
from trainwright.config.errors import ConfigError, DataError, ManyErrors, RunError
from trainwright.data.source import TableSource
from trainwright.features.base import Counts
from trainwright.features.encoding import EncodedTable, TableEncoder


@dataclass
class Division:
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def division(rows: int, seed: int = 0) -> Division:
    order = np.random.default_rng(seed).permutation(rows)
    return Division(*np.split(order, [rows * 6 // 10, rows * 8 // 10]))


def people(rows: int = 200, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    age = rng.normal(40, 10, rows)
    return pa.table(
        {
            "age": pa.array(age, mask=rng.random(rows) < 0.1),
            "income": np.exp(rng.normal(10, 1, rows)),
            "member": rng.random(rows) < 0.5,
            "city": pa.array(rng.choice(["Rome", "Oslo", "Lima"], rows).tolist(), mask=rng.random(rows) < 0.1),
            "tags": [" ".join(rng.choice(["x", "y", "z"], 2)) for _ in range(rows)],
            "words": [" ".join(rng.choice(["one", "two", "three"], 4)) for _ in range(rows)],
            "joined": pa.array(rng.integers(0, 10**9, rows), pa.timestamp("s")),
            "path": pa.array(rng.normal(size=(rows, 3)).tolist()),
            "sender": rng.choice(["a", "b", "c"], rows),
            "receiver": rng.choice(["b", "c", "d"], rows),
            "bought": rng.choice(["no", "yes"], rows),
            "spent": rng.normal(size=rows),
        }
    )


TYPES = {
    "age": "number", "income": "number", "member": "binary", "city": "category", "tags": "set", "words": "text", "joined": "date",
    "path": "vector", "sender": "category", "receiver": "category", "bought": "binary", "spent": "number",
}  # fmt: skip
INPUTS = [name for name in TYPES if name not in ("bought", "spent")]
TIED = {"who": ["sender", "receiver"]}


def columns(**changes) -> dict:
    return {name: choose("feature", changes.get(name, kind)) for name, kind in TYPES.items()}


def fit(table: pa.Table, split: Division | None = None, changes: dict | None = None, **options) -> EncodedTable:
    source = TableSource(table, "people.csv")
    targets = ["bought", "spent"]
    return EncodedTable.fit(source, split or division(len(source)), columns(**(changes or {})), INPUTS, targets, tied=TIED, **options)


def same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    return first.keys() == second.keys() and all(
        first[key].dtype == second[key].dtype and first[key].tobytes() == second[key].tobytes() for key in first
    )


def test_single_values_form_groups_and_the_rest_a_group_each() -> None:
    encoded = fit(people())
    groups = {group.name: group for group in encoded.spec.inputs}
    assert list(groups) == ["number", "binary", "category", "tags", "words", "date", "path", "who"]
    assert groups["number"].columns == ["age", "income"]
    assert groups["number"].parts == {"value": (2,), "missing": (2,)}
    assert groups["number"].extras["indicators"] == [0]
    assert np.shape(groups["number"].extras["quantiles"]) == (2, 49)
    assert groups["category"].sizes == [5]
    assert groups["who"].tied == "who" and groups["who"].sizes == [5, 5]
    assert groups["path"].parts == {"value": (1, 3)}
    assert groups["words"].parts["tokens"] == (1, 4)


def test_blocks_have_the_shapes_and_types_the_spec_promises() -> None:
    encoded = fit(people())
    for group in encoded.spec.inputs:
        for part, shape in group.parts.items():
            assert encoded.blocks[f"{group.name}.{part}"].shape == (200, *shape)
    assert encoded.blocks["number.value"].dtype == np.float32
    assert encoded.blocks["category.index"].dtype == encoded.blocks["target.bought"].dtype == np.int64
    assert encoded.blocks["target.spent"].dtype == np.float32
    assert [target.name for target in encoded.spec.targets] == ["bought", "spent"]
    assert encoded.spec.rows == len(encoded.train) == 120


def test_statistics_come_from_training_rows_alone() -> None:
    table, split = people(), division(200)
    changed = table.to_pydict()
    for row in np.concatenate([split.validation, split.test]):
        changed["age"][row], changed["city"][row] = 1e6, "Atlantis"
    before, after = fit(table, split), fit(pa.table(changed, schema=table.schema), split)
    assert before.encoder.state() == after.encoder.state()
    np.testing.assert_array_equal(before.blocks["number.value"][before.train], after.blocks["number.value"][after.train])
    assert after.counts["city"].unknown == 80


def test_training_values_are_standardised() -> None:
    encoded = fit(people(2_000), changes={"age": {"type": "number", "scale": "standard", "missing": "mean"}})
    values = encoded.blocks["number.value"][encoded.train, 0]
    assert values.mean() == pytest.approx(0, abs=1e-5)


def test_positions_point_at_the_rows_of_the_split() -> None:
    table = people()
    encoded, split = fit(table), division(200)
    np.testing.assert_array_equal(encoded.rows[encoded.test], split.test)
    members = np.array(table["member"].to_pylist())
    np.testing.assert_array_equal(encoded.blocks["binary.value"][encoded.test, 0] == 1, members[split.test])


def test_mapped_blocks_have_the_same_bits_as_blocks_in_memory(tmp_path: Path) -> None:
    in_memory, mapped = fit(people()), fit(people(), memory_limit=100, directory=tmp_path / "blocks")
    temporary = fit(people(), memory_limit=100)
    assert isinstance(mapped.blocks["number.value"], np.memmap)
    assert same(in_memory.blocks, mapped.blocks)
    assert same(in_memory.blocks, temporary.blocks)
    assert any((tmp_path / "blocks").iterdir())


def test_several_batches_give_the_same_bits_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class InPieces(TableSource):
        def batches(self, columns=None, rows=65_536):
            return super().batches(columns, 37)

    split = division(200)
    pieces = EncodedTable.fit(InPieces(people(), "people.csv"), split, columns(), INPUTS, ["bought", "spent"], tied=TIED)
    assert same(pieces.blocks, fit(people(), split).blocks)
    assert pieces.encoder.state() == fit(people(), split).encoder.state()


def test_threads_give_the_same_bits_as_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = fit(people())
    monkeypatch.setattr("trainwright.features.workers.WORTH_THREADS", 0)
    assert same(alone.blocks, fit(people()).blocks)


def test_the_state_is_json_and_encodes_new_rows_to_the_same_bits() -> None:
    encoded = fit(people())
    restored = TableEncoder.restore(json.loads(json.dumps(encoded.encoder.state())))
    assert same(encoded.blocks, restored.encode(TableSource(people(), "again")).blocks)
    assert restored.state() == encoded.encoder.state()
    assert restored.spec == encoded.spec


def test_a_state_from_a_newer_format_is_refused() -> None:
    with pytest.raises(RunError, match="format 99"):
        TableEncoder.restore(fit(people()).encoder.state() | {"format": 99})


def test_new_rows_need_no_targets_and_extra_columns_are_reported() -> None:
    encoder = fit(people()).encoder
    new = people(30, seed=1).drop(["bought", "spent"]).append_column("extra", pa.nulls(30))
    encoded = encoder.encode_inputs(TableSource(new, "new.csv"))
    assert encoded.extra_columns == ["extra"]
    assert not [key for key in encoded.blocks if key.startswith("target.")]
    assert len(encoded.rows) == 30
    assert same(encoded.blocks, encoder.encode_inputs(new).blocks)
    assert same(encoded.blocks, encoder.encode(TableSource(new, "new.csv")).blocks)


def test_a_missing_column_is_an_error_that_offers_the_nearest() -> None:
    encoder = fit(people()).encoder
    new = people().rename_columns({"income": "incomes", "age": "Age"})
    with pytest.raises(DataError, match=r"new\.csv: missing columns 'age', 'income'") as caught:
        encoder.encode_inputs(TableSource(new, "new.csv"))
    assert caught.value.fix == "did you mean 'Age' for 'age', 'incomes' for 'income'?"


def test_rows_without_a_target_are_left_out_and_reported() -> None:
    table = people()
    table = table.set_column(table.column_names.index("bought"), "bought", pa.array([None, *table["bought"].to_pylist()[1:]]))
    encoded = fit(table)
    assert len(encoded.rows) == 199
    assert encoded.dropped[0].summary() == {"reason": "no usable value in target 'bought'", "count": 1, "rows": [0]}
    assert 0 not in encoded.rows
    assert len(encoded.train) + len(encoded.validation) + len(encoded.test) == 199


def test_rows_with_a_missing_input_are_left_out_where_asked() -> None:
    table = people()
    encoded = fit(table, changes={"age": {"type": "number", "missing": "drop"}})
    assert [each.column for each in encoded.dropped] == ["age"]
    np.testing.assert_array_equal(encoded.dropped[0].rows, np.flatnonzero(table["age"].is_null().to_numpy()))
    assert not any(group.extras.get("indicators") for group in encoded.spec.inputs)


def test_new_rows_with_unusable_values_are_left_out_and_the_others_keep_their_row_numbers() -> None:
    encoder = fit(people(), changes={"age": {"type": "number", "missing": "drop"}}).encoder
    new = people(50, seed=3)
    encoded = encoder.encode_inputs(TableSource(new, "new.csv"))
    np.testing.assert_array_equal(encoded.rows, np.flatnonzero(new["age"].is_valid().to_numpy()))


def test_rows_in_no_split_are_not_encoded() -> None:
    split = Division(np.arange(10, 50), np.arange(60, 80), np.arange(90, 100))
    encoded = fit(people(), split)
    np.testing.assert_array_equal(encoded.rows, np.concatenate([split.train, split.validation, split.test]))


def test_missing_and_unknown_values_are_counted() -> None:
    encoder = fit(people()).encoder
    new = people(3).to_pydict()
    new["city"], new["age"] = ["Rome", "Paris", None], [None, None, 1.0]
    encoded = encoder.encode_inputs(pa.table(new, schema=people().schema))
    assert encoded.counts["city"] == Counts(missing=1, unknown=1)
    assert encoded.counts["age"] == Counts(missing=2)


def test_tied_columns_share_their_vocabulary() -> None:
    encoded = fit(people())
    assert encoded.encoder.features["sender"].classes == encoded.encoder.features["receiver"].classes == ["a", "b", "c", "d"]
    assert [feature.name for feature in encoded.encoder.features.values()] == [*INPUTS, "bought", "spent"]


def test_tied_columns_must_be_inputs_of_one_type() -> None:
    source = TableSource(people(), "people.csv")
    for tied, message in [
        ({"t": ["age", "city"]}, "different types"),
        ({"t": ["agee"]}, "not an input"),
        ({"t": ["age"], "u": ["age"]}, "twice"),
    ]:
        with pytest.raises(ConfigError, match=message):
            EncodedTable.fit(source, division(200), columns(), INPUTS, ["bought"], tied=tied)


def test_mistakes_in_several_columns_are_told_at_once_with_the_place_of_each() -> None:
    table = people().to_pydict()
    table["age"], table["income"] = ["old", *["1"] * 199], [*["1"] * 199, "rich"]
    split = Division(np.arange(200), np.arange(0), np.arange(0))
    with pytest.raises(ManyErrors) as caught:
        fit(pa.table(table), split)
    assert "row 1 'old'" in str(caught.value) and "row 200 'rich'" in str(caught.value)


def test_a_class_that_only_validation_rows_have_is_an_error_or_dropped() -> None:
    table = pa.table({"x": np.arange(10.0), "y": ["a", "b"] * 4 + ["c", "a"]})
    split = Division(np.arange(8), np.array([8, 9]), np.arange(0))
    kinds = {"x": choose("feature", "number"), "y": choose("feature", "category")}
    with pytest.raises(DataError, match="row 9 'c'"):
        EncodedTable.fit(TableSource(table, "t"), split, kinds, ["x"], ["y"])
    kinds["y"] = choose("feature", {"type": "category", "unseen": "drop"})
    encoded = EncodedTable.fit(TableSource(table, "t"), split, kinds, ["x"], ["y"])
    np.testing.assert_array_equal(encoded.rows[encoded.validation], [9])


def test_a_constant_target_is_an_error() -> None:
    table = people().set_column(people().column_names.index("bought"), "bought", pa.array(["no"] * 200))
    with pytest.raises(DataError, match="target 'bought' is constant"):
        fit(table)


def test_ignored_columns_and_targets_are_no_inputs() -> None:
    encoder = TableEncoder(columns(age="ignore"), [*INPUTS, "bought"], ["bought"], {})
    assert "age" not in encoder.inputs and "bought" not in encoder.inputs
    with pytest.raises(DataError, match="no input columns"):
        TableEncoder(columns(age="ignore"), ["age"], ["bought"], {})


def test_no_training_rows_left_is_an_error() -> None:
    table = pa.table({"x": pa.nulls(4, pa.float64()), "y": [0, 1, 0, 1]})
    kinds = {"x": choose("feature", {"type": "number", "missing": "drop"}), "y": choose("feature", "binary")}
    with pytest.raises(DataError, match="no training rows are left"):
        EncodedTable.fit(TableSource(table, "t"), Division(np.arange(4), np.arange(0), np.arange(0)), kinds, ["x"], ["y"])


def test_groups_named_alike_get_different_names() -> None:
    table = pa.table({"number": pa.array([[1.0, 2], [3, 4]]), "a.b": [1.0, 2.0], "a_b": pa.array([[1.0], [2]]), "y": [0, 1]})
    kinds = {name: choose("feature", kind) for name, kind in {"number": "vector", "a.b": "number", "a_b": "vector", "y": "binary"}.items()}
    split = Division(np.arange(2), np.arange(0), np.arange(0))
    encoded = EncodedTable.fit(TableSource(table, "t"), split, kinds, ["number", "a.b", "a_b"], ["y"])
    assert [group.name for group in encoded.spec.inputs] == ["number", "number_2", "a_b"]


def test_encoding_imports_neither_torch_nor_pandas_nor_scipy() -> None:
    code = (
        "import sys, trainwright.features.encoding, trainwright.features.number, trainwright.features.date, trainwright.features.category;"
        "print([name for name in ('torch', 'pandas', 'sklearn', 'scipy', 'tokenizers') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_a_bad_target_value_is_named_with_its_own_row_in_every_batch() -> None:
    class InPieces(TableSource):
        def batches(self, columns=None, rows=65_536):
            return super().batches(columns, 3)

    table = pa.table({"x": np.arange(10.0), "y": [*map(str, range(9)), "many"]})
    kinds = {"x": choose("feature", "number"), "y": choose("feature", "number")}
    with pytest.raises(DataError, match="row 10 'many'"):
        EncodedTable.fit(InPieces(table, "t"), Division(np.arange(10), np.arange(0), np.arange(0)), kinds, ["x"], ["y"])


def test_a_missing_column_without_a_near_new_name_lists_what_the_model_needs() -> None:
    encoder = fit(people()).encoder
    with pytest.raises(DataError, match="missing column 'age'") as caught:
        encoder.encode_inputs(TableSource(people().drop(["age", "bought", "spent"]), "new.csv"))
    assert caught.value.fix == "the model needs the columns " + ", ".join(f"'{name}'" for name in INPUTS)
