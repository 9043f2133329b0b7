"""Sihua's engine: runs a village's powers as the diagrams that are published for them."""

from engine import errors, model, views
from engine.opening import open_for_web
from engine.process_engine import ProcessEngine
from engine.services.matters import Upload

__all__ = ["ProcessEngine", "Upload", "errors", "model", "open_for_web", "views"]
