"""The page for people who come from k-diffusion names what is there, and its utilities have the values of theirs."""

from __future__ import annotations

import inspect
import re

import pytest
import torch
from pages import ROOT

import trainwright as tw
from trainwright.config.located import option_paths
from trainwright.systems.run_config import Config

PAGE = (ROOT / "docs/coming-from-k-diffusion.md").read_text()
THEIRS = """append_dims n_params download_file train_mode eval_mode ema_update EMAWarmup InverseLR ExponentialLR CSVLogger tf32_mode
    from_pil_image to_pil_image hf_datasets_augs_helper FolderOfImages rand_log_normal rand_log_logistic rand_log_uniform rand_v_diffusion
    rand_split_log_normal"""
SIGNATURES = {
    "append_dims": ["x", "target_dims"],
    "n_params": ["module"],
    "download_file": ["path", "url", "digest"],
    "train_mode": ["model", "mode"],
    "eval_mode": ["model"],
    "ema_update": ["model", "averaged_model", "decay"],
    "EMAWarmup": ["inv_gamma", "power", "min_value", "max_value", "start_at", "last_epoch"],
    "InverseLR": ["optimizer", "inv_gamma", "power", "warmup", "min_lr", "last_epoch"],
    "ExponentialLR": ["optimizer", "num_steps", "decay", "warmup", "min_lr", "last_epoch"],
    "CSVLogger": ["filename", "columns"],
    "tf32_mode": ["cudnn", "matmul"],
}


def test_every_utility_of_theirs_has_a_row_and_every_name_of_ours_is_there() -> None:
    rows = "".join(line for line in PAGE.splitlines() if line.startswith("| "))
    assert not set(THEIRS.split()) - set(re.findall(r"\w+", rows))
    assert not [name for name in re.findall(r"`tw\.(\w+)", PAGE) if not hasattr(tw, name)]
    there = set(option_paths(Config))
    assert not [name for name in re.findall(r"`((?:trainer|run)\.[a-z_.]+)", PAGE) if name not in there]


@pytest.mark.parametrize("name", SIGNATURES)
def test_a_utility_takes_what_theirs_takes(name: str) -> None:
    assert list(inspect.signature(getattr(tw, name)).parameters)[: len(SIGNATURES[name])] == SIGNATURES[name]


def test_schedules_and_averages_have_the_values_of_theirs() -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    inverse = tw.InverseLR(optimizer, inv_gamma=10, power=0.5, warmup=0.9, min_lr=0.01)
    for step in range(1, 30):
        optimizer.step()
        inverse.step()
        assert inverse.get_last_lr()[0] == pytest.approx((1 - 0.9 ** (step + 1)) * max(0.01, 0.1 * (1 + step / 10) ** -0.5))
    exponential = tw.ExponentialLR(torch.optim.SGD([weight], lr=0.1), num_steps=5, decay=0.25)
    for step in range(1, 12):
        exponential.optimizer.step()
        exponential.step()
        assert exponential.get_last_lr()[0] == pytest.approx(0.1 * (0.25 ** (1 / 5)) ** step)
    model, average = torch.nn.BatchNorm1d(2), torch.nn.BatchNorm1d(2)
    torch.nn.init.constant_(model.weight, 3.0)
    model.running_mean.fill_(7.0)
    tw.ema_update(model, average, 0.75)
    assert average.weight.tolist() == [1.5, 1.5] and average.running_mean.tolist() == [7.0, 7.0]
