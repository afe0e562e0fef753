"""Every encoder, combiner, decoder and type of column that Trainwright has, as a module that is traced, for the table of what exports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from trainwright.config.choice import choose
from trainwright.domains.deliverable import ROWS, Deliverable, Given
from trainwright.features.spec import InputGroup
from trainwright.systems.parts import make_encoder

STEPS = "steps"
EDGES = [float(each) for each in range(-24, 25)]


@dataclass
class Case:
    """A part under options, and the group of columns that it reads."""

    part: str
    group: InputGroup
    options: dict[str, Any] = field(default_factory=dict)
    differs: bool = False
    """Whether rows differ in length inside the network."""
    needs: str = ""
    """A package that is not there everywhere."""


def numbers() -> InputGroup:
    return InputGroup("number", "number", ["a", "b", "c"], None, {"value": (3,), "missing": (3,)}, extras={"quantiles": [EDGES] * 3})


def categories() -> InputGroup:
    return InputGroup("category", "category", ["a", "b"], None, {"index": (2,)}, sizes=[3, 5])


def bag() -> InputGroup:
    return InputGroup("set", "set", ["tags"], None, {"value": (1, 6), "missing": (1,)}, sizes=[6])


def tokens() -> InputGroup:
    return InputGroup("text", "text", ["words"], None, {"tokens": (1, 12), "length": (1,)}, sizes=[11])


def recordings(leads: int = 2, time: int = 251, differ: bool = False, missing: bool = False) -> InputGroup:
    parts: dict[str, tuple[int, ...]] = {"value": (1, leads, time)} | ({"length": (1,)} if differ else {})
    parts |= {"missing": (1,)} if missing else {}
    return InputGroup("signal", "signal", ["wave"], None, parts, extras={"rate": 100.0}, time_last=True)


def spectrograms(mels: int = 32, frames: int = 61, differ: bool = False) -> InputGroup:
    parts: dict[str, tuple[int, ...]] = {"value": (1, 1, mels, frames)} | ({"length": (1,)} if differ else {})
    return InputGroup("audio", "audio", ["sound"], None, parts, extras={"rate": 16000.0}, time_last=True)


def pictures(side: int = 32) -> InputGroup:
    return InputGroup("image", "image", ["photo"], None, {"value": (1, 3, side, side), "missing": (1,)})


WAVES = {
    "xresnet1d": {"depth": 18},
    "resnet1d": {"depth": 18},
    "se_resnet1d": {"depth": 18},
    "resnet1d_wang": {},
    "small_resnet1d": {},
    "fcn_wang": {},
    "inception_time": {},
    "inception1d": {},
    "convnext1d": {},
    "tcn": {},
    "patch_transformer1d": {},
    "state_space": {},
}
CASES = {
    "passthrough": Case("passthrough", numbers()),
    "dense": Case("dense", numbers(), {"width": 8}),
    "one_hot": Case("one_hot", categories()),
    "embedding": Case("embedding", categories()),
    "piecewise_linear": Case("piecewise_linear", numbers()),
    "periodic": Case("periodic", numbers()),
    "embedding_bag": Case("embedding_bag", bag()),
    "pooled": Case("pooled", tokens(), {"width": 8}, differs=True),
    "rnn": Case("rnn", tokens(), {"width": 8, "cell": "lstm", "bidirectional": True}, differs=True),
    "transformer": Case("transformer", tokens(), {"width": 8, "heads": 2, "depth": 1, "pooling": "attention"}, differs=True),
    "conv": Case("conv", tokens(), {"width": 8}, differs=True),
    **{name: Case(name, recordings(missing=True), options) for name, options in WAVES.items()},
    **{f"{name}, lengths": Case(name, recordings(differ=True), options, differs=True) for name, options in WAVES.items()},
    **{f"{name}": Case(name, spectrograms()) for name in ("spectrogram_conv", "crnn")},
    **{f"{name}, lengths": Case(name, spectrograms(differ=True), differs=True) for name in ("spectrogram_conv", "crnn")},
    "ast": Case("ast", spectrograms(128, 101), {"depth": 1}),
    "wav2vec2": Case("wav2vec2", recordings(1, 4001), needs="transformers"),
    "small_cnn": Case("small_cnn", pictures()),
    "image_resnet": Case("image_resnet", pictures(), {"depth": 18}),
    "image_convnext": Case("image_convnext", pictures(64)),
    "vit": Case("vit", pictures(), {"width": 32, "depth": 1, "heads": 2, "patch": 8}),
    "timm": Case("timm/resnet18", pictures(64), needs="timm"),
    "torchvision": Case("torchvision/resnet18", pictures(64), needs="torchvision"),
}


class EncoderDeliverable(Deliverable):
    """An encoder over the parts of its group, of any number of rows, and of any length where rows differ in it."""

    def __init__(self, case: Case) -> None:
        torch.manual_seed(0)
        self.case, self.outputs = case, []
        self.module = Parts(make_encoder(choose("encoder", {"type": case.part, **case.options}), case.group)).eval()
        unsettle(self.module)
        self.time = -1 if case.group.time_last else 1
        self.usual: Mapping[str, int] = {STEPS: self._steps()} if case.differs else {}
        self.inputs = [
            Given(name, name, str(each.dtype).removeprefix("torch."), self._axes(name, each)) for name, each in self.draw(2).items()
        ]

    def _steps(self) -> int:
        return int(self.case.group.parts[self._part()][self.time])

    def _part(self) -> str:
        return "tokens" if "tokens" in self.case.group.parts else "value"

    def _axes(self, name: str, each: Tensor) -> tuple[int | str, ...]:
        axes: list[int | str] = [ROWS, *each.shape[1:]]
        if self.case.differs and name == self._part():
            axes[-1 if self.time == -1 else 2] = STEPS
        return tuple(axes)

    def draw(self, rows: int, steps: int = 0, seed: int = 0) -> dict[str, Tensor]:
        """Rows of random values, as long as this where they differ."""
        group, generator = self.case.group, torch.Generator().manual_seed(seed)
        found: dict[str, Tensor] = {}
        for part, shape in group.parts.items():
            size = list(shape)
            if part == self._part() and self.case.differs and steps:
                size[self.time] = steps
            if part == "index":
                found[part] = torch.stack([torch.randint(0, each, (rows,), generator=generator) for each in group.sizes], dim=1)
            elif part == "tokens":
                found[part] = torch.randint(1, group.sizes[0], (rows, *size), generator=generator)
            elif part == "length":
                most = steps or self._steps()
                found[part] = torch.randint(max(most // 2, 1), most + 1, (rows, *size), generator=generator)
                found[part][0] = most
            elif part == "missing":
                found[part] = torch.randint(0, 2, (rows, *size), generator=generator).float()
            else:
                found[part] = torch.randn(rows, *size, generator=generator)
        return found

    def example_of(self, sizes: Mapping[str, int]) -> dict[str, Tensor]:
        return self.draw(sizes[ROWS], sizes.get(STEPS, 0))

    def read(self, rows: Any) -> Any:
        return rows

    def columns(self, outputs: Any) -> Any:
        return outputs


class Parts(nn.Module):
    """An encoder as a module of tensors by name."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, parts: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"y": self.encoder(parts)}


def unsettle(module: nn.Module) -> None:
    """Move every weight a little, so that none is 0 by how it begins, and batch norms have statistics."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for each in module.parameters():
            each.add_(torch.randn(each.shape, generator=generator) * 0.05)
        for name, buffer in module.named_buffers():
            if name.endswith("running_mean"):
                buffer.copy_(torch.randn(buffer.shape, generator=generator) * 0.1)
