from __future__ import annotations

import contextlib
import inspect
from dataclasses import replace

import pytest
import torch
from groups import ALL_GROUPS, categories, draw, numbers, series, tokens, vector
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.config.errors import ConfigError
from trainwright.config.model import PartConfig
from trainwright.config.registry import build, load
from trainwright.features.spec import InputGroup
from trainwright.nn import encoders
from trainwright.nn.encoders import (
    PARTS,
    AutoOptions,
    BagOptions,
    ConvolutionOptions,
    DenseOptions,
    EmbeddingOptions,
    OneHotOptions,
    PassthroughOptions,
    PeriodicOptions,
    PiecewiseLinearOptions,
    PooledOptions,
    RecurrentOptions,
    TransformerEncoderOptions,
)
from trainwright.nn.encoders.auto import choose
from trainwright.nn.encoders.fitting import fitting
from trainwright.nn.encoders.tied import Tied, one_column

CASES: list[tuple[PartConfig, InputGroup]] = [
    *[(AutoOptions(), group) for group in ALL_GROUPS],
    (PassthroughOptions(), numbers(missing=True)),
    (PassthroughOptions(), vector(missing=True)),
    (PassthroughOptions(), vector(9, "bag", missing=True)),
    (DenseOptions(width=8), numbers()),
    (DenseOptions(width=8, dropout=0.5), vector(missing=True)),
    (OneHotOptions(), categories()),
    (EmbeddingOptions(), categories()),
    (EmbeddingOptions(one_hot_up_to=10), categories()),
    (EmbeddingOptions(one_hot_up_to=100), categories()),
    (PiecewiseLinearOptions(), numbers(missing=True)),
    (PiecewiseLinearOptions(activation="relu", bins=5), numbers()),
    (PeriodicOptions(), numbers(missing=True)),
    (PooledOptions(depth=1, pooling="max"), tokens()),
    (BagOptions(), vector(9, "set", missing=True)),
    (BagOptions(mean=False), vector(9, "bag")),
]
SEQUENCES: list[PartConfig] = [
    PooledOptions(width=8),
    PooledOptions(width=8, pooling="max", depth=1),
    PooledOptions(width=8, pooling="last"),
    PooledOptions(width=8, pooling="attention"),
    RecurrentOptions(width=6, depth=2),
    RecurrentOptions(width=6, cell="lstm", bidirectional=False, pooling="last"),
    RecurrentOptions(width=6, pooling="attention"),
    TransformerEncoderOptions(width=8, heads=2),
    TransformerEncoderOptions(width=8, heads=2, pooling="attention"),
    ConvolutionOptions(width=6, depth=2, kernel=3),
    ConvolutionOptions(width=6, pooling="max"),
    ConvolutionOptions(width=6, pooling="attention"),
]
CASES += [(options, group) for options in SEQUENCES for group in (tokens(), series())]


def name(value: object) -> str:
    return f"{value.type}" if isinstance(value, PartConfig) else value.kind if isinstance(value, InputGroup) else ""


@pytest.mark.parametrize(("options", "group"), CASES, ids=name)
def test_an_encoder_gives_the_tokens_and_width_it_announces(options: PartConfig, group: InputGroup) -> None:
    encoder = build("encoder", options, group=group)
    encoded = encoder(draw(group, 5))
    assert encoded.shape == (5, encoder.tokens, encoder.width)
    assert encoded.dtype == torch.float32
    assert encoded.isfinite().all()


