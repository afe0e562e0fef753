"""What is chosen for runs of pictures, and that whatever a person writes stays."""

from __future__ import annotations

from typing import Any

from picture_groups import pictures

from trainwright.domains.tables.training import suggest_training
from trainwright.engine.config import TrainerConfig
from trainwright.features.spec import DataSpec, InputGroup
from trainwright.systems.config import SupervisedConfig
from trainwright.systems.run_config import read_config
from trainwright.systems.supervised import resolve_options


def suggested(given: dict[str, Any] | None = None, rows: int = 1_000, inputs: list[InputGroup] | None = None) -> TrainerConfig:
    spec = DataSpec(inputs or [pictures(32)], [], rows)
    model = resolve_options(SupervisedConfig(), spec)
    return suggest_training(TrainerConfig.model_validate(given or {}), model, spec)


def test_runs_of_pictures_have_settings_of_their_own_and_the_fewer_there_are_the_longer() -> None:
    few, many = suggested(rows=300), suggested(rows=100_000)
    assert few.max_epochs is not None and many.max_epochs is not None and few.max_epochs > many.max_epochs
    assert few.schedule.type == "cosine" and few.optimizer.learning_rate == 3e-3 and few.early_stopping is None
    assert (few.batch_size, many.batch_size) == (32, None)


def test_what_a_person_writes_stays_setting_by_setting() -> None:
    given = {"max_steps": 7, "batch_size": 5, "optimizer": {"type": "adamw", "learning_rate": 0.5}, "parameters": {"layer_decay": 0.7}}
    found = suggested(given)
    assert (found.max_steps, found.max_epochs, found.batch_size) == (7, None, 5)
    assert (found.optimizer.learning_rate, found.optimizer.weight_decay) == (0.5, 0.05)
    assert (found.parameters.layer_decay, found.parameters.no_decay) == (0.7, True)
    assert suggested({"optimizer": "sgd"}).optimizer == TrainerConfig.model_validate({"optimizer": "sgd"}).optimizer
    assert suggested({"max_time": "1 min"}) == TrainerConfig.model_validate({"max_time": "1 min"})


def test_settings_that_were_found_once_are_found_no_more() -> None:
    found = suggested()
    assert suggested(found.model_dump(mode="json")) == found


def test_tables_keep_their_settings_and_few_numbers_beside_a_picture_are_joined_by_one_layer() -> None:
    numbers = InputGroup("number", "number", ["a", "b"], None, {"value": (2,)})
    assert suggested(inputs=[numbers]) == TrainerConfig()
    both = resolve_options(SupervisedConfig(), DataSpec([pictures(32), numbers], [], 1_000)).combiner
    alone = resolve_options(SupervisedConfig(), DataSpec([pictures(32)], [], 1_000)).combiner
    assert (both.type, both.depth, alone.type, alone.depth) == ("concat", 1, "concat", 0)


def test_an_encoder_is_named_and_given_options_one_after_the_other_on_a_column_without_a_type() -> None:
    given = ["columns.image.encoder=vit", "columns.image.encoder.patch=8", "data.source=builtin:iris"]
    encoder = read_config(None, given).system.columns["image"].encoder
    assert (encoder.type, encoder.patch) == ("vit", 8)
