"""Guidance: denoisers made of denoisers, away from what a worse or less told one gives."""
