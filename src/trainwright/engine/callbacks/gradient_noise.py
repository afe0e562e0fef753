"""The gradient-noise scale: how large a batch is worth its price, from the gradients a step computes anyway."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from trainwright.config.errors import ConfigError
from trainwright.engine.callbacks.base import Callback
from trainwright.engine.callbacks.options import GradientNoiseOptions
from trainwright.engine.callbacks.place import pieces_here, row_follows, rows_of_step
from trainwright.engine.system import Batch, Loss, System
from trainwright.metrics.base import wide

if TYPE_CHECKING:
    from trainwright.engine.session import Session


class GradientNoise(Callback):
    """Logs `gradient_noise/scale` = tr(Σ) / |G|² in items, and both parts (McCandlish et al. 2018, appendix A.1).

    tr(Σ) is the summed variance of one item's gradient, |G|² the squared norm of the true gradient; each is estimated without bias from
    the micro-batches of a step and averaged over steps before the division. NaN while the estimate of |G|² is not above zero.
    """

    def __init__(self, options: GradientNoiseOptions | None = None) -> None:
        self.options = options or GradientNoiseOptions()
        self.measured = 0
        self.means: Tensor | None = None
        """Running means of |G|² and tr(Σ), before the correction of their beginning at zero."""
        self._pieces: GradientNorms | None = None

    def setup(self, session: Session, system: System) -> None:
        """Raises ConfigError when a step is one piece, or its pieces are not added up here: there is then nothing to compare."""
        plan, ranks = session.plan, session.world_size
        if session.stage != "fit":
            return
        if session.parts.strategy.in_order:
            fix = "set trainer.strategy.reduce: fast, or leave the callback out"
            why = "with reduce: ordered each micro-batch begins with no gradient, and leaves none"
            raise ConfigError("the gradient noise cannot be measured", where="trainer.callbacks.gradient_noise", why=why, fix=fix)
        if pieces_here(session, plan.batch_size)[1] < 2:
            least = max(plan.batch_size // (2 * ranks), 1)
            fix = f"set trainer.micro_batch_size: {least}" if plan.batch_size > ranks else "use larger batches"
            step = "a step" if ranks == 1 else "what rank 0 has of a step"
            why = f"it compares the micro-batches of a step, and here {step} is one micro-batch"
            raise ConfigError("the gradient noise cannot be measured", where="trainer.callbacks.gradient_noise", why=why, fix=fix)

    def on_train_batch_start(self, session: Session, system: System, batch: Batch, index: int) -> None:
        """Measure this step, if it is its turn."""
        due = session.step % self.options.every == 0
        self._pieces = GradientNorms(rows_of_step(session, batch, index)) if due else None

    def on_before_backward(self, session: Session, system: System, loss: Loss) -> None:
        """Remember how many items the micro-batch has."""
        if self._pieces is not None:
            self._pieces.begin(session, loss.count)

    def on_after_backward(self, session: Session, system: System) -> None:
        """Measure what the micro-batch added to the gradient."""
        if self._pieces is not None:
            self._pieces.take(session)

    def on_before_optimizer_step(self, session: Session, system: System) -> None:
        """Compare the micro-batches with the whole; evaluations of the gradient within the update are not measured."""
        pieces, self._pieces = self._pieces, None
        if pieces is None or len(pieces.norms) < 2:
            return
        found = pieces.estimates()
        if self.means is None:
            self.means = torch.zeros_like(found)
        self.means = self.means.to(found).lerp(found, 1 - self.options.decay)
        self.measured += 1

    def on_train_batch_end(self, session: Session, system: System, batch: Batch, index: int) -> None:
        """Log the running means, if a row follows."""
        if self.means is None or not row_follows(session, session.step):
            return
        squared, variance = (self.means / (1 - self.options.decay**self.measured)).unbind()
        scale = torch.where(squared > 0, variance / squared, torch.full_like(squared, torch.nan))
        for name, value in (("scale", scale), ("norm_squared", squared), ("variance", variance)):
            session.log(f"gradient_noise/{name}", value, reduce="last")

    def state_dict(self) -> dict[str, Any]:
        """The running means, and over how many steps they are."""
        return {} if self.means is None else {"measured": self.measured, "means": self.means.tolist()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the state back."""
        self.measured, self.means = int(state["measured"]), torch.tensor(state["means"], dtype=torch.float64)


class GradientNorms:
    """Squared norms of the mean gradients of a step's micro-batches, kept on the device."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.norms: list[Tensor] = []
        self.counts: list[Tensor] = []
        self._before: dict[int, Tensor] = {}
        self._count: int | Tensor = 0
        self._scale = 1.0

    def begin(self, session: Session, count: int | Tensor) -> None:
        """A micro-batch of `count` items goes backwards; without any gradient yet it is the first, perhaps of a step made again."""
        if all(param.grad is None for param in session.optimizer.parameters()):
            self.norms, self.counts, self._before = [], [], {}
        self._count, self._scale = count, session.parts.precision.scale

    @torch.no_grad()
    def take(self, session: Session) -> None:
        """Measure the difference to the gradient before; sparse gradients are left out."""
        grads = {
            number: param.grad
            for number, param in enumerate(session.optimizer.parameters())
            if param.grad is not None and not param.grad.is_sparse
        }
        added = [grad - self._before[number] if number in self._before else grad for number, grad in grads.items()]
        count = torch.as_tensor(self._count).to(added[0].device, wide(added[0].device))
        factor = self.rows / (count * self._scale)  # the backward pass weighs each item with scale / rows
        self.norms.append(squared_norm(added) * factor.square())
        self.counts.append(count)
        self._before = {number: grad.clone() for number, grad in grads.items()}

    def estimates(self) -> Tensor:
        """|G|² and tr(Σ), from E|g|² = |G|² + tr(Σ) / items: once for the micro-batches on average, once for the whole."""
        counts, small = torch.stack(self.counts), torch.stack(self.norms).mean()
        items = counts.sum()
        whole = squared_norm(list(self._before.values())) * (self.rows / (items * self._scale)).square()
        per_piece, per_step = (1 / counts).mean(), 1 / items
        variance = (small - whole) / (per_piece - per_step)
        squared = (whole * per_piece - small * per_step) / (per_piece - per_step)
        return torch.stack([squared, variance])


def squared_norm(tensors: list[Tensor]) -> Tensor:
    """Sum of the squares of all elements, a scalar on the device of the first."""
    norms = torch._foreach_norm(tensors)
    device = norms[0].device
    return torch.stack([norm.to(device, wide(device)) for norm in norms]).square().sum()
