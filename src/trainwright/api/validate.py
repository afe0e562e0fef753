"""What is wrong with a configuration or its data, found without its model: by the checks that a run makes before its first step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwright.api.kinds import check_before, check_rows_of, prepare_run, with_name
from trainwright.api.run_place import refuse_taken
from trainwright.config.compose import Composed
from trainwright.config.errors import RequestError
from trainwright.config.foreign import looking_in
from trainwright.config.trust import as_received
from trainwright.engine.settings import check_settings, keep_error, raise_errors
from trainwright.systems.run_config import Config, check_config

if TYPE_CHECKING:
    from trainwright.domains.row_check import CheckedRows


@as_received
def check_whole(composed: Composed, resume: bool = False) -> Config:
    """The checked configuration. Writes nothing, and makes no model. With `resume` a run may be at its place.

    Raises ConfigError, DataError, RunError or ManyErrors for what `train` would refuse before its model is made, as far as that does not
    depend on the values of the data or on the machine that trains.
    """
    config = check_config(composed)
    errors: list[RequestError] = []
    if not resume:
        keep_error(errors, lambda: refuse_taken(with_name(config), again="train with --resume"))
    with looking_in(composed.folders):
        keep_error(errors, lambda: check_settings(config.trainer))
        keep_error(errors, lambda: check_before(config))
    raise_errors(errors)
    return config


@as_received
def check_data(composed: Composed) -> list[str]:
    """What the data of a configuration are, as a run shows them before it begins. Writes nothing, and makes no model.

    Raises ConfigError, DataError or ManyErrors for data that `train` would refuse.
    """
    return prepare_run(with_name(check_config(composed))).lines()


@as_received
def check_rows(composed: Composed) -> CheckedRows:
    """Every row of the data of a configuration, and what its columns of files name, read whole; writes nothing.

    Raises ConfigError or DataError for data that cannot be opened, and for systems whose data are no rows of a table.
    """
    config = check_config(composed)
    with looking_in(composed.folders):
        return check_rows_of(config)
