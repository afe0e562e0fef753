"""Pictures flipped, scaled, rotated, stretched and moved, and nine numbers that say how (Karras et al. 2022, appendix F.2)."""

from __future__ import annotations

from functools import reduce
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trainwright.config.errors import ConfigError
from trainwright.domains.diffusion.augment.options import AugmentOptions
from trainwright.domains.diffusion.augment.warp import angle, normal, rotate, stretch, translate, warp
from trainwright.domains.diffusion.coefficients import widest

CONDITIONS = 9
"""Numbers that say how a picture was augmented: all 0 where it was not."""


class KarrasAugmentation:
    """Augments pictures `(b, c, h, w)` by uniform numbers `(b, draws)` of each row; the nine conditions `(b, 9)` come beside them."""

    draws = 13
    """Uniform numbers that a picture takes."""

    def __init__(self, options: AugmentOptions | None = None) -> None:
        self.options = options or AugmentOptions()

    def __call__(self, x: Float[Tensor, "b ..."], uniform: Float[Tensor, "b draws"]) -> tuple[Tensor, Float[Tensor, "b 9"]]:
        """The augmented pictures, and [flip x, flip y, scale, cos − 1, sin, stretch·cos, stretch·sin, move x, move y].

        Raises ConfigError for samples that are no pictures.
        """
        if x.ndim != 4:
            why = f"the samples have the shape {tuple(x.shape[1:])}"
            raise ConfigError("augment is for pictures alone", why=why, fix="leave augment out")
        drawn = self.draw(uniform.to(device=x.device, dtype=widest(x.device)))
        conditions = conditions_of(*drawn).to(x.dtype)
        return warp(x, self.inverse(x.shape[3], x.shape[2], drawn)), conditions

    def draw(self, u: Float[Tensor, "b draws"]) -> list[Tensor]:
        """a0 to a7 of the paper, each `(b,)`: flips, ln scale, angle, axis and ln stretch, moves; 0 where nothing is done."""
        numbers = u.unbind(1)
        flip_y, scale, turn, stretched, moved = ((numbers[i] < self.options.probability).to(u.dtype) for i in (1, 3, 5, 7, 10))
        return [
            (numbers[0] < self.options.flip).to(u.dtype),
            flip_y * (numbers[2] < 0.5),
            scale * normal(numbers[4]),
            turn * angle(numbers[6]),
            stretched * angle(numbers[8]),
            stretched * normal(numbers[9]),
            moved * normal(numbers[11]),
            moved * normal(numbers[12]),
        ]

    def inverse(self, width: int, height: int, drawn: list[Tensor]) -> Float[Tensor, "b 3 3"]:
        """Where each pixel of the result comes from: the inverses of all steps, the last step first."""
        flip_x, flip_y, scale, turn, axis, stretched, move_x, move_y = drawn
        middle = [torch.full_like(flip_x, (side - 1) / 2) for side in (width, height)]
        share = self.options.translation
        factor, ratio = self.options.scale**-scale, self.options.anisotropy**-stretched
        steps = [
            stretch(1 - 2 * flip_x, 1 - 2 * flip_y),
            stretch(factor, factor),
            rotate(turn),
            rotate(axis) @ stretch(ratio, 1 / ratio) @ rotate(-axis),
            translate(-share * width * move_x, -share * height * move_y),
        ]
        # Forwards: to the middle · flip · scale · turn · stretch · move · back, and so backwards from the move to the flip.
        return reduce(torch.matmul, [translate(*middle), *reversed(steps), translate(-middle[0], -middle[1])])


def conditions_of(
    flip_x: Tensor, flip_y: Tensor, scale: Tensor, turn: Tensor, axis: Tensor, stretched: Tensor, move_x: Tensor, move_y: Tensor
) -> Float[Tensor, "b 9"]:
    """The nine numbers that a network is told, in the order of k-diffusion."""
    turned, along = [turn.cos() - 1, turn.sin()], [stretched * axis.cos(), stretched * axis.sin()]
    return torch.stack([flip_x, flip_y, scale, *turned, *along, move_x, move_y], dim=1)


class KarrasAugmentationPipeline:
    """A transform of one picture of Pillow: (augmented, original, nine conditions), pictures `(c, h, w)` from −1 to 1.

    After k-diffusion's class of the same name, whose translation mixed up the sides of pictures that are not square.
    """

    def __init__(self, a_prob: float = 0.12, a_scale: float = 2**0.2, a_aniso: float = 2**0.2, a_trans: float = 1 / 8) -> None:
        options = {"probability": a_prob, "scale": a_scale, "anisotropy": a_aniso, "translation": a_trans}
        self.augmentation = KarrasAugmentation(AugmentOptions.model_validate({name: float(value) for name, value in options.items()}))

    def __call__(self, image: Any) -> tuple[Tensor, Tensor, Tensor]:
        import numpy as np

        pixels = torch.from_numpy(np.array(image, dtype=np.float32))
        pixels = pixels.unsqueeze(-1) if pixels.ndim == 2 else pixels
        original = pixels.movedim(-1, 0) / 127.5 - 1
        augmented, conditions = self.augmentation(original.unsqueeze(0), torch.rand(1, KarrasAugmentation.draws, dtype=torch.float64))
        return augmented[0], original, conditions[0]


class KarrasAugmentWrapper(nn.Module):
    """A denoiser whose network is told the nine conditions at the head of `mapping_cond`; without them nothing was augmented.

    After k-diffusion's class of the same name, for networks that know no `aug_cond`.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.inner_model = model

    def forward(
        self,
        input: Float[Tensor, "b ..."],
        sigma: Float[Tensor, " b"],
        aug_cond: Float[Tensor, "b 9"] | None = None,
        mapping_cond: Float[Tensor, "b m"] | None = None,
        **conditions: Any,
    ) -> Tensor:
        """What the model gives."""
        aug_cond = input.new_zeros(len(input), CONDITIONS) if aug_cond is None else aug_cond
        mapping_cond = aug_cond if mapping_cond is None else torch.cat([aug_cond, mapping_cond], dim=1)
        found: Tensor = self.inner_model(input, sigma, mapping_cond=mapping_cond, **conditions)
        return found
