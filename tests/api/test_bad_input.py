"""Every wrong request: exit code 2, one clear message with the fix, no traceback, and no run directory."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_tables import passengers, write_csv

from trainwright.cli.main import main

QUICK = [
    "model.combiner.type=concat",
    "trainer.max_epochs=1",
    "trainer.batch_size=64",
    "evaluation.baselines=[]",
    "evaluation.report=false",
]
QUICK += ["evaluation.importance=false"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with one good table in it."""
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / "passengers.csv", passengers(120))
    return tmp_path


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The message of a request that must be refused, leaving nothing behind."""
    before = set(os.listdir())
    code = main(["train", *words])
    said = capsys.readouterr()
    assert code == 2, said.err
    assert "Traceback" not in said.err
    assert said.err.count("error") >= 1
    assert set(os.listdir()) == before
    return said.err


def text(content: str | bytes) -> Callable[[Path], None]:
    """Writes a file with this content."""
    return lambda path: path.write_bytes(content if isinstance(content, bytes) else content.encode()) and None


GOOD = "".join(f"{k},{k * 2 % 7},{'yes' if k % 3 else 'no'}\n" for k in range(40))

FILES: dict[str, tuple[Callable[[Path], Any], str, str]] = {
    "a directory": (lambda path: path.mkdir(), "y", "is empty"),
    "an empty file": (text(""), "y", "empty"),
    "a header only": (text("a,b,y\n"), "y", "no rows"),
    "a binary file": (text(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8), "y", "png"),
    "a file that claims to be gzip": (text(gzip.compress(b"a,b\n1,2\n")[:12]), "y", ""),
    "ragged rows": (text("a,b,y\n" + GOOD + "1,2,yes,9\n" + GOOD), "y", "line 42"),
    "duplicate column names": (text("a,a,y\n" + GOOD), "y", "duplicate"),
    "a wrong target": (text("a,b,answer\n" + GOOD), "anwser", "answer"),
    "a constant target": (text("a,b,y\n" + "".join(f"{k},{k},1\n" for k in range(40))), "y", "constant"),
    "a target without values": (text("a,b,y\n" + "".join(f"{k},{k},\n" for k in range(40))), "y", "no value"),
    "an infinite value": (text("a,b,y\n" + GOOD + "inf,3,yes\n"), "y", "infinite"),
    "too few rows": (text("a,b,y\n1,2,yes\n2,3,no\n"), "y", "too few"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_cannot_be_trained_on_is_refused(here: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    make, target, expected = FILES[case]
    make(here / "data.csv")
    message = refused(capsys, "data.csv", "--target", target)
    assert expected.lower() in message.lower()


SETTINGS = {
    "no target": ((), "--target"),
    "a target that is not there": (("--target", "surived"), "survived"),
    "a column that is not there": (("--target", "survived", "columns.agee=number"), "age"),
    "an ignored target": (("--target", "survived", "ignore=[survived]"), "ignore"),
    "a file that is not there": (("--target", "survived", "data.source=passenger.csv"), "passengers.csv"),
    "an unknown option": (("--target", "survived", "trainer.max_epoch=3"), "max_epochs"),
    "a wrong type": (("--target", "survived", "trainer.max_epochs=many"), "max_epochs"),
    "a wrong unit": (("--target", "survived", "trainer.evaluate_every=10 epochz"), "epochs"),
    "two ends": (("--target", "survived", "trainer.max_epochs=3", "trainer.max_steps=9"), "max_steps"),
    "an unknown part": (("--target", "survived", "model.combiner=tabnett"), "tabnet"),
    "an import that fails": (("--target", "survived", "trainer.optimizer=no_such_package.Optimizer"), "no_such_package"),
    "a monitor that does not exist": (("--target", "survived", "trainer.monitor=accuracyy"), "accuracy"),
    "a metric of another kind": (("--target", "survived", "columns.survived={type: binary, metrics: [rmse]}"), "rmse"),
    "text in a number column": (("--target", "survived", "columns.sex=number"), "row 1"),
    "a number as binary target": (("--target", "fare", "columns.fare=binary"), "not binary"),
    "no inputs left": (("--target", "survived", "ignore=[sex,age,fare,port]"), "predict from"),
    "an unknown device": (("--target", "survived", "run.device=gpu"), "device"),
    "a missing value under error": (("--target", "survived", "columns.age.missing=error"), "missing"),
    "an option the inferred type does not have": (("--target", "survived", "columns.sex={missing: median}"), "binary"),
    "a split that names no column": (("--target", "survived", "data.split={type: column, column: fold}"), "fold"),
    "fractions that are not one": (("--target", "survived", "data.split={type: random, train: 0.9, validation: 0.2, test: 0.2}"), "1"),
    "a place that is a file": (("--target", "survived", "run.dir=passengers.csv"), "passengers.csv"),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_a_setting_that_cannot_be_met_is_refused(here: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    words, expected = SETTINGS[case]
    message = refused(capsys, "passengers.csv", *[word for word in QUICK if word.partition("=")[0] not in str(words)], *words)
    assert expected.lower() in message.lower()


def test_all_mistakes_of_a_file_are_told_at_once_with_line_and_column(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("cfg.yaml").write_text(
        "data: {source: passengers.csv}\ntargets: [survived]\ntrainer:\n  max_epoch: 3\n  batch_size: -1\nrun: {sed: 2}\n"
    )
    message = refused(capsys, "cfg.yaml")
    assert "cfg.yaml:4:3" in message and "cfg.yaml:5:" in message and "cfg.yaml:6:" in message


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    folder = tmp_path_factory.mktemp("run")
    path = write_csv(folder / "passengers.csv", passengers(120))
    assert main(["train", str(path), "--target", "survived", f"run.dir={folder / 'run'}", *QUICK]) == 0
    return folder / "run"


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The message of a command that must be refused."""
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said


