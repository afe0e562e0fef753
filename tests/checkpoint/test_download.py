"""A download is whole, has the sha256 that was asked for, or is not there; a real server answers."""

from __future__ import annotations

import hashlib
import logging
import signal
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from trainwright.config.errors import ConfigError
from trainwright.files import download
from trainwright.files.download import download_file, fetch_cached
from trainwright.files.whole import whole_file

BODY = bytes(range(256)) * 9000
DIGEST = hashlib.sha256(BODY).hexdigest()


class Answers(BaseHTTPRequestHandler):
    asked: list[str] = []

    def do_GET(self) -> None:
        type(self).asked.append(self.path)
        getattr(self, f"answer_{self.path.strip('/').split('.')[0]}", self.answer_nothing)()

    def begin(self, length: int | None = len(BODY)) -> None:
        self.send_response(200)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def answer_good(self) -> None:
        self.begin()
        self.wfile.write(BODY)

    def answer_unstated(self) -> None:
        self.begin(None)
        self.wfile.write(BODY)

    def answer_truncated(self) -> None:
        self.begin()
        self.wfile.write(BODY[:1_200_000])

    def answer_chunked(self) -> None:
        self.protocol_version = "HTTP/1.1"
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"100\r\n" + BODY[:100])
        self.close_connection = True

    def answer_slow(self) -> None:
        self.begin()
        self.wfile.write(BODY[:5000])
        self.wfile.flush()
        time.sleep(10.0)  # longer than any machine needs to press ctrl-c

    def answer_moved(self) -> None:
        self.send_response(302)
        self.send_header("Location", "/good.bin")
        self.end_headers()

    def answer_nothing(self) -> None:
        self.send_error(404)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    Answers.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as running:
        running.daemon_threads = True
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def everything(folder: Path) -> list[str]:
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*"))


@pytest.mark.parametrize("name", ["good.bin", "unstated.bin", "moved.bin"])
def test_a_file_comes_whole_and_its_parents_are_made(server: str, tmp_path: Path, name: str) -> None:
    path = download_file(tmp_path / "a" / "b" / "w.bin", f"{server}/{name}", f"sha256:{DIGEST.upper()}")
    assert path.read_bytes() == BODY
    assert everything(tmp_path) == ["a", "a/b", "a/b/w.bin"]


def test_a_file_that_is_there_is_kept_and_not_asked_for(server: str, tmp_path: Path) -> None:
    path = tmp_path / "w.bin"
    path.write_bytes(BODY)
    assert download_file(str(path), f"{server}/good.bin", DIGEST) == path
    path.write_bytes(b"mine")
    assert download_file(path, f"{server}/good.bin") == path
    assert path.read_bytes() == b"mine" and Answers.asked == []


def test_a_file_that_is_there_with_another_sha256_is_refused_and_kept(server: str, tmp_path: Path) -> None:
    path = tmp_path / "w.bin"
    path.write_bytes(b"mine")
    with pytest.raises(OSError, match=r"w\.bin is there already with another sha256: [0-9a-f]{64}, not [0-9a-f]{64}; remove it"):
        download_file(path, f"{server}/good.bin", DIGEST)
    assert path.read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("name", "digest", "said"),
    [
        ("good.bin", "0" * 64, f"does not have the sha256 that was asked for: {DIGEST}, not 0000"),
        ("truncated.bin", None, f"cut short, 1200000 of {len(BODY)} bytes came"),
        ("chunked.bin", None, "the answer was cut short"),
        ("absent.bin", None, "the server answered 404 Not Found"),
        ("slow.bin", None, "not a byte came in 0.3 seconds"),
    ],
)
def test_a_failed_download_leaves_nothing_behind(server: str, tmp_path: Path, name: str, digest: str | None, said: str) -> None:
    with pytest.raises(OSError, match=said):
        download_file(tmp_path / "new" / "w.bin", f"{server}/{name}", digest, timeout=0.3 if name == "slow.bin" else 20.0)
    assert everything(tmp_path) == []


def test_a_server_that_is_not_there_is_an_oserror(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"http://127\.0\.0\.1:9/x cannot be downloaded: .*refused"):
        download_file(tmp_path / "w.bin", "http://127.0.0.1:9/x")


def test_ctrl_c_leaves_nothing_behind(server: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    request.addfinalizer(partial(signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, signal.default_int_handler)))
    main = threading.main_thread().ident or 0
    press = threading.Timer(0.4, signal.pthread_kill, (main, signal.SIGINT))
    press.start()
    with pytest.raises(KeyboardInterrupt):
        download_file(tmp_path / "new" / "w.bin", f"{server}/slow.bin")
    press.join()
    assert everything(tmp_path) == []


def test_what_a_killed_process_left_is_removed_and_what_another_writes_is_not(server: str, tmp_path: Path) -> None:
    left = tmp_path / ".w[1].7-0.trainwright.tmp.bin"
    left.write_bytes(b"half")
    with whole_file(tmp_path / "other.bin") as being_written:
        download_file(tmp_path / "w[1].bin", f"{server}/good.bin")
        assert everything(tmp_path) == sorted([being_written.name, "w[1].bin"])
    assert everything(tmp_path) == ["other.bin", "w[1].bin"]


def test_file_urls_work_and_others_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a b.bin").write_bytes(b"here")
    assert download_file(tmp_path / "w.bin", (tmp_path / "a b.bin").as_uri()).read_bytes() == b"here"
    with pytest.raises(ConfigError, match=r"'ftp://host/x' cannot be downloaded"):
        download_file(tmp_path / "x.bin", "ftp://host/x")
    with pytest.raises(ConfigError, match="'abc' is no sha256"):
        download_file(tmp_path / "x.bin", "https://host/x", "abc")


def test_progress_is_told(server: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "SAY_EVERY", 0.0)
    with caplog.at_level(logging.INFO, "trainwright.download"):
        download_file(tmp_path / "w.bin", f"{server}/good.bin")
    said = [each.getMessage() for each in caplog.records]
    assert said[0] == f"downloading {server}/good.bin (2.3 MB)" and said[1].startswith("  1.05 MB of 2.3 MB, ")
    assert said[-1].startswith("downloaded 2.3 MB in ")


def test_the_cache_names_files_by_their_sha256(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINWRIGHT_CACHE", str(tmp_path))
    assert fetch_cached(f"{server}/good.bin?x=1", DIGEST) == tmp_path / "weights" / f"{DIGEST[:16]}-good.bin"
    fetch_cached(f"{server}/good.bin?x=1", DIGEST)
    assert Answers.asked == ["/good.bin?x=1"]
