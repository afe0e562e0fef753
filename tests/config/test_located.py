from __future__ import annotations

import textwrap

import pytest

from trainwright.config.compose import compose
from trainwright.config.errors import ManyErrors
from trainwright.config.located import validate
from trainwright.systems.run_config import Config

GOOD = "data: {source: 'builtin:iris'}\n"


def messages(tmp_path, monkeypatch, text, *overrides):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(textwrap.dedent(text))
    with pytest.raises(ManyErrors) as caught:
        validate(Config, compose(Config, "c.yaml", overrides, {}))
    return [(each.where, each.what, each.fix) for each in caught.value.errors]


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(tmp_path, monkeypatch):
    found = messages(
        tmp_path,
        monkeypatch,
        """\
        data: {source: 'builtin:iris'}
        trainer:
          max_epochs: 10 epochz
          max_time: 10 epochz
          batch_sze: 3
          optimizer: {type: adam, betas: [0.9]}
        ignore: species
        columns:
          age: {type: nmber}
        """,
        "run.sed=3",
    )
    assert [(where, what) for where, what, _ in found] == [
        ("c.yaml:3:15", "trainer.max_epochs: '10 epochz' is not a whole number"),
        ("c.yaml:4:13", "trainer.max_time: unknown unit 'epochz' in '10 epochz'"),
        ("c.yaml:5:3", "unknown option 'batch_sze' in trainer"),
        ("c.yaml:6:34", "trainer.optimizer.betas: 1 item, but it takes at least 2"),
        ("c.yaml:7:9", "ignore: 'species' is not a list"),
        ("c.yaml:9:15", "columns.age: unknown feature type 'nmber'"),
        ("command line: run.sed=3", "unknown option 'sed' in run"),
    ]


