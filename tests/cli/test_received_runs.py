"""Runs from elsewhere: links, devices, odd JSON and missing rights in them are answered, never followed, and stop nothing else."""

from __future__ import annotations

import codecs
import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from trainwright.checkpoint.manifest import digest
from trainwright.cli.main import main
from trainwright.files.download import sha256_of

QUICK = ["trainer.max_steps=6", "evaluation.baselines=[]", "evaluation.report=false", "evaluation.importance=false"]
ODD: list[Any] = [None, [], {}, "x", -1, 10**30, [1, "a"], {"a": 1}, "\x1b[31mred", True, 1.5]
COMMANDS: dict[str, Callable[[str], list[str]]] = {
    "report": lambda run: ["report", run],
    "resume": lambda run: ["resume", run],
    "evaluate": lambda run: ["evaluate", run, "t.csv"],
    "predict": lambda run: ["predict", run, "t.csv"],
    "test": lambda run: ["test", run],
    "inspect": lambda run: ["inspect", run],
    "export": lambda run: ["export", run, "-o", "exported"],
    "compare": lambda run: ["compare", run, "../runs/whole"],
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a table and `runs/whole`, a small finished run of it."""
    place, before = tmp_path_factory.mktemp("received"), Path.cwd()
    os.chdir(place)
    lines = [f"{(i * 37) % 19 / 7:.3f},{'pqr'[i % 3]},{'no' if (i * 37) % 19 > 9 else 'yes'}" for i in range(120)]
    (place / "t.csv").write_text("a,b,y\n" + "\n".join(lines) + "\n")
    assert main(["train", "t.csv", "--target", "y", "run.dir=runs/whole", *QUICK]) == 0
    os.chdir(before)
    yield place


@pytest.fixture
def received(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it to spoil, seen from a folder of its own that holds the table too."""
    place = whole / tmp_path.name
    place.mkdir()
    shutil.copy(whole / "t.csv", place / "t.csv")
    shutil.copytree(whole / "runs/whole", place / "copy", symlinks=True)
    monkeypatch.chdir(place)
    return place / "copy"


def told(capsys: pytest.CaptureFixture[str]) -> str:
    out = capsys.readouterr()
    return out.out + out.err


@pytest.mark.parametrize(
    "name", [".lock", "log.txt", "metrics.csv", "run.json", "config.yaml", "report.html", "model", "checkpoints", "media"]
)
def test_a_link_in_a_received_run_is_refused_by_every_command_and_its_target_stays(
    name: str, received: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    victim = received.parent / "victim"
    if (received / name).is_dir() or (received / name).exists():
        shutil.move(received / name, victim)
    else:
        victim.write_text("mine\n")
    before = sorted((str(each), each.stat().st_size) for each in [victim, *victim.rglob("*")])
    (received / name).symlink_to(victim)
    for command in COMMANDS.values():
        assert main(command(str(received))) == 2
        text = told(capsys)
        assert "link" in text and name in text and "not foreseen" not in text and "damaged" not in text
    assert before == sorted((str(each), each.stat().st_size) for each in [victim, *victim.rglob("*")])


def test_a_link_deep_inside_and_a_pipe_are_refused_and_a_pointer_to_a_checkpoint_is_not(
    received: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = received / "model/model.safetensors"
    shutil.move(weights, received.parent / "w")
    weights.symlink_to(received.parent / "w")
    assert main(["predict", str(received), "t.csv"]) == 2
    assert "link" in told(capsys)
    weights.unlink()
    shutil.move(received.parent / "w", weights)
    (received / "checkpoints/last").unlink(missing_ok=True)
    (received / "checkpoints/last").symlink_to(next((received / "checkpoints").glob("step-*")).name)
    assert main(["predict", str(received), "t.csv"]) == 0
    (received / "results.json").unlink()
    os.mkfifo(received / "results.json")  # opening it for reading would wait for ever
    for command in ("report", "compare", "predict"):
        assert main(COMMANDS[command](str(received))) == 2
        assert "pipe" in told(capsys)
    assert main(["runs", str(received.parent)]) == 0


def test_folders_of_trackers_may_hold_links_of_their_own(received: Path) -> None:
    (received / "wandb").mkdir()
    (received / "wandb/latest").symlink_to("/")
    assert main(["predict", str(received), "t.csv"]) == 0


def sign(folder: Path, changed: str, content: str | None = None, **fields: Any) -> None:
    """A checkpoint as somebody who can compute digests leaves it: one file changed, the manifest right for it."""
    if content is not None:
        (folder / changed).write_text(content)
    body = json.loads((folder / "manifest.json").read_text())
    body.pop("digest")
    for entry in body["files"]:
        if entry["name"] == changed:
            entry["bytes"], entry["sha256"] = (folder / changed).stat().st_size, sha256_of(folder / changed)
    body |= fields
    (folder / "manifest.json").write_text(json.dumps({**body, "digest": digest(body)}, indent=1) + "\n")


@pytest.mark.parametrize(
    "fields",
    [
        {"files": [{"name": "/dev/zero", "bytes": 0, "sha256": "0" * 64}]},
        {"files": [{"name": "../run.json", "bytes": 3, "sha256": "0" * 64}]},
        {"files": "all"},
        {"kind": "other"},
        {"step": "six"},
        {"step": -6},
        {"best": {"a": 1}},
        {"format": [1]},
        {"value": "low"},
        {"more": 1},
    ],
)
def test_a_manifest_with_a_right_digest_and_wrong_fields_is_set_aside(
    fields: dict[str, Any], received: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sign(next((received / "checkpoints").glob("step-*")), "", **fields)
    assert main(["resume", str(received), "--fork", "run.dir=child", "trainer.max_steps=8"]) == 2
    text = told(capsys)
    assert "no checkpoint of this run can be used" in text and "not foreseen" not in text
    assert not Path("child").exists()


@pytest.mark.parametrize("value", ["x", -1, [1, "a"], 1.5], ids=repr)
def test_odd_values_in_a_checkpoint_are_a_wrong_request(value: Any, received: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = next((received / "checkpoints").glob("step-*"))
    state = json.loads((folder / "trainer.json").read_text())
    info = json.loads((received / "run.json").read_text())
    (received / "run.json").write_text(json.dumps({**info, "status": "interrupted"}))
    for key in ("step", "tick", "plan", "identity", "optimizer", "schedule", "callbacks", "last_row", "seconds", "extent"):
        sign(folder, "trainer.json", json.dumps({**state, key: value}))
        assert main(["resume", str(received)]) == 2, key
        text = told(capsys)
        assert "trainer.json is damaged" in text and "not foreseen" not in text, text


@pytest.mark.parametrize(
    "names", [["run.json"], ["results.json", "analysis.json", "data.json", "environment.json", "code.json", "model.json"]]
)
@pytest.mark.parametrize("content", ["", "[" * 100_000, "null", "[1]", "\xff", '{"format": "1"}'], ids=lambda text: repr(text[:20]))
def test_damaged_json_of_a_run_stops_no_listing_and_gives_no_traceback(
    names: list[str], content: str, received: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in names:
        (received / name).write_bytes(content.encode("latin-1"))
    for command in ("report", "compare", "inspect"):
        assert main(COMMANDS[command](str(received))) in (0, 1, 2)
        assert "Traceback" not in (text := told(capsys)) and "not foreseen" not in text, text
    assert main(["runs", str(received.parent)]) == 0
    assert "copy" in told(capsys)


@pytest.mark.parametrize("value", ODD, ids=repr)
def test_one_odd_run_does_not_spoil_the_list_of_all(value: Any, received: Path, capsys: pytest.CaptureFixture[str]) -> None:
    info = json.loads((received / "run.json").read_text())
    shutil.copytree(received, received.parent / "other")
    for key in ("name", "status", "created", "targets", "headline", "version", "updated"):
        (received / "run.json").write_text(json.dumps({**info, key: value}))
        assert main(["runs", str(received.parent)]) == 0
        text = told(capsys)
        assert "other" in text and "copy" in text and "\x1b[31mred" not in text


def as_nobody(run: str, said: Path) -> int:
    """Run commands as a user without rights, what they say in a file; 0 when at least one was refused and none failed otherwise."""
    torch.set_num_threads(1)  # the parent's threads are not there
    os.setgid(65534)
    os.setuid(65534)
    with open(said, "w", 1) as out:
        sys.stdout = sys.stderr = out
        try:
            codes = [main(COMMANDS[command](run)) for command in ("report", "predict", "compare", "inspect")]
        except BaseException:
            traceback.print_exc(file=out)
            raise
    return 0 if 2 in codes and set(codes) <= {0, 1, 2} else 1


@pytest.mark.skipif(os.name == "nt" or os.getuid() != 0, reason="needs the right to become another user")
@pytest.mark.parametrize("place", ["run.json", "model/model.safetensors", "model", "checkpoints", ".", "config.yaml", "results.json"])
def test_a_missing_right_is_named_as_such(place: str, received: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    for each in (received, *received.parents):
        if each.stat().st_uid == 0 and each != Path("/"):
            each.chmod(each.stat().st_mode | 0o055)
    (received / place).chmod(0)
    said = tmp_path / "said"
    codecs.lookup("cp437")  # of zip files: for the other user, what of Python is not loaded yet may be out of reach
    child = os.fork()
    if child == 0:
        try:
            os._exit(as_nobody(str(received), said))
        finally:  # never back into the tests of the parent
            os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, said.read_text()
    text = said.read_text()
    assert "permission" in text.lower(), text
    assert "damaged" not in text and "not foreseen" not in text and "Traceback" not in text, text


@pytest.mark.parametrize("text", ["NaN", '"x"', "[]", "3", "{}", "null", '{"format": 1}'])
def test_a_model_json_that_is_no_description_is_told_as_damaged(text: str, received: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (received / "model/model.json").write_text(text)
    for command in ("predict", "evaluate", "test"):
        assert main(COMMANDS[command](str(received))) == 2
        assert "fix:" in told(capsys)


@pytest.mark.parametrize(
    "place", ["{}", '"x"', '{"step": 2}', '{"step": 2, "epoch": {}}', '{"step": "2", "epoch": 1}', '{"step": -1, "epoch": 1}']
)
def test_a_position_that_is_none_is_told_as_damaged(
    place: str, whole: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(whole)
    if not Path("net").exists():
        nodes = "model: {type: graph, nodes: [{Linear: [4, 3]}]}"
        Path("net.yaml").write_text(
            f"{nodes}\ndata: {{type: table, path: 'builtin:iris', target: target}}\ntrainer: {{max_steps: 2, trackers: []}}\n"
        )
        assert main(["train", "net.yaml", "run.dir=net"]) == 0
    Path("net/model/position.json").write_text(place)
    capsys.readouterr()
    for words in (["test", "net"], ["test", "net.yaml", "--weights", "net"]):
        assert main(words) == 2
        assert "position.json is damaged" in told(capsys)
