"""Blocks with the weights of reference models give what these give: arrays made by golden/make.py, and torch's own layers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from trainwright.nn.blocks.attention import Attention
from trainwright.nn.blocks.pooling import AttentionPool, PerceiverPool
from trainwright.nn.blocks.positions import LearnedPositions, sinusoid_grid
from trainwright.nn.blocks.state_space import MambaBlock
from trainwright.nn.blocks.transformer import TransformerBlock, TransformerStack
from trainwright.nn.blocks.windows import PatchMerging, SwinBlock
from trainwright.nn.positions.making import make_positions
from trainwright.nn.positions.scores import alibi_slopes, relative_buckets

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(autouse=True)
def in_double() -> object:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def golden(name: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The weights of the reference model, and its inputs and outputs."""
    held = load_file(GOLDEN / f"{name}.safetensors")
    weights = {key.removeprefix("weight."): each for key, each in held.items() if key.startswith("weight.")}
    return weights, {key: each for key, each in held.items() if not key.startswith("weight.")}


def joined(weights: dict[str, Tensor], start: str, *names: str) -> dict[str, Tensor]:
    """Layers that the reference has one by one, as our one layer has them."""
    kinds = [kind for kind in ("weight", "bias") if f"{start}{names[0]}.{kind}" in weights]
    return {kind: torch.cat([weights[f"{start}{name}.{kind}"] for name in names]) for kind in kinds}


def fill(module: nn.Module, weights: dict[str, Tensor]) -> None:
    module.load_state_dict(weights)


