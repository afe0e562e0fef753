from __future__ import annotations

import os
import resource
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from trainwright.config.errors import RequestError
from trainwright.files.outputs import ensure_output, ensure_output_folder, write_output, write_output_folder
from trainwright.files.whole import Scratch, _sweep_scratch, sweep, whole_file, whole_folder
from trainwright.runs.directory import RunDirectory
from trainwright.runs.media.saver import Media


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    return tmp_path


def tree(folder: Path) -> list[str]:
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*"))


def hard(link: Path, target: Path) -> None:
    link.hardlink_to(target)


def symbolic(link: Path, target: Path) -> None:
    link.symlink_to(target)


@pytest.mark.parametrize("named", ["table.csv", "./table.csv", "deep/../table.csv", "hard.csv", "soft.csv", "{here}/table.csv"])
@pytest.mark.parametrize("inputs", ["table.csv", ["x", {"source": {"path": "*.csv"}}], "{here}/t*.csv", "file://{here}/table.csv"])
def test_an_input_is_refused_however_it_is_spelled(here: Path, named: str, inputs: object) -> None:
    (here / "deep").mkdir()
    hard(here / "hard.csv", here / "table.csv")
    symbolic(here / "soft.csv", here / "table.csv")
    inputs = inputs.format(here=here) if isinstance(inputs, str) else inputs
    with pytest.raises(RequestError, match="this is an input"):
        ensure_output(named.format(here=here), inputs)
    assert (here / "table.csv").read_text() == "a,b\n1,2\n"


def test_files_of_a_folder_that_is_read_are_inputs_and_new_ones_beside_them_are_not(here: Path) -> None:
    (here / "images").mkdir()
    (here / "images" / "cat.png").write_text("")
    with pytest.raises(RequestError, match="it lies in 'images', which is read from"):
        ensure_output("images/cat.png", {"folder": "images"})
    ensure_output("images/new.csv", {"folder": "images"})
    ensure_output("old.csv", {"folder": "."})


def test_a_file_beside_the_config_and_the_code_of_a_class_are_inputs(here: Path) -> None:
    (here / "configs").mkdir()
    (here / "configs" / "net.py").write_text("")
    with pytest.raises(RequestError, match="is read from it"):
        ensure_output("configs/net.py", {"model": "./net.py:Net:mixin"}, folders=[here / "configs"])
    with pytest.raises(RequestError, match="it is code that was loaded"):
        ensure_output(__file__)


@pytest.mark.parametrize("named", ["run/config.yaml", "run/model/new.csv", "run/new.csv", "link/new.csv"])
def test_a_run_is_not_written_into(here: Path, named: str) -> None:
    (here / "run" / "model").mkdir(parents=True)
    (here / "run" / "run.json").write_text("{}")
    (here / "link").symlink_to("run")
    with pytest.raises(RequestError, match="it would lie in the run run"):
        ensure_output(named)
    with pytest.raises(RequestError, match="it would lie in the run run"):
        ensure_output_folder(Path(named).with_name("folder"))


def test_folders_absent_places_and_names_that_are_missing_are_refused(here: Path) -> None:
    for named, what in (("", "the name of a file is missing"), (".", "this is a folder"), ("nowhere/x.csv", "there is no such folder")):
        with pytest.raises(RequestError, match=what):
            ensure_output(named)
    for named, what in (("", "the name of a folder"), (".", "this place is taken"), ("table.csv", "taken"), ("table.csv/x", "is a file")):
        with pytest.raises(RequestError, match=what):
            ensure_output_folder(named)
    assert tree(here) == ["table.csv"]


def test_pipes_and_devices_are_written_to_and_stay_what_they_are(here: Path) -> None:
    ensure_output("/dev/null", "/dev/null")
    with write_output("/dev/null") as place:
        place.write_text("x")
    assert Path("/dev/null").is_char_device()
    with pytest.raises(RequestError, match="the disk is full"), write_output("/dev/full") as place:
        place.write_text("x")
    os.mkfifo("pipe")
    reader = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)
    with write_output("pipe") as place:
        place.write_text("through")
    assert os.read(reader, 100) == b"through" and tree(here) == ["pipe", "table.csv"]
    os.close(reader)


def test_a_link_stays_and_what_it_leads_to_is_replaced_with_the_rights_it_had(here: Path) -> None:
    (here / "deep").mkdir()
    (here / "deep" / "old.csv").write_text("old")
    (here / "deep" / "old.csv").chmod(0o600)
    (here / "out.csv").symlink_to("deep/old.csv")
    with write_output("out.csv") as place:
        place.write_text("new")
    assert (here / "out.csv").is_symlink() and (here / "deep" / "old.csv").read_text() == "new"
    assert (here / "deep" / "old.csv").stat().st_mode & 0o777 == 0o600


def test_what_fails_leaves_the_file_before_and_nothing_else(here: Path) -> None:
    with pytest.raises(ZeroDivisionError), write_output("table.csv") as place:
        place.write_text("half")
        raise ZeroDivisionError
    assert tree(here) == ["table.csv"] and (here / "table.csv").read_text() == "a,b\n1,2\n"
    with pytest.raises(ZeroDivisionError), write_output_folder("a/b/out") as folder:
        (folder / "x").write_text("half")
        raise ZeroDivisionError
    assert tree(here) == ["table.csv"]


def test_long_names_and_names_without_a_suffix_can_be_written(here: Path) -> None:
    for name in ("é" * 125 + ".csv", "plain", ".hidden"):
        with write_output(name) as place:
            place.write_text(name)
        assert (here / name).read_text() == name
    assert len(tree(here)) == 4


