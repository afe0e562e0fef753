from __future__ import annotations

import pytest
import torch
from torch import Tensor

from trainwright.config.model import PartConfig
from trainwright.config.registry import build
from trainwright.nn import combiners
from trainwright.nn.combiners import (
    AutoCombinerOptions,
    ConcatOptions,
    MLPOptions,
    ProjectAggregateOptions,
    ResNetOptions,
    TabMOptions,
    TabNetOptions,
    TransformerCombinerOptions,
)
from trainwright.nn.combiners.auto import choose
from trainwright.nn.combiners.tabm import first_scaling
from trainwright.nn.combiners.tabnet import GhostBatchNorm

SHAPES = [(3, 8), (1, 10), (2, 1)]
SMALL: list[PartConfig] = [
    AutoCombinerOptions(),
    ConcatOptions(),
    ConcatOptions(depth=2, width=16, norm="layer"),
    MLPOptions(width=16),
    ProjectAggregateOptions(projection=12, width=16),
    TransformerCombinerOptions(width=16, heads=4, depth=2, dropout=0.0, attention_dropout=0.0),
    TabNetOptions(width=8, attention_width=8),
    TabNetOptions(width=8, attention_width=8, mask="sparsemax", shared_layers=0),
    TabMOptions(members=4, width=16),
    ResNetOptions(width=16),
]


def name(options: object) -> str:
    return options.type if isinstance(options, PartConfig) else ""


def groups(rows: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(rows)
    return [torch.randn(rows, *shape, generator=generator) for shape in SHAPES]


@pytest.mark.parametrize("options", SMALL, ids=name)
def test_a_combiner_gives_the_width_and_members_it_announces(options: PartConfig) -> None:
    combiner = build("combiner", options, shapes=SHAPES, rows=100)
    combined = combiner(groups(5))
    assert combined.shape == ((5, combiner.width) if combiner.members == 1 else (5, combiner.members, combiner.width))


@pytest.mark.parametrize("options", SMALL, ids=name)
def test_rows_do_not_influence_each_other_even_in_training(options: PartConfig) -> None:
    combiner = build("combiner", options, shapes=SHAPES, rows=100).train()
    encoded = groups(6)
    pieces = torch.cat([combiner([group[i : i + 2] for group in encoded]) for i in (0, 2, 4)])
    torch.testing.assert_close(combiner(encoded), pieces, atol=1e-5, rtol=1e-4)


def test_every_registered_combiner_is_tried_here() -> None:
    assert {options.type for options in SMALL} == set(combiners.PARTS)


def test_concat_without_layers_is_the_groups_side_by_side() -> None:
    encoded = groups(4)
    expected = torch.cat([group.flatten(1) for group in encoded], dim=1)
    assert torch.equal(build("combiner", ConcatOptions(), shapes=SHAPES, rows=9)(encoded), expected)


def test_project_aggregate_is_the_mean_of_projections() -> None:
    combiner = build("combiner", ProjectAggregateOptions(depth=0, projection=7), shapes=SHAPES, rows=9)
    encoded = groups(4)
    mean = torch.stack([project(group.flatten(1)) for project, group in zip(combiner.projections, encoded, strict=True)]).mean(0)
    torch.testing.assert_close(combiner(encoded), combiner.norm(mean))


def test_tabm_members_are_the_same_network_on_differently_scaled_inputs() -> None:
    combiner = build("combiner", TabMOptions(members=3, width=8, depth=2), shapes=[(1, 5)], rows=9)
    x = torch.randn(4, 1, 5)
    for k in range(3):
        hidden = x[:, 0] * combiner.first.weight[k]
        for layer in combiner.layers:
            hidden = (hidden @ layer.weight.T + layer.bias[k]).relu()
        torch.testing.assert_close(combiner([x])[:, k], hidden)


def test_tabm_scales_the_vector_of_a_column_as_a_whole_and_a_flat_group_number_by_number() -> None:
    scaling = first_scaling([(3, 4), (1, 6)], members=2)
    tokens, flat = scaling[:, :12].view(2, 3, 4), scaling[:, 12:]
    assert torch.equal(tokens, tokens[:, :, :1].expand_as(tokens))
    assert set(flat.flatten().tolist()) <= {-1.0, 1.0}


def test_tabnet_leaves_a_penalty_per_row_in_training_only() -> None:
    combiner = build("combiner", TabNetOptions(sparsity=0.5, steps=2), shapes=SHAPES, rows=9)
    combiner(groups(4))
    assert combiner.penalty is not None
    assert combiner.penalty.shape == (4,)
    assert (combiner.penalty >= -1e-5).all()
    combiner.eval()(groups(4))
    assert combiner.penalty is None


def test_no_weight_of_tabnet_is_stored_twice() -> None:
    state = build("combiner", TabNetOptions(), shapes=SHAPES, rows=9).state_dict()
    assert len({tensor.data_ptr() for tensor in state.values()}) == len(state)


def test_ghost_batch_norm_is_batch_norm_of_each_piece() -> None:
    ghost, x = GhostBatchNorm(3, size=4, momentum=0.1), torch.randn(9, 3)
    y = ghost(x)
    for piece, out in zip(x.split(4)[:2], y.split(4)[:2], strict=True):
        expected = (piece - piece.mean(0)) / (piece.var(0, unbiased=False) + 1e-5).sqrt()
        torch.testing.assert_close(out, expected)
    assert y.isfinite().all()
    ghost.eval()
    torch.testing.assert_close(ghost(x)[:4], ghost(x[:4]))


def test_the_transformer_reads_columns_in_any_order_of_groups() -> None:
    torch.manual_seed(0)
    options = TransformerCombinerOptions(width=16, heads=4, depth=2, dropout=0.0, attention_dropout=0.0)
    combiner = build("combiner", options, shapes=SHAPES, rows=9).eval()
    encoded = groups(4)
    before = combiner(encoded)
    combiner.tokens = torch.nn.ModuleList(list(combiner.tokens)[::-1])
    torch.testing.assert_close(combiner(encoded[::-1]), before, atol=1e-5, rtol=1e-4)


def test_the_network_chosen_without_a_config_grows_with_the_table_and_stays_cheap_on_large_ones() -> None:
    small, middle, large = choose(500), choose(5_000), choose(50_000)
    assert small.width < middle.width == large.width
    assert large.members < middle.members == small.members
