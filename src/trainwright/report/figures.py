"""Numbers as people read them."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any, TypeGuard

MINUS, THIN = "\u2212", "\u202f"


def is_number(value: object) -> TypeGuard[float]:
    """Whether `value` is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def number(value: Any, digits: int = 4) -> str:
    """About `digits` significant digits, thousands grouped, a real minus sign; a dash when there is no number."""
    if not is_number(value):
        return "–"
    if value == 0:
        return "0"
    size = abs(value)
    if isinstance(value, int) or (float(value).is_integer() and size < 1e15):
        text = f"{int(value):,}" if size < 1e15 else f"{value:.3g}"
    elif size >= 1e7 or size < 1e-4:
        mantissa, _, exponent = f"{value:.{max(digits - 2, 1)}e}".partition("e")
        text = f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    else:
        text = f"{value:,.{min(max(digits - 1 - math.floor(math.log10(size)), 0), 6)}f}"
    return text.replace(",", THIN).replace("-", MINUS)


def setting(value: Any) -> str:
    """A number as a person would have written it: no trailing zeros."""
    if not is_number(value):
        return "" if value is None else str(value)
    return number(value) if abs(value) >= 10_000 else f"{value:.4g}".replace("-", MINUS)


def score(value: Any) -> str:
    """A metric: three decimals where it lies between −1 and 1, else four significant digits."""
    if is_number(value) and abs(value) <= 1 and (abs(value) >= 0.001 or value == 0):
        return f"{value:.3f}".replace("-", MINUS)
    return number(value)


def interval(bounds: Any) -> str:
    """A pair of metrics as a range."""
    if not isinstance(bounds, (list, tuple)) or len(bounds) != 2 or not all(is_number(each) for each in bounds):
        return ""
    return f"{score(bounds[0])} to {score(bounds[1])}"


def percent(part: float, whole: float) -> str:
    """A share as a percentage, honest at its ends: never 0 % of something, never 100 % of not all."""
    if not whole:
        return "–"
    share = 100 * part / whole
    if 0 < share < 0.1:
        return f"<0.1{THIN}%"
    if 99.9 < share < 100:
        return f">99.9{THIN}%"
    return f"{share:.1f}".removesuffix(".0") + f"{THIN}%"


def seconds(value: Any) -> str:
    """A length of time."""
    if not is_number(value):
        return "–"
    if value < 0.0995:
        return f"{1000 * value:.0f} ms"
    if value < 99.5:
        return f"{value:.2g} s" if value < 9.95 else f"{value:.0f} s"
    minutes, left = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {left} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def size(count: Any) -> str:
    """Bytes."""
    if not is_number(count):
        return "–"
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def moment(text: Any) -> str:
    """A time of day from ISO text, to the minute."""
    try:
        return datetime.fromisoformat(str(text)).strftime("%-d %B %Y, %H:%M")
    except ValueError:
        return str(text or "")


def plural(count: Any, one: str, many: str = "") -> str:
    """`3 rows`, `1 row`."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def words(name: str) -> str:
    """A metric's or option's name as words."""
    return {"r2": "R²", "roc_auc": "ROC AUC", "auc": "AUC", "mae": "MAE", "rmse": "RMSE", "mse": "MSE", "mape": "MAPE", "f1": "F1"}.get(
        name, name.replace("_", " ")
    )
