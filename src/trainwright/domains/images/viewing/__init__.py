"""Pictures as people look at them: in the report of a run, and before training. This table imports no torch and no Pillow."""

from __future__ import annotations

from trainwright.config.part import Part

_HERE = "trainwright.domains.images.viewing"

VIEWS = {
    "pictures": Part(f"{_HERE}.view:view_pictures", f"{_HERE}.options:PicturesViewOptions", "a folder of pictures, or one"),
}
"""What `trainwright view` can look at → what shows it."""
BLOCKS = {
    "pictures": f"{_HERE}.report:describe_pictures",
    "picture_examples": f"{_HERE}.mistakes:show_mistakes",
    "masks": f"{_HERE}.masks:show_masks",
    "near_duplicates": f"{_HERE}.duplicates:tell_duplicates",
}
"""What a report tells of pictures → what tells it."""
