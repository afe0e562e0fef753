"""Decoded samples, each made once and then read from where it is kept; whatever goes wrong there, samples are made as without it."""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import time
import weakref
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from trainwright.config.sizes import size_text
from trainwright.data.cache import CachedData
from trainwright.data.cache.drawing import drew
from trainwright.data.cache.places import Place, disk_root, memory_limit, memory_root, name_of
from trainwright.data.cache.records import Unkept, from_bytes, to_bytes
from trainwright.data.cache.store import NO_SOURCE, Damaged, Full
from trainwright.files.packed import Broken, open_pack, split_member

log = logging.getLogger("trainwright.data")

STILL = 2_000_000_000
"""Nanoseconds for which a file must have been left alone before its size and time tell it from what it was."""
FORMAT = "3"
PIECE = 1 << 20
"""Bytes of a file that are read together."""


class SampleCache:
    """Samples by what they are made of, in memory and then on disk. Sent to another process it opens the same ones there."""

    def __init__(self, places: list[Place], what: str, told: frozenset[str] = frozenset()) -> None:
        """`what`: what messages call the samples."""
        self.places, self.what = places, what
        self._told = set(told)
        self._off: set[int] = set()
        self._close = weakref.finalize(self, _close_all, places)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.places, self.what, frozenset(self._told))

    def of_files(self, paths: list[str], part: str, make: Callable[[], Any]) -> Any:
        """The sample that is made of the content of some files; `part` tells it from others of the same."""
        source = source_key(paths, part)
        found = self._find(source) if source != NO_SOURCE else None
        if found is not None:
            return found[0]
        content = content_key(paths, part)
        if content is None:
            return make()  # which tells what is wrong with them
        return self._by_content(source, content, make)

    def of_content(self, path: str, part: str, read: Callable[[], bytes], make: Callable[[bytes], Any]) -> Any:
        """The sample that is made of the content of a file, or of the piece of it that `part` tells from others, with nothing drawn.

        The content is read once, by `read`: `make` is given what tells the sample from those of other contents.
        """
        source = source_key([path], part)
        found = self._find(source) if source != NO_SOURCE else None
        if found is not None:
            return found[0]
        content = read()
        return self._by_content(source, _key_of(part, [(len(content), _digest(content))]), lambda: make(content), draws=False)

    def of_number(self, number: int, make: Callable[[], Any]) -> Any:
        """The sample of a row of data that live as long as this cache."""
        key = hashlib.blake2b(str(number).encode(), digest_size=16).digest()
        found = self._find(key)
        return self._keep(key, key, make) if found is None else found[0]

    def _by_content(self, source: bytes, content: bytes, make: Callable[[], Any], draws: bool = True) -> Any:
        for place in self.usable():
            try:
                number = place.store.find_content(content)
                if number is None:
                    continue
                sample = from_bytes(place.store.read(number))
                place.store.add(source, content, b"")
            except Damaged as error:
                self._say_damaged(place, error)
            except (OSError, Full) as error:
                self._go_without(place, error)
            else:
                return sample
        return self._keep(source, content, make, draws)

    def _find(self, source: bytes) -> tuple[Any] | None:
        for place in self.usable():
            try:
                number = place.store.find(source)
                if number is not None:
                    return (from_bytes(place.store.read(number)),)
            except Damaged as error:
                self._say_damaged(place, error)
            except OSError as error:
                self._go_without(place, error)
        return None

    def _keep(self, source: bytes, content: bytes, make: Callable[[], Any], draws: bool = True) -> Any:
        """A sample that is made, and kept where there is room, unless something random was drawn for it, where that can be."""
        sample, random = drew(make) if draws else (make(), False)
        if random:
            self._say("random", "%s: something random is drawn where they are read, so that these are not kept", self.what)
            return sample
        usable = self.usable()
        if not usable:
            return sample
        try:
            held = to_bytes(sample)
        except Unkept as error:
            self._say("unkept", "%s: %s; they are read each time", self.what, error)
            self._off = set(range(len(self.places)))
            return sample
        for place in usable:
            try:
                place.store.add(source, content, held)
                break
            except Full as error:
                if str(error) != "what may be kept is kept":
                    self._go_without(place, error)
            except OSError as error:
                self._go_without(place, error)
        return sample

    def usable(self) -> list[Place]:
        """Where samples can be kept as things stand."""
        return [each for number, each in enumerate(self.places) if number not in self._off]

    def _say_damaged(self, place: Place, error: Damaged) -> None:
        self._say("damaged", "%s: %s, in %s; it is made again", self.what, error, place.root / place.name)

    def _go_without(self, place: Place, error: Exception) -> None:
        self._off.add(self.places.index(place))
        why = (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__
        self._say(f"without {place.root}", "%s: nothing more is kept in %s (%s); samples are read each time", self.what, place.root, why)

    def _say(self, key: str, text: str, *values: object) -> None:
        if key not in self._told:
            self._told.add(key)
            log.warning(text, *values)

    def begin(self) -> None:
        """Open what is kept: as long as this process has it, samples in memory stay, whichever process reads them."""
        for place in self.places:
            try:
                _ = place.store
            except OSError as error:
                self._go_without(place, error)

    def close(self) -> None:
        """Leave what is kept; samples in memory are gone with the last process that uses them."""
        self._close()

    def describe(self) -> str:
        """Where samples are kept, and how much of them, for a reader."""
        told = []
        for place in self.usable():
            where = "in memory" if place.root == memory_root() else f"in {place.root}"
            told.append(f"up to {size_text(place.limit)} {where}")
        return f"{self.what} are kept once they were decoded: {', then '.join(told)} (data.cache)"


def _close_all(places: list[Place]) -> None:
    for each in places:
        each.close()


def open_cache(options: CachedData, recipe: str, what: str, *, lasting: bool = True) -> SampleCache | None:
    """What keeps the samples that `recipe` makes, as the options say; None with `off`, and where it cannot be had, which is said.

    `lasting`: what they are made of is known, so that other processes and later runs find them.
    """
    if options.cache == "off":
        return None
    if os.name == "nt":
        log.warning("%s: samples are not kept here, which needs locks of POSIX; they are read each time", what)
        return None
    recipe = f"{FORMAT}|{recipe}" if lasting else f"{FORMAT}|{recipe}|{secrets.token_hex(16)}"
    places = []
    if options.cache in ("auto", "memory"):
        places.append(Place(memory_root(), name_of(recipe, lasting), memory_limit(options.cache_memory), False))
    if options.cache in ("auto", "disk"):
        places.append(Place(disk_root(), name_of(recipe, lasting), int(options.cache_limit), lasting))
    made = SampleCache(places, what)
    made.begin()
    return made if made.usable() else None


def source_key(paths: list[str], part: str) -> bytes:
    """Paths, sizes and times of files, 16 bytes; nothing of files that are not there, or were written just now."""
    told = [part]
    for path in paths:
        member = split_member(path)
        try:
            found = os.stat(path if member is None else member[0])
        except OSError:
            return NO_SOURCE
        if time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) < STILL:
            return NO_SOURCE
        told.append(f"{path}|{found.st_size}|{found.st_mtime_ns}|{found.st_ctime_ns}|{found.st_ino}")
    return hashlib.blake2b("\0".join(told).encode(errors="surrogateescape"), digest_size=16).digest()


