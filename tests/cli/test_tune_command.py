"""`trainwright tune`, and runs that tune themselves: what is printed, written, kept, and never measured twice."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

import trainwright as tw
from commands import trainwright_command
from trainwright.config.errors import ConfigError, RequestError
from trainwright.report.blocks.base import Sheet
from trainwright.report.every_run.tuning import tuning
from trainwright.report.material import Material


def trainwright(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return trainwright_command(*words, folder=folder, COLUMNS="100")


def test_both_are_tuned_and_the_lines_to_paste_are_a_configuration(tmp_path: Path) -> None:
    done = trainwright("tune", "builtin:iris", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "samples/s" in done.stdout and "learning rate" in done.stdout
    lines = yaml.safe_load(done.stdout.partition("for the configuration\n")[2])
    assert lines["trainer"]["batch_size"] in (8, 16, 21)
    assert 1e-5 < lines["trainer"]["optimizer"]["learning_rate"] < 1
    (tmp_path / "pasted.yaml").write_text(yaml.safe_dump(lines | {"data": {"source": "builtin:iris"}}))
    assert trainwright("validate", "pasted.yaml", folder=tmp_path).returncode == 0
    assert [each.name for each in tmp_path.iterdir()] == ["pasted.yaml"]


def test_one_of_them_as_json_and_written_to_a_file(tmp_path: Path) -> None:
    words = ["tune", "builtin:iris", "--batch-size", "--json", "--write", "tuned.yaml", "trainer.max_batch_size=32"]
    done = trainwright(*words, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) == {"format", "chosen", "batch_size"}
    assert [each["batch_size"] for each in found["batch_size"]["trials"]] == [8, 16, 32]
    assert yaml.safe_load((tmp_path / "tuned.yaml").read_text())["trainer"]["batch_size"] == found["chosen"]["batch_size"]
    assert trainwright("validate", "tuned.yaml", folder=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "nothing to tune"),
        (["builtin:iris", "trainer.batch_sice=3"], "batch_size"),
        (["builtin:iris", "--write", "there.yaml"], "this place is taken"),
        (["builtin:iris", "--write", "no/such.yaml"], "no such folder"),
        (["builtin:iris", "--bath-size"], "--batch-size"),
    ],
)
def test_a_wrong_request_is_refused_with_exit_code_2(tmp_path: Path, words: list[str], says: str) -> None:
    (tmp_path / "there.yaml").write_text("")
    done = trainwright("tune", *words, folder=tmp_path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert says in done.stderr


def test_the_help_imports_no_torch(tmp_path: Path) -> None:
    ends = "try:\n main(['tune', '--help'])\nexcept SystemExit:\n pass\nsys.exit('torch' in sys.modules)"
    code = f"import sys\nfrom trainwright.cli.main import main\n{ends}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 0 and "--learning-rate" in done.stdout


def data() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(400, 4, generator=generator)
    return x, (x[:, 0] > 0).long()


def test_a_plain_model_is_tuned_and_left_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    found = tw.tune_batch_size(model, data(), max_batch_size=64, max_time="5 s", device="cpu")
    rate = tw.tune_learning_rate(model, data(), optimizer="sgd", device="cpu")
    assert found.chosen <= 64 and {each.batch_size for each in found.trials} <= {8, 16, 32, 64}
    assert rate.chosen is not None and 1e-4 < rate.chosen < 10
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_a_table_is_tuned_as_it_would_be_trained() -> None:
    x, y = data()
    table = {"a": x[:, 0].numpy(), "b": x[:, 1].numpy(), "y": y.numpy()}
    assert tw.tune_batch_size(table, target="y", max_batch_size=32, max_time="5 s").chosen in (8, 16, 32)


def test_wrong_arguments_are_told() -> None:
    with pytest.raises(RequestError, match="unknown option"):
        tw.tune_batch_size(nn.Linear(4, 2), data(), bath_size=3)
    with pytest.raises(ConfigError, match=r"no torch\.nn\.Module"):
        tw.tune_batch_size("builtin:iris", data())
    with pytest.raises(ConfigError, match="nothing to tune"):
        tw.tune_batch_size(nn.Linear(4, 2), data(), micro_batch_size=4, accumulation=2)


TRAIN = ["builtin:iris", "trainer.max_epochs=3", "trainer.trackers=[csv]", "evaluation.baselines=[]", "evaluation.importance=false"]
AUTO = ["trainer.batch_size=auto", "trainer.optimizer.learning_rate=auto", "trainer.max_batch_size=32"]


def test_a_run_tunes_itself_once_and_is_repeated_by_its_own_configuration(tmp_path: Path) -> None:
    done = trainwright("train", *TRAIN, *AUTO, "run.dir=first", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    chosen = json.loads((tmp_path / "first" / "tuning.json").read_text())["chosen"]
    trainer = yaml.safe_load((tmp_path / "first" / "config.yaml").read_text())["trainer"]
    assert trainer["batch_size"] == chosen["batch_size"]
    assert trainer["optimizer"]["learning_rate"] == chosen["optimizer.learning_rate"]
    assert json.loads((tmp_path / "first" / "results.json").read_text())["realised"]["batch_size"] == chosen["batch_size"]
    again = trainwright("train", "first/config.yaml", "run.dir=second", folder=tmp_path)
    assert again.returncode == 0, again.stderr
    assert not (tmp_path / "second" / "tuning.json").exists()
    assert trainwright("compare", "first", "second", "--weights", folder=tmp_path).returncode == 0
    assert 'id="tuning"' in (tmp_path / "first" / "report.html").read_text()


def test_continuing_with_auto_takes_the_numbers_that_were_found(tmp_path: Path) -> None:
    assert trainwright("train", *TRAIN, *AUTO, "run.dir=run", folder=tmp_path).returncode == 0
    before = (tmp_path / "run" / "tuning.json").read_text()
    done = trainwright("train", *TRAIN, *AUTO, "run.dir=run", "--resume", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "this run is finished" in done.stdout + done.stderr
    assert (tmp_path / "run" / "tuning.json").read_text() == before


def test_the_report_shows_trials_and_curve(tmp_path: Path) -> None:
    trial = {
        "batch_size": 8,
        "micro_batch_size": 8,
        "verdict": "fits",
        "seconds": 0.001,
        "samples_per_second": 8000.0,
        "peak_bytes": 1 << 20,
    }
    tried = [
        trial,
        trial | {"batch_size": 16, "micro_batch_size": 16},
        trial | {"batch_size": 32, "verdict": "out of memory", "seconds": None},
    ]
    rates, losses = [10 ** (-4 + place / 10) for place in range(30)], [1.0 - place / 40 for place in range(29)] + [50.0]
    content = {
        "batch_size": {"option": "batch_size", "chosen": 16, "limited_by": "memory", "seconds": 1.5, "trials": tried},
        "learning_rate": {"chosen": 0.01, "rates": rates, "losses": losses, "smoothed": losses},
    }
    (tmp_path / "tuning.json").write_text(json.dumps(content))
    section = tuning(Material(tmp_path, {}))
    assert section is not None
    html = str(section.render(Sheet(tmp_path)))
    assert html.count("<tr>") == 4 and html.count("chosen") == 2
    assert "larger ones do not fit the memory" in html and "chosen: 0.01" in html
    assert 'class="best-line"' in html and "nan" not in html.lower()


def test_a_run_without_tuning_has_no_such_section_and_a_damaged_file_is_told(tmp_path: Path) -> None:
    assert tuning(Material(tmp_path, {})) is None
    (tmp_path / "tuning.json").write_text("{")
    section = tuning(Material(tmp_path, {}))
    assert section is not None and "cannot be read" in str(section.render(Sheet(tmp_path)))
