"""Columns as traceable modules: what is done to values as tensors, and beside it what only a host can do, as data.

A value that a tensor can hold goes in as it is: numbers in float64 (NaN where missing), times as microseconds since 1970. A text becomes
a number on the host, by a table that is kept as data: of a binary or category column its class (-1 missing, -2 unknown), of a column of
words or tokens their indices with how many there are (-1 where the row is missing). All else, filling, scaling, one position per
label, cutting and padding, is a module, so that an exported network answers rows and not encodings.
"""
