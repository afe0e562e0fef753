from __future__ import annotations

import datetime

import numpy as np
import pyarrow as pa
import pytest

from trainwright.config.errors import DataError
from trainwright.data.inference import Inferred, infer
from trainwright.data.profile import profile
from trainwright.data.sources.opening import from_object
from trainwright.features.date import DateFeature
from trainwright.features.options import DateOptions

N = 60
GENERATOR = np.random.default_rng(0)
WORDS = ["red", "green", "blue", "grey"]


def inferred(values: object, name: str = "x", target: bool = False) -> Inferred:
    filler = {"other": np.arange(len(values)) % 7}
    found = infer(profile(from_object({name: values, **filler})), [name] if target else [])
    return found[0]


SENTENCES = [f"the {WORDS[row % 4]} one was seen {row} times near the house" for row in range(N)]
INPUTS = {
    "number": [
        GENERATOR.normal(size=N),
        GENERATOR.integers(0, 100, N),
        np.tile([1, 2, 3], 20),
        np.arange(N) + 1950,
        [f" {value:.3f}" for value in GENERATOR.normal(size=N)],
        [*map(str, range(N - 3)), "unknown", "unknown", "-"],
    ],
    "binary": [np.tile([True, False], 30), np.tile([0, 1], 30), np.tile(["yes", "no"], 30), np.tile([0.0, 1.0], 30), ["a", "b", None] * 20],
    "category": [np.tile(WORDS, 15), [f"{row % 12:05d}" for row in range(N)], ["only", None] * 30],
    "date": [
        [datetime.date(2020, 1, 1) + datetime.timedelta(row) for row in range(N)],
        [datetime.datetime(2020, 1, 1, row % 24) for row in range(N)],
        [f"{row % 28 + 1:02d}.03.2020" for row in range(N)],
        [f"3/{row % 28 + 1}/2020 10:30" for row in range(N)],
        [f"March {row % 28 + 1}, 2020" for row in range(N)],
        [f"{row % 28 + 1} Mar 2020" for row in range(N)],
    ],
    "vector": [np.zeros((N, 3)), [f"{row} 2.5 3e2" for row in range(N)], [f"[{row}, 2, 3, 4]" for row in range(N)]],
    "timeseries": [[[1.0] * (1 + row % 5) for row in range(N)], [" ".join(map(str, range(3 + row % 5))) for row in range(N)]],
    "set": [
        [[WORDS[row % 4], "big"] for row in range(N)],
        ["|".join(sorted(GENERATOR.choice(WORDS, 1 + row % 3, replace=False))) for row in range(N)],
        [", ".join(sorted(GENERATOR.choice(WORDS, 1 + row % 3, replace=False))) for row in range(N)],
    ],
    "sequence": [[[WORDS[row % 4]] * 2 + ["end"] for row in range(N)]],
    "text": [SENTENCES],
    "ignore": [
        [None] * N,
        ["same"] * N,
        np.arange(N),
        np.arange(1, N + 1),
        [f"code-{row * 7919}" for row in range(N)],
        [f"model {row % 40} special" for row in range(N)],
        [b"bytes"] * N,
        [datetime.timedelta(0)] * N,
    ],
}


@pytest.mark.parametrize(("kind", "values"), [(kind, values) for kind, examples in INPUTS.items() for values in examples])
def test_inputs_get_the_type_their_values_have(kind: str, values: object) -> None:
    found = inferred(values)
    assert found.type == kind, found
    assert found.why


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("customer_id", GENERATOR.permutation(1000)[:N], "ignore"),
        ("UserID", GENERATOR.permutation(1000)[:N], "ignore"),
        ("day", np.arange(N), "number"),
        ("income", GENERATOR.permutation(1000)[:N], "number"),
        ("zip_code", np.tile([10115, 20095, 80331], 20), "category"),
        ("class", np.tile([1, 2, 3], 20), "category"),
        ("pclass", np.tile([1, 2, 3], 20), "number"),
    ],
)
def test_names_decide_where_values_do_not(name: str, values: object, kind: str) -> None:
    assert inferred(values, name).type == kind


def test_a_row_number_is_used_when_there_is_nothing_else() -> None:
    found = infer(profile(from_object({"x": np.arange(N), "y": np.tile([0, 1], 30)})), ["y"])
    assert found[0].type == "number"
    assert "nothing else" in found[0].warnings[0]


