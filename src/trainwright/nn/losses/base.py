"""The old path of `RowLoss`, for losses of people's own; known for one more release."""

from __future__ import annotations

from trainwright.config.elsewhere import found_in

__getattr__ = found_in("trainwright.losses.rows", __name__)
