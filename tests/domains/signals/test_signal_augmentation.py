"""What varies recordings at random: masks as torchaudio places them, warps, and rows of a batch each by itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from labelled_records import config_of, write_labelled
from torch import Tensor

import trainwright as tw
from trainwright.config.errors import DataError
from trainwright.domains.signals.processing import add_noise, baseline_wander, drop_leads, gain, mask_frequency, mask_time, shift, time_warp
from trainwright.domains.signals.processing.masks import mask_span

GOLDEN = json.loads((Path(__file__).with_name("golden") / "masks.json").read_text())


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_masks_are_where_torchaudio_puts_them() -> None:
    fitting = [row for row in GOLDEN if row[1] <= row[0]]
    assert len(fitting) > 30 and {row[2] for row in fitting} > {1.0}
    for size, width, share, _, length, place, start, masked in fitting:
        begin, end = mask_span(torch.tensor([length], dtype=torch.float64), torch.tensor([place], dtype=torch.float64), size, width, share)
        assert int(end - begin) == masked and (not masked or int(begin) == start)


def test_a_mask_wider_than_the_recording_fits_into_it() -> None:
    begin, end = mask_span(torch.rand(500), torch.rand(500), 10, 80)
    assert int(begin.min()) >= 0 and int(end.max()) <= 10 and int((end - begin).max()) == 9


def test_each_row_of_a_batch_has_masks_of_its_own_and_may_have_several() -> None:
    torch.manual_seed(0)
    x = noise(64, 2, 20, 50) + 5
    changed = mask_time(x, 10, batched=True) != x
    spans = changed.any(dim=1).any(dim=1).sum(dim=1)
    assert len(set(spans.tolist())) > 5 and int(spans.max()) == 9
    assert bool((changed[:, 0] == changed[:, 1]).all())  # channels of a row are masked together
    found = mask_frequency(x[0], 6, count=2, value=0.0)
    masked = found == 0
    assert bool((found[~masked] == x[0][~masked]).all()) and bool((masked.all(dim=-1) == masked.any(dim=-1)).all())
    torch.manual_seed(1)
    filled = mask_time(x, 10, batched=True)
    for row in range(64):
        torch.testing.assert_close(filled[row][filled[row] != x[row]].unique(), x[row].mean()[None][: int((filled[row] != x[row]).any())])


def test_a_warp_is_linear_interpolation_that_moves_one_point_and_keeps_the_ends() -> None:
    torch.manual_seed(0)
    time = torch.arange(200.0).expand(32, 1, 200)
    sources = time_warp(time, 30, batched=True)[:, 0]
    assert bool((sources[:, 0] == 0).all())
    torch.testing.assert_close(sources[:, -1], torch.full((32,), 199.0))
    assert bool((sources.diff(dim=1) > 0).all())
    most = (sources - time[:, 0]).abs().amax(dim=1)
    assert float(most.max()) <= 30.01 and float(most.max()) > 15 and len(set(most.tolist())) == 32
    slopes = [np.unique(row.diff().numpy().round(2)) for row in sources]
    assert all(len(each) <= 4 for each in slopes)  # two paces, and the step over the point
    torch.manual_seed(0)
    x = noise(32, 3, 200)
    warped = time_warp(x, 30, batched=True)
    for row in range(32):
        for channel in range(3):
            expected = np.interp(sources[row].numpy(), np.arange(200), x[row, channel].numpy())
            np.testing.assert_allclose(warped[row, channel], expected, atol=2e-3)
    assert torch.equal(time_warp(noise(1, 2), 5), noise(1, 2))
    spectrum = time_warp(noise(4, 1, 8, 60), 10, batched=True)
    assert spectrum.shape == (4, 1, 8, 60)


ROWS: dict[str, tuple[Any, dict[str, Any]]] = {
    "gain": (gain, {}),
    "add_noise": (add_noise, {"low": 5.0, "high": 40.0}),
    "shift": (shift, {"seconds": 0.5, "rate": 100}),
    "drop_leads": (drop_leads, {"p": 0.5}),
    "baseline_wander": (baseline_wander, {"rate": 100}),
    "time_warp": (time_warp, {"width": 20}),
    "mask_time": (mask_time, {"width": 40}),
}


@pytest.mark.parametrize("name", ROWS)
def test_rows_are_varied_each_in_its_own_way_and_the_same_for_the_same_seed(name: str) -> None:
    function, options = ROWS[name]
    same = noise(6, 300).expand(16, 6, 300)
    torch.manual_seed(3)
    found = function(same, **options, batched=True)
    assert found.shape == same.shape and found.dtype == torch.float32
    assert len({each.numpy().tobytes() for each in found}) >= 14
    torch.manual_seed(3)
    assert torch.equal(function(same, **options, batched=True), found)
    torch.manual_seed(3)
    alone = function(same[0], **options)
    torch.manual_seed(3)
    assert torch.equal(function(same[:1], **options, batched=True)[0], alone)
    with pytest.raises(DataError, match=f"{name} is given"):
        function(same[0, 0], **options)


def test_noise_gain_and_dropped_leads_of_rows_are_within_their_bounds() -> None:
    torch.manual_seed(0)
    x = noise(200, 3, 2000)
    ratio = (x.var(dim=-1) / (add_noise(x, low=5, high=40, batched=True) - x).var(dim=-1)).log10() * 10
    assert float(ratio.min()) > 4 and float(ratio.max()) < 41 and float(ratio.std()) > 5
    loudness = (gain(x, low=0.5, high=2, batched=True) / x).mean(dim=(1, 2))
    assert float(loudness.min()) >= 0.5 and float(loudness.max()) <= 2 and float(loudness.log().mean().abs()) < 0.1
    kept = (drop_leads(x, 0.7, batched=True) != 0).any(dim=-1)
    assert int(kept.sum(dim=1).min()) == 1 and float(kept.float().mean()) == pytest.approx(0.3 + 0.7**3 / 3, abs=0.05)
    turned = shift(x, 0.02, rate=100, batched=True)
    assert all(any(torch.equal(row, own.roll(by, -1)) for by in range(-2, 3)) for row, own in zip(turned, x, strict=True))


CHAIN = [{"time_warp": 20}, "gain", {"mask_time": 20}, {"drop_leads": 0.3}]


def test_what_is_drawn_does_not_depend_on_workers(tmp_path: Path) -> None:
    table = write_labelled(tmp_path)
    weights = []
    for workers in (0, 2):
        config = config_of(table, CHAIN, {"transform": {"type": "cutmix", "shares": "row"}}, loader={"workers": workers})
        made = tw.train(config=config, run_dir=tmp_path / f"run{workers}")
        weights.append({name: each.clone() for name, each in made.model.system.state_dict().items()})
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_recordings_are_varied_and_mixed_on_the_device_before_their_spectra(tmp_path: Path) -> None:
    table = write_labelled(tmp_path, leads=("II",))
    on_device = {"runs_on": "device"}
    chain = [{"type": "gain", **on_device}, {"type": "mel", "n_fft": 40, "n_mels": 8, **on_device}, {"type": "log", **on_device}]
    chain += [{"type": "mask_time", "width": 3, **on_device}]
    config = config_of(
        table, chain, {"transform": {"type": "mixup", "alpha": 10, "shares": "row", "probability": 0.5, "before_columns": True}}
    )
    config["columns"]["record"]["encoder"] = {"type": "spectrogram_conv"}
    made = tw.train(config=config, run_dir=tmp_path / "run")
    group = next(each for each in made.model.encoder.spec.inputs if each.name == "record")
    assert group.parts["value"] == (1, 1, 8, 11)
    first, second = (tw.load(tmp_path / "run").predict(str(table)) for _ in range(2))
    assert first.equals(second)