def named(module: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{module}.{kind}": each for kind, each in tensors.items()}


def test_llama_rotary_grouped_heads_swiglu_and_rms_norm() -> None:
    weights, held = golden("llama")
    stack = TransformerStack(
        16, 4, depth=2, kv_heads=2, inner=24, activation="swiglu", norm="rms", eps=1e-6, bias=False, causal=True, positions="rotary"
    )
    ours: dict[str, Tensor] = {"norm.weight": weights["norm.weight"]}
    for number in range(2):
        here, there = f"blocks.{number}.", f"layers.{number}."
        ours |= named(here + "norm_attention", joined(weights, there, "input_layernorm"))
        ours |= named(here + "norm_feed_forward", joined(weights, there, "post_attention_layernorm"))
        ours |= named(here + "attention.into", joined(weights, there + "self_attn.", "q_proj", "k_proj", "v_proj"))
        ours |= named(here + "attention.out", joined(weights, there + "self_attn.", "o_proj"))
        ours |= named(here + "feed_forward.into", joined(weights, there + "mlp.", "up_proj", "gate_proj"))
        ours |= named(here + "feed_forward.out", joined(weights, there + "mlp.", "down_proj"))
    fill(stack, ours)
    found, keep = stack(held["x"], held["keep"]), held["keep"]
    # padding is on the left, and what it gives itself is nobody's business
    torch.testing.assert_close(found[keep], held["y"][keep], atol=1e-6, rtol=0)


def test_gpt2() -> None:
    weights, held = golden("gpt2")
    places = LearnedPositions(12, 8)
    fill(places, {"weight": weights["wpe.weight"]})
    stack = TransformerStack(12, 3, depth=2, activation="gelu_tanh", causal=True)
    ours = named("norm", joined(weights, "", "ln_f"))
    for number in range(2):
        here, there = f"blocks.{number}.", f"h.{number}."
        ours |= named(here + "norm_attention", joined(weights, there, "ln_1"))
        ours |= named(here + "norm_feed_forward", joined(weights, there, "ln_2"))
        layers = {"attention": ("attn.c_attn", "attn.c_proj"), "feed_forward": ("mlp.c_fc", "mlp.c_proj")}
        for part, names in layers.items():
            for each, theirs in zip(("into", "out"), names, strict=True):
                matrix = weights[f"{there}{theirs}.weight"].T  # GPT-2 keeps it the other way round
                ours |= named(f"{here}{part}.{each}", {"weight": matrix, "bias": weights[f"{there}{theirs}.bias"]})
    fill(stack, ours)
    x = torch.nn.functional.embedding(held["tokens"], weights["wte.weight"])
    torch.testing.assert_close(stack(places(x)), held["y"], atol=1e-12, rtol=0)


def test_t5_encoder_and_its_buckets() -> None:
    weights, held = golden("t5")
    assert torch.equal(relative_buckets(held["apart"], 32, 128, causal=False), held["both_ways"])
    assert torch.equal(relative_buckets(held["apart"], 32, 128, causal=True), held["backwards"])
    positions = {"type": "relative", "buckets": 8, "farthest": 20}
    stack = TransformerStack(12, 3, depth=2, inner=20, activation="relu", norm="rms", eps=1e-6, bias=False, positions=positions)
    first = "encoder.block.0.layer.0.SelfAttention."
    ours = {"norm.weight": weights["encoder.final_layer_norm.weight"]}
    ours |= {"positions.weight": weights[first + "relative_attention_bias.weight"]}
    for number in range(2):
        here, there = f"blocks.{number}.", f"encoder.block.{number}.layer."
        of = {each: weights[f"{there}0.SelfAttention.{each}.weight"] for each in "qkvo"}
        ours |= {
            here + "norm_attention.weight": weights[there + "0.layer_norm.weight"],
            here + "norm_feed_forward.weight": weights[there + "1.layer_norm.weight"],
            here + "attention.into.weight": torch.cat([of["q"] * 2, of["k"], of["v"]]),  # T5 does not divide scores by √4
            here + "attention.out.weight": of["o"],
            here + "feed_forward.into.weight": weights[there + "1.DenseReluDense.wi.weight"],
            here + "feed_forward.out.weight": weights[there + "1.DenseReluDense.wo.weight"],
        }
    fill(stack, ours)
    keep = held["keep"]
    torch.testing.assert_close(stack(held["x"], keep)[keep], held["y"][keep], atol=1e-6, rtol=0)


def test_vit() -> None:
    weights, held = golden("vit")
    stack = TransformerStack(12, 3, depth=2, inner=20, eps=1e-12)
    ours = named("norm", joined(weights, "", "layernorm"))
    for number in range(2):
        here, there = f"blocks.{number}.", f"layers.{number}."
        ours |= named(here + "norm_attention", joined(weights, there, "layernorm_before"))
        ours |= named(here + "norm_feed_forward", joined(weights, there, "layernorm_after"))
        ours |= named(here + "attention.into", joined(weights, there + "attention.", "q_proj", "k_proj", "v_proj"))
        ours |= named(here + "attention.out", joined(weights, there + "attention.", "o_proj"))
        ours |= named(here + "feed_forward.into", joined(weights, there + "mlp.", "fc1"))
        ours |= named(here + "feed_forward.out", joined(weights, there + "mlp.", "fc2"))
    fill(stack, ours)
    patch = "embeddings.patch_embeddings.projection."
    x = torch.nn.functional.conv2d(held["image"], weights[patch + "weight"], weights[patch + "bias"], stride=4).flatten(2).transpose(1, 2)
    x = torch.cat([weights["embeddings.cls_token"].expand(2, -1, -1), x], dim=1) + weights["embeddings.position_embeddings"]
    torch.testing.assert_close(stack(x), held["y"], atol=1e-10, rtol=0)


def test_swin_with_shifted_windows_and_merged_patches() -> None:
    weights, held = golden("swin")
    patch = "embeddings.patch_embeddings.projection."
    x = torch.nn.functional.conv2d(held["image"], weights[patch + "weight"], weights[patch + "bias"], stride=2).movedim(1, -1)
    x = torch.nn.functional.layer_norm(x, (8,), weights["embeddings.norm.weight"], weights["embeddings.norm.bias"])
    for stage, (width, heads) in enumerate(((8, 2), (16, 4))):
        for number in range(2):
            block = SwinBlock(width, heads, 4, shift=number == 1)
            there = f"encoder.layers.{stage}.blocks.{number}."
            ours = named("norm_attention", joined(weights, there, "layernorm_before"))
            ours |= named("norm_feed_forward", joined(weights, there, "layernorm_after"))
            ours |= named("attention.into", joined(weights, there + "attention.", "q_proj", "k_proj", "v_proj"))
            ours |= named("attention.out", joined(weights, there + "attention.", "o_proj"))
            ours |= {"attention.scores": weights[there + "attention.relative_position_bias.relative_position_bias_table"]}
            ours |= named("feed_forward.into", joined(weights, there + "mlp.", "fc1"))
            ours |= named("feed_forward.out", joined(weights, there + "mlp.", "fc2"))
            fill(block, ours)
            x = block(x)
        if stage == 0:
            merge = PatchMerging(8)
            down = "encoder.layers.0.downsample."
            fill(merge, named("norm", joined(weights, down, "norm")) | named("reduction", joined(weights, down, "reduction")))
            x = merge(x)
    x = torch.nn.functional.layer_norm(x, (16,), weights["layernorm.weight"], weights["layernorm.bias"])
    torch.testing.assert_close(x.flatten(1, 2), held["y"], atol=1e-10, rtol=0)


@pytest.mark.parametrize("scan", ["sequential", "chunked", "auto"])
def test_mamba(scan: str) -> None:
    weights, held = golden("mamba")
    x = held["x"]
    for number in range(2):
        block = MambaBlock(8, state=4, kernel=3, rank=2, scan=scan)
        start = f"layers.{number}."
        fill(block, {key.removeprefix(start): each for key, each in weights.items() if key.startswith(start)})
        x = block(x)
    x = torch.nn.functional.rms_norm(x, (8,), weights["norm_f.weight"], 1e-5)
    # the reference goes through float32 inside
    torch.testing.assert_close(x, held["y"], atol=2e-5, rtol=1e-5)


def test_perceiver() -> None:
    weights, held = golden("perceiver")
    pool = PerceiverPool(12, 3, 4, depth=2, context_width=10, expansion=2.0)
    pool.stack.norm = nn.Identity()  # the reference has none at the end
    mlp = {"feed_forward.into": "mlp.dense1", "feed_forward.out": "mlp.dense2", "norm_feed_forward": "layernorm"}
    start = "cross_attention."
    own = start + "attention.self."
    ours = {"latents": held["latents"]}
    ours |= named("norm_cross", joined(weights, own, "layernorm1")) | named("norm_context", joined(weights, own, "layernorm2"))
    ours |= named("cross.query", joined(weights, own, "query")) | named("cross.context", joined(weights, own, "key", "value"))
    ours |= named("cross.out", joined(weights, start + "attention.output.", "dense"))
    for name, theirs in mlp.items():
        ours |= named(name, joined(weights, start, theirs))
    for number in range(2):
        here, there = f"stack.blocks.{number}.", f"self_attends.{number}."
        ours |= named(here + "norm_attention", joined(weights, there + "attention.self.", "layernorm1"))
        ours |= named(here + "attention.into", joined(weights, there + "attention.self.", "query", "key", "value"))
        ours |= named(here + "attention.out", joined(weights, there + "attention.output.", "dense"))
        for name, theirs in mlp.items():
            ours |= named(here + name, joined(weights, there, theirs))
    fill(pool, ours)
    torch.testing.assert_close(pool(held["x"]), held["y"], atol=1e-10, rtol=0)


def test_interleaved_rotation_is_that_of_gpt_j() -> None:
    _, held = golden("gptj_rotation")
    rotary = make_positions({"type": "rotary", "interleaved": True}, 3, 8, causal=True)
    assert rotary is not None
    torch.testing.assert_close(rotary(5, 5).turn(held["x"].transpose(1, 2)).transpose(1, 2), held["y"], atol=1e-6, rtol=0)


def test_a_share_of_the_head_is_turned_as_in_gpt_neox() -> None:
    weights, held = golden("neox_attention")
    attention = Attention(32, 2, causal=True, positions={"type": "rotary", "share": 0.25})
    # GPT-NeoX keeps query, key and value of one head together
    apart = {kind: weights[f"query_key_value.{kind}"].unflatten(0, (2, 3, 16)) for kind in ("weight", "bias")}
    into = {kind: each.transpose(0, 1).flatten(0, 2) for kind, each in apart.items()}
    fill(attention, named("into", into) | named("out", joined(weights, "", "dense")))
    torch.testing.assert_close(attention(held["x"]), held["y"], atol=1e-6, rtol=0)


@pytest.mark.parametrize("heads", [1, 6, 8, 12, 16])
def test_alibi_slopes_are_those_of_bloom(heads: int) -> None:
    _, held = golden("alibi")
    torch.testing.assert_close(torch.tensor(alibi_slopes(heads)), held[f"heads_{heads}"], atol=0, rtol=1e-6)


def test_sinusoids_of_a_grid_are_those_of_mae() -> None:
    _, held = golden("mae_positions")
    torch.testing.assert_close(sinusoid_grid([3, 5], 16).flatten(0, 1).double(), held["y"], atol=1e-6, rtol=0)


@pytest.mark.parametrize("post_norm", [True, False])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_a_block_is_torchs_encoder_layer(post_norm: bool, activation: str) -> None:
    torch.manual_seed(0)
    theirs = nn.TransformerEncoderLayer(12, 3, 20, 0.0, activation, batch_first=True, norm_first=not post_norm)
    ours = TransformerBlock(12, 3, inner=20, activation=activation, post_norm=post_norm)
    fill(ours, {RENAMED[key.rpartition(".")[0]] + key.rpartition(".")[2]: each for key, each in own_names(theirs).items()})
    x, keep = torch.randn(2, 7, 12), torch.ones(2, 7, dtype=torch.bool)
    keep[1, 4:] = False
    torch.testing.assert_close(ours(x, keep)[keep], theirs(x, src_key_padding_mask=~keep)[keep])


@pytest.mark.parametrize("post_norm", [True, False])
def test_a_block_with_a_context_is_torchs_decoder_layer(post_norm: bool) -> None:
    torch.manual_seed(0)
    theirs = nn.TransformerDecoderLayer(12, 3, 20, 0.0, batch_first=True, norm_first=not post_norm)
    ours = TransformerBlock(12, 3, inner=20, activation="relu", post_norm=post_norm, causal=True, context_width=12)
    weights = own_names(theirs)
    renamed = {**RENAMED, "norm2": "norm_cross.", "norm3": "norm_feed_forward."}
    kept = {renamed[key.rpartition(".")[0]] + key.rpartition(".")[2]: each for key, each in weights.items() if "multihead" not in key}
    for kind in ("weight", "bias"):
        kept[f"cross.query.{kind}"], kept[f"cross.context.{kind}"] = weights[f"multihead_attn.in_proj.{kind}"].split((12, 24))
        kept[f"cross.out.{kind}"] = weights[f"multihead_attn.out_proj.{kind}"]
    fill(ours, kept)
    x, context, keep = torch.randn(2, 5, 12), torch.randn(2, 7, 12), torch.ones(2, 7, dtype=torch.bool)
    keep[1, 4:] = False
    causal = nn.Transformer.generate_square_subsequent_mask(5, dtype=torch.float64)
    expected = theirs(x, context, tgt_mask=causal, memory_key_padding_mask=~keep, tgt_is_causal=True)
    torch.testing.assert_close(ours(x, None, context, keep), expected)


RENAMED = {
    "self_attn.in_proj": "attention.into.",
    "self_attn.out_proj": "attention.out.",
    "linear1": "feed_forward.into.",
    "linear2": "feed_forward.out.",
    "norm1": "norm_attention.",
    "norm2": "norm_feed_forward.",
}


def own_names(module: nn.Module) -> dict[str, Tensor]:
    """The weights of a layer of torch's, those of a MultiheadAttention called as if they were of a layer."""
    return {key.replace("in_proj_", "in_proj."): each for key, each in module.state_dict().items()}


def test_attention_pooling_is_torchs_attention_of_learned_queries() -> None:
    torch.manual_seed(0)
    theirs = nn.MultiheadAttention(12, 3, batch_first=True)
    pool = AttentionPool(12, 3, queries=2)
    weights = own_names(theirs)
    kept = {"queries": pool.queries.detach().clone()}
    for kind in ("weight", "bias"):
        kept[f"attention.query.{kind}"], kept[f"attention.context.{kind}"] = weights[f"in_proj.{kind}"].split((12, 24))
        kept[f"attention.out.{kind}"] = weights[f"out_proj.{kind}"]
    fill(pool, kept)
    x, keep = torch.randn(2, 7, 12), torch.ones(2, 7, dtype=torch.bool)
    keep[1, 4:] = False
    expected, _ = theirs(pool.queries.expand(2, -1, -1), x, x, key_padding_mask=~keep)
    torch.testing.assert_close(pool(x, keep), expected)
