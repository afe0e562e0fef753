"""Images, sequences, meshes and data that a system saves under its run's `media/`."""

from __future__ import annotations

from trainwright.runs.media.saver import Media

__all__ = ["Media"]
