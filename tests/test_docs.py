"""The documentation is a contract: what README.md, CHANGELOG.md and processes/README.md say is so."""

from __future__ import annotations

import json
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from engine.__main__ import command_line
from engine.bpmn.expressions import BUILTINS, DOMAIN_FUNCTIONS
from engine.connectors import CONNECTORS, REQUIRED_INPUTS
from webui.__main__ import read_arguments
from webui.app import create_app

ROOT = Path(__file__).resolve().parents[1]
PROCESSES = ROOT / "processes"
README = (ROOT / "README.md").read_text("utf-8")
HOW_TO_DRAW = (PROCESSES / "README.md").read_text("utf-8")
ITEMS = sorted(path.parent for path in PROCESSES.glob("*/scenarios.json"))
CODE = "\n".join(
    path.read_text("utf-8")
    for package in ("engine", "webui")
    for path in sorted((ROOT / package).rglob("*.py"))
    if "node_modules" not in path.parts
)
LISTS = {name: json.loads((PROCESSES / f"{name}.json").read_text("utf-8")) for name in ("roles", "parameters")}
SHAPE = json.loads((PROCESSES / "scenarios.schema.json").read_text("utf-8"))
POWER = json.loads((PROCESSES / "power.moddle.json").read_text("utf-8"))
CAMUNDA = "{http://camunda.org/schema/1.0/bpmn}"


