"""Packages: what belongs to a version, and what its digest stands for."""

from __future__ import annotations

import pytest

from engine.bpmn.package import belongs, read_file, read_files, read_folder
from engine.errors import NotFound

BPMN = "http://www.omg.org/spec/BPMN/20100524/MODEL"


def diagram(id: str, *called: str) -> str:
    calls = "".join(f'<callActivity id="Call_{name}" calledElement="{name}"/>' for name in called)
    return f'<definitions xmlns="{BPMN}"><process id="{id}">{calls}</process></definitions>'


@pytest.fixture
def processes(tmp_path):
    """A library: E01 calls meeting, which calls notice; nobody calls card."""
    folders = {
        "E01_seal_use": {"seal_use.bpmn": diagram("seal_use", "meeting", "nowhere"), "seal_request.form": "{}"},
        "common/meeting": {"meeting.bpmn": diagram("meeting", "notice", "meeting"), "meeting.form": "{}"},
        "common/notice": {"notice.bpmn": diagram("notice", "meeting")},
        "common/card": {"card.bpmn": diagram("card")},
    }
    for folder, files in folders.items():
        (tmp_path / folder).mkdir(parents=True)
        for name, text in files.items():
            (tmp_path / folder / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_the_folder_name_gives_code_and_id(processes):
    package = read_folder(processes / "E01_seal_use")
    assert (package.id, package.code, package.main) == ("seal_use", "E01", "seal_use.bpmn")


def test_a_common_folder_has_no_code(processes):
    package = read_folder(processes / "common" / "meeting")
    assert (package.id, package.code, package.main) == ("meeting", "", "meeting.bpmn")


def test_called_processes_are_part_of_the_version(processes):
    assert sorted(read_folder(processes / "E01_seal_use").files) == [
        "common/meeting/meeting.bpmn",
        "common/meeting/meeting.form",
        "common/notice/notice.bpmn",
        "seal_request.form",
        "seal_use.bpmn",
    ]


def test_the_library_may_be_named_as_a_whole_or_as_its_common_folder(processes):
    whole = read_folder(processes / "E01_seal_use", library=processes)
    common = read_folder(processes / "E01_seal_use", library=processes / "common")
    assert whole == common


def test_scenarios_readme_and_hidden_files_are_left_out(processes):
    folder = processes / "E01_seal_use"
    before = read_folder(folder)
    for name in ("scenarios.json", "README.md", ".draft.bpmn", "notes.txt"):
        (folder / name).write_text("x", encoding="utf-8")
    assert read_folder(folder) == before


def test_templates_are_part_of_the_version(processes):
    folder = processes / "E01_seal_use"
    before = read_folder(folder)
    (folder / "templates").mkdir()
    (folder / "templates" / "refusal.typ").write_text("x", encoding="utf-8")
    after = read_folder(folder)
    assert "templates/refusal.typ" in after.files
    assert after.digest != before.digest


def test_a_changed_called_form_changes_the_digest(processes):
    before = read_folder(processes / "E01_seal_use")
    (processes / "common" / "meeting" / "meeting.form").write_text("{ }", encoding="utf-8")
    assert read_folder(processes / "E01_seal_use").digest != before.digest


def test_a_process_nobody_calls_does_not_change_the_digest(processes):
    before = read_folder(processes / "E01_seal_use")
    (processes / "common" / "card" / "card.bpmn").write_text(diagram("card", "notice"), encoding="utf-8")
    assert read_folder(processes / "E01_seal_use") == before


def test_moving_content_to_another_name_changes_the_digest():
    one = read_files("a", "", {"a.bpmn": b"1", "b.form": b"2"})
    other = read_files("a", "", {"a.bpmn": b"2", "b.form": b"1"})
    assert one.digest != other.digest


def test_kept_files_give_the_same_package_in_any_order(processes):
    package = read_folder(processes / "E01_seal_use")
    shuffled = dict(reversed(list(package.files.items())))
    again = read_files(package.id, package.code, shuffled)
    assert again == package
    assert dict(again.files) == dict(package.files)


def test_a_called_name_cannot_lead_out_of_the_library(processes):
    (processes / "secret").mkdir()
    (processes / "secret" / "secret.bpmn").write_text(diagram("secret"), encoding="utf-8")
    main = processes / "E01_seal_use" / "seal_use.bpmn"
    main.write_text(diagram("seal_use", "../secret", "/etc"), encoding="utf-8")
    package = read_folder(processes / "E01_seal_use", library=processes / "common")
    assert sorted(package.files) == ["seal_request.form", "seal_use.bpmn"]


def test_a_link_that_leads_out_of_the_folder_is_not_followed(processes, tmp_path_factory):
    secret = tmp_path_factory.mktemp("outside") / "secret.form"
    secret.write_text("{}", encoding="utf-8")
    (processes / "E01_seal_use" / "secret.form").symlink_to(secret)
    assert "secret.form" not in read_folder(processes / "E01_seal_use").files


def test_a_diagram_that_is_no_xml_is_kept_for_lint_to_name(processes):
    (processes / "E01_seal_use" / "seal_use.bpmn").write_text("<broken", encoding="utf-8")
    package = read_folder(processes / "E01_seal_use")
    assert package.files["seal_use.bpmn"] == b"<broken"


def test_the_only_diagram_is_the_main_one_whatever_its_name():
    assert read_files("seal_use", "E01", {"drawing.bpmn": b"", "common/x/x.bpmn": b""}).main == "drawing.bpmn"


@pytest.mark.parametrize("folder", ["E99_nothing", "empty"])
def test_a_wrong_folder_is_not_found(processes, folder):
    (processes / "empty").mkdir()
    with pytest.raises(NotFound):
        read_folder(processes / folder)


@pytest.mark.parametrize("name", ["seal.bpmn20.xml", "seal.BPMN", "seal.bpmn2", "seal"])
def test_a_file_of_another_name_is_looked_at_when_asked_for_and_belongs_to_nothing(processes, name):
    path = processes / "E01_seal_use" / name
    path.write_text(diagram("seal_use"), encoding="utf-8")
    assert not belongs(name)
    assert dict(read_file(path).files) == {name: path.read_bytes()}
    assert name not in read_folder(path.parent).files


def test_scenarios_alone_are_no_diagram(processes):
    path = processes / "E01_seal_use" / "scenarios.json"
    path.write_text("[]", encoding="utf-8")
    assert not read_file(path).files
