"""Answers at every sample of a recording, and the encoder that is chosen where none is named."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from recording_groups import drawn, encoder, spectrograms, waveforms

from trainwright.config.choice import choose
from trainwright.config.errors import ConfigError
from trainwright.domains.signals.models.auto import choose_strides, for_signals
from trainwright.features.spec import DataSpec, InputGroup, TargetSpec
from trainwright.systems.base import build_system
from trainwright.systems.config import SupervisedConfig
from trainwright.systems.supervised import SupervisedSystem, resolve_options


def system(group: InputGroup, target: TargetSpec) -> SupervisedSystem:
    torch.manual_seed(0)
    made = SupervisedSystem(SupervisedConfig())
    build_system(made, DataSpec([group], [target], 100))
    return made


@pytest.mark.parametrize("network", ["dilated", "unet"])
def test_a_class_at_every_sample_of_a_recording_is_learned(network: str) -> None:
    group = dataclasses.replace(waveforms(2, 160), encoder=choose("encoder", "small_resnet1d"))
    decoder = choose("decoder", {"type": "positions", "network": network, "width": 16})
    made = system(group, TargetSpec("wave", "category", 2, ["no", "yes"], decoder=decoder, positions=(160,)))
    value = torch.randn(8, 1, 2, 160, generator=torch.Generator().manual_seed(1))
    batch = {"signal.value": value, "target.wave": (value[:, 0, 0] > 0.3).long()}
    optimizer = torch.optim.Adam(made.parameters(), 1e-2)
    losses = []
    for _ in range(30):
        loss = made.training_step(batch, None)  # type: ignore[arg-type]
        mean = loss.total / loss.count
        mean.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(mean.detach()))
    assert losses[-1] < 0.5 * losses[0]
    assert made.eval().predict_step(batch)["wave.scores"].shape == (8, 160)


def test_samples_of_another_number_than_those_of_the_target_are_refused() -> None:
    decoder = choose("decoder", {"type": "positions"})
    with pytest.raises(ConfigError, match="no input has the 150 positions") as refused:
        system(waveforms(2, 160), TargetSpec("wave", "category", 2, ["no", "yes"], decoder=decoder, positions=(150,)))
    assert "(2, 160)" in refused.value.why


@pytest.mark.parametrize(
    ("group", "rows", "chosen"),
    [
        (waveforms(12, 1000), 1_800, {"type": "small_resnet1d", "pooling": "mean_max", "stem_stride": 2}),
        (waveforms(12, 1000), 20_000, {"type": "xresnet1d", "depth": 50}),
        (waveforms(2, 288), 2_000, {"type": "small_resnet1d", "pooling": "tokens"}),
        (waveforms(2, 288, differ=True), 2_000, {"type": "small_resnet1d", "pooling": "mean_max"}),
        (waveforms(1, 16_000), 2_000, {"type": "small_resnet1d", "stem_stride": 4, "strides": [4, 4, 2]}),
        (waveforms(1, 20), 2_000, {"type": "dense"}),
        (spectrograms(), 800, {"type": "spectrogram_conv"}),
        (spectrograms(128, 1024), 50_000, {"type": "crnn"}),
    ],
)
def test_the_encoder_follows_from_the_recordings_and_the_rows(group: InputGroup, rows: int, chosen: dict[str, Any]) -> None:
    options = for_signals(group, "auto", rows)
    assert {name: getattr(options, name) for name in chosen} == chosen
    if "length" not in group.parts:
        made = encoder(**{"group": group, "name": options.type, **options.model_dump(exclude={"type"})})
        assert made(drawn(group)).shape == (3, made.tokens, made.width)


@pytest.mark.parametrize("time", [16, 100, 1000, 2500, 5000, 8000, 80_000, 480_000])
def test_what_is_left_of_a_recording_is_few_positions_but_some(time: int) -> None:
    strides = choose_strides(time)
    left = time
    for each in strides:
        left = -(-left // each)
    assert left >= 1 and (left <= 250 or strides == [4, 4, 4, 4])


def test_recordings_are_combined_side_by_side_and_tables_by_tabm() -> None:
    target = TargetSpec("label", "set", 4, list("abcd"))
    beside = resolve_options(SupervisedConfig(), DataSpec([waveforms(12, 1000)], [target], 100)).combiner
    assert (beside.type, beside.depth) == ("concat", 0)
    table = InputGroup("number", "number", ["n"], None, {"value": (1,)})
    assert resolve_options(SupervisedConfig(), DataSpec([table], [target], 100)).combiner.type == "tabm"


def test_a_column_of_recordings_gets_it_without_being_asked() -> None:
    group = dataclasses.replace(waveforms(12, 1000), kind="signal")
    made = system(group, TargetSpec("label", "set", 4, list("abcd")))
    assert type(made.encoders[0].network).__name__ == "ResNet1d"
