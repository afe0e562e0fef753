"""What a package needs to declare a domain. Imports no torch."""

from __future__ import annotations

from trainwright.config.domain import Claim, ColumnKind, Domain
from trainwright.config.model import PartConfig
from trainwright.config.part import Part
from trainwright.domains.facts import RunFacts
from trainwright.metrics.table import MetricPart

__all__ = ["Claim", "ColumnKind", "Domain", "MetricPart", "Part", "PartConfig", "RunFacts"]
