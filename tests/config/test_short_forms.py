"""Options of the system at the top of a configuration are those under `system:`, with their places and their names."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from trainwright.config.dump import dump
from trainwright.config.errors import ManyErrors
from trainwright.config.located import validate
from trainwright.engine.config import EvaluationOptions
from trainwright.systems.run_config import EvaluationConfig, compose_config, read_config

TABLE = {"data": {"source": "builtin:iris"}}
NET = {"type": "graph", "nodes": ["ReLU"]}


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes a file and returns its name, as it stands in messages."""
    monkeypatch.chdir(tmp_path)

    def write(text: str, name: str = "c.yaml") -> str:
        Path(name).write_text(dedent(text))
        return name

    return write


def refused(config, overrides=()) -> list[str]:
    with pytest.raises(ManyErrors) as caught:
        read_config(config, overrides)
    return [f"{each.where}: {each.what}" for each in caught.value.errors]


def test_options_at_the_top_are_those_of_the_system():
    options = {"targets": ["species"], "ignore": ["sepal_width"], "model": {"combiner": "mlp"}}
    assert read_config({**TABLE, **options}) == read_config({**TABLE, "system": {"type": "supervised", **options}})
    plain = {"model": NET, "loss": "mse", "target": "y"}
    assert read_config(plain) == read_config({"system": {"type": "plain", **plain}})


def test_a_model_with_a_type_makes_a_plain_system_and_any_other_a_supervised_one():
    assert read_config({"model": NET}).system.type == "plain"
    assert read_config({**TABLE, "model": {"combiner": "mlp"}}).system.type == "supervised"
    assert read_config(TABLE).system.type == "supervised"


@pytest.mark.parametrize("system", [{}, {"system": {"type": "supervised", "targets": ["species"]}}])
def test_the_command_line_goes_on_top_of_either_form(system):
    config = read_config({**TABLE, **system}, ["targets=[petal_width]", "model.combiner=mlp", "columns.sepal_width=number"])
    assert config.system.targets == ["petal_width"]
    assert config.system.model.combiner.type == "mlp"
    assert config.system.columns["sepal_width"].type == "number"
    assert read_config({**TABLE, "targets": ["species"]}, ["system.targets=[petal_width]"]).system.targets == ["petal_width"]


def test_a_base_and_a_file_may_each_have_a_part_of_the_model(written):
    written("model: {type: graph, nodes: [ReLU], init: default}\nloss: mse\n", "base.yaml")
    config = read_config(written("base: base.yaml\nmodel: {nodes: [Tanh]}\n"), ["model.init=default"])
    assert (config.system.model.nodes, config.system.model.init, config.system.loss.type) == (["Tanh"], "default", "mse")
    written("data: {source: builtin:iris}\nmodel: {combiner: {type: mlp, dropout: 0.25}, encoders: {number: periodic}}\n", "base.yaml")
    config = read_config(written("base: base.yaml\nmodel: {encoders: {category: embedding}}\n"), ["model.combiner.dropout=0.5"])
    assert config.system.model.combiner.dropout == 0.5
    assert set(config.system.model.encoders) == {"number", "category"}


def test_errors_keep_their_line_and_name_the_key_that_was_written(written):
    name = written("""\
        data: {source: builtin:iris}
        targets: 3
        model:
          combnier: mlp
        taget: species
    """)
    assert refused(name) == [
        "c.yaml:2:10: targets: 3 is not a list",
        "c.yaml:4:3: unknown option 'combnier' in model",
        "c.yaml:5:1: unknown option 'taget'",
    ]
    name = written("data: {source: builtin:iris}\nsystem:\n  type: supervised\n  targets: 3\n")
    assert refused(name) == ["c.yaml:4:12: system.targets: 3 is not a list"]
    name = written("model: {type: graph, nodes: [ReLU]}\nloss: msee\ndata: {type: tensors, train: a.npz}\n")
    assert refused(name)[0].startswith("c.yaml:2:7: loss: ")


def test_one_file_has_one_form(written):
    name = written("system: {type: plain, model: ./net.py:Net}\nloss: mse\n")
    assert refused(name)[0] == "c.yaml:2:1: 'loss' stands at the top beside `system`"


