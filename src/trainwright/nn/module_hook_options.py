"""The old path of `trainwright.tools.module_hook_options`, known for one more release."""

from __future__ import annotations

from trainwright.config.elsewhere import found_in

__getattr__ = found_in("trainwright.tools.module_hook_options", __name__)
