from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from trainwright.cli import doctor as command
from trainwright.config.compose import compose
from trainwright.runs import doctor
from trainwright.runs.doctor import Finding, at_least, examine, install_line, requirements, size_of
from trainwright.runs.doctor_config import config_findings, package_of, parts_of
from trainwright.systems.run_config import Config


@pytest.fixture(scope="module")
def findings() -> list[Finding]:
    return examine()


def named(findings: list[Finding]) -> dict[str, Finding]:
    return {each.name: each for each in findings}


def program(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; from trainwright.cli.doctor import run; sys.exit(run(sys.argv[1:]))"
    environment = {**os.environ, **variables}
    return subprocess.run([sys.executable, "-c", code, *words], cwd=folder, capture_output=True, text=True, env=environment, timeout=120)


def test_it_finds_python_torch_compilers_and_the_machine(findings: list[Finding]) -> None:
    import torch

    found = named(findings)
    assert found["Python"].value.startswith(sys.version.split()[0]) and found["Python"].state == "ok"
    assert found["torch"].value.startswith(torch.__version__) and found["torch"].state == "ok"
    assert ("CUDA" in found["torch"].value) is (torch.version.cuda is not None)
    assert {"driver", "nvcc", "gcc", "g++", "ninja", "system", "processor", "memory", "disk"} <= set(found)
    assert len([each for each in found if each.startswith("cuda:")]) == torch.cuda.device_count()
    assert "excel" in found and "dev" not in found and "openpyxl" in found["excel"].value


def test_lines_are_aligned_and_short(findings: list[Finding]) -> None:
    lines = command.describe_findings(findings).splitlines()
    starts = {line.index(each.value) for each in findings for line in lines if line.startswith("  " + each.name) and each.value in line}
    assert len(starts) == 1
    assert lines[-1] == "nothing that is needed is missing" or "missing" in lines[-1] or "fix" in lines[-1]


def test_json_holds_the_same(findings: list[Finding], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(doctor, "examine", lambda: findings)
    code = command.run(["--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is (code == 0)
    assert told["findings"] == [each.as_dict() for each in findings]
    assert {"section", "name", "value", "state", "fix"} == set(told["findings"][0])


def test_a_torch_that_ends_python_is_told_and_nothing_else_is_lost(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("import os, sys\nprint('Illegal instruction', file=sys.stderr)\nos._exit(132)\n")
    (tmp_path / "c.yaml").write_text("data: {source: 'builtin:iris'}\n")
    done = program(tmp_path, "c.yaml", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1, done.stderr
    assert "Illegal instruction" in done.stdout and "not examined, since torch does not import" in done.stdout
    assert "pip install --force-reinstall torch" in done.stdout and "memory" in done.stdout


def test_packages_that_do_not_import_beside_torch_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "torch.py").touch()
    error = doctor.imports("torchvision")
    assert error == "RuntimeError: operator torchvision::nms does not exist"
    told = doctor._clash("torchvision", error)
    assert told.state == "note" and told.fix == "pip install --upgrade torch torchvision"


@pytest.mark.parametrize(
    ("told", "smi", "name", "what"),
    [
        (
            {"version": "2.13", "cuda": None, "hip": None, "cudnn": None, "gpus": []},
            "H200, 143771, 4, 570.1\n",
            "CUDA",
            "built for the CPU alone",
        ),
        (
            {"version": "2.13", "cuda": "13.0", "hip": None, "cudnn": 91002, "gpus": []},
            "H200, 143771, 4, 570.1\n",
            "CUDA",
            "cannot use the driver",
        ),
        (
            {"version": "2.13", "cuda": "13.0", "gpus": [{"name": "H200", "memory": 150 << 30, "capability": "9.0"}]},
            "H200, 143771, 2048, 570.1\n",
            "cuda:0",
            "H200, 150 GiB, 2 GiB of it in use, capability 9.0",
        ),
        ({"version": "2.13", "cuda": "13.0", "gpus": [], "cuda_error": "RuntimeError: no kernel image"}, "", "CUDA", "no kernel image"),
    ],
)
def test_a_driver_and_a_torch_that_do_not_go_together_are_told(
    told: dict[str, Any], smi: str, name: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    found = named(doctor.gpu_findings(told, smi))[name]
    assert what in found.value and (found.state == "missing") is (name == "CUDA")


def test_built_extensions_and_locks_left_behind_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    for name in ("raster", "half"):
        (tmp_path / "py311_cu130" / name).mkdir(parents=True)
    (tmp_path / "py311_cu130" / "raster" / "raster.so").write_bytes(b"x" * 2048)
    (tmp_path / "py311_cu130" / "half" / "lock").touch()
    found = named(doctor.extension_findings())
    assert found["built: raster"].value == "py311_cu130/raster, 2 KiB"
    assert found["lock: half"].state == "note" and found["lock: half"].fix.endswith("half/lock")


class TestForAConfiguration:
    def test_every_part_it_uses_is_imported_given_or_by_default(self) -> None:
        composed = compose(Config, {"data": {"source": "builtin:iris"}, "trainer": {"callbacks": ["profiler"]}}, (), {})
        used = {(kind, name) for _, kind, name in parts_of(composed)}
        assert {("optimizer", "adamw"), ("callback", "profiler"), ("tracker", "tensorboard"), ("schedule", "constant")} <= used
        assert ("source", "builtin:iris") not in used
        (told,) = [each for each in config_findings(composed) if each.name == "parts"]
        assert "profiler" in told.value and "adamw" in told.value

    def test_what_cannot_be_imported_comes_with_its_place_and_the_line_that_installs_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "net.py").write_text("import no_such_package_here\nclass Net: ...\n")
        (tmp_path / "c.yaml").write_text("data: {source: absent.csv}\ntrainer:\n  callbacks: ['./net.py:Net', profilr]\n")
        composed = compose(Config, "c.yaml", (), {})
        missing = [each for each in config_findings(composed) if each.state == "missing"]
        assert [each.name for each in missing] == ["c.yaml:1:16", "c.yaml:3:15", "c.yaml:3:31"]
        assert "absent.csv" in missing[0].value
        assert missing[1].fix == "pip install no_such_package_here, or check the spelling"
        assert "did you mean 'profiler'?" in missing[2].fix
        assert command.install(missing) == "pip install no_such_package_here"

    def test_a_registered_part_whose_package_is_not_there_names_the_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from trainwright.config.domains import house_table
        from trainwright.config.registry import Part

        trackers = house_table("tracker")
        monkeypatch.setitem(trackers, "csv", Part("openpyxl_not_here.x:Y", trackers["csv"].config, "x"))
        monkeypatch.setattr(doctor, "requirements", lambda: {"excel": {"openpyxl_not_here": "3"}})
        monkeypatch.setattr("trainwright.runs.doctor_config.requirements", lambda: {"excel": {"openpyxl-not-here": "3"}})
        composed = compose(Config, {"data": {"source": "builtin:iris"}, "trainer": {"trackers": ["csv"]}}, (), {})
        (told,) = [each for each in config_findings(composed) if each.state == "missing"]
        assert told.fix == "pip install 'trainwright[excel]'" and "tracker csv does not import" in told.value

    def test_compiling_without_a_compiler_is_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        composed = compose(Config, {"data": {"source": "builtin:iris"}, "trainer": {"modes": {"compile": True}}}, (), {})
        (told,) = [each for each in config_findings(composed, torch_works=False) if each.state == "missing"]
        assert "needs a C++ compiler" in told.value

    def test_the_exit_code_says_whether_something_is_missing(
        self, tmp_path: Path, findings: list[Finding], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(doctor, "examine", lambda: list(findings))
        (tmp_path / "good.yaml").write_text("data: {source: 'builtin:iris'}\n")
        assert command.run([str(tmp_path / "good.yaml")]) == 0, capsys.readouterr().out
        assert "configuration\n" in capsys.readouterr().out
        assert command.run([str(tmp_path / "good.yaml"), "trainer.callbacks=[nowhere.x:Y]"]) == 1
        shown = capsys.readouterr().out
        assert "1 thing is missing\n  fix: pip install nowhere\n" in shown


def test_versions_sizes_and_install_lines_are_read_and_written_as_people_do() -> None:
    assert at_least("2.13.0+cpu", "2.11") and not at_least("2.9", "2.11") and at_least("1", "")
    assert [size_of(each) for each in (12, 2048, 25276518400)] == ["12 B", "2 KiB", "23.5 GiB"]
    assert install_line(["trainwright[media]", "ninja", "torch>=2.11"]) == "pip install 'trainwright[media]' ninja 'torch>=2.11'"
    assert package_of("PIL.Image") == "trainwright[images]" and package_of("openpyxl") == "trainwright[excel]"
    assert requirements()[""]["torch"]
