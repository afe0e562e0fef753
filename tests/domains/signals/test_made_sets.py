"""`trainwright synth`: the command that it ends with trains on what it made, and what is missing without it is told."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from trainwright.cli.main import main
from trainwright.config.domains import every, owner
from trainwright.domains.signals.reading.write import write_annotations, write_record
from trainwright.domains.signals.sources.wfdb import offer_beats
from trainwright.domains.signals.synth.beats import LEADS

SMALL = {
    "rings": [""],
    "ecg": ["--patients 6", "--patients 6 --broken 7"],
    "beats": ["--records 3 --minutes 0.5", "--records 1 --minutes 5"],
    "sounds": ["--takes 2", "--takes 2 --flat"],
}
MADE = [(name, options) for name, several in SMALL.items() for options in several]


def make(name: str, options: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The words of the command that `synth` names after it."""
    assert main(["synth", name, *options.split()]) == 0
    return shlex.split(capsys.readouterr().out.splitlines()[-1])


def test_every_made_set_of_trainwright_is_tried_here() -> None:
    assert set(SMALL) == {each for each in every("synth") if owner("synth", each) in ("tables", "signals")}


@pytest.mark.parametrize(("name", "options"), MADE, ids=[f"{name}{options.replace(' ', '')}" for name, options in MADE])
def test_the_command_that_is_named_takes_what_was_made(
    name: str, options: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    program, *words = make(name, options, capsys)
    assert program == "trainwright" and main([*words, "--dry-run"]) == 0


def test_a_folder_with_annotations_and_no_diagnosis_says_how_beats_are_predicted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = make("beats", "--records 3 --minutes 0.5", capsys)
    assert words == ["trainwright", "train", "beats", "data.type=wfdb_beats"]
    for more, said in (([], "no target named"), (["--target", "beat"], "target 'beat' is not a column")):
        assert main(["train", "beats", "--dry-run", *more]) == 2
        told = " ".join(capsys.readouterr().err.split())
        assert said in told and "beats are annotated ('.atr'), and data.type=wfdb_beats makes a row of each" in told


def test_annotations_of_another_ending_are_offered_with_it(tmp_path: Path) -> None:
    import numpy as np

    write_record(tmp_path, "a", np.zeros((2, 100)), 100, LEADS)
    assert offer_beats([tmp_path / "a.hea"]) == ""
    write_annotations(tmp_path, "a", [10, 50], ["N", "V"])
    (tmp_path / "a.atr").rename(tmp_path / "a.qrs")
    assert "data.type=wfdb_beats data.source.extension=qrs makes" in offer_beats([tmp_path / "a.hea"])
