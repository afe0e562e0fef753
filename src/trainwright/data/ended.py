"""What a stream says when it has come to its end for good."""


class DataEnded(Exception):
    """A stream that can be read only once has no further batch; the run ends well."""
