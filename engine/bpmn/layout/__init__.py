"""The picture of a diagram: how good it is, and how to draw a better one."""
