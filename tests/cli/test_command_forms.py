from __future__ import annotations

import ast
import json
import os
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch

from trainwright.api.fit import fit
from trainwright.cli.forms import ALL, MEASURING, PERMISSIONS, Form, refuse_unused_settings
from trainwright.cli.main import COMMANDS, main
from trainwright.cli.sample import form_of
from trainwright.cli.settings import holds_data
from trainwright.config import foreign
from trainwright.config.domains import every, register
from trainwright.config.errors import RequestError
from trainwright.config.registry import parts
from trainwright.deploy.server.options import ServeOptions
from trainwright.engine.callbacks.options import PruningOptions

DECLARE = ("parser", "add_measuring", "form_of")
"""Functions that say which flags there are, and read none."""
CLI = Path(__file__).parents[2] / "src" / "trainwright" / "cli"
VALUES = {"N": "1", "IDS": "none", "X": "0.1"}
TABLE = "trainer.max_steps=2 evaluation.baselines=[] evaluation.report=false evaluation.importance=false evaluation.intervals=false"
OWN = """
model: {type: graph, nodes: [{Linear: [4, 3]}]}
loss: cross_entropy
metrics: [accuracy]
data: {type: table, path: "builtin:iris", target: target}
trainer: {max_steps: 2}
"""


def parser_of(command):
    return import_module(f"trainwright.cli.{command}").parser()


def flags_of(command):
    return [each for each in parser_of(command)._actions if each.option_strings and each.dest not in ("help", *PERMISSIONS)]


def options_of(command):
    """Names of flags that are options of parts, checked and handed over whole."""
    options = {
        "view": [part.config for part in every("views").values()],
        "sample": [kind.sampling_options for kind in kinds_that_sample()],
        "prune": [*(part.config for part in parts("pruning_method").values()), PruningOptions],
        "serve": [ServeOptions],
        "export": [part.config for part in parts("exporter").values()],
    }
    return {name for each in options.get(command, []) for name in each.model_fields if name != "type"}


def kinds_that_sample():
    """Kinds of systems whose samples take options."""
    kinds = [kind for each in register().domains.values() for kind in each.domain.systems.values()]
    return [each for each in kinds if each.sampling_options is not None]


def forms_of(command):
    """How a command is used, for runs of every kind too."""
    forms = [*parser_of(command).forms.values()]
    return forms + [form_of(kind, forms[1]) for kind in kinds_that_sample()] if command == "sample" else forms


