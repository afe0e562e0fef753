"""Expressions over the columns of a table: which rows count (`data.where`) and what further columns are made (`data.derive`).

`syntax` reads a text into a tree of few allowed parts, `typed` gives every part a kind and a calculation in Arrow, `functions` are what may
be called, `selection` is what a configuration asks for, and `selected` is a source with it. Nothing that is received is ever executed.
"""
