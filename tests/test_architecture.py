"""The shape of the code base: who may import whom, what stands where, how modules look."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOP_LEVEL = {
    ".ci",
    ".gitattributes",
    ".gitignore",
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "engine",
    "processes",
    "pyproject.toml",
    "tests",
    "webui",
}
VAGUE_NAMES = {"base", "common", "helper", "helpers", "manager", "misc", "util", "utils"}
PRODUCT = sorted(path for folder in ("engine", "webui") for path in (ROOT / folder).rglob("*.py"))
PRODUCT = [path for path in PRODUCT if "node_modules" not in path.parts]
#: Alembic names a revision's file by its number; an empty file only makes its folder a package.
MODULES = [path for path in PRODUCT if "versions" not in path.parts and path.stat().st_size]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def check_imports(root: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter over a tree with the contracts of its pyproject.toml."""
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=root, capture_output=True, encoding="utf-8", timeout=120)


def test_imports_go_downwards_only():
    done = check_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("engine/bpmn/__init__.py", "import engine.store", "Imports only downwards"),
        ("engine/store/__init__.py", "import engine.bpmn", "Imports only downwards"),
        ("engine/model.py", "import engine.services", "Imports only downwards"),
        ("engine/services/__init__.py", "import webui", "The engine knows no pages"),
        ("webui/__init__.py", "import engine.store", "The pages use public names of the engine only"),
        ("webui/__init__.py", "import SpiffWorkflow", "SpiffWorkflow and lxml stay in engine.bpmn"),
        ("engine/store/__init__.py", "import lxml", "SpiffWorkflow and lxml stay in engine.bpmn"),
        ("engine/bpmn/__init__.py", "import sqlalchemy", "Diagrams and pages know no database"),
        ("engine/services/__init__.py", "import flask", "The engine knows no pages"),
    ],
)
def test_a_forbidden_import_is_found(tmp_path, module, line, contract):
    for package in ("engine", "webui"):
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("frontend", "static", "fonts", "*.pyc")
        )
    shutil.copyfile(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    with (tmp_path / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    done = check_imports(tmp_path)
    assert done.returncode == 1
    assert f"{contract} BROKEN" in " ".join(done.stdout.split())


def test_the_top_of_the_tree_holds_known_names_only():
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=True, timeout=60).stdout
    names = {line.split("/")[0] for line in listed.splitlines()}
    assert "pyproject.toml" in names
    assert names <= TOP_LEVEL


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_is_a_noun_that_says_what_it_is_for(path):
    assert path.stem not in VAGUE_NAMES
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), "the first line names the responsibility"


@pytest.mark.parametrize("path", PRODUCT, ids=name_of)
def test_a_module_imports_at_its_top(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))
    hidden = [
        inner.lineno
        for node in functions
        for inner in ast.walk(node)
        if isinstance(inner, (ast.Import, ast.ImportFrom))
    ]
    assert hidden == []


def writers() -> list[ast.FunctionDef]:
    """Return the public methods of services that open a write transaction of their own."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "engine" / "services").glob("*.py")]
    classes = [node for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)]
    methods = [node for each in classes for node in each.body if isinstance(node, ast.FunctionDef)]
    public = [method for method in methods if not method.name.startswith("_") and method.name != "write"]
    return [method for method in public if "self._work.write()" in ast.unparse(method)]


def test_whatever_writes_is_tried_again_when_others_were_in_the_way():
    assert len(writers()) > 20
    once = [each.name for each in writers() if "retried" not in map(ast.unparse, each.decorator_list)]
    assert once == []


def test_ruff_finds_nothing():
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "."]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
