"""Weights of other shapes are made to fit as timm does it, each told in a line.

Golden numbers: timm_adapted.npz, made with timm 1.0.31 and torch 2.13: `resample_abs_pos_embed(positions, [rows, columns],
num_prefix_tokens=1 or 0)`, `resize_rel_pos_bias_table_simple(table, (4, 4), (49, 2))`, `adapt_input_conv(channels, conv)`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from trainwright.config.errors import ConfigError
from trainwright.weights.adaptation import adapt_channels, adapt_grid
from trainwright.weights.loading import begin_with, load_weights
from trainwright.weights.options import AdaptationOptions, WeightsOptions

GOLDEN = {name: torch.from_numpy(array) for name, array in np.load(Path(__file__).with_name("timm_adapted.npz")).items()}


@pytest.mark.parametrize("channels", [1, 2, 4, 7])
def test_input_channels_are_those_of_timm(channels: int) -> None:
    assert torch.allclose(adapt_channels(GOLDEN["conv"], channels)[0], GOLDEN[f"conv_{channels}"], rtol=0, atol=1e-6)


@pytest.mark.parametrize(("there", "here"), [(3, 1), (3, 2), (3, 5), (1, 3), (4, 3), (12, 4)])
@pytest.mark.parametrize("rule", ["repeat", "mean"])
def test_a_grey_picture_is_answered_as_before_where_channels_are_joined_or_spread(there: int, here: int, rule: str) -> None:
    weight, grey = torch.randn(4, there, 3, 3), torch.randn(1, 1, 8, 8)
    before = nn.functional.conv2d(grey.expand(-1, there, -1, -1), weight)
    after = nn.functional.conv2d(grey.expand(-1, here, -1, -1), adapt_channels(weight, here, rule)[0])
    if rule == "mean" or here == 1 or here % there == 0 or there == 12:
        assert torch.allclose(before, after, atol=1e-4)


@pytest.mark.parametrize(("name", "grid"), [("positions_3x3", (3, 3)), ("positions_6x5", (6, 5))])
def test_positions_are_resampled_as_by_timm(name: str, grid: tuple[int, int]) -> None:
    assert torch.allclose(adapt_grid(GOLDEN["positions"], (4, 4), grid, 1, 1), GOLDEN[name], rtol=0, atol=1e-6)


class Vit(nn.Module):
    """The names and shapes of a small ViT."""

    def __init__(self, tokens: int = 10, classes: int = 4, channels: int = 3, class_token: bool = True) -> None:
        super().__init__()
        self.patch_embed = nn.Conv2d(channels, 3, 2, 2)
        if class_token:
            self.cls_token = nn.Parameter(torch.randn(1, 1, 3))
        self.pos_embed = nn.Parameter(torch.randn(1, tokens, 3))
        self.norm = nn.LayerNorm(3)
        self.head = nn.Linear(3, classes)


def loaded(module: nn.Module, source: dict[str, Tensor], **options: Any) -> tuple[nn.Module, Any]:
    return module, load_weights(module, source, partial=True, **options)


def test_a_vit_of_another_size_other_channels_and_classes_is_taken_with_a_line_for_each() -> None:
    source = Vit(17, classes=10)
    with torch.no_grad():
        source.pos_embed.copy_(GOLDEN["positions"])
    other, report = loaded(Vit(10, channels=1), source.state_dict())
    assert torch.allclose(other.pos_embed, GOLDEN["positions_3x3"], rtol=0, atol=1e-6)
    assert torch.allclose(other.patch_embed.weight, source.patch_embed.weight.sum(1, keepdim=True))
    assert report.adapted == [
        "pos_embed: 4×4 positions there, 3×3 here: interpolated (bicubic), 1 token before them kept",
        "patch_embed.weight: 3 input channels there, 1 here: summed",
    ]
    assert report.heads == {"head": "head has 10 outputs there and 4 here"}
    said = report.summary().splitlines()
    assert said[1:4] == [f"  adapted: {each}" for each in report.adapted] + ["  replaced: head has 10 outputs there and 4 here"]
    assert "dropped" not in report.summary()


def test_positions_without_tokens_and_grids_that_are_no_squares() -> None:
    source = {"pos_embed": GOLDEN["positions"][:, 1:]}
    other, report = loaded(Vit(36, class_token=False), source)
    assert torch.allclose(other.pos_embed, GOLDEN["plain_6x6"], rtol=0, atol=1e-6)
    assert report.adapted == ["pos_embed: 4×4 positions there, 6×6 here: interpolated (bicubic)"]
    wide, report = loaded(
        Vit(31), {"pos_embed": GOLDEN["positions"], "cls_token": torch.ones(1, 1, 3)}, adapt=AdaptationOptions(grid_here=(6, 5))
    )
    assert torch.allclose(wide.pos_embed, GOLDEN["positions_6x5"], rtol=0, atol=1e-6)


def test_tokens_that_the_model_lacks_lose_their_positions() -> None:
    source = Vit(17).state_dict()
    other, report = loaded(Vit(16, class_token=False), source)
    assert torch.equal(other.pos_embed, source["pos_embed"][:, 1:]) and "4×4 positions there, 4×4 here" in report.adapted[0]


def test_positions_of_a_sequence_are_interpolated_along_it() -> None:
    source, other = nn.ModuleDict({"wpe": nn.Embedding(5, 2)}), nn.ModuleDict({"wpe": nn.Embedding(10, 2)})
    _, report = loaded(other, source.state_dict())
    assert report.adapted == ["wpe.weight: 5 positions there, 10 here: interpolated (linear)"]
    ends = other["wpe"].weight[[0, -1]], source["wpe"].weight[[0, -1]]  # type: ignore[index]
    assert torch.allclose(*ends) and torch.allclose(other["wpe"].weight.mean(0), source["wpe"].weight.mean(0), atol=1e-6)  # type: ignore[arg-type]


def test_tables_of_relative_positions_and_positions_of_rows_and_columns() -> None:
    class Swin(nn.Module):
        def __init__(self, rows: int, side: int) -> None:
            super().__init__()
            self.relative_position_bias_table = nn.Parameter(torch.zeros(rows, 2))
            self.abs_pos_embed = nn.Parameter(torch.zeros(1, 3, side, side))

    grid = GOLDEN["positions"][:, 1:].reshape(1, 4, 4, 3).permute(0, 3, 1, 2)
    source = {"relative_position_bias_table": GOLDEN["table"], "abs_pos_embed": grid}
    other, report = loaded(Swin(49, 6), source)
    assert torch.allclose(other.relative_position_bias_table, GOLDEN["table_49"], rtol=0, atol=1e-5)
    assert torch.allclose(other.abs_pos_embed.flatten(2).transpose(1, 2), GOLDEN["plain_6x6"], rtol=0, atol=1e-6)
    assert report.adapted[0] == "relative_position_bias_table: 5×5 relative positions there, 7×7 here: interpolated (bicubic)"


class Speaker(nn.Module):
    """A language model with an output layer of its own, or tied to its words."""

    def __init__(self, words: int, tied: bool = False) -> None:
        super().__init__()
        self.wte, self.block, self.lm_head = nn.Embedding(words, 3), nn.Linear(3, 3), nn.Linear(3, words, bias=not tied)
        if tied:
            self.lm_head.weight = self.wte.weight


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("rule", ["first", "mean"])
def test_a_larger_vocabulary_has_the_rows_of_the_smaller_one(tied: bool, rule: Any) -> None:
    source, other = Speaker(7, tied), Speaker(9, tied)
    first = other.wte.weight[7:].detach().clone()
    _, report = loaded(other, source.state_dict(), adapt=AdaptationOptions(vocabulary=rule))
    assert torch.equal(other.wte.weight[:7], source.wte.weight) and torch.equal(other.lm_head.weight[:7], source.lm_head.weight)
    assert torch.allclose(other.wte.weight[7:], first if rule == "first" else source.wte.weight.mean(0).expand(2, 3))
    how = "keep their first values" if rule == "first" else "are the mean of those"
    assert report.adapted[0] == f"wte.weight: 7 rows there, 9 here: the last 2 {how}"
    assert not report.dropped and not report.heads and (other.lm_head.weight is other.wte.weight) == tied


def test_the_order_in_which_names_come_changes_nothing() -> None:
    source = Speaker(7).state_dict()
    _, report = loaded(Speaker(9), dict(sorted(source.items(), reverse=True)))
    _, turned = loaded(Speaker(9), dict(sorted(source.items())))
    assert sorted(report.adapted) == sorted(turned.adapted) and len(report.adapted) == 3


def test_a_smaller_vocabulary_is_not_guessed_at() -> None:
    _, report = loaded(Speaker(5), Speaker(7).state_dict())
    assert not report.adapted and "wte.weight has (7, 3) there and (5, 3) here" in [str(each) for each in report.dropped]


def test_layers_of_another_width_are_no_heads() -> None:
    source, other = nn.Sequential(nn.Linear(8, 32), nn.Linear(32, 2)), nn.Sequential(nn.Linear(8, 64), nn.Linear(64, 2))
    _, report = loaded(other, source.state_dict())
    assert not report.heads and len(report.dropped) == 3


def test_without_adaptation_shapes_must_be_the_same() -> None:
    with pytest.raises(ConfigError, match="do not fit the model"):
        load_weights(Vit(10), Vit(17).state_dict())
    _, report = loaded(Vit(10), Vit(17).state_dict(), adapt=False)
    assert not report.adapted and [each.name for each in report.dropped] == ["pos_embed"]
    assert load_weights(Vit(10), Vit(17).state_dict(), adapt=True).complete


@pytest.mark.parametrize(
    ("renames", "given", "wanted"),
    [
        ({"blocks.*.attn": "layers.*.attention"}, "blocks.3.attn.qkv.weight", "layers.3.attention.qkv.weight"),
        ({"encoder": "trunk", "encoder.head": "head"}, "encoder.head.weight", "head.weight"),
        ({"**.gamma": "**.weight"}, "a.b.norm.gamma", "a.b.norm.weight"),
        ({"*.*": "*.x.*"}, "a.b.weight", "a.x.b.weight"),
        ({r"re:layer(\d+)\.": r"layers.\1."}, "net.layer4.conv.weight", "net.layers.4.conv.weight"),
        ({"re:gamma$": "weight"}, "norm.gamma", "norm.weight"),
        ({"model": ""}, "model.fc.weight", "fc.weight"),
        ({"": "backbone"}, "fc.weight", "backbone.fc.weight"),
        ({"bl*": "x"}, "bl0.weight", "x.weight"),
        ({"block": "x"}, "blocks.weight", "blocks.weight"),
    ],
)
def test_names_are_mapped_by_prefixes_stars_and_expressions(renames: dict[str, str], given: str, wanted: str) -> None:
    from trainwright.weights.names import rename

    assert rename({given: given}, renames)[0] == {given: wanted}


def test_a_map_that_can_be_none_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'a.\*: b.\*.\*' renames nothing\n  why: it has 2 stars for 1"):
        load_weights(nn.Linear(1, 1), {"a.b": torch.ones(1)}, renames={"a.*": "b.*.*"})
    with pytest.raises(ConfigError, match=r"'re:\(: b' renames nothing"):
        load_weights(nn.Linear(1, 1), {"a.b": torch.ones(1)}, renames={"re:(": "b"})


def test_prefixes_that_only_some_names_have_are_found_where_a_part_is_enough() -> None:
    bert = nn.ModuleDict({"bert": nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4)), "cls": nn.Linear(4, 9)})
    plain = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4))
    _, report = loaded(plain, bert.state_dict())
    assert torch.equal(plain[0].weight, bert["bert"][0].weight) and report.unexpected == ["cls.weight", "cls.bias"]  # type: ignore[index]
    assert "'bert.' was taken off the names in the source" in report.notes


def test_an_option_refuses_weights_of_another_architecture_naming_the_nearest(tmp_path: Path) -> None:
    source = nn.Sequential(*(nn.Linear(4, 4) for _ in range(6)))
    torch.save({f"layer.{name}": value for name, value in source.state_dict().items()}, tmp_path / "w.pt")
    other = nn.Sequential(nn.Linear(4, 4), nn.Conv1d(4, 4, 3), nn.Conv1d(4, 4, 5), nn.LSTM(4, 4))
    kept = {name: value.clone() for name, value in other.state_dict().items()}
    with pytest.raises(ConfigError, match="these are weights of another architecture"):
        begin_with(other, WeightsOptions(source=f"{tmp_path}/w.pt", least=0.7))
    assert all(torch.equal(value, kept[name]) for name, value in other.state_dict().items())
    assert begin_with(other, WeightsOptions(source=f"{tmp_path}/w.pt", least=0.0)).loaded