def section(text: str, title: str) -> str:
    """Return what stands under a heading, with the headings below it."""
    found = re.search(rf"^## {re.escape(title)}.*?$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def blocks(text: str) -> list[list[str]]:
    return [block.strip().splitlines() for block in re.findall(r"^```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)]


def table(text: str, heading: str) -> list[list[str]]:
    """Return the cells of the table whose first column has that heading."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


# --- README.md: the tree --------------------------------------------------------------------------------------------

MAP = {line.split()[0]: line.split(maxsplit=1)[1] for line in blocks(section(README, "Map of the tree"))[0]}


@pytest.mark.parametrize("path", MAP)
def test_what_the_map_names_is_there(path):
    assert (ROOT / path).exists()
    assert (ROOT / path).is_dir() == path.endswith("/")


def packages() -> Iterator[Path]:
    """Yield the folders that hold something of their own."""
    for top in ("engine", "webui", "tests", "processes"):
        yield ROOT / top
        for path in sorted((ROOT / top).iterdir()):
            files = [each.name for each in path.iterdir() if each.is_file()] if path.is_dir() else []
            if files and path.name not in ("__pycache__", "screenshots", "var") and not path.name.startswith("."):
                yield path
    yield from (path.parent for path in (ROOT / "engine").glob("*/*/__init__.py"))


def test_the_map_names_every_package():
    assert {f"{path.relative_to(ROOT).as_posix()}/" for path in packages()} <= set(MAP)


@pytest.mark.parametrize("text", [README, HOW_TO_DRAW], ids=["README", "how to draw"])
def test_links_lead_somewhere(text):
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert [link for link in links if not (ROOT / link).exists()] == []


# --- README.md: commands --------------------------------------------------------------------------------------------

COMMANDS = [line for text in (README, HOW_TO_DRAW) for block in blocks(text) for line in block if line[:6] == "sihua "]
COMMANDS += [each for each in quoted(HOW_TO_DRAW) if each.startswith("sihua ") and "<" not in each]


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_is_one_the_command_line_takes(line):
    options = command_line().parse_args(shlex.split(line)[1:])
    assert all(folder.is_dir() for folder in getattr(options, "folder", ()))


def test_every_command_is_told(capsys):
    with pytest.raises(SystemExit):
        command_line().parse_args(["--help"])
    listed = re.findall(r"^ {4}(\w+)", capsys.readouterr().out, re.MULTILINE)
    told = {line.split()[1] for line in COMMANDS}
    assert listed and set(listed) == told


def test_the_two_start_commands_are_told_as_they_are():
    starts = [block[0] for block in blocks(section(README, "Try it"))]
    assert starts == ["python3 -m webui", "python3 -m tests"]
    assert f"exec {starts[1]}\n" in (ROOT / ".ci" / "run").read_text("utf-8")
    options = read_arguments(["--port", "8001", "--data", "d", "--database", "sqlite://"])
    assert {f"--{name}" for name in vars(options)} >= {"--port", "--data", "--database"}
    assert f"http://127.0.0.1:{read_arguments([]).port}/demo" in README


def test_the_changelog_tells_of_this_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.findall(r"^## (.+)$", changes, re.MULTILINE)[0] == version


# --- README.md: words -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", table(section(README, "Words"), "on screens"), ids=lambda row: row[0])
def test_a_word_of_the_glossary_is_a_word_of_the_code(row):
    screen, code, about = row
    assert re.search(r"[\u4e00-\u9fff]", screen) and about
    assert quoted(code)
    assert [word for word in quoted(code) if not re.search(rf"\b{re.escape(word)}\b", CODE)] == []


# --- README.md: walks -----------------------------------------------------------------------------------------------

Call = tuple[str, str]


def walk(title: str) -> list[Call]:
    """Return the (file, function) of a walk in the order of the text."""
    text = section(README, "Two walks through the code").partition(f"**{title}")[2].partition("\n\n1. ")[2]
    steps = ("1. " + text).partition("\n\n")[0].splitlines()
    return [(files[0], files[1]) for files in map(quoted, steps)]


def leaves() -> list[str]:
    return quoted(section(README, "Two walks through the code").partition("Leaf calls")[2])


def calls_of(request) -> list[Call]:
    """Run a request; return every call into our code in order."""
    calls: list[Call] = []

    def note(frame, event, _argument) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.suffix == ".py" and path.is_relative_to(ROOT):
            calls.append((path.relative_to(ROOT).as_posix(), frame.f_code.co_name))

    sys.setprofile(note)
    try:
        response = request()
    finally:
        sys.setprofile(None)
    assert response.status_code in (200, 303), response.text
    return [call for call in calls if call[0].startswith(("engine/", "webui/"))]


@pytest.fixture
def client(county):
    """A browser in which the director of the main village is signed in."""
    app = create_app(county.engine, secret="kept for tests only", demo=False, secure=False)
    app.config["WTF_CSRF_ENABLED"] = False
    client = app.test_client()
    with client.session_transaction() as session:
        session["person"] = county.post("VD")
        session["key"] = county.engine.identity.actor(county.post("VD")).session_key
    # What is loaded once for the life of the process is no part of a walk.
    assert client.get("/tasks").status_code == 200
    return client


def follows(walked: list[Call], calls: list[Call]) -> list[Call]:
    """Return the steps of a walk that do not come in their order."""
    rest = iter(calls)
    return [step for step in walked if step not in rest]


def unnamed(walked: list[Call], calls: list[Call]) -> list[str]:
    """Return the modules entered that are neither a step of the walk nor named as leaves."""
    named = {file for file, _ in walked} | set(leaves())
    folders = ("engine/bpmn/", "engine/connectors/")
    return sorted({file for file, _ in calls if file not in named and not file.startswith(folders)})


def test_completing_a_task_walks_as_told(county, client):
    matter = county.ask()
    county.register(matter)
    task_id = county.task(matter, county.post("VD"))
    walked = walk("A cadre completes a task.")
    form = {"approve.decision": "agree", "approved_copies": "2", "form_token": "once"}
    calls = calls_of(lambda: client.post(f"/tasks/{task_id}", data=form))
    assert 0 < len(walked) <= 7
    assert follows(walked, calls) == []
    assert unnamed(walked, calls) == []


def test_asking_where_a_matter_is_stuck_walks_as_told(county, client):
    matter = county.ask()
    county.register(matter)
    walked = walk("A supervisor asks where a matter is stuck.")
    calls = calls_of(lambda: client.get(f"/matters/{matter.receipt}"))
    assert 0 < len(walked) <= 7
    assert follows(walked, calls) == []
    assert unnamed(walked, calls) == []
    assert not [file for file, _ in calls if file in ("engine/bpmn/workflow.py", "engine/bpmn/execution/codec.py")]


def test_every_leaf_is_there():
    assert leaves()
    assert [path for path in leaves() if not (ROOT / path).exists()] == []


# --- processes/README.md --------------------------------------------------------------------------------------------


def diagrams() -> Iterator[etree._ElementTree]:
    for path in PROCESSES.glob("*/*.bpmn"):
        yield etree.parse(path)


def test_the_folder_is_listed_as_it_is():
    listed = {line.split()[0].rstrip("/") for line in blocks(HOW_TO_DRAW)[0]}
    assert "registers/*.json" in listed
    kept = {path.name for path in PROCESSES.iterdir() if path.is_file() or any(path.iterdir())}
    assert {name.partition("/")[0] for name in listed} == kept - {"README.md"}


def test_the_connectors_are_those_there_are():
    rows = table(HOW_TO_DRAW, "topic")
    assert {quoted(topic)[0] for topic, _, _ in rows} == set(CONNECTORS)
    for topic, inputs, answer in rows:
        assert set(REQUIRED_INPUTS[quoted(topic)[0]]) <= set(quoted(inputs))
        assert quoted(answer)


def test_a_connector_is_given_what_is_told_of_it():
    told = {quoted(topic)[0]: quoted(inputs) for topic, inputs, _ in table(HOW_TO_DRAW, "topic")}
    free = {"register.enter", "document.render"}
    for tree in diagrams():
        for service in tree.iter("{*}serviceTask"):
            topic = service.get(f"{CAMUNDA}topic")
            given = {each.get("name") for each in service.iter(f"{CAMUNDA}inputParameter")}
            assert topic in told
            assert topic in free or given <= set(told[topic])


def test_the_facts_are_those_of_the_descriptor():
    rows = {quoted(name)[0]: quoted(attributes) for name, _, attributes in table(HOW_TO_DRAW, "element")}
    known = {f"power:{each['name'][0].lower()}{each['name'][1:]}": each for each in POWER["types"]}
    assert set(rows) == set(known)
    for name, attributes in rows.items():
        there = {each["name"] for each in known[name].get("properties", ())}
        told = {re.split(r"[=?]", each)[0] for each in attributes}
        assert there <= {each.rstrip("?") for each in told}, name


def test_the_functions_of_expressions_are_all_told():
    text = section(HOW_TO_DRAW, "4. Expressions")
    plain = text.replace('"list contains"', "list contains").replace('"string length"', "string length")
    assert [name for name in [*BUILTINS, *DOMAIN_FUNCTIONS] if not re.search(rf"\b{name}\b", plain)] == []


def test_the_steps_of_scenarios_are_those_there_are():
    acts = [act for acts, _ in table(HOW_TO_DRAW, "step `do`") for act in quoted(acts)]
    steps = SHAPE["items"]["properties"]["steps"]["items"]["properties"]
    assert sorted(acts) == sorted(steps["do"]["enum"])
    text = section(HOW_TO_DRAW, "7. Scenarios")
    keys = [*steps, *SHAPE["items"]["properties"]["expect"]["properties"]]
    assert [key for key in keys if f"`{key}" not in text] == []


def test_the_properties_of_a_field_are_read():
    for cell, _ in table(HOW_TO_DRAW, "property"):
        for name in quoted(cell):
            assert name.partition(".<")[0] in CODE or name == "true"


def test_a_lane_is_a_role():
    lanes = {lane.get("name") for tree in diagrams() for lane in tree.iter("{*}lane")}
    assert lanes
    assert lanes <= {role["lane"] for role in LISTS["roles"]}


def test_roles_are_written_as_told():
    text = section(HOW_TO_DRAW, "6. Decision tables, registers, parameters, roles")
    codes = {role["code"] for role in LISTS["roles"]}
    for role in LISTS["roles"]:
        assert all(f"`{key}`" in text for key in role)
        assert {*role["incompatible"], *role["succession"]} <= codes
        others = [each for each in LISTS["roles"] if each["code"] in role["incompatible"]]
        assert all(role["code"] in each["incompatible"] for each in others), role["code"]


def test_parameters_are_written_as_told():
    text = section(HOW_TO_DRAW, "6. Decision tables, registers, parameters, roles")
    keys = {key for parameter in LISTS["parameters"] for key in parameter}
    assert [key for key in keys if f"`{key}" not in text] == []


@pytest.mark.parametrize("folder", ITEMS, ids=lambda folder: folder.name)
def test_a_parameter_that_an_item_asks_for_is_there(folder):
    files = [path.read_text("utf-8") for path in folder.iterdir() if path.suffix in (".bpmn", ".dmn", ".form")]
    asked = {
        key for text in files for key in re.findall(r'param\(\\?"([^"\\]+)\\?"\)|param="([^"]+)"', text) for key in key
    }
    asked.discard("")
    assert asked
    assert asked <= {parameter["key"] for parameter in LISTS["parameters"]}


def test_the_example_of_a_parameter_is_one():
    example = re.search(r'parameter, `<= param\("([^"]+)"\)`', HOW_TO_DRAW)
    assert example and example[1] in {parameter["key"] for parameter in LISTS["parameters"]}
