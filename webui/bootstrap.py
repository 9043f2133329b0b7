"""Gets the project's environment ready and goes on inside it, for both start commands.

Standard library only, and kept readable for old Pythons: the sentence that asks for a newer one must reach them.
"""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - before the imports that older Pythons lack
    sys.exit("四化需要 Python 3.11 或更新的版本。Sihua needs Python 3.11 or newer.")

import contextlib
import errno
import hashlib
import importlib
import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import tomllib
import venv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from webui import assets

try:
    import fcntl
except ImportError:  # Windows
    import msvcrt

    fcntl = None

ROOT = Path(__file__).resolve().parents[1]
#: The build hook leaves the browser code to us: we can show what is going on, pip cannot.
BUILD_LATER = "SIHUA_BUILD_LATER"
#: Tells the process we go on in that it has been through here, so that a fault cannot become a loop.
ENTERED = "SIHUA_ENTERED"
PACKAGES_PER_LINE = 10


class CannotStart(Exception):
    """Something outside the project is missing; the text is the one sentence to show, Chinese first."""


NETWORK = (
    "取不到要安装的组件：网络或镜像连不上，请检查后再运行一次。"
    "Cannot reach the package index: check the network or the pip and npm mirror settings, then run again."
)
DISK = "磁盘满了，请腾出 2 GB 后再运行一次。The disk is full: free 2 GB, then run again."
PERMISSION = "没有写入权限，请换一个能写的文件夹。Writing here is not permitted: use a folder that you may write to."
NO_VENV = (
    "这个 Python 不带 venv 和 pip，请先装上（Debian、Ubuntu：apt install python3-venv）。"
    "This Python lacks venv and pip: install them first."
)

#: Words of pip, npm, node and the system, and what they mean to the person; the first that fits holds.
MEANINGS = (
    (r"no space left|\benospc\b|disk quota|errno 28\b", DISK),
    (r"permission denied|\beacces\b|\beperm\b|read-only file system|\berofs\b", PERMISSION),
    (
        r"connection ?(refused)?error|connection (refused|reset|timed out|broken)|name resolution|getaddrinfo"
        r"|max retries|timed out|timeout|network is unreachable|certificate|proxyerror"
        r"|\benotfound\b|\beconn(refused|reset)\b|\beai_again\b|\berr_socket|from versions: none",
        NETWORK,
    ),
)


def meaning(output: str) -> str | None:
    """Return the sentence for what a failed tool printed, None where its words are not known."""
    for words, sentence in MEANINGS:
        if re.search(words, output, re.IGNORECASE):
            return sentence
    return None


def explain(output: str, log: Path) -> str:
    """Turn what a failed tool printed into one sentence."""
    return meaning(output) or f"安装没有成功，详情在 {log}。The installation failed: the file named has the details."


def explain_os_error(error: OSError) -> str | None:
    """Return the sentence for an error of disk, permission or port, None for any other."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DISK
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{PERMISSION} ({error.filename})" if error.filename else PERMISSION
    if error.errno == errno.EADDRINUSE:
        return "端口已被占用，请用 --port 换一个。The port is in use: choose another with --port."
    return None


def port_sentence(port: int) -> str:
    return (
        f"端口 {port} 已被占用，请换一个：--port {port + 1 if port < 65535 else 8000}。"
        f"Port {port} is in use: choose another with --port."
    )


def require_free_port(host: str, port: int) -> None:
    """Raise CannotStart where nothing could listen on that address."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror:
        raise CannotStart(f"没有这个地址：{host}。No such address to listen on.") from None
    with socket.socket(family, kind, protocol) as probe:
        if os.name != "nt":
            # As the server does: a port whose last connections are still fading out counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise CannotStart(_bind_sentence(error, host, port)) from None


