"""`trainwright view`: facts, pictures and refusals of recordings, and that the command and the report share one way."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from trainwright.cli.main import main
from trainwright.domains.signals.reading.write import write_annotations, write_record, write_sound

LEADS = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    time = np.arange(6000) / 500
    beat = np.exp(-((time % 0.8 - 0.3) ** 2) / 0.0002)
    write_record(
        "records", "r1", np.stack([beat * (0.3 + 0.1 * place) for place in range(12)]), 500, LEADS, comments=["Age: 69", "Sex: Male"]
    )
    write_annotations("records", "r1", [150, 550, 950], "NVN")
    write_sound("a.wav", 0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 8000), 8000)
    return tmp_path


def view(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["view", *words])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_record_is_told_and_drawn_with_its_leads_and_annotations(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = view(capsys, "records/r1", "--seconds", "5")
    assert code == 0
    for said in ("WFDB 16", "500 samples a second", "12 s, 6,000 samples", "69, male", "N 2, V 1", "0 s to 5 s"):
        assert said in out
    lines = [each.split() for each in out.splitlines()]
    assert [each[0] for each in lines if each and each[0] in LEADS] == LEADS
    page = Path("r1.html").read_text()
    assert all(f">{lead}<" in page for lead in LEADS) and page.count('class="trace"') == 12 and ">V<" in page
    assert 'class="paper-fine"' in page and "<script src" not in page and "http" not in re.sub(r"http://www.w3.org\S*", "", page)


def test_the_picture_has_the_true_scale_of_paper(capsys: pytest.CaptureFixture[str]) -> None:
    view(capsys, "records/r1", "--seconds", "10", "-o", "r1.svg")
    drawn = Path("r1.svg").read_text()
    bold = re.search(r'd="([^"]*)" class="paper-bold"', drawn)
    assert bold is not None
    downs = sorted({float(each) for each in re.findall(r"M([\d.]+) [\d.]+V", bold[1])})
    across = sorted({float(each) for each in re.findall(r"M64 ([\d.]+)H", bold[1])})
    assert downs[1] - downs[0] == pytest.approx(1030 / 10 * 0.2, abs=0.11)
    assert across[1] - across[0] == pytest.approx(1030 / 10 * 0.4 * 0.5, abs=0.11)  # 10 mm/mV at 25 mm/s: squares are square
    assert downs[1] - downs[0] == pytest.approx(across[1] - across[0], abs=0.2)


def test_a_peak_keeps_its_height_however_long_the_window_is(capsys: pytest.CaptureFixture[str]) -> None:
    values = np.zeros((1, 200_000), np.float32)
    values[0, 123_457] = 2.0
    write_record("records", "long", values, 500, ["II"])
    view(capsys, "records/long", "--seconds", "400", "-o", "long.svg")
    path = re.search(r'<path d="([^"]*)"[^>]*class="trace"', Path("long.svg").read_text())
    assert path is not None and len(path[1]) < 60_000
    assert max(abs(int(each)) for each in re.findall(r"l1 (-?\d+)", path[1])) >= 300


def test_raw_and_processed_stand_one_above_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    code, *_ = view(capsys, "records/r1", "--leads", "II,v1", "--transform", "{bandpass: {low: 0.5, high: 40}}", "-o", "both.html")
    page = Path("both.html").read_text()
    assert code == 0 and page.count('class="trace"') == 4 and "bandpass (low 0.5, high 40)" in page


def test_what_is_standardized_has_no_millivolts_and_lies_on_no_paper(capsys: pytest.CaptureFixture[str]) -> None:
    view(capsys, "records/r1", "--transform", "[{lowpass: 40}, standardize]", "-o", "s.html")
    raw, _, processed = Path("s.html").read_text().partition(">processed<")
    assert 'class="paper-bold"' in raw and 'class="paper-bold"' not in processed and 'class="scale"' in processed


def test_transforms_may_stand_in_a_file_or_a_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    Path("chain.yaml").write_text("transform: [{lowpass: 40}, {notch: 50}]\n")
    Path("config.yaml").write_text("columns: {ecg: {type: signal, transform: [{highpass: 0.5}]}, age: number}\n")
    for file, said in (("chain.yaml", "lowpass (edge 40) → notch"), ("config.yaml", "highpass (edge 0.5)")):
        assert view(capsys, "records/r1", "--transform", file, "-o", "p.html")[0] == 0
        assert said in Path("p.html").read_text()


def test_r_peaks_are_marked_where_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = view(capsys, "records/r1", "--peaks", "--seconds", "12")
    page = Path("r1.html").read_text()
    peaks = re.search(r'd="([^"]*)" class="peak"', page)
    assert code == 0 and "R peaks" in out and "75 a minute" in out and peaks is not None
    places = [float(each) + 4.5 for each in re.findall(r"M([\d.]+) ", peaks[1])]
    assert len(places) == 15
    assert [(each - 64) / 1030 * 12 for each in places] == pytest.approx([0.3 + 0.8 * beat for beat in range(15)], abs=0.02)


def test_a_sound_has_a_spectrogram_and_a_player_of_mono_wav(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = view(capsys, "a.wav", "--transform", "[{mel: {n_mels: 40}}, decibel]")
    page = Path("a.html").read_text()
    assert code == 0 and "channels" in out and page.count('class="heat"') == 2
    import base64
    import io

    found = re.search(r"data:audio/wav;base64,([^\"]+)", page)
    assert found is not None
    with wave.open(io.BytesIO(base64.b64decode(found[1]))) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate(), sound.getnframes()) == (1, 2, 8000, 16000)


def test_the_tone_is_bright_at_its_frequency() -> None:
    from trainwright.domains.signals.viewing.drawing import spectrogram

    levels = np.array(spectrogram(np.sin(2 * np.pi * 1000 * np.arange(16000) / 8000), 8000)["levels"])
    assert levels[:, 40].argmax() == pytest.approx(len(levels) * 1000 / 4000, abs=1)


def test_facts_alone_write_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(Path().rglob("*"))
    assert view(capsys, "records/r1", "--facts")[0] == 0
    assert sorted(Path().rglob("*")) == before


def test_faulty_leads_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    values = np.stack([np.zeros(2000), np.clip(np.sin(np.arange(2000) / 50), -0.5, 0.5), np.sin(np.arange(2000) / 9)])
    values[2, 100:140] = np.nan
    write_record("records", "bad", values, 500, ["I", "II", "III"])
    code, out, _ = view(capsys, "records/bad")
    assert code == 0
    for said in ("I: flat", "II: clipped", "samples that are no numbers: III 2 %"):
        assert said in out
    assert "II: clipped" in Path("bad.html").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["records/r2"], ["there is no recording 'records/r2'", "available: r1"]),
        (["records/r1x"], ["did you mean 'r1'?"]),
        (["nowhere/r2"], ["there is no recording 'nowhere/r2'"]),
        (["records"], ["'records' is a folder", "name one of its recordings: records/r1"]),
        (["records/r1", "--leads", "II,aVX"], ["--leads", "no channel 'aVX'", "did you mean"]),
        (["records/r1", "--start", "12"], ["begins at 12 s", "ends at 12 s", "--start 2"]),
        (["records/r1", "--start", "-1"], ["start"]),
        (["records/r1", "--seconds", "0"], ["seconds"]),
        (["records/r1", "--transform", "bandpas"], ["bandpas", "did you mean 'bandpass'?"]),
        (["records/r1", "--transform", "{lowpass: 300}"], ["300"]),
        (["records/r1", "--transform", "7"], ["the transforms cannot be taken"]),
        (["records/r1", "--transform", "none.yaml"], ["none.yaml"]),
        (["records/r1", "--run", "runs/none"], ["runs/none"]),
        (["records/r1", "--transform", "lowpass", "--run", "x"], ["both say how it is processed"]),
        (["records/r1", "-o", "a.jpg"], ["ends with none of .html, .svg"]),
        (["records/r1", "-o", "records/r1.hea"], ["ends with none of"]),
        (["records/r1", "--annotations", "qrs"], ["annotations 'r1.qrs' are not there", "atr"]),
        (["a.wav", "--annotations", "atr"], ["no annotations"]),
        (["records/r1.atr"], ["is a part of a record", "trainwright view records/r1"]),
        (["notes.txt#rate=0"], ["rate=0"]),
        (["plain.npy"], ["does not say how many samples there are a second", "--rate 500"]),
        (["records/r1", "--lead", "II"], ["--leads"]),
    ],
)
def test_a_mistake_is_answered_and_nothing_is_written(capsys: pytest.CaptureFixture[str], words: list[str], said: list[str]) -> None:
    np.save("plain.npy", np.zeros((2, 500), np.float32))
    before = sorted(Path().rglob("*"))
    code, out, err = view(capsys, *words)
    assert code == 2 and not out
    for each in said:
        assert each in err
    assert "Traceback" not in err and sorted(Path().rglob("*")) == before


def test_an_output_over_the_input_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("x.svg").write_text("<svg/>")
    code, _, err = view(capsys, "x.svg", "-o", "x.svg")
    assert code == 2 and "x.svg" in err and Path("x.svg").read_text() == "<svg/>"


def test_a_window_that_ends_late_is_cut_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = view(capsys, "records/r1", "--start", "8", "--seconds", "10", "--facts")
    assert code == 0 and "8 s to 12 s" in out and "was to end at 18 s; the recording ends at 12 s" in out


def test_help_imports_no_torch_and_names_the_flags() -> None:
    code = "import json, sys; from trainwright.cli.main import main; main(['view', '--help']); "
    code += "print(json.dumps([name for name in ('torch', 'scipy') if name in sys.modules]))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(found.stdout.splitlines()[-1]) == []
    for flag in ("--start", "--seconds", "--leads", "--transform", "--run", "--peaks", "--annotations", "--rate"):
        assert flag in found.stdout
