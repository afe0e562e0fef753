"""Whether the encoders that a configuration names suit the columns that were found, before anything is made of them."""

from __future__ import annotations

from trainwright.config.errors import ConfigError
from trainwright.config.places import spell_key
from trainwright.domains.tables.columns import Column
from trainwright.features.spec import DataSpec, InputGroup
from trainwright.systems.run_config import Config

MOST_ONES = 4096
"""More numbers for the values of categories than this, of which all but one a column are 0, are refused: each row would hold them all."""


def check_members(config: Config, columns: list[Column]) -> None:
    """Raises ConfigError for a model of a library that no column is read by: `model=timm/resnet18` for a table without pictures."""
    for kind, options in config.system.model.encoders.items():
        named = getattr(options, getattr(options, "member", ""), "")
        if named and not any(column.type == kind and column.role == "input" for column in columns):
            kinds = ", ".join(dict.fromkeys(column.type for column in columns if column.role == "input"))
            fix = f"name the column that holds them: columns.NAME={kind}; or leave the model out"
            raise ConfigError(
                f"{options.type}/{named} reads columns of type {kind}, and no input is one",
                where=f"model.encoders.{kind}",
                why=f"the inputs are of type {kinds}",
                fix=fix,
            )


def check_one_hot(config: Config, spec: DataSpec) -> None:
    """Raises ConfigError for one number per value where there are thousands of values: memory would grow with rows × values."""
    for group in spec.inputs:
        options = group.encoder or config.system.model.encoders.get(group.kind)
        if options is None or "index" not in group.parts or options.type not in ("one_hot", "embedding"):
            continue
        limit = getattr(options, "one_hot_up_to", None)
        sizes = dict(zip(group.columns, group.sizes, strict=True))
        ones = {name: size for name, size in sizes.items() if limit is None or size <= limit}
        if sum(ones.values()) > MOST_ONES:
            raise _too_many(group, ones, limit)


def _too_many(group: InputGroup, ones: dict[str, int], limit: int | None) -> ConfigError:
    largest = max(ones, key=lambda name: ones[name])
    key = spell_key(("columns", largest, "encoder")) if group.encoder else f"model.encoders.{group.kind}"
    why = f"each row would hold {sum(ones.values()):,} numbers, {ones[largest]:,} of them for '{largest}'; up to {MOST_ONES:,} are made"
    fix = f"{key}=embedding learns a vector for each value; columns.{largest}.max_categories=1000 keeps the most frequent ones"
    what = f"one_hot_up_to={limit}" if limit is not None else "one_hot"
    return ConfigError(f"'{what}' makes a number for every value, and there are too many", where=key, why=why, fix=fix)
