"""Data at an address or in an archive, `#sha256=` at the end: fetched once to the cache, verified, unpacked, then a file like others."""

from __future__ import annotations

import logging
import os
import urllib.parse
from pathlib import Path

from trainwright.config.errors import ConfigError, DataError, did_you_mean
from trainwright.config.trust import ask
from trainwright.data.readable import check_readable
from trainwright.files.whole import sweep, whole_folder

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
"""How the names of archives end."""
WHERE = "data.source"

MARK, INNER, FILE = "#sha256=", "!/", "file://"
READABLE = (
    ".csv", ".tsv", ".tab", ".txt", ".data", ".dat", ".parquet", ".pq", ".arrow", ".feather", ".ipc", ".jsonl", ".ndjson", ".xlsx", ".xlsm",
)  # fmt: skip
"""How the names of tables in an archive end, before what says that they are compressed."""
PACKED = ("", ".gz", ".bz2", ".zst", ".lz4")
NOTES = ("readme", "license", "licence", "__macosx", ".")
"""How the names of files begin that describe a table and are none."""

log = logging.getLogger(__name__)
_said: set[str] = set()


def is_fetched(text: str) -> bool:
    """Whether `text` names an address, an archive, or a file with its sha256."""
    if _is_url(text) or text.lower().startswith(FILE) or MARK in text:
        return True
    return is_archive(text) or any(f"{end}{INNER}" in text.lower() for end in ARCHIVES)


def may_be_shard(text: str) -> bool:
    """Whether a name is of a plain tar file here, which may be rows of a domain rather than an archive of tables."""
    return text.lower().endswith(".tar") and "://" not in text and INNER not in text


def is_archive(name: str) -> bool:
    """Whether a name ends as those of archives do."""
    return name.lower().endswith(ARCHIVES)


def fetched_file(text: str) -> Path:
    """The local file that an address or an archive names.

    `ADDRESS|PATH[!/FILE][#sha256=HEX]`: `!/FILE` is a file in an archive. Raises DataError when it cannot be had, is another than its
    sha256 says, or is not safe to unpack.
    """
    from trainwright.files.download import normal_digest

    place, _, digest = text.partition(MARK)
    place, _, inner = place.partition(INNER)
    if place.lower().startswith(FILE):  # it is here already, and may change
        place = urllib.parse.unquote(urllib.parse.urlsplit(place).path)
    try:
        wanted = normal_digest(digest) if MARK in text else ""
    except ConfigError as error:
        raise DataError(f"'#sha256={digest}' is no sha256", where=WHERE, why=error.why, fix=error.fix) from error
    name = Path(urllib.parse.unquote(urllib.parse.urlsplit(place).path)).name if _is_url(place) else Path(place).name
    path = _download(place, wanted) if _is_url(place) else _local(place, wanted)
    if is_archive(name):
        return _in_archive(path, name, inner, place)
    if inner:
        raise DataError(f"'{name}' is no archive", where=WHERE, why=f"'{INNER}{inner}' names a file in one", fix=f"leave it out: {place}")
    _refuse_page(path, place)
    return path


def _is_url(text: str) -> bool:
    scheme, colon, _ = text.partition("://")
    return bool(colon) and scheme.lower() in ("http", "https")


def _download(url: str, wanted: str) -> Path:
    from trainwright.files.download import fetch_cached, sha256_of

    ask(url, f"fetch {url}")
    try:
        path = fetch_cached(url, wanted or None, "data")
    except ConfigError as error:
        raise DataError(error.what, where=WHERE, why=error.why, fix=error.fix) from error
    except OSError as error:
        why = str(error).removeprefix(f"{url} ").removeprefix("cannot be downloaded: ")
        fix = "give an address that answers; what was fetched before is found without a connection"
        raise DataError("these data cannot be downloaded", where=url, why=why, fix=fix) from error
    if not wanted and url not in _said:
        _said.add(url)
        log.info("note: what this address gives may change; these data are kept with data.source='%s%s%s'", url, MARK, sha256_of(path))
    return path


def _local(text: str, wanted: str) -> Path:
    from trainwright.files.download import sha256_of

    path = Path(os.path.expanduser(text))
    check_readable(path)
    if wanted and (found := sha256_of(path)) != wanted:
        raise DataError(
            f"'{path}' has another sha256", where=WHERE, why=f"it is {found}, not {wanted}", fix="get the file again, or write its own"
        )
    return path


def _refuse_page(path: Path, place: str) -> None:
    """Raises DataError for a web page where a table was expected, and takes it out of the cache."""
    from trainwright.files.download import cache_folder

    with path.open("rb") as opened:
        head = opened.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<!doctype html", b"<html")):
        if path.is_relative_to(cache_folder()):
            path.unlink()
        why, fix = "it begins with <html>", "download the file itself, not the page about it (often its `raw` address)"
        raise DataError(f"'{place}' is a web page, not data", where=WHERE, why=why, fix=fix)


def _in_archive(path: Path, name: str, inner: str, place: str) -> Path:
    """The file meant in an archive, which is unpacked to the cache under its sha256, once."""
    from trainwright.data.unpacking import unpack
    from trainwright.files.download import cache_folder, sha256_of

    if _is_url(place):
        _refuse_page(path, place)
    folder = cache_folder() / "data" / f"{sha256_of(path)[:32]}.unpacked"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        sweep(folder.parent)
        try:
            with whole_folder(folder) as made:
                unpack(path, made, name)
        except DataError:
            if _is_url(place):  # it may be another the next time
                path.unlink()
            raise
    found = sorted(each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file())
    return folder / _choose_table(found, inner, name, place)


def _choose_table(found: list[str], inner: str, name: str, place: str) -> str:
    if inner:
        if inner in found:
            return inner
        raise DataError(f"'{name}' holds no file '{inner}'", where=WHERE, fix=did_you_mean(inner, found))
    tables = [each for each in found if _is_table(each)]
    if len(tables) == 1:
        return tables[0]
    if not tables:
        why = f"it holds {', '.join(found[:8]) or 'no file'}{', …' if len(found) > 8 else ''}"
        raise DataError(f"'{name}' holds no table", where=WHERE, why=why, fix=f"name the file in it that is one: {place}{INNER}FILE")
    why = f"it holds {', '.join(tables[:8])}{', …' if len(tables) > 8 else ''}"
    raise DataError(f"'{name}' holds {len(tables)} tables", where=WHERE, why=why, fix=f"name one: {place}{INNER}{tables[0]}")


def _is_table(name: str) -> bool:
    parts = [each.lower() for each in name.split("/")]
    stem = next((parts[-1].removesuffix(end) for end in PACKED if end and parts[-1].endswith(end)), parts[-1])
    return stem.endswith(READABLE) and not any(each.startswith(NOTES) for each in parts)
