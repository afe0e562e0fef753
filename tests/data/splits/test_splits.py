from __future__ import annotations

import datetime
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.config.errors import DataError
from trainwright.config.registry import options_class
from trainwright.data.hashing import row_hashes
from trainwright.data.source import Source
from trainwright.data.sources.opening import from_object
from trainwright.data.splits import split_columns
from trainwright.data.splits.base import Split, counts_of
from trainwright.data.splits.dividing import make_split, with_files
from trainwright.data.splits.files import refuse_lacking


def options(type: str, **given: object):
    return options_class("split", type).model_validate({"type": type, **given})


def divided(source: Source, type: str, *, seed: int = 0, targets=("y",), kinds=None, keep=None, **given: object) -> Split:
    kinds = {"y": "category", "z": "category"} if kinds is None else kinds
    return make_split(options(type, **given), source, seed, list(targets), kinds, keep)


def sizes(split: Split) -> list[int]:
    return [len(part) for part in split.parts().values()]


def table(rows: int = 200, classes: int = 3, seed: int = 0) -> Source:
    generator = np.random.default_rng(seed)
    day = np.datetime64("2020-01-01") + generator.integers(0, 300, rows)
    return from_object(
        {
            "x": generator.normal(size=rows),
            "y": np.arange(rows) % classes,
            "z": generator.integers(0, 2, rows),
            "group": generator.integers(0, 25, rows),
            "day": day.astype("M8[us]"),
            "part": [["train", "train", "Val", "test"][row % 4] for row in range(rows)],
            "fold": np.arange(rows) % 4,
        }
    )


KINDS = [
    ("auto", {}),
    ("random", {}),
    ("stratified", {}),
    ("grouped", {"column": "group"}),
    ("time", {"column": "day"}),
    ("kfold", {"fold": 1}),
    ("kfold", {"column": "fold", "fold": 2}),
    ("column", {"column": "part"}),
]


@pytest.mark.parametrize(("type", "given_"), KINDS)
@settings(max_examples=15, deadline=None)
@given(rows=st.integers(120, 300), seed=st.integers(0, 1000), dropped=st.integers(0, 20))
def test_every_usable_row_is_in_exactly_one_split(type: str, given_: dict, rows: int, seed: int, dropped: int) -> None:
    source = table(rows)  # of fewer rows a split may hold one class only, which is refused
    keep = np.ones(rows, bool)
    keep[:dropped] = False
    split = divided(source, type, seed=seed, keep=keep, **given_)
    together = np.concatenate(list(split.parts().values()))
    assert sorted(together.tolist()) == list(range(dropped, rows))
    assert all(part.dtype == np.int64 and (np.diff(part) > 0).all() for part in split.parts().values())
    again = divided(source, type, seed=seed, keep=keep, **given_)
    assert all((left == right).all() for left, right in zip(split.parts().values(), again.parts().values(), strict=True))


def test_the_seed_decides_the_rows_and_nothing_else_does() -> None:
    first = divided(table(), "random", seed=0)
    np.random.seed(5)
    assert (first.test == divided(table(), "random", seed=0).test).all()
    assert not np.array_equal(first.test, divided(table(), "random", seed=1).test)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.floats(0.01, 1), min_size=1, max_size=5))
def test_counts_make_the_total_and_are_within_one_of_their_share(total: int, shares: list[float]) -> None:
    counts = counts_of(total, shares)
    assert sum(counts) == total
    assert all(abs(count - total * share / sum(shares)) < 1 + 1e-6 for count, share in zip(counts, shares, strict=True))


@pytest.mark.parametrize("type", ["auto", "random", "stratified"])
def test_shares_are_kept(type: str) -> None:
    assert sizes(divided(table(1000), type)) == [700, 150, 150]
    assert sizes(divided(table(1000), type, validation=0.1, test=0.2)) == [700, 100, 200]
    assert sizes(divided(table(1000), type, train=0.9, validation=0.1, test=0)) == [900, 100, 0]


def test_shares_that_do_not_make_one_are_refused() -> None:
    with pytest.raises(ValueError, match="not 1"):
        options("random", train=0.5, validation=0.1, test=0.1)
    with pytest.raises(ValueError, match="nothing to train on"):
        options("random", validation=0.5, test=0.5)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(3, 80), min_size=2, max_size=12), st.integers(0, 100))
