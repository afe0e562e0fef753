"""Which members are there: those whose count goes on by this process's own clock, whatever the clocks of the others say."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from trainwright.parallel.elastic.notes import Note
from trainwright.parallel.machines import began_at, see_place

LONGEST = 1.0
"""Seconds of one look that count as silence: this process may have been stopped itself."""


@dataclass
class _Seen:
    beat: int
    note: Note | None
    silent: float = 0.0
    beats: int = 0
    """How often its count went on while this process looked."""


class Presence:
    """Looks at what all members say, and knows who is lost; one that was lost once stays so, and comes back under another number."""

    def __init__(self, silence: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`silence`: seconds without a sign of life after which a member counts as lost."""
        self.silence, self._clock = silence, clock
        self._seen: dict[int, _Seen] = {}
        self._last = clock()
        self.lost: set[int] = set()
        self.known: dict[int, Note] = {}
        """What each said last, those that have gone too."""

    def look(self, found: Mapping[int, tuple[int, Note] | None]) -> None:
        """Take in what the files say now."""
        now = self._clock()
        passed, self._last = min(now - self._last, LONGEST), now
        for number, said in found.items():
            seen = self._seen.setdefault(number, _Seen(-1, None))
            if said is not None and said[0] != seen.beat:
                self._seen[number] = _Seen(*said, beats=seen.beats + 1)
                self.known[number] = said[1]
            else:
                seen.silent += passed
            if self._is_lost(self._seen[number]):
                self.lost.add(number)
        for number in set(self._seen) - set(found):
            del self._seen[number]

    @property
    def alive(self) -> dict[int, Note]:
        """Those that are there, oldest first; one that has only just taken its number has said nothing yet."""
        found = {number: seen.note for number, seen in sorted(self._seen.items()) if seen.note is not None}
        return {number: note for number, note in found.items() if number not in self.lost}

    def beats(self, number: int) -> int:
        """How often a member has shown that it lives since this process looks."""
        return self._seen[number].beats if number in self._seen else 0

    def _is_lost(self, seen: _Seen) -> bool:
        return seen.silent >= self.silence or (seen.note is not None and _has_ended(seen.note))


def _has_ended(note: Note) -> bool:
    """Whether the process of a member is gone for certain, which can be seen where it was one of this system's."""
    return note.place == see_place() and began_at(note.pid) != note.began
