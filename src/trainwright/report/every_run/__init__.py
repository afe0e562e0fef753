"""The sections that every report has, one file each: functions from the material to a section of blocks, or None."""