@pytest.mark.parametrize(
    ("text", "where", "what", "fix"),
    [
        ("trainer: {max_epochs: ten}", "c.yaml:2:23", "trainer.max_epochs: 'ten' is not a whole number", "write a whole number"),
        (
            "trainer: {max_epochs: 10 epochs}",
            "c.yaml:2:23",
            "trainer.max_epochs: '10 epochs' is not a whole number",
            "write 10, without a unit",
        ),
        ("trainer: {max_epochs: '10'}", "c.yaml:2:23", "trainer.max_epochs: '10' is not a whole number", "write 10, without quotes"),
        ("trainer: {max_epochs: 1e1}", "c.yaml:2:23", "trainer.max_epochs: 10.0 is not a whole number", "write 10"),
        ("trainer: {max_epochs: 0}", "c.yaml:2:23", "trainer.max_epochs: 0 is not at least 1", "write a number of at least 1"),
        ("evaluation: {report: no}", "c.yaml:2:22", "evaluation.report: 'no' is not true or false", "write false"),
        ("trainer: {mode: maxx}", "c.yaml:2:17", "trainer.mode: 'maxx' is not allowed", "did you mean 'max'? one of: auto, min, max"),
        ("trainer: {early_stopping: 5}", "c.yaml:2:27", "trainer.early_stopping: 5 is not a mapping", "its options: patience, min_delta"),
        ("trainer: {evaluate_every: 5}", "c.yaml:2:27", "trainer.evaluate_every: 5 has no unit", "write '5 steps', '5 epochs' or '5 s'"),
        (
            "trainer: {evaluate_every: 0 steps}",
            "c.yaml:2:27",
            "trainer.evaluate_every: '0 steps' is no interval",
            "write a number above zero",
        ),
        ("trainer: {max_time: 5 steps}", "c.yaml:2:21", "trainer.max_time: '5 steps' is not a time", "'30 min'"),
        (
            "trainer: {optimizer: {learning_rate: x}}",
            "c.yaml:2:38",
            "trainer.optimizer.learning_rate: 'x' is not allowed",
            "one of: auto, or a number",
        ),
        ("trainer: {optimizer: 3}", "c.yaml:2:22", "trainer.optimizer: 3 does not name an optimizer", "trainwright list optimizer"),
        ("trainer: {optimizer: {type: adamm}}", "c.yaml:2:29", "trainer.optimizer: unknown optimizer type 'adamm'", "did you mean 'adam'?"),
        (
            "trainer: {optimizer: {momentum: 1}}",
            "c.yaml:2:23",
            "unknown option 'momentum' of optimizer 'adamw' in trainer.optimizer",
            "available: learning_rate",
        ),
        ("run: {name: 3}", "c.yaml:2:13", "run.name: 3 is not text", 'put it in quotes: "3"'),
        ("inputs: 3", "c.yaml:2:9", "inputs: 3 is not a list or text", "write a list or text"),
        ("learning_rate: 3", "c.yaml:2:1", "unknown option 'learning_rate'", "did you mean trainer.optimizer.learning_rate?"),
        ("modell: {}", "c.yaml:2:1", "unknown option 'modell'", "did you mean 'model'?"),
        ("run:", "c.yaml:2:5", "run: nothing (null) is not a mapping", "its options: name, dir"),
        (
            "trainer: {trackers: [{x: 1}]}",
            "c.yaml:2:22",
            "trainer.trackers.0: the mapping has no `type`",
            "name the tracker, for example `type: ",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place_and_its_fix(tmp_path, monkeypatch, text, where, what, fix):
    ((found_where, found_what, found_fix),) = messages(tmp_path, monkeypatch, GOOD + text)
    assert (found_where, found_what) == (where, what)
    assert fix in found_fix


def test_the_meaning_of_an_option_is_told_with_the_fix(tmp_path, monkeypatch):
    ((_, _, fix),) = messages(tmp_path, monkeypatch, GOOD + "trainer: {max_epochs: ten}")
    assert fix == "write a whole number (passes over the training rows)"


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    ((where, what, fix),) = messages(tmp_path, monkeypatch, "run: {seed: 1}\n")
    assert (where, what) == ("c.yaml:1:1", "data is missing")
    assert "add `data: …`" in fix


def test_a_value_of_the_command_line_is_not_named_twice(tmp_path, monkeypatch):
    ((where, what, _),) = messages(tmp_path, monkeypatch, GOOD, "run.seed=x")
    assert f"{where}: {what}" == "command line: run.seed=x: 'x' is not a whole number"


def test_a_source_that_is_not_there_is_a_mistake_of_the_config(tmp_path, monkeypatch):
    found = messages(tmp_path, monkeypatch, "data: {source: nothing.csv}\nrun: {seed: x}\n")
    assert [where for where, _, _ in found] == ["c.yaml:1:16", "c.yaml:2:13"]
    assert "nothing.csv" in found[0][1]


def test_a_key_given_twice_hides_no_other_mistake(tmp_path, monkeypatch):
    text = GOOD + "trainer:\n  max_epochs: ten\n  max_epochs: 3\n  batch_sze: 3\n  log-every: 1 epoch\n  log_every: 2 epochs\n"
    found = messages(tmp_path, monkeypatch, text)
    assert [(where, what) for where, what, _ in found] == [
        ("c.yaml:4:3", "'max_epochs' is given twice"),
        ("c.yaml:7:3", "'log_every' is given twice"),
        ("c.yaml:3:15", "trainer.max_epochs: 'ten' is not a whole number"),
        ("c.yaml:5:3", "unknown option 'batch_sze' in trainer"),
    ]


def test_an_encoder_for_no_type_of_column_is_told_at_its_key(tmp_path, monkeypatch):
    text = GOOD + "model:\n  encoders:\n    nmber: periodic\n    category: embeding\n    auto: dense\n    ./mine.py:Own: dense\n"
    found = messages(tmp_path, monkeypatch, text)
    assert [(where, what) for where, what, _ in found] == [
        ("c.yaml:4:5", "model.encoders.nmber: no column type is called 'nmber'"),
        ("c.yaml:5:15", "model.encoders.category: unknown encoder type 'embeding'"),
        ("c.yaml:6:5", "model.encoders.auto: no column type is called 'auto'"),
    ]
    assert "did you mean 'number'?" in found[0][2]


def test_an_encoder_for_a_type_of_column_is_taken():
    config = validate(Config, compose(Config, {"data": {"source": "builtin:iris"}, "model": {"encoders": {"number": "periodic"}}}, (), {}))
    assert config.system.model.encoders["number"].type == "periodic"


def test_one_column_cannot_be_tied(tmp_path, monkeypatch):
    ((_, what, fix),) = messages(tmp_path, monkeypatch, GOOD + "model: {tied: {who: [sender]}}")
    assert (what, fix) == ("model.tied.who: 1 item, but it takes at least 2", "list at least 2")


@pytest.mark.parametrize(("device", "fix"), [("gpu", "'cuda'"), ("cdua", "'cuda'"), ("cuda:x", "'cuda:1'"), ("CPU", "'cpu'")])
def test_a_device_that_is_misspelled_is_told_before_anything_is_read(tmp_path, monkeypatch, device, fix):
    ((_, what, found),) = messages(tmp_path, monkeypatch, GOOD + f"run: {{device: '{device}'}}")
    assert what == f"run.device: '{device}' is no device"
    assert f"did you mean {fix}?" in found


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:11", "mps"])
def test_devices_are_spelled_so(device):
    assert validate(Config, compose(Config, {"data": {"source": "builtin:iris"}, "run": {"device": device}}, (), {})).run.device == device


@pytest.mark.parametrize("written", ["[{normalize: {meann: 3}}]", "{normalize: {meann: 3}}", "{type: normalize, meann: 3}"])
def test_a_misspelt_option_of_a_transform_is_told_in_every_form_it_is_written_in(tmp_path, monkeypatch, written):
    ((_, what, fix),) = messages(tmp_path, monkeypatch, GOOD + f"columns: {{wave: {{type: file, transform: {written}}}}}")
    assert what == "unknown option 'meann' of transform 'normalize' in columns.wave.transform.0"
    assert fix.startswith("did you mean 'mean'?")


def test_the_config_is_frozen():
    config = validate(Config, compose(Config, {"data": {"source": "builtin:iris"}}, (), {}))
    with pytest.raises(ValueError, match="frozen"):
        config.run.seed = 3
