"""Pictures, recordings and arrays that come with a request: read as the run reads them, and nothing else is opened."""

from __future__ import annotations

import base64
import io
import pickle
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from trainwright.deploy.host.description import Column
from trainwright.deploy.host.faults import FaultyRows, Told
from trainwright.deploy.host.model import HostedModel, open_model
from trainwright.deploy.host.pictures import PictureReader
from trainwright.deploy.host.recordings import ArrayReader, RecordingReader
from trainwright.deploy.server.bodies import of_rows
from trainwright.deploy.server.refusals import status_of
from trainwright.deploy.server.run_backend import RunBackend
from trainwright.domains.place import find_place
from trainwright.domains.tables.predictor import open_table

FIT = {"type": "fit", "size": [8, 8], "resize": "crop", "crop_pct": 1.0, "interpolation": "bilinear", "fill": 0.0}
PICTURE = Column("picture", "image", {"shape": [3, 8, 8], "transform": [FIT], "mean": [10.4, 20.6, 30.0]})
SOUND = Column("sound", "signal", {"shape": [1, 40], "axes": [1, "sound.length"]})
ARRAY = Column("array", "file", {"shape": [2, 3], "axes": [2, 3]})


@pytest.fixture(scope="module")
def hosted(shipped_files: Any) -> HostedModel:
    return open_model(shipped_files.file)


def sent(row: dict[str, Any]) -> dict[str, Any]:
    """A row as it goes over the wire: the content of files in place of their paths."""
    content = {name: {"base64": base64.b64encode(Path(row[name]).read_bytes()).decode()} for name in ("picture", "sound")}
    return {name: row[name] for name in row if name != "price"} | content


def test_rows_with_files_are_to_the_bit_what_the_run_makes_of_them(hosted: HostedModel, shipped_files: Any) -> None:
    rows = shipped_files.rows.head(5)
    columns = pd.DataFrame([sent(each) for each in rows.to_dict("records")]).to_dict("list")
    asked = hosted.reader.read_json(columns, len(rows))
    assert asked.faults == []
    expected = open_table(find_place(shipped_files.run.path)).deliverable().read(rows)
    for name in ("picture", "sound", "size", "heart", "heart.length"):
        assert np.array_equal(asked.raw[name], expected[name].numpy()), name


def png(*size: int) -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.zeros((*size, 3), np.uint8)).save(content, "png")
    return content.getvalue()


def npy(array: Any) -> bytes:
    content = io.BytesIO()
    np.save(content, array, allow_pickle=True)
    return content.getvalue()


def refusal(reader: Any, value: Any) -> str:
    told = Told()
    parts = reader.quick([value], told)
    assert len(parts[""]) == 1
    assert len(told.faults) == 1 and told.faults[0].row == 0
    return f"{told.faults[0].what}: {told.faults[0].why} → {told.faults[0].fix}"


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        (PICTURE, "/etc/passwd", "opens no paths"),
        (PICTURE, "https://example.org/cat.png", "no addresses"),
        (PICTURE, {"base64": "not base64!"}, "base64 is damaged → send the file in a form"),
        (PICTURE, {"path": "/etc/passwd"}, "no content of a file"),
        (PICTURE, 7, "no content of a file"),
        (PICTURE, {"bytes": b""}, "empty"),
        (PICTURE, {"bytes": b"<svg xmlns='http://www.w3.org/2000/svg'/>"}, "→ send a picture that is whole, one of .jpg, .jpeg"),
        (PICTURE, {"bytes": png(40, 30)[:60]}, "→ send a picture that is whole, one of .jpg, .jpeg"),
        (PICTURE, {"bytes": png(2000, 2000)}, "2,000 × 2,000 pixels, and this server takes 1,000,000 (--max-pixels) → send a smaller one"),
        (SOUND, {"bytes": b"#EXTM3U\nfile:///etc/passwd"}, "it is none of"),
        (SOUND, {"bytes": b"record 1 100 10\n/etc/passwd 16"}, "the header of a WFDB record, whose samples are in another file; one file"),
        (SOUND, {"bytes": b"\x89HDF\r\n\x1a\n"}, "it is none of"),
        (SOUND, {"bytes": b"RIFF\x00\x00"}, "→ send a recording that is whole, one of .wav"),
        (ARRAY, {"bytes": npy(np.array([{}], object))}, "no .npy file"),
        (ARRAY, {"bytes": pickle.dumps([1])}, "→ send a file .npy that is whole"),
        (ARRAY, {"bytes": npy(np.zeros((2, 4)))}, "it is 2×4, and training had 2×3"),
        (ARRAY, {"bytes": npy(np.array(["a"]))}, "no array of numbers"),
        (ARRAY, [[1, 2, 3], [4, 5]], "different lengths"),
        (ARRAY, [[1, 2, 3], [4, 5, None]], "no array of numbers alone"),
        (ARRAY, [[1, 2, 3], [4, 5, 1e300]], "no float32"),
        (ARRAY, [[1, 2], [4, 5]], "it is 2×2, and training had 2×3"),
    ],
    ids=lambda each: "",
)
def test_what_is_no_such_file_is_refused_in_words_with_its_row(column: Column, value: Any, said: str) -> None:
    reader = {"image": PictureReader, "signal": RecordingReader, "file": ArrayReader}[column.kind](column)
    reader.limit(1_000_000)
    assert said in refusal(reader, value)


