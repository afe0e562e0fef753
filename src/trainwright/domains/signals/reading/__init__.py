"""Recordings in files, a window at a time: WFDB, sound, MATLAB, HDF5, EDF, text. Imports no torch."""

from __future__ import annotations

from trainwright.domains.signals.reading.facts import Facts, Piece, Unreadable
from trainwright.domains.signals.reading.recording import probe, read
from trainwright.domains.signals.reading.reference import Reference, split_reference

__all__ = ["Facts", "Piece", "Reference", "Unreadable", "probe", "read", "split_reference"]
