from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from commands import trainwright_command
from trainwright.cli.main import COMMANDS
from trainwright.config.registry import KINDS, parts

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "trainwright"]
GOOD = "data: {source: 'builtin:iris'}\n"


def trainwright(*words, folder=None, **variables):
    return trainwright_command(*map(str, words), folder=folder, **{"COLUMNS": "100", **variables})


def write_files(place):
    (place / "good.yaml").write_text(GOOD)
    (place / "bad.yaml").write_text(GOOD + "trainer:\n  max_epochs: 10 epochz\n  batch_sze: 3\n")
    (place / "t.csv").write_text("a,b\n1,2\n")


@pytest.fixture
def folder(tmp_path):
    write_files(tmp_path)
    return tmp_path


LIGHT = [
    ["--help"],
    ["--version"],
    *([command, "--help"] for command in COMMANDS),
    ["validate", "bad.yaml"],  # a file without mistakes of form is judged by what torch would refuse
    ["validate", "bad.yaml", "--print"],
    ["schema"],
    ["list"],
    ["list", "encoder"],
    ["list", "encoder.dense"],
    ["runs"],
    ["train", "good.yaml", "run.sed=3"],
]
IMPORTS = f"""
import json
import sys
from trainwright.cli.main import main
heavy = {{"torch", "pandas", "sklearn", "scipy", "matplotlib", "rich"}}
found = [heavy & set(sys.modules)]
for words in {LIGHT!r}:
    try:
        main(words)
    except SystemExit:
        pass
    found.append(heavy & set(sys.modules))
with open("imported.json", "w") as file:
    json.dump([sorted(after - before) for before, after in zip(found, found[1:])] + [sorted(found[0])], file)
"""


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """What each of the commands is the first to import, given one after another in a process of their own."""
    place = tmp_path_factory.mktemp("light")
    write_files(place)
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, cwd=place, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads((place / "imported.json").read_text())


@pytest.mark.parametrize("number", range(len(LIGHT)), ids=map(" ".join, LIGHT))
def test_what_needs_no_torch_imports_none(imported, number):
    assert imported[number] == []


def test_the_command_itself_imports_no_torch(imported):
    assert imported[-1] == []


def test_the_help_is_there_at_once():
    fastest = 9.0
    for _ in range(5):
        start = time.perf_counter()
        assert subprocess.run([*PROGRAM, "--help"], capture_output=True).returncode == 0
        fastest = min(fastest, time.perf_counter() - start)
    assert fastest <= 0.30


def test_the_help_names_every_command():
    done = trainwright()
    assert done.returncode == 0
    assert all(f"  {name}" in done.stdout for name in COMMANDS)
    assert done.stdout == trainwright("help").stdout == trainwright("-h").stdout
    begun = subprocess.run(PROGRAM, capture_output=True, text=True, env={**os.environ, "COLUMNS": "100"})
    assert (begun.returncode, begun.stdout, begun.stderr) == (0, done.stdout, "")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_has_usage_and_examples(command):
    done = trainwright(command, "--help")
    assert done.returncode == 0
    assert f"  trainwright {command}" in done.stdout.split("usage")[1]
    assert "examples\n  trainwright" in done.stdout
    assert "\x1b" not in done.stdout
    assert trainwright("help", command).stdout == done.stdout


def test_the_help_of_train_ends_with_every_setting():
    text = trainwright("train", "--help").stdout
    assert "  trainer.max_epochs  integer ≥ 1 or null  (default null)\n      Passes over the training rows." in text
    assert "  data.source  source  (required)" in text
    assert text.index("\ndata\n") < text.index("\ntrainer\n") < text.index("\nrun\n")


def test_the_help_of_train_begins_with_ten_settings_of_the_configuration():
    from trainwright.cli.settings import USUAL
    from trainwright.systems.run_config import check_config, compose_config

    text = trainwright("train", "--help").stdout
    shown = text.split("settings people use most\n")[1].split("\n\n")[0]
    assert len(USUAL) == 10 and all(f"  {path}={value}" in shown for path, (value, _) in USUAL.items())
    assert text.index("settings people use most") < text.index("\narguments\n") < text.index("\nall settings\n")
    settings = [f"{path}={value}" for path, (value, _) in USUAL.items()]
    assert check_config(compose_config(None, [*settings, "data.source=builtin:iris"])).trainer.max_epochs == 40


def test_the_usage_of_train_names_its_flags():
    usage = trainwright("train", "--help").stdout.split("usage", 1)[1].split("settings people use")[0]
    assert "[--resume]" in usage and "[--dry-run]" in usage


