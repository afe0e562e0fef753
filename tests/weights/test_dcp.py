"""Directories of torch.distributed.checkpoint come in and go out, and nothing that stands in one is run."""

from __future__ import annotations

import io
import os
import pickle
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.distributed.checkpoint import FileSystemReader
from torch.distributed.checkpoint import load as dcp_load
from torch.distributed.checkpoint import save as dcp_save

import trainwright as tw
from made_shards import SYSTEM, tensors, write
from trainwright.cli.main import main
from trainwright.config.errors import ConfigError, RequestError, RunError, TrainwrightError
from trainwright.weights.conversion import convert_weights
from trainwright.weights.dcp import read_dcp

sys.path.insert(0, str(Path(__file__).parents[1] / "parallel"))
from forked_ranks import on_ranks

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


class Trap:
    def __reduce__(self) -> Any:
        return os.mkdir, (os.environ["TRAP"],)


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRAP", str(tmp_path / "ran"))
    return tmp_path / "ran"


def saved(folder: Path, state: dict[str, Any]) -> Path:
    dcp_save(state, checkpoint_id=folder, no_dist=True)
    return folder


def loaded(folder: Path, like: dict[str, Tensor]) -> dict[str, Tensor]:
    found = {name: torch.full_like(each, 1) for name, each in like.items()}
    dcp_load(found, checkpoint_id=folder, no_dist=True)
    return found


@pytest.mark.parametrize("made", [("ddp", 1), ("fsdp", 3), ("mesh", 4)])
def test_what_any_strategy_saved_is_exported_as_torch_reads_it_and_as_one_file(tmp_path: Path, made: tuple[str, int]) -> None:
    place, expected = write(tmp_path, *made), tensors()[SYSTEM]
    assert main(["convert", str(place), str(tmp_path / "out"), "--to", "dcp"]) == 0
    found = loaded(tmp_path / "out", expected)
    assert all(torch.equal(found[name], each) for name, each in expected.items())
    assert main(["convert", str(place), str(tmp_path / "one.safetensors")]) == 0
    one = load_file(tmp_path / "one.safetensors")
    assert one.keys() == expected.keys() and all(torch.equal(one[name], each) for name, each in expected.items())
    assert main(["convert", str(tmp_path / "out"), str(tmp_path / "back.safetensors")]) == 0
    assert (tmp_path / "back.safetensors").stat().st_size < (tmp_path / "one.safetensors").stat().st_size + 100
    back = load_file(tmp_path / "back.safetensors")
    assert all(torch.equal(back[name], each) for name, each in expected.items())


def sharded_by_torch(world: Any, folder: Path) -> None:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import Shard, distribute_tensor

    mesh = init_device_mesh("cpu", (2,))
    net = whole_net()
    state = {name: distribute_tensor(each.detach(), mesh, [Shard(0)]) for name, each in net.named_parameters()}
    dcp_save(
        {"model": state, "optim": {"step": torch.tensor(3.0), "lr": 0.1, "groups": [{"betas": (0.9, 0.99)}]}}, checkpoint_id=folder / "d"
    )


def whole_net() -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(5, 7), nn.Linear(7, 3))


