"""Options of networks for recordings as blocks, which take `[b, channels, time]`. Imports no torch."""

from __future__ import annotations

from pydantic import Field

from trainwright.config.model import PartConfig
from trainwright.domains.signals.models import fields


class _Channels(PartConfig):
    """What all have."""

    type: str
    channels: int = Field(ge=1)
    """Channels of the input, such as leads."""


class XResNet1dOptions(fields.XResNetFields, _Channels):
    """`[b, channels, t]` → `[b, width, t / 32]`: a residual network with mean-pool shortcuts."""

    type: str = "xresnet1d"


class ResNet1dOptions(fields.ResNetFields, _Channels):
    """`[b, channels, t]` → `[b, width, t / 32]`: a residual network."""

    type: str = "resnet1d"


class FCN1dOptions(fields.FCNFields, _Channels):
    """`[b, channels, t]` → `[b, width, t]`: three convolutions."""

    type: str = "fcn1d"


class InceptionTimeOptions(fields.InceptionFields, _Channels):
    """`[b, channels, t]` → `[b, 4 · filters, t]`: filters of three lengths side by side."""

    type: str = "inception_time"


class ConvNeXt1dOptions(fields.ConvNeXtFields, _Channels):
    """`[b, channels, t]` → `[b, width, t / 32]`: ConvNeXt."""

    type: str = "convnext1d"


class TCNOptions(fields.TCNFields, _Channels):
    """`[b, channels, t]` → `[b, width, t / stride]`: dilated causal convolutions."""

    type: str = "tcn"


class PatchTransformer1dOptions(fields.PatchTransformerFields, _Channels):
    """`[b, channels, t]` → `[b, width, pieces]`: a transformer of pieces."""

    type: str = "patch_transformer1d"


class StateSpaceOptions(fields.StateSpaceFields, _Channels):
    """`[b, channels, t]` → `[b, width, pieces]`: selective state spaces."""

    type: str = "state_space"
