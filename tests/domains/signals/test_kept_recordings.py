"""Recordings are decoded, resampled and transformed once, up to the first transform that draws."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from labelled_records import write_labelled

from trainwright.config.choice import choose
from trainwright.data.cache import CachedData
from trainwright.domains.signals.feature import SignalFeature
from trainwright.domains.signals.reading.write import write_record, write_sound
from trainwright.domains.signals.recording import Reader

CHAIN = [
    {"type": "bandpass", "low": 1, "high": 30},
    {"type": "derive_leads"},
    {"type": "standardize"},
    {"type": "gain"},
    {"type": "standardize"},
]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was read of recordings, by name, from here on."""
    found: list[str] = []
    plain = Reader.read_piece

    def counting(self: Reader, path: str, first: int, count: int | None) -> Any:
        found.append(path)
        return plain(self, path, first, count)

    monkeypatch.setattr(Reader, "read_piece", counting)
    return found


def feature_of(paths: list[str], cache: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, **options: Any) -> SignalFeature:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    transform = [choose("transform", each) for each in options.pop("transform", CHAIN)]
    feature = SignalFeature(choose("feature", {"type": "signal", "transform": transform, **options}), "record")
    feature.observe(pa.array(paths), np.arange(len(paths)))
    feature.finish()
    feature.caching = CachedData(type="signals", cache=cache)
    return feature


def rested(folder: Path) -> None:
    """Let files look as if they had been left alone for a while."""
    time.sleep(2.1)


def test_a_record_is_read_once_and_given_as_before_by_every_kind_of_reference(
    read: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_labelled(tmp_path, 3)
    paths = [str(tmp_path / "r0"), str(tmp_path / "r1.hea"), f"{tmp_path / 'r2'}#t=0,1", f"{tmp_path / 'r2'}#t=1,2"]
    feature = feature_of(paths, "memory", monkeypatch, tmp_path, transform=CHAIN, bucket=None)
    rested(tmp_path)
    decoder = feature.decoder(training=True)
    assert len(decoder.first.steps) == 3 and len(decoder.chain.steps) == 2  # what follows a draw is made each time
    cold = {}
    for path in paths:
        torch.manual_seed(0)
        cold[path] = decoder.sample(path, 0)
    read.clear()
    for path in paths:
        torch.manual_seed(0)
        assert torch.equal(decoder.sample(path, 0), cold[path])
    assert read == []
    assert not torch.equal(cold[paths[2]], cold[paths[3]])
    plain = feature_of(paths, "off", monkeypatch, tmp_path)
    plain.caching = None
    for path in paths:
        torch.manual_seed(0)
        assert torch.equal(plain.decoder(training=True).sample(path, 0), cold[path])
    feature.sample_cache().close()  # type: ignore[union-attr]


def test_a_record_whose_samples_have_changed_is_read_again(read: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_labelled(tmp_path, 2)
    path = str(tmp_path / "r0")
    feature = feature_of([path], "memory", monkeypatch, tmp_path, transform=[{"type": "standardize"}])
    rested(tmp_path)
    decoder = feature.decoder(training=False)
    before = decoder.sample(path, 0)
    values = np.random.default_rng(5).normal(size=(3, 200))
    write_record(tmp_path, "r0", values, 100, ["I", "II", "V1"])
    after = decoder.sample(path, 0)
    assert not torch.allclose(before, after)
    np.testing.assert_allclose(after, (values - values.mean(1, keepdims=True)) / values.std(1, keepdims=True), atol=0.01)
    feature.sample_cache().close()  # type: ignore[union-attr]


def test_by_itself_only_what_costs_something_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_labelled(tmp_path, 2)
    write_sound(tmp_path / "tone.flac", np.sin(np.arange(400) / 5), 100)
    record, sound = str(tmp_path / "r0"), str(tmp_path / "tone.flac")
    plain = feature_of([record], "auto", monkeypatch, tmp_path, transform=[{"type": "gain"}])
    assert plain.kept_files(record) is None  # its samples lie in a file as they are
    assert plain.kept_files(sound) is not None
    assert feature_of([record], "auto", monkeypatch, tmp_path, rate=50, transform=[]).kept_files(record) is not None
    filtered = feature_of([record], "auto", monkeypatch, tmp_path).kept_files(record)
    assert filtered == ([f"{record}.hea", f"{record}.dat"], "")
    asked = feature_of([record], "memory", monkeypatch, tmp_path, transform=[]).kept_files(f"{record}#t=0,1")
    assert asked == ([f"{record}.hea", f"{record}.dat"], "#t=0,1")
    assert plain.kept_files(str(tmp_path / "none")) is None


def test_a_long_file_is_looked_through_once_for_all_its_windows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from trainwright.data.cache.samples import _file_digest, content_key

    path = tmp_path / "long.bin"
    path.write_bytes(os.urandom(5 << 20))
    rested(tmp_path)
    before = _file_digest.cache_info()
    keys = {content_key([str(path)], str(part)) for part in range(50)}
    after = _file_digest.cache_info()
    assert len(keys) == 50 and after.misses - before.misses == 1
    path.write_bytes(b"other")
    assert content_key([str(path)], "0") not in keys
