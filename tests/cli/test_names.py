"""A value that is empty, and a name with a slash where a file is meant, are refused by every command before anything is read or written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import trainwright as tw
from trainwright.cli.main import COMMANDS, main
from trainwright.cli.parser import Parser
from trainwright.config.errors import DataError, RequestError, RunError
from trainwright.data.sources.opening import from_object
from trainwright.files.outputs import ensure_output
from trainwright.runs.listing import list_runs


def parser_of(command: str) -> Parser:
    found: Parser = import_module(f"trainwright.cli.{command}").parser()
    return found


def values_to_leave_empty() -> Iterator[list[str]]:
    """Every positional, and every option that takes a text, of every command, with an empty value."""
    for command in COMMANDS:
        positionals = [each for each in parser_of(command)._actions if not each.option_strings]
        words = ["x" for _ in positionals]
        for place in range(len(positionals)):
            if positionals[place].dest != "settings":
                yield [command, *words[:place], "", *words[place + 1 :]]
        for action in parser_of(command)._actions:
            if action.option_strings and action.nargs != 0 and action.type is None and action.choices is None:
                yield [command, *words, action.option_strings[-1], ""]
                yield [command, *words, f"{action.option_strings[-1]}="]


@pytest.mark.parametrize("words", list(values_to_leave_empty()), ids=" ".join)
def test_an_empty_value_is_refused(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    said = capfd.readouterr().err
    assert "nothing in this value" in said and "fix:" in said and not os.listdir(tmp_path)


OUTPUTS = [
    ["lr", "c.yaml", "--csv", "nowhere/"],
    ["lr", "c.yaml", "--svg", "nowhere.svg/"],
    ["predict", "run", "t.csv", "-o", "nowhere.csv/"],
    ["predict", "run", "--split", "test", "-o", "nowhere.npz/"],
    ["inspect", "c.yaml", "-o", "nowhere.svg/"],
    ["tune", "c.yaml", "--write", "nowhere.yaml/"],
    ["convert", "old.pt", "nowhere.safetensors/"],
]
INPUTS = [
    ["train", "t.csv/", "--target", "y"],
    ["train", "c.yaml/"],
    ["lr", "t.csv/"],
    ["tune", "t.csv/"],
    ["predict", "run", "t.csv/"],
    ["evaluate", "run", "t.csv/"],
    ["predict", "c.yaml", "--weights", "t.csv/"],
    ["validate", "c.yaml/"],
    ["inspect", "c.yaml/"],
    ["doctor", "c.yaml/"],
    ["report", "t.csv/"],
    ["convert", "t.csv/", "new.safetensors"],
    ["train", "data.source=t.csv/", "targets=y"],
]


@pytest.mark.parametrize("words", [*OUTPUTS, *INPUTS], ids=" ".join)
def test_a_slash_after_the_name_of_a_file_is_refused(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("x,y\n1,2\n")
    (tmp_path / "c.yaml").write_text("data: {source: t.csv}\ntargets: [y]\n")
    assert main(words) == 2
    assert "means a folder" in capfd.readouterr().err
    assert sorted(os.listdir(tmp_path)) == ["c.yaml", "t.csv"]


def test_calls_refuse_them_as_commands_do(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="means a folder"):
        ensure_output(f"{tmp_path}/nowhere/")
    (tmp_path / "t.csv").write_text("x,y\n1,2\n")
    with pytest.raises(DataError, match="is a file"):
        from_object(f"{tmp_path}/t.csv/")
    for call in (lambda: list_runs(""), lambda: tw.train(tmp_path / "t.csv", run_dir=""), lambda: tw.fit(None, [], run_dir="")):
        with pytest.raises(RunError, match="is empty"):
            call()


def test_a_slash_after_the_name_of_a_folder_changes_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", f"{tmp_path}/"]) == 0
    assert "no runs in" in capfd.readouterr().out
