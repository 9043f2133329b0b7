"""The parts of the expression language; what uses it goes through :mod:`engine.bpmn.expressions`."""
