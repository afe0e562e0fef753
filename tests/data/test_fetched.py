"""Data at an address or in an archive: fetched once, verified, unpacked without leaving their folder, or refused in words."""

from __future__ import annotations

import hashlib
import io
import logging
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from trainwright.cli.main import main
from trainwright.config.errors import DataError
from trainwright.data import unpacking
from trainwright.data.fetched import fetched_file
from trainwright.data.sources.opening import from_object

CSV = "x,w,y\n" + "".join(f"{number / 7:.3f},{'ab'[number % 2]},{'no' if number % 3 else 'yes'}\n" for number in range(60))


def zipped(files: dict[str, str]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as made:
        for name, text in files.items():
            made.writestr(name, text)
    return content.getvalue()


def tarred(files: dict[str, str], mode: str = "w:gz", link: str = "", kind: bytes = tarfile.SYMTYPE) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=mode) as made:  # type: ignore[call-overload]
        for name, text in files.items():
            about = tarfile.TarInfo(name)
            about.size = len(text)
            made.addfile(about, io.BytesIO(text.encode()))
        if link:
            about = tarfile.TarInfo(link)
            about.type, about.linkname = kind, "/etc/passwd"
            made.addfile(about)
    return content.getvalue()


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


FILES = {
    "/t.csv": CSV.encode(),
    "/t.zip": zipped({"inner/t.csv": CSV, "README.txt": "about"}),
    "/page.csv": b"<!DOCTYPE html>\n<html><body>log in</body></html>",
    "/page.zip": b"<html>log in</html>",
}


class Answers(BaseHTTPRequestHandler):
    asked: list[str] = []

    def do_GET(self) -> None:
        type(self).asked.append(self.path)
        if self.path == "/cut.csv":
            self.send_response(200)
            self.send_header("Content-Length", "5000")
            self.end_headers()
            self.wfile.write(CSV.encode()[:300])
        elif self.path.partition("?")[0] not in FILES:
            self.send_error(404)
        else:
            body = FILES[self.path.partition("?")[0]]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    Answers.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRAINWRIGHT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def kept(cache: Path) -> list[str]:
    return sorted(each.name for each in cache.rglob("*") if each.is_file())


def refused(text: str) -> str:
    with pytest.raises(DataError) as caught:
        fetched_file(text)
    assert caught.value.fix
    return str(caught.value)


@pytest.mark.parametrize("name", ["/t.csv", "/t.csv?version=2", "/t.zip", "/t.zip!/inner/t.csv"])
def test_an_address_is_a_table_and_is_fetched_once(server: str, name: str) -> None:
    assert len(from_object(f"{server}{name}")) == 60
    assert len(from_object(f"{server}{name}")) == 60
    assert len(Answers.asked) == 1


def test_the_sha256_is_said_once_where_it_was_not_given(server: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(2):
        fetched_file(f"{server}/t.csv")
    line = f"data.source='{server}/t.csv#sha256={digest(FILES['/t.csv'])}'"
    assert sum(line in each.getMessage() for each in caplog.records) == 1
    assert fetched_file(line.removeprefix("data.source='").removesuffix("'")).read_text() == CSV


def test_what_was_fetched_is_found_offline_and_the_rest_says_so(server: str) -> None:
    fixed = f"http://127.0.0.1:9/t.csv#sha256={digest(FILES['/t.csv'])}"
    assert "cannot be downloaded" in refused(fixed)
    fetched_file(f"{server}/t.csv#sha256={digest(FILES['/t.csv'])}")
    assert fetched_file(fixed).read_text() == CSV  # known by its sha256, wherever it lay


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("/none.csv", "404"),
        ("/t.csv#sha256=" + "0" * 64, "does not have the sha256"),
        ("/t.csv#sha256=abc", "64 hexadecimal digits"),
        ("/page.csv", "web page"),
        ("/page.zip", "web page"),
        ("/cut.csv", "cut short"),
        ("/t.csv!/a.csv", "is no archive"),
    ],
)
def test_what_cannot_be_had_is_refused_and_leaves_nothing(server: str, cache: Path, name: str, words: str) -> None:
    assert words in refused(server + name)
    assert [each for each in kept(cache) if not name.startswith("/t.csv!")] == []


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_a_local_archive_with_one_table_is_the_table(tmp_path: Path, mode: str) -> None:
    content = tarred({"a/t.csv": CSV, "a/LICENSE.txt": "free"}, mode)
    path = tmp_path / f"t.tar{'.' + mode[2:] if mode[2:] else ''}"
    path.write_bytes(content)
    assert len(from_object(f"{path}#sha256={digest(content)}")) == 60
    assert "another sha256" in refused(f"{path}#sha256={'0' * 64}")


