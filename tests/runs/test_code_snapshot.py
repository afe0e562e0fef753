from __future__ import annotations

import os
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

from trainwright.runs import code, code_snapshot
from trainwright.runs.code import write_code, write_code_in_background, write_configs
from trainwright.runs.directory import RunDirectory


def git(folder: Path, *arguments: str) -> str:
    settings = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "protocol.file.allow=always"]
    return subprocess.run(["git", "-C", str(folder), *settings, *arguments], check=True, capture_output=True, text=True).stdout.strip()


def tree(folder: Path) -> list[str]:
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_symlink() or each.is_file())


@pytest.fixture(autouse=True)
def nothing_loaded_by_path() -> None:
    for name in [each for each in sys.modules if each.startswith("trainwright_file_")]:
        sys.modules.pop(name)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(str(tmp_path / "elsewhere" / "run"))


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    (folder / "src").mkdir(parents=True)
    git(folder, "init", "-q")
    (folder / "src" / "net.py").write_text("x = 1\n")
    (folder / "train.sh").write_text("echo\n")
    (folder / "train.sh").chmod(0o755)
    (folder / "gone.py").write_text("gone\n")
    (folder / "weights.bin").write_bytes(b"\0\1\2")
    (folder / "ä ö\n.txt").write_text("odd name")
    (folder / ".gitignore").write_text("ignored.txt\n")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


def test_tracked_text_files_are_copied_as_they_are_now_and_nothing_untracked(run: RunDirectory, work: Path) -> None:
    (work / "src" / "net.py").write_text("x = 2\n")
    for name in ("new.py", "ignored.txt", "rows.csv", "notes.txt"):
        (work / name).write_text("nobody asked for this\n")
    (work / "gone.py").unlink()
    (work / "train.sh").write_text("x" * (1 << 20) + "x")
    state = write_code(run, work / "src")
    files = run.path / "code" / "files"
    assert tree(files) == [".gitignore", "src/net.py", "ä ö\n.txt"]
    assert (files / "src" / "net.py").read_text() == "x = 2\n"
    told = run.read_json("code.json")["snapshot"]
    assert told == state["snapshot"]
    assert (told["folder"], told["files"], told["left_out_count"]) == ("code/files", 3, 3)
    assert told["left_out"] == {"gone.py": "deleted", "train.sh": "above 1 MiB", "weights.bin": "not text"}
    assert told["bytes"] == sum(each.stat().st_size for each in files.rglob("*") if each.is_file())
    assert "+x = 2" in (run.path / "code" / "diff.patch").read_text()
    assert not any("nobody asked" in each.read_text() for each in (run.path / "code").rglob("*") if each.is_file())


SECRETS = (".env", ".env.local", "id_rsa", "id_ed25519.pub", "credentials.json", "aws/credentials", "server.pem", "client.key", ".netrc")
SECRETS += ("google-service-account.json", "secrets.yaml", "my_secrets.toml", ".ssh/config", "api_token.txt")


def test_files_that_hold_secrets_are_left_out_though_git_tracks_them(run: RunDirectory, work: Path) -> None:
    for name in (*SECRETS, "notes.md", ".env.example", "src/secrets.py"):
        (work / name).parent.mkdir(exist_ok=True)
        (work / name).write_text("KEY=made-up\n")
    (work / "deploy.md").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nmade up\n")
    git(work, "add", "-f", ".")
    git(work, "commit", "-qm", "by mistake")
    (work / ".env").write_text("KEY=changed-and-made-up\n")
    (work / "notes.md").write_text("changed\n")
    state = write_code(run, work)
    left = state["snapshot"]["left_out"]
    assert {name for name, reason in left.items() if reason == "may hold secrets"} == {*SECRETS, "deploy.md"}
    assert {"notes.md", ".env.example", "src/secrets.py"} <= set(tree(run.path / "code" / "files"))
    diff = (run.path / "code" / "diff.patch").read_text()
    assert "notes.md" in diff and "changed-and-made-up" not in diff


def test_a_difference_that_holds_a_private_key_is_not_saved(run: RunDirectory, work: Path) -> None:
    (work / "train.sh").write_text("-----BEGIN RSA PRIVATE KEY-----\n")
    state = write_code(run, work)
    assert state["note"] == "the diff holds a private key and was not saved" and not (run.path / "code" / "diff.patch").exists()