def test_a_dry_run_refuses_a_taken_place_and_writes_nothing(folder):
    (folder / "taken").mkdir()
    (folder / "taken" / "notes.txt").write_text("mine")
    done = trainwright("train", "t.csv", "--target", "b", "--dry-run", "run.dir=taken", folder=folder)
    assert done.returncode == 2
    assert "this place is taken" in done.stderr
    assert [each.name for each in (folder / "taken").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("header", ["a,a.b,y", "b,a.b,y"])
def test_a_column_with_dots_is_answered_with_how_it_is_written(folder, header):
    rows = "".join(f"{i}.5,{i % 7}.2,{i % 2}\n" for i in range(60))
    (folder / "dots.csv").write_text(f"{header}\n{rows}")
    wrong = trainwright("train", "dots.csv", "--target", "y", "--dry-run", "columns.a.b=category", folder=folder)
    assert wrong.returncode == 2
    assert "write \"columns.'a.b'=…\"" in wrong.stderr
    right = trainwright("train", "dots.csv", "--target", "y", "--dry-run", "columns.'a.b'=category", folder=folder)
    assert right.returncode == 0, right.stderr


def test_lines_of_help_fit_the_terminal():
    for command in COMMANDS:
        text = trainwright(command, "--help", COLUMNS="80").stdout
        described = text.split("examples")[0]
        assert max(map(len, described.splitlines())) <= 80, command


@pytest.mark.parametrize(
    ("words", "what", "fix"),
    [
        (["traim"], "unknown command 'traim'", "did you mean 'train'?"),
        (["t.csv", "--target", "b"], "'t.csv' is not a command", "trainwright train t.csv --target b"),
        (["--taget"], "unknown option '--taget'", "trainwright COMMAND --help"),
        (["train"], "nothing to train on", "trainwright train titanic.csv --target survived"),
        (["train", "t.csv", "--taget", "b"], "unknown option '--taget'", "did you mean --target?"),
        (["train", "t.csv", "--max-epochs", "3"], "unknown option '--max-epochs'", "did you mean trainer.max_epochs=VALUE"),
        (
            ["train", "t.csv", "--batch-size", "3"],
            "unknown option '--batch-size'",
            "did you mean trainer.batch_size=VALUE",
        ),
        (["train", "t.csv", "--limit-batch", "3"], "unknown option '--limit-batch'", "did you mean --limit-batches?"),
        (["train", "t.csv", "--run.seed=3"], "unknown option '--run.seed'", "run.seed=VALUE"),
        (["train", "t.csv", "u.csv"], "one argument too many: 'u.csv'", "one pattern in quotes"),
        (["train", "u.csv", "--target", "b"], "u.csv: data.source: ", "t.csv"),
        (["train", "good.yaml", "trainer.max_epoch=3"], "unknown option 'max_epoch' in trainer", "did you mean 'max_epochs'?"),
        (["validate", "t.csv"], "t.csv: no target named", "add --target NAME"),
        (["validate", "builtin:iriss"], "no built-in set 'iriss'", "available: iris"),
        (["train", "nope.yaml"], "nope.yaml: no such file", "configurations in that folder: bad.yaml, good.yaml"),
        (["train", "good.yaml", "model.encoders.nmber=periodic"], "no column type is called 'nmber'", "did you mean 'number'?"),
        (["train", "t.csv", "--target", "b", "--dry-run", "run.dir=t.csv"], "'t.csv' is a file", "run.dir=DIR"),
        (["train", "t.csv", "--target", "b", "--dry-run", "run.dir=t.csv/x"], "'t.csv' is a file", "run.dir=DIR"),
        (["train", "goood.yaml"], "goood.yaml: no such file", "did you mean 'good.yaml'?"),
        (["train", "good.yaml", "--target"], "argument -t/--target/--targets: expected one argument", "usage: trainwright train"),
        (["evaluate"], "missing: RUN|CONFIG", "usage: trainwright evaluate RUN|CONFIG [DATA]"),
        (["predict", "r", "t.csv", "-o", "p.cvs"], "-o p.cvs: the ending of the file names no format", "did you mean '.csv'?"),
        (["runs", "nowhere"], "nowhere: no such folder", "default: runs"),
        (["list", "encodr"], "unknown kind 'encodr'", "did you mean 'encoder'?"),
        (["list", "periodic"], "unknown kind 'periodic'", "did you mean encoder.periodic?"),
        (["list", "encoder.perodic"], "unknown encoder type 'perodic'", "did you mean 'periodic'?"),
        (["list", "model.timm", "a", "b"], "one argument too many: 'b'", "usage: trainwright list"),
        (["schema", "--jason"], "unknown option '--jason'", "trainwright schema --help"),
    ],
)
def test_a_wrong_request_is_one_message_and_exit_2(folder, words, what, fix):
    done = trainwright(*words, folder=folder)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    first, *rest = done.stderr.splitlines()
    assert what in first
    assert any(line.startswith("  fix: ") and fix in line for line in rest)
    assert not (folder / "runs").exists()


def test_every_mistake_of_a_config_is_told(folder):
    done = trainwright("validate", "bad.yaml", folder=folder)
    assert done.returncode == 2
    assert [line for line in done.stderr.splitlines() if not line.startswith("  ")] == [
        "error: bad.yaml:3:15: trainer.max_epochs: '10 epochz' is not a whole number",
        "error: bad.yaml:4:3: unknown option 'batch_sze' in trainer",
        "2 mistakes",
    ]


def test_flags_are_accepted_with_underscores_and_anywhere(folder):
    done = trainwright("train", "--dry_run", "t.csv", "--target=b", "run.sede=1", folder=folder)
    assert "unknown option 'sede' in run" in done.stderr


def test_a_path_with_an_equals_sign_is_data(folder):
    (folder / "year=2024").mkdir()
    (folder / "year=2024" / "t.csv").write_text("a,b\n1,2\n")
    done = trainwright("train", "year=2024/*.csv", "run.sede=1", folder=folder)
    assert [line for line in done.stderr.splitlines() if line.startswith("error")] == [
        "error: command line: run.sede=1: unknown option 'sede' in run"
    ]


def test_a_good_config_is_valid_and_printed_in_full_reads_back(folder):
    assert trainwright("validate", "good.yaml", folder=folder).stdout == "good.yaml: valid\n"
    whole = trainwright("validate", "good.yaml", "run.seed=7", "--print", folder=folder).stdout
    (folder / "whole.yaml").write_text(whole)
    again = trainwright("validate", "whole.yaml", "--print", folder=folder)
    assert (again.returncode, again.stdout) == (0, whole)
    assert "seed: 7" in whole


def test_data_are_checked_and_shown_without_a_model(folder):
    done = trainwright("validate", "builtin:iris", "data.split=random", folder=folder)
    assert done.returncode == 0, done.stderr
    assert "150 rows, 5 columns" in done.stdout and "split: random, 105 training" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("builtin:iris: valid; --rows reads every row too")
    assert not (folder / "runs").exists()
    done = trainwright("validate", "builtin:iris", "--target", "species,nothing", folder=folder)
    assert done.returncode == 2 and "target 'nothing' is not a column of the data" in done.stderr


def test_the_committed_schema_is_the_one_the_program_prints():
    committed = ROOT / "trainwright.schema.json"
    done = trainwright("schema")
    assert json.loads(done.stdout)["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert committed.read_text() == done.stdout, "run: trainwright schema > trainwright.schema.json"


@pytest.mark.parametrize("kind", KINDS)
def test_list_shows_every_part(kind):
    from trainwright.cli.list import one_kind, one_part

    shown = one_kind(kind)
    for name, part in parts(kind).items():
        assert f"  {name}" in shown
        options = one_part(kind, name)
        assert all(f"  {key}  " in options or f"  {key}." in options for key in part.config.model_fields if key != "type")


def test_list_takes_plurals_dashes_and_json():
    assert trainwright("list", "encoders").stdout == trainwright("list", "encoder").stdout
    assert trainwright("list", "encoder.piecewise-linear").stdout == trainwright("list", "encoder.piecewise_linear").stdout
    options = json.loads(trainwright("list", "encoder.dense", "--json").stdout)["options"]
    assert options[0]["path"] == "depth"
    assert options[0]["default"] == "2"


def test_no_runs_is_no_mistake(folder):
    assert trainwright("runs", folder=folder).stdout.startswith("no runs in runs; ")
    assert json.loads(trainwright("runs", "--json", folder=folder).stdout) == []


def test_a_closed_pipe_is_no_traceback(folder):
    done = subprocess.run(f"{sys.executable} -m trainwright schema | head -1", shell=True, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("{\n", "")


def test_an_unforeseen_failure_is_short_and_whole_on_request(folder):
    code = """
import sys
import trainwright.cli.list as command
from trainwright.cli.main import main
command.all_kinds = lambda: 1 / 0
sys.exit(main())
"""
    short = subprocess.run([sys.executable, "-c", code, "list"], capture_output=True, text=True, timeout=60)
    assert short.returncode == 1
    assert short.stderr.startswith("error: ZeroDivisionError: division by zero\n  why: not foreseen")
    assert "Traceback" not in short.stderr
    whole = subprocess.run([sys.executable, "-c", code, "list", "--traceback"], capture_output=True, text=True, timeout=60)
    assert whole.returncode == 1
    assert "Traceback" in whole.stderr
    whole = trainwright("validate", "bad.yaml", folder=folder, TRAINWRIGHT_TRACEBACK="1")
    assert "Traceback" in whole.stderr


def test_colours_are_kept_for_terminals():
    import pty

    def on_terminal(**variables):
        main, other = pty.openpty()
        process = subprocess.Popen([*PROGRAM, "--help"], stdout=other, stderr=other, env={**os.environ, "TERM": "xterm", **variables})
        process.wait(30)
        os.close(other)
        return os.read(main, 100_000).decode()

    assert "\x1b[1m" in on_terminal(NO_COLOR="")
    assert "\x1b" not in on_terminal(NO_COLOR="1")