def test_a_run_that_torch_answers_keeps_the_limit_on_pixels_too(shipped_files: Any) -> None:
    row = sent(shipped_files.rows.iloc[0].to_dict())
    predictor = open_table(find_place(shipped_files.run.path))
    rows = RunBackend(predictor, "files", "", max_pixels=20 * 24).read_json(of_rows([row])).raw
    assert RunBackend(predictor, "files", "", max_pixels=20 * 24).run(rows).num_rows == 1
    with pytest.raises(FaultyRows, match="too large") as caught:
        RunBackend(predictor, "files", "", max_pixels=20 * 24 - 1).run(rows)
    assert status_of(caught.value) == 413 and "(--max-pixels)" in caught.value.why


def test_a_recording_that_says_less_than_those_of_training_is_read_as_they_were() -> None:
    reading = {"rate": 100.0, "leads": ["I", "II", "V1"]}
    reader = RecordingReader(Column("ecg", "signal", {"shape": [3, 40], "axes": [3, "ecg.length"], "reading": reading}))
    values = np.arange(120, dtype=np.float32).reshape(3, 40)
    for sent in (values.tolist(), {"bytes": npy(values)}, {"bytes": npy(values.T)}):
        told = Told()
        parts = reader.quick([sent], told)
        assert told.faults == [] and parts is not None
        np.testing.assert_array_equal(parts[""][0], values)
        noted = {"rate of training": 1} | ({} if isinstance(sent, list) else {"channels in the order of training": 1})
        assert told.counts == {"ecg": noted}
    told = Told()
    assert reader.quick([values[:, :2].tolist()], told)[""].shape == (1, 3, 2) and told.faults == []
    reader.quick([{"bytes": b"I,II,V1\n1,2,3\n4,5,6"}, {"bytes": b"time,I,II,V1\n0,1,2,3\n0.01,4,5,6"}], told)
    assert told.faults == [] and told.counts == {"ecg": {"rate of training": 2}}
    assert reader.records is False
    assert "it has 2 channels without a name, and training had 3: I, II, V1" in refusal(
        reader, {"bytes": wav(np.zeros((40, 2), "<i2"), 100)}
    )
    told = Told()
    parts = reader.quick([{"bytes": wav(values.T.astype("<i2"), 50)}], told)
    assert told.faults == [] and parts is not None and parts["length"].tolist() == [80]
    assert "it begins as a .wav file does, and what follows is damaged" in refusal(reader, {"bytes": b"RIFF\0\0"})
    for sent in ([[1.0], [1.0, 2.0]], ["x"], []):
        assert "send a recording" in refusal(reader, sent)


def wav(samples: np.ndarray, rate: int) -> bytes:
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return content.getvalue()


@pytest.mark.parametrize(
    ("channels", "leads", "rate", "records"),
    [
        (1, ["mono"], 8000.0, True),
        (1, None, 8000.0, True),
        (2, None, 8000.0, False),
        (1, ["II"], 8000.0, False),
        (1, ["mono"], 500.0, False),
    ],
)
def test_a_microphone_is_offered_where_mono_sound_fits_alone(channels: int, leads: list[str] | None, rate: float, records: bool) -> None:
    column = Column("sound", "signal", {"shape": [channels, 40], "reading": {"rate": rate, "leads": leads}})
    assert RecordingReader(column).records is records


def test_a_missing_picture_has_the_mean_colour_and_is_said_to_be_missing() -> None:
    told = Told()
    parts = PictureReader(PICTURE).quick([None, {"bytes": png(8, 8)}], told)
    assert parts is not None
    assert parts["missing"].tolist() == [1.0, 0.0]
    assert parts[""][0, :, 0, 0].tolist() == [10, 21, 30]
    assert told.counts == {"picture": {"missing": 1}}


def test_arrays_of_other_lengths_are_joined_with_zeros_at_the_end() -> None:
    reader = ArrayReader(Column("array", "file", {"shape": [4, 2], "axis": 0, "axes": ["array.length", 2]}))
    parts = reader.quick([{"bytes": npy(np.ones((1, 2)))}, None, {"bytes": npy(np.ones((3, 2)))}], Told())
    assert parts is not None
    assert parts["length"].tolist() == [1, 0, 3]
    assert parts[""].sum(axis=(1, 2)).tolist() == [2, 0, 6] and parts[""].shape == (3, 3, 2)


def test_a_path_is_opened_where_somebody_said_in_which_folder(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(8, 8))
    reader = PictureReader(PICTURE)
    reader.folder = tmp_path
    told = Told()
    reader.quick(["a.png", "b.png"], told)
    assert [each.row for each in told.faults] == [1] and "b.png" in told.faults[0].why and told.faults[0].fix.startswith("name a file")


def test_a_picture_beyond_the_limit_is_answered_with_413() -> None:
    reader, told = PictureReader(PICTURE), Told()
    reader.limit(1_000)
    reader.quick([{"bytes": png(40, 30)}], told)
    assert status_of(FaultyRows(told.faults)) == 413
    told = Told()
    reader.quick([{"bytes": b"x"}], told)
    assert status_of(FaultyRows(told.faults)) == 422
