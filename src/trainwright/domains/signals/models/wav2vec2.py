"""wav2vec 2.0 of Hugging Face as an encoder (Baevski et al. 2020): from a folder on this machine, or a configuration alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from trainwright.config.errors import ConfigError, RequestError
from trainwright.config.trust import is_reading
from trainwright.domains.signals.models.encoder import RecordingEncoder
from trainwright.domains.signals.models.options import Wav2Vec2Options
from trainwright.domains.signals.models.padded import Kept, blank
from trainwright.domains.signals.models.recordings import WAVEFORM, shape_of
from trainwright.features.spec import InputGroup

RATE = 16_000
"""Hz of the recordings that the published models were trained on."""


class Wav2Vec2(nn.Module):
    """`[b, 1, t]` → `[b, hidden, t / 320]`; each recording is brought to mean 0 and deviation 1 first, where asked."""

    def __init__(self, model: nn.Module, normalise: bool) -> None:
        super().__init__()
        self.model, self.normalise = model, normalise
        self.width = int(model.config.hidden_size)  # type: ignore[union-attr, arg-type]

    def forward(self, x: Float[Tensor, "b 1 t"]) -> Float[Tensor, "b w u"]:
        wave = x[:, 0]
        if self.normalise:
            wave = (wave - wave.mean(1, keepdim=True)) / torch.sqrt(wave.var(1, keepdim=True, unbiased=False) + 1e-7)
        found: Tensor = self.model(wave).last_hidden_state
        return found.transpose(1, 2)

    def forward_padded(self, x: Tensor, keep: Tensor) -> Kept:
        """The same with what is beyond each recording's end masked, as the published models do it."""
        wave = self._scaled(x[:, 0], keep) if self.normalise else blank(x, keep)[:, 0]
        lengths: Any = self.model._get_feat_extract_output_lengths(keep.sum(1))  # type: ignore[operator]
        found: Tensor = self.model(wave, attention_mask=keep.long()).last_hidden_state
        kept = torch.arange(found.shape[1], device=keep.device) < lengths.clamp_min(1).unsqueeze(1)
        return found.transpose(1, 2), kept

    @staticmethod
    def _scaled(wave: Float[Tensor, "b t"], keep: Bool[Tensor, "b t"]) -> Float[Tensor, "b t"]:
        count = keep.sum(1, keepdim=True).clamp_min(1)
        mean = (wave * keep).sum(1, keepdim=True) / count
        variance = ((wave - mean).square() * keep).sum(1, keepdim=True) / count
        return ((wave - mean) / torch.sqrt(variance + 1e-7)) * keep


def wav2vec2(options: Wav2Vec2Options, group: InputGroup) -> RecordingEncoder:
    """The encoder of a model of Hugging Face; raises ConfigError for weights that are not there, RequestError without transformers."""
    shape = shape_of(group, WAVEFORM, options.type)
    if shape[0] != 1:
        where, fix = f"columns.{group.columns[0]}.channel", "channel: mix makes one of them"
        raise ConfigError(f"'wav2vec2' reads one channel, and there are {shape[0]}", where=where, fix=fix)
    rate = group.extras.get("rate") or RATE
    if options.weights and rate != RATE:
        where, fix = f"columns.{group.columns[0]}.rate", f"resample: columns.{group.columns[0]}.rate={RATE}"
        raise ConfigError(f"the weights are of recordings of {RATE} Hz, and these have {rate:g}", where=where, fix=fix)
    network = Wav2Vec2(make_model(options), options.normalise)
    return RecordingEncoder(options, group, network, network.width, shape, folds=False)


def make_model(options: Wav2Vec2Options) -> nn.Module:
    """The model, with the weights of the folder unless it is made for those of a run."""
    transformers = _transformers()
    if not options.weights:
        made: nn.Module = transformers.Wav2Vec2Model(transformers.Wav2Vec2Config(**options.config))
        return made
    folder = Path(options.weights).expanduser()
    if is_reading() and options.config:
        model: nn.Module = transformers.Wav2Vec2Model(transformers.Wav2Vec2Config(**options.config))
    elif not (folder / "config.json").is_file():
        why, fix = "nothing is downloaded", "name a folder with config.json and model.safetensors, or leave weights out and give config"
        raise ConfigError(f"'{options.weights}' is no folder of a model", where="encoder.weights", why=why, fix=fix)
    else:
        model = transformers.Wav2Vec2Model.from_pretrained(folder, local_files_only=True, **options.config)
    if options.freeze_features:
        model.feature_extractor._freeze_parameters()  # type: ignore[operator, union-attr]
    return model


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        fix = "pip install 'trainwright[huggingface]'"
        raise RequestError("'wav2vec2' needs transformers, which is not installed", where="encoder", fix=fix) from error
    return transformers
