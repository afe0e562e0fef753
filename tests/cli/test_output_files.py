"""Every command that writes where a person says refuses its inputs and runs, before it reads or computes anything."""

from __future__ import annotations

import csv
import hashlib
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
import torch
from torch import nn

from trainwright.api.prediction_files import formulas_escaped
from trainwright.api.prediction_writers import LineWriter
from trainwright.cli.main import main

QUICK = ["trainer.max_steps=2", "evaluation.baselines=[]", "evaluation.importance=false", "evaluation.report=false", "run.device=cpu"]
PARTS = """
import torch
from torch import nn
import trainwright as tw


class Small(tw.System):
    def build(self, spec):
        self.net = nn.Linear(3, 2)

    def training_step(self, batch, context):
        return nn.functional.cross_entropy(self.net(batch["input"]), batch["target"])

    def predict_step(self, batch):
        return {"p": self.net(batch["input"])}


class Data:
    def __init__(self, path: str):
        x = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
        y = (x[:, 0] > 0).long()
        self.train, self.validation, self.predict = (x, y), (x[:9], y[:9]), (x, y)
"""
OWN = "system: {type: './parts.py:Small'}\ndata: {type: './parts.py:Data', path: waves.npz}\ntrainer: {max_steps: 2}\nrun: {device: cpu}\n"
FORMULA = '=HYPERLINK("http://example.org")'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Inputs of every kind, a run on the table and a run of a system of one's own."""
    made = tmp_path_factory.mktemp("inputs")
    random = np.random.default_rng(0)
    columns = {"a": random.normal(size=90), "b": random.normal(size=90), "y": random.choice([FORMULA, "no"], 90, p=[0.85, 0.15])}
    for name in ("train.csv", "new.csv", "deep/rows-1.csv"):
        (made / name).parent.mkdir(exist_ok=True)
        pyarrow.csv.write_csv(pa.table(columns), made / name)
    (made / "table.yaml").write_text("data: {source: train.csv}\ntargets: [y]\n")
    (made / "parts.py").write_text(PARTS)
    (made / "own.yaml").write_text(OWN)
    (made / "waves.npz").write_bytes(b"waves of one's own")
    (made / "net.svg").write_text("a drawing of one's own")
    torch.save(nn.Linear(6, 6).state_dict(), made / "old.safetensors")
    (made / "soft.csv").symlink_to("new.csv")
    (made / "hard.csv").hardlink_to(made / "new.csv")
    before = Path.cwd()
    os.chdir(made)
    try:
        assert main(["train", "train.csv", "--target", "y", "run.dir=table", *QUICK]) == 0
        assert main(["train", "own.yaml", "run.dir=own"]) == 0
    finally:
        os.chdir(before)
    return made


def state(folder: Path) -> dict[str, str]:
    """Path → digest, or where a link leads."""
    found = [each for each in folder.rglob("*") if each.is_file() or each.is_symlink()]
    return {str(each): os.readlink(each) if each.is_symlink() else hashlib.sha256(each.read_bytes()).hexdigest() for each in found}


