"""Configuration: composed from files, variables and the command line, checked whole, and dumped so that it can be read again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwright.config.elsewhere import found_later

if TYPE_CHECKING:
    from trainwright.config.old_forms.load import load as load

__getattr__ = found_later(__name__, {"load": "trainwright.config.old_forms.load"})
