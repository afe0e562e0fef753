"""What answers rows: the same questions to every kind of run, in Python, from the command line, and from an exported model."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
import torch
from small_tables import QUICK, passengers, write_csv
from torch import Tensor, nn

import trainwright as tw
from trainwright.api.kinds import GIVEN, OWN
from trainwright.api.predictors.kinds import find
from trainwright.cli.main import main
from trainwright.config.domains import house
from trainwright.config.errors import RequestError
from trainwright.domains.predictor import Field
from trainwright.files.tensors import load_tensors, save_tensors

NET = """
import torch
from torch import nn

import trainwright as tw


class Net(nn.Module):
    def __init__(self, width: int = 5):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Dropout(0.5), nn.Linear(width, 2))

    def forward(self, x):
        return self.layers(x)


class Two(tw.System):
    def build(self, spec):
        self.net = nn.Linear(3, 2)

    def training_step(self, batch, context):
        return nn.functional.cross_entropy(self.net(batch["x"]), batch["y"])

    def predict_step(self, batch):
        shown = self.net(batch["x"])
        return {"p": shown.softmax(1), "best": shown.argmax(1), "map": shown[:, :, None, None].expand(-1, 2, 3, 3)}


def rows():
    x = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
    y = (x[:, 0] > 0).long()
    return {name: {"x": x[part], "y": y[part]} for name, part in
            {"train": slice(0, 40), "validation": slice(40, 50), "test": slice(50, 60), "predict": slice(0, 7)}.items()}


def squared(output, target):
    return (output - torch.nn.functional.one_hot(target, 2)).square().mean()
"""
SYSTEM = """
system: ./net.py:Two
data: ./net.py:rows
trainer: {max_steps: 6, batch_size: 8, trackers: [], progress: none}
run: {device: cpu}
"""
PLAIN = """
model: {type: ./net.py:Net, width: 4}
loss: cross_entropy
metrics: [accuracy]
data: {type: tensors, train: rows.npz, target: target}
trainer: {max_steps: 6, batch_size: 8, trackers: [], progress: none}
run: {device: cpu}
"""


GENERATIVE = [
    "train",
    "builtin:digits_images",
    "system=diffusion",
    "trainer.max_steps=1",
    "trainer.sampling=null",
    "evaluation.report=false",
]


def pairs(count: int = 60) -> tuple[Tensor, Tensor]:
    x = torch.randn(count, 3, generator=torch.Generator().manual_seed(count))
    return x, (x[:, 0] > 0).long()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of each kind, trained from this folder."""
    place = tmp_path_factory.mktemp("kinds")
    before = Path.cwd()
    os.chdir(place)
    try:
        Path("net.py").write_text(NET)
        Path("own.yaml").write_text(SYSTEM)
        Path("plain.yaml").write_text(PLAIN)
        x, y = pairs()
        np.savez("rows.npz", input=x.numpy(), target=y.numpy())
        assert main(["train", "own.yaml", "run.dir=own"]) == 0
        assert main(["train", "plain.yaml", "run.dir=plain"]) == 0
        tw.train(write_csv(Path("t.csv"), passengers(200)), target="survived", run_dir="table", **QUICK)
        options: dict[str, Any] = {"max_steps": 6, "batch_size": 8, "device": "cpu", "console": False, "trackers": []}
        tw.fit(made("Net"), (x, y), loss="cross_entropy", run_dir="fitted", **options)
        tw.fit(made("Net"), (x, y), loss=made_function("squared"), run_dir="of-a-function", **options)
        tw.fit(made("Two"), {"x": x, "y": y}, run_dir="of-a-system", **options)
        assert main([*GENERATIVE, "run.dir=generative"]) == 0
    finally:
        os.chdir(before)
    return place


def made_function(name: str) -> Any:
    space: dict[str, Any] = {}
    exec(NET, space)
    return space[name]


def made(name: str, *options: Any) -> nn.Module:
    torch.manual_seed(0)
    module: nn.Module = made_function(name)(*options)
    return module


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


