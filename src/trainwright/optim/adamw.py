"""AdamW (Loshchilov and Hutter 2019, algorithm 2), bit-equal to `torch.optim.AdamW(fused=True)`."""

from __future__ import annotations

from trainwright.optim.adam import Adam


class AdamW(Adam):
    """Adam whose weight decay acts on the weights and not on the gradient."""

    decoupled = True
