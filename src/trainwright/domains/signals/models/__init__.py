"""Encoders of recordings: from `(b, columns, channels, time)` to tokens; and their networks, as blocks. This table imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwright.config.elsewhere import found_later
from trainwright.config.part import Part

if TYPE_CHECKING:
    from trainwright.domains.signals.models.ast import AST as AST
    from trainwright.domains.signals.models.convnext import ConvNeXt1d as ConvNeXt1d
    from trainwright.domains.signals.models.inception import FCN1d as FCN1d
    from trainwright.domains.signals.models.inception import InceptionTime as InceptionTime
    from trainwright.domains.signals.models.resnet import ResNet1d as ResNet1d
    from trainwright.domains.signals.models.resnet import XResNet1d as XResNet1d
    from trainwright.domains.signals.models.sequences import TCN as TCN
    from trainwright.domains.signals.models.sequences import PatchTransformer1d as PatchTransformer1d
    from trainwright.domains.signals.models.sequences import StateSpace as StateSpace

_HERE = "trainwright.domains.signals.models"


def _encoder(path: str, options: str, summary: str) -> Part:
    """An encoder of this package; its options are imported when they are first asked for."""
    return Part(f"{_HERE}.{path}", f"{_HERE}.options:{options}", summary)


PARTS: dict[str, Part] = {
    "xresnet1d": _encoder("encoders:xresnet1d", "XResNet1dOptions", "residual network of the PTB-XL benchmark, 18 to 101 layers"),
    "resnet1d": _encoder("encoders:resnet1d", "ResNet1dOptions", "residual network over time, 18 to 50 layers"),
    "se_resnet1d": _encoder("encoders:resnet1d", "SEResNet1dOptions", "residual network with squeeze-and-excitation"),
    "resnet1d_wang": _encoder("encoders:resnet1d", "WangResNet1dOptions", "three wide residual blocks (Wang et al. 2017)"),
    "small_resnet1d": _encoder(
        "encoders:resnet1d", "SmallResNet1dOptions", "three small residual blocks, for few recordings or short ones"
    ),
    "fcn_wang": _encoder("encoders:fcn_wang", "WangFCNOptions", "three convolutions (Wang et al. 2017)"),
    "inception_time": _encoder(
        "encoders:inception_time", "InceptionTimeOptions", "filters of three lengths side by side (Fawaz et al. 2020)"
    ),
    "inception1d": _encoder("encoders:inception_time", "Inception1dOptions", "the same with the head of the PTB-XL benchmark"),
    "convnext1d": _encoder("encoders:convnext1d", "ConvNeXt1dOptions", "ConvNeXt over time"),
    "tcn": _encoder("encoders:tcn", "TCNOptions", "dilated causal convolutions (WaveNet, TCN)"),
    "patch_transformer1d": _encoder(
        "encoders:patch_transformer1d", "PatchTransformer1dOptions", "a transformer of pieces of the recording"
    ),
    "state_space": _encoder("encoders:state_space", "StateSpaceOptions", "selective state spaces over pieces of the recording"),
    "spectrogram_conv": _encoder("spectrogram:spectrogram_conv", "SpectrogramConvOptions", "convolutions over a spectrogram"),
    "crnn": _encoder("spectrogram:crnn", "CRNNOptions", "convolutions over a spectrogram, then a recurrent layer"),
    "ast": _encoder("ast_encoder:ast", "ASTOptions", "Audio Spectrogram Transformer"),
    "wav2vec2": _encoder("wav2vec2:wav2vec2", "Wav2Vec2Options", "wav2vec 2.0 of Hugging Face, over a waveform of 16 kHz"),
}


def _block(file: str, name: str, summary: str) -> Part:
    """A network of this package as a block, with the options of its own that it shares with its encoder."""
    return Part(f"{_HERE}.{file}:{name}", f"{_HERE}.block_options:{name}Options", summary)


BLOCKS: dict[str, Part] = {
    "xresnet1d": _block("resnet", "XResNet1d", "residual network of the PTB-XL benchmark, without its head"),
    "resnet1d": _block("resnet", "ResNet1d", "residual network over time, without its head"),
    "fcn1d": _block("inception", "FCN1d", "convolutions that keep the length (Wang et al. 2017)"),
    "inception_time": _block("inception", "InceptionTime", "filters of three lengths side by side (Fawaz et al. 2020)"),
    "convnext1d": _block("convnext", "ConvNeXt1d", "ConvNeXt over time"),
    "tcn": _block("sequences", "TCN", "dilated causal convolutions (WaveNet, TCN)"),
    "patch_transformer1d": _block("sequences", "PatchTransformer1d", "a transformer of pieces of a recording"),
    "state_space": _block("sequences", "StateSpace", "selective state spaces over pieces of a recording"),
}
"""Networks over `[b, channels, time]`: nodes of graphs, and modules."""

_CLASSES = {part.path.partition(":")[2]: part.path.partition(":")[0] for part in BLOCKS.values()} | {"AST": f"{_HERE}.ast"}
__getattr__ = found_later(__name__, _CLASSES)
