"""Networks over recordings as encoders: published sizes, padding that changes nothing, leads, and what does not fit."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
import torch
from recording_groups import count, drawn, encoder, spectrograms, waveforms
from torch import Tensor, nn

from trainwright.config.choice import choose
from trainwright.config.errors import ConfigError
from trainwright.domains.signals.models import PARTS
from trainwright.systems.parts import make_encoder

WAVES = [
    "xresnet1d",
    "resnet1d",
    "se_resnet1d",
    "resnet1d_wang",
    "small_resnet1d",
    "fcn_wang",
    "inception_time",
    "inception1d",
    "convnext1d",
    "tcn",
    "patch_transformer1d",
    "state_space",
]
MAPS = ["spectrogram_conv", "crnn"]
SMALL: dict[str, dict[str, Any]] = {
    "xresnet1d": {"depth": 18, "width": 8, "stem": [8, 8], "squeeze": 2},
    "resnet1d": {"widths": 8, "stem": 8},
    "se_resnet1d": {"widths": 8, "stem": 8, "squeeze": 2},
    "resnet1d_wang": {"widths": 8, "stem": 8},
    "fcn_wang": {"widths": [8, 12, 8]},
    "inception_time": {"filters": 4, "bottleneck": 4},
    "inception1d": {"filters": 4, "bottleneck": 4},
    "convnext1d": {"widths": [4, 8, 8, 8], "layer_scale": 0.5},
    "tcn": {"width": 8, "depth": 3},
    "patch_transformer1d": {"width": 16, "depth": 2},
    "state_space": {"width": 8, "depth": 2, "state": 4},
    "spectrogram_conv": {"widths": [4, 4, 8]},
    "crnn": {"widths": [4, 8, 8], "width": 8},
}


def group_of(name: str, **options: Any) -> Any:
    return spectrograms(**options) if name in MAPS else waveforms(3, 320, **options)


@pytest.mark.parametrize(
    ("name", "options", "classes", "published"),
    [
        ("xresnet1d", {}, 71, 962_503),
        ("xresnet1d", {"depth": 101}, 71, 1_880_775),
        ("xresnet1d", {"depth": 101}, 5, 1_872_261),
        ("xresnet1d", {"depth": 18}, 71, 373_447),
        ("inception1d", {}, 71, 516_167),
        ("inception1d", {}, 5, 507_653),
        ("resnet1d_wang", {}, 71, 481_863),
        ("fcn_wang", {}, 71, 318_279),
        ("small_resnet1d", {}, 8, 77_960),
    ],
)
def test_networks_with_a_linear_decoder_have_the_published_number_of_parameters(
    name: str, options: dict[str, Any], classes: int, published: int
) -> None:
    assert count(encoder(name, waveforms(), **options), classes) == published


@pytest.mark.parametrize(
    ("size", "frames", "classes", "published"),
    [
        ("base", 1024, 527, 86_594_063),
        ("small", 1024, 527, 22_063_631),
        ("tiny", 1024, 527, 5_723_663),
        ("base", 512, 50, 85_757_234),
        ("tiny", 128, 35, 5_423_651),
    ],
)
def test_spectrogram_transformers_have_the_published_number_of_parameters(size: str, frames: int, classes: int, published: int) -> None:
    with torch.device("meta"):
        assert count(encoder("ast", spectrograms(128, frames), size=size), classes) == published


@pytest.mark.parametrize("name", [*WAVES, *MAPS])
def test_what_follows_the_end_of_a_recording_changes_nothing(name: str) -> None:
    group = group_of(name, differ=True)
    made = encoder(name, group, **SMALL.get(name, {})).eval()
    _spread_norms(made)
    length = torch.tensor([[97], [80], [61]]) if name in MAPS else torch.tensor([[311], [224], [173]])
    parts = {**drawn(group), "length": length}
    noisy = {**parts, "value": _noise_beyond(parts["value"], length)}
    alone = torch.cat(
        [made({"value": parts["value"][row : row + 1, ..., :n], "length": length[row : row + 1]}) for row, n in enumerate(length.flatten())]
    )
    unpadded = torch.cat([made({"value": parts["value"][row : row + 1, ..., :n]}) for row, n in enumerate(length.flatten())])
    found = made(noisy)
    torch.testing.assert_close(found, alone, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found, unpadded, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [*WAVES, *MAPS])
def test_what_follows_the_end_of_a_recording_changes_no_gradient_and_no_statistic(name: str) -> None:
    group = group_of(name, differ=True)
    first = encoder(name, group, **SMALL.get(name, {})).train()
    for each in first.modules():
        if isinstance(each, nn.Dropout):
            each.p = 0.0
    second = copy.deepcopy(first)
    length = torch.tensor([[90], [64], [33]]) if name in MAPS else torch.tensor([[300], [200], [130]])
    value = drawn(group)["value"]
    for made, given in ((first, value), (second, _noise_beyond(value, length))):
        made({"value": given, "length": length}).square().sum().backward()
    for (key, ours), theirs in zip(first.named_parameters(), second.parameters(), strict=True):
        assert ours.grad is not None and torch.isfinite(ours.grad).all(), key
        torch.testing.assert_close(ours.grad, theirs.grad, msg=key)
    for (key, mine), other in zip(first.named_buffers(), second.buffers(), strict=True):
        torch.testing.assert_close(mine, other, msg=key)


@pytest.mark.parametrize("name", [*WAVES, *MAPS])
def test_recordings_that_fill_the_batch_give_what_networks_without_lengths_give(name: str) -> None:
    group = group_of(name)
    made = encoder(name, group, **SMALL.get(name, {}), head=0).train()
    other = copy.deepcopy(made)
    parts = drawn(group)
    length = torch.full((3, 1), parts["value"].shape[-1])
    torch.testing.assert_close(made(parts), other({**parts, "length": length}), rtol=1e-4, atol=1e-5)
    for (key, mine), theirs in zip(made.named_buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5, msg=key)


@pytest.mark.parametrize("pooling", ["mean_max", "mean", "max", "attention"])
def test_every_pooling_gives_zeros_or_numbers_for_an_empty_recording(pooling: str) -> None:
    group = waveforms(2, 200, differ=True)
    made = encoder("small_resnet1d", group, pooling=pooling).eval()
    found = made({**drawn(group, 2), "length": torch.tensor([[0], [150]])})
    assert torch.isfinite(found).all()


def test_leads_by_themselves_share_filters_and_are_joined_at_the_end() -> None:
    group = waveforms(4, 320)
    made = encoder("small_resnet1d", group, leads="2d").eval()
    together = encoder("small_resnet1d", group).eval()
    assert made.network.stem[0].weight.shape == (24, 1, 11) and together.network.stem[0].weight.shape == (24, 4, 11)
    parts = drawn(group)
    by_lead = torch.stack([made.network(parts["value"][:, 0, lead : lead + 1]) for lead in range(4)], dim=2)
    torch.testing.assert_close(made(parts)[:, 0], made.pool(made.join(by_lead).squeeze(2)))
    in_two = nn.functional.conv2d(parts["value"], made.network.stem[0].weight.unsqueeze(2), stride=(1, 2), padding=(0, 5))
    torch.testing.assert_close(in_two[:, :, 2], made.network.stem[0](parts["value"][:, 0, 2:3]))


def test_leads_by_themselves_leave_padding_out_too() -> None:
    group = waveforms(3, 320, differ=True)
    made = encoder("small_resnet1d", group, leads="2d").eval()
    length = torch.tensor([[300], [170], [99]])
    parts = {**drawn(group), "length": length}
    torch.testing.assert_close(made(parts), made({**parts, "value": _noise_beyond(parts["value"], length)}))


def test_every_position_can_be_kept_as_a_token() -> None:
    made = encoder("small_resnet1d", waveforms(2, 288), pooling="tokens")
    assert (made.tokens, made.width) == (18, 64)
    assert made(drawn(waveforms(2, 288))).shape == (3, 18, 64)
    with pytest.raises(ConfigError, match="differ in length"):
        encoder("small_resnet1d", waveforms(2, 288, differ=True), pooling="tokens")
    with pytest.raises(ValueError, match="it stands after pooling"):
        choose("encoder", {"type": "xresnet1d", "pooling": "tokens"})


def test_rows_without_a_recording_have_a_token_of_their_own() -> None:
    group = waveforms(2, 200, missing=True)
    made = encoder("small_resnet1d", group).eval()
    nn.init.ones_(made.absent)
    found = made({**drawn(group, 2), "missing": torch.tensor([[1.0], [0.0]])})
    assert (found[0] == 1).all() and not (found[1] == 1).all()


def test_an_array_of_one_dimension_is_one_lead() -> None:
    group = waveforms(1, 300)
    group.parts["value"] = (1, 300)
    made = encoder("small_resnet1d", group).eval()
    assert made({"value": torch.randn(2, 1, 300)}).shape == (2, 1, 128)


@pytest.mark.parametrize(
    ("name", "group", "said", "fix"),
    [
        ("ast", waveforms(1, 8000), r"reads a spectrogram .* gives a waveform", r"columns\.wave\.transform=\[mel\]"),
        ("crnn", waveforms(1, 8000), r"reads a spectrogram", r"transform=\[mel\]"),
        ("xresnet1d", spectrograms(), r"reads a waveform .* gives a spectrogram", "leave out the transform"),
        ("xresnet1d", waveforms(12, 0), "too short", "longer windows"),
        ("patch_transformer1d", waveforms(12, 15), "15 samples are too short", "longer windows"),
        ("ast", spectrograms(8, 100), "too short", "longer windows"),
        ("crnn", spectrograms(), "kernel must be odd", "use 5"),
        ("wav2vec2", waveforms(12, 4000), "one channel, and there are 12", "channel: mix"),
    ],
)
def test_recordings_that_do_not_fit_are_refused_with_what_to_do(name: str, group: Any, said: str, fix: str) -> None:
    options = {"kernel": 4} if "odd" in said else {}
    with pytest.raises(ConfigError, match=said) as refused:
        encoder(name, group, **options)
    assert re.search(fix, refused.value.fix)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"type": "xresnet1d", "depth": 20}, "18"),
        ({"type": "xresnet1d", "kernel": 4}, "odd"),
        ({"type": "small_resnet1d", "widths": [8, 8]}, "2 numbers for 3 stages"),
        ({"type": "patch_transformer1d", "width": 30}, "no multiple of heads"),
        ({"type": "patch_transformer1d", "stride": 30}, "longer than the patch"),
        ({"type": "fcn_wang", "kernels": [3, 3]}, "2 numbers for 3 convolutions"),
        ({"type": "crnn", "time_strides": [2]}, "1 numbers for 3 convolutions"),
        ({"type": "xresnet1", "depth": 50}, "unknown encoder"),
    ],
)
def test_options_that_cannot_be_are_refused(written: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        choose("encoder", written)


@pytest.mark.parametrize("name", ["xresnet1d", "inception1d", "tcn", "spectrogram_conv", "patch_transformer1d"])
def test_encoders_are_exported_as_graphs(name: str) -> None:
    group = group_of(name)
    made = encoder(name, group, **SMALL.get(name, {})).eval()
    parts = drawn(group, 2)
    exported = torch.export.export(made, (parts,), dynamic_shapes=({"value": {0: torch.export.Dim("rows", min=2)}},))
    five = drawn(group, 5, seed=1)
    torch.testing.assert_close(exported.module()(five), made(five), rtol=1e-4, atol=1e-5)


def test_every_encoder_is_made_with_its_options_and_says_what_it_gives() -> None:
    for name in [*WAVES, *MAPS]:
        group = group_of(name, differ=True)
        made = make_encoder(choose("encoder", {"type": name, **SMALL.get(name, {})}), group).eval()
        found = made({**drawn(group), "length": torch.full((3, 1), group.parts["value"][-1])})
        assert found.shape == (3, made.tokens, made.width), name
    assert set(PARTS) == {*WAVES, *MAPS, "ast", "wav2vec2", *({"auto_signal"} & set(PARTS))}


def _noise_beyond(value: Tensor, length: Tensor) -> Tensor:
    beyond = torch.arange(value.shape[-1]) >= length
    return torch.where(beyond.view(len(value), *(1,) * (value.dim() - 2), -1), 1e3 * torch.randn_like(value), value)


def _spread_norms(module: nn.Module) -> None:
    """Norms of a trained network: nothing is 0, and nothing the identity."""
    for each in module.modules():
        if isinstance(each, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(each.weight, 0.5, 1.5)
            nn.init.uniform_(each.bias, -0.5, 0.5)
            nn.init.uniform_(each.running_mean, -0.2, 0.2)
