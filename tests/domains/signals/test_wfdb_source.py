"""Folders of WFDB records as sources: columns, labels, patients, and what becomes of records that cannot be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trainwright.config.errors import ConfigError, DataError, ManyErrors
from trainwright.data.source import notes_on_new_rows
from trainwright.data.sources.opening import open_source, options_of
from trainwright.domains.signals.reading.write import write_record
from trainwright.domains.signals.sources.options import WFDBOptions
from trainwright.domains.signals.sources.snomed import SCORED
from trainwright.domains.signals.sources.wfdb import WFDBRecords
from trainwright.domains.signals.synth.ecg import write_ecg
from trainwright.domains.signals.synth.options import ECGOptions
from trainwright.domains.tables.prepare import prepare
from trainwright.systems.run_config import read_config


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("records")
    write_ecg(folder, 0, ECGOptions(patients=6, broken=7))
    return folder


def source_of(path: Path, **given: object) -> WFDBRecords:
    return WFDBRecords(WFDBOptions.model_validate({"path": str(path), "unreadable": "skip", **given}), 1 << 30)


def test_a_folder_of_records_is_claimed_and_says_what_is_predicted(made: Path) -> None:
    assert options_of(str(made)).type == "wfdb"
    source = source_of(made)
    assert source.default_targets == ["labels"] and source.declared_split == {"type": "grouped", "column": "patient"}
    assert source.schema.names == ["record", "patient", "signal", "age", "sex", "rate", "seconds", "labels"]
    assert source.declared_columns["signal"]["type"] == "signal" and source.declared_columns["patient"]["type"] == "ignore"


def test_equal_codes_are_one_class(made: Path) -> None:
    found = {label for labels in source_of(made).read(columns=["labels"])["labels"].to_pylist() for label in labels}
    assert "733534002" not in found and found <= {*SCORED.values(), "STE"}
    scored = source_of(made, labels="scored")
    assert "STE" not in {label for labels in scored.read(columns=["labels"])["labels"].to_pylist() for label in labels}
    assert any("labels=scored are left out: 164931005" in note for note in scored.notes)


def test_classes_of_ones_own_come_from_a_table(made: Path, tmp_path: Path) -> None:
    table = tmp_path / "classes.csv"
    table.write_text("code,class\n164889003,fast\n427172004,early\n17338001,early\n284470004,early\n63593006,early\n")
    source = source_of(made, labels=str(table))
    assert {label for labels in source.read(columns=["labels"])["labels"].to_pylist() for label in labels} <= {"fast", "early"}
    with pytest.raises(DataError, match="is no file") as caught:
        source_of(made, labels="scorde")
    assert "all, scored" in caught.value.fix
    table.write_text("code\n164889003\n")
    with pytest.raises(DataError, match=r"row 1 of 'classes.csv' has one value"):
        source_of(made, labels=str(table))


def test_records_that_cannot_be_read_stop_or_are_counted(made: Path) -> None:
    with pytest.raises(DataError, match=r"recordings cannot be read: .*X00001_1.hea: ") as caught:
        open_source(options_of(str(made)), 1 << 30)
    assert "data.source.unreadable=skip" in caught.value.fix
    source = source_of(made)
    assert any("left out that cannot be read" in note and "X00001_1.hea" in note for note in source.notes)
    repaired = source_of(made, unreadable="repair")
    assert len(repaired) > len(source) and any("repaired" in note for note in repaired.notes)


def test_a_single_record_is_a_source_of_one_row(made: Path) -> None:
    for name in ("P00001_1.hea", "P00001_1"):
        source = source_of(made / "g1" / name)
        assert len(source) == 1 and source.read(columns=["record"])["record"].to_pylist() == ["P00001_1"]
    with pytest.raises(DataError, match="there is no record"):
        source_of(made / "g1" / "nothing")


def test_patients_come_from_a_pattern_too(made: Path) -> None:
    source = source_of(made, patient=r"(P\d+)_|X")
    assert {each for each in source.read(columns=["patient"])["patient"].to_pylist() if each} >= {"P00001", "P00006"}
    with pytest.raises(DataError, match="the pattern of patients does not fit the record"):
        source_of(made, patient=r"Q(\d+)")


def test_rare_classes_are_left_out_and_counted(made: Path) -> None:
    source = source_of(made, min_count=100)
    assert "labels" not in source.schema.names or not any(source.read(columns=["labels"])["labels"].to_pylist())
    assert any("of fewer than 100 records" in note for note in source.notes)


def test_notes_about_labels_and_splits_are_of_training_alone(tmp_path: Path) -> None:
    for number, codes in enumerate(("426783006", "164889003", "")):
        comments = [f"Dx: {codes}"] if codes else []
        write_record(tmp_path, f"r{number}", np.zeros((1, 100)), 100, ["I"], comments=comments)
    (tmp_path / "r9.hea").write_text("r9 1 100 100\nr9.dat 16 200 16 0 0 0 0 I\n")
    source = source_of(tmp_path)
    told = " / ".join(source.notes)
    assert "1 of 3 records have no label" in told and "may be in two splits" in told and "1 left out that cannot be read" in told
    (told,) = notes_on_new_rows(source)
    assert told.startswith("1 left out that cannot be read: r9.hea: ")


def test_a_folder_without_records_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no WFDB record in"):
        source_of(tmp_path)


@pytest.mark.parametrize(
    ("settings", "said", "fix"),
    [
        (["data.source.lables=scored"], "unknown option 'lables' of source 'wfdb' in data.source", "did you mean 'labels'?"),
        (["data.type=wfdb", "data.source.lables=scored"], "unknown option 'lables' of source 'wfdb'", "did you mean 'labels'?"),
        (["data.type=wfdbb"], "there is no source 'wfdbb'", "did you mean 'wfdb'?"),
        (
            ["columns.signal={type: signal, transform: [{bandpass: {low: 40, high: 0.5}}]}"],
            "transform.0: low (40 Hz) is not below high (0.5 Hz)",
            "write low: 0.5, high: 40",
        ),
    ],
)
@pytest.mark.parametrize("where", ["data.source.path", "data.path"])
def test_mistakes_are_told_as_those_of_the_source_that_is_meant(where: str, settings: list[str], said: str, fix: str, made: Path) -> None:
    with pytest.raises(ManyErrors) as caught:
        read_config(None, [f"{where}={made}", *settings])
    assert len(caught.value.errors) == 1
    assert said in caught.value.errors[0].what and caught.value.errors[0].fix.startswith(fix)


def test_options_beside_a_path_are_those_of_the_source_that_claims_it(made: Path) -> None:
    with pytest.raises(ManyErrors, match=r"unknown option 'lables' of source 'wfdb' in data\.source"):
        read_config(None, [f"data.source={made}", "data.source.lables=scored"])
    source = read_config(None, [f"data.source={made}", "data.source.labels=scored"]).data.source
    assert source.type == "wfdb" and source.path == str(made) and source.labels == "scored"


def test_columns_are_as_the_source_says_and_leads_that_no_recording_has_are_no_fault_of_files(tmp_path: Path) -> None:
    write_ecg(tmp_path, 0, ECGOptions(patients=12, rate=100, seconds=8.0))

    def prepared(leads: str, **column: str) -> dict[str, str]:
        columns = {"signal": {"leads": leads.split(), **column}}
        data = prepare(read_config({"data": {"source": str(tmp_path), "cache": "off"}, "columns": columns}))
        return {column.name: column.why for column in data.columns}

    assert prepared("ii V1") == prepared("II V7", absent="zeros")
    assert prepared("II")["labels"] == "said by the source" and prepared("II")["age"] == "whole numbers"
    for leads, zeros in (("II V7", True), ("V7 V8", False)):
        with pytest.raises(ConfigError, match="no recording has the lead V7") as caught:
            prepared(leads)
        assert caught.value.where == "columns.signal.leads" and "there are I, II" in caught.value.why
        assert "did you mean 'V6'" in caught.value.fix and ("columns.signal.absent=zeros" in caught.value.fix) is zeros
    with pytest.raises(ConfigError, match="no recording has the lead V7, V8"):
        prepared("V7 V8", absent="zeros")
