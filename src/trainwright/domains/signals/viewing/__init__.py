"""Recordings as people look at them: pictures of a file, and of examples in a report. This table imports no torch."""

from __future__ import annotations

from trainwright.config.part import Part

_HERE = "trainwright.domains.signals.viewing"

VIEWS = {"recording": Part(f"{_HERE}.file:view_recording", f"{_HERE}.options:RecordingViewOptions", "a recording of the body, or a sound")}
"""What `trainwright view` can look at → what shows it."""
BLOCKS = {"recordings": f"{_HERE}.report:describe_recordings", "examples": f"{_HERE}.report:show_examples"}
"""What a report tells of recordings → what tells it."""
