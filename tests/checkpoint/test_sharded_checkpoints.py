"""A checkpoint that several ranks wrote is read by any number of them, under any strategy, to the bit; and each reads what it needs."""

from __future__ import annotations

import copy
import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import trainwright as tw
from made_shards import DEALS, OPTIMIZER, SYSTEM, Deal, held, rows, shared, tensors, told, write
from trainwright.checkpoint.layout import LAYOUT, Local, ensure_whole, layout_document, layout_fields, read_layout, share_out
from trainwright.checkpoint.manifest import Damaged, FileEntry, Manifest, read_manifest
from trainwright.checkpoint.parts import Box
from trainwright.checkpoint.retention import BestK, LastK, Retention
from trainwright.checkpoint.store import CheckpointStore, verify_checkpoint
from trainwright.config.errors import ConfigError, RunError
from trainwright.files.download import sha256_of
from trainwright.files.tensors import load_tensors
from trainwright.weights.sources import read_weights

MADE = [("ddp", 1), ("ddp", 2), ("fsdp", 2), ("fsdp", 3), ("fsdp", 9), ("tp", 2), ("zero", 2), ("zero", 3), ("mesh", 4), ("hybrid", 4)]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], Path]:
    return {(name, size): write(tmp_path_factory.mktemp(f"{name}-{size}"), name, size) for name, size in MADE}


def box_of(deal: Deal, rank: int, size: int) -> Any:
    def wanted(name: str, shape: tuple[int, ...]) -> Box | None:
        return deal(name, shape, rank, size)

    return wanted


@pytest.mark.parametrize("under", MADE, ids=lambda made: f"{made[0]}x{made[1]}")
def test_what_was_saved_under_one_layout_is_read_under_every_other_to_the_bit(
    checkpoints: dict[tuple[str, int], Path], under: tuple[str, int]
) -> None:
    name, size = under
    for saved, place in checkpoints.items():
        checkpoint = verify_checkpoint(place)
        assert checkpoint.manifest.ranks == saved[1]
        for rank in range(size):
            for file, mine in held(DEALS[name], rank, size).items():
                found = checkpoint.parts(file, box_of(DEALS[name], rank, size))
                assert found.keys() == tensors()[file].keys()
                for each, (_, values) in mine.items():
                    read = found[each]
                    assert read.dtype == values.dtype
                    assert torch.equal(read, values), (saved, under, rank, each)
                needed = sum(values.numel() * values.element_size() for _, values in mine.values())
                assert found.bytes_read == needed  # and nothing of what the other ranks have


def test_each_is_read_whole_as_one_process_reads_it(checkpoints: dict[tuple[str, int], Path]) -> None:
    for place in checkpoints.values():
        checkpoint = verify_checkpoint(place)
        for file, expected in tensors().items():
            found = checkpoint.tensors(file)
            assert found.keys() == expected.keys()
            assert all(torch.equal(found[name], tensor) and found[name].dtype == tensor.dtype for name, tensor in expected.items())


def test_every_value_is_written_once_and_by_who_has_it(checkpoints: dict[tuple[str, int], Path]) -> None:
    size = sum(each.numel() * each.element_size() for file in tensors().values() for each in file.values())
    for (name, ranks), place in checkpoints.items():
        files = list(place.glob("*.safetensors"))
        assert sum(each.numel() * each.element_size() for path in files for each in load_tensors(path).values()) == size
        own = {path.name for path in files}
        assert own == {SYSTEM, OPTIMIZER} if name == "ddp" else SYSTEM.replace(".", ".rank-0.") in own or name == "zero"
        assert (place / LAYOUT).is_file() == (name != "ddp")  # one that rank 0 wrote is as one of one process
        assert read_manifest(place).made_by == (f"{name} × {ranks}" if ranks > 1 else "one process")


def test_a_layout_of_one_process_needs_no_new_format(tmp_path: Path) -> None:
    assert json.loads(Manifest("full", 7).text())["format"] == 1
    assert json.loads((write(tmp_path, "fsdp", 2) / "manifest.json").read_text())["format"] == 4


def test_ranks_that_have_too_little_or_something_else_write_nothing() -> None:
    mine, other = told(rows, 0, 2), told(rows, 1, 2)
    with pytest.raises(ValueError, match="does not make it up"):
        share_out([mine])
    other[SYSTEM]["conv"] = Local("F32", *other[SYSTEM]["conv"][1:])
    with pytest.raises(ValueError, match="'conv' is F32"):
        share_out([mine, other])


def test_a_missing_or_changed_part_is_told_by_its_rank_and_the_one_before_is_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = CheckpointStore(tmp_path)
    for step, spoil in ((1100, None), (1200, lambda path: path.unlink()), (1300, lambda path: path.write_bytes(b"other"))):
        place = write(tmp_path, "fsdp", 2, step)
        if spoil is not None:
            spoil(place / "system.rank-1.safetensors")
    latest = store.latest()
    assert latest is not None
    assert latest.manifest.step == 1100
    assert "rank 1's file system.rank-1.safetensors is missing" in caplog.text
    assert "rank 1's file system.rank-1.safetensors has 5 bytes" in caplog.text


def spoiled(place: Path, target: Path, change: Any) -> Path:
    """A copy of a checkpoint whose layout is another, under digests that agree."""
    shutil.copytree(place, target / place.name)
    path = target / place.name / LAYOUT
    body = json.loads(path.read_text())
    change(body["files"])
    path.write_text(json.dumps(body))
    manifest = read_manifest(target / place.name)
    files = [each if each.name != LAYOUT else FileEntry(LAYOUT, path.stat().st_size, sha256_of(path)) for each in manifest.files]
    (target / place.name / "manifest.json").write_text(Manifest(**{**vars(manifest), "files": files}).text())
    return target / place.name


