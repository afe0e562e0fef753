from __future__ import annotations

import pytest

from trainwright.config.compose import assign_option, compose, override
from trainwright.config.errors import ConfigError, ManyErrors
from trainwright.config.located import validate
from trainwright.systems.run_config import Config


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("base", "middle", "top"):
        (tmp_path / f"{name}.yaml").write_text("")
    (tmp_path / "base.yaml").write_text(
        "data: {source: 'builtin:iris'}\ntrainer:\n  max_epochs: 30\n  optimizer: {type: adamw, weight_decay: 0.1}\n"
    )
    return tmp_path


def composed(config, *overrides, environment=None):
    return compose(Config, config, overrides, environment or {})


def config_of(config, *overrides, environment=None):
    return validate(Config, composed(config, *overrides, environment=environment))


def problems(config, *overrides, environment=None):
    with pytest.raises(ManyErrors) as caught:
        config_of(config, *overrides, environment=environment)
    return caught.value.errors


def test_later_layers_win(folder):
    (folder / "middle.yaml").write_text("base: base.yaml\nrun: {seed: 1, name: middle, threads: 1}\n")
    (folder / "top.yaml").write_text("base: middle.yaml\nrun: {seed: 2, device: cpu}\n")
    environment = {"TRAINWRIGHT_RUN__SEED": "3", "TRAINWRIGHT_RUN__THREADS": "2"}
    config = config_of("top.yaml", "run.seed=4", environment=environment)
    assert (config.run.seed, config.run.name, config.run.device, config.run.threads) == (4, "middle", "cpu", 2)
    assert config.trainer.max_epochs == 30


def test_several_bases_are_laid_over_each_other_in_order(folder):
    (folder / "middle.yaml").write_text("run: {seed: 9}\ntrainer: {max_epochs: 5}\n")
    (folder / "top.yaml").write_text("base: [base.yaml, middle.yaml]\n")
    assert config_of("top.yaml").trainer.max_epochs == 5


def test_a_base_is_found_beside_the_file_that_names_it(folder):
    (folder / "sub").mkdir()
    (folder / "sub" / "top.yaml").write_text("base: ../base.yaml\n")
    assert config_of("sub/top.yaml").trainer.max_epochs == 30


def test_bases_in_a_circle_are_refused_at_the_line_that_closes_it(folder):
    (folder / "middle.yaml").write_text("base: top.yaml\n")
    (folder / "top.yaml").write_text("base: middle.yaml\n")
    with pytest.raises(ConfigError) as caught:
        composed("top.yaml")
    assert caught.value.where == "middle.yaml:1:7"
    assert caught.value.why == "top.yaml → middle.yaml → top.yaml"


def test_an_absent_base_is_answered_with_the_nearest(folder):
    (folder / "top.yaml").write_text("base: bsae.yaml\n")
    with pytest.raises(ConfigError) as caught:
        composed("top.yaml")
    assert (caught.value.where, caught.value.fix) == ("top.yaml:1:7", "did you mean 'base.yaml'?")


def test_another_type_replaces_a_part_whole(folder):
    config = config_of("base.yaml", "trainer.optimizer.type=sgd", "trainer.optimizer.momentum=0.9")
    assert config.trainer.optimizer.type == "sgd"
    assert config.trainer.optimizer.weight_decay == 0.0


def test_an_option_of_a_part_is_set_beside_its_others(folder):
    config = config_of("base.yaml", "trainer.optimizer.learning-rate=0.5")
    assert (config.trainer.optimizer.learning_rate, config.trainer.optimizer.weight_decay) == (0.5, 0.1)


@pytest.mark.parametrize("before", [{}, {"trainer": {"optimizer": "adamw"}}])
def test_an_option_of_a_part_written_as_a_name_or_not_at_all_can_be_set(before):
    config = config_of({"data": {"source": "builtin:iris"}, **before}, "trainer.optimizer.learning_rate=0.5")
    assert (config.trainer.optimizer.type, config.trainer.optimizer.learning_rate) == ("adamw", 0.5)


