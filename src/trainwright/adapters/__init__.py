"""Modules of other libraries as systems. None of those libraries is imported here."""
