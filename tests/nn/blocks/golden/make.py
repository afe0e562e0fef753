"""Makes the golden arrays beside this file: what reference libraries give for small models with random weights, in float64.

    python tests/nn/blocks/golden/make.py      # needs transformers

Each file says in its metadata which library, version and call made it. Weights are under the names of that library.
"""

from __future__ import annotations

from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file
from torch import Tensor, nn

HERE = Path(__file__).parent
VERSION = f"transformers {transformers.__version__}, torch {torch.__version__.partition('+')[0]}"


def randomise(model: nn.Module, seed: int) -> nn.Module:
    """Weights that are neither zero nor one, so that none can be left out unseen."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype) * 0.2)
    return model.double().eval()


def save(name: str, call: str, weights: dict[str, Tensor], **arrays: Tensor) -> None:
    kept = {f"weight.{key}": each for key, each in weights.items()} | arrays
    save_file(
        {key: each.detach().clone().contiguous() for key, each in kept.items()},
        HERE / f"{name}.safetensors",
        {"made_by": VERSION, "call": call},
    )


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def llama() -> None:
    config = transformers.LlamaConfig(
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=5,
        rms_norm_eps=1e-6,
    )
    model = randomise(transformers.LlamaModel(config), 0)
    x, keep = draw(2, 7, 16), torch.ones(2, 7, dtype=torch.bool)
    keep[1, :3] = False
    found = model(inputs_embeds=x, attention_mask=keep.long(), use_cache=False).last_hidden_state
    weights = {k: v for k, v in model.state_dict().items() if "embed" not in k}
    save("llama", "LlamaModel(hidden 16, 4 heads, 2 kv heads, 2 layers)(inputs_embeds, left-padded mask)", weights, x=x, keep=keep, y=found)


def gpt2() -> None:
    config = transformers.GPT2Config(n_embd=12, n_head=3, n_layer=2, vocab_size=11, n_positions=8)
    model = randomise(transformers.GPT2Model(config), 0)
    tokens = torch.tensor([[1, 5, 3, 9, 10], [0, 2, 2, 7, 4]])
    save("gpt2", "GPT2Model(n_embd 12, 3 heads, 2 layers)(tokens)", model.state_dict(), tokens=tokens, y=model(tokens).last_hidden_state)


def t5() -> None:
    config = transformers.T5Config(
        d_model=12,
        d_kv=4,
        d_ff=20,
        num_layers=2,
        num_heads=3,
        vocab_size=9,
        relative_attention_num_buckets=8,
        relative_attention_max_distance=20,
    )
    model = randomise(transformers.T5EncoderModel(config), 0)
    x, keep = draw(2, 30, 12), torch.ones(2, 30, dtype=torch.bool)
    keep[1, 20:] = False
    found = model(inputs_embeds=x, attention_mask=keep.long()).last_hidden_state
    weights = {k: v for k, v in model.state_dict().items() if "shared" not in k and "embed_tokens" not in k}
    bucket = transformers.models.t5.modeling_t5.T5Attention._relative_position_bucket
    apart = torch.arange(-300, 301)
    save(
        "t5",
        "T5EncoderModel(d_model 12, 3 heads, 2 layers, 8 buckets to 20)(inputs_embeds, mask); T5Attention._relative_position_bucket(apart)",
        weights,
        x=x,
        keep=keep,
        y=found,
        apart=apart,
        both_ways=bucket(apart, bidirectional=True, num_buckets=32, max_distance=128),
        backwards=bucket(apart, bidirectional=False, num_buckets=32, max_distance=128),
    )


def vit() -> None:
    config = transformers.ViTConfig(
        hidden_size=12, num_hidden_layers=2, num_attention_heads=3, intermediate_size=20, image_size=8, patch_size=4
    )
    model = randomise(transformers.ViTModel(config, add_pooling_layer=False), 0)
    image = draw(2, 3, 8, 8)
    save(
        "vit",
        "ViTModel(hidden 12, 3 heads, 2 layers, image 8, patch 4)(image)",
        model.state_dict(),
        image=image,
        y=model(image).last_hidden_state,
    )


def swin() -> None:
    config = transformers.SwinConfig(
        image_size=16, patch_size=2, embed_dim=8, depths=[2, 2], num_heads=[2, 4], window_size=4, drop_path_rate=0.0
    )
    model = randomise(transformers.SwinModel(config, add_pooling_layer=False), 0)
    image = draw(2, 3, 16, 16)
    weights = {k: v for k, v in model.state_dict().items() if "index" not in k}
    save(
        "swin",
        "SwinModel(embed 8, depths 2 2, heads 2 4, window 4, image 16, patch 2)(image)",
        weights,
        image=image,
        y=model(image).last_hidden_state,
    )


def mamba() -> None:
    config = transformers.MambaConfig(
        hidden_size=8, state_size=4, num_hidden_layers=2, vocab_size=7, conv_kernel=3, expand=2, time_step_rank=2
    )
    model = randomise(transformers.MambaModel(config), 0)
    x = draw(2, 11, 8)
    found = model(inputs_embeds=x, use_cache=False).last_hidden_state
    weights = {k: v for k, v in model.state_dict().items() if "embeddings" not in k}
    save("mamba", "MambaModel(hidden 8, state 4, kernel 3, rank 2, 2 layers)(inputs_embeds), the slow path", weights, x=x, y=found)


def rotations() -> None:
    from transformers.models.gptj import modeling_gptj

    x = draw(2, 5, 3, 8)
    angles = modeling_gptj.create_sinusoidal_positions(5, 8).double()
    sin, cos = angles[None].chunk(2, dim=-1)
    found = modeling_gptj.apply_rotary_pos_emb(x, sin, cos)
    save("gptj_rotation", "modeling_gptj.apply_rotary_pos_emb(x, …), x of (batch, length, heads, width)", {}, x=x, y=found)


def neox() -> None:
    config = transformers.GPTNeoXConfig(
        hidden_size=32, num_attention_heads=2, num_hidden_layers=1, intermediate_size=20, vocab_size=5, rotary_pct=0.25
    )
    model = randomise(transformers.GPTNeoXModel(config), 0)
    x = draw(2, 6, 32)
    layer = model.layers[0].attention
    positions = model.rotary_emb(x, torch.arange(6)[None])
    mask = torch.full((6, 6), -torch.inf, dtype=torch.float64).triu(1)[None, None]
    found = layer(x, attention_mask=mask, position_embeddings=positions)[0]
    save("neox_attention", "GPTNeoXAttention(hidden 32, 2 heads, rotary_pct 0.25)(x, causal mask)", layer.state_dict(), x=x, y=found)


def bloom() -> None:
    build = transformers.models.bloom.modeling_bloom.build_alibi_tensor
    slopes = {f"heads_{n}": build(torch.ones(1, 4), n, torch.float64)[:, 0, 1] for n in (1, 6, 8, 12, 16)}
    save("alibi", "modeling_bloom.build_alibi_tensor(ones(1, 4), heads)[:, 0, 1]", {}, **slopes)


def mae() -> None:
    from transformers.models.vit_mae.modeling_vit_mae import build_2d_sinusoidal_position_embedding as build

    save("mae_positions", "build_2d_sinusoidal_position_embedding(3, 5, 16)", {}, y=build(3, 5, 16, dtype=torch.float64))


def perceiver() -> None:
    from transformers.models.perceiver.modeling_perceiver import PerceiverEncoder

    config = transformers.PerceiverConfig(
        d_latents=12, num_latents=4, num_self_attends_per_block=2, num_blocks=1, num_cross_attention_heads=3, num_self_attention_heads=3,
        cross_attention_widening_factor=2, self_attention_widening_factor=2,
    )  # fmt: skip
    config.qk_channels = config.v_channels = 12
    model = randomise(PerceiverEncoder(config, kv_dim=10), 0)
    latents, x = draw(4, 12, seed=2), draw(2, 9, 10)
    found = model(latents.expand(2, -1, -1), inputs=x).last_hidden_state
    save(
        "perceiver",
        "PerceiverEncoder(4 latents of 12, 3 heads, 2 self-attends, kv_dim 10)(latents, x)",
        model.state_dict(),
        latents=latents,
        x=x,
        y=found,
    )


if __name__ == "__main__":
    for make in (llama, gpt2, t5, vit, swin, mamba, rotations, neox, bloom, mae, perceiver):
        make()
        print(make.__name__)
