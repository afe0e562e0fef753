from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from trainwright.cli.launch import DEBUG, DEBUG_LENGTH, add_launch_flags, divide_words, prepare
from trainwright.cli.parser import Parser
from trainwright.config.compose import compose
from trainwright.config.errors import ConfigError, RequestError
from trainwright.config.located import validate
from trainwright.config.model import ConfigModel
from trainwright.config.own_arguments import arguments, own_parser, read_arguments

MAKE = """
import argparse

def make_parser():
    parser = argparse.ArgumentParser(prog="mine")
    parser.add_argument("--beta", type=float, default=0.5)
    parser.add_argument("--sizes", type=int, nargs="+")
    parser.add_argument("--fancy", action="store_true")
    parser.add_argument("names", nargs="*")
    return parser

def broken():
    return 1 / 0

def odd():
    return 3
"""


def command() -> Parser:
    made = Parser("train", "Train.", "CONFIG", ["trainwright train c.yaml"])
    made.add_argument("words", nargs="*")
    made.add_argument("--resume", action="store_true")
    made.add_argument("--target", action="append")
    add_launch_flags(made)
    return made


def launched(*words: str, own: tuple[str, ...] = ()) -> Any:
    return prepare(command().parse(words), own)


@pytest.fixture(autouse=True)
def no_gpus_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"):
        monkeypatch.setenv(name, "x")  # so that it is put back after the test
        monkeypatch.delenv(name)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_args.py").write_text(MAKE)
    (tmp_path / "c.yaml").write_text("parser: ./my_args.py:make_parser\n")
    (tmp_path / "plain.yaml").write_text("a: 1\n")
    return tmp_path


class TestGPUs:
    def test_those_asked_for_are_the_only_visible_ones_in_the_order_of_their_slots(self) -> None:
        assert launched("--gpu", "0,1").gpus == ("0", "1")
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "0,1" and os.environ["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"

    def test_none_leaves_the_cpu(self) -> None:
        launched("--gpu", "none")
        assert os.environ["CUDA_VISIBLE_DEVICES"] == ""

    def test_a_choice_made_before_wins_and_this_is_said(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
        launch = launched("--gpu", "0")
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "3" and launch.gpus == ()
        launch.start_console()
        assert capsys.readouterr().err == "warning: --gpu 0 is left aside: CUDA_VISIBLE_DEVICES=3 is set already\n"
        assert launched("--gpu", "3").notes == []

    @pytest.mark.parametrize(
        ("given", "what"),
        [("0;1", "'0;1' is not the number of a GPU"), ("0,", "''"), ("a", "'a'"), ("0,1,0", "GPU 0 is named twice"), ("1,01", "GPU 1 is")],
    )
    def test_what_is_no_gpu_is_refused(self, given: str, what: str) -> None:
        with pytest.raises(ConfigError) as caught:
            launched("--gpu", given)
        assert what in caught.value.what and caught.value.where == f"--gpu {given}"
        assert "CUDA_VISIBLE_DEVICES" not in os.environ

    def test_one_that_is_not_there_is_refused_once_torch_can_tell(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import torch

        launch = launched("--gpu", "0,99")
        count = torch.cuda.device_count()
        if count < 2:
            with pytest.raises(ConfigError, match=f"there is no GPU {('0', '99')[count]}"):
                launch.check_gpus()
        launched().check_gpus()

    def test_the_choice_is_made_before_torch_is_imported(self) -> None:
        program = "import sys, os; sys.path.insert(0, 'tests/cli'); import test_launch_flags as t; t.launched('--gpu', '1', '--debug')\n"
        program = program.replace("import test_launch_flags as t; ", "import test_launch_flags as t; assert 'torch' not in sys.modules; ")
        program += "assert 'torch' not in sys.modules and os.environ['CUDA_VISIBLE_DEVICES'] == '1'"
        subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])


class TestSettings:
    def test_verbose_shows_debug_messages(self, capsys: pytest.CaptureFixture[str]) -> None:
        for words, shown in (((), ""), (("--verbose",), "a detail\n")):
            launched(*words).start_console()
            logging.getLogger("trainwright.some").debug("a detail")
            assert capsys.readouterr().err == shown

    def test_debug_and_limit_are_settings_with_their_flag_as_place(self) -> None:
        launch = launched("--debug", "--limit-batches", "3")
        found = {".".join(map(str, each.path)): each.value.value for each in launch.settings}
        assert found == {**DEBUG, **DEBUG_LENGTH, "trainer.limit_batches": 3}
        assert str(launch.settings[-1].value.place) == "command line: --limit-batches 3"

    def test_every_setting_of_debug_is_one_of_the_configuration(self) -> None:
        from trainwright.systems.run_config import Config

        settings = prepare(command().parse(["--debug"])).settings
        trainer = validate(Config, compose(Config, {"data": {"source": "builtin:iris"}}, settings, {})).trainer
        assert (trainer.loader.workers, trainer.limit_batches, trainer.modes.detect_anomaly) == (0, 1, True)
        assert (trainer.modes.compile, trainer.max_epochs, trainer.max_steps) == (None, 2, None)

    def test_a_length_on_the_command_line_is_that_of_a_run_that_is_debugged(self) -> None:
        found = {".".join(map(str, each.path)) for each in launched("--debug", "trainer.max_steps=7").settings}
        assert found == set(DEBUG)

    def test_a_limit_below_one_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="0 batches are too few"):
            launched("--limit-batches", "0")
        with pytest.raises(RequestError, match="invalid int value"):
            launched("--limit-batches", "few")

    def test_typecheck_puts_the_check_into_imports(self) -> None:
        from trainwright.config import typecheck

        try:
            launched("--typecheck")
            assert typecheck.is_installed()
        finally:
            typecheck.uninstall()