def test_an_address_of_a_file_is_the_file_as_it_is_now(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "a table.csv"
    for text in (CSV, CSV + "1,a,no\n"):
        path.write_text(text)
        assert len(from_object(path.as_uri())) == text.count("\n") - 1
    assert kept(cache) == []


def test_of_several_tables_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t.zip"
    path.write_bytes(zipped({"a/train.csv": CSV, "a/test.csv": CSV}))
    assert f"{path}!/a/test.csv" in refused(str(path))
    assert len(from_object(f"{path}!/a/train.csv")) == 60
    assert "did you mean" in refused(f"{path}!/a/trian.csv")


OUTSIDE = {"up": "../up.csv", "deep": "a/../../up.csv", "absolute": "/tmp/up.csv", "windows": "..\\up.csv", "drive": "c:/up.csv"}


@pytest.mark.parametrize("name", OUTSIDE.values(), ids=OUTSIDE)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_no_file_leaves_its_folder(tmp_path: Path, cache: Path, name: str, kind: str) -> None:
    path = tmp_path / f"t.{kind}"
    path.write_bytes(zipped({"t.csv": CSV, name: CSV}) if kind == "zip" else tarred({"t.csv": CSV, name: CSV}, "w"))
    assert "outside the folder" in refused(str(path))
    assert kept(cache) == []
    assert not (tmp_path / "up.csv").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, cache: Path, kind: bytes) -> None:
    path = tmp_path / "t.tar"
    path.write_bytes(tarred({"t.csv": CSV}, "w", "link.csv", kind))
    assert "link or a device" in refused(str(path))
    assert kept(cache) == []


def test_what_grows_without_end_is_refused(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "FREE_BYTES", 1 << 20)
    path = tmp_path / "t.zip"
    path.write_bytes(zipped({"t.csv": "0" * (8 << 20)}))
    assert "becomes too large" in refused(str(path))
    assert kept(cache) == []


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    content = bytearray(zipped({"t.csv": CSV}))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path = tmp_path / "t.zip"
    path.write_bytes(content)
    assert "encrypted" in refused(str(path))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.zip", zipped({"readme.txt": "nothing", "p.png": "x"}), "holds no table"),
        ("a.zip", zipped({"t.csv": CSV})[:200], "no archive"),
        ("a.tar.gz", tarred({"t.csv": CSV * 50})[:300], "a.tar.gz"),
        ("a.tar", b"x" * 2000, "no archive"),
    ],
)
def test_an_archive_without_a_table_is_refused(tmp_path: Path, cache: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert words in refused(str(tmp_path / name))


def test_every_command_takes_an_address_and_a_resumed_run_knows_its_data(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "local.zip").write_bytes(FILES["/t.zip"])
    local = f"local.zip#sha256={digest(FILES['/t.zip'])}"
    quick = ["trainer.max_epochs=1", "model.combiner=concat", "evaluation.baselines=[]", "evaluation.importance=false", "run.dir=run"]
    table = f"{server}/t.zip#sha256={digest(FILES['/t.zip'])}"
    assert main(["train", table, "--target", "y", *quick]) == 0
    assert main(["resume", "run", "--fork", "trainer.max_epochs=2", "run.dir=child"]) == 0
    (tmp_path / "c.yaml").write_text(f"data: {{source: '{table}'}}\ntargets: [y]\n")
    assert main(["validate", "c.yaml"]) == 0
    assert main(["evaluate", "run", local]) == 0
    assert main(["predict", "run", f"{server}/t.csv", "-o", "out.csv"]) == 0
    assert main(["train", local, "--target", "y", "--dry-run"]) == 0
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 61
    assert main(["predict", "run", f"{server}/none.csv", "-o", "no.csv"]) == 2
    assert "404" in capsys.readouterr().err and not (tmp_path / "no.csv").exists()
    assert Answers.asked == ["/t.zip", "/t.csv", "/none.csv"]
