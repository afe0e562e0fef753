"""Runs that somebody else made or changed, over every command and call that reads a run, a model or weights: none executes."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import trainwright as tw
from trainwright.cli.main import main
from trainwright.config import signature, trust
from trainwright.config.errors import RequestError
from trainwright.files.tensors import save_tensors

QUIET = [
    "trainer.max_steps=2", "trainer.trackers=[]", "trainer.progress=none",
    "evaluation.baselines=[]", "evaluation.report=false", "evaluation.importance=false", "evaluation.intervals=false",
]  # fmt: skip
EVIL = """
import pathlib
pathlib.Path({mark!r}).write_text("ran")

class Evil:
    def __init__(self, *args, **kwargs):
        pass

def evil(*args, **kwargs):
    return None
"""
OWN = """
import torch
import trainwright as tw

class Waves(tw.System):
    class Config(tw.System.Config):
        width: int = 4

    def build(self, spec):
        self.net = torch.nn.Linear(3, 1)

    def training_step(self, batch, context):
        return (self.net(batch["x"]) ** 2).mean()

    def predict_step(self, batch):
        return {"y": self.net(batch["x"])}

def rows():
    x = torch.arange(24.0).reshape(8, 3)
    return {"train": {"x": x}, "validation": {"x": x}, "test": {"x": x}}
"""
Change = Callable[[Any], None]


def put(path: str, value: Any) -> Change:
    """Sets one value of nested mappings and lists."""

    def change(content: Any) -> None:
        *keys, last = [int(each) if each.isdigit() else each for each in path.split("/")]
        for each in keys:
            content = content[each]
        if isinstance(content, list) and last == len(content):
            content.append(value)
        else:
            content[last] = value

    return change


SHELL = {"type": "os.system", "command": "touch MARK"}
FILES = {"type": "file", "transform": [{"type": "function", "call": "HERE/evil.py:evil"}]}
OF_MODEL = {
    "a function of Python as combiner": ("model/model.json", put("model/combiner", SHELL)),
    "a file of the run as combiner": ("model/model.json", put("model/combiner", {"type": "./evil.py:Evil"})),
    "a file elsewhere as encoder": ("model/model.json", put("model/encoders", {"number": {"type": "HERE/evil.py:Evil"}})),
    "a package as encoder of a column": ("model/features.json", put("columns/a/config/encoder", "evil.Evil")),
    "a shell as type of a column": ("model/features.json", put("columns/a/config/type", "os.system")),
    "a file as decoder": ("model/features.json", put("columns/y/config/decoder", "HERE/evil.py:evil")),
    "a file as transform of a column": ("model/features.json", put("columns/a/config", FILES)),
    "a pickle's loader as loss": ("model/features.json", put("columns/y/config/loss", {"type": "torch.load", "f": "x"})),
}
OF_CONFIG = {
    "a function of Python as combiner": put("model/combiner", SHELL),
    "a file of the run as optimizer": put("trainer/optimizer", {"type": "./evil.py:Evil"}),
    "a file elsewhere as callback": put("trainer/callbacks", [{"type": "HERE/evil.py:Evil"}]),
    "functions of a file as callback": put("trainer/callbacks", [{"type": "lambda", "functions": {"on_train_start": "HERE/evil.py:evil"}}]),
    "a package as schedule": put("trainer/schedule", {"type": "evil:Evil"}),
    "a function as schedule": put("trainer/schedule", {"type": "lambda", "function": "HERE/evil.py:evil"}),
    "a package below another as tracker": put("trainer/trackers", ["evil_package.evil.Evil"]),
    "a shell as split": put("data/split", SHELL),
    "a shell as source": put("data/source", {"type": "subprocess.call", "args": "touch MARK"}),
    "a file as type of a column": put("columns/a", {"type": "HERE/evil.py:Evil"}),
    "a file as transform of a column": put("columns/a", FILES),
    "a shell as baseline": put("evaluation/baselines", [SHELL]),
    "a secret of the environment": put("run/name", "${env:HOSTILE_SECRET}"),
}
OF_SYSTEM = {
    "another class of a file": put("system/type", "HERE/evil.py:Evil"),
    "a file of the run as system": put("system/type", "./evil.py:Evil"),
    "an import": put("imports", ["HERE/evil.py"]),
    "an import of the run": put("imports", ["./evil.py"]),
    "a package that is imported": put("imports", ["evil"]),
    "data of a file": put("data", {"type": "HERE/evil.py:evil"}),
    "a mixin of a file": put("system/type", "plain:HERE/evil.py:Evil"),
    "a mixin of Trainwright's own imports": put("system/type", "plain:PlainOptions,Tensor"),
}
PLAIN = {"type": "plain", "loss": "mse", "model": {"type": "graph", "nodes": [{"net": {"Linear": [3, 1]}}]}}


def plain(path: str, value: Any) -> Change:
    """Puts a plain system with one hostile option in place of the run's own."""

    def change(content: Any) -> None:
        content["system"] = json.loads(json.dumps(PLAIN))
        content["data"] = {"type": "tensors", "train": "HERE/x.safetensors", "target": "y"}
        put(path, value)(content["system"])

    return change