def said(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    return captured.out + captured.err


def kinds_of_runs() -> dict[str, str]:
    given = {"own": "own run", "plain": "own run", "table": "table", "fitted": "fit run", "of-a-system": "fit run"}
    return {**given, "generative": "generative run"}


def test_a_run_is_of_one_kind_and_every_kind_is_tried_here(here: Path) -> None:
    found = {name: find(name).form for name in kinds_of_runs()}
    assert found == kinds_of_runs()
    of_domains = [kind for domain in house().values() for kind in domain.systems.values()]
    assert {kind.form for kind in (GIVEN, OWN, *of_domains)} == set(found.values())
    assert find("own.yaml").form == "weights"


def predictors() -> Iterator[tuple[str, dict[str, Any], Any]]:
    x, y = pairs(9)
    yield "table", {}, passengers(9)
    yield "own", {}, {"x": x, "y": y}
    yield "plain", {}, (x,)
    yield "fitted", {"model": made("Net")}, x
    yield "of-a-system", {"model": made("Two")}, {"x": x, "y": y}


@pytest.mark.parametrize(("name", "given", "rows"), list(predictors()), ids=[name for name, *_ in predictors()])
def test_the_three_steps_of_every_kind_are_its_predictions(here: Path, name: str, given: dict[str, Any], rows: Any) -> None:
    predictor = tw.load_predictor(name, **given)
    tensors = predictor.preprocess(rows)
    assert tensors and all(len(each) == 9 for each in tensors.values())
    steps, whole = predictor.postprocess(predictor.forward(tensors)), predictor.predict(rows)
    if isinstance(whole, pa.Table):
        assert steps.equals(whole) and whole.num_rows == 9
        assert [each.name for each in predictor.outputs] == whole.column_names
    else:
        assert steps.keys() == whole.keys()
        assert all(np.array_equal(steps[each], whole[each]) for each in whole)
        assert predictor.outputs == [Field(each, str(value.dtype), value.shape[1:]) for each, value in whole.items()]
    again = tw.load(name, **given).predict(rows)
    assert again.equals(whole) if isinstance(whole, pa.Table) else all(np.array_equal(again[each], whole[each]) for each in whole)


def test_what_every_kind_takes_is_named(here: Path) -> None:
    assert [(each.name, each.type, each.shape) for each in tw.load_predictor("table").inputs] == [
        ("sex", "binary", ()), ("age", "number", ()), ("fare", "number", ()), ("port", "category", ()),
    ]  # fmt: skip
    assert tw.load_predictor("plain").inputs == [Field("input", "float32", (3,))]
    assert [each.name for each in tw.load_predictor("own").inputs] == ["x", "y"]


def test_an_exported_model_of_a_table_predicts_as_the_run_does(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "table", "-o", str(tmp_path / "model")]) == 0
    assert tw.load_predictor(tmp_path / "model").predict("t.csv").equals(tw.load("table").predict("t.csv"))
    for place in ("table", str(tmp_path / "model")):
        assert main(["predict", place, "t.csv", "-o", str(tmp_path / f"{Path(place).name}.csv")]) == 0
    assert (tmp_path / "table.csv").read_bytes() == (tmp_path / "model.csv").read_bytes()
    assert main(["export", "table", "-o", str(tmp_path / "half"), "--dtype", "bf16"]) == 0
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("half", "model")]
    assert sizes[0] < 0.75 * sizes[1]
    rounded, whole = tw.load_predictor(tmp_path / "half").predict("t.csv"), tw.load("table").predict("t.csv")
    assert not rounded.equals(whole) and len(rounded) == len(whole)
    assert main(["export", "table", "-o", str(tmp_path / "traced"), "--to", "torch", "--dtype", "fp16"]) == 2
    assert "it is an option of --to safetensors" in said(capsys)
    assert main(["export", "own.yaml"]) == 2
    assert "not a run directory" in said(capsys)
    assert main(["predict", str(tmp_path / "model"), "--split", "test"]) == 2
    assert "an exported model has no rows of its own" in said(capsys)


