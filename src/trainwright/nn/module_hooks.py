"""The old path of `trainwright.tools.module_hooks`, known for one more release."""

from __future__ import annotations

from trainwright.config.elsewhere import found_in

__getattr__ = found_in("trainwright.tools.module_hooks", __name__)
