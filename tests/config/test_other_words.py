"""Each word of another framework is answered with an option, a command or a flag that exists, wherever it is written."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest

from trainwright.api.fit import fit
from trainwright.api.fit_options import check_options, keywords_of
from trainwright.cli.main import COMMANDS, unknown_command
from trainwright.cli.train import parser
from trainwright.config.errors import ConfigError, ManyErrors, RequestError
from trainwright.config.located import option_paths, validate
from trainwright.config.other_words import ANSWERS, FRAMEWORKS, NAMED, answer_of, framework_of
from trainwright.engine.config import TrainerConfig
from trainwright.parallel.strategies.other_names import OTHERS as STRATEGIES
from trainwright.systems.run_config import Config, check_config, compose_config

PATHS = set(option_paths(Config))
THING = """
import trainwright as tw


@tw.register("thing")
class Thing(tw.System):
    class Config(tw.System.Config):
        width: int = 3


@tw.register("things")
def things(count: int = 3):
    return {}
"""
FLAGS = set(parser()._option_string_actions) | {"--verbose", "--gpu"}
SAMPLE = re.compile(r"[a-z_.]+=(.+)")


def exists(ours: str) -> bool:
    if ours.startswith("trainwright "):
        return ours.split()[1] in COMMANDS
    return ours in FLAGS if ours.startswith("--") else ours.partition("=")[0] in PATHS


def test_every_answer_names_what_exists() -> None:
    wrong = {word: named for word, answer in ANSWERS.items() if not (named := NAMED.findall(answer)) or not all(map(exists, named))}
    assert wrong == {} and len(ANSWERS) > 200


def test_values_that_an_answer_shows_are_taken() -> None:
    shown = {each for answer in ANSWERS.values() for each in NAMED.findall(answer) if "=" in each and "target.metric" not in each}
    assert len(shown) > 20
    for each in sorted(shown):
        composed = compose_config({"data": {"source": "builtin:iris"}, "targets": ["target"]}, [each])
        assert not composed.problems and check_config(composed), each


def test_no_word_is_an_option_of_ours_at_that_place_and_frameworks_agree() -> None:
    own = {path for path in PATHS if "." not in path} - {"test"}
    assert sorted(set(ANSWERS) & own) == []
    assert sorted(set(ANSWERS) & (set(TrainerConfig.model_fields))) == []
    said = defaultdict(set)
    for words in FRAMEWORKS.values():
        for word, answer in words.items():
            said[word].add(answer)
    assert {word: answers for word, answers in said.items() if len(answers) > 1} == {}


@pytest.mark.parametrize("word", sorted(ANSWERS))
def test_a_word_in_a_file_and_on_the_command_line_has_the_answer_of_the_table(word: str) -> None:
    flag = parser()._unknown(f"--{word.replace('_', '-')}=1") if f"--{word.replace('_', '-')}" not in FLAGS else None
    assert flag is None or flag.fix == answer_of(word)
    assert framework_of(word) in FRAMEWORKS


def test_all_words_in_one_file_are_answered_in_one_pass() -> None:
    words = dict.fromkeys(ANSWERS, 1)
    with pytest.raises(ManyErrors) as caught:
        validate(Config, compose_config({"data": {"source": "builtin:iris"}, "targets": ["target"], "trainer": words}))
    found = {re.search(r"'(\w+)'", each.what)[1]: each.fix for each in caught.value.errors}
    assert found == {word: answer_of(word) for word in ANSWERS}


def test_keywords_of_fit_are_answered_as_keywords() -> None:
    own = keywords_of(fit)
    words = [word for word in ANSWERS if word not in own]
    with pytest.raises(ManyErrors) as caught:
        check_options(dict.fromkeys(words, 1), own)
    found = {re.search(r"'(\w+)'", each.what)[1]: each.fix for each in caught.value.errors}
    assert found["accumulate_grad_batches"] == "here it is accumulation"
    assert found["max_grad_norm"] == "here it is clip={'norm': …}"
    assert found["random_seed"] == "here it is seed"
    assert found["eval_strategy"] == "here it is evaluate_every='1 epochs'"
    assert all(fix.startswith(("here it is", "did you mean")) for fix in found.values())


def test_an_option_within_another_is_shown_as_a_keyword_that_fit_takes() -> None:
    own = keywords_of(fit)
    shown = {"weight_decay": "optimizer={'weight_decay': …}", "compile": "modes={'compile': …}", "val_loader": "'validation_data'"}
    for word in shown:
        with pytest.raises(ConfigError) as caught:
            check_options({word: 1}, own)
        assert caught.value.fix == f"did you mean {shown[word]}?"


def test_flags_before_a_command_are_answered_too() -> None:
    error = unknown_command("--gradio", ["--gradio"])
    assert isinstance(error, RequestError) and "trainer.progress=file" in error.fix and error.why == "that is threestudio's word"


def test_words_of_a_part_of_ones_own_are_not_taken_for_others() -> None:
    model = {"combiner": {"type": "concat", "decay": 1}}
    with pytest.raises((ConfigError, ManyErrors)) as caught:
        validate(Config, compose_config({"data": {"source": "builtin:iris"}, "targets": ["target"], "model": model}))
    assert "here it is" not in str(caught.value)


@pytest.mark.usefixtures("names_forgotten")
def test_a_file_of_threestudio_is_judged_by_the_types_that_it_names(tmp_path: Path) -> None:
    (tmp_path / "thing.py").write_text(THING)
    written = "name: a\nimports: [./thing.py]\ndata_type: things\ndata: {count: 24}\nsystem_type: thing\nsystem: {width: 4, widht: 3}\n"
    (tmp_path / "thing.yaml").write_text(written)
    with pytest.raises(ManyErrors) as caught:
        validate(Config, compose_config(tmp_path / "thing.yaml"))
    assert [(str(each.where).rpartition("/")[2], each.fix) for each in caught.value.errors] == [
        ("thing.yaml:1:1", "did you mean run.name?"),
        ("thing.yaml:3:1", "here it is type of data"),
        ("thing.yaml:5:1", "here it is type of system"),
        ("thing.yaml:6:20", "did you mean 'width'? available: weights, weights_ignore, loss, width"),
    ]


@pytest.mark.parametrize("name", STRATEGIES)
def test_strategies_of_others_are_answered_with_what_exists(name: str) -> None:
    with pytest.raises(RequestError, match="there is no strategy") as refused:
        validate(Config, compose_config({"data": {"source": "builtin:iris"}, "targets": ["target"], "trainer": {"strategy": name}}))
    error = refused.value
    assert STRATEGIES[name] == (error.errors[0] if isinstance(error, ManyErrors) else error).fix
    assert any(f" {each}" in STRATEGIES[name] for each in ("ddp", "zero", "fsdp", "single", "{type: fsdp"))


def test_a_rule_of_ludwig_alone_is_answered_with_the_batch_that_it_lacks() -> None:
    assert TrainerConfig.model_validate({"learning_rate_scaling": "constant"}).learning_rate_scaling.rule == "none"
    with pytest.raises(ValueError, match="'linear' does not say for which batch"):
        TrainerConfig.model_validate({"learning_rate_scaling": "linear"})
    with pytest.raises(ValueError, match="linaer"):
        TrainerConfig.model_validate({"learning_rate_scaling": "linaer"})
