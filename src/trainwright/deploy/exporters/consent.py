"""Formats that hold code: who opens one runs it, so one is written only where somebody says that this is meant."""

from __future__ import annotations

from trainwright.config.errors import RequestError
from trainwright.config.trust import consents


def require_consent(form: str, holds: str) -> None:
    """Raise RequestError unless code is trusted here; `holds` says what runs when such an artifact is loaded."""
    if consents():
        return
    what = f"'{form}' is a format whose files run code when they are loaded"
    why = f"{holds}; whoever you give the file to has to trust you, and you whoever could change it"
    fix = "add --trust-code (in Python trust_code=True) if that is meant; onnx and safetensors run nothing"
    raise RequestError(what, where=f"--to {form}", why=why, fix=fix)