OF_PLAIN = {
    "a shell as model": plain("model", SHELL),
    "a file as node": plain("model/nodes/1", {"HERE/evil.py:evil": {}}),
    "a file of the run as node": plain("model/nodes/1", {"./evil.py:evil": {}}),
    "a file as argument of a layer": plain("model/nodes/1", {"TransformerEncoderLayer": [4, 2], "activation": "HERE/evil.py:evil"}),
    "a file as loss": plain("loss", "HERE/evil.py:evil"),
    "a package as metric": plain("metrics", ["evil:evil"]),
    "a file as rule of weights": plain("init", [{"modules": "Linear", "weight": "HERE/evil.py:evil"}]),
    "a file as parametrization": plain("parametrizations", [{"type": "HERE/evil.py:Evil", "names": "net.weight"}]),
    "sources to compile": plain("extensions", [{"name": "evil_ops", "sources": ["HERE/evil.cpp"]}]),
    "weights from the net": plain("weights", "https://198.51.100.1/evil.safetensors"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, key_of_the_tests: None) -> Path:
    """A table's run and a run of an own system, made by an honest person."""
    folder = tmp_path_factory.mktemp("honest")
    drawn = random.Random(1)
    lines = [f"{drawn.gauss(0, 1):.3f},{drawn.gauss(0, 1):.3f},{drawn.choice('ny')}" for _ in range(60)]
    (folder / "t.csv").write_text("\n".join(["a,b,y", *lines]) + "\n")
    (folder / "own.py").write_text(OWN)
    (folder / "own.yaml").write_text("system: ./own.py:Waves\ndata: {type: ./own.py:rows}\ntrainer: {max_steps: 2, trackers: []}\n")
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert main(["train", "t.csv", "--target", "y", "run.dir=table", *QUIET]) == 0
        assert main(["train", "own.yaml", "run.dir=own"]) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copies of both runs in a folder of their own, with hostile code beside them and in them."""
    for name in ("table", "own", "t.csv", "own.py", "own.yaml"):
        (shutil.copytree if (made / name).is_dir() else shutil.copy2)(made / name, tmp_path / name)
    for name in ("table", "own"):
        spoil(tmp_path, f"{name}/run.json", put("status", "interrupted"))
        (tmp_path / name / "results.json").unlink()
    code = EVIL.format(mark=str(tmp_path / "MARK"))
    (tmp_path / "evil_package").mkdir()
    for place in ("evil.py", "table/evil.py", "own/evil.py", "evil_package/__init__.py", "evil_package/evil.py", "own/parts.py"):
        (tmp_path / place).write_text(code)
    save_tensors(tmp_path / "x.safetensors", {"x": torch.zeros(24, 3), "y": torch.zeros(24, 1)})
    (tmp_path / "evil.cpp").write_text("int main() { return 0; }\n")
    tw.nn  # noqa: B018 (what torch needs is imported before the working directory is another)
    monkeypatch.chdir(tmp_path)
    for each in ("_own", "_said"):  # a new process, in which nobody has named anything yet
        monkeypatch.setattr(trust, each, set())
    monkeypatch.setenv("HOSTILE_SECRET", "hunter2")
    return tmp_path


def spoil(here: Path, file: str, change: Change) -> None:
    """Change a file of a run as an attacker would, with `HERE` and `MARK` as whole paths."""
    path = here / file
    content = json.loads(path.read_text()) if file.endswith(".json") else yaml.safe_load(path.read_text())
    change(content)
    text = json.dumps(content) if file.endswith(".json") else yaml.safe_dump(content)
    path.write_text(text.replace("HERE/", f"{here}/").replace("touch MARK", f"touch {here}/MARK"))


def content_of(folder: Path) -> dict[str, str]:
    """Every file of a folder by the digest of its content."""
    files = sorted(each for each in folder.rglob("*") if each.is_file() and "__pycache__" not in each.parts)
    return {str(each.relative_to(folder)): hashlib.sha256(each.read_bytes()).hexdigest() for each in files}


def check_refused(here: Path, call: Callable[[], Any], capsys: pytest.CaptureFixture[str], what: str) -> None:
    """The call ends with exit code 2 or a RequestError that names the consent, runs nothing and writes nothing."""
    before = content_of(here)
    try:
        code = call()
        told = capsys.readouterr().err
    except RequestError as error:
        code, told = error.exit_code, str(error)
    assert not (here / "MARK").exists(), f"{what} ran the code"
    assert code == 2, f"{what}: {code}\n{told}"
    assert "--trust-code" in told and "trust_code=True" in told and "it would " in told, f"{what}:\n{told}"
    assert "hunter2" not in told
    assert content_of(here) == before, what


def command(*words: str) -> Callable[[], int]:
    return lambda: main(list(words))


MODEL_CALLS: dict[str, Callable[[], Any]] = {
    "predict": command("predict", "table", "t.csv"),
    "evaluate": command("evaluate", "table", "t.csv"),
    "test": command("test", "table"),
    "validate": command("validate", "table"),
    "tw.load(…).predict": lambda: tw.load("table").predict("t.csv"),
    "tw.load(…).evaluate": lambda: tw.load("table").evaluate("t.csv"),
    "tw.load(…).model": lambda: tw.load("table").model,
}
CONFIG_CALLS: dict[str, Callable[[], Any]] = {
    "test": command("test", "table"),
    "validate RUN": command("validate", "table"),
    "resume": command("resume", "table", "trainer.max_steps=3"),
    "resume --fork": command("resume", "table", "--fork", "trainer.max_steps=3"),
    "inspect": command("inspect", "table", "--batch-size", "2"),
    "train CONFIG": command("train", "table/config.yaml"),
    "train --dry-run": command("train", "table/config.yaml", "--dry-run"),
    "validate CONFIG": command("validate", "table/config.yaml"),
    "doctor": command("doctor", "table/config.yaml"),
    "lr": command("lr", "table/config.yaml"),
    "tune": command("tune", "table/config.yaml"),
    "tw.train": lambda: tw.train(config="table/config.yaml", run_dir="new"),
    "tw.tune_learning_rate": lambda: tw.tune_learning_rate(None, config="table/config.yaml"),
}
SYSTEM_CALLS: dict[str, Callable[[], Any]] = {
    "test": command("test", "own"),
    "validate RUN": command("validate", "own"),
    "predict": command("predict", "own", "--split", "test"),
    "export": command("export", "own", "-o", "exported"),
    "resume": command("resume", "own", "trainer.max_steps=3"),
    "inspect": command("inspect", "own", "--batch-size", "2"),
    "train CONFIG": command("train", "own/config.yaml", "run.dir=new"),
    "train --dry-run": command("train", "own/config.yaml", "--dry-run"),
    "test CONFIG": command("test", "own/config.yaml", "--weights", "own"),
    "lr": command("lr", "own/config.yaml"),
    "tune": command("tune", "own/config.yaml"),
    "doctor": command("doctor", "own/config.yaml"),
    "tw.train": lambda: tw.train(config="own/config.yaml", run_dir="new"),
}
LOOKING: dict[str, Callable[[], Any]] = {
    "report": command("report", "table"),
    "report of a system": command("report", "own"),
    "runs": command("runs"),
    "compare": command("compare", "table", "own"),
    "inspect what was kept": command("inspect", "table"),
    "export": command("export", "table", "-o", "exported"),
    "convert": command("convert", "table/model/model.safetensors", "-o", "again.safetensors"),
    "tw.load_weights": lambda: tw.load_weights(torch.nn.Linear(3, 1), "own:net"),
    "tw.compare": lambda: tw.compare("table", "own"),
    "tw.load(…).results": lambda: tw.load("table").results,
    "tw.load(…).report": lambda: tw.load("table").report(),
}


@pytest.mark.parametrize("case", OF_MODEL)
def test_a_model_from_elsewhere_executes_nothing(here: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    file, change = OF_MODEL[case]
    spoil(here, f"table/{file}", change)
    for name, call in MODEL_CALLS.items():
        check_refused(here, call, capsys, f"{name} of {case}")


@pytest.mark.parametrize("case", OF_CONFIG)
def test_the_configuration_of_a_run_from_elsewhere_executes_nothing(here: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    spoil(here, "table/config.yaml", OF_CONFIG[case])
    for name, call in CONFIG_CALLS.items():
        check_refused(here, call, capsys, f"{name} of {case}")


@pytest.mark.parametrize("case", OF_SYSTEM)
def test_the_system_of_a_run_from_elsewhere_executes_nothing(here: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    spoil(here, "own/config.yaml", OF_SYSTEM[case])
    for name, call in SYSTEM_CALLS.items():
        check_refused(here, call, capsys, f"{name} of {case}")


@pytest.mark.parametrize("case", OF_PLAIN)
def test_the_options_of_a_plain_system_from_elsewhere_execute_nothing(here: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    spoil(here, "own/config.yaml", OF_PLAIN[case])
    for name in ("test", "export", "resume", "train CONFIG"):
        check_refused(here, SYSTEM_CALLS[name], capsys, f"{name} of {case}")


@pytest.mark.parametrize("place", ["own/code/configs", "own/code/files/deep", "own/checkpoints"])
def test_a_configuration_deep_in_a_run_from_elsewhere_executes_nothing(here: Path, capsys: pytest.CaptureFixture[str], place: str) -> None:
    (here / place).mkdir(parents=True, exist_ok=True)
    (here / place / "evil.py").write_text((here / "evil.py").read_text())
    text = "imports: [./evil.py]\n" + (here / "own.yaml").read_text()
    (here / place / "mine.yaml").write_text(text)
    (here / "mine.yaml").write_text(f"base: {place}/mine.yaml\n")
    for name in (f"{place}/mine.yaml", "mine.yaml"):
        for words in (["train", name, "run.dir=new"], ["validate", name], ["lr", name], ["doctor", name]):
            check_refused(here, command(*words), capsys, " ".join(words))


@pytest.mark.parametrize("left", ["checkpoints.json", "code.json", "command.txt", "signature.json"])
def test_a_run_whose_record_was_taken_away_is_one_from_elsewhere_still(here: Path, capsys: pytest.CaptureFixture[str], left: str) -> None:
    spoil(here, "own/config.yaml", put("imports", ["HERE/evil.py"]))
    for each in [each for each in (here / "own").iterdir() if each.is_file() and each.name not in ("config.yaml", left)]:
        each.unlink()
    (here / "own" / left).touch()
    for words in (["train", "own/config.yaml", "run.dir=new"], ["validate", "own/config.yaml"]):
        check_refused(here, command(*words), capsys, " ".join(words))


def test_a_parser_and_a_hook_from_elsewhere_execute_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = (here / "own/config.yaml").read_text()
    spoil(here, "own/config.yaml", put("parser", "HERE/evil.py:evil"))
    for call in (command("train", "own/config.yaml", "--size", "3"), SYSTEM_CALLS["resume"], SYSTEM_CALLS["test"]):
        check_refused(here, call, capsys, "a parser")
    (here / "own/config.yaml").write_text(whole)
    spoil(here, "own/config.yaml", plain("hooks", [{"modules": "net", "on": "forward", "do": "HERE/evil.py:evil"}]))
    for name in ("train CONFIG", "resume"):
        with suppress(FileNotFoundError):
            shutil.rmtree(here / "new")
        assert SYSTEM_CALLS[name]() == 2
        assert not (here / "MARK").exists()
        assert "--trust-code" in capsys.readouterr().err


@pytest.mark.parametrize(
    "kind", ["os.system", "subprocess.run", "builtins.exec", "torch.load", "torch.hub.load", "numpy.load", "F.os.system"]
)
def test_a_node_of_no_graph_reaches_what_loads_or_runs(here: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    node = {kind: {}, "inputs": ["net", {"value": f"touch {here}/MARK"}]}
    (here / "graph.yaml").write_text(yaml.safe_dump({"system": PLAIN, "data": {"type": "./own.py:rows"}, "trainer": {"max_steps": 1}}))
    spoil(here, "graph.yaml", put("system/model/nodes/1", node))
    spoil(here, "own/config.yaml", plain("model/nodes/1", node))
    for words in (["train", "graph.yaml"], ["inspect", "graph.yaml", "--input", "3"], ["test", "own", "--trust-code"], ["resume", "own"]):
        assert main(words) == 2
        assert "is nothing that a node may name" in capsys.readouterr().err
        assert not (here / "MARK").exists()


@pytest.mark.parametrize("name", LOOKING)
def test_what_only_looks_at_a_hostile_run_executes_nothing(here: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    for file, change in OF_MODEL.values():
        spoil(here, f"table/{file}", change)
    spoil(here, "table/config.yaml", OF_CONFIG["a function of Python as combiner"])
    spoil(here, "own/config.yaml", OF_SYSTEM["an import"])
    with suppress(RequestError):
        LOOKING[name]()
    assert not (here / "MARK").exists()
    assert "Traceback" not in capsys.readouterr().err


def test_a_run_of_ones_own_needs_no_consent_and_a_changed_one_does(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", "own"]) == 0, "a copy of one's own run is one's own"
    assert main(["resume", "own"]) == 0
    assert main(["predict", "own", "--split", "test", "-o", "p.npz"]) == 0
    assert main(["train", "own/config.yaml", "run.dir=again"]) == 0
    assert main(["test", "again"]) == 0
    capsys.readouterr()
    spoil(here, "own/config.yaml", put("system/width", 5))
    assert main(["test", "own"]) == 2
    told = capsys.readouterr().err
    assert f"it would run {here.parent}" in told or "own.py and use Waves of it" in told
    assert "config.yaml was changed since, or was written by somebody else" in told
    assert main(["test", "own", "--trust-code"]) == 0
    assert main(["test", "own"]) == 2, "consent is for one command"


def test_ones_own_configuration_given_again_needs_no_consent(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "own/signature.json").unlink()
    check_refused(here, command("resume", "own"), capsys, "resume")
    spoil(here, "own/config.yaml", put("system/type", f"{here}/own.py:Waves"))
    spoil(here, "own/config.yaml", put("data/type", f"{here}/own.py:rows"))
    check_refused(here, command("resume", "own"), capsys, "resume")
    assert main(["train", "own.yaml", "run.dir=own", "--resume"]) == 0
    trust._own.clear()
    assert main(["test", "own"]) == 0, "it is signed again"


def test_a_setting_of_the_command_line_is_the_persons_own_word(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "table/signature.json").unlink(missing_ok=True)
    (here / "calls.py").write_text("import trainwright as tw\nclass Quiet(tw.Callback):\n    pass\n")
    assert main(["resume", "table", "trainer.callbacks=[./calls.py:Quiet]"]) == 0
    spoil(here, "table/config.yaml", put("trainer/callbacks", [{"type": "HERE/evil.py:Evil"}]))
    check_refused(here, command("test", "table"), capsys, "test")


@pytest.mark.parametrize("state", ["absent", "readable by others", "cut short"])
def test_without_a_key_of_ones_own_nothing_is_signed_and_it_is_said(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, state: str
) -> None:
    home = here / "home"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    if state == "absent":
        home.write_text("a file, where no folder can be made")
    else:
        signature.sign_files(here / "own")
        signature.key_file().chmod(0o644) if state == "readable by others" else signature.key_file().write_bytes(b"short")
    assert main(["train", "own.yaml", "run.dir=unsigned"]) == 0
    assert "could not be signed" in caplog.text and str(home) in caplog.text
    assert not (here / "unsigned/signature.json").exists()
    capsys.readouterr()


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "config.yaml").write_text("a: 1\n")
    first = signature.sign_files(tmp_path)
    assert signature.key_file().stat().st_mode & 0o777 == 0o600
    assert first == signature.sign_files(tmp_path)
    (tmp_path / signature.FILE).write_text(json.dumps(first))
    assert signature.unsigned_because(tmp_path) == ""
    signature.key_file().write_bytes(b"x" * signature.LENGTH)
    assert "changed since" in signature.unsigned_because(tmp_path)
    for damaged in ("[]", "{}", '{"files": 3}', "\xff"):
        (tmp_path / signature.FILE).write_text(damaged)
        assert signature.unsigned_because(tmp_path)


def test_fit_continues_no_run_that_names_other_code(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fit(resume: bool) -> Any:
        x = torch.arange(24.0).reshape(8, 3)
        data = torch.utils.data.TensorDataset(x, x[:, :1])
        return tw.fit(torch.nn.Linear(3, 1), data, loss="mse", max_steps=4, run_dir="fitted", resume=resume)

    fit(resume=False)
    spoil(here, "fitted/run.json", put("status", "interrupted"))
    spoil(here, "fitted/config.yaml", put("trainer/callbacks", [{"type": "HERE/evil.py:Evil"}]))
    check_refused(here, lambda: fit(resume=True), capsys, "tw.fit")


def test_text_of_a_hostile_file_steers_no_terminal(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoil(here, "table/model/model.json", put("model/combiner", {"type": "evil\x1b[2J.x:" + "Y" * 5000}))
    assert main(["predict", "table", "t.csv"]) == 2
    told = capsys.readouterr().err
    assert "\x1b[2J" not in told and "it would import evil" in told and len(told) < 2000


def test_consent_runs_what_was_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoil(here, "table/model/model.json", put("model/combiner", {"type": "HERE/evil.py:Evil"}))
    assert main(["predict", "table", "t.csv", "--trust-code"]) == 2, "what it made is no combiner"
    assert "gives a Evil, not a module" in capsys.readouterr().err
    assert (here / "MARK").read_text() == "ran"
    (here / "MARK").unlink()
    for words in (["report", "table", "--trust-code"], ["runs", "--trust-code"], ["compare", "table", "own", "--trust-code"]):
        assert main(words) == 2, "a flag that a command does not use is refused"
        assert "unknown option '--trust-code'" in capsys.readouterr().err
