"""What simple models reached in the runs of a group, by the metric that sums the runs up."""

from __future__ import annotations

from collections.abc import Sequence

from trainwright.api.group_summary import Spread
from trainwright.config.errors import RunError
from trainwright.runs.group import Member
from trainwright.runs.results import read_results


def spread_baselines(members: Sequence[Member], headline: str) -> dict[str, Spread]:
    """Baseline → its values on the test rows of finished runs; `headline` is `target.metric`."""
    target, _, metric = headline.rpartition(".")
    found: dict[str, list[float]] = {}
    for each in members:
        for name, told in _read_baselines(each).items():
            value = ((told.get("test") or {}).get(target) or {}).get(metric)
            if isinstance(value, int | float):
                found.setdefault(name, []).append(float(value))
    return {name: Spread(headline, tuple(values)) for name, values in found.items()}


def _read_baselines(member: Member) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    try:
        return dict((read_results(member.run) or {}).get("baselines") or {})
    except RunError:
        return {}  # said where the numbers of the run itself are read
