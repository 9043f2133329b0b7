"""A county at real time on which processes are started, killed and cut off."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.demo.people import People
from tests.conftest import Databases, Postgres
from tests.faults.processes import LivingCounty, fill, living


@pytest.fixture(scope="session")
def living_templates(
    postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], tuple[str, People]]]:
    """A living county of each kind of database; to be copied."""
    place = tmp_path_factory.mktemp("living")
    made = Databases(postgres, place)

    @functools.cache
    def template(kind: str) -> tuple[str, People]:
        url = made.empty(kind)
        return url, fill(url, place)

    yield template
    made.drop()


@pytest.fixture
def living_county(
    living_templates: Callable[[str], tuple[str, People]], databases: Databases, database_kind: str, tmp_path: Path
) -> Iterator[LivingCounty]:
    """A fresh county at real time; every process that was started on it ends with the test."""
    url, people = living_templates(database_kind)
    with living(databases.copy(url), people, tmp_path) as county:
        yield county
