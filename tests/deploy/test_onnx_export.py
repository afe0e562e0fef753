"""An ONNX file answers rows as they come as the run does, without the run."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pyarrow as pa
import pytest
from shipped_guests import Shipped, guests

from trainwright.cli.main import main
from trainwright.config.errors import RequestError, RunError
from trainwright.deploy.exporters.onnx_exporter import open_session
from trainwright.deploy.exporters.onnx_strings import spellings
from trainwright.domains.deliverable import TextTable


def test_the_folder_has_the_artifact_its_proof_its_card_and_its_loader(shipped: Shipped) -> None:
    assert {each.name for each in shipped.folder.iterdir()} == {"model.onnx", "parity.json", "load_model.py", "MODEL_CARD.md"}
    assert shipped.exported == ["MODEL_CARD.md", "load_model.py", "model.onnx", "parity.json"]


def test_the_proof_is_on_256_rows_of_the_run_and_holds_to_1e_5(shipped: Shipped) -> None:
    proof = json.loads((shipped.folder / "parity.json").read_text())
    assert (proof["passed"], proof["rows"]) == (True, 256)
    columns = {each["name"]: each for each in proof["columns"]}
    assert set(columns) == set(shipped.run.predict(pa.table(guests(3))).column_names)
    assert columns["stays_prediction"]["equal"] == 256
    assert max(columns[name]["largest"] for name in ("stays_probability_long", "stays_probability_short")) <= 1e-5
    assert columns["spends_prediction"]["relative"] <= 1e-5
    assert proof["metrics"]["run"]["stays"]["accuracy"] == proof["metrics"]["artifact"]["stays"]["accuracy"]
    assert proof["metrics"]["run"]["spends"]["rmse"] == pytest.approx(proof["metrics"]["artifact"]["spends"]["rmse"], rel=1e-5)
    assert proof["bytes"]["artifact"] == shipped.file.stat().st_size
    assert set(proof["microseconds"]) == {"1", "64"}


def test_inputs_outputs_and_axes_have_the_names_and_types_of_columns(shipped: Shipped) -> None:
    session = onnxruntime.InferenceSession(shipped.file, providers=["CPUExecutionProvider"])
    inputs = {each.name: (each.type, each.shape) for each in session.get_inputs()}
    assert inputs["age"] == inputs["fare"] == ("tensor(double)", ["rows"])
    assert inputs["member"] == inputs["port"] == ("tensor(string)", ["rows"])
    assert inputs["since"] == ("tensor(int64)", ["rows"])
    assert inputs["likes"] == ("tensor(int64)", ["rows", "likes.length"])
    outputs = {each.name: (each.type, each.shape) for each in session.get_outputs()}
    assert outputs["stays.probability"] == ("tensor(float)", ["rows", 2])
    assert outputs["spends.prediction"] == ("tensor(double)", ["rows"])


def test_the_file_says_how_columns_are_read_and_nothing_of_this_machine(shipped: Shipped) -> None:
    model = onnx.load(shipped.file)
    assert {each.domain: each.version for each in model.opset_import} == {"": 20, "ai.onnx.ml": 3}
    about = json.loads({each.key: each.value for each in model.metadata_props}["trainwright"])
    assert about["digest"] == json.loads((shipped.run.path / "results.json").read_text())["weights_sha256"]
    assert about["targets"]["stays"]["classes"] == ["long", "short"]
    assert about["tensors"]["port"] == {"column": "port", "dtype": "string", "axes": ["rows"]}
    content = shipped.file.read_bytes()
    assert str(Path(__file__).parents[2]).encode() not in content and b".py" not in content


def raw(rows: int, **given: Any) -> dict[str, np.ndarray]:
    """Rows as the file takes them, some of them as given."""
    texts = {"member": ["yes"] * rows, "port": ["köln"] * rows}
    numbers = {"age": [30.0] * rows, "fare": [9.0] * rows, "since": [0] * rows}
    usual: dict[str, Any] = {**numbers, "likes": [[0]] * rows, "likes.length": [1] * rows}
    found = {**usual, **texts, **given}
    kinds = {"member": object, "port": object, "since": np.int64, "likes": np.int64, "likes.length": np.int64}
    made = {name: np.array(each, kinds.get(name, np.float64)) for name, each in found.items()}
    return {**made, "likes": made["likes"].reshape(rows, 1)}


@pytest.mark.parametrize("rows", [0, 1, 2, 7, 300])
def test_it_answers_any_number_of_rows(rows: int, shipped: Shipped) -> None:
    found = open_session(shipped.file)(raw(rows))
    assert found["stays.probability"].shape == (rows, 2) and found["spends.prediction"].shape == (rows,)
    assert (np.ptp(found["stays.probability"], axis=0) < 1e-6).all() if rows else True


def test_texts_go_in_as_they_are_and_missing_or_strange_ones_as_in_training(shipped: Shipped) -> None:
    words = ["Köln", "BARI", "split", None, "nowhere", "", "日本"]
    rows = [{**{name: each[0] for name, each in guests(1).items()}, "port": word} for word in words]
    expected = shipped.run.predict(pa.Table.from_pylist(rows))["stays_probability_long"].to_numpy()
    answers = loader(shipped.folder).Model(str(shipped.file)).predict(rows)
    found = [each["stays.probability"]["long"] for each in answers]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert len({round(each, 5) for each in found[:5]}) >= 4


def loader(folder: Path) -> Any:
    """The copied file as a module."""
    spec = importlib.util.spec_from_file_location("load_model", folder / "load_model.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_a_word_whose_case_is_nothing_is_known_in_the_usual_spellings() -> None:
    found = spellings(TextTable({"Ja": 1, "nein": 0}, {"ja": 1, "nein": 0}))
    assert [found[each] for each in ("ja", "JA", "Ja", "nein", "NEIN", "Nein", "")] == [1, 1, 1, 0, 0, 0, -1]


def test_the_loader_beside_it_answers_rows_where_trainwright_and_torch_are_not(shipped: Shipped, tmp_path: Path) -> None:
    rows = pa.table({name: each for name, each in guests(5, seed=4).items() if name not in ("stays", "spends")}).to_pylist()
    rows[1]["port"] = "BARI"
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    words = [str(shipped.folder / "load_model.py"), str(shipped.file), str(tmp_path / "rows.json")]
    hidden = f"import sys, runpy; sys.argv = {words!r}; sys.modules['trainwright'] = sys.modules['torch'] = None"
    code = f"{hidden}; runpy.run_path(sys.argv[0], run_name='__main__')"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    expected = shipped.run.predict(pa.Table.from_pylist(rows)).to_pylist()
    assert [each["stays.prediction"] for each in answers] == [each["stays_prediction"] for each in expected]
    for given, wanted in zip(answers, expected, strict=True):
        assert given["stays.probability"]["long"] == pytest.approx(wanted["stays_probability_long"], abs=1e-6)
        assert given["spends.prediction"] == pytest.approx(wanted["spends_prediction"], rel=1e-5)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"age": "a"}, "row 1, column 'age': 'a' cannot be read"),
        ({"fare": "1,5"}, "row 1, column 'fare': '1,5'"),
        ({"age": "inf"}, "'inf' cannot be read: it is infinite"),
        ({"since": "soon"}, "row 1, column 'since': 'soon'"),
    ],
)
def test_the_loader_tells_a_value_that_it_cannot_read_by_row_and_column(change: dict[str, str], said: str, shipped: Shipped) -> None:
    row = {name: each[0] for name, each in guests(1).items()}
    with pytest.raises(ValueError, match=re.escape(said)):
        loader(shipped.folder).Model(str(shipped.file)).predict([row, {**row, **change}])


def test_the_loader_says_how_it_is_called_and_which_file_is_not_there(
    shipped: Shipped, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main_of_loader = loader(shipped.folder).main
    assert main_of_loader([]) == 2 and "usage: python load_model.py" in capsys.readouterr().err
    assert main_of_loader([str(shipped.file), "rows.csv"]) == 2 and "there is no file 'rows.csv'" in capsys.readouterr().err
    (tmp_path / "rows.json").write_text("[{")
    assert main_of_loader([str(shipped.file), str(tmp_path / "rows.json")]) == 2 and "rows.json: " in capsys.readouterr().err


def test_the_loader_says_that_texts_need_tokenizers(shipped: Shipped, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ValueError, match=r"column 'review' is text, .*pip install tokenizers"):
        loader(shipped.folder).read_column("review", ["good"], {"type": "text"}, {"dtype": "int64", "axes": ["rows", "review.length"]})


def test_the_card_says_what_it_takes_how_good_it_is_and_what_was_checked(shipped: Shipped) -> None:
    card = (shipped.folder / "MODEL_CARD.md").read_text()
    results = json.loads((shipped.run.path / "results.json").read_text())
    assert "| `port` | category | rows |" in card and "| `stays.probability` | float32 | rows × 2 | long, short |" in card
    assert f"| test | stays | accuracy | {results['metrics']['test']['stays']['accuracy']:.4g} |" in card
    assert "256 rows of test" in card


def test_an_output_that_is_there_stays_as_it_is(shipped: Shipped, capsys: pytest.CaptureFixture[str]) -> None:
    before = {each.name: each.read_bytes() for each in shipped.folder.iterdir()}
    assert main(["export", str(shipped.run.path), "-o", str(shipped.file)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert main(["export", str(shipped.run.path), "--to", "onnx", "-o", str(shipped.folder)]) == 2
    assert "this place is taken" in capsys.readouterr().err
    assert {each.name: each.read_bytes() for each in shipped.folder.iterdir()} == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--to", "onx"], "did you mean 'onnx'"),
        (["--to", "onnx", "--opset", "3"], "opset"),
        (["--to", "onnx", "--fixed", "likes=3"], "no dynamic axis 'likes'"),
        (["--to", "onnx", "--fixed", "likes.length=many"], "fixed"),
        (["--to", "onnx", "--fixed", "rows=1"], "the number of rows stays free"),
        (["--opset", "18"], "--opset has no effect here"),
        (["--to", "onnx", "--dtype", "fp16"], "--dtype has no effect here"),
        (["--to", "onnx", "-o", "model.pt2"], "'model.pt2' ends as pt2 does"),
        (["--to", "fx_folder", "-o", "model.onnx"], "-o model, or --to onnx"),
    ],
)
def test_what_a_person_may_write_wrongly_is_told_before_anything_is_written(
    words: list[str], said: str, shipped: Shipped, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(shipped.run.path), "-o", str(tmp_path / "out"), *words]) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_model_that_no_file_can_hold_is_refused_before_it_is_traced(
    shipped: Shipped, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("trainwright.deploy.exporters.onnx_exporter.LARGEST", 100)
    monkeypatch.setattr("trainwright.deploy.tracing.program.trace_program", lambda *given: pytest.fail("it was traced"))
    assert main(["export", str(shipped.run.path), "--to", "onnx", "-o", str(tmp_path / "m.onnx")]) == 2
    said = capsys.readouterr().err
    assert "too large for one ONNX file" in said and "--to pt2" in said
    assert not list(tmp_path.iterdir())


def test_a_damaged_file_is_told_as_such(shipped: Shipped, tmp_path: Path) -> None:
    (tmp_path / "cut.onnx").write_bytes(shipped.file.read_bytes()[:5000])
    with pytest.raises(RunError, match="cannot be loaded"):
        open_session(tmp_path / "cut.onnx")


def test_a_library_that_is_not_installed_is_named_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from trainwright.deploy.exporters.onnx_exporter import require

    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(RequestError, match="onnxscript") as error:
        require("onnx", "onnxscript")
    assert error.value.fix == "pip install 'trainwright[export]'"
