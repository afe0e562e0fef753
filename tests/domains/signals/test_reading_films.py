from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import wfdb
from recordings import wave, write_wfdb

from trainwright.domains.signals.reading import Unreadable, probe, read
from trainwright.domains.signals.reading.av_files import read_frames

av = pytest.importorskip("av")
TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(48000) / 16000) * np.linspace(0, 1, 48000)).astype(np.float32)


def write_film(path: Path, codec: str, format: str, rate: int, pictures: int = 0) -> Path:
    """A file with a tone, and pictures that become brighter."""
    with av.open(str(path), "w") as container:
        sound = container.add_stream(codec, rate=rate, layout="mono")
        if pictures:
            video = container.add_stream("mpeg4", rate=10)
            video.width, video.height, video.pix_fmt = 32, 16, "yuv420p"
            for number in range(pictures):
                container.mux(video.encode(av.VideoFrame.from_ndarray(np.full((16, 32, 3), number * 10, np.uint8), format="rgb24")))
            container.mux(video.encode())
        frame = av.AudioFrame.from_ndarray(TONE[None], format=format, layout="mono")
        frame.sample_rate = rate
        container.mux(sound.encode(frame))
        container.mux(sound.encode())
    return path


@pytest.mark.parametrize(
    ("name", "codec", "format", "rate"),
    [
        ("a.m4a", "aac", "fltp", 16000),
        ("a.mkv", "aac", "fltp", 16000),
        ("a.aac", "aac", "fltp", 16000),
        ("a.webm", "libopus", "flt", 48000),
    ],
)
def test_a_window_of_the_sound_of_a_film_is_the_slice_of_the_whole(name: str, codec: str, format: str, rate: int, tmp_path: Path) -> None:
    path = write_film(tmp_path / name, codec, format, rate)
    whole, facts = read(path), probe(path)
    assert (facts.rate, facts.length, facts.channels) == (rate, whole.values.shape[1], ("mono",))
    for start, stop in ((0, 100), (1001, 5000), (30000, 40001), (facts.length - 9, None)):
        np.testing.assert_array_equal(read(path, start, stop).values, whole.values[:, start:stop])
    late = np.argmax(np.correlate(whole.values[0, :8000], TONE[2000:4000], "valid")) - 2000  # what an encoder puts before
    np.testing.assert_allclose(whole.values[0, 4000 + late : 40000 + late], TONE[4000:40000], atol=0.05)


def test_frames_of_a_film_are_those_between_two_seconds(tmp_path: Path) -> None:
    frames = read_frames(str(write_film(tmp_path / "v.mp4", "aac", "fltp", 16000, pictures=20)), 0.5, 1.0)
    assert frames.values.shape == (5, 16, 32, 3) and frames.rate == 10
    np.testing.assert_allclose(frames.seconds, [0.5, 0.6, 0.7, 0.8, 0.9])
    np.testing.assert_allclose(frames.values.mean(axis=(1, 2, 3)), [50, 60, 70, 80, 90], atol=3)
    with pytest.raises(Unreadable, match="it has no pictures"):
        read_frames(str(write_film(tmp_path / "a.m4a", "aac", "fltp", 16000)))


def test_a_record_of_several_segments_is_one(tmp_path: Path) -> None:
    values = wave(2, 1000)
    for name, sign in (("s1", 1), ("s2", -1)):
        write_wfdb(tmp_path, "16", sign * values, name)
    (tmp_path / "all.hea").write_text("all/2 2 250 2000\ns1 1000\ns2 1000\n")
    whole = read(tmp_path / "all")
    np.testing.assert_allclose(whole.values, np.concatenate([values, -values], axis=1), atol=0.006)
    np.testing.assert_array_equal(read(tmp_path / "all", 900, 1100, leads=["L1"]).values, whole.values[1:, 900:1100])
    (tmp_path / "more.hea").write_text("more/2 2 250 2000\ns1 1000\ns3 1000\n")
    with pytest.raises(Unreadable, match="1 of its 2 segments are not there: s3"):
        probe(tmp_path / "more")


def test_segments_with_other_signals_and_gaps_are_nan_where_they_lack_one(tmp_path: Path) -> None:
    values = wave(2, 1000)
    write_wfdb(tmp_path, "16", values, "s1")
    wfdb.wrsamp("s2", 250, ["mV"], ["L1"], p_signal=values[1:].T, fmt=["16"], write_dir=str(tmp_path))
    (tmp_path / "names.hea").write_text("names 2 250 0\n~ 0 200 16 0 0 0 0 L0\n~ 0 200 16 0 0 0 0 L1\n")
    (tmp_path / "all.hea").write_text("all/4 2 250 2500\nnames 0\ns1 1000\n~ 500\ns2 1000\n")
    whole = read(tmp_path / "all").values
    assert np.isnan(whole).sum(axis=1).tolist() == [1500, 500]
    np.testing.assert_array_equal(read(tmp_path / "all", 900, 1700).values, whole[:, 900:1700])


def test_a_signal_with_skew_is_moved_as_the_library_moves_it(tmp_path: Path) -> None:
    (tmp_path / "rec.dat").write_bytes(np.round(wave(2, 100) * 100).astype("<i2").T.tobytes())
    (tmp_path / "rec.hea").write_text("rec 2 250 100\nrec.dat 16:3 100 16 0 0 0 0 I\nrec.dat 16 100 16 0 0 0 0 II\n")
    whole = read(tmp_path / "rec").values
    np.testing.assert_allclose(whole, wfdb.rdrecord(str(tmp_path / "rec")).p_signal.T, atol=1e-6)
    np.testing.assert_array_equal(read(tmp_path / "rec", 10, 50).values, whole[:, 10:50])
