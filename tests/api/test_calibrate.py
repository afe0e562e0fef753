"""A calibrated run: fitted at the end of training or as a child, predicted, measured, exported, compared, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_tables import QUICK, write_csv

import trainwright as tw
from trainwright.calibration import fit_temperature, search_threshold, search_thresholds
from trainwright.calibration.fitting import Labelled
from trainwright.config.errors import ConfigError, DataError, ManyErrors, RequestError, RunError
from trainwright.deploy.tracing.program import trace_program
from trainwright.domains.tables.calibration import labelled_rows
from trainwright.domains.tables.finish import split_rows
from trainwright.domains.tables.prepared import PreparedTable
from trainwright.domains.tables.traced import TableDeliverable, TracedTable
from trainwright.systems.run_config import read_config


def rows(count: int = 400, seed: int = 0) -> dict[str, Any]:
    """Two classes, three classes, labels, a number and a vector that follow from two numbers, with noise."""
    random = np.random.default_rng(seed)
    a, b = random.normal(size=(2, count))
    kind = np.stack([a, b, -a], axis=1) + random.gumbel(size=(count, 3))
    tags = [
        " ".join([name for name, there in zip(("red", "blue"), each, strict=True) if there] or ["grey"]) for each in _labels(random, a, b)
    ]
    pair = [json.dumps([round(x, 4), round(y, 4)]) for x, y in zip(a + random.normal(0, 0.3, count), b - a, strict=True)]
    return {
        "a": a,
        "b": b,
        "yes": np.where(a + random.logistic(size=count) > 1, "yes", "no"),
        "kind": np.array(["x", "y", "z"])[kind.argmax(axis=1)],
        "tags": tags,
        "size": a * 2 + random.normal(size=count),
        "pair": pair,
    }


def _labels(random: Any, a: Any, b: Any) -> Any:
    return np.stack([a + random.logistic(size=len(a)) > 0, b + random.logistic(size=len(a)) > 1], axis=1)


TARGETS = ["yes", "kind", "tags", "size"]
COLUMNS = {"tags": {"type": "set"}, "pair": "ignore"}


def trained(folder: Path, name: str, targets: Any = TARGETS, **more: Any) -> tw.Run:
    options: dict[str, Any] = {**QUICK, **more}
    options["trainer"] = {**QUICK["trainer"], "max_epochs": 4, "progress": "none"}
    options["evaluation"] = {**QUICK["evaluation"], "baselines": [], **more.get("evaluation", {})}
    return tw.train(folder / "t.csv", target=targets, run_dir=folder / name, columns={"tags": {"type": "set"}}, ignore=["pair"], **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("calibrated")
    write_csv(found / "t.csv", rows())
    return found


@pytest.fixture(scope="module")
def parent(folder: Path) -> tw.Run:
    return trained(folder, "parent")


ALL: list[Any] = ["temperature", {"type": "thresholds", "metric": "mcc"}, {"type": "conformal", "alpha": 0.2}]


@pytest.fixture(scope="module")
def child(folder: Path, parent: tw.Run) -> tw.Run:
    before = contents(parent.path)
    made = tw.calibrate(parent.path, methods=ALL, settings=[f"run.dir={folder / 'child'}"])
    assert contents(parent.path) == before  # the parent stays as it was, to the byte
    return made


def contents(folder: Path) -> dict[str, bytes]:
    return {str(each.relative_to(folder)): each.read_bytes() for each in sorted(folder.rglob("*")) if each.is_file()}


def labelled(run: tw.Run, split: str) -> dict[str, Labelled]:
    prepared = PreparedTable(read_config(run.directory.config))
    return labelled_rows(run.model.system, split_rows(prepared.data, split), 64)


def test_a_child_is_an_ordinary_run_with_the_weights_of_its_parent(parent: tw.Run, child: tw.Run) -> None:
    assert child.status == "finished" and child.directory.info["parent"] == str(parent.path.absolute())
    theirs, ours = parent.model.system.state_dict(), child.model.system.state_dict()
    assert list(theirs) == list(ours) and all(torch.equal(theirs[name], ours[name]) for name in theirs)
    assert child.results["weights_sha256"] == parent.results["weights_sha256"]
    assert child.directory.read_json("data.json")["source"] == parent.directory.read_json("data.json")["source"]
    assert [each["type"] for each in child.results["calibration"]["yes"]["methods"]] == ["temperature", "thresholds", "conformal"]
    assert [each["type"] for each in child.results["calibration"]["size"]["methods"]] == ["conformal"]
    assert parent.results["calibration"] == {}
    assert "Reliability" in child.report().read_text() and "Reliability" not in parent.report().read_text()


def test_what_is_fitted_is_what_the_functions_find_on_the_validation_rows(parent: tw.Run, child: tw.Run) -> None:
    found = labelled(parent, "validation")
    for name in ("yes", "kind", "tags"):
        expected = fit_temperature(found[name].logits, found[name].truth)
        assert child.model.calibrated[name].scaling.scale == pytest.approx(expected.scale, rel=1e-12)
    fitted = child.model.calibrated
    scaled = found["yes"].scaled(fitted["yes"].scaling)
    assert child.model.thresholds["yes"] == search_threshold(scaled.truth == 1, scaled.scores[:, 1], "mcc").threshold
    tags = found["tags"].scaled(fitted["tags"].scaling)
    assert child.model.thresholds["tags"] == [each.threshold for each in search_thresholds(tags.truth, tags.scores, "mcc")]
    assert "kind" not in child.model.thresholds  # a category is decided by its likeliest class
    errors = np.sort(np.abs(found["size"].truth - found["size"].scores))
    assert fitted["size"].conformal.quantile[0] == errors[int(np.ceil((len(errors) + 1) * 0.8)) - 1]


def test_predictions_are_calibrated_decided_and_bounded(parent: tw.Run, child: tw.Run, folder: Path) -> None:
    plain, made = parent.predict(folder / "t.csv"), child.predict(folder / "t.csv")
    assert made["kind_prediction"].to_pylist() == plain["kind_prediction"].to_pylist()  # a temperature moves no class
    p, q = (np.array(each["yes_probability_yes"].to_pylist(), np.float64) for each in (plain, made))
    temperature = child.model.calibrated["yes"].scaling.temperature
    assert np.log(q / (1 - q)) == pytest.approx(np.log(p / (1 - p)) / temperature, abs=2e-3)
    assert [each == "yes" for each in made["yes_prediction"].to_pylist()] == (q >= child.model.thresholds["yes"]).tolist()
    low, high, size = (np.array(made[f"size_{each}"].to_pylist()) for each in ("low", "high", "prediction"))
    reach = child.model.calibrated["size"].conformal.quantile[0]
    assert size - low == pytest.approx(reach) and high - size == pytest.approx(reach)
    limit = child.model.calibrated["kind"].conformal.quantile[0]
    chances = np.stack([made[f"kind_probability_{each}"].to_numpy() for each in "xyz"], axis=1).astype(np.float64)
    assert made["kind_set"].to_pylist() == [[c for c, x in zip("xyz", each, strict=True) if 1 - x <= limit] for each in chances]
    blue = np.array(made["tags_probability_blue"].to_pylist(), np.float64) >= _tags(child)["blue"]
    assert ["blue" in each for each in made["tags_prediction"].to_pylist()] == blue.tolist()
    assert [each.name for each in child.predictor.outputs] == made.column_names


def _tags(run: tw.Run) -> dict[str, float]:
    return dict(zip(run.model.encoder.features["tags"].vocabulary, run.model.thresholds["tags"], strict=True))


def test_results_show_the_test_rows_before_and_after(parent: tw.Run, child: tw.Run, folder: Path) -> None:
    told = child.results["calibration"]["yes"]["test"]
    assert told["before"]["nll"] == pytest.approx(parent.metrics["test"]["yes"]["log_loss"], rel=1e-6)
    assert told["after"]["nll"] == pytest.approx(child.metrics["test"]["yes"]["log_loss"], rel=1e-6)
    validation = child.results["calibration"]["yes"]["validation"]
    assert validation["after"]["nll"] <= validation["before"]["nll"] + 1e-7
    sizes = child.results["calibration"]["size"]["test"]["conformal"]
    split = np.load(child.path / "outcomes" / "size.npz")
    inside = np.abs(split["truth"] - split["scores"]) <= child.model.calibrated["size"].conformal.quantile[0]
    assert sizes["coverage"] == pytest.approx(inside.mean())
    assert sizes["mean_width"] == pytest.approx(2 * child.model.calibrated["size"].conformal.quantile[0])
    measured = child.predictor.measure(child.predictor.own_rows("test"), "test")["metrics"]
    assert measured["tags"] == pytest.approx(child.metrics["test"]["tags"]) and measured["yes"] == pytest.approx(
        child.metrics["test"]["yes"]
    )


def test_training_by_configuration_gives_what_the_command_gives(folder: Path, child: tw.Run) -> None:
    made = trained(folder, "by-configuration", evaluation={"calibration": ALL})
    ours, theirs = made.results, child.results
    assert ours["calibration"] == theirs["calibration"] and ours["metrics"]["test"] == theirs["metrics"]["test"]
    assert (made.path / "model" / "model.json").read_bytes() == (child.path / "model" / "model.json").read_bytes()


def test_an_exported_model_answers_as_calibrated_and_so_does_its_graph(child: tw.Run, folder: Path, tmp_path: Path) -> None:
    from trainwright.api.export import export_run

    export_run(child.path, tmp_path / "model")
    expected = child.predict(folder / "t.csv")
    assert tw.load_predictor(tmp_path / "model").predict(folder / "t.csv").equals(expected)
    program = trace_program(TableDeliverable(child.model))
    traced = TracedTable(child.model, program.module()).predict(folder / "t.csv")
    assert traced.column_names == expected.column_names
    for name in ("size_low", "size_high", "kind_set", "yes_set", "yes_prediction", "tags_prediction"):
        assert traced[name].to_pylist() == expected[name].to_pylist(), name
    export_run(child.path, tmp_path / "graph", "torch")
    told = json.loads((tmp_path / "graph" / "columns.json").read_text())["targets"]
    assert told["kind"]["alpha"] == 0.2 and "low" in told["size"]


def test_sets_that_add_up_are_the_same_in_a_graph_and_drawn_ones_are_refused_there(parent: tw.Run, folder: Path, tmp_path: Path) -> None:
    aps = tw.calibrate(parent.path, methods=[{"type": "conformal", "score": "aps"}], settings=[f"run.dir={tmp_path / 'aps'}"])
    traced = TracedTable(aps.model, trace_program(TableDeliverable(aps.model)).module()).predict(folder / "t.csv")
    assert traced["kind_set"].to_pylist() == aps.predict(folder / "t.csv")["kind_set"].to_pylist()
    assert aps.model.calibrated.keys() == {"yes", "kind"}  # numbers have no such score, and are left as they are
    method = {"type": "conformal", "score": "aps", "randomised": True, "targets": ["kind"]}
    drawn = tw.calibrate(parent.path, methods=[method], settings=[f"run.dir={tmp_path / 'drawn'}"])
    once, again = (drawn.predict(folder / "t.csv")["kind_set"].to_pylist() for _ in range(2))
    assert once == again and once != aps.predict(folder / "t.csv")["kind_set"].to_pylist()
    with pytest.raises(RequestError, match="cannot be traced"):
        trace_program(TableDeliverable(drawn.model))


def test_methods_of_a_calibrated_run_are_replaced_by_stage_and_all_are_fitted_anew(child: tw.Run, parent: tw.Run, tmp_path: Path) -> None:
    again = tw.calibrate(child.path, methods=["vector"], settings=[f"run.dir={tmp_path / 'again'}"])
    told = again.results["calibration"]["yes"]
    assert [each["type"] for each in told["methods"]] == ["vector", "thresholds", "conformal"]
    at_once = tw.calibrate(parent.path, methods=["vector", *ALL[1:]], settings=[f"run.dir={tmp_path / 'at-once'}"])
    assert at_once.results["calibration"] == again.results["calibration"]  # nothing of the former temperature is left
    alone = tw.calibrate(child.path, settings=["evaluation.calibration=[temperature]", f"run.dir={tmp_path / 'alone'}"])
    assert alone.model.thresholds == {} and "yes_set" not in alone.predict({"a": [0.0], "b": [0.0]}).column_names


def test_a_method_of_one_target_replaces_what_that_target_had_alone(child: tw.Run, parent: tw.Run, tmp_path: Path) -> None:
    again = tw.calibrate(child.path, methods=["vector"], targets=["yes"], settings=[f"run.dir={tmp_path / 'again'}"])
    told = {name: [each["type"] for each in found["methods"]] for name, found in again.results["calibration"].items()}
    before = {name: [each["type"] for each in found["methods"]] for name, found in child.results["calibration"].items()}
    assert told == before | {"yes": ["vector", "thresholds", "conformal"]} and "temperature" in before["kind"]
    written = {"type": "vector", "targets": ["yes"]}
    named = tw.calibrate(child.path, methods=[written], settings=[f"run.dir={tmp_path / 'named'}"])
    assert named.results["calibration"] == again.results["calibration"]
    settings = ["evaluation.calibration=[temperature]"]
    assert "targets are named twice" in str(refused(".", tw.calibrate, child.path, targets=["yes"], settings=settings))


def test_a_place_that_is_taken_is_answered_with_another(child: tw.Run, parent: tw.Run) -> None:
    told = refused("this place is taken", tw.calibrate, parent.path, settings=[f"run.dir={child.path}"])
    assert told.fix == "choose another place with run.dir=DIR"


def test_given_rows_are_fitted_on_and_known_ones_are_told(
    parent: tw.Run, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_csv(tmp_path / "new.csv", rows(300, seed=9))
    made = tw.calibrate(parent.path, tmp_path / "new.csv", methods=["temperature"], settings=[f"run.dir={tmp_path / 'new'}"])
    assert not [each for each in caplog.messages if "rows of this run" in each]
    told = made.results["calibration"]["kind"]
    assert told["rows"] == 300 and told["fitted_on"].endswith("new.csv") and told["test"]["rows"] == 60
    known = tw.calibrate(parent.path, folder / "t.csv", methods=["temperature"], settings=[f"run.dir={tmp_path / 'known'}"])
    said = "\n".join(caplog.messages)
    assert "280 of the 400 rows of t.csv are training rows of this run" in said and "60 of the 400 rows of t.csv are test rows" in said
    assert known.results["calibration"]["kind"]["rows"] == 400
    with pytest.raises(DataError, match="missing column"):
        lacking = {name: each for name, each in rows(20).items() if name != "kind"}
        tw.calibrate(parent.path, write_csv(tmp_path / "lacking.csv", lacking), settings=[f"run.dir={tmp_path / 'no'}"])
    assert not (tmp_path / "no").exists()


def refused(match: str, call: Any, *more: Any, **named: Any) -> RequestError:
    with pytest.raises(RequestError, match=match) as caught:
        call(*more, **named)
    return caught.value


def test_what_cannot_be_fitted_is_refused_and_leaves_nothing(parent: tw.Run, tmp_path: Path) -> None:
    place = tmp_path / "refused"

    def ask(*methods: Any, data: Any = None) -> RequestError:
        found: RequestError = refused(".", tw.calibrate, parent.path, data, methods=methods, settings=[f"run.dir={place}"])
        assert not place.exists() and not found.__cause__
        return found

    assert "use vector or conformal" in str(ask({"type": "thresholds", "targets": ["kind"]}).fix)
    assert "use thresholds or temperature" in str(ask({"type": "conformal", "targets": ["tags"]}).fix)
    assert "use conformal" in str(ask({"type": "temperature", "targets": ["size"]}).fix)
    assert "use score: residual" in str(ask({"type": "conformal", "score": "quantile"}))
    assert "has no sigma" in str(ask({"type": "conformal", "score": "normalised"}))
    assert "kinds" not in str(ask({"type": "temperature", "targets": ["kinds"]}).fix) and "kind" in str(
        ask({"type": "temperature", "targets": ["kinds"]})
    )
    assert "needs at least 999 rows, there are 60" in str(ask({"type": "conformal", "alpha": 0.001}))
    few = {name: each[:5] for name, each in rows().items()}
    assert "alpha 0.1 needs at least 9 rows, there are 5" in str(ask({"type": "conformal"}, data=few))
    one = rows(60)
    kept = np.flatnonzero(one["kind"] != "z")
    absent = {name: np.array(each)[kept] for name, each in one.items()}
    assert "no row to calibrate on is 'z'" in str(ask({"type": "vector", "targets": ["kind"]}, data=absent))
    alike = {name: np.array(each)[one["yes"] == "no"] for name, each in one.items()}
    assert "all rows to calibrate on are 'no'" in str(ask({"type": "temperature", "targets": ["yes"]}, data=alike))
    for alpha in (0, 1, -0.1, 2):
        assert "alpha" in str(ask({"type": "conformal", "alpha": alpha}))
    assert "did you mean 'temperature'" in str(ask("temprature"))
    assert "two methods do the same" in str(ask("vector", "temperature"))


def test_places_that_are_no_finished_run_are_refused(parent: tw.Run, folder: Path, tmp_path: Path) -> None:
    from trainwright.api.export import export_run

    export_run(parent.path, tmp_path / "model")
    refused("exported model", tw.calibrate, tmp_path / "model")
    refused("no such run", tw.calibrate, tmp_path / "nothing")
    shutil.copytree(parent.path, tmp_path / "half")
    (tmp_path / "half" / "run.json").write_text((parent.path / "run.json").read_text().replace('"finished"', '"interrupted"'))
    refused("no model yet", tw.calibrate, tmp_path / "half")
    with tw.load(parent.path).directory as held:
        held.lock.acquire()
        refused("being written", tw.calibrate, parent.path)
    refused("taken", tw.calibrate, parent.path, settings=[f"run.dir={parent.path}"])


def test_a_run_without_validation_rows_needs_rows_that_are_given(folder: Path, tmp_path: Path) -> None:
    run = trained(folder, "no-validation", ["yes"], data={"split": {"type": "random", "validation": 0.0, "test": 0.2}})
    said = refused("no rows to calibrate on", tw.calibrate, run.path, settings=[f"run.dir={tmp_path / 'a'}"])
    assert "trainwright calibrate RUN DATA" in str(said.fix) and not (tmp_path / "a").exists()
    write_csv(tmp_path / "new.csv", rows(200, seed=3))
    made = tw.calibrate(run.path, tmp_path / "new.csv", settings=[f"run.dir={tmp_path / 'b'}"])
    assert made.results["calibration"]["yes"]["rows"] == 200
    with pytest.raises((ConfigError, ManyErrors), match="no rows to calibrate on"):
        trained(
            folder, "asked", ["yes"], data={"split": {"type": "random", "validation": 0.0}}, evaluation={"calibration": ["temperature"]}
        )
    assert not (folder / "asked").exists()


def test_data_that_changed_since_are_refused(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", rows(120))
    run = trained(tmp_path, "run", ["yes"])
    write_csv(tmp_path / "t.csv", rows(120, seed=5))
    with pytest.raises(RunError, match="data have changed"):
        tw.calibrate(run.path, settings=[f"run.dir={tmp_path / 'c'}"])


def test_a_run_of_ones_own_system_is_refused_with_what_can_be_done(tmp_path: Path) -> None:
    from torch import nn

    x = torch.randn(64, 3)
    fitted = tw.fit(nn.Linear(3, 2), (x, (x[:, 0] > 0).long()), run_dir=tmp_path / "own", max_epochs=1)
    said = refused("cannot be calibrated by a command", tw.calibrate, fitted.path)
    assert "tw.calibration.fit_temperature" in str(said.fix)


def test_numbers_of_a_vector_are_bounded_one_by_one(folder: Path, tmp_path: Path) -> None:
    options = {
        **QUICK,
        "trainer": {**QUICK["trainer"], "max_epochs": 3, "progress": "none"},
        "ignore": TARGETS,
        "columns": {"pair": "vector"},
    }
    made = tw.train(
        folder / "t.csv",
        target="pair",
        run_dir=tmp_path / "v",
        **{**options, "evaluation": {"baselines": [], "calibration": ["conformal"]}},
    )
    found = made.predict(folder / "t.csv")
    low, high = (np.array(found[f"pair_{each}"].to_pylist()) for each in ("low", "high"))
    assert low.shape == (400, 2) and len(set(np.round((high - low)[0], 6))) == 2
    assert made.results["calibration"]["pair"]["test"]["conformal"]["coverage"] > 0.7


def test_a_calibrated_model_that_was_changed_is_told_to_be_damaged(child: tw.Run, tmp_path: Path) -> None:
    shutil.copytree(child.path, tmp_path / "copy")
    place = tmp_path / "copy" / "model" / "model.json"
    whole = json.loads(place.read_text())
    assert whole["format"] == 2
    for target, key, value in (
        ("yes", "scaling", {"scale": [1, 2, 3]}),
        ("tags", "thresholds", 3),
        ("kind", "conformal", {"score": "best"}),
    ):
        changed = json.loads(place.read_text()) | {"calibration": {target: {**whole["calibration"][target], key: value}}}
        place.write_text(json.dumps(changed))
        with pytest.raises(RunError, match="damaged"):
            tw.load(tmp_path / "copy").predict({"a": [0.0], "b": [0.0]})
        place.write_text(json.dumps(whole))


def test_targets_alone_get_what_is_usual_for_them(parent: tw.Run, tmp_path: Path) -> None:
    made = tw.calibrate(parent.path, targets=["kind", "size"], settings=[f"run.dir={tmp_path / 'some'}"])
    told = made.results["calibration"]
    assert {name: [each["type"] for each in found["methods"]] for name, found in told.items()} == {
        "kind": ["temperature"],
        "size": ["conformal"],
    }
    assert "did you mean 'size'" in str(refused("no target", tw.calibrate, parent.path, targets=["sise"]).fix)
