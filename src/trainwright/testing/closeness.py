"""Whether two states or outputs are close: what differs is told by name, the worst element first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainwright.config.errors import nearest
from trainwright.testing.leaves import leaves_of

TOLERANCES: dict[torch.dtype | None, tuple[float, float]] = {
    torch.float16: (1e-3, 1e-5),
    torch.bfloat16: (1.6e-2, 1e-5),
    torch.float32: (1.3e-6, 1e-5),
    torch.float64: (1e-7, 1e-7),
    torch.complex32: (1e-3, 1e-5),
    torch.complex64: (1.3e-6, 1e-5),
    torch.complex128: (1e-7, 1e-7),
}
"""Relative and absolute tolerance of each dtype, as `torch.testing` has them; of every other dtype both are 0."""
MOST_SHOWN = 8
"""Differences that are told one by one."""
NUMERIC = (Tensor, np.generic, bool, int, float, complex, type(None))


@dataclass(frozen=True)
class Difference:
    """One thing that is not close: its name, in words how, and by how much more than allowed (infinite where it is no number)."""

    name: str
    words: str
    excess: float = float("inf")


def assert_close(
    actual: Any,
    expected: Any,
    *,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_device: bool = True,
    allow_subclasses: bool = True,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Raise AssertionError unless |actual - expected| <= atol + rtol |expected| everywhere; all that differs is named, the worst first.

    Each side is a tensor, an array, a number, a module (its state), a mapping, sequence or dataclass of such things, a table of columns,
    or a `Path`: a file of weights, a checkpoint or a run. The order of a mapping's names is free. Tolerances are those of `torch.testing`
    by dtype where none are given, which are given both or neither; text and the rest must be equal. Raises TypeError for two things that
    cannot be compared (an array and a tensor), ConfigError or RunError for a path that holds no weights.
    """
    __tracebackhide__ = True
    if (rtol is None) != (atol is None):
        raise ValueError("give rtol and atol, or neither of them")
    options = {"equal_nan": equal_nan, "check_dtype": check_dtype, "check_layout": check_layout, "check_device": check_device}
    ours, theirs = leaves_of(actual), leaves_of(expected)
    tolerances = None if rtol is None or atol is None else (rtol, atol)
    common = [name for name in theirs if name in ours]
    compared = (_compare(name, ours[name], theirs[name], tolerances, options | {"allow_subclasses": allow_subclasses}) for name in common)
    found = [each for each in compared if each is not None]
    words = [*_absent(ours, theirs), *_told(found)]
    if words:
        text = "\n".join([f"not close: {_counted(len(found), len(common))}", *words])
        raise AssertionError(msg(text) if callable(msg) else msg or text)


def _counted(different: int, compared: int) -> str:
    return f"{different} of {compared} {'value' if compared == 1 else 'values'} compared"


