"""Parts for parts.yaml: discs of a few colours learn to be a face, seen in small views, guided by something that is not trained.

This is how threestudio's systems are built: a geometry with a material in it, a background, a guidance, and a system that renders and
compares.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

import trainwright as tw

SIDE = 16  # pixels of a view


@tw.register("palette")
class Palette(tw.BaseModule):
    """A material: mixtures of a few colours."""

    class Config(tw.BaseModule.Config):
        colours: int = 4

    def configure(self) -> None:
        self.colours = nn.Parameter(torch.randn(self.cfg.colours, 3))

    def forward(self, mixture: Tensor) -> Tensor:
        """Logits of a mixture (k, colours) → colours (k, 3), 0 to 1."""
        return mixture.softmax(-1) @ self.colours.sigmoid()


@tw.register("discs")
class Discs(tw.BaseModule):
    """A geometry: soft discs over each other, each with its place, size, colour and strength."""

    class Config(tw.BaseModule.Config):
        count: int = 40
        radius: float = 0.2
        material: tw.Part = "palette"

    def configure(self) -> None:
        count = self.cfg.count
        self.material = tw.make(self.cfg.material)
        self.place = nn.Parameter(torch.rand(count, 2) * 2 - 1)
        self.size = nn.Parameter(torch.full((count,), self.cfg.radius).log())
        self.mixture = nn.Parameter(torch.randn(count, self.material.cfg.colours))
        self.strength = nn.Parameter(torch.zeros(count))

    def forward(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Points (n, 2) → colours (n, 3) and how much of them covers what is behind (n, 1)."""
        apart = (points.unsqueeze(1) - self.place).square().sum(-1) / (2 * self.size).exp()
        near = self.strength.exp() * (-apart.square()).exp()
        total = near.sum(1, keepdim=True)
        return near @ self.material(self.mixture) / (total + 1e-6), 1 - (-total).exp()


@tw.register("mirrored")
class Mirrored:
    """A mixin for any geometry: the left is as the right."""

    def forward(self, points: Tensor) -> tuple[Tensor, Tensor]:
        return super().forward(torch.stack([points[:, 0].abs(), points[:, 1]], dim=1))  # type: ignore[misc]


@tw.register("flat")
class Flat(tw.BaseModule):
    """A background of one colour, which is learned."""

    class Config(tw.BaseModule.Config):
        colour: list[float] = [0.0, 0.0, 0.0]

    def configure(self) -> None:
        self.colour = nn.Parameter(torch.tensor(self.cfg.colour))


@tw.register("face")
class Face(tw.BaseObject):
    """A guidance: knows what should be seen where. A BaseObject is neither trained nor saved; a large frozen model would be one too."""

    class Config(tw.ConfigModel):
        softness: tw.Scheduled = tw.Scheduled.parse(0.05)
        """Width of its edges."""

    def configure(self) -> None:
        self.softness = self.cfg.softness.value(0, 0.0)

    def update_step(self, context: tw.StepContext) -> None:
        self.softness = self.cfg.softness.value(context.step, context.epoch)

    def seen(self, points: Tensor, softness: float) -> Tensor:
        """The colours (n, 3) of a smiling face at points (n, 2)."""
        x, y = points[:, 0].abs(), points[:, 1]
        eye = torch.hypot(x - 0.3, y + 0.25) - 0.12
        mouth = ((torch.hypot(x, y - 0.05) - 0.45).abs() - 0.07).maximum(0.15 - y)
        picture = torch.tensor([0.15, 0.3, 0.6]).expand(len(points), 3)
        for edge, colour in ((torch.hypot(x, y) - 0.85, [1.0, 0.8, 0.2]), (torch.minimum(eye, mouth), [0.2, 0.1, 0.1])):
            share = torch.sigmoid(-edge / softness * 2).unsqueeze(1)
            picture = share * torch.tensor(colour) + (1 - share) * picture
        return picture


class Painter(tw.System):
    """Renders views of the geometry before the background and compares them with what the guidance says."""

    class Config(tw.System.Config):
        geometry: tw.Part = "discs"
        background: tw.Part = "flat"
        guidance: tw.Part = "face"

    monitor = "mse"

    def build(self, spec: Any) -> None:
        # Parts that follow the run are found by being assigned: each gets `update_step` before every step.
        self.geometry = tw.make(self.cfg.geometry)
        self.background = tw.make(self.cfg.background)
        self.guidance = tw.make(self.cfg.guidance)

    def points(self, batch: dict[str, Tensor], side: int) -> Tensor:
        """Where the pixels of views are (b·side², 2)."""
        line = torch.linspace(-1, 1, side)
        grid = torch.stack(torch.meshgrid(line, line, indexing="xy"), dim=-1).flatten(0, 1)
        return (batch["centre"].unsqueeze(1) + batch["zoom"].unsqueeze(1) * grid).flatten(0, 1)

    def forward(self, points: Tensor) -> Tensor:
        """Colours (n, 3) at points (n, 2)."""
        colour, covered = self.geometry(points)
        return covered * colour + (1 - covered) * self.background.colour

    def training_step(self, batch: dict[str, Tensor], context: tw.StepContext) -> dict[str, Tensor]:
        points = self.points(batch, SIDE)
        off = (self(points) - self.guidance.seen(points, self.guidance.softness)).square().mean()
        return {"guidance": off, "sparsity": self.geometry.strength.exp().sum()}  # weighted by lambda_guidance, lambda_sparsity

    def pictures(self, batch: dict[str, Tensor], side: int) -> tuple[Tensor, Tensor]:
        """What is painted and what should be (each b, side, side, 3)."""
        points, shape = self.points(batch, side), (len(batch["centre"]), side, side, 3)
        return self(points).reshape(shape), self.guidance.seen(points, 0.02).reshape(shape)

    def evaluation_step(self, batch: dict[str, Tensor], context: tw.StepContext) -> dict[str, Tensor]:
        painted, wanted = self.pictures(batch, 2 * SIDE)
        return {"mse": (painted - wanted).square().mean((1, 2, 3))}


class Filmed:
    """A mixin for the painter: each validation saves a picture, and the test makes a film of them, in the run's `media/`."""

    def validation_step(self: Any, batch: dict[str, Tensor], context: tw.StepContext) -> dict[str, Tensor]:
        painted, wanted = self.pictures(batch, 64)
        row = [{"type": "rgb", "img": each[0].clamp(0, 1), "kwargs": {"data_range": (0, 1)}} for each in (painted, wanted)]
        self.media.save_image_grid(f"steps/{context.step}.png", [row], texts=[f"step {context.step}"])
        return self.evaluation_step(batch, context)

    def test_step(self: Any, batch: dict[str, Tensor], context: tw.StepContext) -> dict[str, Tensor]:
        self.media.save_img_sequence("film.gif", "steps", r"(\d+)\.png", fps=2)
        return self.evaluation_step(batch, context)


class Views:
    """Data: random small views to train on, and the whole picture to validate and test."""

    def __init__(self, rows: int = 1000, zoom: float = 0.4) -> None:
        generator = torch.Generator().manual_seed(0)
        centre = torch.rand(rows, 2, generator=generator) * 2 - 1
        self.train = {"centre": centre, "zoom": torch.full((rows, 1), zoom)}
        self.validation = self.test = {"centre": torch.zeros(1, 2), "zoom": torch.ones(1, 1)}
