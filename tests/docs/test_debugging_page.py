"""The page on debuggers: its launch.json starts a run that a debugger can follow, and failures reach the debugger."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from pages import ROOT, blocks

from commands import trainwright_command
from trainwright.cli.launch import DEBUG

PAGE = ROOT / "docs/debugging.md"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The files that the page shows, in a folder."""
    for block in blocks(PAGE):
        if block.title:
            (tmp_path / block.title).parent.mkdir(exist_ok=True)
            (tmp_path / block.title).write_text(block.text)
    return tmp_path


def entries(folder: Path) -> dict[str, dict[str, Any]]:
    return {each["request"]: each for each in json.loads((folder / ".vscode/launch.json").read_text())["configurations"]}


def test_the_entry_of_launch_json_trains_to_the_end_in_two_epochs_of_one_batch(files: Path) -> None:
    entry = entries(files)["launch"]
    assert (entry["type"], entry["module"], entry["cwd"]) == ("debugpy", "trainwright", "${workspaceFolder}")
    done = trainwright_command(*entry["args"], folder=files)
    assert done.returncode == 0, done.stderr
    assert "1 step per epoch, at most 2 steps (2 epochs)" in done.stdout
    assert any((files / "runs/debugged").rglob("report.html"))


def test_the_entry_that_joins_names_the_port_of_the_command_beside_it(files: Path) -> None:
    port = entries(files)["attach"]["connect"]["port"]
    command = next(line for block in blocks(PAGE) for line in block.commands if "--wait-for-client" in line)
    assert f"--listen {port} " in command and "-m trainwright train iris.yaml --debug" in command
    assert socket.gethostbyname(entries(files)["attach"]["connect"]["host"]) == "127.0.0.1"


def test_every_setting_of_the_flag_is_on_the_page() -> None:
    text = PAGE.read_text()
    for path, value in DEBUG.items():
        assert f"`{path}={json.dumps(value) if not isinstance(value, str) else value}`" in text


def test_a_failure_is_raised_to_the_debugger_with_the_persons_line_and_a_mistake_is_told(files: Path) -> None:
    net = files / "net.py"
    net.write_text(net.read_text().replace("self.last(hidden)", "self.last(hidden[:, :3])"))
    failed = trainwright_command("train", "iris.yaml", "--debug", "run.dir=failed", folder=files)
    assert failed.returncode == 1 and "Traceback (most recent call last)" in failed.stderr
    assert f'net.py", line {net.read_text()[: net.read_text().index("return")].count(chr(10)) + 1}, in forward' in failed.stderr
    assert "the model does not take these rows" in failed.stderr.splitlines()[-3]
    mistaken = trainwright_command("train", "iris.yaml", "--debug", "trainer.max_epoch=3", folder=files)
    assert mistaken.returncode == 2 and "Traceback" not in mistaken.stderr and "max_epochs" in mistaken.stderr
    told = trainwright_command("train", "iris.yaml", "run.dir=failed", folder=files)
    assert told.returncode == 2 and "Traceback" not in told.stderr