def _absent(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """A line for each name that one side alone has, with the name that may be meant."""
    lines = []
    for names, others, words in ((theirs, ours, "is missing"), (ours, theirs, "is not expected")):
        lonely = [name for name in others if name not in names]
        for name in (name for name in names if name not in others):
            close = nearest(name, lonely)
            lines.append(f"  '{name}' {words}" + (f"; there is '{close}'" if close else ""))
    return [*lines[:MOST_SHOWN], *([f"  and {len(lines) - MOST_SHOWN} names more"] if len(lines) > MOST_SHOWN else [])]


def _told(found: list[Difference]) -> list[str]:
    """A line for each difference, the worst first."""
    ordered = sorted(found, key=lambda each: -each.excess)
    lines = [f"  {each.name + ' ' if each.name else ''}{each.words}" for each in ordered[:MOST_SHOWN]]
    return [*lines, *([f"  and {len(found) - MOST_SHOWN} more"] if len(found) > MOST_SHOWN else [])]


def _compare(name: str, actual: Any, expected: Any, tolerances: tuple[float, float] | None, options: dict[str, Any]) -> Difference | None:
    if not (_is_numeric(actual) and _is_numeric(expected)):
        return _compare_equal(name, actual, expected)
    rtol, atol = tolerances or _default_tolerances(actual, expected)
    actual, expected = _writable(actual), _writable(expected)
    try:
        torch.testing.assert_close(actual, expected, rtol=rtol, atol=atol, **options)
    except AssertionError as error:
        return _worst(name, actual, expected, rtol, atol, options["equal_nan"]) or Difference(name, _one_line(str(error)))
    except TypeError as error:
        raise TypeError(f"{name or 'the values'}: {error} Give both as the same kind.") from error
    return None


def _is_numeric(value: Any) -> bool:
    return isinstance(value, NUMERIC) or (isinstance(value, np.ndarray) and value.dtype.kind in "biufc")


def _writable(value: Any) -> Any:
    """Torch warns of arrays that it may not write to."""
    return value.copy() if isinstance(value, np.ndarray) and not value.flags.writeable else value


def _one_line(text: str) -> str:
    """What torch says of a difference that is not one of values: in one line."""
    return " ".join(text.split())


def _default_tolerances(actual: Any, expected: Any) -> tuple[float, float]:
    """The wider of the two dtypes' tolerances."""
    both = [TOLERANCES.get(_dtype_of(each), (0.0, 0.0)) for each in (actual, expected)]
    return max(each[0] for each in both), max(each[1] for each in both)


def _dtype_of(value: Any) -> torch.dtype | None:
    if value is None or (isinstance(value, Tensor) and value.is_quantized):
        return None
    if isinstance(value, int | float | complex) and not isinstance(value, np.generic):
        return {float: torch.float64, complex: torch.complex128}.get(type(value))
    return value.dtype if isinstance(value, Tensor) else torch.from_numpy(np.empty(0, value.dtype)).dtype


def _worst(name: str, actual: Any, expected: Any, rtol: float, atol: float, equal_nan: bool) -> Difference | None:
    """The element furthest beyond what is allowed; None where shapes, dtypes or the like differ and not values."""
    if actual is None or expected is None:
        return None
    ours, theirs = _dense(actual), _dense(expected)
    if ours.shape != theirs.shape or not ours.numel():
        return None
    apart = (ours - theirs).abs().double()
    apart = torch.where(ours == theirs, 0.0, apart)  # infinities that are equal
    beyond = (apart - atol - rtol * theirs.abs().double()).nan_to_num(nan=float("inf"), posinf=float("inf"))
    beyond = torch.where(ours.isnan() & theirs.isnan(), -1.0, beyond) if equal_nan else beyond
    place = int(beyond.flatten().argmax())
    excess = float(beyond.flatten()[place])
    if excess <= 0:
        return None
    index = f"[{', '.join(map(str, np.unravel_index(place, ours.shape)))}]" if ours.dim() else ""
    values = f"{_short(ours.flatten()[place])}, expected {_short(theirs.flatten()[place])}"
    allowed = atol + rtol * float(theirs.flatten()[place].abs())
    gap = f"{float(apart.flatten()[place]):.3g} apart where {allowed:.3g} is allowed"
    many = f"; {int((beyond > 0).sum())} of {ours.numel()} elements" if ours.numel() > 1 else ""
    return Difference(name, f"{index + ': ' if index else ''}{values}: {gap}{many}", excess)


def _dense(value: Any) -> Tensor:
    """The numbers of a tensor of any layout, on the CPU, in double precision."""
    tensor = value.detach() if isinstance(value, Tensor) else torch.from_numpy(np.array(value))
    tensor = tensor.dequantize() if tensor.is_quantized else tensor
    tensor = (tensor if tensor.layout is torch.strided else tensor.to_dense()).cpu()
    return tensor.to(torch.complex128 if tensor.is_complex() else torch.float64)


def _short(value: Tensor) -> str:
    number = value.item()
    return f"{number:.9g}" if isinstance(number, float) else f"{number}"


def _compare_equal(name: str, actual: Any, expected: Any) -> Difference | None:
    """Text, dates and whatever has no distance: equal, or the first place where it is not."""
    if isinstance(actual, np.ndarray) and isinstance(expected, np.ndarray):
        if actual.shape != expected.shape:
            return Difference(name, f"has the shape {actual.shape}, expected {expected.shape}")
        unlike = np.argwhere(np.asarray(actual != expected))
        if not len(unlike):
            return None
        place = tuple(int(each) for each in unlike[0])
        many = f"; {len(unlike)} of {actual.size} elements"
        return Difference(name, f"[{', '.join(map(str, place))}]: {actual[place]!r}, expected {expected[place]!r}{many}")
    return None if bool(actual == expected) else Difference(name, f"{actual!r}, expected {expected!r}")
