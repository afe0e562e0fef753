"""Recordings in files, a window at a time: WFDB, sound, MATLAB, HDF5, EDF, text. Imports no torch."""