def test_stratified_splits_hold_every_class_in_proportion(counts: list[int], seed: int) -> None:
    y = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    if len(y) < 10:
        return
    split = divided(from_object({"x": np.arange(len(y)), "y": y}), "stratified", seed=seed)
    for label, count in enumerate(counts):
        for part, share in zip(split.parts().values(), (0.7, 0.15, 0.15), strict=True):
            held = int((y[part] == label).sum())
            assert held >= 1
            assert abs(held - count * share) <= 2


def test_several_targets_are_stratified_together() -> None:
    source = table(2000)
    split = divided(source, "auto", targets=("y", "z"))
    y, z = (source.read().column(name).to_numpy() for name in ("y", "z"))
    whole = Counter(zip(y.tolist(), z.tolist(), strict=True))
    test = Counter(zip(y[split.test].tolist(), z[split.test].tolist(), strict=True))
    assert all(abs(test[pair] - 0.15 * count) <= 2 for pair, count in whole.items())
    assert split.method == "stratified by y, z"


def test_number_targets_are_stratified_by_their_tenths() -> None:
    source = table(1000)
    split = divided(source, "stratified", targets=("x",), kinds={"x": "number"})
    x = source.read(columns=["x"]).column(0).to_numpy()
    median = np.median(x)
    assert abs((x[split.test] > median).mean() - 0.5) < 0.03
    assert divided(source, "auto", targets=("x",), kinds={"x": "number"}).method == "random"


@pytest.mark.parametrize("as_text", [True, False])
def test_label_sets_hold_every_label_in_proportion(as_text: bool) -> None:
    generator = np.random.default_rng(0)
    chances = {"a": 0.7, "b": 0.3, "c": 0.1, "d": 0.03}
    sets = [[label for label, chance in chances.items() if generator.random() < chance] or ["a"] for _ in range(2000)]
    source = from_object({"x": np.arange(2000), "y": ["|".join(labels) for labels in sets] if as_text else sets})
    split = divided(source, "auto", kinds={"y": "set"})
    assert sorted(np.concatenate(list(split.parts().values())).tolist()) == list(range(2000))
    for label in chances:
        has = np.array([label in labels for labels in sets])
        for part, share in zip(split.parts().values(), (0.7, 0.15, 0.15), strict=True):
            assert abs(has[part].sum() - share * has.sum()) <= max(3, 0.05 * share * has.sum())


def test_a_class_of_one_row_is_trained_on_and_noted() -> None:
    y = np.array([0] * 50 + [1] * 49 + [2])
    split = divided(from_object({"x": np.arange(100), "y": y}), "auto")
    assert 99 in split.train
    assert "2 (1)" in split.notes[0]


def test_mostly_rare_classes_are_not_stratified() -> None:
    y = np.array([0] * 30 + [1] * 30 + list(range(2, 42)))
    split = divided(from_object({"x": np.arange(100), "y": y}), "auto")
    assert split.method == "random"
    assert "not stratified" in split.notes[0]
    assert any("in no training row" in note for note in split.notes)


def test_groups_are_never_divided() -> None:
    source = table(500)
    split = divided(source, "grouped", column="group")
    group = source.read(columns=["group"]).column(0).to_numpy()
    parts = [set(group[part].tolist()) for part in split.parts().values()]
    assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]
    assert abs(len(split.train) - 350) < 40
    assert split_columns(options("grouped", column="group")) == ["group"]


def test_rows_without_a_group_are_alone() -> None:
    source = from_object({"group": ["a"] * 20 + [None] * 20, "y": [0, 1] * 20})
    split = divided(source, "grouped", column="group")
    assert {len(np.intersect1d(part, np.arange(20))) for part in split.parts().values()} == {0, 20}


def test_too_few_groups_are_refused() -> None:
    with pytest.raises(DataError, match="2 groups, too few for 3 splits"):
        divided(from_object({"group": [1, 2] * 10, "y": [0, 0, 1, 1] * 5}), "grouped", column="group")


def test_time_splits_are_in_order_and_do_not_divide_a_time() -> None:
    source = table(900)
    split = divided(source, "time", column="day")
    day = source.read(columns=["day"]).column(0).to_numpy()
    assert day[split.train].max() < day[split.validation].min()
    assert day[split.validation].max() < day[split.test].min()
    assert abs(len(split.train) - 630) < 10