@pytest.mark.parametrize(("options", "group"), CASES, ids=name)
def test_the_encoding_of_a_row_does_not_depend_on_the_rows_beside_it(options: PartConfig, group: InputGroup) -> None:
    encoder = build("encoder", options, group=group).eval()
    parts = draw(group, 6)
    alone = torch.cat([encoder({part: values[i : i + 1] for part, values in parts.items()}) for i in range(6)])
    torch.testing.assert_close(encoder(parts), alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("options", SEQUENCES, ids=name)
@settings(max_examples=12, deadline=None)
@given(lengths=st.lists(st.integers(0, 7), min_size=1, max_size=5), extra=st.integers(0, 5), seed=st.integers(0, 99))
def test_padding_never_leaks_into_the_encoding(options: PartConfig, lengths: list[int], extra: int, seed: int) -> None:
    torch.manual_seed(seed)
    for group, part in ((tokens(steps=12), "tokens"), (series(12), "value")):
        encoder = build("encoder", options, group=group).eval()
        filled = draw(group, len(lengths), seed)[part]
        length = torch.tensor(lengths).unsqueeze(1)
        other = filled.clone()
        for row, count in enumerate(lengths):
            other[row, 0, count:] = 0 if part == "tokens" else 1e3
        torch.testing.assert_close(
            encoder({part: filled[:, :, : 7 + extra], "length": length}), encoder({part: other, "length": length}), atol=1e-5, rtol=1e-4
        )


def test_every_registered_encoder_takes_its_own_options() -> None:
    for each, part in encoders.PARTS.items():
        loaded = load("encoder", each)
        assert part.config.model_fields["type"].default == each
        signature = inspect.signature(loaded.__init__ if inspect.isclass(loaded) else loaded)
        assert "group" in signature.parameters
        assert part.config.__name__ in str(signature.parameters["options"].annotation)


def test_values_beyond_the_training_rows_count_as_the_nearest_of_these() -> None:
    encoder = build("encoder", PiecewiseLinearOptions(), group=numbers())
    torch.nn.init.normal_(encoder.piece_weight)
    ends = encoder({"value": torch.tensor([[-2.0] * 3, [2.0] * 3])})
    torch.testing.assert_close(encoder({"value": torch.tensor([[-50.0] * 3, [1e6] * 3])}), ends)


def test_piecewise_linear_starts_as_a_linear_map() -> None:
    encoder = build("encoder", PiecewiseLinearOptions(), group=numbers())
    parts = {"value": draw(numbers(), 4)["value"].clamp(-2, 2)}
    torch.testing.assert_close(encoder(parts), parts["value"].unsqueeze(-1) * encoder.weight + encoder.bias)


def test_periodic_is_the_linear_map_of_sines_and_cosines() -> None:
    encoder = build("encoder", PeriodicOptions(frequencies=4, width=3, sigma=1.0), group=numbers(2))
    parts = draw(numbers(2), 4)
    for column in range(2):
        angle = 2 * torch.pi * parts["value"][:, column, None] * encoder.frequency[column]
        waves = torch.cat([angle.sin(), angle.cos()], dim=1)
        expected = (waves @ encoder.linear.weight[column] + encoder.linear.bias[column]).relu()
        torch.testing.assert_close(encoder(parts)[:, column], expected)


def test_one_hot_marks_each_columns_value() -> None:
    group = categories((2, 3))
    assert build("encoder", OneHotOptions(), group=group)({"index": torch.tensor([[1, 0], [0, 2]])}).tolist() == [
        [[0, 1, 1, 0, 0]],
        [[1, 0, 0, 0, 1]],
    ]


def test_equal_values_of_different_columns_have_vectors_of_their_own() -> None:
    encoder = build("encoder", EmbeddingOptions(width=4), group=categories((3, 3)))
    first, second = encoder({"index": torch.tensor([[1, 1]])})[0]
    assert not torch.equal(first, second)


def test_an_embedding_bag_is_the_mean_of_its_values_vectors() -> None:
    encoder = build("encoder", BagOptions(width=4), group=vector(5, "bag"))
    encoded = encoder({"value": torch.tensor([[[2, 0, 1, 0, 0]], [[0, 0, 0, 0, 0]]], dtype=torch.uint8)})
    torch.testing.assert_close(encoded[0, 0], (2 * encoder.table[0] + encoder.table[2]) / 3)
    assert encoded[1].abs().sum() == 0


def test_a_missing_number_can_move_the_encoding() -> None:
    for options in (PiecewiseLinearOptions(), PeriodicOptions()):
        encoder = build("encoder", options, group=numbers(missing=True))
        torch.nn.init.normal_(encoder.missing)
        parts = draw(numbers(missing=True), 1)
        parts["missing"] = torch.tensor([[0.0, 1.0, 0.0]])
        there = encoder(parts | {"missing": torch.zeros(1, 3)})
        changed = (encoder(parts) != there).any(dim=2)[0].tolist()
        assert changed == [False, True, False]


def test_tied_columns_share_one_encoder() -> None:
    group = InputGroup("who", "category", ["sender", "receiver"], None, {"index": (2,)}, sizes=[7, 7], tied="who")
    tied = Tied(build("encoder", EmbeddingOptions(width=4), group=one_column(group)), 2)
    encoded = tied({"index": torch.tensor([[3, 3], [1, 3]])})
    assert encoded.shape == (2, 2, 4)
    assert torch.equal(encoded[0, 0], encoded[0, 1])
    assert torch.equal(encoded[0, 0], encoded[1, 1])
    words = InputGroup("texts", "text", ["title", "body"], None, {"tokens": (2, 6), "length": (2,)}, sizes=[9, 9], tied="words")
    pair = Tied(build("encoder", RecurrentOptions(width=4), group=one_column(words)), 2)
    ids, length = torch.randint(1, 9, (3, 2, 6)), torch.tensor([[6, 2], [1, 0], [3, 3]])
    swapped = pair({"tokens": ids.flip(1), "length": length.flip(1)})
    torch.testing.assert_close(pair({"tokens": ids, "length": length}), swapped.flip(1))


def test_the_chosen_encoder_suits_the_combiner() -> None:
    assert choose(numbers(), "tabm").type == "piecewise_linear"
    assert choose(numbers(), "transformer").type == "passthrough"
    assert choose(categories(), "tabm").one_hot_up_to > 0
    assert choose(categories(), "transformer").one_hot_up_to == 0
    assert choose(vector(1000, "set")).type == "embedding_bag"
    assert choose(vector(10, "set")).type == "passthrough"


@pytest.mark.parametrize(
    ("options", "group"),
    [
        (PiecewiseLinearOptions(), vector()),
        (PeriodicOptions(), categories()),
        (OneHotOptions(), numbers()),
        (EmbeddingOptions(), tokens()),
        (PassthroughOptions(), categories()),
        (PassthroughOptions(), series()),
        (PooledOptions(), numbers()),
        (BagOptions(), numbers()),
        (ConvolutionOptions(kernel=4), series()),
    ],
    ids=name,
)
def test_an_encoder_that_cannot_read_a_column_says_so(options: PartConfig, group: InputGroup) -> None:
    with pytest.raises(ConfigError):
        build("encoder", options, group=group)


@pytest.mark.parametrize("group", ALL_GROUPS, ids=lambda group: group.kind)
def test_the_encoders_that_are_said_to_fit_are_those_that_can_be_made(group: InputGroup) -> None:
    made = set()
    for encoder, part in PARTS.items():
        with contextlib.suppress(ConfigError):
            build("encoder", part.config(), group=group)
            made.add(encoder)
    assert set(fitting(group)) <= made
    assert made - set(fitting(group)) <= {"auto", "embedding_bag"}


def test_an_encoder_that_does_not_fit_is_told_at_its_key_with_those_that_do() -> None:
    one = replace(numbers(1), encoder=RecurrentOptions(), columns=["my age"])
    with pytest.raises(ConfigError) as caught:
        build("encoder", RecurrentOptions(), group=one)
    assert caught.value.where == 'columns."my age".encoder'
    assert caught.value.fix == "choose an encoder that fits them: passthrough, dense, periodic, piecewise_linear"
    with pytest.raises(ConfigError) as caught:
        build("encoder", OneHotOptions(), group=numbers())
    assert caught.value.where == "model.encoders.number"
