"""Small diagrams put into force without lint, for the tests of time and messages."""

from __future__ import annotations

from sqlalchemy import Row, select

from engine.bpmn.package import Package, read_files
from engine.services import matters
from engine.services.repository import put_into_force
from engine.services.unit_of_work import UnitOfWork
from engine.store.tables import job, subscription, task
from engine.views import Started
from tests.bpmn.diagrams import flows
from tests.conftest import VILLAGE, CountyForTest

_HEAD = (
    '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:power="urn:sihua:power:1" '
    'xmlns:camunda="http://camunda.org/schema/1.0/bpmn" id="D" targetNamespace="urn:test">'
)
LANES = (
    '<laneSet id="l"><lane id="l1" name="村文书"><flowNodeRef>a</flowNodeRef></lane>'
    '<lane id="l2" name="村委会主任"><flowNodeRef>b</flowNodeRef></lane></laneSet>'
)


def item(id: str, elements: str, flow_lines: str, *, declared: str = "", about: str = "") -> Package:
    """Return a package whose tasks a and b are the clerk's and the director's; ``about`` goes into ``power:item``."""
    diagram = (
        f'{_HEAD}{declared}<process id="{id}" name="{id}" isExecutable="true"><extensionElements>'
        f'<power:item code="T01" category="S" {about}/></extensionElements>'
        f"{LANES}{elements}{flows(flow_lines)}</process></definitions>"
    )
    return read_files(id, "T01", {f"{id}.bpmn": diagram.encode()})


def timer(text: str, kind: str = "timeDuration") -> str:
    return f'<timerEventDefinition id="t"><{kind}>{text}</{kind}></timerEventDefinition>'


def enforce(county: CountyForTest, package: Package, version: int = 1) -> None:
    """Put a package into force as it is."""
    with UnitOfWork(county.engine.database, county.clock).write() as transaction:
        put_into_force(transaction, package, version)


def begin(county: CountyForTest, item_id: str, village: str = VILLAGE) -> Started:
    """The clerk starts a matter."""
    clerk = county.post("CL", village)
    return county.engine.runtime.start(item_id, unit_id=county.people.unit(village), data={}, by=clerk)


def stops(county: CountyForTest, receipt: str, village: str = VILLAGE) -> list[str]:
    """Return the elements a matter stands at."""
    trace = county.engine.history.trace(receipt, by=county.post("SB", village))
    return [stop.element for stop in trace.stops]


def jobs(county: CountyForTest, *kinds: str) -> list[Row]:
    with county.engine.database.read() as connection:
        return connection.execute(select(job).where(job.c.kind.in_(kinds)).order_by(job.c.due_at, job.c.key)).all()


def places(county: CountyForTest, matter_id: str) -> list[str]:
    """Return the elements where a matter stands: open tasks and awaited messages."""
    with county.engine.database.read() as connection:
        tasks = select(task.c.element).where(task.c.instance_id == matter_id, task.c.state == "open")
        waits = select(subscription.c.element).where(subscription.c.instance_id == matter_id)
        return sorted([*connection.scalars(tasks), *connection.scalars(waits)])


def data_of(county: CountyForTest, matter_id: str) -> dict[str, object]:
    """Return the data a matter holds."""
    with UnitOfWork(county.engine.database, county.clock).write() as transaction:
        return matters.load(transaction, county.engine.repository, matter_id).workflow.data
