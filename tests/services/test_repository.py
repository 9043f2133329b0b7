"""Putting diagrams into force: the same again is nothing, a new version leaves running matters alone."""

from __future__ import annotations

import re
import shutil

import pytest

from engine.errors import InvalidProcess, NotFound
from engine.process_engine import PROCESSES

FOLDER = "E01_seal_use"


@pytest.fixture
def drawing(tmp_path):
    """A copy of the item that may be drawn on."""
    place = tmp_path / "drawings"
    shutil.copytree(PROCESSES / FOLDER, place / FOLDER)
    return place / FOLDER


def redraw(folder, old, new, count=1):
    path = folder / "seal_use.bpmn"
    text = path.read_text("utf-8")
    assert text.count(old) >= 1
    path.write_text(text.replace(old, new, count), "utf-8")


def rename_approval(folder):
    redraw(folder, 'name="审批用印"', 'name="审查批准用印"')


def version(county):
    return county.engine.repository.item("seal_use").version


def test_the_same_package_twice_changes_nothing(county):
    before = county.contents()
    county.engine.repository.deploy(PROCESSES / FOLDER)
    assert county.contents() == before


def test_a_copy_elsewhere_is_the_same_package(county, drawing):
    (drawing / "README.md").write_text("read me", "utf-8")
    county.engine.repository.deploy(drawing)
    assert version(county) == 1


def test_a_changed_drawing_is_the_next_version(county, drawing):
    rename_approval(drawing)
    item = county.engine.repository.deploy(drawing, by=county.people.id("郑图南"))
    assert (item.version, version(county)) == (2, 2)
    versions = county.engine.repository.definition("seal_use").versions
    assert [(each.version, each.deployed_by) for each in versions] == [(2, "郑图南"), (1, "系统")]


def test_an_older_drawing_comes_back_as_a_new_version(county, drawing):
    rename_approval(drawing)
    county.engine.repository.deploy(drawing)
    county.engine.repository.deploy(PROCESSES / FOLDER)
    definition = county.engine.repository.definition("seal_use")
    assert [each.version for each in definition.versions] == [3, 2, 1]
    assert definition.versions[0].digest == definition.versions[2].digest


def test_running_matters_stay_on_the_version_they_began_with(county, drawing):
    old = county.ask()
    rename_approval(drawing)
    county.engine.repository.deploy(drawing)
    new = county.ask()
    assert county.register(old).next_steps == ("〈审批用印〉 村委会主任 王长河",)
    assert county.register(new).next_steps == ("〈审查批准用印〉 村委会主任 王长河",)
    by = county.post("SB")
    assert [county.engine.history.trace(each.receipt, by=by).version for each in (old, new)] == [1, 2]


def test_a_matter_of_an_old_version_can_be_finished(county, drawing):
    matter = county.ask()
    rename_approval(drawing)
    county.engine.repository.deploy(drawing)
    county.register(matter)
    county.approve(matter)
    county.complete(matter, county.post("SK"), {"compare.decision": "agree"})
    assert county.complete(matter, county.post("SK"), {"stamped_copies": "2"}, files=("scan",)).finished


def test_the_diagram_shown_is_the_one_the_matter_runs_on(county, drawing):
    matter = county.ask()
    rename_approval(drawing)
    county.engine.repository.deploy(drawing)
    trace = county.engine.history.trace(matter.receipt, by=county.post("SB"))
    assert county.engine.repository.diagram(trace.definition_id) == (PROCESSES / FOLDER / "seal_use.bpmn").read_bytes()


def test_running_matters_are_counted_by_version(county, drawing):
    county.ask()
    county.ask()
    rename_approval(drawing)
    county.engine.repository.deploy(drawing)
    county.ask()
    versions = county.engine.repository.definition("seal_use").versions
    assert [(each.version, each.open_matters) for each in versions] == [(2, 1), (1, 2)]


@pytest.mark.parametrize(
    "old, new",
    [
        ('<bpmn:lane id="Lane_keeper" name="印章保管员">', '<bpmn:lane id="Lane_keeper" name="管章的">'),
        ('sourceRef="Task_stamp" targetRef="Service_enter"', 'sourceRef="Task_stamp" targetRef="Service_nowhere"'),
        ('camunda:topic="register.enter"', 'camunda:topic="shell.run"'),
        ('param="seal.approve_limit"', 'param="seal.no_such_limit"'),
        ('camunda:decisionRef="seal_approval"', 'camunda:decisionRef="somebody"'),
        ('<?xml version="1.0" encoding="UTF-8"?>', '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY y "z">]>'),
        ("</bpmn:definitions>", ""),
    ],
    ids=["lane", "flow", "connector", "parameter", "decision", "doctype", "not xml"],
)
def test_a_drawing_with_a_mistake_is_refused_and_changes_nothing(county, drawing, old, new):
    redraw(drawing, old, new)
    before = county.contents()
    with pytest.raises(InvalidProcess) as refused:
        county.engine.repository.deploy(drawing)
    errors = [finding for finding in refused.value.findings if finding.severity == "error"]
    assert errors and all(finding.message and finding.hint and finding.line >= 1 for finding in errors)
    assert county.contents() == before


