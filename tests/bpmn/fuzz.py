"""Lints damaged packages in a process that can neither open, nor fetch, nor start, nor compile anything.

``python -m tests.bpmn.fuzz --first SEED --count N`` prints a JSON object: cases, what went wrong, the longest times.
"""

from __future__ import annotations

import argparse
import json
import resource
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

from engine.bpmn.definition import Definition
from engine.bpmn.lint import World, lint
from engine.bpmn.package import Package, read_files
from engine.bpmn.workflow import StepFailed, Workflow
from engine.errors import EngineError
from engine.model import Finding
from tests.bpmn.diagrams import Outside
from tests.bpmn.mutations import HOSTILE, Damage
from tests.bpmn.seeds import county, own_packages, public_diagrams

#: seconds of CPU for one package, and bytes of memory for the whole process
LIMIT, MEMORY = 2.0, 2 * 1024**3
STEPS = 6
_SECRET = "the canary's own words"
#: audit events of Python that must not happen while a file is checked
_FORBIDDEN = tuple(
    "socket. subprocess. os.system os.exec os.posix_spawn os.spawn os.fork os.remove os.rename os.mkdir shutil. "
    "ctypes. urllib. compile exec import open".split()
)


class TooLong(BaseException):
    """A case has used up its time; no handler for errors may swallow it."""


class Guard:
    """Watches what Python does; ``armed`` while a case runs."""

    def __init__(self) -> None:
        self.armed = False
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple) -> None:
        if self.armed and event.startswith(_FORBIDDEN):
            self.seen.append(f"{event} {arguments!r:.200}")


def _too_long(*_: object) -> None:
    raise TooLong


def seeds() -> list[Package]:
    """Return the packages that are damaged; each is small, so that many can be tried."""
    public = [read_files("trial", "", {"trial.bpmn": content}) for _, content in public_diagrams()]
    own = [package for package in own_packages() if any(name.endswith(".bpmn") for name in package.files)]
    # The small ones often, the large ones sometimes: what goes wrong seldom needs a large file.
    sizes = [sum(map(len, package.files.values())) for package in own]
    often = [package for package, size in zip(own, sizes, strict=True) for _ in range(1 + 200_000 // size)]
    return public + often


def damaged(packages: list[Package], seed: int, canary: str) -> Package:
    damage = Damage(seed, canary)
    package = damage.random.choice(packages)
    names = [name for name in package.files if name.endswith((".bpmn", ".dmn", ".form"))]
    name = damage.random.choice([n for n in names if n.endswith(".bpmn")] + names)
    return read_files(package.id, package.code, {**package.files, name: damage.damaged(name, package.files[name])})


def wrong_with(findings: list[Finding], package: Package) -> str:
    """Return what is wrong with the findings themselves, "" when each says where and how to mend it."""
    for finding in findings:
        content = package.files.get(finding.file, b"")
        if finding.line < 1 or not finding.file or not finding.message.endswith("。") or not finding.hint:
            return f"not said where or how: {finding}"
        # In UTF-32 and the like a line is longer, never shorter.
        if finding.line > content.replace(b"\r", b"\n").count(b"\n") + 1:
            return f"there is no such line: {finding}"
        if _SECRET in finding.message:
            return f"the canary was read: {finding}"
    return ""


def walk(package: Package) -> None:
    """Run what lint lets pass, from wait to wait; a step may be refused, nothing else may happen."""
    definition = Definition.read(package)
    outside = Outside({}, param=lambda key: 1, due=lambda n: "2026-03-20", today=lambda: "2026-03-16")
    try:
        workflow = Workflow.start(definition, {}, outside)
        for _ in range(STEPS):
            workflow = Workflow.load(definition, workflow.dump(), outside)
            tasks = workflow.open_tasks()
            if not tasks:
                break
            workflow.take_passed(), workflow.take_thrown()
            workflow.complete(tasks[0].id, {})
    except (StepFailed, EngineError):
        pass


def case(package: Package, world: World) -> str:
    """Check one package; return what went wrong, "" when nothing did."""
    try:
        findings = lint(package, world)
        if not any(finding.severity == "error" for finding in findings):
            walk(package)
        return wrong_with(findings, package)
    except TooLong:
        return "longer than allowed:\n" + traceback.format_exc(limit=-12)
    except Exception:  # whatever it is, it is told with its seed
        return traceback.format_exc(limit=-6)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=2_000)
    options = parser.parse_args()
    world, packages = county(), seeds()
    with tempfile.TemporaryDirectory() as place:
        canary = Path(place) / "canary"
        canary.write_text(_SECRET)
        made = Path(place) / "made"
        # What is loaded on first use is loaded now.
        for package in packages[:: max(1, len(packages) // 40)]:
            case(package, world)
        for seed, encoding in enumerate(("utf-16", "utf-32", "gb18030", "latin-1", "utf-16-le", "utf-16-be")):
            "x".encode(encoding).decode(encoding), damaged(packages, -seed - 1, str(made))
        json.dumps({})
        guard, wrong, times = Guard(), [], []
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        signal.signal(signal.SIGPROF, _too_long)
        for seed in range(options.first, options.first + options.count):
            package = damaged(packages, seed, str(canary if seed % 2 else made))
            begun = time.process_time()
            signal.setitimer(signal.ITIMER_PROF, LIMIT)
            guard.armed = True
            said = case(package, world)
            guard.armed = False
            signal.setitimer(signal.ITIMER_PROF, 0)
            times.append((time.process_time() - begun, seed))
            said = said or "; ".join(guard.seen)
            guard.seen.clear()
            if made.exists() or canary.read_text() != _SECRET:
                said += "the canary was touched"
            if said:
                wrong.append([seed, said])
        times.sort(reverse=True)
        total = sum(spent for spent, _ in times)
    result = {"cases": len(times), "wrong": wrong, "seconds": total, "longest": times[:5], "hostile": len(HOSTILE)}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