def _bind_sentence(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return port_sentence(port)
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"端口 {port} 不许使用，请用 1024 以上的端口。Port {port} is not permitted: choose one above 1024."
    return f"不能在 {host} 上接受连接。Cannot listen on {host}: it is not an address of this machine."


@contextlib.contextmanager
def speaking_plainly() -> Iterator[None]:
    """End the program with one sentence where network, disk or port fails; other errors keep their traceback."""
    try:
        yield
    except CannotStart as reason:
        sys.exit(str(reason))
    except OSError as error:
        sentence = explain_os_error(error)
        if sentence is None:
            raise
        sys.exit(sentence)
    except KeyboardInterrupt:
        sys.exit(130)


def say(sentence: str) -> None:
    """Show progress at once, whatever characters the terminal can print."""
    encoding = sys.stdout.encoding or "utf-8"
    print(sentence.encode(encoding, "replace").decode(encoding), flush=True)


def log_file(root: Path) -> Path:
    return root / ".cache" / "bootstrap.log"


def enter(module: str, arguments: Sequence[str], extra: str = "") -> None:
    """Return inside an environment that has everything, else make it and start ``module`` again there.

    ``extra`` names the optional dependencies of pyproject.toml that are needed as well.
    """
    entered = os.environ.pop(ENTERED, "")
    if not (ROOT / "pyproject.toml").is_file():
        return  # installed from a wheel, which carries everything
    with_packages = bool(extra)
    if not in_own_environment(ROOT) and missing_requirements(ROOT, extra) == []:
        if not assets.are_current(ROOT, with_packages=with_packages):
            with one_at_a_time(ROOT):
                build_assets(ROOT, Path(sys.executable), with_packages=with_packages)
        return
    own = OwnEnvironment(ROOT)
    is_current = own.is_current(extra) and assets.are_current(ROOT, with_packages=with_packages)
    if is_current and in_own_environment(ROOT):
        return
    if entered:
        raise CannotStart(f"环境没有建好，请删除 {own.home} 后再试。Delete the folder named, then run again.")
    if not is_current:
        with one_at_a_time(ROOT):
            own.prepare(extra)
            build_assets(ROOT, own.python, with_packages=with_packages)
    go_on(own.python, module, arguments)


def in_own_environment(root: Path) -> bool:
    """Say whether this process runs in the .venv that this file made; one made by another tool is judged by content."""
    home = root / ".venv"
    return Path(sys.prefix).resolve() == home.resolve() and OwnEnvironment(root).stamp.is_file()


def go_on(python: Path, module: str, arguments: Sequence[str]) -> NoReturn:
    """Become ``python -m module``."""
    command = [str(python), "-m", module, *arguments]
    env = dict(os.environ, **{ENTERED: "1"})
    if os.name != "nt":
        os.execve(command[0], command, env)
    # On Windows exec returns to the prompt while the new process still runs.
    sys.exit(subprocess.run(command, env=env).returncode)


def requirements(root: Path, extra: str) -> list[str]:
    """List what pyproject.toml asks for."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = list(project["dependencies"])
    return wanted + project["optional-dependencies"][extra] if extra else wanted


def missing_requirements(root: Path, extra: str) -> list[str]:
    """List the requirements that the running Python does not fulfil."""
    return [each for each in requirements(root, extra) if not is_fulfilled(each)]


def is_fulfilled(requirement: str) -> bool:
    """Compare an installed release with bounds like ``name>=1.2,<2`` or ``name==3.2.*``."""
    name = re.match(r"[\w.-]+", requirement).group()
    try:
        installed = release(importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return False
    return all(
        _bound_holds(installed, operator, bound)
        for operator, bound in re.findall(r"(>=|<|==)\s*([\d.]+)", requirement[len(name) :])
    )


def release(version: str) -> tuple[int, ...]:
    """Return the numbers before any letter: 3.2.0rc1 is (3, 2, 0)."""
    return tuple(int(number) for number in re.match(r"[\d.]*", version).group().split(".") if number)


def _bound_holds(installed: tuple[int, ...], operator: str, bound: str) -> bool:
    limit = release(bound)
    if operator == "==":
        return installed[: len(limit)] == limit
    return installed >= limit if operator == ">=" else installed < limit


class OwnEnvironment:
    """The .venv beside pyproject.toml, and the stamp that says what was installed into it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / ".venv"
        self.python = self.home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        self.stamp = self.home / "sihua-stamp.json"

    def wanted(self) -> str:
        """Digest what decides the installation: settings of test tools do not, a moved tree does."""
        content = tomllib.loads((self.root / "pyproject.toml").read_text(encoding="utf-8"))
        deciding = [content["project"], content.get("build-system"), content.get("tool", {}).get("hatch")]
        text = json.dumps([str(self.root), deciding], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def installed(self) -> dict[str, object]:
        try:
            return json.loads(self.stamp.read_text())
        except (OSError, ValueError):
            return {}

    def is_current(self, extra: str) -> bool:
        stamp = self.installed()
        has_extra = not extra or extra in stamp.get("extras", [])
        return self.python.exists() and stamp.get("digest") == self.wanted() and has_extra

    def prepare(self, extra: str) -> None:
        """Make or update the environment; another process may have done it while we waited for the lock."""
        if self.is_current(extra):
            return
        extras = sorted({extra, *self.installed().get("extras", [])} - {""})
        self.stamp.unlink(missing_ok=True)
        if not self.has_pip():
            say("建立 .venv / making .venv")
            make_environment(self.home)
        say("安装 Python 组件，第一次约需一分钟 / installing Python packages, about a minute the first time")
        target = f"{self.root}[{','.join(extras)}]" if extras else str(self.root)
        pip_install(self.root, self.python, ["--editable", target])
        self.stamp.write_text(json.dumps({"digest": self.wanted(), "extras": extras}))

    def has_pip(self) -> bool:
        """False also where the Python beneath was removed and where another tool made a .venv without pip."""
        if not self.python.exists():
            return False
        return subprocess.run([str(self.python), "-m", "pip", "--version"], capture_output=True).returncode == 0


def make_environment(home: Path) -> None:
    """Create a virtual environment with pip in it; stock Debian has venv, but not the part that brings pip."""
    attempts = (_with_ensurepip, _with_virtualenv, _with_fetched_virtualenv, _with_uv)
    if not any(attempt(home) for attempt in attempts):
        raise CannotStart(NO_VENV)


def _with_ensurepip(home: Path) -> bool:
    if importlib.util.find_spec("ensurepip") is None:
        return False
    try:
        venv.create(home, with_pip=True, clear=True, symlinks=os.name != "nt")
    except subprocess.CalledProcessError as error:
        known = meaning((error.output or b"").decode(errors="replace"))
        if known:
            raise CannotStart(known) from None
        return False
    return True


def _with_virtualenv(home: Path) -> bool:
    if importlib.util.find_spec("virtualenv") is None:
        return False
    return subprocess.run([sys.executable, "-m", "virtualenv", "--clear", "--quiet", str(home)]).returncode == 0


def _with_fetched_virtualenv(home: Path) -> bool:
    if importlib.util.find_spec("pip") is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        pip_install(ROOT, Path(sys.executable), ["--target", folder, "virtualenv"])
        env = dict(os.environ, PYTHONPATH=folder)
        command = [sys.executable, "-m", "virtualenv", "--clear", "--quiet", str(home)]
        return subprocess.run(command, env=env).returncode == 0


def _with_uv(home: Path) -> bool:
    uv = shutil.which("uv")
    if uv is None:
        return False
    command = [uv, "venv", "--quiet", "--seed", "--clear", "--python", sys.executable, str(home)]
    return subprocess.run(command).returncode == 0


def pip_install(root: Path, python: Path, arguments: Sequence[str]) -> None:
    """Install with the person's own pip settings, except those that break an install into an environment."""
    env = dict(os.environ, PIP_USER="0", PIP_NO_INPUT="1", PIP_DISABLE_PIP_VERSION_CHECK="1")
    env[BUILD_LATER] = "1"
    env.setdefault("PIP_RETRIES", "2")
    count = 0

    def show(line: str) -> None:
        nonlocal count
        if line.startswith("Collecting "):
            count += 1
            if count % PACKAGES_PER_LINE == 0:
                say(f"  已取 {count} 个组件 / {count} packages")

    run_logged(root, [str(python), "-m", "pip", "install", "--progress-bar=off", *arguments], env, show)


def build_assets(root: Path, python: Path, *, with_packages: bool) -> None:
    """Bring browser code, font and translations up to date, showing each step."""
    if assets.are_current(root, with_packages=with_packages):
        return
    provide_node(root, python)

    def show(line: str) -> None:
        if line.startswith(assets.PROGRESS):
            say(line.removeprefix(assets.PROGRESS))

    # As a module of the tree: it may not be importable from anywhere else yet.
    run_logged(root, [str(python), "-m", "webui.assets"], {**os.environ, "PYTHONIOENCODING": "utf-8"}, show)


def provide_node(root: Path, python: Path) -> None:
    """Install node into the environment of ``python`` where neither it nor the machine has one."""
    if assets.find_node() is None and not _has_node(python):
        say("本机没有 node，从 Python 组件库取一个，约 60 MB / fetching node, which this machine lacks")
        pip_install(root, python, [assets.NODE_WHEEL])
        importlib.invalidate_caches()


def _has_node(python: Path) -> bool:
    question = "import sys; from webui import assets; sys.exit(assets.find_node() is None)"
    return subprocess.run([str(python), "-c", question], cwd=ROOT).returncode == 0


def run_logged(root: Path, command: Sequence[str], env: dict[str, str], show: Callable[[str], None]) -> None:
    """Run a tool with its output in the log, each line also given to ``show``. Raises CannotStart."""
    log = log_file(root)
    log.parent.mkdir(exist_ok=True)
    lines: list[str] = []
    with subprocess.Popen(
        command,
        cwd=root,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as process:
        for line in process.stdout:
            lines.append(line)
            show(line.rstrip())
    log.write_text("".join(lines), encoding="utf-8")
    if process.returncode:
        raise CannotStart(explain("".join(lines), log))


@contextlib.contextmanager
def one_at_a_time(root: Path) -> Iterator[None]:
    """Hold the lock on the environment; the system lets it go when the process ends, however it ends."""
    folder = root / ".cache"
    folder.mkdir(exist_ok=True)
    with (folder / "bootstrap.lock").open("a+") as file:
        if not _try_lock(file.fileno()):
            say("另一个窗口正在准备环境，等它完成 / another process is preparing the environment, waiting for it")
            _wait_for_lock(file.fileno())
        yield


def _try_lock(number: int) -> bool:
    try:
        if fcntl:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            msvcrt.locking(number, msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    return True


def _wait_for_lock(number: int) -> None:
    if fcntl:
        fcntl.flock(number, fcntl.LOCK_EX)
        return
    while not _try_lock(number):
        with contextlib.suppress(OSError):
            msvcrt.locking(number, msvcrt.LK_LOCK, 1)  # gives up after ten seconds
            return
