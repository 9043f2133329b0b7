"""The engine behind the request that is being answered."""

from __future__ import annotations

from flask import current_app

from engine import ProcessEngine

EXTENSION = "sihua"


def engine() -> ProcessEngine:
    """Return the engine the application was made with."""
    return current_app.extensions[EXTENSION]
