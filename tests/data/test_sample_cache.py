"""Samples that are kept: bit for bit what was made, shared by processes, and never a reason for a run to end."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trainwright.config.errors import ConfigError
from trainwright.data.cache import CachedData, parse_share
from trainwright.data.cache.places import Place, memory_root, stores_in
from trainwright.data.cache.records import Unkept, from_bytes, to_bytes
from trainwright.data.cache.samples import SampleCache, open_cache
from trainwright.data.cache.store import INDEX, RECORD, Full, SampleStore


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Samples of these tests lie in folders of their own."""
    monkeypatch.setenv("TRAINWRIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("trainwright.data.cache.places.SHARED_MEMORY", tmp_path / "memory")
    (tmp_path / "memory").mkdir()
    yield


def options(**given: Any) -> CachedData:
    return CachedData.model_validate({"type": "x", **given})


def opened(recipe: str = "r", **given: Any) -> SampleCache:
    found = open_cache(options(**{"cache": "disk", **given}), recipe, "samples")
    assert found is not None
    return found


def old_file(path: Path, content: bytes) -> str:
    """A file that was written an hour ago, so that its size and time tell it from others."""
    path.write_bytes(content)
    os.utime(path, (time.time() - 3600,) * 2)
    return str(path)


class Counted:
    """Makes the sample of a file, and counts how often."""

    def __init__(self, path: str) -> None:
        self.path, self.calls = path, 0

    def __call__(self) -> Any:
        self.calls += 1
        return torch.frombuffer(bytearray(Path(self.path).read_bytes()), dtype=torch.uint8).float() / 7


def bits(value: Any) -> bytes:
    flat = value.contiguous().reshape(-1).view(torch.uint8).numpy() if isinstance(value, torch.Tensor) else value
    return bytes(flat.tobytes())


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor | np.ndarray):
        laid = [each.stride() if isinstance(each, torch.Tensor) else each.strides for each in (one, other)]
        return (type(one), one.dtype, one.shape, laid[0], bits(one)) == (type(other), other.dtype, other.shape, laid[1], bits(other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(each, other[name]) for name, each in one.items())
    if isinstance(one, tuple | list):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and repr(one) == repr(other)


@pytest.mark.parametrize(
    "sample",
    [
        torch.arange(6.0).reshape(2, 3),
        torch.arange(24.0).reshape(2, 3, 4).permute(2, 0, 1),
        torch.tensor([float("nan"), -0.0, float("inf"), 1e-45]),
        torch.tensor([1.5, -2.25], dtype=torch.bfloat16),
        torch.tensor([1 + 2j, 3 - 4j]),
        torch.tensor(3),
        torch.zeros(0, 4),
        np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
        np.float32(0.1),
        (torch.ones(3, dtype=torch.bool), 3, "label", None, -0.0, float("nan")),
        {"input": [np.arange(3), (1, 2)], "target": 2**70},
    ],
    ids=str,
)
def test_a_sample_comes_back_bit_for_bit_and_laid_out_as_it_was(sample: Any) -> None:
    assert same(from_bytes(memoryview(to_bytes(sample))), sample)


@pytest.mark.parametrize(
    "sample",
    [object(), {1: 2}, torch.ones(2).to_sparse(), torch.ones(2, requires_grad=True), np.array(["a"]), {"a": {3}}],
    ids=["an object", "a key that is no text", "sparse", "with a gradient", "texts", "a set"],
)
def test_what_is_no_plain_data_is_not_kept(sample: Any) -> None:
    with pytest.raises(Unkept):
        to_bytes(sample)


@pytest.mark.parametrize("keep", ["memory", "disk", "auto"])
def test_a_sample_is_made_once_and_is_the_same_after_that(tmp_path: Path, keep: str) -> None:
    make = Counted(old_file(tmp_path / "a", b"abc"))
    cache = opened(cache=keep)
    found = [cache.of_files([make.path], "", make) for _ in range(3)]
    assert make.calls == 1
    assert all(torch.equal(each, found[0]) for each in found)
    found[1].zero_()  # it is the caller's own
    assert torch.equal(cache.of_files([make.path], "", make), found[0])


def test_samples_on_disk_are_there_for_the_next_run_and_those_in_memory_are_gone(tmp_path: Path) -> None:
    for keep, calls in (("disk", 1), ("memory", 2)):
        make = Counted(old_file(tmp_path / f"of-{keep}", b"abc"))
        for _ in range(2):
            cache = opened(cache=keep)
            cache.of_files([make.path], "", make)
            cache.close()
        assert make.calls == calls
    assert stores_in(memory_root()) == []


def test_a_file_that_changed_is_read_again_and_one_that_was_only_touched_is_not(tmp_path: Path) -> None:
    path = old_file(tmp_path / "a", b"abc")
    cache, make = opened(), Counted(path)
    cache.of_files([path], "", make)
    os.utime(path, (1e9, 1e9))
    cache.of_files([path], "", make)
    assert make.calls == 1  # its content is known
    Path(path).write_bytes(b"abd")  # as long as before, and within the time that tells files apart
    assert torch.equal(cache.of_files([path], "", make), make())


def test_a_file_that_was_left_alone_is_known_by_its_size_and_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainwright.data.cache.samples.STILL", 0)
    make = Counted(old_file(tmp_path / "a", b"abc"))
    cache = opened()
    cache.of_files([make.path], "", make)
    monkeypatch.setattr("trainwright.data.cache.samples.content_key", lambda *_: pytest.fail("it was read"))
    assert torch.equal(cache.of_files([make.path], "", make), Counted(make.path)())
    assert torch.equal(opened().of_files([make.path], "", make), Counted(make.path)())
    assert make.calls == 1


def test_recipes_and_parts_have_samples_of_their_own(tmp_path: Path) -> None:
    make = Counted(old_file(tmp_path / "a", b"abc"))
    for cache, part in ((opened("one"), ""), (opened("one"), "1"), (opened("two"), "")):
        cache.of_files([make.path], part, make)
    assert make.calls == 3


def test_a_damaged_sample_is_made_again_and_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    makes = [Counted(old_file(tmp_path / str(n), bytes([n, n + 1]))) for n in range(4)]
    cache = opened()
    expected = [cache.of_files([make.path], "", make) for make in makes]
    data = cache.places[0].root / cache.places[0].name / "samples"
    cache.close()
    with data.open("r+b") as file:
        for place in (100, 200, 260):
            file.seek(place)
            file.write(b"\xff\xff")
    again = opened()
    with caplog.at_level(logging.WARNING):
        found = [again.of_files([make.path], "", make) for make in makes]
    assert all(map(torch.equal, found, expected))
    assert len(caplog.records) == 1
    assert "is made again" in caplog.text
    calls = [make.calls for make in makes]
    assert sum(calls) > 4
    third = opened()
    for make in makes:
        third.of_files([make.path], "", make)
    assert [make.calls for make in makes] == calls  # what was made again is kept


@pytest.mark.parametrize("cut", [1, RECORD.size // 2, RECORD.size])
def test_an_index_that_is_cut_off_or_damaged_loses_only_what_it_lost(tmp_path: Path, cut: int) -> None:
    makes = [Counted(old_file(tmp_path / str(n), bytes([n]))) for n in range(5)]
    cache = opened()
    for make in makes:
        cache.of_files([make.path], "", make)
    index = cache.places[0].root / cache.places[0].name / INDEX
    cache.close()
    held = bytearray(index.read_bytes()[:-cut])
    held[RECORD.size + 3] ^= 0xFF
    index.write_bytes(held)
    again = opened()
    found = [again.of_files([make.path], "", make) for make in makes]
    assert all(torch.equal(each, make()) for each, make in zip(found, makes, strict=True))
    assert [make.calls - 2 for make in makes] == [0, 0, 0, 0, 0] or [make.calls for make in makes] == [2, 3, 2, 2, 3]
    third = opened()
    before = [make.calls for make in makes]
    for make in makes:
        third.of_files([make.path], "", make)
    assert [make.calls for make in makes] == before


def test_a_full_disk_is_said_once_and_samples_are_made_as_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    makes = [Counted(old_file(tmp_path / str(n), bytes([n]))) for n in range(4)]
    cache = opened()
    cache.of_files([makes[0].path], "", makes[0])
    monkeypatch.setattr(os, "pwrite", no_space)
    with caplog.at_level(logging.WARNING):
        found = [cache.of_files([make.path], "", make) for make in makes]
    assert all(torch.equal(each, make()) for each, make in zip(found, makes, strict=True))
    assert [record.getMessage() for record in caplog.records] == [
        f"samples: nothing more is kept in {tmp_path}/cache/samples (No space left on device); samples are read each time"
    ]


def no_space(*_: Any) -> int:
    raise OSError(28, "No space left on device")


def test_a_disk_that_is_really_full_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("there is no device that is always full here")
    make = Counted(old_file(tmp_path / "a", b"abc"))
    cache = opened()
    store = cache.places[0].store
    os.close(store._index)
    store._index = os.open(full, os.O_RDWR)
    assert torch.equal(cache.of_files([make.path], "", make), make())


def test_what_may_not_be_written_is_said_before_anything_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    with caplog.at_level(logging.WARNING):
        assert open_cache(options(cache="disk"), "r", "samples") is None
    assert "Not a directory" in caplog.text or "File exists" in caplog.text
    make = Counted(old_file(tmp_path / "a", b"abc"))
    kept = opened(cache="auto")  # in memory
    assert torch.equal(kept.of_files([make.path], "", make), make()) and "samples" not in kept.describe().partition("up to")[2]


def test_no_more_is_kept_than_the_limit_and_what_nobody_uses_goes_first(tmp_path: Path) -> None:
    makes = [Counted(old_file(tmp_path / str(n), bytes([n]) * 1000)) for n in range(8)]
    first = opened("first", cache_limit=20_000)
    for make in makes[:4]:
        first.of_files([make.path], "", make)
    first.close()
    second = opened("second", cache_limit=20_000)
    for make in makes:
        second.of_files([make.path], "", make)
    kept = stores_in(second.places[0].root)
    assert [each.name for each in kept] == [second.places[0].name]  # the first is gone
    assert sum((each / "samples").stat().st_size for each in kept) <= 20_000
    calls = [make.calls for make in makes]
    for make in makes:
        second.of_files([make.path], "", make)
    assert 0 < sum(make.calls for make in makes) - sum(calls) < 8  # those that found no room are made each time


def test_samples_that_another_process_uses_are_not_removed(tmp_path: Path) -> None:
    make = Counted(old_file(tmp_path / "a", b"a" * 1000))
    first = opened("first", cache_limit=5_000)
    first.of_files([make.path], "", make)
    second = opened("second", cache_limit=5_000)
    second.of_files([make.path], "", make)
    assert len(stores_in(first.places[0].root)) == 2
    assert torch.equal(first.of_files([make.path], "", make), second.of_files([make.path], "", make))


def test_memory_that_is_full_gives_way_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainwright.data.cache.samples.memory_limit", lambda share: 10_000)
    makes = [Counted(old_file(tmp_path / str(n), bytes([n]) * 1000)) for n in range(8)]
    cache = opened(cache="auto")
    for _ in range(2):
        for make in makes:
            cache.of_files([make.path], "", make)
    assert [make.calls for make in makes] == [1] * 8
    assert all((place.root / place.name / "samples").stat().st_size > 0 for place in cache.places)


def test_a_sample_for_which_something_random_was_drawn_is_not_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, cache = old_file(tmp_path / "a", b"abc"), opened()
    for draw in (lambda: torch.rand(2), lambda: torch.tensor(np.random.rand(2)), lambda: torch.tensor(__import__("random").random())):
        one, other = (cache.of_files([path], "", draw) for _ in range(2))
        assert not torch.equal(one, other)
    assert caplog.text.count("something random is drawn") == 1


def fill(cache: SampleCache, paths: list[str], results: Any) -> None:
    """Takes all samples in an order of its own, and says what they add up to."""
    random.Random(os.getpid()).shuffle(paths)
    results.put(sum(int(cache.of_files([path], "", Counted(path)).mul(7).round().sum()) for path in paths))


def test_processes_that_write_at_the_same_time_keep_whole_samples(tmp_path: Path) -> None:
    paths = [old_file(tmp_path / str(n), os.urandom(500 + n)) for n in range(150)]
    context = multiprocessing.get_context("forkserver")
    results = context.Queue()
    cache = opened()
    workers = [context.Process(target=fill, args=(cache, paths, results)) for _ in range(3)]
    for each in workers:
        each.start()
    totals = {results.get(timeout=120) for _ in workers}
    for each in workers:
        each.join()
    assert len(totals) == 1
    store = SampleStore(cache.places[0].root / cache.places[0].name, lambda size: True)
    assert len(store._contents) == len({start for start, *_ in store._places}) == 150  # none twice
    assert all(store._is_whole(number) for number in range(len(store._places)))


def test_a_forked_process_does_not_take_part_in_the_locks_of_its_parent(tmp_path: Path) -> None:
    make = Counted(old_file(tmp_path / "a", b"abc"))
    cache = opened(cache="memory")
    cache.of_files([make.path], "", make)
    child = os.fork()
    if child == 0:
        cache.close()
        os._exit(0 if (cache.places[0].root / cache.places[0].name).is_dir() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    cache.of_files([make.path], "", make)
    assert make.calls == 1


def test_what_a_killed_process_left_in_memory_is_removed_by_the_next(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        killed = opened("killed", cache="memory")
        killed.of_files([old_file(tmp_path / "a", b"a")], "", lambda: torch.ones(3))
        os._exit(9)
    os.waitpid(child, 0)
    assert len(stores_in(memory_root())) == 1
    cache = opened("next", cache="memory")
    assert [each.name for each in stores_in(memory_root())] == [cache.places[0].name]


def test_a_cache_is_sent_with_what_it_knows_and_nothing_that_is_open(tmp_path: Path) -> None:
    make = Counted(old_file(tmp_path / "a", b"abc"))
    cache = opened()
    cache.of_files([make.path], "", make)
    sent = pickle.loads(pickle.dumps(cache))
    sent.of_files([make.path], "", make)
    assert make.calls == 1


def test_a_store_of_someone_else_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(PermissionError):
        SampleStore(tmp_path / "link", lambda size: True)


def test_a_store_refuses_what_finds_no_room(tmp_path: Path) -> None:
    store = SampleStore(tmp_path / "s", lambda size: size < 100)
    with pytest.raises(Full):
        store.add(b"a" * 16, b"b" * 16, bytes(200))


def test_shares_and_words_are_read_as_they_are_written() -> None:
    assert parse_share("25%") == 0.25 and parse_share("0.5") == 0.5
    assert options(cache=False).cache == "off" and options(cache_memory="10%").cache_memory == 0.1
    with pytest.raises(ConfigError, match="'a lot' is not a share"):
        parse_share("a lot")
    for wrong in ("0%", "95%", 2):
        with pytest.raises(ValueError):
            options(cache_memory=wrong)


def test_nothing_is_kept_where_that_is_said(tmp_path: Path) -> None:
    assert open_cache(options(cache="off"), "r", "samples") is None
    assert not (tmp_path / "cache").exists()
    shutil.rmtree(tmp_path / "memory")
    assert Place(memory_root(), "x", 1, False).root == memory_root()
