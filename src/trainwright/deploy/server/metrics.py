"""What a server counts, in the text format of Prometheus."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the seconds that requests took."""


class Counted:
    """Requests by path and status, rows, errors, batches, and how long requests took."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.seconds, self.rows, self.batches, self.batched = 0.0, 0, 0, 0
        self.waiting = 0

    def count_answer(self, path: str, status: int, seconds: float) -> None:
        """Count an answer."""
        self.requests[path, status] += 1
        if path == "/predict":
            self.buckets[bisect_left(BOUNDS, seconds)] += 1
            self.seconds += seconds

    def count_batch(self, requests: int, rows: int) -> None:
        """Count requests that were computed together."""
        self.batches += 1
        self.batched += requests
        self.rows += rows

    def text(self) -> str:
        """All of it, as Prometheus reads it."""
        lines = ["# TYPE trainwright_requests_total counter"]
        lines += [
            f'trainwright_requests_total{{path="{path}",status="{status}"}} {count}'
            for (path, status), count in sorted(self.requests.items())
        ]
        errors = sum(count for (_, status), count in self.requests.items() if status >= 400)
        for name, kind, value in (
            ("errors_total", "counter", errors),
            ("rows_total", "counter", self.rows),
            ("batches_total", "counter", self.batches),
            ("batched_requests_total", "counter", self.batched),
            ("waiting_requests", "gauge", self.waiting),
        ):
            lines += [f"# TYPE trainwright_{name} {kind}", f"trainwright_{name} {value}"]
        return "\n".join([*lines, *self._histogram()]) + "\n"

    def _histogram(self) -> list[str]:
        name, total, lines = "trainwright_predict_seconds", 0, ["# TYPE trainwright_predict_seconds histogram"]
        for bound, count in zip([*map(str, BOUNDS), "+Inf"], self.buckets, strict=True):
            total += count
            lines.append(f'{name}_bucket{{le="{bound}"}} {total}')
        return [*lines, f"{name}_sum {self.seconds:.6f}", f"{name}_count {total}"]