def test_an_id_is_warned_of() -> None:
    assert "id" in inferred(np.arange(N)).warnings[0]
    assert "id" in inferred([f"code-{row}" for row in range(N)]).warnings[0]


def test_a_mostly_missing_column_is_warned_of() -> None:
    assert "missing" in inferred([1.0, *[None] * 9, 2.0, *[None] * 9, 3.0]).warnings[0]


def test_words_among_numbers_are_named() -> None:
    assert "'unknown'" in inferred([*map(str, range(N - 3)), "unknown", "unknown", "-"]).warnings[0]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.tile([0, 1], 30), "binary"),
        (np.tile([3, 7], 30), "binary"),
        (np.tile(["yes", "no"], 30), "binary"),
        (np.tile([1, 2, 3], 20), "category"),
        (np.tile([1.0, 2.0, 3.0], 20), "category"),
        (np.tile([0.5, 1.0, 1.5], 20), "number"),
        (np.tile([0, 100, 1000], 20), "number"),
        (np.tile([-1, 0, 1], 20), "number"),
        (np.arange(N) % 25, "number"),
        (GENERATOR.normal(size=N), "number"),
        (np.tile(WORDS, 15), "category"),
        (np.zeros((N, 3)) + np.arange(3), "vector"),
        (["|".join(sorted(GENERATOR.choice(WORDS, 1 + row % 3, replace=False))) for row in range(N)], "set"),
    ],
)
def test_targets_get_a_type_that_can_be_predicted(values: object, kind: str) -> None:
    assert inferred(values, target=True).type == kind


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([None] * N, "has no values"),
        ([5] * N, "is constant"),
        (["same", None] * 30, "is constant"),
        (SENTENCES, "cannot be predicted"),
        ([f"code-{row}" for row in range(N)], "cannot be predicted"),
        ([datetime.date(2020, 1, 1) + datetime.timedelta(row) for row in range(N)], "cannot be predicted"),
    ],
)
def test_targets_that_cannot_be_predicted_are_refused(values: object, words: str) -> None:
    with pytest.raises(DataError, match=words):
        inferred(values, target=True)


def test_a_missing_target_names_the_nearest() -> None:
    with pytest.raises(DataError, match="survivd") as caught:
        infer(profile(from_object({"survived": [0, 1]})), ["survivd"])
    assert "did you mean 'survived'" in caught.value.fix


def test_given_types_are_kept() -> None:
    profiles = profile(from_object({"id": np.arange(N), "y": SENTENCES}))
    found = infer(profiles, ["y"], {"id": "number", "y": "text"})
    assert [each.type for each in found] == ["number", "text"]


YEAR_MONTHS = [(1949 + row // 12, row % 12 + 1) for row in range(N)]
NAMES = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


@pytest.mark.parametrize(
    "values",
    [
        [f"{year}-{month:02d}" for year, month in YEAR_MONTHS],
        [f"{year}/{month}" for year, month in YEAR_MONTHS],
        [f"{month:02d}/{year}" for year, month in YEAR_MONTHS],
        [f"{month:02d}.{year}" for year, month in YEAR_MONTHS],
        [f"{NAMES[month - 1]} {year}" for year, month in YEAR_MONTHS],
    ],
)
def test_months_are_dates_whose_first_day_is_read_and_classes_where_they_are_predicted(values: list[str]) -> None:
    found = inferred(values, "when")
    assert found.type == "date" and "months such as" in found.why and "components: [year, month]" in found.warnings[0]
    feature = DateFeature(DateOptions(), "when")
    feature.fit([pa.array(values)])
    assert feature.times(pa.array(values[:13]), np.arange(13)).astype("M8[D]").astype(str).tolist()[::12] == ["1949-01-01", "1950-01-01"]
    assert inferred([values[row % 3] for row in range(N)], target=True).type == "category"


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([year * 100 + month for year, month in YEAR_MONTHS], "columns.x={type: date, format: '%Y%m'}"),
        ([year * 10_000 + month * 100 + 9 for year, month in YEAR_MONTHS], "columns.x={type: date, format: '%Y%m%d'}"),
        ([194900 + row for row in range(N)], ""),
        ([1949 + row for row in range(N)], ""),
        ([20240230 + row * 0 for row in range(N - 1)] + [20240101], ""),
    ],
)
def test_whole_numbers_that_may_be_dates_are_numbers_with_the_line_that_reads_dates(values: list[int], line: str) -> None:
    found = inferred(values)
    assert [line in each for each in found.warnings] == ([True] if line else [])
    assert found.type in ("number", "binary")
