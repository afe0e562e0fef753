"""The encoders of waveforms by name: each a network of this package, pooled."""

from __future__ import annotations

from trainwright.domains.signals.models import options as of
from trainwright.domains.signals.models.convnext import ConvNeXt1d
from trainwright.domains.signals.models.encoder import RecordingEncoder, waveform_encoder
from trainwright.domains.signals.models.inception import FCN1d, InceptionTime
from trainwright.domains.signals.models.resnet import ResNet1d, XResNet1d
from trainwright.domains.signals.models.sequences import TCN, PatchTransformer1d, StateSpace
from trainwright.features.spec import InputGroup


def xresnet1d(options: of.XResNet1dOptions, group: InputGroup) -> RecordingEncoder:
    """A residual network with mean-pool shortcuts."""
    return waveform_encoder(options, group, XResNet1d)


def resnet1d(options: of.ResNet1dOptions, group: InputGroup) -> RecordingEncoder:
    """A residual network, of any of its options."""
    return waveform_encoder(options, group, ResNet1d)


def fcn_wang(options: of.WangFCNOptions, group: InputGroup) -> RecordingEncoder:
    """Three convolutions."""
    return waveform_encoder(options, group, FCN1d)


def inception_time(options: of.InceptionTimeOptions, group: InputGroup) -> RecordingEncoder:
    """Filters of three lengths side by side."""
    return waveform_encoder(options, group, InceptionTime)


def convnext1d(options: of.ConvNeXt1dOptions, group: InputGroup) -> RecordingEncoder:
    """ConvNeXt over time."""
    return waveform_encoder(options, group, ConvNeXt1d)


def tcn(options: of.TCNOptions, group: InputGroup) -> RecordingEncoder:
    """Dilated causal convolutions."""
    return waveform_encoder(options, group, TCN)


def patch_transformer1d(options: of.PatchTransformer1dOptions, group: InputGroup) -> RecordingEncoder:
    """A transformer of pieces."""
    return waveform_encoder(options, group, PatchTransformer1d)


def state_space(options: of.StateSpaceOptions, group: InputGroup) -> RecordingEncoder:
    """Selective state spaces."""
    return waveform_encoder(options, group, StateSpace)