def test_a_taken_run_directory_is_refused_and_untouched(run: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (run / "results.json").read_bytes()
    message = refused(capsys, "passengers.csv", "--target", "survived", f"run.dir={run}", *QUICK)
    assert "--resume" in message and (run / "results.json").read_bytes() == before


def test_a_run_inside_a_run_is_refused(run: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = refused(capsys, "passengers.csv", "--target", "survived", f"run.dir={run / 'inner'}", *QUICK)
    assert "inside another" in message and not (run / "inner").exists()


def test_an_unfinished_run_has_no_model_and_says_how_to_get_one(run: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import shutil

    shutil.copytree(run, here / "half", ignore=shutil.ignore_patterns("model", "results.json"))
    for command in ("evaluate", "predict"):
        assert "trainwright resume half" in asked(capsys, command, "half", "passengers.csv")


def test_a_finished_run_is_not_another_request(run: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = str(run.parent / "passengers.csv")
    same = ["train", table, "--target", "survived", f"run.dir={run}", "--resume", *QUICK]
    assert main(same) == 0 and "this run is finished" in capsys.readouterr().err
    assert main(["resume", str(run)]) == 0 and "this run is finished" in capsys.readouterr().err
    assert "run.seed: 0 → 7" in asked(capsys, *same, "run.seed=7")
    assert "targets: " in asked(capsys, "train", table, "--target", "sex", f"run.dir={run}", "--resume", *QUICK)
    assert "data.source.path" in asked(capsys, "train", "passengers.csv", "--target", "survived", f"run.dir={run}", "--resume", *QUICK)
    assert "--fork" in asked(capsys, "resume", str(run), "trainer.max_epochs=99")


def test_a_finished_run_of_other_data_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "passengers.csv", "--target", "survived", "run.dir=other", "--resume", *QUICK]
    assert main(words) == 0
    changed = passengers()
    changed["age"][0] += 1
    write_csv(here / "passengers.csv", changed)
    capsys.readouterr()
    assert "the data have changed" in asked(capsys, *words)


def full(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("place", ["trainwright.domains.tables.finish.save_outcomes", "trainwright.domains.tables.prepared.finish"])
def test_a_disk_that_is_full_at_the_end_loses_no_training(
    place: str, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(place, full)
        assert main(["train", "passengers.csv", "--target", "survived", "run.dir=run", *QUICK]) == 1
    said = capsys.readouterr().err
    assert "the training is complete" in said and "checkpoint step-" in said and "trainwright resume run, " in said
    rows = (here / "run" / "metrics.csv").read_text()
    assert main(["resume", "run"]) == 0
    assert (here / "run" / "results.json").is_file() and (here / "run" / "metrics.csv").read_text() == rows


def test_a_report_a_full_disk_refuses_leaves_a_finished_run(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("trainwright.api.report.write_text", full)
        quick = [each for each in QUICK if "report" not in each]
        assert main(["train", "passengers.csv", "--target", "survived", "run.dir=run", *quick]) == 1
    assert "trainwright report run" in capsys.readouterr().err
    assert json.loads((here / "run" / "run.json").read_text())["status"] == "finished"
    assert main(["report", "run"]) == 0


def test_a_disk_that_is_full_at_the_start_leaves_nothing(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyarrow.parquet.write_table", full)
    assert "disk is full" in asked(capsys, "train", "passengers.csv", "--target", "survived", "run.dir=run", *QUICK)
    assert not (here / "run").exists()


def test_a_directory_that_is_no_run_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "folder").mkdir()
    (here / "folder" / "notes.txt").write_text("mine")
    assert "not a run" in asked(capsys, "predict", "folder", "passengers.csv")
    assert "no such run" in asked(capsys, "report", "nowhere")


def test_a_run_from_a_newer_version_is_refused(run: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    newer = here / "newer"
    newer.mkdir()
    info = json.loads((run / "run.json").read_text())
    (newer / "run.json").write_text(json.dumps({**info, "format": 99}))
    assert "newer" in asked(capsys, "evaluate", "newer", "passengers.csv")


def test_a_damaged_model_is_refused(run: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import shutil

    shutil.copytree(run, here / "damaged")
    file = here / "damaged" / "model" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    assert "damaged" in asked(capsys, "predict", "damaged", "passengers.csv")


def test_a_missing_column_at_predict_time_is_named(run: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_csv(here / "new.csv", {name: values for name, values in passengers(10).items() if name != "fare"})
    assert "fare" in asked(capsys, "predict", str(run), "new.csv", "-o", "out.csv")
    assert not (here / "out.csv").exists()


def test_an_unknown_kind_of_output_is_refused_before_anything_is_read(run: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ".parquet" in asked(capsys, "predict", str(run), "passengers.csv", "-o", "out.docx")


def test_other_settings_do_not_continue_a_run(run: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    info = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**info, "status": "interrupted"}))
    try:
        assert "batch_size" in asked(capsys, "resume", str(run), "trainer.batch_size=16")
    finally:
        (run / "run.json").write_text(json.dumps(info))


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc/self").exists(), reason="needs a place that cannot be written")
def test_a_place_that_cannot_be_written_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = refused(capsys, "passengers.csv", "--target", "survived", "run.dir=/proc/nowhere/run", *QUICK)
    assert "cannot" in message