def test_a_source_written_as_a_path_takes_options(folder):
    (folder / "t.csv").write_text("a;b\n1;2\n")
    (folder / "top.yaml").write_text("data: {source: t.csv}\n")
    config = config_of("top.yaml", "data.source.delimiter=;")
    assert (config.data.source.type, config.data.source.delimiter) == ("csv", ";")


def test_a_later_max_steps_replaces_an_earlier_max_epochs(folder):
    config = config_of("base.yaml", "trainer.max_steps=100")
    assert (config.trainer.max_epochs, config.trainer.max_steps) == (None, 100)


def test_two_ends_in_one_layer_exclude_each_other_and_both_are_named(folder):
    (folder / "top.yaml").write_text("base: base.yaml\ntrainer:\n  max_epochs: 3\n  max_steps: 100\n")
    (error,) = problems("top.yaml")
    assert error.where == "top.yaml:4:3"
    assert error.why == "trainer.max_epochs = 3 (top.yaml:3:3); trainer.max_steps = 100 (top.yaml:4:3)"
    assert len(problems("base.yaml", "trainer.max_steps=3", "trainer.max_epochs=3")) == 1


def test_dashes_and_underscores_are_the_same_in_options_but_not_in_names_of_columns():
    config = config_of(
        {
            "data": {"source": "builtin:iris", "memory-limit": "1 GiB"},
            "columns": {"my-col": "number", "my_col": {"type": "category", "min-count": 3}},
        },
        "trainer.max-epochs=3",
    )
    assert config.data.memory_limit == 1 << 30
    assert set(config.system.columns) == {"my-col", "my_col"}
    assert config.system.columns["my_col"].min_count == 3


def test_one_option_spelled_both_ways_is_given_twice(folder):
    (folder / "top.yaml").write_text("trainer: {max-epochs: 3, max_epochs: 4}\n")
    (twice,) = compose(Config, "top.yaml", (), {}).problems
    assert (twice.where, twice.what) == ("top.yaml:1:26", "'max_epochs' is given twice")


def test_items_of_a_list_are_set_by_their_number():
    base = {"data": {"source": "builtin:iris"}, "evaluation": {"baselines": ["constant", "linear"]}}
    config = config_of(base, "evaluation.baselines.1=boosting")
    assert [each.type for each in config.evaluation.baselines] == ["constant", "boosting"]
    assert "is a list of 2" in problems(base, "evaluation.baselines.7=boosting")[0].what


def test_names_with_dots_are_set_in_quotes():
    config = config_of({"data": {"source": "builtin:iris"}}, 'columns."a.b=c".type=number')
    assert config.system.columns["a.b=c"].type == "number"


def test_a_section_written_as_its_type_alone_keeps_it_when_a_later_layer_sets_another_option():
    given = {"data": {"source": "builtin:iris"}, "trainer": {"checkpoint": "weights"}}
    found = config_of(given, "trainer.checkpoint.keep_last=4").trainer.checkpoint
    assert (found.type, found.keep_last) == ("weights", 4)


def test_an_override_that_is_none_is_refused():
    assert str(problems({"data": {"source": "builtin:iris"}}, "foo", "=3")[0]).startswith("command line: 'foo' is not key=value")


def test_a_flag_is_named_in_its_errors():
    error = problems({"data": {"source": "builtin:iris"}}, assign_option("run.seed", "x", "command line: --seed x"))[0]
    assert error.where == "command line: --seed x"


def test_an_override_keeps_equals_signs_in_its_value():
    assert override("run.name=a=b").value.plain() == "a=b"


def test_misspelled_variables_are_told_and_foreign_ones_left_alone():
    base = {"data": {"source": "builtin:iris"}}
    errors = problems(base, environment={"TRAINWRIGHT_SEED": "1", "TRAINWRIGHT_RUN__SEDE": "2"})
    assert [each.what for each in errors] == ["unknown variable TRAINWRIGHT_RUN__SEDE", "unknown variable TRAINWRIGHT_SEED"]
    assert all("TRAINWRIGHT_RUN__SEED" in each.fix for each in errors)
    config_of(base, environment={"TRAINWRIGHT_TRACEBACK": "1", "TRAINWRIGHT_CACHE": "x"})