REFUSED = [
    ("lr table.yaml --csv table.yaml", "this is an input"),
    ("lr table.yaml --csv train.csv", "this is an input"),
    ("lr train.csv --target y --svg train.csv", "this is an input"),
    ("lr train.csv --target y --csv table/metrics.csv", "a run is not written into"),
    ("lr train.csv --target y --csv out.x --svg ./out.x", "two files cannot have one name"),
    ("lr train.csv --target y --csv=", "nothing in this value"),
    ("predict table new.csv -o new.csv", "this is an input"),
    ("predict table new.csv -o ./deep/../new.csv", "this is an input"),
    ("predict table new.csv -o soft.csv", "this is an input"),
    ("predict table new.csv -o hard.csv", "this is an input"),
    ("predict table soft.csv -o new.csv", "this is an input"),
    ("predict table new.csv -o train.csv", "this is an input"),
    ("predict table deep/*.csv -o deep/rows-1.csv", "this is an input"),
    ("predict table new.csv -o table/metrics.csv", "a run is not written into"),
    ("predict table new.csv -o table/model/more.csv", "a run is not written into"),
    ("predict table new.csv -o=", "nothing in this value"),
    ("predict table new.csv -o no/such.csv", "this file cannot be written"),
    ("predict table new.csv -o out.parquet --escape-formulas", "there is nothing to escape"),
    ("predict table new.csv --escape-formulas", "nothing is written as CSV"),
    ("predict own -o waves.npz", "this is an input"),
    ("predict own -o own/model/model.safetensors", "a run is not written into"),
    ("predict own.yaml --weights own -o waves.npz", "this is an input"),
    ("export own -o own", "this place is taken"),
    ("export own -o own/model/again", "a run is not written into"),
    ("export own -o deep", "this place is taken"),
    ("export own -o train.csv", "this place is taken"),
    ("export own -o train.csv/out", "cannot write here"),
    ("convert old.safetensors old.safetensors --force", "this is an input"),
    ("convert old.safetensors own/model/model.safetensors --force", "a run is not written into"),
    ("inspect own.yaml -o table/net.svg", "a run is not written into"),
    ("inspect net.svg -o net.svg", "this is an input"),
    ("tune own.yaml --write own/tuned.yaml", "a run is not written into"),
]


@pytest.mark.parametrize(("command", "what"), REFUSED, ids=[command for command, _ in REFUSED])
def test_an_input_or_a_run_is_never_overwritten(
    command: str, what: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    before = state(folder)
    assert main(command.split()) == 2
    said = capsys.readouterr().err
    assert what in said and "fix:" in said and "Traceback" not in said
    assert state(folder) == before


def test_an_earlier_output_is_replaced_and_a_device_is_written_to(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    for _ in range(2):
        assert main(["predict", "table", "new.csv", "-o", str(tmp_path / "out.csv")]) == 0
        assert main(["lr", "train.csv", "--target", "y", "--csv", str(tmp_path / "rates.csv"), "--svg", "/dev/null", *QUICK[:1]]) == 0
    assert sorted(each.name for each in tmp_path.iterdir()) == ["out.csv", "rates.csv"]
    assert Path("/dev/null").is_char_device()


def test_texts_that_a_spreadsheet_would_run_are_escaped_on_request(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    columns = []
    for number, options in enumerate(([], ["--escape-formulas"])):
        place = tmp_path / f"{number}.csv"
        assert main(["predict", "table", "new.csv", "-o", str(place), *options]) == 0
        with place.open(newline="") as file:
            columns.append([cell for row in csv.reader(file) for cell in row])
    plain, escaped = columns
    assert plain.count(FORMULA) > 10 and escaped == [f"'{each}" if each == FORMULA else each for each in plain]


def test_only_texts_are_escaped_and_only_those_that_begin_as_formulas(tmp_path: Path) -> None:
    texts = ["=1+1", "+A1", "-A1", "@SUM(A1)", "\t=1", "\r=1", "＝1+1", "-5", "+1.5e-3", "no", "a=b", "", None, "'=1", "-.5"]
    numbers = list(range(-5, 10))
    lists = [["=1", "b"]] * 15
    table = pa.table(
        {"texts": texts, "=cmd|' /C calc'!A0": numbers, "kinds": pa.array(texts).dictionary_encode(), "lists": lists, "-5": numbers}
    )
    escaped = ["'=1+1", "'+A1", "'-A1", "'@SUM(A1)", "'\t=1", "'\r=1", "'＝1+1", *texts[7:]]
    found = formulas_escaped(table.drop_columns("lists"))
    assert found.column_names == ["texts", "'=cmd|' /C calc'!A0", "kinds", "-5"]
    assert found["texts"].to_pylist() == found["kinds"].to_pylist() == escaped and found["-5"].to_pylist() == numbers
    with (tmp_path / "out.csv").open("wb") as file:
        LineWriter(file, tmp_path / "out.csv", escape_formulas=True).append(table)
    with (tmp_path / "out.csv").open(newline="") as file:
        assert next(csv.DictReader(file))["lists"] == "'=1|b"
