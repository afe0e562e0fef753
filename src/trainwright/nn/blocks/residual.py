"""The two blocks of residual networks (He et al. 2016a), also with norms before the convolutions (He et al. 2016b).

Layers are called as in torchvision, so that weights made there fit by name.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from trainwright.nn.blocks.drop_path import make_drop_path
from trainwright.nn.blocks.given import checked_by
from trainwright.nn.blocks.residual_options import BasicBlockOptions, BottleneckOptions
from trainwright.nn.blocks.spatial import batch_norm, convolution, mean_pool
from trainwright.nn.blocks.squeeze_excitation import SqueezeExcitation
from trainwright.nn.networks.activations import activation as activation_named


class BasicBlock(nn.Module):
    """`act(x + bn(conv(act(bn(conv(x))))))`, convolutions of `kernel` a side; x by a shortcut where shapes change."""

    @checked_by(BasicBlockOptions)
    def __init__(
        self,
        channels: int,
        out_channels: int | None = None,
        stride: int = 1,
        dims: int = 2,
        kernel: int = 3,
        dilation: int = 1,
        activation: str = "relu",
        preactivation: bool = False,
        shortcut: str = "conv",
        squeeze: int = 0,
        zero_last: bool = False,
        drop_path: float = 0.0,
        second_kernel: int | None = None,
    ) -> None:
        super().__init__()
        out = out_channels or channels
        self.conv1 = convolution(dims, channels, out, kernel, stride=stride, dilation=dilation, bias=False)
        self.bn1 = batch_norm(dims, channels if preactivation else out)
        self.conv2 = convolution(dims, out, out, second_kernel or kernel, dilation=dilation, bias=False)
        self.bn2 = batch_norm(dims, out)
        self.act = activation_named(activation)
        self.se = SqueezeExcitation(out, squeeze) if squeeze else nn.Identity()
        self.drop_path = make_drop_path(drop_path)
        self.downsample = make_shortcut(dims, channels, out, stride, shortcut, norm=not preactivation)
        self.preactivation = preactivation
        draw_convolutions(self)
        if zero_last:
            nn.init.zeros_(self.bn2.weight)

    def forward(self, x: Float[Tensor, "b c *space"]) -> Float[Tensor, "b o *fewer"]:
        if self.preactivation:
            return self._norms_first(x)
        h = self.act(self.bn1(self.conv1(x)))
        h = self.se(self.bn2(self.conv2(h)))
        return self.act(self.drop_path(h) + self.downsample(x))

    def _norms_first(self, x: Float[Tensor, "b c *space"]) -> Float[Tensor, "b o *fewer"]:
        h = self.act(self.bn1(x))
        shortcut = pass_on(self.downsample, x, h)
        h = self.conv1(h)
        h = self.se(self.conv2(self.act(self.bn2(h))))
        return self.drop_path(h) + shortcut


class Bottleneck(nn.Module):
    """1×1 to out / `expansion` channels, `kernel` a side with the stride, 1×1 to out channels, each with batch norm; then `act(x + …)`."""

    @checked_by(BottleneckOptions)
    def __init__(
        self,
        channels: int,
        out_channels: int | None = None,
        stride: int = 1,
        dims: int = 2,
        kernel: int = 3,
        dilation: int = 1,
        activation: str = "relu",
        preactivation: bool = False,
        shortcut: str = "conv",
        squeeze: int = 0,
        zero_last: bool = False,
        drop_path: float = 0.0,
        expansion: int = 4,
        groups: int = 1,
    ) -> None:
        super().__init__()
        out = out_channels or channels
        inner = out // expansion
        self.conv1 = convolution(dims, channels, inner, 1, bias=False)
        self.bn1 = batch_norm(dims, channels if preactivation else inner)
        self.conv2 = convolution(dims, inner, inner, kernel, stride=stride, dilation=dilation, groups=groups, bias=False)
        self.bn2 = batch_norm(dims, inner)
        self.conv3 = convolution(dims, inner, out, 1, bias=False)
        self.bn3 = batch_norm(dims, inner if preactivation else out)
        self.act = activation_named(activation)
        self.se = SqueezeExcitation(out, squeeze) if squeeze else nn.Identity()
        self.drop_path = make_drop_path(drop_path)
        self.downsample = make_shortcut(dims, channels, out, stride, shortcut, norm=not preactivation)
        self.preactivation = preactivation
        draw_convolutions(self)
        if zero_last:
            nn.init.zeros_(self.bn3.weight)

    def forward(self, x: Float[Tensor, "b c *space"]) -> Float[Tensor, "b o *fewer"]:
        if self.preactivation:
            return self._norms_first(x)
        h = self.act(self.bn1(self.conv1(x)))
        h = self.act(self.bn2(self.conv2(h)))
        h = self.se(self.bn3(self.conv3(h)))
        return self.act(self.drop_path(h) + self.downsample(x))

    def _norms_first(self, x: Float[Tensor, "b c *space"]) -> Float[Tensor, "b o *fewer"]:
        h = self.act(self.bn1(x))
        shortcut = pass_on(self.downsample, x, h)
        h = self.conv1(h)
        h = self.conv2(self.act(self.bn2(h)))
        h = self.se(self.conv3(self.act(self.bn3(h))))
        return self.drop_path(h) + shortcut


def make_shortcut(dims: int, channels: int, out: int, stride: int, kind: str, norm: bool) -> nn.Module:
    """The identity where shapes stay; else a 1×1 convolution with the stride (`conv`), or means over it, and one for channels (`pool`)."""
    if stride == 1 and channels == out:
        return nn.Identity()
    layers = [mean_pool(dims, stride)] if kind == "pool" and stride > 1 else []
    if layers and channels == out:
        return layers[0]
    layers.append(convolution(dims, channels, out, 1, stride=1 if layers else stride, bias=False))
    if norm:
        layers.append(batch_norm(dims, out))
    return nn.Sequential(*layers)


def pass_on(shortcut: nn.Module, x: Tensor, normed: Tensor) -> Tensor:
    """What is added where norms come first: x as it is, or, where shapes change, the shortcut of what the first norm made of it."""
    return x if isinstance(shortcut, nn.Identity) else shortcut(normed)


def draw_convolutions(block: nn.Module) -> None:
    """Weights of the convolutions as in He et al. 2015: normal, with variance 2 / (outputs · size of the filter)."""
    for each in block.modules():
        if isinstance(each, nn.Conv1d | nn.Conv2d | nn.Conv3d):
            nn.init.kaiming_normal_(each.weight, mode="fan_out", nonlinearity="relu")