@pytest.mark.parametrize("text", ["'a b' == c", '"age" > 3', "[a, b", "3", "x in ['u', 'v']"])
def test_a_variable_that_an_expression_refers_to_is_text_as_it_stands(text):
    data = {"source": "builtin:iris", "where": "${env:ROWS}", "derive": {"n": "${env:ROWS}", "m": "${env:NONE,'a' + b}"}}
    composed = compose(Config, {"data": data}, (), {"ROWS": text})
    assert not composed.problems
    assert composed.values["data"]["where"] == composed.values["data"]["derive"]["n"] == text
    assert composed.values["data"]["derive"]["m"] == "'a' + b"


def test_a_variable_for_an_option_of_another_section_is_refused_with_how_it_is_written():
    base = {"data": {"source": "builtin:iris"}}
    (error,) = problems(base, environment={"TRAINWRIGHT_DATA__WHERE": "a > 3", "TRAINWRIGHT_CACHE": "x"})
    assert error.what == "the variable TRAINWRIGHT_DATA__WHERE sets nothing"
    assert error.fix == "write data.where=… on the command line or in the configuration"


class TestInterpolation:
    base = {"data": {"source": "builtin:iris"}}

    def test_a_whole_reference_keeps_its_type(self):
        config = config_of({**self.base, "trainer": {"batch_size": 64, "micro_batch_size": "${trainer.batch-size}"}})
        assert config.trainer.micro_batch_size == 64

    def test_a_reference_inside_a_text_becomes_text(self):
        config = config_of({**self.base, "run": {"name": "s${run.seed}-${env:WHO,nobody}-$${x}", "seed": 7}}, environment={"WHO": "me"})
        assert config.run.name == "s7-me-${x}"

    def test_a_reference_finds_defaults_and_mappings(self):
        config = config_of(
            {
                **self.base,
                "run": {"seed": "${trainer.early_stopping.patience}"},
                "trainer": {"max_time": "${trainer.checkpoint.min_interval}"},
            }
        )
        assert config.run.seed == 20
        assert config.trainer.max_time.seconds == 10

    def test_variables_are_read_as_values(self):
        assert config_of({**self.base, "run": {"seed": "${env:S}"}}, environment={"S": "5"}).run.seed == 5
        assert config_of({**self.base, "run": {"seed": "${env:S,6}"}}).run.seed == 6

    @pytest.mark.parametrize(
        ("text", "what"),
        [
            ("${run.sed}", "${run.sed} names no option"),
            ("${env:NOPE}", "NOPE is not set"),
            ("a${run", "never closed"),
            ("a${trainer}", "not a single value"),
            ("${run.name}", "refers to itself"),
        ],
    )
    def test_what_cannot_be_resolved_is_told_with_its_place(self, text, what):
        (error,) = problems({**self.base, "trainer": {"max_epochs": 3}, "run": {"name": text}})
        assert what in error.what

    def test_an_unknown_reference_is_answered_with_the_nearest(self):
        (error,) = problems({**self.base, "run": {"name": "${trainer.bach_size}"}})
        assert error.fix == "did you mean ${trainer.batch_size}?"

    def test_a_circle_is_shown(self):
        errors = problems({**self.base, "run": {"name": "${run.dir}", "dir": "${run.name}"}})
        assert "${run.dir} → ${run.name} → ${run.dir}" in errors[0].why


def test_what_is_composed_changes_nothing_of_the_assignments_it_was_given(folder):
    given = [assign_option("trainer", {"optimizer": {"type": "adamw", "learning-rate": 0.5}}, "tw.train(trainer)")]
    changed = composed("base.yaml", *given, "trainer.optimizer.learning_rate=0.1", "trainer.batch_size=8")
    again = composed(None, *given)
    assert changed.values["trainer"]["optimizer"]["learning_rate"] == 0.1
    assert again.values["trainer"] == {"optimizer": {"type": "adamw", "learning_rate": 0.5}}
    assert given[0].value.plain() == {"optimizer": {"type": "adamw", "learning-rate": 0.5}}
    assert {each.layer for each in given[0].value.walk()} == {0}
