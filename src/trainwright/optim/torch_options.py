"""Options of the optimizers of torch.optim that are registered by name; the names and defaults are torch's, `learning_rate` is its `lr`.

Two arguments are left out, and refused in words: `maximize`, because what is trained here is a loss, and `differentiable`, because no
graph is kept through an update. `type: torch.optim.<Class>` takes every other argument of the class, `maximize` too.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from trainwright.optim.options import Decay, LearningRate, OptimizerOptions

Betas = Annotated[list[Decay], Field(min_length=2, max_length=2)]


class ForeachOptions(OptimizerOptions):
    """What most optimizers of torch have."""

    foreach: bool | None = None
    """Many parameters per kernel call, for more memory; null takes what was measured as faster on the device."""


class CapturableOptions(ForeachOptions):
    """What the optimizers have that a CUDA graph can hold."""

    capturable: bool = False
    """Keep the step count on the CUDA device, so that a CUDA graph can hold the update; slower without one."""


class AdadeltaOptions(CapturableOptions):
    """Adadelta (Zeiler 2012)."""

    type: str = "adadelta"
    learning_rate: LearningRate = 1.0
    """Base learning rate; the schedule multiplies it."""
    rho: float = Field(default=0.9, ge=0, le=1)
    """Decay per step of the mean squared gradient and update."""
    eps: float = Field(default=1e-6, gt=0)
    """Added under the roots."""
    weight_decay: float = Field(default=0.0, ge=0)
    """L2 penalty."""


class AdafactorOptions(ForeachOptions):
    """Adafactor (Shazeer and Stern 2018): the second moment of a matrix kept as one row and one column."""

    type: str = "adafactor"
    learning_rate: LearningRate = 1e-2
    """Largest relative step; the schedule multiplies it."""
    beta2_decay: float = Field(default=-0.8, le=0)
    """The second moment decays by 1 − step^beta2_decay."""
    eps: list[float | None] = Field(default=[None, 1e-3], min_length=2, max_length=2)
    """Added to the squared gradient (null: the dtype's resolution), and the least size of a weight that scales the step."""
    d: float = Field(default=1.0, ge=1)
    """Limit on the root mean square of an update."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Decoupled weight decay."""


class AdagradOptions(ForeachOptions):
    """Adagrad (Duchi et al. 2011)."""

    type: str = "adagrad"
    learning_rate: LearningRate = 1e-2
    """Base learning rate; the schedule multiplies it."""
    lr_decay: float = Field(default=0.0, ge=0)
    """The rate is divided by 1 + (step − 1) · lr_decay."""
    initial_accumulator_value: float = Field(default=0.0, ge=0)
    """Where the sum of squared gradients starts."""
    eps: float = Field(default=1e-10, ge=0)
    """Added to the root of the sum."""
    weight_decay: float = Field(default=0.0, ge=0)
    """L2 penalty."""
    fused: bool | None = None
    """One kernel for all; null takes it on the CPU, where torch has it and it was measured as faster."""


class AdamaxOptions(CapturableOptions):
    """Adamax (Kingma and Ba 2015, section 7.1): Adam with the largest gradient in place of the root mean square."""

    type: str = "adamax"
    learning_rate: LearningRate = 2e-3
    """Base learning rate; the schedule multiplies it."""
    betas: Betas = [0.9, 0.999]
    """Decay per step of the running mean of the gradient and of its largest size."""
    eps: float = Field(default=1e-8, gt=0)
    """Added to the largest size."""
    weight_decay: float = Field(default=0.0, ge=0)
    """L2 penalty."""


class ASGDOptions(CapturableOptions):
    """Averaged SGD (Polyak and Juditsky 1992); the average is kept as state `ax` and the last weights are evaluated, as in torch."""

    type: str = "asgd"
    learning_rate: LearningRate = 1e-2
    """Base learning rate; the schedule multiplies it."""
    lambd: float = Field(default=1e-4, ge=0)
    """Decay of the weights and of the rate."""
    alpha: float = Field(default=0.75, ge=0)
    """Power of the rate's decay."""
    t0: float = Field(default=1e6, ge=0)
    """Step at which averaging starts."""
    weight_decay: float = Field(default=0.0, ge=0)
    """L2 penalty."""


class NAdamOptions(CapturableOptions):
    """NAdam (Dozat 2016): Adam with Nesterov's momentum."""

    type: str = "nadam"
    learning_rate: LearningRate = 2e-3
    """Base learning rate; the schedule multiplies it."""
    betas: Betas = [0.9, 0.999]
    """Decay per step of the running mean of the gradient and of its square."""
    eps: float = Field(default=1e-8, gt=0)
    """Added to the root of the second moment."""
    momentum_decay: float = Field(default=4e-3, ge=0)
    """How the momentum grows over the steps."""
    weight_decay: float = Field(default=0.0, ge=0)
    """L2 penalty, or decoupled decay."""
    decoupled_weight_decay: bool = False
    """Let the decay act on the weights and not on the gradient, as AdamW does."""


class RAdamOptions(CapturableOptions):
    """RAdam (Liu et al. 2020): Adam whose first steps are rectified, a warm-up without a schedule."""

    type: str = "radam"
    betas: Betas = [0.9, 0.999]
    """Decay per step of the running mean of the gradient and of its square."""
    eps: float = Field(default=1e-8, gt=0)
    """Added to the root of the second moment."""
    weight_decay: float = Field(default=0.0, ge=0)
    """L2 penalty, or decoupled decay."""
    decoupled_weight_decay: bool = False
    """Let the decay act on the weights and not on the gradient, as AdamW does."""


class RMSpropOptions(CapturableOptions):
    """RMSprop (Hinton 2012)."""

    type: str = "rmsprop"
    learning_rate: LearningRate = 1e-2
    """Base learning rate; the schedule multiplies it."""
    alpha: float = Field(default=0.99, ge=0, lt=1)
    """Decay per step of the mean squared gradient."""
    eps: float = Field(default=1e-8, gt=0)
    """Added to its root."""
    momentum: float = Field(default=0.0, ge=0)
    """Share of the last update that is kept."""
    centered: bool = False
    """Divide by the gradient's standard deviation rather than its root mean square."""
    weight_decay: float = Field(default=0.0, ge=0)
    """L2 penalty."""


class RpropOptions(CapturableOptions):
    """Rprop (Riedmiller and Braun 1993): steps by the sign of the gradient alone; for the whole data as one batch."""

    type: str = "rprop"
    learning_rate: LearningRate = 1e-2
    """Size of the first step; later ones follow from `etas`, so a schedule changes nothing after it."""
    etas: list[Annotated[float, Field(gt=0)]] = Field(default=[0.5, 1.2], min_length=2, max_length=2)
    """What a step is multiplied by when the sign turned (below 1) and when it held (above 1)."""
    step_sizes: list[Annotated[float, Field(gt=0)]] = Field(default=[1e-6, 50.0], min_length=2, max_length=2)
    """Least and largest step."""


class SparseAdamOptions(OptimizerOptions):
    """Adam for sparse gradients (`nn.Embedding(sparse=True)`): only the rows that were seen move. Dense gradients are refused."""

    type: str = "sparse_adam"
    betas: Betas = [0.9, 0.999]
    """Decay per step of the running mean of the gradient and of its square."""
    eps: float = Field(default=1e-8, gt=0)
    """Added to the root of the second moment."""
