from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from trainwright.cli.main import main
from trainwright.cli.streams import OutputLostError, Standard

ROOT = Path(__file__).parents[2]
NOISY = """
import sys
import trainwright as tw
from torch import nn

class Noisy(tw.System):
    def build(self, spec):
        self.net = nn.Linear(4, 3)

    def training_step(self, batch, context):
        print("x" * 5000)
        sys.stderr.write("e" * 500 + "\\n")
        return nn.functional.cross_entropy(self.net(batch["input"]), batch["target"])
"""
CONFIG = """
system: {type: "./noisy.py:Noisy"}
data: {type: table, path: "builtin:iris", target: target}
trainer: {max_steps: 40, log_every: 10 steps}
"""


def in_shell(folder, text):
    """Exit code of `trainwright` (`$T`) under a shell, and what is said on standard error."""
    environment = {**os.environ, "T": f"{sys.executable} -m trainwright", "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(["bash", "-c", text], cwd=folder, env=environment, stderr=subprocess.PIPE, text=True, timeout=120)
    return done.returncode, done.stderr


@pytest.mark.parametrize("ending", ["2>&1 | head -1 >/dev/null", "<&- >&- 2>&-", ">/dev/full 2>/dev/full"])
def test_a_run_whose_output_nobody_reads_ends_whole(tmp_path, ending):
    (tmp_path / "noisy.py").write_text(NOISY)
    (tmp_path / "c.yaml").write_text(CONFIG)
    code, _ = in_shell(tmp_path, f"$T train c.yaml run.dir=run {ending}; exit ${{PIPESTATUS[0]}}")
    assert code == 0
    run = tmp_path / "run"
    assert json.loads((run / "run.json").read_text())["status"] == "finished"
    assert (run / "metrics.csv").read_text().splitlines()[-1].startswith("40,")
    assert list((run / "checkpoints").glob("step-*40/manifest.json"))
    assert "xxxx" not in "".join(each.read_text(errors="replace") for each in run.rglob("*") if each.suffix in (".txt", ".json", ".csv"))


@pytest.mark.parametrize(
    ("ending", "code", "said"),
    [("list | true", 141, ""), ("list >/dev/full", 1, "No space left on device"), ("list >&-", 0, ""), ("nonsense 2>/dev/full", 2, "")],
)
def test_output_that_cannot_be_written_ends_a_command_that_only_prints(tmp_path, ending, code, said):
    found, errors = in_shell(tmp_path, f"$T {ending}; exit ${{PIPESTATUS[0]}}")
    assert found == code
    assert said in errors
    assert "Traceback" not in errors and "Exception ignored" not in errors
    assert bool(errors) == bool(said)


def test_a_standard_stream_loses_what_it_cannot_write_or_tells():
    with open("/dev/full", "wb") as full:
        assert Standard(full.fileno(), may_go=True).write(b"abc") == 3
        with pytest.raises(OutputLostError) as caught:
            Standard(full.fileno(), may_go=False).write(b"abc")
    assert caught.value.errno == errno.ENOSPC


EXITS = """
import sys
import trainwright as tw
from torch import nn

def leave():
    sys.exit(CODE)

class Leaves(tw.System):
    def __init__(self, config):
        super().__init__(config)
        self.place = PLACE
        if self.place == "init":
            leave()

    def build(self, spec):
        if self.place == "build":
            leave()
        self.net = nn.Linear(4, 3)
        self.steps = 0

    def training_step(self, batch, context):
        self.steps += 1
        if self.place == "first step" or (self.place == "step" and self.steps > 4):
            leave()
        return nn.functional.cross_entropy(self.net(batch["input"]), batch["target"])
"""


@pytest.mark.parametrize("place", ["import", "init", "build", "first step", "step"])
@pytest.mark.parametrize("code", ["0", "", "'bye'"])
def test_code_that_leaves_the_program_is_no_success(tmp_path, monkeypatch, capsys, place, code):
    monkeypatch.chdir(tmp_path)
    text = EXITS.replace("CODE", code).replace("PLACE", repr(place)) + ("leave()\n" if place == "import" else "")
    (tmp_path / "leaves.py").write_text(text)
    (tmp_path / "c.yaml").write_text(CONFIG.replace("noisy.py:Noisy", "leaves.py:Leaves"))
    found = main(["train", "c.yaml", "run.dir=run"])
    said = capsys.readouterr().err
    assert found == (1 if place == "step" else 2)
    assert "SystemExit" in said or "ended the program" in said
    assert "fix:" in said and "Traceback" not in said
    assert (tmp_path / "run").exists() == (place == "step")
    if place == "step":
        assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "failed"


@pytest.mark.parametrize("words", [["validate", "c.yaml"], ["lr", "c.yaml"], ["tune", "c.yaml"], ["train", "c.yaml", "--dry-run"]])
def test_an_import_that_leaves_the_program_is_refused_by_every_command_that_runs_it(tmp_path, monkeypatch, capsys, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "leaves.py").write_text("import sys\nsys.exit(0)\n")
    (tmp_path / "c.yaml").write_text("imports: [./leaves.py]\nmodel: {type: graph, nodes: [{Linear: [4, 3]}]}\n" + CONFIG.split("\n", 2)[2])
    assert main(words) == 2
    assert "c.yaml:1:11: cannot import" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "words", [["inspect", "./leaves.py:Net"], ["gradcheck", "./leaves.py:f", "--inputs", "3"], ["list", "system.leaves:Net"]]
)
def test_a_class_in_a_file_that_leaves_the_program_is_refused(tmp_path, monkeypatch, capsys, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "leaves.py").write_text("raise SystemExit\n")
    assert main(words) == 2
    assert "SystemExit" in capsys.readouterr().err


def test_a_worker_whose_data_leave_the_program_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.py").write_text(
        "import sys, torch\n"
        "class Rows(torch.utils.data.Dataset):\n"
        "    def __len__(self): return 64\n"
        "    def __getitem__(self, i):\n"
        "        if i == 40: sys.exit(0)\n"
        "        return torch.zeros(4), 0\n"
        "def splits(): return {'train': Rows()}\n"
    )
    (tmp_path / "c.yaml").write_text(
        "model: {type: graph, nodes: [{Linear: [4, 3]}]}\nloss: cross_entropy\ndata: {type: './rows.py:splits'}\n"
        "trainer: {max_epochs: 1, loader: {workers: 1, start_method: fork}}\n"
    )
    assert main(["train", "c.yaml", "run.dir=run"]) in (1, 2)
    assert "SystemExit" in capsys.readouterr().err