def test_a_folder_that_is_no_item_is_not_found(county, tmp_path):
    with pytest.raises(NotFound):
        county.engine.repository.deploy(tmp_path / "E99_nothing")


@pytest.mark.parametrize("door", ["item", "start_form", "definition"])
def test_what_is_not_on_the_list_is_not_found(county, door):
    with pytest.raises(NotFound):
        getattr(county.engine.repository, door)("land_sale")


def test_a_deployment_is_written_into_the_countys_chain(county, drawing):
    rename_approval(drawing)
    item = county.engine.repository.deploy(drawing, by=county.people.id("郑图南"))
    (last,) = [row for row in county.contents()["event_log"] if row[3] == "deployed" and row[9]["version"] == 2]
    assert (last[0], last[5], last[9]["item"]) == (county.people.unit("示范县"), county.people.id("郑图南"), item.id)


def test_a_definition_says_how_good_its_pictures_are(county):
    (score,) = county.engine.repository.definition("seal_use").scores
    assert (score.file, score.passes, score.sheet) == ("seal_use.bpmn", True, "A3")
    assert 80 <= score.score <= 100 and 2.5 <= score.character < 10


def test_the_guide_names_who_how_and_until_when(county):
    guide = county.engine.repository.guide("seal_use", unit_id=county.people.unit("石桥村"))
    assert (guide.first.name, guide.promise) == ("李文清", "5 个工作日")
    assert [(step.name, step.person, step.limit) for step in guide.steps] == [
        ("登记核对", "李文清", "1 个工作日"),
        ("审批用印", "王长河", "2 个工作日"),
        ("会签用印", "赵德林", "1 个工作日"),
        ("核对批件", "陈守印", "1 个工作日"),
        ("盖章留痕", "陈守印", "当天"),
    ]


@pytest.mark.parametrize("unit", ["云溪镇", "示范县", "nowhere"])
def test_there_is_no_guide_where_the_item_is_not_run(county, unit):
    with pytest.raises(NotFound):
        county.engine.repository.guide("seal_use", unit_id=county.people.units.get(unit, unit))


def test_an_event_sub_process_takes_the_withdrawal_at_every_step(county, drawing):
    """The four boundary events of the shipped drawing and their two ends, drawn once for the whole process."""
    path = drawing / "seal_use.bpmn"
    text = path.read_text("utf-8")
    gone = re.findall(r'(boundaryEvent|endEvent) id="(Boundary_withdraw_\w+|End_withdrawn\w*)"', text)
    assert len(gone) == 6
    for tag, id in gone:
        for element in (
            rf'<bpmn:{tag} id="{id}".*?</bpmn:{tag}>',
            rf"<bpmn:flowNodeRef>{id}</bpmn:flowNodeRef>",
            rf'<bpmn:sequenceFlow id="\w+"[^>]* sourceRef="{id}"[^>]*/>',
        ):
            text = re.sub(element, "", text, flags=re.DOTALL)
    inner = (
        '<bpmn:subProcess id="Sub_withdraw" name="撤回" triggeredByEvent="true">'
        '<bpmn:startEvent id="Start_withdraw" name="申请人撤回">'
        '<bpmn:messageEventDefinition messageRef="Message_withdraw" /></bpmn:startEvent>'
        '<bpmn:endEvent id="End_withdrawn" name="已撤回" />'
        '<bpmn:sequenceFlow id="Flow_withdraw" sourceRef="Start_withdraw" targetRef="End_withdrawn" />'
        "</bpmn:subProcess>"
    )
    text = text.replace("</bpmn:process>", f"{inner}</bpmn:process>")
    place = "<bpmn:flowNodeRef>Task_register<"
    path.write_text(text.replace(place, f"<bpmn:flowNodeRef>Sub_withdraw</bpmn:flowNodeRef>{place}"), "utf-8")
    county.engine.repository.deploy(drawing)

    matter = county.ask()
    county.register(matter)
    county.engine.runtime.correlate(matter.receipt, message="withdraw", code=matter.code)

    trace = county.engine.history.trace(matter.receipt, by=county.post("SB"))
    assert (trace.matter.state, trace.stops) == ("withdrawn", ())
    finished = county.ask()
    county.register(finished)
    assert county.approve(finished).next_steps
