"""Channels by name, leads computed from others, lengths and scales of recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from labelled_records import config_of, write_labelled
from torch import Tensor

import trainwright as tw
from trainwright.config.errors import ConfigError, DataError
from trainwright.config.registry import build, options_class
from trainwright.domains.signals.processing import bandpass, derive_leads, fit_length, select_leads, standardize

LIMBS = ["I", "II", "III", "aVR", "aVL", "aVF"]


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_leads_are_chosen_by_name_in_the_order_asked_for() -> None:
    x = noise(3, 50)
    found = select_leads(x, ["v1", "I"], channels=["I", "II", "V1"])
    assert torch.equal(found, x[[2, 0]])
    batch = noise(5, 3, 50)
    assert torch.equal(select_leads(batch, ["V1"], channels=["I", "II", "V1"], batched=True), batch[:, 2:])
    spectrum = noise(3, 8, 20)
    assert torch.equal(select_leads(spectrum, ["II"], channels=["I", "II", "V1"]), spectrum[1:2])


def test_a_lead_that_is_absent_is_refused_or_zero_and_marked() -> None:
    x = noise(2, 50)
    with pytest.raises(ConfigError) as caught:
        select_leads(x, ["II", "V9"], channels=["II", "V6"])
    assert "no lead V9" in caught.value.what and caught.value.why == "there are II, V6"
    with pytest.raises(ConfigError, match="no lead V2, V3"):  # none of them is there: a recording of zeros helps nobody
        select_leads(x, ["V2", "V3"], channels=["II", "V6"], absent="zeros")
    found = select_leads(x, ["V6", "V1", "II"], channels=["II", "V6"], absent="zeros", mask=True)
    assert found.shape == (6, 50)
    assert torch.equal(found[[0, 2]], x[[1, 0]]) and bool((found[1] == 0).all())
    assert found[3:, 0].tolist() == [1, 0, 1] and bool((found[3:] == found[3:, :1]).all())
    silent = x.clone()
    silent[1] = 0  # as a file without that lead is read with the column's absent: zeros
    assert select_leads(silent, ["II", "V6"], channels=["II", "V6"], mask=True)[2:, 0].tolist() == [1, 0]
    batch = torch.stack([x, silent])
    assert select_leads(batch, ["II", "V6"], channels=["II", "V6"], mask=True, batched=True)[:, 3, 0].tolist() == [1, 0]


def test_limb_leads_follow_from_the_first_two_before_or_after_a_linear_filter() -> None:
    x = noise(3, 500)
    found = derive_leads(x, channels=["i", "ii", "V1"])
    one, two = x[0], x[1]
    expected = torch.stack([one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2, x[2]])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-14)

    def filtered(given: Tensor) -> Tensor:
        return torch.as_tensor(bandpass(given, 1, 40, rate=500))

    torch.testing.assert_close(filtered(found), derive_leads(filtered(x), channels=["I", "II", "V1"]), rtol=0, atol=1e-9)
    batch = noise(4, 3, 60)
    together = derive_leads(batch, channels=["I", "II", "V1"], batched=True)
    torch.testing.assert_close(together, torch.stack([derive_leads(each, channels=["I", "II", "V1"]) for each in batch]))


def test_leads_that_are_there_stay_and_only_those_asked_for_are_made() -> None:
    x = noise(4, 20)
    found = derive_leads(x, ["avf", "III"], channels=["V2", "II", "III", "I"])
    torch.testing.assert_close(found, torch.stack([x[3], x[1], x[2], x[1] - x[3] / 2, x[0]]))
    with pytest.raises(ConfigError, match="needs leads I and II"):
        derive_leads(x, channels=["II", "V1", "V2", "V3"])
    with pytest.raises(ConfigError, match=r"V1.*not"):
        derive_leads(x, ["V1"], channels=["I", "II", "V2", "V3"])
    with pytest.raises(ConfigError, match="does not know the names"):
        derive_leads(x)
    with pytest.raises(DataError, match="knows 2 channels: I, II"):
        derive_leads(x, channels=["I", "II"])


def test_shorter_recordings_are_filled_up_as_numpy_fills_them() -> None:
    x = noise(2, 30)
    modes = {"zeros": "constant", "repeat": "wrap", "reflect": "reflect", "edge": "edge"}
    for fill, mode in modes.items():
        for place, before in (("start", 0), ("middle", 35), ("end", 70)):
            found = fit_length(x, 1, rate=100, fill=fill, place=place)
            np.testing.assert_array_equal(found, np.pad(x.numpy(), ((0, 0), (before, 70 - before)), mode))  # type: ignore[call-overload]
    assert torch.equal(fit_length(x, 0.1, rate=100, place="end"), x[:, 20:])
    assert torch.equal(fit_length(x, 0.1, rate=100, place="middle"), x[:, 10:20])
    assert fit_length(x[:, :1], 0.1, rate=100, fill="reflect").shape == (2, 10)
    assert fit_length(noise(3, 2, 30), 1, rate=100, fill="repeat").shape == (3, 2, 100)


def test_each_lead_or_recording_is_standardised_alone_also_in_batches() -> None:
    batch = noise(4, 3, 200) * 5 + 2
    batch[1, 2], batch[2, 0, 10:20] = float("nan"), float("nan")
    for by in ("channel", "recording"):
        together = standardize(batch, by, batched=True)
        torch.testing.assert_close(together, torch.stack([standardize(each, by) for each in batch]))
        assert bool(torch.isfinite(together).all())
    assert torch.equal(standardize(batch, "lead", batched=True), standardize(batch, "channel", batched=True))
    with pytest.raises(ConfigError, match="scale: standard"):
        standardize(batch, "dataset")


@pytest.mark.parametrize("where", ["worker", "device"])
def test_a_column_tells_its_transforms_the_names_of_channels(where: str, tmp_path: Path) -> None:
    table = write_labelled(tmp_path, leads=("i", "II", "V1"))
    chain = [
        {"type": "derive_leads", "leads": ["III", "aVF"], "runs_on": where},
        {"type": "standardize", "runs_on": where},
        {"type": "select_leads", "leads": ["aVF", "V1", "i"], "mask": True, "runs_on": where},
    ]
    made = tw.train(config=config_of(table, chain), run_dir=tmp_path / "run")
    group = next(each for each in made.model.encoder.spec.inputs if each.name == "record")
    assert group.parts["value"] == (1, 6, 200)
    assert group.extras["channels"] == [["aVF", "V1", "i", "aVF is there", "V1 is there", "i is there"]]
    rows = tw.load(tmp_path / "run").predict(str(table))
    assert len(rows) == 24


def test_a_lead_that_a_column_does_not_have_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    table = write_labelled(tmp_path)
    with pytest.raises(ConfigError, match="no lead V5"):
        tw.train(config=config_of(table, [{"select_leads": ["V5"]}]), run_dir=tmp_path / "run")
    with pytest.raises(ConfigError, match="standardize has batched"):
        tw.train(config=config_of(table, [{"standardize": {"batched": True}}]), run_dir=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_leads_are_called_after_a_transform_is_what_it_gives() -> None:
    chosen = options_class("transform", "derive_leads").model_validate({"type": "derive_leads", "channels": ["V2", "II", "I", "avl"]})
    names = chosen.channels_after(chosen.channels)
    assert names == ["I", "II", "III", "aVR", "avl", "aVF", "V2"]
    assert build("transform", chosen)(noise(4, 10)).shape == (len(names), 10)
    assert LIMBS[:2] == names[:2]
