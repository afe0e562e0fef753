"""What stands before predictions of a source that names its rows, and how new recordings are read by a run of beats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from trainwright.data.source import TableSource
from trainwright.data.sources.opening import open_source, options_of
from trainwright.domains.signals.synth.beats import write_beats
from trainwright.domains.signals.synth.options import BeatOptions
from trainwright.domains.tables.row_names import names_of, with_names


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