def test_what_ranks_of_torchs_saved_is_a_source_of_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    on_ranks(tmp_path, sharded_by_torch)
    net, expected = nn.Sequential(nn.Linear(5, 7), nn.Linear(7, 3)), whole_net().state_dict()
    report = tw.load_weights(net, tmp_path / "d")
    assert all(torch.equal(each, expected[name]) for name, each in net.state_dict().items())
    assert any("model was taken" in note for note in report.notes)
    assert main(["convert", str(tmp_path / "d"), str(tmp_path / "w.safetensors")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith("taken from model: 4 tensors") and "optim" in said and "no tensor" in said
    found = load_file(tmp_path / "w.safetensors")
    assert found.keys() == expected.keys() and all(torch.equal(found[name], each) for name, each in expected.items())
    with pytest.raises(ConfigError, match="no state dict 'modle'"):
        convert_weights(tmp_path / "d", tmp_path / "x.safetensors", key="modle")


def test_code_in_the_metadata_is_refused_and_never_run(tmp_path: Path, trap: Path) -> None:
    place = saved(tmp_path / "d", {"w": torch.ones(3)})
    metadata = FileSystemReader(place).read_metadata()
    for spoil in (Trap(), [eval], {"x": os.system}, nn.Linear(1, 1)):
        metadata.planner_data = spoil
        (place / ".metadata").write_bytes(pickle.dumps(metadata))
        with pytest.raises(ConfigError, match="holds more than a checkpoint's") as caught:
            tw.load_weights(nn.Linear(1, 1), place)
        assert "would have to be looked up" in caught.value.why
    assert not trap.exists()
    assert main(["convert", str(place), str(tmp_path / "w.safetensors")]) == 2
    assert not (tmp_path / "w.safetensors").exists()


def test_code_in_a_part_is_refused_and_never_run(tmp_path: Path, trap: Path) -> None:
    place = saved(tmp_path / "d", {"w": torch.ones(3)})
    part, content = place / "__0_0.distcp", io.BytesIO()
    torch.save(Trap(), content)
    part.write_bytes(content.getvalue().ljust(part.stat().st_size, b"\0"))
    with pytest.raises(TrainwrightError):
        tw.load_weights(nn.Linear(1, 1), place)
    assert not trap.exists()


def changed(place: Path, change: Any) -> None:
    metadata = FileSystemReader(place).read_metadata()
    change(metadata)
    (place / ".metadata").write_bytes(pickle.dumps(metadata))


def first(metadata: Any) -> Any:
    return next(iter(metadata.storage_data.values()))


WRONG = {
    "a path out of it": lambda m: setattr(first(m), "relative_path", "../secret"),
    "an absolute path": lambda m: setattr(first(m), "relative_path", "/etc/passwd"),
    "a file that is not there": lambda m: setattr(first(m), "relative_path", "__1_0.distcp"),
    "beyond its end": lambda m: setattr(first(m), "offset", 10**9),
    "before its beginning": lambda m: setattr(first(m), "offset", -5),
    "more than memory": lambda m: setattr(m.state_dict_metadata["w"], "size", torch.Size([2**50])),
    "a part that is missing": lambda m: m.state_dict_metadata["w"].chunks.clear(),
    "no parts told": lambda m: m.storage_data.clear(),
    "another type": lambda m: setattr(m.state_dict_metadata["w"].properties, "dtype", torch.int32),
    "compressed": lambda m: setattr(first(m), "transform_descriptors", ["zstd"]),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_metadata_that_says_what_is_not_so_is_refused_in_words(tmp_path: Path, wrong: str) -> None:
    place = saved(tmp_path / "d", {"w": torch.ones(3)})
    changed(place, WRONG[wrong])
    with pytest.raises((RunError, ConfigError)):
        tw.load_weights(nn.Linear(1, 1), place)


def test_a_link_in_place_of_a_part_is_not_followed(tmp_path: Path) -> None:
    place = saved(tmp_path / "d", {"w": torch.ones(3)})
    shutil.move(place / "__0_0.distcp", tmp_path / "elsewhere")
    (place / "__0_0.distcp").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError):
        tw.load_weights(nn.Linear(1, 1), place)


def test_no_damage_to_the_metadata_raises_what_nobody_foresaw(tmp_path: Path) -> None:
    place = saved(tmp_path / "d", {"a.w": torch.ones(3, 2), "n": {"step": torch.tensor(1)}})
    content = (place / ".metadata").read_bytes()
    for at in range(0, len(content), 2):
        for spoiled in (content[:at] + bytes([content[at] ^ (1 << at % 8)]) + content[at + 1 :], content[:at]):
            (place / ".metadata").write_bytes(spoiled)
            try:
                found = read_dcp(place)
                for name in found.entries:
                    found.tensor(name)
            except TrainwrightError as error:
                assert error.fix, error


def test_half_precision_is_rounded_where_it_fits_and_whole_numbers_stay(tmp_path: Path) -> None:
    place, expected = write(tmp_path, "fsdp", 2), tensors()[SYSTEM]
    for dtype, kind in (("fp16", torch.float16), ("bf16", torch.bfloat16)):
        new = tmp_path / f"{dtype}.safetensors"
        assert main(["convert", str(place), str(new), "--dtype", dtype]) == 0
        found = load_file(new)
        assert torch.equal(found["first.weight"], expected["first.weight"].to(kind))
        assert found["count"].dtype == torch.int64 and found["conv"].dtype == torch.bfloat16 and found["mask"].dtype == torch.bool
    net = nn.Linear(2, 1)
    nn.init.constant_(net.weight, 1e5)
    torch.save(net.state_dict(), tmp_path / "w.pt")
    with pytest.raises(ConfigError, match="cannot be written as fp16") as caught:
        convert_weights(tmp_path / "w.pt", tmp_path / "w.safetensors", dtype="fp16")
    assert "'weight' has values up to 1e+05" in caught.value.why and "bf16" in caught.value.fix
    assert not (tmp_path / "w.safetensors").exists()
    assert main(["convert", str(tmp_path / "fp16.safetensors"), str(tmp_path / "half"), "--to", "dcp"]) == 0  # a file in another form


def test_a_folder_that_is_taken_is_not_written_into(tmp_path: Path) -> None:
    place = write(tmp_path, "ddp", 1)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine")
    with pytest.raises(RequestError, match="this place is taken"):
        convert_weights(place, tmp_path / "out", to="dcp")
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["mine.txt"]
