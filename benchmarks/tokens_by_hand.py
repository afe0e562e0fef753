"""Forwards of blocks over tokens as one writes them by hand, with the layers of the block; for `python -m benchmarks blocks`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from trainwright.nn.blocks.windows import keep_apart

Forward = Callable[..., Tensor]
TOKENS, SIDE = 128, 28


def transformer_block(block: Any) -> Forward:
    """A block of GPT's, ViT's or LLaMA's, as one writes it; turned by tables of cosines and sines that are there already."""
    norm1, into, out, norm2 = block.norm_attention, block.attention.into, block.attention.out, block.norm_feed_forward
    first, last, heads, shared = block.feed_forward.into, block.feed_forward.out, block.attention.heads, block.attention.kv_heads
    causal, gated, grouped = block.attention.causal, block.feed_forward.gated, heads != shared
    rotary, width = block.attention.positions, block.attention.head_width
    cos, sin = rotary(TOKENS, TOKENS)[:2] if rotary else (None, None)

    def turn(x: Tensor) -> Tensor:
        a, b = x.chunk(2, dim=-1)
        return x * cos + torch.cat((-b, a), dim=-1) * sin

    def forward(x: Tensor) -> Tensor:
        b, length, _ = x.shape
        q, k, v = into(norm1(x)).split((heads * width, shared * width, shared * width), dim=-1)
        q, k, v = (each.view(b, length, -1, width).transpose(1, 2) for each in (q, k, v))
        if cos is not None:
            q, k = turn(q), turn(k)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=grouped)
        x = x + out(y.transpose(1, 2).reshape(b, length, -1))
        h = first(norm2(x))
        if gated:
            value, gate = h.chunk(2, dim=-1)
            return x + last(value * F.silu(gate))
        return x + last(F.gelu(h))

    return forward


def swin_block(block: Any) -> Forward:
    """A block of Swin's, as its paper's code has it, with attention by torch's function; the mask of shifted windows is made before."""
    norm1, into, out, norm2 = block.norm_attention, block.attention.into, block.attention.out, block.norm_feed_forward
    first, last, heads, width = block.feed_forward.into, block.feed_forward.out, block.attention.heads, block.attention.head_width
    side, shift = block.attention.window[0], block.attention.window[0] // 2 if block.attention.shift else 0
    scores, near = block.attention.scores, block.attention.near
    apart = keep_apart((SIDE, SIDE), (side, side), (shift, shift), scores.device)

    def forward(x: Tensor) -> Tensor:
        b, height, breadth, channels = x.shape
        y = norm1(x)
        y = torch.roll(y, (-shift, -shift), (1, 2)) if shift else y
        y = y.view(b, height // side, side, breadth // side, side, channels).permute(0, 1, 3, 2, 4, 5).reshape(-1, side * side, channels)
        q, k, v = into(y).view(len(y), side * side, 3, heads, width).permute(2, 0, 3, 1, 4)
        if shift:
            q, k, v = (each.reshape(b, -1, side * side, width) for each in (q, k, v))
        mask = scores[near.flatten()].view(side * side, side * side, heads).permute(2, 0, 1)
        mask = (mask + apart).flatten(0, 1) if shift else mask
        y = F.scaled_dot_product_attention(q, k, v, mask[None]).reshape(-1, heads, side * side, width)
        y = out(y.transpose(1, 2).reshape(-1, side * side, channels))
        y = y.view(b, height // side, breadth // side, side, side, channels).permute(0, 1, 3, 2, 4, 5).reshape(x.shape)
        x = x + (torch.roll(y, (shift, shift), (1, 2)) if shift else y)
        return x + last(F.gelu(first(norm2(x))))

    return forward


def mamba(block: Any) -> Forward:
    """The definition, one step after the other."""

    def forward(x: Tensor) -> Tensor:
        u, gate = block.in_proj(x).transpose(1, 2).chunk(2, dim=1)
        u = F.silu(block.conv1d(F.pad(u, (block.kernel - 1, 0))))
        delta, b, c = block.x_proj(u.transpose(1, 2)).split((block.rank, block.state, block.state), dim=-1)
        delta = F.softplus(block.dt_proj(delta))
        a, state, found = -torch.exp(block.A_log), x.new_zeros(x.shape[0], block.inner, block.state), []
        for t in range(x.shape[1]):
            step = delta[:, t, :, None]
            state = torch.exp(step * a) * state + step * b[:, t, None] * u[:, :, t, None]
            found.append((state @ c[:, t, :, None])[..., 0])
        y = torch.stack(found, dim=2) + block.D[:, None] * u
        return block.out_proj((y * F.silu(gate)).transpose(1, 2))

    return forward