WRONG = {
    "a part twice": lambda files: files[SYSTEM]["first.weight"]["parts"].append(files[SYSTEM]["first.weight"]["parts"][0]),
    "a part less": lambda files: files[SYSTEM]["first.weight"]["parts"].pop(),
    "another place": lambda files: files[SYSTEM]["first.weight"]["parts"][0].__setitem__(1, [2, 0]),
    "beyond the end": lambda files: files[SYSTEM]["first.weight"]["parts"][1].__setitem__(1, [6, 0]),
    "below zero": lambda files: files[SYSTEM]["first.weight"]["parts"][1].__setitem__(1, [-1, 0]),
    "larger than the files": lambda files: files[SYSTEM]["first.weight"].update(
        shape=[2**40, 5], parts=[[files[SYSTEM]["first.weight"]["parts"][0][0], [0, 0], [2**40, 5]]]
    ),
    "a path": lambda files: files[SYSTEM]["first.weight"]["parts"][0].__setitem__(0, "../other.safetensors"),
    "a file that is not there": lambda files: files[SYSTEM]["first.weight"]["parts"][0].__setitem__(0, "trainer2.json"),
    "no type": lambda files: files[SYSTEM]["first.weight"].update(dtype="PICKLE"),
    "more fields": lambda files: files[SYSTEM]["first.weight"].update(code="import os"),
    "no mapping": lambda files: files.update({SYSTEM: []}),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_layout_that_makes_up_no_tensor_is_damaged_though_its_digest_agrees(
    checkpoints: dict[tuple[str, int], Path], tmp_path: Path, wrong: str
) -> None:
    place = spoiled(checkpoints["fsdp", 2], tmp_path, WRONG[wrong])
    with pytest.raises(Damaged, match=r"layout\.json"):
        verify_checkpoint(place)


def test_a_layout_that_says_another_type_than_the_file_is_refused_when_it_is_read(
    checkpoints: dict[tuple[str, int], Path], tmp_path: Path
) -> None:
    place = spoiled(checkpoints["fsdp", 2], tmp_path, lambda files: files[SYSTEM]["first.weight"].update(dtype="I32"))
    with pytest.raises(RunError, match="is F32"):
        verify_checkpoint(place).tensors(SYSTEM)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_a_layout_says_is_refused_or_makes_up_each_tensor(data: st.DataObject) -> None:
    files = layout_document(shared(DEALS["mesh"], 4).files)["files"]
    files = json.loads(json.dumps(files))
    entry = files[SYSTEM]["first.weight"]
    part = data.draw(st.integers(0, len(entry["parts"]) - 1))
    at, dimension = data.draw(st.integers(1, 2)), data.draw(st.integers(0, 1))
    before = copy.deepcopy(entry)
    entry["parts"][part][at][dimension] = data.draw(st.integers(0, 8))
    parsed = layout_fields().validate_python(files)[SYSTEM]["first.weight"]
    try:
        ensure_whole("first.weight", parsed, {each[0]: 10**6 for each in entry["parts"]})
    except Damaged:
        return
    covered = torch.zeros(7, 5, dtype=torch.int)
    for _, offsets, sizes in parsed.parts:
        covered[tuple(slice(start, start + length) for start, length in zip(offsets, sizes, strict=True))] += 1
    assert bool((covered == 1).all()), (before, entry)


def test_what_is_kept_for_its_weights_alone_is_links_to_the_parts(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    first = write(tmp_path, "fsdp", 2, 10, best=[10])
    inode = (first / "system.rank-1.safetensors").stat().st_ino
    write(tmp_path, "fsdp", 2, 20, best=[10])
    store.prune(Retention((LastK(1), BestK(1)), (SYSTEM, "evaluated.safetensors")))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000020", "weights-00000010"]
    reduced = verify_checkpoint(tmp_path / "weights-00000010")
    assert (tmp_path / "weights-00000010/system.rank-1.safetensors").stat().st_ino == inode
    assert not list((tmp_path / "weights-00000010").glob("optimizer*"))
    found = reduced.tensors(SYSTEM)
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors()[SYSTEM].items())
    assert reduced.manifest.made_by == "fsdp × 2"


def test_weights_are_read_from_it_and_a_part_of_it_is_no_source(
    checkpoints: dict[tuple[str, int], Path], caplog: pytest.LogCaptureFixture
) -> None:
    place = checkpoints["fsdp", 3]
    caplog.set_level(logging.INFO)
    module = torch.nn.Module()
    module.first = torch.nn.Linear(5, 7)
    module.first.bias = torch.nn.Parameter(torch.zeros(1))
    tw.load_weights(module, place, partial=True)
    assert torch.equal(module.first.weight, tensors()[SYSTEM]["first.weight"])
    with pytest.raises(ConfigError, match="a part of a checkpoint") as caught:
        read_weights(place / "system.rank-1.safetensors")
    assert str(place) in str(caught.value.fix)


def test_the_layout_that_is_read_is_the_one_that_was_written(checkpoints: dict[tuple[str, int], Path]) -> None:
    place = checkpoints["mesh", 4]
    assert read_layout(place, read_manifest(place)) == shared(DEALS["mesh"], 4).files
