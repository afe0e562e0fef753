"""`trainwright validate` refuses what a run would refuse before its model is made, in the words of the run; and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from trainwright.api.train import dry_run
from trainwright.api.validate import check_whole
from trainwright.config.errors import ManyErrors, RequestError
from trainwright.config.registry import parts
from trainwright.engine.config import TrainerConfig
from trainwright.engine.settings import check_settings
from trainwright.systems.run_config import compose_config

CODE = """
import torch
from torch import nn


class Line(nn.Module):
    def __init__(self):
        super().__init__()
        self.line = nn.Linear(3, 2)

    def forward(self, x):
        return self.line(x)


def rows(seed=0):
    x = torch.arange(60.0).reshape(20, 3).sin()
    pairs = list(zip(x, (x[:, 0] > 0).long()))
    return {"train": pairs[:14], "validation": pairs[14:]}
"""
OWN = {"system": {"type": "plain", "model": "./code.py:Line"}, "data": "./code.py:rows", "trainer": {"max_steps": 10}}
TABLE = {"data": {"source": "t.csv"}, "targets": ["y"], "trainer": {"max_steps": 10}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two configurations that are right, with their code and data."""
    made = tmp_path_factory.mktemp("validate")
    (made / "code.py").write_text(CODE)
    (made / "t.csv").write_text("a,b,y\n" + "".join(f"{n * 7 % 11},{n * 3 % 5},{'uv'[n % 2]}\n" for n in range(60)))
    (made / "own.yaml").write_text(yaml.safe_dump(OWN))
    (made / "table.yaml").write_text(yaml.safe_dump(TABLE))
    (made / "taken").mkdir()
    (made / "taken" / "file").write_text("")
    return made


def refused(call: Any, config: str, setting: str) -> set[tuple[str, str]]:
    """Where and what was refused."""
    try:
        call(compose_config(config, [setting]))
    except ManyErrors as error:
        return {(each.where, each.what) for each in error.errors}
    except RequestError as error:
        return {(error.where, error.what)}
    return set()


WRONG = {
    "own": [
        ("system.weights=absent.safetensors", "there are no such weights"),
        ("system.weights=runs/absent", "there are no such weights"),
        ("system.init=[{names: '*', weight: xavier}]", "there is no initialisation 'xavier'"),
        ("system.init=[{names: '*', weight: {type: xavier_uniform, gian: 2}}]", "'xavier_uniform' cannot be called so"),
        ("system.init=[{modules: Linear, function: './absent.py:fill'}]", "cannot import './absent.py:fill'"),
        ("system.parametrizations=[{names: '*.weight', type: no_norm}]", "there is no parametrization 'no_norm'"),
        ("system.parametrizations=[{names: '*.weight', type: './code.py:Norm'}]", "cannot import './code.py:Norm'"),
        ("trainer.gradient_hooks=[{match: '*', function: './absent.py:hook'}]", "cannot import './absent.py:hook'"),
        ("system.extensions=[{name: ops, sources: [absent.cpp]}]", "there is no 'absent.cpp'"),
        ("system.metrics=['./absent.py:score']", "cannot import './absent.py:score'"),
        ("trainer.monitor=acuracy", "there is no metric 'acuracy'"),
        ("trainer.schedule={type: cosine, warmup: 20 steps}", "the warm-up is longer than the run"),
        ("trainer={max_steps: null, max_epochs: 2, schedule: {type: cosine, warmup: 3 epochs}}", "the warm-up is longer than the run"),
        ("trainer={max_steps: null, max_time: 9 s, schedule: cosine}", "the length of the run must be known here"),
        (
            "trainer={batch_size: 10, micro_batch_size: 3, accumulation: 2}",
            "batch, micro-batch and accumulation do not fit each other",
        ),
        ("trainer={batch_size: 10, micro_batch_size: 30}", "a piece of 30 rows is more than a batch of 10"),
        ("trainer={batch_size: 100, max_batch_size: 30}", "a batch of 100 is above max_batch_size, 30"),
        ("trainer={checkpoint: none, recovery: {not_finite: rollback}}", "rollback needs checkpoints"),
        ("trainer={evaluate_every: 20 steps, early_stopping: {patience: 3}}", "patience without evaluations"),
        ("trainer.swa={start: 20 steps}", "the average begins at '20 steps', after the end of the run"),
        ("trainer.optimizer={type: sgd, nesterov: true, momentum: 0}", "nesterov needs momentum above 0 and no dampening"),
        ("trainer.optimizer={type: torch.optim.SGD, lr: 0.1, nesterov: true}", "SGD refuses its options"),
        ("trainer={optimizer: lbfgs, precision: fp16}", "lbfgs cannot be combined with fp16"),
        ("trainer={optimizer: schedule_free_adamw, ema: 0.9}", "schedule_free_adamw averages the weights itself"),
        ("trainer.callbacks=['./code.py:Line']", "a Line is no callback"),
        ("trainer.modes={default_device: gpu9}", "there is no device 'gpu9'"),
        ("data=null", "there are no data"),
        ("run.dir=taken", "this place is taken"),
    ],
    "table": [
        ("targets=[z]", "target 'z' is not a column of the data"),
        ("inputs=[a, z]", "`inputs` names 'z', which is not a column of the data"),
        ("ignore=[z]", "`ignore` names 'z', which is not a column of the data"),
        ("columns={z: number}", "`columns` names 'z', which is not a column of the data"),
        ("data.weights=z", "`data.weights` names 'z', which is not a column of the data"),
        ("data.derive={c: 'z + 1'}", "'z' is not a column of the data"),
        ("data.split={type: column, column: z}", "no column 'z'"),
        ("data.split={type: time, column: z}", "no column 'z'"),
        ("run.dir=taken", "this place is taken"),
        ("trainer.schedule={type: cosine, warmup: 20 steps}", "the warm-up is longer than the run"),
    ],
}


