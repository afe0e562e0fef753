"""What a stream says when it has come to its end for good."""


class DataEnded(Exception):  # noqa: N818  (not an error: the run ends well)
    """A stream that can be read only once has no further batch."""
