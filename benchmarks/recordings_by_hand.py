"""Forwards of networks over recordings as one writes them by hand, from the layers of ours; see `blocks`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainwright.config.choice import choose
from trainwright.features.spec import InputGroup
from trainwright.systems.parts import make_encoder

Forward = Callable[..., Tensor]


class Encoder(nn.Module):
    """An encoder of recordings of one shape, as a module of a tensor `[b, 1, …]`."""

    def __init__(self, name: str, shape: tuple[int, ...], **options: Any) -> None:
        super().__init__()
        group = InputGroup("x", "signal", ["x"], None, {"value": (1, *shape)}, time_last=True)
        self.encoder = make_encoder(choose("encoder", {"type": name, **options}), group)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.encoder({"value": x})
        return found


def _pooled(x: Tensor, head: Any) -> Tensor:
    x = torch.cat([F.adaptive_max_pool1d(x, 1).squeeze(2), x.mean(2)], dim=1)
    return (x if head is None else head(x)).unsqueeze(1)


def _stage(blocks: Any, x: Tensor, bottleneck: bool) -> Tensor:
    for b in blocks:
        h = F.relu(b.bn1(b.conv1(x)))
        h = b.bn2(b.conv2(h))
        if bottleneck:
            h = b.bn3(b.conv3(F.relu(h)))
        x = F.relu(h + b.downsample(x))
    return x


def xresnet1d(module: Any) -> Forward:
    """As in the benchmark of PTB-XL: stem, maximum, four stages, pools and head."""
    net, head = module.encoder.network, module.encoder.head

    def forward(x: Tensor) -> Tensor:
        h = net.pool(net.stem3(net.stem2(net.stem1(x[:, 0]))))
        for stage in (net.stage1, net.stage2, net.stage3, net.stage4):
            h = _stage(stage, h, True)
        return _pooled(h, head)

    return forward


def small_resnet1d(module: Any) -> Forward:
    """A convolution, three residual blocks and pools."""
    net = module.encoder.network

    def forward(x: Tensor) -> Tensor:
        h = net.stem(x[:, 0])
        for stage in (net.stage1, net.stage2, net.stage3):
            h = _stage(stage, h, False)
        return _pooled(h, None)

    return forward


def inception1d(module: Any) -> Forward:
    """As in the benchmark of PTB-XL."""
    net, head = module.encoder.network, module.encoder.head

    def forward(x: Tensor) -> Tensor:
        h = before = x[:, 0]
        for number, b in enumerate(net.blocks):
            narrow = b.bottleneck(h)
            h = b.norm(torch.cat([b.convs[0](narrow), b.convs[1](narrow), b.convs[2](narrow), b.pool(h)], dim=1))
            if number % 3 == 2:
                h = before = F.relu(h + net.shortcuts[number // 3](before))
        return _pooled(h, head)

    return forward


def crnn(module: Any) -> Forward:
    """Convolutions, a GRU, and the maximum and mean of its states."""
    net = module.encoder.network

    def forward(x: Tensor) -> Tensor:
        h = net.layers(x[:, 0])
        h, _ = net.rnn(h.flatten(1, 2).transpose(1, 2))
        return _pooled(h.transpose(1, 2), None)

    return forward


def ast(module: Any) -> Forward:
    """As in timm and the AST repository."""
    net = module.encoder.network

    def forward(x: Tensor) -> Tensor:
        h = net.patch_embed.proj(x[:, 0]).flatten(2).transpose(1, 2)
        front = torch.cat([net.cls_token, net.dist_token], 1).expand(len(x), -1, -1)
        h = torch.cat([front, h], dim=1) + net.pos_embed
        for b in net.stack.blocks:
            rows, tokens, width = h.shape
            qkv = b.attention.into(b.norm_attention(h)).reshape(rows, tokens, 3, b.attention.heads, -1).permute(2, 0, 3, 1, 4)
            y = F.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2]).transpose(1, 2).reshape(rows, tokens, width)
            h = h + b.attention.out(y)
            h = h + b.feed_forward.out(F.gelu(b.feed_forward.into(b.norm_feed_forward(h))))
        h = net.stack.norm(h)
        return net.norm((h[:, 0] + h[:, 1]) / 2).unsqueeze(1)

    return forward
