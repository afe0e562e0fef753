"""What the domains of a run's data say in its report."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from trainwright.config.domains import load_of_domain, owner, register
from trainwright.config.errors import FOREIGN, ConfigError
from trainwright.domains.facts import RunFacts
from trainwright.domains.tables.model import Model
from trainwright.domains.tables.prepare import PreparedData
from trainwright.domains.tables.rests import AnswersOf, RestsOf
from trainwright.metrics.outcome import Outcome
from trainwright.report.blocks import check
from trainwright.runs.directory import RunDirectory
from trainwright.systems.run_config import Config

log = logging.getLogger(__name__)


def domain_blocks(
    run: RunDirectory, config: Config, prepared: PreparedData, model: Model, outcomes: Mapping[str, Outcome], split: str
) -> list[dict[str, Any]]:
    """The blocks of every domain whose source or types of column the run has; one that fails is told and costs no run."""
    roles = {column.name: column for column in prepared.columns}
    columns = {name: roles[name].type for name in (*prepared.inputs, *prepared.targets)}
    asked = _blocks_of(config.data.source.type, columns.values())
    table, features = prepared.table, prepared.table.encoder.features
    split = split if outcomes else "test" if len(table.test) else "validation"
    rows = prepared.rows(split)
    if not asked or not len(rows):
        return []
    fitted = {name: features[name] for name in columns if name in features}
    lazy = {column: group.name for group in table.encoder.groups for column in group.columns if group.name in table.references}
    lengths = {column: table.references[name].lengths for column, name in lazy.items()}
    rests = RestsOf(model, table, getattr(table, split))
    splits = {name: prepared.rows(name) for name in ("train", "validation", "test") if len(getattr(table, name))}
    known = prepared.source.schema.names
    answers = AnswersOf(model, table, getattr(table, split))
    facts = RunFacts(run.path, columns, split, rows, dict(outcomes), prepared.source.read, fitted, lengths, rests, answers, splits, known)
    return [block for where, path in asked for block in _make_blocks(where, path, facts)]


def _blocks_of(source: str, types: Iterable[str]) -> list[tuple[str, str]]:
    """(what it is, where its function is) of the blocks of the domains that a run's data are of."""
    used = dict.fromkeys([owner("source", source), *(owner("feature", each) for each in types)])
    found = [register().domains[name].domain for name in used if name]
    return [(name, path) for each in found for name, path in each.blocks.items() if owner("blocks", name) == each.name]


def _make_blocks(name: str, path: str, facts: RunFacts) -> list[dict[str, Any]]:
    where = f"the blocks '{name}' of the domain {owner('blocks', name)}"
    try:
        with torch.no_grad():
            given = load_of_domain("blocks", name, path)(facts)
        if not isinstance(given, list | tuple):
            raise ConfigError(f"they are a {type(given).__name__}", where=where, fix="give a list of blocks")
        return check(given, where)
    except FOREIGN as error:
        log.warning("%s", error if isinstance(error, ConfigError) else f"{where} failed: {type(error).__name__}: {error}")
        log.debug("where it arose", exc_info=error)
        why = ": ".join(filter(None, (error.what, error.why))) if isinstance(error, ConfigError) else f"{type(error).__name__}: {error}"
    return [{"type": "text", "text": [{"text": where, "limit": 100}, {"text": f" gave nothing that can be drawn: {why}", "limit": 400}]}]
