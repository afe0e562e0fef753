"""What stands before predictions of a source that names its rows, and how new recordings are read by a run of beats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from trainwright.config.errors import DataError
from trainwright.data.source import TableSource
from trainwright.data.sources.later import later_rows
from trainwright.data.sources.opening import open_source, options_of
from trainwright.domains.signals.sources.options import WFDBBeatsOptions
from trainwright.domains.signals.synth.beats import write_beats
from trainwright.domains.signals.synth.options import BeatOptions, SoundOptions
from trainwright.domains.signals.synth.sounds import write_sounds
from trainwright.domains.tables.row_names import names_of, with_names
from trainwright.features.reading import later_options_of


@pytest.fixture(scope="module")
def beats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("beats")
    write_beats(folder, 0, BeatOptions(records=3, minutes=1))
    return folder


def test_records_are_named_and_tables_are_not(beats: Path) -> None:
    source = open_source(options_of(str(beats)), 1 << 20)
    found = names_of(source, np.array([2, 0]))
    assert found is not None and found.to_pydict() == {"record": ["102", "100"]}
    assert names_of(TableSource(pa.table({"record": ["a"]}), "the given table")) is None
    assert names_of(open_source(options_of("builtin:iris"), 1 << 20)) is None


def test_names_stand_first_and_never_hide_a_prediction() -> None:
    names, predicted = pa.table({"record": ["a"], "at": [3]}), pa.table({"at": [1], "beat_prediction": ["N"]})
    assert with_names(predicted, names).to_pydict() == {"record": ["a"], "at": [1], "beat_prediction": ["N"]}
    assert with_names(predicted, None) is predicted


def test_later_records_of_a_run_of_beats_are_beats(beats: Path, tmp_path: Path) -> None:
    """With the options of training, of one record or a folder; a record without annotations is told."""
    trained = open_source(WFDBBeatsOptions(path=str(beats), classes="aami"), 1 << 20)
    told = later_options_of(trained)
    one = later_rows(str(beats / "101"), None, ["signal"], options=told)
    names = names_of(one)
    assert len(one) > 30 and names is not None and names.column_names == ["record", "at"]
    assert "N" in one.read(None, ["beat"])["beat"].to_pylist()
    assert len(later_rows(str(beats), None, ["signal"], options=told)) == len(trained)
    assert len(later_rows(str(beats / "101"), None, ["signal"])) == 1
    for each in ("101.hea", "101.dat"):
        (tmp_path / each).write_bytes((beats / each).read_bytes())
    with pytest.raises(DataError, match=r"the record .*101' has no annotations '\.atr'"):
        later_rows(str(tmp_path / "101"), None, ["signal"], options=told)


def test_a_part_of_a_recording_is_a_source_of_one_row(beats: Path, tmp_path: Path) -> None:
    """Named as in a column; a part of a folder, of what is not there, or beyond the end is told."""
    source = open_source(options_of(f"{beats}/101#t=0,10"), 1 << 20).read()
    assert source.select(["record", "signal", "seconds"]).to_pylist() == [
        {"record": "101#t=0,10", "signal": f"{beats}/101#t=0,10", "seconds": 10.0}
    ]
    write_sounds(tmp_path, 0, SoundOptions(takes=1))
    sound = next(tmp_path.rglob("*.wav"))
    assert open_source(options_of(f"{sound}#samples=0,800"), 1 << 20).read()["file"].to_pylist() == [f"{sound.name}#samples=0,800"]
    for wrong, told in ((f"{beats}#t=0,1", "is a folder"), (f"{beats}/101#t=900,", "begins at"), (f"{beats}/109#t=0,1", "no file")):
        with pytest.raises(DataError, match=told):
            open_source(options_of(wrong), 1 << 20)
    with pytest.raises(DataError, match="is not read beat by beat"):
        open_source(WFDBBeatsOptions(path=f"{beats}/101#t=0,10"), 1 << 20)
