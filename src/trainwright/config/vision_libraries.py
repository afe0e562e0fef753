"""timm and torchvision, imported in one place, when something of theirs is asked for; also beside a torch that torchvision is not for.

Imports no torch before it is asked for either.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
from typing import Any

from trainwright.config.errors import FOREIGN, RequestError

log = logging.getLogger("trainwright.models")

GUARDED = ("timm", "torchvision")
"""Packages that are imported here alone."""

EXTRA = "pip install 'trainwright[timm]'"
COMPILED = "operator torchvision::"
"""How torch's error begins where the compiled part of torchvision did not load."""
OPERATORS = tuple(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor" for name in ("nms", "qnms"))
"""Those that the Python part of torchvision describes to torch without looking whether they are there."""
_declared: list[Any] = []
"""Kept, since what they declare goes with them."""


def import_guarded(name: str) -> None:
    """Import timm or torchvision where a path begins with one of them."""
    if name == "timm":
        import_timm()
    elif name == "torchvision":
        import_torchvision()


def import_timm() -> Any:
    """timm; raises RequestError, saying what to install, where it or the torchvision that it imports cannot be had."""
    if "timm" not in sys.modules:
        _refuse_absent("timm")
        if not is_installed("torchvision"):
            fix = "pip install torchvision, of the release that goes with this torch"
            raise RequestError("timm cannot be imported", why="it imports torchvision, which is not installed", fix=fix)
        import_torchvision()
    return _imported("timm")


def import_torchvision() -> Any:
    """torchvision, without its compiled operators where these do not load; raises RequestError where it cannot be had at all."""
    if "torchvision" in sys.modules:
        return sys.modules["torchvision"]
    _refuse_absent("torchvision")
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if COMPILED not in str(error):
            raise _refusal("torchvision", error) from error
        found = str(error).splitlines()[0]
    except FOREIGN as error:
        raise _refusal("torchvision", error) from error
    _declare_operators()
    made = _imported("torchvision")
    import torch

    version = getattr(made, "__version__", "")
    beside = f"torch {torch.__version__}"
    log.info("torchvision %s: its compiled operators do not load beside %s (%s); models need none of them", version, beside, found)
    return made


def is_installed(name: str) -> bool:
    """Whether a package can be found; it is not imported."""
    return name in sys.modules or importlib.util.find_spec(name) is not None


def _declare_operators() -> None:
    """Declare the missing operators, so that torchvision can describe them; to call one still fails, saying that it has no kernel."""
    import torch

    make: Any = torch.library.Library
    library = make("torchvision", "FRAGMENT")
    for each in OPERATORS:
        if not hasattr(torch.ops.torchvision, each.partition("(")[0]):
            library.define(each)
    _declared.append(library)


def _refuse_absent(name: str) -> None:
    if not is_installed(name):
        fix = f"{EXTRA}; Trainwright's own encoders need nothing: image_resnet, image_convnext, vit"
        raise RequestError(f"{name} is not installed", fix=fix)


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except FOREIGN as error:
        raise _refusal(name, error) from error


def _refusal(name: str, error: BaseException) -> RequestError:
    why = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    fix = f"install it anew, for the torch that is there: {EXTRA}"
    return RequestError(f"{name} cannot be imported", why=why, fix=fix)
