"""Membership in a short list that the database finds out itself: by the index on both databases."""

from __future__ import annotations

from sqlalchemy import Boolean, ColumnElement, Select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class _Among(FunctionElement):
    """``column`` is one of the values of a select."""

    type = Boolean()
    inherit_cache = True

    def self_group(self, against=None):
        # Not as a value, "= 1" behind it: SQLite would no longer see what the index is for.
        return self


@compiles(_Among)
def _by_subquery(element: _Among, compiler, **options) -> str:
    column, found = element.clauses
    return f"{compiler.process(column, **options)} IN {compiler.process(found, **options)}"


@compiles(_Among, "postgresql")
def _by_array(element: _Among, compiler, **options) -> str:
    # PostgreSQL takes the units below a person's for thousands before it knows them, and reads every task of the
    # county rather than look for each. Of an array it expects ten values.
    column, found = element.clauses
    return f"{compiler.process(column, **options)} = ANY (ARRAY{compiler.process(found, **options)})"


def among(column: ColumnElement, found: Select) -> ColumnElement[bool]:
    """Return whether a column is one of the values of a select that finds few among many."""
    return _Among(column, found.scalar_subquery())