def names_read(command):
    """Names of arguments that the command's module, and what it shares with others, reads, as attribute, as text, or one after another."""
    names, seen, todo = set(), set(), [command]
    while todo:
        module = todo.pop()
        seen.add(module)
        tree = ast.parse((CLI / f"{module}.py").read_text())
        shared = [each.module or "" for each in ast.walk(tree) if isinstance(each, ast.ImportFrom)]
        others = ("launch", "ranks", "test", "parser", "words")
        todo += [name for name in others if f"trainwright.cli.{name}" in shared and name not in seen]
        assigned = [(each.targets[0], each.value) for each in tree.body if isinstance(each, ast.Assign)]
        lists = {name.id: value for name, value in assigned if isinstance(name, ast.Name) and isinstance(value, ast.Tuple)}
        functions = [each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name not in DECLARE]
        for node in (inner for each in functions for inner in ast.walk(each)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "arguments":
                names.add(node.attr)
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                names.add(node.value)
            if isinstance(node, ast.comprehension) and isinstance(node.iter, ast.Name) and node.iter.id in lists:
                names |= set(ast.literal_eval(lists[node.iter.id]))
    return names


@pytest.mark.parametrize("command", COMMANDS)
def test_every_flag_of_a_command_is_read_by_it(command):
    unread = {each.dest for each in flags_of(command)} - names_read(command) - options_of(command)
    assert not unread, f"{command} takes {unread} and does not look at it"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_flag_of_a_command_is_used_by_some_form_and_no_form_names_another(command):
    forms = forms_of(command)
    used = {name for form in forms for name in form.flags}
    known = {each.dest for each in flags_of(command)}
    assert not forms or used == known


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("forms")
    before = Path.cwd()
    os.chdir(place)
    (place / "own.yaml").write_text(OWN)
    assert main(["train", "builtin:iris", "run.dir=table", *TABLE.split()]) == 0
    assert main(["train", "own.yaml", "run.dir=own"]) == 0
    rows = torch.zeros(8, 4), torch.zeros(8, dtype=torch.long)
    fit(torch.nn.Linear(4, 3), rows, loss="cross_entropy", max_steps=1, run_dir="fitted", device="cpu", console=False)
    assert main(["sweep", "builtin:iris", "--seeds", "2", "run.dir=group", "run.device=cpu", *TABLE.split()]) == 0
    os.chdir(before)
    return place


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    """What --gpu and --typecheck set for the whole process is as it was after the test."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    loaders, finders = list(foreign.loaders), list(sys.meta_path)
    yield
    foreign.loaders[:], sys.meta_path[:] = loaders, finders


SUBJECTS = {
    ("compare", "RUN_A RUN_B"): ["table", "own"],
    ("compare", "GROUP"): ["group"],
    ("calibrate", "table"): ["table"],
    ("calibrate", "own run"): ["own"],
    ("calibrate", "fit run"): ["fitted"],
    ("prune", "table"): ["table"],
    ("prune", "own run"): ["own"],
    ("prune", "fit run"): ["fitted"],
    ("explain", "table"): ["table", "builtin:iris"],
    ("explain", "own run"): ["own"],
    ("explain", "weights"): ["own.yaml", "--weights", "own"],
    ("explain", "fit run"): ["fitted", "rows.npz"],
    ("predict", "table"): ["table", "builtin:iris"],
    ("predict", "own run"): ["own", "--split", "test"],
    ("predict", "weights"): ["own.yaml", "--weights", "own", "--split", "test"],
    ("predict", "fit run"): ["fitted", "rows.npz"],
    ("predict", "exported file"): ["model.onnx", "builtin:iris"],
    ("sample", "table"): ["table"],
    ("sample", "own run"): ["own"],
    ("sample", "fit run"): ["fitted"],
    ("evaluate", "table"): ["table", "builtin:iris"],
    ("evaluate", "own run"): ["own"],
    ("evaluate", "weights"): ["own.yaml", "--weights", "own"],
    ("evaluate", "fit run"): ["fitted", "rows.npz"],
    ("test", "table"): ["table"],
    ("test", "own run"): ["own"],
    ("test", "fit run"): ["fitted"],
    ("validate", "fit run"): ["fitted"],
    ("test", "weights"): ["own.yaml", "--weights", "own"],
    ("validate", "table"): ["table"],
    ("validate", "own run"): ["own"],
    ("validate", "weights"): ["own.yaml", "--weights", "own"],
    ("validate", "configuration"): ["own.yaml"],
    ("validate", "data"): ["builtin:iris"],
    ("validate", "rows"): ["builtin:iris", "--rows"],
    ("export", "table"): ["table", "-o", "out"],
    ("export", "own run"): ["own", "-o", "out"],
    ("export", "fit run"): ["fitted", "-o", "out"],
}


OTHER_FORM = {"configuration": ("weights", "rows"), "data": ("weights", "rows"), "rows": ("weights",)}
"""Flags that make it another form: with weights something is measured, and of rows each is read."""


def test_the_subjects_here_are_all_forms_there_are():
    assert set(SUBJECTS) == {(command, form) for command in COMMANDS for form in parser_of(command).forms}


@pytest.mark.parametrize(("command", "form"), SUBJECTS)
def test_a_flag_that_a_form_does_not_use_is_refused(folder, monkeypatch, capsys, command, form):
    monkeypatch.chdir(folder)
    before = sorted(map(str, folder.rglob("*")))
    for action in flags_of(command):
        if action.dest in parser_of(command).forms[form].flags or action.dest in OTHER_FORM.get(form, ()):
            continue
        words = [command, *SUBJECTS[command, form], action.option_strings[-1]]
        code = main([*words, *([] if action.nargs == 0 else [VALUES.get(str(action.metavar), "x")])])
        said = capsys.readouterr().err
        assert code == 2, f"{words}: {said}"
        assert action.option_strings[-1] in said and "fix:" in said
    assert sorted(map(str, folder.rglob("*"))) == before


ONE_RUN = ["predict", "evaluate", "test", "validate", "calibrate", "prune", "sample", "explain", "resume", "inspect", "export"]


@pytest.mark.parametrize("command", ONE_RUN)
def test_a_group_of_runs_is_no_run_and_its_members_are_named(folder, monkeypatch, capsys, command):
    monkeypatch.chdir(folder)
    before = sorted(map(str, folder.rglob("*")))
    assert main([command, "group", *(["-o", "out"] if command == "export" else [])]) == 2
    told = capsys.readouterr().err
    assert "group: a group of runs, not one run" in told and "seed=0, seed=1" in told and "such as group/seed=0" in told
    assert sorted(map(str, folder.rglob("*"))) == before


@pytest.mark.parametrize("command", ["test", "validate"])
def test_settings_of_a_measured_run_count_or_are_refused(folder, monkeypatch, capsys, command):
    monkeypatch.chdir(folder)
    for setting in ("trainer.zzz=1", "zzz=1", "trainer.max_epochs=3", "run.device=cpu", "evaluation.report=false"):
        assert main([command, "table", setting]) == 2
        assert setting.partition("=")[0] in capsys.readouterr().err
    for setting in ("trainer.zzz=1", "zzz=1", "trainer.max_epochs=3", "run.dir=x", "trainer.evaluation_batch_size=0"):
        assert main([command, "own", setting]) == 2
        assert setting.partition("=")[0] in capsys.readouterr().err
    if command == "test":
        assert main([command, "own", "trainer.evaluation_batch_size=3", "run.device=cpu"]) == 0
        assert main([command, "table", "evaluation.intervals=true"]) == 0


@pytest.mark.parametrize("setting", ["run.seed=1", "data.split.test=0.4", "data.split={type: random}"])
@pytest.mark.parametrize("command", ["test", "validate"])
def test_a_run_is_measured_on_the_rows_that_it_held_back(folder, monkeypatch, capsys, command, setting):
    monkeypatch.chdir(folder)
    assert main([command, "own", setting]) == 2
    assert "would be measured as if they were new" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["own", "table"])
def test_a_run_is_continued_where_it_is(folder, monkeypatch, capsys, name):
    monkeypatch.chdir(folder)
    for setting in ("run.dir=elsewhere", "run.name=another"):
        assert main(["resume", name, setting]) == 2
        told = capsys.readouterr().err
        assert "is continued where it is" in told and "--fork" in told
    assert not (folder / "elsewhere").exists()
    assert main(["resume", name, f"run.dir={folder / name}"]) == 0


def test_a_limit_of_batches_counts_where_a_run_is_measured(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    numbers = []
    for more in ([], ["--limit-batches", "1"], ["trainer.limit_batches=1"]):
        assert main(["test", "own", *more]) == 0
        numbers.append(capsys.readouterr().out)
    assert numbers[1] == numbers[2] != numbers[0]


def test_settings_are_compared_by_whole_keys():
    form = Form("a run", (), ("trainer.loader", "system"))
    for setting in ("trainer.loader.workers=2", "system=x", "system.model.width=3", "trainer.loader={workers: 1}"):
        refuse_unused_settings(form, "trainwright test", [setting])
    for setting in ("trainer.loaders=1", "systems=1", "trainer={}", "run.seed=1"):
        with pytest.raises(RequestError):
            refuse_unused_settings(form, "trainwright test", [setting])
    refuse_unused_settings(Form("a configuration", (), ALL), "trainwright validate", ["anything.at.all=1"])
    assert all("=" not in each for each in MEASURING)


@pytest.mark.parametrize(
    "words",
    [
        *("--version x", "version x", "help train x", "schema x", "lr own.yaml --points 3", "inspect own.yaml --dtype float64"),
        *("inspect own.yaml --json --buffers", "inspect own.yaml --json --match x", "inspect own.yaml --json --depth 1"),
    ],
)
def test_what_nothing_looks_at_is_refused(folder, monkeypatch, capsys, words):
    monkeypatch.chdir(folder)
    assert main(words.split()) == 2
    assert "fix:" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["caf\udce9.csv", "run.name=a\ud800b", "a\0b"])
@pytest.mark.parametrize("command", COMMANDS)
def test_arguments_that_are_no_text_are_refused(capsys, command, word):
    assert main([command, word]) == 2
    assert "UTF-8" in capsys.readouterr().err


ROWS = [{"x": row, "y": row % 2} for row in range(9)]
COLUMNS = {"x": list(range(9)), "y": [row % 2 for row in range(9)]}


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"rows": ROWS}, "its rows are under 'rows'"),
        ({"data": ROWS}, "its rows are under 'data'"),
        ({"count": 9, "items": ROWS}, "its rows are under 'items'"),
        (
            {"type": "FeatureCollection", "name": "a", "features": [{"type": "Feature", "properties": row} for row in ROWS]},
            "under 'features'",
        ),
        ({"rows": ROWS * 3000}, "its rows are under 'rows'"),
        (COLUMNS, "it has x, y"),
        ({"target": COLUMNS["y"], "x": COLUMNS["x"]}, "it has target, x"),
        ({str(place): row for place, row in enumerate(ROWS)}, "it has 0, 1"),
        ({"a": ROWS[0], "b": ROWS[1]}, "it has a, b"),
        ({name: {str(place): value for place, value in enumerate(each)} for name, each in COLUMNS.items()}, "it has x, y"),
        ({"columns": ["x", "y"], "index": [0, 1], "data": [[1, 0], [2, 1]]}, "it has columns, index, data"),
    ],
)
@pytest.mark.parametrize("indent", [None, 1])
def test_an_object_of_data_is_refused_as_data_with_where_its_rows_are(found, words, indent, tmp_path, capsys):
    (tmp_path / "t.json").write_text(json.dumps(found, indent=indent))
    assert main(["train", str(tmp_path / "t.json"), "--target", "y", "--dry-run"]) == 2
    told = capsys.readouterr().err
    assert words in told and "unknown option" not in told and "mistakes" not in told


@pytest.mark.parametrize(
    "found",
    [
        {"targets": ["y"], "data.source.path": "t.csv"},
        {"lr": 0.1, "epochs": 3},
        {"optimizer": {"lr": 0.1}, "trainr": {"lr": 3}},
        {"callbacks": [{"type": "a"}]},
        {"colums": [{"name": "x"}]},
        {"targets": ["y", "z"], "ignore": ["a", "b"]},
        {"model": {"type": "mlp"}, "loss": {"type": "mse"}},
        {"metrics": [{"type": "accuracy"}], "model": "mlp"},
    ],
)
def test_an_object_of_options_is_a_configuration_with_slips_too(found):
    assert not holds_data(found)
