"""The old path of `trainwright.tools.graph`, known for one more release."""

from __future__ import annotations

from trainwright.config.elsewhere import found_in

__getattr__ = found_in("trainwright.tools.graph", __name__)