def content_key(paths: list[str], part: str) -> bytes | None:
    """What files hold, 16 bytes; None for files that cannot be read. A file is read piece by piece, and once while it stays the same."""
    found = []
    for path in paths:
        member = split_member(path)
        try:
            if member is None:
                size, digest = _file_digest(path, *_stamp_of(path))
            else:
                held = open_pack(member[0]).read(member[1])
                size, digest = len(held), _digest(held)
        except (OSError, Broken):
            return None
        found.append((size, digest))
    return _key_of(part, found)


def _key_of(part: str, contents: list[tuple[int, bytes]]) -> bytes:
    """What a sample is made of: which part of contents of so many bytes with these digests; 16 bytes."""
    made = hashlib.blake2b(part.encode(), digest_size=16)
    for size, digest in contents:
        made.update(size.to_bytes(8, "little"))
        made.update(digest)
    return made.digest()


def _stamp_of(path: str) -> tuple[int, ...]:
    """What tells a file from what it was; the time of asking for one that was written just now."""
    found = os.stat(path)
    fresh = time.time_ns() if time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) < STILL else 0
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, fresh


@lru_cache(maxsize=256)
def _file_digest(path: str, *stamp: int) -> tuple[int, bytes]:
    """Bytes of a file and what they are, 16 bytes. Raises OSError."""
    made, size = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while piece := file.read(PIECE):
            made.update(piece)
            size += len(piece)
    return size, made.digest()[:16]


def _digest(content: bytes | memoryview) -> bytes:
    """What a content is, 16 bytes; by SHA-256, for which most processors have instructions of their own."""
    return hashlib.sha256(content).digest()[:16]