def test_a_folder_is_whole_where_it_is_new_and_where_it_is_empty(here: Path) -> None:
    (here / "empty").mkdir()
    for named in ("new", "deep/new", "empty"):
        with write_output_folder(named) as folder:
            (folder / "sub").mkdir()
            (folder / "sub" / "x").write_text("x")
            assert not (here / named / "sub").exists()
        assert tree(here / named) == ["sub", "sub/x"]


def test_the_working_directory_is_filled_in_place(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "work").mkdir()
    monkeypatch.chdir(here / "work")
    with write_output_folder(".") as folder:
        (folder / "x").write_text("x")
    assert tree(Path.cwd()) == ["x"]


def limited(size: int, action: Callable[[], None]) -> int:
    """The exit code of a child that may write files of `size` bytes: 0 when the action was refused with a word about it."""
    child = os.fork()
    if child == 0:
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
            action()
        except RequestError as error:
            os._exit(0 if "ulimit -f" in error.why else 3)
        finally:
            os._exit(4)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_disk_that_takes_no_more_leaves_no_file_and_no_folder(here: Path) -> None:
    def one_file() -> None:
        with write_output("out.csv") as place:
            place.write_bytes(b"x" * 100_000)

    def a_folder() -> None:
        with write_output_folder("out") as folder:
            (folder / "small").write_text("x")
            (folder / "large").write_bytes(b"x" * 100_000)

    assert limited(50_000, one_file) == 0
    assert limited(50_000, a_folder) == 0
    assert tree(here) == ["table.csv"]


def killed(action: Callable[[], None]) -> None:
    """Run in a child that ends by SIGKILL within the block it opens."""
    child = os.fork()
    if child == 0:
        try:
            action()
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_killed_writer_left_is_swept_by_the_next_one_and_what_is_being_written_is_not(here: Path) -> None:
    def writing() -> None:
        with write_output("out.csv") as place:
            place.write_text("half")
            die()

    def filling() -> None:
        with write_output_folder("out") as folder:
            (folder / "x").write_text("half")
            die()

    killed(writing)
    assert len(tree(here)) == 2 and not (here / "out.csv").exists()
    killed(filling)
    assert len(tree(here)) == 3 and not (here / "out").exists()  # the first was swept by the second, which left a folder with a file
    (here / ".mine.tmp").write_text("a person's own")
    with whole_file(here / "other.csv") as being_written, whole_folder(here / "folder") as being_filled:
        being_written.write_text("x")
        with write_output("out.csv") as place:
            place.write_text("whole")
        assert being_written.exists() and being_filled.exists()
    assert tree(here) == [".mine.tmp", "folder", "other.csv", "out.csv", "table.csv"]


def test_a_run_that_was_killed_while_it_was_made_is_swept_by_the_next_and_its_hidden_files_when_it_goes_on(here: Path) -> None:
    def beginning() -> None:
        os.rename = lambda *_: die()  # type: ignore[assignment]
        RunDirectory.create("run")

    def going_on() -> None:
        run = RunDirectory.create("run", resume=True)
        (run.path / "media").mkdir()
        with whole_file(run.path / "media" / "x.png") as place:
            place.write_text("half")
            die()

    killed(beginning)
    assert [each for each in tree(here) if each.endswith("run.json")] != [] and not (here / "run").exists()
    RunDirectory.create("run").close()
    assert tree(here) == ["run", "run/.lock", "run/run.json", "table.csv"]
    killed(going_on)
    assert len(tree(here / "run" / "media")) == 1
    RunDirectory.create("run", resume=True).close()
    assert tree(here / "run") == [".lock", "media", "run.json"]


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is swept on Windows")
def test_places_that_are_made_while_others_sweep_the_same_folder_stay(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(here))
    done = threading.Event()

    def sweeping() -> None:
        while not done.is_set():
            sweep(here)
            _sweep_scratch(here)

    others = [threading.Thread(target=sweeping) for _ in range(3)]
    for each in others:
        each.start()
    try:
        for number in range(200):
            with whole_folder(here / f"run-{number}") as folder, whole_file(here / f"{number}.json") as file, Scratch() as scratch:
                (folder / "run.json").write_text("{}")
                (scratch / "block.bin").write_bytes(b"x")
                file.write_text("{}")
    finally:
        done.set()
        for each in others:
            each.join()
    assert len(list(here.glob("run-*/run.json"))) == len(list(here.glob("*.json"))) == 200


def test_media_of_a_killed_process_are_swept_by_the_next_that_saves_there(here: Path) -> None:
    def saving() -> None:
        with whole_file(here / "media" / "x.json") as place:
            place.write_text("half")
            die()

    (here / "media").mkdir()
    killed(saving)
    Media(here / "media").save_json("y", {"a": 1})
    assert tree(here / "media") == ["y.json"]


def test_a_sweep_goes_into_folders_only_when_asked(here: Path) -> None:
    def writing() -> None:
        with whole_file(here / "deep" / "x.json") as place:
            place.write_text("half")
            die()

    (here / "deep").mkdir()
    killed(writing)
    sweep(here)
    assert len(list((here / "deep").iterdir())) == 1
    sweep(here, deep=True)
    assert not list((here / "deep").iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is swept on Windows")
def test_temporary_folders_of_killed_processes_are_removed_by_the_next(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(here))

    def using() -> None:
        scratch = Scratch()
        (scratch.path / "block.bin").write_bytes(b"x" * 1000)
        die()

    killed(using)
    (here / "trainwright-notes").mkdir()
    assert len(list(here.glob("*.scratch"))) == 1
    with Scratch() as kept:
        assert [each.name for each in here.glob("*.scratch")] == [kept.name]
        with Scratch():
            assert kept.exists()
    assert tree(here) == ["table.csv", "trainwright-notes"]
