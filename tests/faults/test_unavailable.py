"""When data cannot be used a person reads why, nothing half is done, and it goes on without a restart."""

from __future__ import annotations

import errno
import io
import os
import re
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import event, insert, make_url

from engine import ProcessEngine
from engine.demo.story import sample_picture
from engine.store import postgresql as on_server
from engine.store import sqlite as embedded
from engine.store.session import Database
from engine.store.tables import setting
from tests.conftest import REQUEST, VILLAGE
from tests.faults.processes import fill
from webui.app import create_app


class Pages:
    """The pages of a county, asked in this process."""

    def __init__(self, engine: ProcessEngine, village: str) -> None:
        self.engine = engine
        app = create_app(engine, secret="s" * 40, demo=False, secure=False)
        self.client = app.test_client()
        self.asking = f"/villages/{village}/items/seal_use/request"

    def form(self) -> dict[str, str]:
        text = self.client.get(self.asking).text
        tokens = {key: re.search(f'name="{key}" value="([^"]+)"', text)[1] for key in ("csrf_token", "form_token")}
        return {key: value[0] for key, value in REQUEST.items()} | tokens

    def send(self, fields: dict[str, str]):
        photo = (io.BytesIO(sample_picture()), "photo.png")
        return self.client.post(self.asking, data={**fields, "document_photo": photo})


@pytest.fixture
def pages(living_county, monkeypatch):
    monkeypatch.setattr(embedded, "BUSY_SECONDS", 0.3)
    monkeypatch.setattr(on_server, "LOCK_SECONDS", 0.3)
    engine = living_county.engine()
    yield Pages(engine, living_county.people.unit(VILLAGE))
    engine.close()


def matters_of(pages: Pages, county) -> int:
    return len(pages.engine.history.find("", by=county.people.posts[VILLAGE, "CL"]))


def says(answer, *sentences: str) -> bool:
    assert answer.status_code == 503, answer.text
    assert answer.headers["Retry-After"].isdigit()
    assert "Traceback" not in answer.text and "sqlalche" not in answer.text
    return all(sentence in answer.text for sentence in (*sentences, "先在纸上办，之后补录"))


def test_a_database_that_is_held_for_long_is_a_clear_page_and_the_same_form_works_afterwards(pages, living_county):
    fields = pages.form()
    other = Database(living_county.url)
    with other.write() as connection:
        if other.is_embedded:
            connection.execute(insert(setting).values(key="held", value=1))
        else:
            connection.exec_driver_sql("lock table process_instance in exclusive mode")
        assert says(pages.send(fields), "系统太忙，这一下没有办成。")
        # Who only reads is not kept waiting.
        assert pages.client.get("/").status_code == 200
    other.close()
    assert matters_of(pages, living_county) == 0
    assert pages.send(fields).status_code == 303
    assert pages.send(fields).status_code == 303
    assert matters_of(pages, living_county) == 1


@pytest.mark.only_on("sqlite")
def test_a_database_file_that_is_away_is_a_clear_page_until_it_is_back(pages, living_county):
    fields = pages.form()
    place = Path(make_url(living_county.url).database)
    # A disk that is taken away is not in use: what was open on it is lost.
    pages.engine.database.engine.dispose()
    place.rename(place.with_suffix(".away"))
    for _ in range(2):
        assert says(pages.send(fields), "系统暂时连不上。")
        assert says(pages.client.get("/"), "系统暂时连不上。")
        assert pages.client.get("/healthz").status_code == 503
    assert not place.exists()
    place.with_suffix(".away").rename(place)
    assert pages.client.get("/healthz").status_code == 200
    assert pages.send(fields).status_code == 303
    assert matters_of(pages, living_county) == 1


@pytest.mark.only_on("postgresql")
def test_a_server_that_is_away_is_a_clear_page_until_it_is_back(postgres, tmp_path, database_kind):
    server = postgres.own_server()
    try:
        url = server.url(server.create())
        people = fill(url, tmp_path)
        engine = ProcessEngine(url, files=tmp_path / "files")
        pages = Pages(engine, people.unit(VILLAGE))
        fields = pages.form()
        server.halt()
        for _ in range(2):
            assert says(pages.send(fields), "系统暂时连不上。")
            assert says(pages.client.get("/"), "系统暂时连不上。")
            assert pages.client.get("/healthz").status_code == 503
        server.start()
        assert pages.client.get("/healthz").status_code == 200
        assert pages.send(fields).status_code == 303
        assert len(engine.history.find("", by=people.posts[VILLAGE, "CL"])) == 1
        engine.close()
    finally:
        server.stop()


def test_a_full_disk_for_papers_is_a_clear_page_and_the_same_form_works_afterwards(pages, living_county, monkeypatch):
    fields = pages.form()
    with monkeypatch.context() as full:

        def no_room(_handle):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        full.setattr(os, "fsync", no_room)
        assert says(pages.send(fields), "系统存满了，这一下没有办成。")
    assert matters_of(pages, living_county) == 0
    assert not [path for path in living_county.files.rglob("*") if path.is_file()]
    assert pages.send(fields).status_code == 303
    assert matters_of(pages, living_county) == 1


@pytest.mark.only_on("sqlite")
def test_a_full_disk_for_the_database_is_a_clear_page_and_the_same_form_works_afterwards(pages, living_county):
    def leave_no_room(connection, _record) -> None:
        connection.execute(f"pragma max_page_count = {connection.execute('pragma page_count').fetchone()[0]}")

    opened = pages.engine.database.engine
    event.listen(opened, "connect", leave_no_room)
    opened.dispose()
    kept = 0
    # There is room inside the pages that are there; then there is none.
    while (answer := pages.send(fields := pages.form())).status_code == 303:
        kept += 1
        assert kept < 100
    assert says(answer, "系统存满了，这一下没有办成。")
    assert matters_of(pages, living_county) == kept
    event.remove(opened, "connect", leave_no_room)
    opened.dispose()
    assert pages.send(fields).status_code == 303
    assert matters_of(pages, living_county) == kept + 1
    assert pages.engine.history.verify().whole


@pytest.mark.only_on("postgresql")
def test_a_full_disk_of_the_server_is_a_clear_page_and_the_same_form_works_afterwards(
    postgres, tmp_path, database_kind
):
    server = postgres.own_server()
    try:
        with server.small_disk("small", "64m"):
            url = server.url(name := server.create(tablespace="small"))
            people = fill(url, tmp_path)
            engine = ProcessEngine(url, files=tmp_path / "files")
            pages = Pages(engine, people.unit(VILLAGE))
            with server.connect(name) as other:
                other.execute("create table ballast (piece bytea)")
                with pytest.raises(psycopg.errors.DiskFull):
                    while True:
                        # What does not repeat itself cannot be compressed.
                        other.execute("insert into ballast values (%s)", (os.urandom(200_000),))
                kept = 0
                # There is room inside the pages that are there; then there is none.
                while (answer := pages.send(fields := pages.form())).status_code == 303:
                    kept += 1
                    assert kept < 200
                assert says(answer, "系统存满了，这一下没有办成。")
                other.execute("drop table ballast")
            assert len(engine.history.find("", by=people.posts[VILLAGE, "CL"])) == kept
            assert pages.send(fields).status_code == 303
            assert len(engine.history.find("", by=people.posts[VILLAGE, "CL"])) == kept + 1
            assert engine.history.verify().whole
            engine.close()
    except PermissionError as refused:
        pytest.skip(str(refused))
    finally:
        server.stop()
