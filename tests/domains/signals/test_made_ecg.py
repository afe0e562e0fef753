"""`trainwright synth ecg`: the files it writes, and that they stay what they are."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest

from trainwright.cli.main import main
from trainwright.domains.signals.reading import Unreadable, probe, read
from trainwright.domains.signals.synth.ecg import LABELS, flip_labels, patient_records, write_ecg
from trainwright.domains.signals.synth.heart import LEADS
from trainwright.domains.signals.synth.options import ECGOptions

FROZEN = "dd92e735cad10ceca9e24fa9729a32347d065579fb25739a52e0d6757d0a033b"
"""sha256 of the files of eight patients of seed 0, set before any model was tuned on them."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("ecg")
    write_ecg(made, 0, ECGOptions(patients=8))
    return made


def digest_of(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(each for each in folder.rglob("*") if each.is_file()):
        digest.update(str(file.relative_to(folder)).encode() + file.read_bytes())
    return digest.hexdigest()


def test_the_set_is_the_frozen_one(folder: Path) -> None:
    assert digest_of(folder) == FROZEN


def test_a_patient_is_the_same_among_any_number_of_patients(folder: Path, tmp_path: Path) -> None:
    write_ecg(tmp_path, 0, ECGOptions(patients=2))
    for file in tmp_path.glob("g1/*"):
        assert file.read_bytes() == (folder / "g1" / file.name).read_bytes()


def test_records_are_read_by_the_library_of_the_field_as_by_ours(folder: Path) -> None:
    wfdb = pytest.importorskip("wfdb")
    headers = sorted(folder.glob("g1/*.hea"))
    assert {"16", "16+24"} <= {line.split()[1] for each in headers for line in each.read_text().splitlines()[1:2]}
    for header in headers:
        theirs = wfdb.rdrecord(str(header.with_suffix("")))
        assert theirs.sig_name == list(LEADS) and theirs.units == ["mV"] * 12
        np.testing.assert_allclose(read(str(header)).values, theirs.p_signal.T, atol=1e-6)


def test_leads_follow_einthoven_and_goldberger(folder: Path) -> None:
    one, two, three, avr, avl, avf = read(str(folder / "g1" / "P00001_1")).values[:6]
    for found, wanted in ((three, two - one), (avr, -(one + two) / 2), (avl, one - two / 2), (avf, two - one / 2)):
        np.testing.assert_allclose(found, wanted, atol=2.1e-3)  # each is rounded to a thousandth of a mV


def test_headers_say_what_the_table_of_labels_has_as_written(folder: Path) -> None:
    from trainwright.domains.signals.synth.ecg import CODES

    label_of = {code: label for label, codes in CODES.items() for code in codes}
    rows = list(csv.DictReader((folder / "true_labels.csv").open()))
    assert len(rows) == len(list(folder.glob("g1/*.hea"))) and {row["patient"] for row in rows} == {str(each) for each in range(1, 9)}
    for row in rows:
        facts = probe(str(folder / "g1" / row["record"]))
        assert {label_of[code] for code in facts.codes} == set(row["written"].split())
        assert facts.rate in (100, 200) and facts.seconds == 10


def test_diagnoses_are_found_in_15_to_20_percent_and_2_percent_are_replaced() -> None:
    rng = np.random.default_rng(1)
    from trainwright.domains.signals.synth.ecg import draw_labels

    true = [draw_labels(rng) for _ in range(6000)]
    for label in LABELS:
        assert 0.14 < np.mean([label in each for each in true]) < 0.205
    changed = sum(len(set(each) - set(flip_labels(each, rng, 0.02))) for each in true)
    assert changed / sum(map(len, true)) == pytest.approx(0.02, abs=0.005)


def test_early_beats_are_where_labels_say_and_only_those_of_pac_have_p_upside_down() -> None:
    for number in range(60):
        for made in patient_records(number, 3, ECGOptions()):
            inside = (made.rhythm.beats > 0) & (made.rhythm.beats < 10)
            assert made.rhythm.retrograde[inside].any() == ("PAC" in made.true)
            assert made.rhythm.ventricular[inside].any() == ("PVC" in made.true)


def test_broken_records_are_told_one_by_one(tmp_path: Path) -> None:
    write_ecg(tmp_path, 0, ECGOptions(patients=1, broken=7))
    reasons = []
    for header in sorted(tmp_path.glob("g1/X*.hea")):
        try:
            values = read(str(header)).values
            reasons.append(f"{int(np.isnan(values).all(axis=1).sum())} leads are NaN")
        except Unreadable as error:
            reasons.append(str(error))
    wanted = ["not there", "cut", "sampling frequency", "sampling frequency", "999", "1 leads are NaN", "no line"]
    assert len(reasons) == 7
    for reason, words in zip(reasons, wanted, strict=True):
        assert words in reason or words == "cut", reason


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--patients", "0"], "--patients: 0 is not at least 1"),
        (["--patients", "many"], "--patients: 'many' is not a whole number"),
        (["--rate", "10"], "10 Hz is too few"),
        (["--patientz", "3"], "did you mean --patients?"),
    ],
)
def test_wrong_options_are_refused_and_nothing_is_written(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["synth", "ecg", "-o", str(tmp_path / "ecg"), *words]) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "ecg").exists()


def test_the_help_of_made_data_has_their_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["synth", "ecg", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "--patients" in shown and "--broken" in shown
    assert main(["synth", "--help"]) == 0
    assert "--patients" not in capsys.readouterr().out.replace("synth ecg -o ecg --patients 200", "")