def test_an_exported_model_of_a_plain_system_predicts_without_its_data(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x, _ = pairs(9)
    expected = tw.load("plain").predict((x,))["output"]
    assert main(["export", "plain", "-o", str(tmp_path / "model")]) == 0
    (tmp_path / "net.py").write_text(NET)
    np.savez(tmp_path / "new.npz", input=x.numpy())
    config = tmp_path / "model/config.yaml"
    config.write_text(config.read_text().replace(str(here), str(tmp_path)))
    monkeypatch.chdir(tmp_path)
    assert not Path("rows.npz").exists()
    found = tw.load_predictor("model", trust_code=True).predict("new.npz")["output"]
    assert np.array_equal(found, expected)


def test_a_split_of_a_table_is_predicted_and_measured_as_its_rows_are(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["test", "table", "--json"]) == 0
    tested = json.loads(capsys.readouterr().out)
    results = json.loads(Path("table/results.json").read_text())["metrics"]["test"]
    assert all(tested["metrics"]["survived"][name] == pytest.approx(value, rel=1e-12) for name, value in results["survived"].items())
    assert main(["evaluate", "table", "--split", "test", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == tested
    assert main(["predict", "table", "--split", "test", "-o", str(tmp_path / "p.csv")]) == 0
    rows = np.load("table/outcomes/survived.npz")["rows"]
    whole = tw.load("table").predict("t.csv").take(pa.array(rows))
    found = pa.csv.read_csv(tmp_path / "p.csv")
    assert found["survived_prediction"].to_pylist() == whole["survived_prediction"].to_pylist()
    assert found.num_rows == tested["rows"]


def test_evaluation_settings_of_a_table_add_what_they_ask_for(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", "table", "t.csv", "--json"]
    assert main(words) == 0
    plain = json.loads(capsys.readouterr().out)
    assert main([*words, "evaluation.intervals=true", "evaluation.importance=true"]) == 0
    more = json.loads(capsys.readouterr().out)
    assert more["metrics"] == plain["metrics"] and "intervals" not in plain
    low, high = more["intervals"]["survived"]["accuracy"]
    assert low <= more["metrics"]["survived"]["accuracy"] <= high and low < high
    assert {each["column"] for each in more["importance"]["survived"]} == {"sex", "age", "fare", "port"}
    assert main(["evaluate", "table", "t.csv", "evaluation.intervals=true"]) == 0
    assert "95% interval" in capsys.readouterr().out


WITHOUT_EFFECT = {
    "a report": "evaluation.report=true",
    "baselines": "evaluation.baselines=[linear]",
    "files of evaluations": "evaluation.history=all",
    "a length": "trainer.max_steps=3",
}


@pytest.mark.parametrize("case", WITHOUT_EFFECT)
def test_settings_that_no_measurement_has_are_refused(here: Path, case: str, capsys: pytest.CaptureFixture[str]) -> None:
    for run in ("table", "own", "fitted"):
        assert main(["evaluate", run, "t.csv", WITHOUT_EFFECT[case]]) == 2
        told = said(capsys)
        assert "has no effect here" in told and "fix:" in told, run
    assert main(["evaluate", "table", "t.csv", "evaluation.intervals=perhaps"]) == 2
    assert "evaluation.intervals" in said(capsys)


ENDINGS = (".npz", ".safetensors", ".csv", ".parquet", ".jsonl")


@pytest.mark.parametrize("ending", ENDINGS)
def test_predictions_of_a_system_are_written_in_every_format_that_holds_them(here: Path, tmp_path: Path, ending: str) -> None:
    expected = tw.load("plain").predict("rows.npz")["output"]
    place = tmp_path / f"p{ending}"
    assert main(["predict", "plain", "rows.npz", "-o", str(place)]) == 0
    if ending in (".npz", ".safetensors"):
        found = np.load(place)["output"] if ending == ".npz" else load_tensors(place)["output"].numpy()
    elif ending == ".csv":
        table = pa.csv.read_csv(place)
        assert table.column_names == ["output_0", "output_1"]
        found = np.stack([table[name].to_numpy() for name in table.column_names], 1).astype(np.float32)
    elif ending == ".parquet":
        found = np.array(pa.parquet.read_table(place)["output"].to_pylist(), np.float32)
    else:
        found = np.array([json.loads(line)["output"] for line in place.read_text().splitlines()], np.float32)
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("ending", [".npz", ".safetensors", ".csv", ".parquet"])
def test_rows_of_a_system_are_read_from_every_file_that_holds_them(here: Path, tmp_path: Path, ending: str) -> None:
    x, y = pairs(9)
    place = tmp_path / f"rows{ending}"
    if ending == ".npz":
        np.savez(place, x=x.double().numpy(), y=y.numpy())
    elif ending == ".safetensors":
        save_tensors(place, {"x": x, "y": y})
    elif ending == ".parquet":
        listed = pa.FixedSizeListArray.from_arrays(pa.array(x.reshape(-1).numpy()), 3)
        pa.parquet.write_table(pa.table({"x": listed, "y": y.numpy(), "note": ["text"] * 9}), place)
    else:
        place.write_text("x,y\n" + "".join(f"{row[0]},1\n" for row in x.tolist()))
        with pytest.raises(RequestError, match=r"cannot take rows of x \(float32\), y \(int64\)"):
            tw.load("own").predict(place)
        return
    assert np.array_equal(tw.load("own").predict(place)["p"], tw.load("own").predict({"x": x, "y": y})["p"])
    measured = tw.load("own").evaluate(place)[""]
    assert measured == tw.load("own").evaluate({"x": x, "y": y})[""] and measured["loss"] > 0


def test_arrays_of_more_dimensions_are_no_table(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "own", "--split", "test", "-o", str(tmp_path / "p.csv")]) == 2
    told = said(capsys)
    assert "these predictions are no table" in told and "map (10, 2, 3, 3)" in told and ".npz" in told
    assert not list(tmp_path.iterdir())
    assert main(["predict", "own", "--split", "test", "-o", str(tmp_path / "p.npz")]) == 0
    assert np.load(tmp_path / "p.npz")["map"].shape == (10, 2, 3, 3)


REFUSED = {
    "a table of other columns": ("plain", "t.csv", "the rows have no 'input'"),
    "a file of text": ("plain", "net.py", ""),
    "no such file": ("own", "nowhere.npz", "no such file"),
    "a damaged file": ("own", "damaged.npz", "no arrays that can be read"),
    "a pickle": ("own", "pickled.npz", "no arrays that can be read"),
    "another width": ("plain", "wide.npz", "cannot take rows of input (float32, 4)"),
    "another name": ("own", "rows.npz", "cannot take rows of input"),
    "rows and a split": ("own", "rows.npz --split test", "both named"),
    "another split": ("own", "--split tests", "the data have no tests split"),
    "no rows": ("table", "", "there are no rows to predict"),
    "another split of a table": ("table", "--split tests", "no tests rows"),
    "two files": ("own", "rows.npz wide.npz", "these are several files"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_rows_that_a_run_cannot_take_are_refused(here: Path, case: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("damaged.npz").write_bytes(b"no archive")
    np.savez("pickled.npz", x=np.array([{"a": 1}], object))
    np.savez("wide.npz", input=np.zeros((5, 4), np.float32))
    run, words, what = REFUSED[case]
    before = sorted(map(str, here.rglob("*")))
    assert main(["predict", run, *words.split(), "-o", "out.csv" if run == "table" else "out.npz"]) == 2
    told = said(capsys)
    assert what in told and "fix:" in told and "Traceback" not in told
    assert sorted(map(str, here.rglob("*"))) == before


def test_a_run_of_python_answers_once_its_model_is_given(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, y = pairs(9)
    model = made("Net")
    tw.load_weights(model, "fitted")
    with torch.no_grad():
        expected = model.eval()(x).numpy()
    given = tw.load("fitted", model=made("Net"))
    assert np.array_equal(given.predict(x)["output"], expected)
    np.savez(tmp_path / "new.npz", input=x.numpy(), target=y.numpy())
    words = ["fitted", str(tmp_path / "new.npz"), "model=./net.py:Net"]
    assert main(["predict", *words, "-o", str(tmp_path / "p.npz")]) == 0
    assert np.array_equal(np.load(tmp_path / "p.npz")["output"], expected)
    capsys.readouterr()
    assert main(["evaluate", *words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["metrics"][""] == given.evaluate((x, y))[""]
    assert found["metrics"][""]["loss"] == pytest.approx(float(nn.functional.cross_entropy(torch.from_numpy(expected), y)), rel=1e-6)
    assert main(["evaluate", *words, "metrics=[f1]", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["metrics"][""].keys() == {"loss", "f1"}


def test_a_system_of_python_answers_once_it_is_given(here: Path) -> None:
    x, y = pairs(9)
    system: Any = made("Two")
    found = tw.load("of-a-system", model=system).predict({"x": x, "y": y})
    with torch.no_grad():
        assert np.array_equal(found["p"], system.net(x).softmax(1).numpy())
    assert tw.load("of-a-system", model=made("Two")).evaluate({"x": x, "y": y})[""]["loss"] > 0


def test_a_loss_that_is_a_function_of_the_program_is_asked_for(here: Path) -> None:
    x, y = pairs(9)
    run = tw.load("of-a-function", model=made("Net"))
    assert run.predict(x)["output"].shape == (9, 2)
    with pytest.raises(RequestError, match="the loss 'squared' is a function of the program"):
        run.evaluate((x, y))
    output = torch.from_numpy(run.predict(x)["output"])
    measured = tw.load("of-a-function", model=made("Net"), loss=made_function("squared")).evaluate((x, y))
    assert measured[""]["loss"] == pytest.approx(float(made_function("squared")(output, y)), rel=1e-6)


def test_what_is_given_to_a_run_must_be_its_model(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, _ = pairs(9)
    with pytest.raises(RequestError, match="the model is Net, no module"):
        tw.load("fitted", model=made_function("Net")).predict(x)
    with pytest.raises(RequestError, match=r"layers\.0\.weight"):
        tw.load("fitted", model=made("Net", 6)).predict(x)
    with pytest.raises(RequestError, match="takes no model from outside"):
        tw.load("table", model=made("Net")).predict("t.csv")
    with pytest.raises(RequestError, match="has no rows of its own"):
        tw.load_predictor("fitted", model=made("Net")).own_rows("test")
    assert main(["test", "fitted", "model=./net.py:Net"]) == 2
    assert "trainwright evaluate" in said(capsys)


def test_frames_come_back_as_frames_where_they_can(here: Path) -> None:
    import pandas

    frame = pandas.DataFrame({"x": range(3), "y": range(3)}, index=[5, 6, 7])
    with pytest.raises(RequestError, match="cannot take rows of"):
        tw.load("own").predict(frame)
    table = pandas.DataFrame(passengers(4)).set_index(pandas.Index(list("abcd")))
    assert list(tw.load("table").predict(table).index) == list("abcd")
    one = tw.load("table").predict(table.iloc[2])
    assert isinstance(one, pandas.Series) and one.name == "c" and one.survived_prediction in (0, 1)


@pytest.mark.parametrize("name", ["table", "own", "plain", "fitted", "of-a-system"])
def test_records_of_a_service_come_back_as_records(here: Path, name: str) -> None:
    x, y = pairs(4)
    given = {"fitted": {"model": made("Net")}, "of-a-system": {"model": made("Two")}}.get(name, {})
    blocks: dict[str, Any] = passengers(4) if name == "table" else {"x" if name.startswith("o") else "input": x.numpy()}
    if name.startswith("o"):
        blocks["y"] = y.numpy()
    records = [{column: values[row].tolist() for column, values in blocks.items()} for row in range(4)]
    run, predictor = tw.load(name, **given), tw.load_predictor(name, **given)
    whole, listed = run.predict(blocks), run.predict(records)
    assert isinstance(listed, list) and len(listed) == 4 and all(type(each) is dict for each in listed)
    for column in listed[0]:
        expected = np.asarray(whole[column])
        np.testing.assert_allclose(np.array([each[column] for each in listed], float), expected.astype(float), rtol=1e-5)
    if name in ("table", "own", "of-a-system"):  # a row of the others is one array, which is no record of single values
        one = predictor.predict(records[1])
        assert type(one) is dict and one.keys() == listed[1].keys()
        for column, value in one.items():
            np.testing.assert_allclose(np.array(value, float), np.array(listed[1][column], float), rtol=1e-5)


def test_rows_that_are_no_records_are_refused_in_words(here: Path) -> None:
    for rows in ([{"input": [1.0, 2.0, 3.0]}, {"other": [1.0]}], [{"input": [1.0, 2.0, 3.0]}, {"input": [1.0]}], [{"input": "a"}]):
        with pytest.raises(RequestError):
            tw.load("plain").predict(rows)
    for rows in (1.5, [1, 2], np.zeros((2, 3)), iter([]), [{"x": 1}, 2]):
        with pytest.raises(RequestError):
            tw.load("table").predict(rows)


def test_a_frame_of_polars_comes_back_as_one(here: Path) -> None:
    polars = pytest.importorskip("polars")
    rows = passengers(5)
    found = tw.load("table").predict(polars.DataFrame(rows))
    assert isinstance(found, polars.DataFrame) and found.height == 5
    assert found["survived_prediction"].to_list() == tw.load("table").predict(rows)["survived_prediction"].to_pylist()
    with pytest.raises(RequestError, match="is not a table"):
        tw.load("table").predict(polars.Series("age", [1.0]))


def test_an_exported_model_that_was_changed_since_names_no_code(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("evil.py").write_text("import pathlib\npathlib.Path('MARK').write_text('ran')\nclass Evil: ...\n")
    assert main(["export", "plain", "-o", str(tmp_path / "plain")]) == 0
    assert main(["predict", str(tmp_path / "plain"), "rows.npz", "-o", str(tmp_path / "p.npz")]) == 0
    assert main(["export", "table", "-o", str(tmp_path / "table")]) == 0
    description = tmp_path / "table/model.json"
    content = json.loads(description.read_text())
    content["model"]["combiner"] = {"type": f"{here / 'evil.py'}:Evil"}
    description.write_text(json.dumps(content))
    (tmp_path / "table/signature.json").write_bytes((tmp_path / "plain/signature.json").read_bytes())
    capsys.readouterr()
    assert main(["predict", str(tmp_path / "table"), "t.csv"]) == 2
    assert "--trust-code" in said(capsys)
    assert not Path("MARK").exists()
