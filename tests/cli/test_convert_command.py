"""`trainwright convert` takes the weights out of an old file, runs nothing in it, and says what it left."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from trainwright.cli.convert import run
from trainwright.cli.main import main
from trainwright.config.errors import ConfigError, RequestError, RunError
from trainwright.weights.conversion import convert_weights
from trainwright.weights.loading import load_weights


class Trap:
    def __reduce__(self) -> Any:
        return os.mkdir, (os.environ["TRAP"],)


def lightning(net: nn.Module) -> dict[str, Any]:
    optimizer = torch.optim.Adam(net.parameters())
    return {
        "epoch": 4,
        "global_step": 120,
        "pytorch-lightning_version": "2.5.0",
        "state_dict": {f"model.{name}": value for name, value in net.state_dict().items()},
        "optimizer_states": [optimizer.state_dict()],
        "lr_schedulers": [],
    }


def test_a_training_checkpoint_becomes_weights_with_step_and_epoch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = nn.Linear(3, 2)
    torch.save(lightning(net), tmp_path / "last.ckpt")
    assert run([str(tmp_path / "last.ckpt"), str(tmp_path / "new" / "w.safetensors")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith("taken from state_dict: 2 tensors, 32 bytes, step 120, epoch 4 left: epoch (4), global_step (120), ")
    assert "optimizer_states (a list of 1), lr_schedulers (a list of 0)" in said
    other = nn.Linear(3, 2)
    report = load_weights(other, tmp_path / "new" / "w.safetensors")
    assert (report.step, report.epoch) == (120, 4) and torch.equal(other.weight, net.weight)
    assert [each.name for each in (tmp_path / "new").iterdir()] == ["w.safetensors"]


@pytest.mark.parametrize("legacy", [False, True])
def test_a_plain_state_dict_is_taken_as_it_is(tmp_path: Path, legacy: bool) -> None:
    net = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    torch.save(net.state_dict(), tmp_path / "w.pt", _use_new_zipfile_serialization=not legacy)
    found = convert_weights(tmp_path / "w.pt", tmp_path / "w.safetensors")
    assert found.key == "" and found.left == {} and found.tied == []
    written = load_file(tmp_path / "w.safetensors")
    assert all(torch.equal(value, written[name]) for name, value in net.state_dict().items())


def test_of_several_state_dicts_one_must_be_named(tmp_path: Path) -> None:
    content = {"generator": nn.Linear(3, 2).state_dict(), "critic": {"net": nn.Linear(2, 1).state_dict(), "temperature": 0.5}}
    torch.save(content, tmp_path / "gan.pt")
    with pytest.raises(ConfigError) as caught:
        convert_weights(tmp_path / "gan.pt", tmp_path / "w.safetensors")
    assert caught.value.what == "this file holds several state dicts"
    assert caught.value.why == "generator (2 entries), critic.net (2 entries)" and caught.value.fix == "choose one: --key generator"
    found = convert_weights(tmp_path / "gan.pt", tmp_path / "w.safetensors", key="critic.net")
    assert found.tensors["weight"].shape == (1, 2) and found.left == {"generator": "2 tensors", "critic.temperature": "0.5"}
    with pytest.raises(ConfigError, match="there is no state dict 'generater' in this file\n  fix: did you mean 'generator'"):
        convert_weights(tmp_path / "gan.pt", tmp_path / "x.safetensors", key="generater")


def test_nested_state_dicts_get_names_with_dots(tmp_path: Path) -> None:
    torch.save({"model": {"encoder": nn.Linear(3, 2).state_dict(), "decoder": nn.Linear(2, 3).state_dict()}}, tmp_path / "w.pt")
    convert_weights(tmp_path / "w.pt", tmp_path / "w.safetensors")
    assert sorted(load_file(tmp_path / "w.safetensors")) == ["decoder.bias", "decoder.weight", "encoder.bias", "encoder.weight"]


def test_tensors_that_share_memory_are_written_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = torch.arange(12.0)
    torch.save({"a": whole, "b": whole, "c": whole[4:8].view(2, 2), "d": torch.ones(3, 2).t(), "e": torch.ones(0)}, tmp_path / "w.pt")
    assert run([str(tmp_path / "w.pt"), str(tmp_path / "w.safetensors")]) == 0
    assert "of these 2 shared memory with another and are copies now: b, c" in capsys.readouterr().out
    written = load_file(tmp_path / "w.safetensors")
    assert torch.equal(written["b"], whole) and written["c"].tolist() == [[4, 5], [6, 7]] and written["d"].shape == (2, 3)
    assert (tmp_path / "w.safetensors").stat().st_size < 1000


def test_what_is_there_is_replaced_only_by_force(tmp_path: Path) -> None:
    torch.save(nn.Linear(3, 2).state_dict(), tmp_path / "w.pt")
    (tmp_path / "w.safetensors").write_bytes(b"mine")
    words = [str(tmp_path / "w.pt"), str(tmp_path / "w.safetensors")]
    with pytest.raises(RequestError, match=r"w\.safetensors: this file is there already\n  fix: choose another name, or add --force"):
        run(words)
    assert (tmp_path / "w.safetensors").read_bytes() == b"mine"
    assert run([*words, "--force"]) == 0
    with safe_open(tmp_path / "w.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}


def test_code_in_a_file_is_refused_and_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAP", str(tmp_path / "ran"))
    torch.save({"state_dict": nn.Linear(1, 1).state_dict(), "trap": Trap()}, tmp_path / "w.pt")
    with pytest.raises(ConfigError) as caught:
        convert_weights(tmp_path / "w.pt", tmp_path / "w.safetensors")
    assert caught.value.what == "this file holds more than weights"
    assert caught.value.why == "to read it, 'posix.mkdir' would have to run, and that may be anything"
    assert caught.value.fix.startswith("in a program that you trust: torch.save(model.state_dict(), 'weights.pt')")
    torch.save(nn.Linear(1, 1), tmp_path / "module.pt")
    with pytest.raises(ConfigError, match=r"'torch\.nn\.modules\.linear\.Linear' would have to run"):
        convert_weights(tmp_path / "module.pt", tmp_path / "w.safetensors")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["module.pt", "w.pt"]
    with pytest.raises(RequestError, match="unknown option '--trust'"):
        run([str(tmp_path / "w.pt"), str(tmp_path / "w.safetensors"), "--trust"])


def test_files_without_weights_are_refused_with_what_they_are(tmp_path: Path) -> None:
    old, new = tmp_path / "w.pt", tmp_path / "w.safetensors"
    with pytest.raises(ConfigError, match="there is no such file"):
        convert_weights(old, new)
    torch.save({"optimizer": torch.optim.Adam(nn.Linear(2, 2).parameters()).state_dict(), "epoch": 3}, old)
    with pytest.raises(ConfigError, match="this file holds no state dict\n  why: it is a mapping of 2"):
        convert_weights(old, new)
    torch.save({"a": torch.ones(2).to_sparse()}, old)
    with pytest.raises(ConfigError, match="'a' is sparse_coo float32, which safetensors cannot hold"):
        convert_weights(old, new)
    torch.save({"a": torch.ones(2, dtype=torch.complex128)}, old)
    with pytest.raises(ConfigError, match="'a' is complex128, which safetensors cannot hold"):
        convert_weights(old, new)
    old.write_bytes(old.read_bytes()[:300])
    with pytest.raises(RunError, match="this file cannot be read"):
        convert_weights(old, new)
    with pytest.raises(ConfigError, match=r"'w\.pth' does not end in \.safetensors"):
        convert_weights(old, tmp_path / "w.pth")
    torch.save({"a": torch.ones(2)}, old)
    convert_weights(old, new)
    with pytest.raises(ConfigError, match="this file is safetensors already"):
        convert_weights(new, tmp_path / "x.safetensors")


def test_the_help_shows_the_form(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "--help"]) == 0
    assert "trainwright convert OLD NEW [--to FORM] [--dtype TYPE] [--key NAME] [--force]" in " ".join(capsys.readouterr().out.split())