def test_secrets_that_the_configuration_itself_keeps_are_named(run: RunDirectory, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_code(
        run, tmp_path, {"system": {"api_key": "made-up", "width": 3, "parts": [{"token": "made-up"}]}, "columns": {"key": {"type": "text"}}}
    )
    assert "'system.api_key'" in caplog.text and "'system.parts.0.token'" in caplog.text
    assert caplog.text.count("looks secret") == 2 and "made-up" not in caplog.text


def test_a_run_of_registered_parts_alone_keeps_no_code(run: RunDirectory, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(work)
    (work / "src" / "net.py").write_text("x = 2\n")
    state = write_code(run, work, {"data": {"source": "rows.csv"}, "model": {"combiner": {"type": "concat"}}})
    assert state["commit"] and state["dirty"] and state["snapshot"] is None
    assert not (run.path / "code").exists()


def test_an_untracked_file_that_the_config_names_is_copied_beside_the_tracked_ones(
    run: RunDirectory, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(work)
    for name in ("mine.py", "src/other.py"):
        (work / name).write_text(f"# {name}\n")
    write_code(run, work, {"model": {"type": "./mine.py:Net"}, "loss": "src/net.py:Loss"})
    assert tree(run.path / "code" / "files") == [".gitignore", "gone.py", "mine.py", "src/net.py", "train.sh", "ä ö\n.txt"]


def test_a_module_that_the_config_names_is_code_of_ones_own(run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_nets").mkdir()
    (tmp_path / "own_nets" / "small.py").write_text("class Net: ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    import_module("own_nets.small")
    state = write_code(run, tmp_path, {"model": "own_nets.small:Net", "optimizer": "torch.optim.SGD"})
    monkeypatch.delitem(sys.modules, "own_nets.small")
    monkeypatch.delitem(sys.modules, "own_nets")
    assert state["snapshot"]["files"] == 1 and tree(run.path / "code" / "files") == ["small.py"]


def test_links_stay_links_inside_the_tree_and_are_left_out_where_they_lead_away(run: RunDirectory, work: Path) -> None:
    (work / "inside.py").symlink_to("src/net.py")
    (work / "away.py").symlink_to("/etc/hostname")
    (work / "up.py").symlink_to("../secret")
    (work / "dangling.py").symlink_to("nothing")
    git(work, "add", ".")
    state = write_code(run, work)
    files = run.path / "code" / "files"
    assert os.readlink(files / "inside.py") == "src/net.py" and (files / "inside.py").read_text() == "x = 1\n"
    left = state["snapshot"]["left_out"]
    assert (left["away.py"], left["up.py"]) == ("link to /etc/hostname", "link to ../secret")
    assert os.readlink(files / "dangling.py") == "nothing"


def test_submodules_are_copied_and_their_commit_is_told(run: RunDirectory, work: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    (other / "lib.py").write_text("lib\n")
    git(other, "add", ".")
    git(other, "commit", "-qm", "lib")
    git(work, "submodule", "add", "-q", str(other), "third/lib")
    state = write_code(run, work)
    assert (run.path / "code" / "files" / "third" / "lib" / "lib.py").read_text() == "lib\n"
    assert state["snapshot"]["submodules"] == {"third/lib": git(other, "rev-parse", "HEAD")}


def test_runs_that_lie_in_the_tree_are_not_copied_into_later_ones(work: Path) -> None:
    for number in range(2):
        run = RunDirectory.create(str(work / "runs" / "mine" / str(number)))
        (run.path / "notes.txt").write_text("x")
        write_code(run, work)
        assert tree(run.path / "code" / "files") and not [each for each in tree(run.path / "code" / "files") if each.startswith("runs")]


def test_the_sum_and_the_number_of_files_are_limited(run: RunDirectory, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_snapshot, "TOTAL_LIMIT", 14)
    left = write_code(run, work)["snapshot"]["left_out"]
    assert list(left.values()).count("above 0 MiB in all") == len(left) - 1 > 0
    monkeypatch.setattr(code_snapshot, "COUNT_LIMIT", 1)
    assert write_code(run, work)["snapshot"]["files"] == 1


def test_a_continued_run_keeps_the_first_files_and_adds_only_what_differs(run: RunDirectory, work: Path) -> None:
    first = write_code(run, work)["snapshot"]
    assert write_code(run, work)["snapshot"] == first and not (run.path / "code" / "files-2").exists()
    (work / "src" / "net.py").write_text("x = 3\n")
    assert write_code(run, work)["snapshot"]["folder"] == "code/files-2"
    assert (run.path / "code" / "files" / "src" / "net.py").read_text() == "x = 1\n"
    assert (run.path / "code" / "files-2" / "src" / "net.py").read_text() == "x = 3\n"
    assert not list((run.path / "code").glob(".*"))


def test_outside_git_the_files_that_the_config_names_are_copied(run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "plain"
    (folder / "parts").mkdir(parents=True)
    for name in ("net.py", "parts/loss.py", "other.py"):
        (folder / name).write_text(name)
    monkeypatch.chdir(folder)
    config = {"model": {"type": "./net.py:Net:mixin", "depth": 3}, "losses": [f"{folder}/parts/loss.py:Loss"], "text": "absent.py:X"}
    state = write_code(run, folder, config)
    assert tree(run.path / "code" / "files") == ["net.py", "parts/loss.py"]
    assert state["note"] == "not inside a git work tree" and state["snapshot"]["files"] == 2


def test_files_loaded_by_path_are_copied_too_and_those_outside_the_tree_lie_apart(run: RunDirectory, work: Path, tmp_path: Path) -> None:
    from trainwright.config.foreign import found_at

    (tmp_path / "shared_net.py").write_text("class Net: ...\n")
    found_at(f"{tmp_path}/shared_net.py:Net")
    state = write_code(run, work)
    assert (run.path / "code" / "files" / "outside" / "shared_net.py").is_file() and state["snapshot"]["files"] >= 5


def test_configurations_are_kept_byte_for_byte_with_their_bases(run: RunDirectory, work: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "c.yaml").write_bytes(b"base: a/c.yaml\r\n# a remark\nx:   1\n")
    (tmp_path / "a" / "c.yaml").write_bytes(b"\xef\xbb\xbfy: 2")
    write_configs(run, [tmp_path / "a" / "c.yaml", tmp_path / "c.yaml"])
    write_code(run, work)
    told = run.read_json("code.json")
    assert [each["copy"] for each in told["configs"]] == ["configs/c.yaml", "configs/c-2.yaml"]
    assert (run.path / "code" / "configs" / "c-2.yaml").read_bytes() == b"base: a/c.yaml\r\n# a remark\nx:   1\n"
    assert (run.path / "code" / "configs" / "c.yaml").read_bytes() == b"\xef\xbb\xbfy: 2" and told["commit"]


def test_what_fails_is_said_and_stops_nothing(
    run: RunDirectory, work: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write_configs(run, [work / "absent.yaml"])
    assert "the configuration files were not saved" in caplog.text

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(code, "copy_tracked", full)
    state = write_code(run, work)
    assert state["commit"] and run.read_json("code.json")["commit"] and "No space left" in caplog.text


def test_it_is_written_beside_the_first_steps(run: RunDirectory, work: Path) -> None:
    for number in range(300):
        (work / f"file_{number}.py").write_text("x = 1\n" * 50)
    git(work, "add", ".")
    start = time.perf_counter()
    thread = write_code_in_background(run, work)
    assert time.perf_counter() - start < 0.1
    thread.join()
    assert run.read_json("code.json")["snapshot"]["files"] == 305


def test_it_needs_no_torch() -> None:
    subprocess.run([sys.executable, "-c", "import trainwright.runs.code, sys; assert 'torch' not in sys.modules"], check=True)


def test_programs_that_a_repository_names_are_not_run_to_look_at_it(run: RunDirectory, work: Path) -> None:
    mark, spy = work.parent / "MARK", work.parent / "spy.sh"
    spy.write_text(f"#!/bin/sh\ntouch '{mark}'\ncat \"$1\" 2>/dev/null\n")
    spy.chmod(0o755)
    (work / ".gitattributes").write_text("*.py diff=spy\n")
    git(work, "add", ".")
    git(work, "commit", "-qm", "attributes")
    for name in ("core.fsmonitor", "diff.spy.textconv", "diff.spy.command", "diff.external"):
        git(work, "config", name, str(spy))
    (work / "src" / "net.py").write_text("x = 3\n")
    mark.unlink(missing_ok=True)
    write_code(run, work / "src")
    assert not mark.exists()
    assert "+x = 3" in (run.path / "code" / "diff.patch").read_text()