def test_options_stand_beside_a_system_that_is_named_alone(written):
    given = ["system=diffusion", "model=mlp", "target=[petal length (cm)]", "columns.'petal length (cm)'.scale=robust"]
    config = read_config({"data": {"source": "builtin:iris"}}, given)
    assert (config.system.model.type, config.system.of, list(config.system.columns)) == ("mlp", ["petal length (cm)"], config.system.of)
    name = written("data: {source: builtin:iris}\nsystem: diffusion\nmodel: {type: mlp, width: 32}\n")
    assert read_config(name).system.model.width == 32


def test_data_fit_the_system(written):
    assert refused({"targets": ["a"]}) == ["config: data is missing"]
    assert refused({"targets": 3}) == ["config: targets: 3 is not a list", "config: data is missing"]
    assert "'text' does not give columns" in refused(written("data: {type: text, path: a.txt}\n"))[0]
    assert "data of a supervised system" in refused({"model": NET, "data": {"type": "columns", "source": "builtin:iris"}})[0]
    assert refused({"model": NET, "data": {"source": "builtin:iris"}}) == ["config: data: the mapping has no `type`"]


def test_what_is_measured_fits_the_system():
    assert type(read_config(TABLE).evaluation) is EvaluationConfig
    assert type(read_config({"model": NET}).evaluation) is EvaluationOptions
    assert refused({"model": NET, "evaluation": {"baselines": []}}) == ["config: unknown option 'baselines' in evaluation"]


@pytest.mark.parametrize("config", [{**TABLE, "targets": ["species"]}, {"model": NET, "loss": "mse"}])
def test_it_is_written_so_that_it_is_read_the_same(config, written):
    read = read_config(config)
    assert read_config(written(dump(read))) == read
    assert ("\nsystem:" in f"\n{dump(read)}") == (read.system.type != "supervised")  # a table's stands at the top, as people write it


def test_references_find_short_forms_and_their_defaults():
    config = read_config({**TABLE, "targets": ["species"], "run": {"name": "${targets.0}-${inputs}-${data.memory_limit}"}})
    assert config.run.name == "species-auto-4 GiB"


def test_imports_of_any_configuration_are_run_before_it_is_checked(written):
    written("SEEN = True\n", "parts.py")
    composed = compose_config(written("imports: [./parts.py]\ndata: {source: builtin:iris}\n"))
    assert not composed.problems
    assert validate(composed.model, composed).imports == ["./parts.py"]
    assert read_config("c.yaml").imports == [str(Path("parts.py").absolute())]
    assert refused(written("imports: [./none.py]\ndata: {source: builtin:iris}\n"))[0].startswith("c.yaml:1:11: ")


def test_a_table_has_one_target_a_loss_and_metrics_at_the_top() -> None:
    config = read_config({"data": {"source": "builtin:iris"}, "target": "target", "loss": "focal", "metrics": ["f1"]})
    assert (config.system.targets, config.system.loss.type, [each.type for each in config.system.metrics]) == (["target"], "focal", ["f1"])
    written = config.model_dump(mode="json")
    assert written["targets"] == ["target"] and "target" not in written
    assert read_config(written) == config
    assert not {"loss", "metrics"} & set(read_config({"data": {"source": "builtin:iris"}}).model_dump(mode="json"))


def test_a_later_target_replaces_an_earlier_list_and_both_in_one_file_are_refused() -> None:
    given = {"data": {"source": "builtin:iris"}, "targets": ["a", "b"]}
    assert read_config(given, ["target=c"]).system.targets == ["c"]
    with pytest.raises(ManyErrors, match="'target' and 'targets' are both given"):
        read_config({**given, "target": "c"})


def test_words_of_the_command_line_may_stand_beside_the_name_of_the_system_there() -> None:
    composed = compose_config(
        {"data": {"source": "builtin:digits_images"}}, ["system=diffusion", "columns.image.size=16", "weights=a.safetensors"]
    )
    system = composed.values["system"]
    assert system["columns"] == {"image": {"size": 16}} and system["weights"] == "a.safetensors"
