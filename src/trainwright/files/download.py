"""Fetching a file over HTTP or from a file URL: whole, with the sha256 that was asked for, or not there at all."""

from __future__ import annotations

import hashlib
import http.client
import logging
import os
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trainwright._version import __version__
from trainwright.config.errors import ConfigError
from trainwright.config.received import open_regular
from trainwright.files.whole import remove_empty, sweep, whole_file

SCHEMES = ("http", "https", "file")
TIMEOUT = 60.0
"""Seconds without a byte after which a download has failed."""
PART = 1 << 20
SAY_EVERY = 10.0
"""Seconds between lines of progress."""
DIGEST = re.compile(r"[0-9a-f]{64}")

log = logging.getLogger("trainwright.download")


def download_file(path: str | os.PathLike[str], url: str, digest: str | None = None, *, timeout: float = TIMEOUT) -> Path:
    """Put what `url` gives at `path`, whole, and return the path; a file that is there already is kept, and checked.

    `digest` is the sha256 in hexadecimal; `timeout` is in seconds without a byte. Raises OSError when the sha256 is another,
    the server refuses, the answer is cut short, or the disk is full; ConfigError for a URL or digest that can be none.
    """
    path, wanted = Path(path), normal_digest(digest)
    check_url(url)
    if path.exists():
        return _keep(path, wanted)
    missing = [each for each in path.absolute().parents if not each.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent)
    try:
        with whole_file(path, sync=True) as partial:
            found = _fetch(url, partial, timeout)
            if wanted and found != wanted:
                raise OSError(f"{url} does not have the sha256 that was asked for: {found}, not {wanted}; nothing was kept")
    finally:  # also when the person presses Ctrl-C
        remove_empty(missing)
    return path


def normal_digest(digest: str | None) -> str:
    """A sha256 as 64 lower-case hexadecimal digits, without a `sha256:` before it; raises ConfigError when it can be none."""
    if digest is None:
        return ""
    found = digest.strip().lower().removeprefix("sha256:").removeprefix("sha256=")
    if not DIGEST.fullmatch(found):
        raise ConfigError(f"'{digest}' is no sha256", why="a sha256 has 64 hexadecimal digits", fix="`sha256sum FILE` prints it")
    return found


def check_url(url: str) -> None:
    """Raises ConfigError unless the URL is one of http, https or file."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme.lower() not in SCHEMES or not (parts.netloc or parts.path):
        raise ConfigError(f"'{url}' cannot be downloaded", fix="give a URL that begins with https://, http:// or file://")


def _keep(path: Path, wanted: str) -> Path:
    if not path.is_file():
        raise IsADirectoryError(f"{path} is there already, and is no file")
    if wanted:
        found = sha256_of(path)
        if found != wanted:
            raise OSError(f"{path} is there already with another sha256: {found}, not {wanted}; remove it to download it again")
    return path


def sha256_of(path: Path) -> str:
    """sha256 of a regular file's bytes. Raises FileNotFoundError when there is none, RunError when it may not be read."""
    with os.fdopen(open_regular(path), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch(url: str, partial: Path, timeout: float) -> str:
    """Write the body to `partial` and return its sha256."""
    request = urllib.request.Request(url, headers={"User-Agent": f"trainwright/{__version__}", "Accept-Encoding": "identity"})
    hashed = hashlib.sha256()
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response, open(partial, "wb") as file:
            for part in _parts(response, url):
                hashed.update(part)
                file.write(part)
    except urllib.error.HTTPError as error:
        raise OSError(f"{url} cannot be downloaded: the server answered {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise OSError(f"{url} cannot be downloaded: {error.reason}") from error
    except TimeoutError as error:
        raise TimeoutError(f"{url} cannot be downloaded: not a byte came in {timeout:g} seconds") from error
    except http.client.HTTPException as error:
        raise OSError(f"{url} cannot be downloaded: the answer was cut short ({error})") from error
    return hashed.hexdigest()


def _parts(response: Any, url: str) -> Iterator[bytes]:
    """The body in parts, told in the log; raises OSError when it is shorter than the server said."""
    stated = response.headers.get("Content-Length")
    total, done = (int(stated) if stated and stated.isdigit() else None), 0
    begin = said = time.monotonic()
    log.info("downloading %s%s", url, f" ({_size(total)})" if total else "")
    while part := response.read(PART):
        done += len(part)
        yield part
        now = time.monotonic()
        if now - said >= SAY_EVERY:
            said = now
            log.info("  %s%s, %s/s", _size(done), f" of {_size(total)}" if total else "", _size(done / (now - begin)))
    if total is not None and done != total:
        raise OSError(f"{url} cannot be downloaded: the answer was cut short, {done} of {total} bytes came")
    log.info("downloaded %s in %.1f s", _size(done), time.monotonic() - begin)


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.4g} GB"


def cache_folder() -> Path:
    """Where downloaded files are kept: `$TRAINWRIGHT_CACHE`, else `trainwright` in the user's cache folder."""
    named = os.environ.get("TRAINWRIGHT_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trainwright"


def fetch_cached(url: str, digest: str | None = None, kind: str = "weights") -> Path:
    """The file at `url` in the cache, downloaded when it is not there. Raises as `download_file`."""
    return download_file(place_in_cache(url, digest, kind), url, digest)


def place_in_cache(url: str, digest: str | None = None, kind: str = "weights") -> Path:
    """Where the cache keeps the file at `url`, by its sha256 or else by the address, whether or not it is there."""
    path = urllib.parse.unquote(urllib.parse.urlsplit(url).path)
    name = re.sub(r"[^\w.+=-]+", "-", Path(path).name) or kind
    key = normal_digest(digest) or hashlib.sha256(url.encode()).hexdigest()
    return cache_folder() / kind / f"{key[:16]}-{name}"
