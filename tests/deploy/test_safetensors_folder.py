"""A model as it is, in a folder: in half precision, and with pruned weights in a sparse layout, it predicts as the run does."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

import trainwright as tw
from trainwright.cli.main import main
from trainwright.config.errors import RequestError
from trainwright.files.tensors import load_tensors, save_tensors

ROWS = 80


def table(seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    x = random.normal(size=(3, ROWS))
    return {"a": x[0], "b": x[1], "c": x[2], "y": np.where(x[0] > 0, "up", "down")}


@pytest.fixture(scope="module")
def pruned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with nine of ten weights of a layer at zero, as pruning leaves it."""
    place = tmp_path_factory.mktemp("sparse") / "run"
    model = {"combiner": {"type": "concat", "depth": 2, "width": 64}}
    options = {"trainer": {"max_epochs": 1}, "evaluation": {"report": False, "baselines": [], "importance": False}}
    tw.train(table(), target="y", run_dir=place, model=model, **options)
    file = place / "model" / "model.safetensors"
    weights = {name: each.clone() for name, each in load_tensors(file).items()}  # the file is mapped
    with safe_open(file, framework="pt") as opened:
        metadata = opened.metadata()
    large = max(weights, key=lambda name: weights[name].numel())
    least = weights[large].abs().flatten().kthvalue(int(0.9 * weights[large].numel())).values
    weights[large] *= weights[large].abs() > least
    save_tensors(file, weights, metadata)
    return place


@pytest.mark.parametrize("layout", ["coo", "csr", "csc", "bsr", "bsc"])
def test_pruned_weights_are_stored_by_what_is_not_zero_and_predict_bit_for_bit(layout: str, pruned: Path, tmp_path: Path) -> None:
    options = {"sparse": layout, **({"block": 2} if layout.startswith("bs") else {})}
    tw.export(pruned, "safetensors", tmp_path / "out", **options)
    before, after = pruned / "model" / "model.safetensors", tmp_path / "out" / "model.safetensors"
    assert after.stat().st_size < before.stat().st_size
    tw.testing.assert_close(after, before, rtol=0, atol=0)
    rows = {name: each for name, each in table(seed=1).items() if name != "y"}
    tw.testing.assert_close(tw.load_predictor(tmp_path / "out").predict(rows), tw.load(pruned).predict(rows), rtol=0, atol=0)


def test_the_same_as_a_command_with_half_precision_and_without_a_format(
    pruned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(pruned), "-o", str(tmp_path / "half"), "--dtype", "bf16", "--sparse", "csr"]) == 0
    told = capsys.readouterr()
    assert "% zeros" in told.err + told.out and "(csr)" in told.err + told.out
    whole, half = load_tensors(pruned / "model" / "model.safetensors"), load_tensors(tmp_path / "half" / "model.safetensors")
    assert all(torch.equal(half[name], each.to(torch.bfloat16) if each.is_floating_point() else each) for name, each in whole.items())
    assert main(["export", str(pruned), "-o", str(tmp_path / "whole"), "--to", "safetensors"]) == 0
    assert (tmp_path / "whole" / "model.safetensors").read_bytes() == (pruned / "model" / "model.safetensors").read_bytes()


def test_a_model_without_zeros_is_not_written_sparse(pruned: Path, tmp_path: Path) -> None:
    run = shutil.copytree(pruned, tmp_path / "run")
    weights = {name: torch.where(each == 0, 1, each) for name, each in load_tensors(run / "model" / "model.safetensors").items()}
    save_tensors(run / "model" / "model.safetensors", weights)
    with pytest.raises(RequestError, match=r"nothing to write in a sparse layout\n.*csc.*\n.*trainwright prune"):
        tw.export(run, "safetensors", tmp_path / "out", sparse="csc")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--sparse", "crs"], "crs"),
        (["--sparse", "csr", "--block", "1"], "block"),
        (["--to", "pt2", "--sparse", "csr"], "it is an option of --to safetensors"),
        (["--to", "safetensor"], "did you mean 'safetensors'"),
    ],
)
def test_options_that_cannot_be_are_refused(
    words: list[str], told: str, pruned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(pruned), "-o", str(tmp_path / "out"), *words]) == 2
    assert told in capsys.readouterr().err and not (tmp_path / "out").exists()
