"""What happens after commit is done once, tried again a few times, and then named as given up."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import insert, update

from engine.errors import NotFound
from engine.identifiers import new_id
from engine.services.jobs import RETRY_MINUTES, TAKEN_FOR
from engine.store.files import FileStore
from engine.store.tables import attachment, job

DAMAGED = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + b"no picture" * 100


def jobs(county):
    """Return (kind, state, attempts) of every job."""
    return [(row[1], row[4], row[6]) for row in county.contents()["job"]]


def damaged_photo(county):
    """Ask with a photo whose bytes then turn out to be no picture."""
    matter = county.ask()
    kept = FileStore(county.place / "files").put(DAMAGED)
    with county.engine.database.write() as connection:
        connection.execute(update(attachment).values(sha256=kept))
    return matter


def lost_photo(county):
    """Ask with a photo whose bytes are no longer on disk."""
    matter = county.ask()
    for path in (county.place / "files").rglob("*"):
        if path.is_file():
            path.unlink()
    return matter


def paper(county, matter):
    return county.engine.history.trace(matter.receipt, by=county.post("SB")).attachments[0]


def test_a_photo_is_cleaned_after_commit(county):
    matter = county.ask()
    assert (paper(county, matter).state, jobs(county)) == ("pending", [("picture.clean", "open", 0)])
    assert county.engine.jobs.run_due() == 1
    assert (paper(county, matter).state, jobs(county)) == ("ready", [("picture.clean", "done", 0)])
    assert county.engine.history.preview(paper(county, matter).id, by=county.post("SB")).startswith(b"\xff\xd8\xff")


def test_there_is_no_preview_before_it_is_made(county):
    matter = county.ask()
    with pytest.raises(NotFound):
        county.engine.history.preview(paper(county, matter).id, by=county.post("SB"))


def test_a_job_is_done_once(county):
    county.ask()
    assert [county.engine.jobs.run_due() for _ in range(3)] == [1, 0, 0]


def test_a_job_that_another_worker_has_taken_is_left_to_it(county):
    county.ask()
    with county.engine.database.write() as connection:
        connection.execute(update(job).values(due_at=county.clock.now() + TAKEN_FOR))
    assert county.engine.jobs.run_due() == 0
    county.clock.at += TAKEN_FOR
    assert county.engine.jobs.run_due() == 1


@pytest.mark.parametrize("spoil", [damaged_photo, lost_photo])
def test_a_job_that_fails_is_tried_again_later(county, spoil):
    spoil(county)
    county.engine.jobs.run_due()
    assert jobs(county) == [("picture.clean", "open", 1)]
    assert county.engine.jobs.run_due() == 0
    county.clock.at += timedelta(minutes=RETRY_MINUTES[0])
    assert county.engine.jobs.run_due() == 1


def give_up(county):
    for minutes in (0, *RETRY_MINUTES):
        county.clock.at += timedelta(minutes=minutes)
        assert county.engine.jobs.run_due() == 1


def test_a_job_that_keeps_failing_becomes_an_incident(county):
    matter = lost_photo(county)
    give_up(county)
    (incident,) = county.engine.jobs.incidents()
    assert (incident.kind, incident.attempts) == ("picture.clean", len(RETRY_MINUTES) + 1) and incident.error
    assert paper(county, matter).state == "failed"
    county.clock.at += timedelta(days=30)
    assert county.engine.jobs.run_due() == 0


def test_an_incident_can_be_tried_again(county):
    lost_photo(county)
    give_up(county)
    county.engine.jobs.retry(county.engine.jobs.incidents()[0].id)
    assert (county.engine.jobs.incidents(), county.engine.jobs.run_due()) == ((), 1)


def test_what_is_done_is_not_tried_again(county):
    county.ask()
    county.engine.jobs.run_due()
    (done,) = county.contents()["job"]
    with pytest.raises(NotFound):
        county.engine.jobs.retry(done[0])
    assert jobs(county) == [("picture.clean", "done", 0)]


def test_one_bad_job_does_not_keep_the_others_from_being_done(county):
    lost_photo(county)
    county.clock.at += timedelta(seconds=1)
    good = county.ask()
    assert county.engine.jobs.run_due() == 2
    assert paper(county, good).state == "ready"


def test_a_job_of_a_kind_nobody_knows_becomes_an_incident_and_stops_nothing(county):
    with county.engine.database.write() as connection:
        connection.execute(
            insert(job).values(
                id=new_id(), kind="fax.send", key="fax", payload={}, state="open", due_at=county.clock.now()
            )
        )
    county.clock.at += timedelta(seconds=1)
    matter = county.ask()
    assert county.engine.jobs.run_due() == 2
    assert paper(county, matter).state == "ready"
    assert ("fax.send", "open", 1) in jobs(county)


def test_a_refusal_letter_is_typeset_after_commit(county):
    matter = county.ask(kind="guarantee")
    county.register(matter, kind="guarantee")
    before = county.engine.history.trace(matter.receipt, by=county.post("SB")).documents
    county.engine.jobs.run_due()
    after = county.engine.history.trace(matter.receipt, by=county.post("SB")).documents
    assert {document.title for document in after} == {"受理回执", "不予用印告知书"}
    assert [document.ready for document in before] == [False, False]
    assert [document.ready for document in after] == [True, True]