class Section(ConfigModel):
    """What a command's configuration needs for arguments of one's own."""

    parser: str = ""
    """A function that makes the parser."""
    arguments: list[str] = []
    """Its arguments."""


class TestOwnArguments:
    @pytest.mark.parametrize(
        ("words", "own"),
        [
            ("c.yaml --beta 0.3 a.b=1 --resume", "--beta 0.3"),
            ("c.yaml --beta=0.3 --sizes 1 2 --fancy --gpu 0 x=1", "--beta=0.3 --sizes 1 2 --fancy"),
            ("--fancy c.yaml -- one --resume", "--fancy one --resume"),
            ("c.yaml --beta -1", "--beta -1"),
            ("c.yaml --resume --limit_batches 3", ""),
            ("plain.yaml parser=./my_args.py:make_parser --fancy", "--fancy"),
        ],
    )
    def test_unknown_flags_go_to_the_parser_that_the_config_names(self, folder: Path, words: str, own: str) -> None:
        kept, given = divide_words(command(), words.split())
        assert given == own.split()
        command().parse(kept)
        assert [each for each in kept if each.endswith(".yaml")] and not {"--beta", "--fancy"} & set(kept)

    def test_what_nobody_knows_is_answered_with_the_nearest_of_both(self, folder: Path) -> None:
        with pytest.raises(RequestError) as caught:
            divide_words(command(), ["c.yaml", "--fanci"])
        assert caught.value.what == "unknown option '--fanci'" and "did you mean --fancy" in caught.value.fix.replace("'", "")

    def test_without_a_parser_they_are_refused_as_ever(self, folder: Path) -> None:
        kept, own = divide_words(command(), ["plain.yaml", "--fancy"])
        assert own == []
        with pytest.raises(RequestError, match="unknown option '--fancy'"):
            command().parse(kept)
        with pytest.raises(RequestError, match="'x' after -- is for nobody"):
            divide_words(command(), ["plain.yaml", "--", "x"])

    def test_they_are_a_setting_and_so_part_of_the_record_of_a_run(self, folder: Path) -> None:
        kept, own = divide_words(command(), ["c.yaml", "--beta", "0.3", "--", "a"])
        launch = prepare(command().parse(kept), own)
        config = validate(Section, compose(Section, "c.yaml", launch.settings, {}))
        assert config.arguments == ["--beta", "0.3", "a"]
        assert read_arguments(config.parser, config.arguments) is arguments()
        assert arguments() == argparse.Namespace(beta=0.3, sizes=None, fancy=False, names=["a"])

    def test_threads_see_them_too(self, folder: Path) -> None:
        from concurrent.futures import ThreadPoolExecutor

        read_arguments("./my_args.py:make_parser", ["--fancy"])
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(arguments).result().fancy

    def test_what_the_parser_refuses_is_told_with_its_usage(self, folder: Path) -> None:
        for words, what in ((["--beta", "x"], "--beta: invalid float value: 'x'"), (["--nope"], "unrecognized arguments: --nope")):
            with pytest.raises(ConfigError) as caught:
                read_arguments("./my_args.py:make_parser", words)
            assert caught.value.what == what and caught.value.where == "command line" and caught.value.fix.startswith("usage: mine")

    @pytest.mark.parametrize(
        ("name", "why"), [("broken", "ZeroDivisionError: division by zero (FOLDER/my_args.py:13)"), ("odd", "it returns int")]
    )
    def test_a_function_that_makes_no_parser_is_named(self, folder: Path, name: str, why: str) -> None:
        with pytest.raises(ConfigError, match="makes no parser") as caught:
            own_parser(f"./my_args.py:{name}")
        assert caught.value.why == why.replace("FOLDER", str(folder))

    def test_a_config_without_a_parser_has_no_arguments(self) -> None:
        program = "from trainwright.config.own_arguments import arguments\narguments()"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert "there are no arguments of your own" in done.stderr and "parser: ./my_args.py:make_parser" in done.stderr