@pytest.mark.parametrize(("config", "setting", "what"), [(config, *each) for config, cases in WRONG.items() for each in cases])
def test_what_a_run_refuses_before_its_model_is_refused_in_its_words(
    config: str, setting: str, what: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    before = sorted(each.name for each in folder.iterdir())
    found = refused(check_whole, f"{config}.yaml", setting)
    assert what in {each for _, each in found}
    assert found == refused(dry_run, f"{config}.yaml", setting)
    assert [each for each in sorted(each.name for each in folder.iterdir()) if each not in ("__pycache__", *before)] == []


@pytest.mark.parametrize(
    ("config", "setting"),
    [
        ("own", "trainer.early_stopping={patience: 3}"),
        ("own", "trainer={max_steps: null, max_epochs: 3, schedule: {type: cosine, warmup: 40 steps}}"),  # of many rows it is right
        ("own", "trainer.optimizer={type: adamw, learning_rate: auto}"),
        ("own", "trainer.monitor=accuracy"),
        ("own", "system.init=[{names: '*.weight', weight: xavier-uniform_}]"),
        ("own", "run.device=cuda:7"),
        ("table", "ignore=[b]"),
        ("table", "data.where=a > 1"),
    ],
)
def test_what_a_run_may_be_is_valid(config: str, setting: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert refused(check_whole, f"{config}.yaml", setting) == set()


def test_optimizers_as_they_are_by_default_are_valid() -> None:
    for name in parts("optimizer").keys() - {"timm"}:  # which says what it is by a name of its own
        check_settings(TrainerConfig.model_validate({"optimizer": name, "max_epochs": 3}))


def test_a_place_that_is_taken_is_told_without_a_flag_that_validate_has_not(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(RequestError) as found:
        check_whole(compose_config("own.yaml", ["run.dir=taken"]))
    assert found.value.fix == "train with --resume to continue it, or choose another place with run.dir=DIR"


def test_a_hook_on_modules_whose_function_is_not_there_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)  # a run puts hooks on when it begins, so a dry run does not come to it
    found = refused(check_whole, "own.yaml", "system.hooks=[{modules: line, do: './absent.py:look'}]")
    assert found == {("system.hooks.0.do", "cannot import './absent.py:look'")}
    found = refused(check_whole, "own.yaml", "system.hooks=[{modules: line, do: replace, function: './code.py:absent'}]")
    assert found == {("system.hooks.0.function", "cannot import './code.py:absent'")}


FIXES = [
    (
        "own",
        "trainer={batch_size: 10, micro_batch_size: 3, accumulation: 2}",
        "batch_size: 10, micro_batch_size: 5, accumulation: 2",
        "trainer={%s}",
    ),
    ("own", "trainer={batch_size: 10, micro_batch_size: 30}", "batch_size: 30, micro_batch_size: 30, accumulation: 1", "trainer={%s}"),
    (
        "own",
        "trainer.optimizer={type: sgd, nesterov: true, momentum: 0}",
        "momentum: 0.9",
        "trainer.optimizer={type: sgd, nesterov: true, %s}",
    ),
    (
        "own",
        "trainer={checkpoint: none, recovery: {not_finite: rollback}}",
        "checkpoint: full",
        "trainer={recovery: {not_finite: rollback}, %s}",
    ),
    ("own", "trainer.swa={start: 20 steps}", "0.75 run", "trainer.swa={start: %s}"),
    ("own", "trainer={optimizer: lbfgs, precision: fp16}", "fp32", "trainer={optimizer: lbfgs, precision: %s}"),
    ("own", "trainer.monitor=acuracy", "accuracy", "trainer.monitor=%s"),
    ("own", "trainer.modes={default_device: gpu9}", "cpu", "trainer.modes={default_device: %s}"),
    ("own", "system.init=[{names: '*.weight', weight: xavier}]", "xavier_uniform", "system.init=[{names: '*.weight', weight: %s}]"),
    (
        "own",
        "system.parametrizations=[{names: '*.weight', type: no_norm}]",
        "weight_norm",
        "system.parametrizations=[{names: '*.weight', type: %s}]",
    ),
    ("own", "system.model=./code.py:Lin", "Line", "system.model=./code.py:%s"),
    ("own", "trainer.schedul=cosine", "schedule", "trainer.%s=cosine"),
    ("table", "targets=[z]", "b", "targets=[%s]"),
    ("table", "data.split={type: column, column: z}", "a", "data.split={type: column, column: %s}"),
    ("table", "trainer.evaluate_every=2 epochz", "2 epochs", "trainer.evaluate_every=%s"),
    ("table", "data.source=u.csv", "t.csv", "data.source=%s"),
]


@pytest.mark.parametrize(("config", "wrong", "named", "right"), FIXES)
def test_what_a_fix_names_is_valid(config: str, wrong: str, named: str, right: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(RequestError) as found:
        check_whole(compose_config(f"{config}.yaml", [wrong]))
    errors = found.value.errors if isinstance(found.value, ManyErrors) else [found.value]
    assert len(errors) == 1 and named in errors[0].fix
    assert refused(check_whole, f"{config}.yaml", right % named) == set()
