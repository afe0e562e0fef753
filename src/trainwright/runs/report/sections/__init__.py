"""The sections of the report, one file each; every one is a function from the material to markup, or None when it has nothing to say."""