@pytest.mark.parametrize(
    "values",
    [
        [datetime.date(2020, 1, 1) + datetime.timedelta(row) for row in range(40)],
        [(datetime.date(2020, 1, 1) + datetime.timedelta(row)).strftime("%d.%m.%Y") for row in range(40)],
        [(datetime.date(2020, 1, 1) + datetime.timedelta(row)).isoformat() for row in range(40)],
        *(
            [form.format(year=1990 + row // 12, month=row % 12 + 1) for row in range(40)]
            for form in ("{month:02d}/{year}", "{year}/{month:02d}", "{month:02d}.{year}", "{month}-{year}", "{year}-{month:02d}")
        ),
        [datetime.date(1990 + row // 12, row % 12 + 1, 1).strftime("%b %Y") for row in range(40)],
        list(range(40)),
        [row / 7 for row in range(40)],
    ],
)
def test_times_may_be_written_in_many_ways(values: list) -> None:
    source = from_object({"day": pa.array(values[::-1]), "y": [0, 1] * 20})
    assert divided(source, "time", column="day").test.tolist() == list(range(6))


def test_a_column_without_times_is_refused() -> None:
    with pytest.raises(DataError, match="holds no times"):
        divided(table(), "time", column="part")


def test_a_column_says_the_split() -> None:
    split = divided(table(40), "column", column="part")
    assert split.validation.tolist() == list(range(2, 40, 4))
    numbers = divided(from_object({"s": [0.0, 0.0, 1.0, 2.0] * 5, "y": [0, 1, 0, 0, 0, 0, 1, 1] * 2 + [0, 1, 0, 1]}), "column", column="s")
    assert sizes(numbers) == [10, 5, 5]
    with pytest.raises(DataError, match="name no split: Val") as caught:
        divided(table(40), "column", column="part", validation=["dev"])
    assert "row 3" in caught.value.why
    with pytest.raises(DataError, match="no column 'parts'"):
        divided(table(40), "column", column="parts")


@pytest.mark.parametrize("extra", [{}, {"column": "fold"}])
def test_folds_test_every_row_once(extra: dict) -> None:
    source = table(103)
    tests = [divided(source, "kfold", folds=4, fold=fold, **extra).test for fold in range(4)]
    assert sorted(np.concatenate(tests).tolist()) == list(range(103))


def test_an_unknown_fold_is_refused() -> None:
    with pytest.raises(DataError, match="no fold 7"):
        divided(table(), "kfold", fold=7)
    with pytest.raises(DataError, match="no row has fold '9'"):
        divided(table(), "kfold", fold=9, column="fold")


@pytest.mark.parametrize("given_files", [("validation", "test"), ("test",), ("validation",)])
def test_given_files_are_the_splits(write, opened, given_files: tuple[str, ...]) -> None:
    train = write("x,y\n" + "".join(f"{row},{'ab'[row % 2]}\n" for row in range(40)), "train.csv")
    paths = {
        "validation": write("y,x\n" + "a,0.5\nb,1.5\n" * 3, "validation.csv"),
        "test": write("x,y\n" + ",a\n,b\n" * 4, "test.csv"),
    }
    chosen = options("files", **{name: str(paths[name]) for name in given_files})
    source = with_files(chosen, opened(train), 1 << 30)
    split = make_split(chosen, source, 0, ["y"], {"y": "binary"})
    start = 40
    for name in ("validation", "test"):
        size = {"validation": 6, "test": 8}[name]
        if name in given_files:
            assert split.parts()[name].tolist() == list(range(start, start + size))
            start += size
        else:
            assert sizes(split)[1 if name == "validation" else 2] == 6
    assert source.schema.field("x").type in (pa.float64(), pa.int64())
    rows = np.array([len(source) - 1, 0])
    assert source.read(rows).column("y").to_pylist() == ["b", "a"]
    assert pa.concat_tables(source.batches(rows=7)).equals(source.read().combine_chunks())
    assert source.place(40) == f"row 1 (line 2) of {given_files[0]}.csv"
    assert len(source.fingerprint()["parts"]) == 1 + len(given_files)


def test_a_file_that_lacks_a_column_that_is_used_is_refused_and_others_may_differ(write, opened) -> None:
    train = write("x,unused,y\n" + "".join(f"{row},a,{'ab'[row % 2]}\n" for row in range(40)), "train.csv")
    validation = write("y,more,x\n" + "a,?,0.5\nb,?,1.5\n" * 3, "validation.csv")
    chosen = options("files", validation=str(validation), test=str(write("x,z\n1,2\n3,4\n", "test.csv")))
    source = with_files(chosen, opened(train), 1 << 30)
    assert source.schema.names == ["x", "unused", "y"] and any(
        "validation.csv: columns that train.csv has not" in each for each in source.notes
    )
    assert source.read(np.array([47, 40, 0])).to_pylist() == [
        {"x": 3.0, "unused": None, "y": None}, {"x": 0.5, "unused": None, "y": "a"}, {"x": 0.0, "unused": "a", "y": "a"},
    ]  # fmt: skip
    assert pa.concat_tables(source.batches(rows=7)).equals(source.read().combine_chunks())
    assert source.read(columns=["unused"]).num_rows == 48
    with pytest.raises(DataError, match=r"'test\.csv' does not have the columns") as caught:
        refuse_lacking(source, ["x", "y"])
    assert "missing: y" in str(caught.value)
    with pytest.raises(DataError, match=r"'validation\.csv' does not have the columns"):
        refuse_lacking(source, ["unused", "y"], ["y"])
    with pytest.raises(DataError, match=r"missing: unused\n") as caught:  # test rows may lack the target, and no target is left out
        refuse_lacking(with_files(options("files", test=chosen.test), opened(train), 1 << 30), ["unused", "x"], ["y"])
    assert caught.value.fix.endswith("add it to the file, or do without: ignore=[unused]")
    with pytest.raises(DataError, match="missing: y") as caught:
        refuse_lacking(with_files(options("files", validation=chosen.test), opened(train), 1 << 30), ["x"], ["y"])
    assert "ignore" not in caught.value.fix
    assert refuse_lacking(source, ["x"], ["y"]) == [
        "test.csv has no 'y', so that nothing is measured on its rows; predict answers them: trainwright predict RUN test.csv"
    ]
    split = make_split(chosen, source, 0, ["y"], {"y": "binary"})
    assert sizes(split) == [40, 6, 0] and not refuse_lacking(opened(train), ["none"])


@pytest.mark.parametrize("type", ["auto", "random", "stratified", "grouped", "kfold"])
def test_a_seed_of_the_split_alone_divides_alike_under_every_seed_of_a_run(type: str) -> None:
    extra = {"column": "group"} if type == "grouped" else {}
    rows, kinds = table(), {"y": "category"}
    chosen = {mine: options(type, **extra, **({} if mine is None else {"seed": mine})) for mine in (None, 5)}
    own = [make_split(chosen[mine], rows, seed, ["y"], kinds) for seed, mine in ((1, None), (2, None), (1, 5), (2, 5))]
    assert not np.array_equal(own[0].test, own[1].test) and [each.seed for each in own] == [1, 2, 5, 5]
    assert np.array_equal(own[2].test, own[3].test) and np.array_equal(own[2].test, make_split(chosen[None], rows, 5, ["y"], kinds).test)
    with pytest.raises(ValueError, match="seed"):
        options("time", column="day", seed=1)


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(DataError, match="too few rows"):
        divided(from_object({"y": [0, 1, 0]}), "auto")
    with pytest.raises(DataError, match="too few rows") as caught:
        divided(from_object({"x": np.arange(30), "y": pa.array([1, 2, *[None] * 28])}), "auto")
    assert "2 of them with a target" in caught.value.why


def test_rows_without_a_target_are_in_no_split() -> None:
    source = from_object({"x": np.arange(40), "y": pa.array([None, 0, 1, 1] * 10)})
    assert sum(sizes(divided(source, "auto"))) == 30


def test_one_class_in_a_split_is_refused() -> None:
    source = from_object({"day": np.arange(40), "y": [0] * 20 + [1] * 20})
    with pytest.raises(DataError, match="hold one class of 'y' only: 0") as caught:
        divided(source, "time", column="day", train=0.5, validation=0.25, test=0.25)
    assert "stratified" in caught.value.fix
    single = from_object({"day": np.arange(400), "y": [1, *[0] * 399]})
    with pytest.raises(DataError, match="one class of 'y' only: 0") as caught:
        divided(single, "stratified")
    assert "'1' has 1" in caught.value.fix and "stratified" not in caught.value.fix
    assert caught.value.fix.endswith("data.split=random data.split.validation=0 data.split.test=0 trains on all rows and measures nothing")
    assert sizes(divided(single, "random", validation=0, test=0)) == [400, 0, 0]


def test_an_empty_split_is_refused() -> None:
    with pytest.raises(DataError, match="no test rows"):
        divided(table(20), "random", test=0.01, validation=0.3)
    with pytest.raises(DataError, match="no training rows"):
        divided(table(40), "column", column="part", train=["none"], validation=["train", "val"], test=["test"])


def test_the_record_holds_rows_and_hashes() -> None:
    source = table(50)
    hashes = row_hashes(source)
    split = make_split(options("auto"), source, 0, ["y"], {"y": "category"}, hashes=hashes)
    record = split.record().to_pydict()
    assert record["row"] == list(range(50))
    assert record["hash"] == hashes.tolist()
    assert Counter(record["split"]) == {"train": len(split.train), "validation": len(split.validation), "test": len(split.test)}
    assert len(split.without_training(split.train[:3]).train) == len(split.train) - 3


def test_the_order_of_day_and_month_in_a_time_split_is_stated_and_can_be_given() -> None:
    written = [f"{row % 12 + 1:02d}/{row // 12 + 1:02d}/2020" for row in range(40)]
    source = from_object({"day": written, "x": range(40), "y": [0, 1] * 20})
    by_time = options("time", column="day")
    assumed = make_split(by_time, source, 0, ["y"], {"y": "binary"})
    assert any("month first" in note for note in assumed.notes)
    given = make_split(by_time, source, 0, ["y"], {"y": "binary"}, orders={"day": "day_first"})
    assert any("day first" in note for note in given.notes)
    assert given.test.tolist() != assumed.test.tolist()
    decided = from_object({"day": [*written, "13/01/2020"], "x": range(41), "y": [0, 1] * 20 + [0]})
    assert any("day first" in note for note in make_split(by_time, decided, 0, ["y"], {"y": "binary"}).notes)


@pytest.mark.parametrize("absent", [5, 60])
@pytest.mark.parametrize("kind", ["date", "number", "text"])
def test_rows_without_a_time_are_all_in_training_and_said(absent: int, kind: str) -> None:
    rows = 100
    generator = np.random.default_rng(0)
    lost = generator.permutation(rows)[:absent]
    days = np.datetime64("2020-01-01") + generator.permutation(rows)
    values = {"date": days.astype("M8[us]"), "number": (days - days.min()).astype(float), "text": days.astype(str).astype(object)}[kind]
    values[lost] = {"date": np.datetime64("NaT"), "number": np.nan, "text": None}[kind]
    split = divided(from_object({"y": np.arange(rows) % 2, "x": np.arange(rows), "day": values}), "time", column="day")
    assert set(lost) <= set(split.train.tolist())
    kept = np.setdiff1d(np.arange(rows), lost)
    ordered = kept[np.argsort(days[kept])]
    assert set(split.test) == set(ordered[-len(split.test) :]) and len(split.test) == round(0.15 * len(kept))
    assert f"{absent} rows have no time in 'day': they are all in training, the others are divided by it" in split.notes


def test_rows_without_a_group_are_one_each_and_it_is_said_where_they_went() -> None:
    groups = np.array([None if row % 4 == 0 else f"g{row % 30}" for row in range(200)], object)
    split = divided(from_object({"y": np.arange(200) // 31 % 2, "group": groups}), "grouped", column="group")
    lost = np.flatnonzero(groups == None)  # noqa: E711
    counts = [len(np.intersect1d(part, lost)) for part in split.parts().values()]
    note = "; ".join(split.notes)
    assert f"50 rows have no group in 'group': each is one of its own, {counts[0]} in training" in note and sum(counts) == 50
    for part in split.parts().values():
        others = np.setdiff1d(np.arange(200), part)
        assert not set(groups[part]) - {None} & set(groups[others]) - {None}


def test_rows_without_a_fold_are_said_and_never_tested() -> None:
    folds = pa.array([None if row % 10 == 0 else row % 3 for row in range(90)])
    source = from_object({"y": pa.array([row % 2 for row in range(90)]), "x": pa.array(range(90)), "fold": folds})
    split = divided(source, "kfold", column="fold", fold=1)
    assert not any(row % 10 == 0 for row in split.test)
    assert any("9 rows have no fold in 'fold' and are never tested: " in note for note in split.notes)
    with pytest.raises(DataError, match="no row has fold 'missing'"):
        divided(source, "kfold", column="fold", fold="missing")


@pytest.mark.parametrize(("type", "empty"), [("time", np.full(40, np.nan)), ("grouped", np.full(40, np.nan)), ("grouped", [None] * 40)])
def test_a_column_without_any_value_divides_nothing(type: str, empty: object) -> None:
    with pytest.raises(DataError, match="column 'by' has no value in any row"):
        divided(from_object({"y": np.arange(40) % 2, "by": empty}), type, column="by")
