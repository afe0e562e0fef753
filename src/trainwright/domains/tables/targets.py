"""What is asked of a target, checked before anything is written: its loss, metrics, weights and threshold against its type and rows."""

from __future__ import annotations

from trainwright.config.errors import ConfigError, DataError, RequestError, did_you_mean
from trainwright.config.registry import check_target, load, target_kind_of
from trainwright.data.transforms import joins_rows
from trainwright.domains.column_options import raise_all
from trainwright.domains.tables.columns import Column
from trainwright.features.encoding import EncodedTable
from trainwright.features.options import TargetConfig
from trainwright.features.spec import TargetSpec
from trainwright.systems.run_config import Config

OF_TARGETS = ("loss", "metrics", "decoder", "weight", "class_weights", "threshold", "classes")
"""Options of a column that mean something where it is predicted, and nothing elsewhere."""


def check_columns(columns: list[Column]) -> None:
    """Raises ConfigError for options of targets on columns that are none, and when the losses of all targets weigh 0."""
    errors: list[RequestError] = []
    for column in columns:
        fields = type(column.options).model_fields
        given = [
            name
            for name in OF_TARGETS
            if name in fields and getattr(column.options, name) != fields[name].get_default(call_default_factory=True)
        ]
        if given and column.role != "target":
            why = f"`{given[0]}` is of use for what is predicted, and '{column.name}' is not"
            fix = f"leave it out, or name '{column.name}' as a target"
            errors.append(ConfigError(f"columns.{column.name}.{given[0]} is set for a column that is no target", why=why, fix=fix))
    files = [each.name for each in columns if each.role != "ignored" and is_read_later(each)]
    for column in columns:
        followed = getattr(column.options, "draws_as", "")
        if followed and followed not in files:
            fix = did_you_mean(followed, [name for name in files if name != column.name]) or "leave it out"
            what = f"columns.{column.name}.draws_as names '{followed}', which is no column of files"
            errors.append(ConfigError(what, why="draws are made where files are read", fix=fix))
    weights = [each.options.weight for each in columns if each.role == "target" and isinstance(each.options, TargetConfig)]
    if weights and not any(weights):
        why = "the losses of all targets weigh 0, so that nothing is learnt"
        errors.append(ConfigError("there is no target to learn", why=why, fix="give a target a weight above 0: columns.NAME.weight=1"))
    raise_all(errors)


def is_read_later(column: Column) -> bool:
    """Whether the values of a column name files, which are read batch by batch: they say nothing of its classes."""
    return bool(getattr(load("feature", column.type), "lazy", False))


def check_weights(config: Config, columns: list[Column], where: str) -> None:
    """Raises what is wrong with the column that says how much rows count: unknown, an input or a target, or beside what it cannot be."""
    name, names = config.data.weights, [column.name for column in columns]
    if not name:
        return
    find_weights(config, names, where)
    role = next(column.role for column in columns if column.name == name)
    inputs = config.system.inputs if isinstance(config.system.inputs, list) else []
    if role == "target" or name in inputs:
        why = f"'{name}' says how much rows count, and would be {'predicted' if role == 'target' else 'learnt from'}"
        raise ConfigError("the weights of rows are also a target or an input", where="data.weights", why=why, fix="name another column")
    if any(column.role == "target" and is_read_later(column) for column in columns):
        why = "a target with a class at every position has as many answers in a row as positions"
        raise ConfigError("rows cannot be weighed here", where="data.weights", why=why, fix="leave it out, or use data.sampling.by")
    if any(map(joins_rows, config.data.transform)):
        why = "a mixed row is of two rows with two weights"
        raise ConfigError(
            "rows that are mixed cannot be weighed", where="data.weights", why=why, fix="leave mixup and cutmix out, or data.sampling.by"
        )


def find_weights(config: Config, names: list[str], where: str) -> None:
    """Raises DataError for a column of weights that is not there."""
    name = config.data.weights
    if name and name not in names:
        raise DataError(f"`data.weights` names '{name}', which is not a column of the data", where=where, fix=did_you_mean(name, names))


def check_encoded(table: EncodedTable) -> None:
    """Raises ConfigError for what shows once rows are split and encoded: options beyond the number of classes, a threshold without rows."""
    for target in table.spec.targets:
        for kind, chosen in (("loss", [target.loss] if target.loss else []), ("metric", target.metrics)):
            for each in chosen:
                check_target(kind, each, target_kind_of(kind, each, target.kind, bool(target.positions)), target.name, target.width)
        if target.threshold == "tuned":
            _check_tuned(target, table)


def _check_tuned(target: TargetSpec, table: EncodedTable) -> None:
    """Raises ConfigError when no validation rows can say where the threshold should be."""
    truth = table.blocks[f"target.{target.name}"][table.validation]
    found = len(set(truth.tolist()))
    if found == 2:
        return
    raise ConfigError(
        f"columns.{target.name}.threshold is to be tuned, and "
        + ("all validation rows are of one class" if found else "there are no validation rows"),
        why="it is chosen where it suits validation rows of both classes best",
        fix="give the split validation rows, or write a number from 0 to 1",
    )
