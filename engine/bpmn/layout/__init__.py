"""Pictures of diagrams: how good one is, and how to draw a better one.

A node stands in a cell, a column of the picture and a row of its lane; all else follows from the cells. ``tidy`` is
the whole of it for one file: it replaces the picture and leaves every byte before it as it is.
"""
