"""The token game of a diagram, explored: what can hang, be done twice or never be reached."""
