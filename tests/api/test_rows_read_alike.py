"""A whole run from a text table with codes and spellings: predictions and metrics do not depend on the kind of file or on other rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import trainwright as tw
from trainwright.config.errors import DataError

ZIPS, SPELLINGS = ["00501", "02134", "12345", "90210"], ["yes", "Yes ", "no", "NO"]


def rows(count: int) -> list[dict[str, str]]:
    return [
        {
            "zip": ZIPS[row % 4],
            "when": f"{row % 28 + 1}/{row % 12 + 1}/2024",
            "x": f"{row % 7}.50",
            "y": SPELLINGS[(row * 7 + row // 5) % 4],
        }
        for row in range(count)
    ]


def csv(path: Path, given: list[dict[str, str]]) -> Path:
    path.write_text("\n".join([",".join(given[0]), *(",".join(row.values()) for row in given)]) + "\n")
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("run")
    return tw.train(
        str(csv(folder / "t.csv", rows(120))), target="y", columns={"y": {"join": ["blanks", "case"]}},
        trainer={"max_epochs": 2, "progress": "none"}, model={"combiner": "concat"},
        evaluation={"baselines": [], "report": False, "importance": False, "intervals": False}, run={"dir": str(folder / "r")},
    )  # fmt: skip


def forms(given: list[dict[str, str]], folder: Path) -> dict[str, Any]:
    frame = pd.DataFrame(given)
    frame.to_parquet(folder / "p.parquet")
    (folder / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in given))
    numbers = frame.assign(zip=pd.to_numeric(frame.zip, errors="coerce"), x=frame.x.astype(float))
    return {"csv": str(csv(folder / "p.csv", given)), "parquet": str(folder / "p.parquet"), "jsonl": str(folder / "p.jsonl"),
            "frame": frame, "frame of numbers": numbers, "dict": frame.to_dict("list"), "rows": given}  # fmt: skip


def predicted(run: Any, data: Any) -> dict[str, list]:
    found = run.predict(data)
    if isinstance(found, list):  # of rows, as they were asked
        return {name: [row[name] for row in found] for name in found[0]}
    if isinstance(found, dict):
        return {name: values if isinstance(values, list) else [values] for name, values in found.items()}
    return found.to_dict("list") if isinstance(found, pd.DataFrame) else found.to_pydict()


def test_predictions_are_the_same_from_any_form_and_beside_any_row(run: Any, tmp_path: Path) -> None:
    given = [{name: value for name, value in row.items() if name != "y"} for row in rows(9)]
    whole = predicted(run, forms(given, tmp_path)["csv"])
    assert set(whole["y_prediction"]) <= {"yes", "Yes", "no", "NO"} and len(whole) == 3
    for what, data in forms(given, tmp_path).items():
        assert predicted(run, data)["y_prediction"] == whole["y_prediction"], what
        np.testing.assert_allclose(predicted(run, data)[list(whole)[1]], whole[list(whole)[1]], atol=1e-6, err_msg=what)
    strange = {"zip": "SW1A", "when": "2024-05-06", "x": "1e1"}
    for what, data in forms([given[0], strange], tmp_path).items():
        np.testing.assert_allclose(predicted(run, data)[list(whole)[1]][0], whole[list(whole)[1]][0], atol=1e-6, err_msg=what)
    assert predicted(run, {**given[0], "zip": 501})["y_prediction"] == whole["y_prediction"][:1]


def test_metrics_are_the_same_from_any_form_and_spelling(run: Any, tmp_path: Path) -> None:
    given = rows(40)
    wanted = run.evaluate(str(csv(tmp_path / "e.csv", given)))
    for row in given:
        row["y"] = f" {row['y'].strip().upper()}"
    for what, data in forms(given, tmp_path).items():
        assert run.evaluate(data)["y"] == pytest.approx(wanted["y"]), what


def test_the_order_of_dates_is_stated_and_stored(run: Any) -> None:
    notes = json.loads((run.path / "data.json").read_text())["notes"]
    assert any("'when': dates are read day first" in note for note in notes)
    state = json.loads((run.path / "model" / "features.json").read_text())
    assert state["columns"]["when"]["state"]["order"] == "day_first"
    assert state["reading"]["kinds"]["zip"] == "text"


def written_otherwise(count: int) -> pd.DataFrame:
    amount = np.exp(8 + np.random.default_rng(1).normal(size=count)).round(2)
    points = [f"{each:,.2f}".translate(str.maketrans(",.", ".,")) for each in amount]
    net = [f"(${each:.2f})" if row % 2 else f"${each:.2f}" for row, each in enumerate(amount)]
    y = [f"{each:,.1f}" for each in amount * 2]
    return pd.DataFrame({"price": [f"{each:,.0f}" for each in amount], "size": points, "net": net, "y": y, "plain": amount})


def test_written_numbers_are_inputs_targets_and_operands_and_read_alike_ever_after(tmp_path: Path) -> None:
    frame = written_otherwise(160)
    frame.drop(columns="plain").to_csv(tmp_path / "t.csv", index=False)
    made = {
        "data": {"source": str(tmp_path / "t.csv"), "where": "price > 500", "derive": {"double": "size * 2"}, "memory_limit": "1 KiB"},
        "targets": ["y"],
        "trainer": {"max_epochs": 1, "progress": "none"},
        "model": {"combiner": "concat"},
        "evaluation": {"baselines": [], "report": False, "importance": False, "intervals": False},
        "run": {"dir": str(tmp_path / "r")},
    }
    run = tw.load(tw.train(config=made).path)
    told = {each["name"]: each for each in json.loads((tmp_path / "r" / "data.json").read_text())["columns"]}
    assert {name: told[name]["type"] for name in ("price", "size", "net", "y", "double")} == dict.fromkeys(
        ("price", "size", "net", "y", "double"), "number"
    )
    assert "'" in told["size"]["why"] and abs(float(told["double"]["examples"][0]) - 2 * frame.plain[0]) < 1
    from_csv = np.asarray(run.predict(str(tmp_path / "t.csv"))["y_prediction"])
    texts = run.predict(pd.read_csv(tmp_path / "t.csv", dtype=str))["y_prediction"].to_numpy()
    signs = np.where(np.arange(160) % 2, -1, 1)
    numbers = frame.assign(price=frame.plain.round(0), size=frame.plain, net=frame.plain * signs, y=0)
    np.testing.assert_array_equal(from_csv, texts)
    np.testing.assert_array_equal(from_csv, run.predict(numbers)["y_prediction"].to_numpy())
    one = run.predict(frame.iloc[3].drop(["y", "plain"]).to_dict())
    assert one["y_prediction"] == pytest.approx(from_csv[3], rel=1e-5)
    assert run.evaluate(str(tmp_path / "t.csv"))["y"]["rmse"] > 0
    with pytest.raises(DataError, match="12,34"):
        run.predict({"price": ["1,000"], "size": ["1"], "net": ["12,34"]})
