"""An int8 file of a run: calibrated on its training rows, judged by what its metrics lose."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shipped_guests import QUICK, Shipped, guests

import trainwright as tw
from trainwright.api.export import make_exporter, refuse_different
from trainwright.api.predictors.kinds import open_place
from trainwright.cli.exported import describe_parity
from trainwright.cli.main import main
from trainwright.config.errors import ConfigError, RequestError, TrainwrightError
from trainwright.deploy.delivery import deliver
from trainwright.deploy.exporters.base import Exporter, Trained
from trainwright.deploy.exporters.onnx_int8 import write_int8
from trainwright.deploy.host.model import open_model
from trainwright.deploy.int8.gate import judge_metrics
from trainwright.deploy.parity.proof import Parity, prove
from trainwright.domains.place import find_place


@pytest.fixture(scope="module")
def trained(shipped: Shipped) -> Trained:
    place = find_place(shipped.run.path)
    return Trained(place.path, open_place(place))


def made(**options: Any) -> Exporter:
    return make_exporter("onnx", {"int8": "static", **options}, "here")


def written(shipped: Shipped, trained: Trained, target: Path, **options: Any) -> Parity:
    """The int8 file of the shipped float one, proven."""
    exporter = made(**options)
    exporter.findings["int8"] = write_int8(trained, exporter, exporter.options.int8, shipped.file, target)
    return prove(trained, exporter, target)


@pytest.mark.parametrize("mode", ["static", "dynamic"])
def test_an_int8_file_is_judged_by_its_metrics_and_says_what_it_is(shipped: Shipped, trained: Trained, tmp_path: Path, mode: str) -> None:
    parity = written(shipped, trained, tmp_path / "int8.onnx", int8=mode, max_drop=5.0)
    assert parity.passed
    assert {each.of for each in parity.gate.losses} == {"stays.accuracy", "spends.r2"}
    proof = parity.as_json()
    assert proof["gate"]["limit_points"] == 5.0
    assert proof["int8"]["mode"] == mode
    assert (proof["int8"]["calibration"] or {}).get("rows") == (210 if mode == "static" else None), "all that were trained on"
    assert all(each["rounding"] <= 0.501 for each in proof["int8"]["layers"])
    kept = json.loads({each.key: each.value for each in onnx.load(tmp_path / "int8.onnx").metadata_props}["trainwright"])
    assert kept["int8"]["answers_depend_on_batch"] is (mode == "dynamic")
    assert open_model(tmp_path / "int8.onnx").description.independent is (mode == "static"), "else a server joins requests"
    assert kept["inputs"].keys() == {"age", "fare", "member", "port", "likes", "since"}
    shown = describe_parity(parity)
    assert "int8 alone in" in shown
    assert "of the float file's size" in shown
    assert "no smaller: its weights are few beside what int8 adds" in shown, "16 units wide"
    assert ("depends on the rows that are asked with it" in shown) is (mode == "dynamic")


def test_the_command_writes_an_int8_file_with_all_that_stands_beside_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    numbers = {name: each for name, each in guests().items() if name in ("age", "fare", "spends")}
    run = tw.train(numbers, target="spends", run_dir=tmp_path / "run", **QUICK)
    options = ["--int8", "static", "--max-drop", "5", "--int8-rows", "100"]
    assert main(["export", str(run.path), "-o", str(tmp_path / "out" / "small.onnx"), *options]) == 0
    assert "spends.r2" in capsys.readouterr().out
    folder = tmp_path / "out"
    assert {each.name for each in folder.iterdir()} == {"small.onnx", "parity.json", "load_model.py", "MODEL_CARD.md"}
    assert json.loads((folder / "parity.json").read_text())["int8"]["calibration"] == {"rows": 100, "ranges": "minmax"}
    assert "DequantizeLinear" in {each.op_type for each in onnx.load(folder / "small.onnx").graph.node}
    assert "int8" in (folder / "MODEL_CARD.md").read_text()


def test_a_file_that_loses_more_than_it_may_is_refused_with_the_layer_that_costs_most(tmp_path: Path) -> None:
    gate = judge_metrics({"kind": {"accuracy": 0.970}}, {"kind": {"accuracy": 0.9587}}, 0.5)
    findings = {"int8": {"layers": [{"name": "network.head"}, {"name": "network.body"}]}}
    parity = Parity("model.onnx", "test", 360, [], gate=gate, findings=findings)
    assert not parity.passed
    error = refuse_different(parity, tmp_path / "parity.json")
    assert "model.onnx loses 1.13 points of kind.accuracy" in error.what
    assert error.exit_code == 1
    assert "0.97 by the run's model, 0.9587 by the artifact, on 360 rows of test" in error.why
    assert "--int8-skip network.head" in error.fix and "--max-drop 1.2 allows it" in error.fix


def test_options_that_have_no_effect_and_layers_that_are_not_there_are_told(shipped: Shipped, trained: Trained, tmp_path: Path) -> None:
    with pytest.raises((ConfigError, RequestError), match=r"max_drop without int8 has no effect"):
        make_exporter("onnx", {"max_drop": 1.0}, "here")
    with pytest.raises((ConfigError, RequestError), match=r"int8_rows has no effect(.|\n)*calibrated on no rows"):
        made(int8="dynamic", int8_rows=100)
    with pytest.raises((ConfigError, RequestError), match=r"int8(.|\n)*(static|dynamic)"):
        made(int8="statc")
    with pytest.raises(ConfigError, match="names no layer that could be int8"):
        written(shipped, trained, tmp_path / "int8.onnx", int8_skip="networks")


def test_static_int8_of_a_run_without_its_data_is_told(shipped: Shipped, tmp_path: Path) -> None:
    folder = tmp_path / "copied"
    shipped.run.export(output=folder)
    place = find_place(folder)
    exporter = made()
    with pytest.raises(RequestError, match=r"static int8 needs training rows(.|\n)*--int8-data FILE, or use --int8 dynamic"):
        write_int8(Trained(place.path, open_place(place)), exporter, "static", shipped.file, tmp_path / "int8.onnx")
    assert not (tmp_path / "int8.onnx").exists()
    with pytest.raises(RequestError, match=r"can be judged on no rows(.|\n)*--rows FILE"):
        deliver(Trained(place.path, open_place(place)), exporter, tmp_path / "int8.onnx")
    pq.write_table(pa.table(guests(80, seed=1)), tmp_path / "rows.parquet")
    exporter = made(int8_data=str(tmp_path / "rows.parquet"), max_drop=100.0)
    found = write_int8(Trained(place.path, open_place(place)), exporter, "static", shipped.file, tmp_path / "int8.onnx")
    assert found["calibration"]["rows"] == 80


def test_from_python_it_is_an_option_of_the_export(shipped: Shipped, tmp_path: Path) -> None:
    with pytest.raises(TrainwrightError, match="int8_skipped"):
        tw.export(shipped.run.path, "onnx", tmp_path / "new", int8="static", int8_skipped=["x"])
    assert not (tmp_path / "new").exists()
