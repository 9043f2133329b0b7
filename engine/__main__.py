"""The command line: sihua serve, worker, init, lint, deploy, scenarios, verify."""

from __future__ import annotations

import argparse
import importlib
import json
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from engine.errors import EngineError, InvalidProcess
from engine.model import Finding
from engine.process_engine import PROCESSES, ProcessEngine
from engine.scenarios import FolderRun, run_folder

HOLDS, FALLS_SHORT, USAGE = 0, 1, 2
#: seconds between two looks for due jobs
WORKER_PAUSE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0 when it holds, 1 when something falls short, 2 for wrong usage."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except InvalidProcess as refused:
        _print_findings(refused.findings, options.format)
        return FALLS_SHORT
    except (EngineError, OSError) as error:
        print(f"没有办成：{error}", file=sys.stderr)
        return FALLS_SHORT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sihua", description="四化：村级权力按公布的流程图运行")
    commands = parser.add_subparsers(required=True, metavar="command")
    place = argparse.ArgumentParser(add_help=False)
    place.add_argument("--data", type=Path, default=Path("var"), help="folder of the embedded database and files")
    place.add_argument("--database", help="database URL instead of the embedded one")
    place.add_argument("--files", type=Path, help="folder of uploaded files, <data>/files when left out")
    out = argparse.ArgumentParser(add_help=False)
    out.add_argument("--format", choices=("text", "json"), default="text")

    def command(name: str, run: Callable, help: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help, parents=[out, *parents])
        sub.set_defaults(run=run)
        return sub

    serve = command("serve", _serve, "serve the pages", place)
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=8000)
    worker = command("worker", _worker, "do what is due: pictures, documents, ended terms", place)
    worker.add_argument("--once", action="store_true", help="do what is due now, then stop")
    init = command("init", _init, "make a county with its first administrator", place)
    init.add_argument("--county", required=True, help="name of the county")
    init.add_argument("--administrator", required=True, help="name of the first administrator")
    init.add_argument("--login", required=True, help="user name of the first administrator")
    init.add_argument("--units", type=Path, help="text file: a township or township/village a line")
    lint = command("lint", _lint, "check packages: this runs as drawn, or findings with line and mend")
    lint.add_argument("folder", type=Path, nargs="*", help="item folders; all that come with the product when left out")
    deploy = command("deploy", _deploy, "put packages into force; the same package twice changes nothing", place)
    deploy.add_argument(
        "folder", type=Path, nargs="*", help="item folders; all that come with the product when left out"
    )
    scenarios = command("scenarios", _scenarios, "play the scenarios of items and count what they take")
    scenarios.add_argument(
        "folder", type=Path, nargs="*", help="item folders; all that come with the product when left out"
    )
    verify = command("verify", _verify, "recompute the chains of the event log", place)
    verify.add_argument("--against", type=Path, help="heads published earlier (heads.json)")
    verify.add_argument("--write-heads", type=Path, help="write the heads of today to this file")
    return parser


# --- commands -------------------------------------------------------------------------------------------------------


def _serve(options: argparse.Namespace) -> int:
    # The engine knows no pages; only this command does.
    pages = importlib.import_module("webui.app")
    pages.serve(options.host, options.port, options.data, options.database)
    return HOLDS


def _worker(options: argparse.Namespace) -> int:
    engine = _open(options)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    done = engine.jobs.run_due()
    while not options.once and not stop.is_set():
        if not done:
            stop.wait(WORKER_PAUSE)
        done = engine.jobs.run_due()
    failed = engine.jobs.incidents()
    engine.close()
    _print_rows(options.format, [_row("jobs_done", done, "jobs"), _row("jobs_failed", len(failed), "jobs", 0)])
    return FALLS_SHORT if failed else HOLDS


def _init(options: argparse.Namespace) -> int:
    engine = _open(options)
    engine.county.load_lists()
    units = options.units.read_text("utf-8").splitlines() if options.units else ()
    person_id = engine.county.set_up(
        county=options.county, administrator=options.administrator, login=options.login, units=units
    )
    token = engine.identity.password_link(person_id, by=person_id)
    engine.close()
    if options.format == "json":
        _print_rows("json", [_row("password_link", f"/welcome/{token}", "path")])
    else:
        print(f"{options.county}已建好。三天内打开 /welcome/{token} 设密码（只能用一次），用户名 {options.login}。")
        print("接着：sihua deploy 启用事项，sihua serve 打开页面。")
    return HOLDS


def _lint(options: argparse.Namespace) -> int:
    findings: list[Finding] = []
    with tempfile.TemporaryDirectory(prefix="sihua-lint") as place:
        for folder in options.folder or _shipped():
            engine = ProcessEngine("sqlite://", files=Path(place), processes=_processes_of(folder))
            engine.county.load_lists()
            findings += engine.repository.lint(folder)
            engine.close()
    _print_findings(findings, options.format)
    return FALLS_SHORT if any(finding.severity == "error" for finding in findings) else HOLDS


def _deploy(options: argparse.Namespace) -> int:
    engine = _open(options)
    engine.county.load_lists()
    rows = []
    for folder in options.folder or _shipped():
        item = engine.repository.deploy(folder)
        rows.append(_row(f"{item.code} {item.name}", item.version, "version"))
    engine.close()
    _print_rows(options.format, rows)
    return HOLDS


def _scenarios(options: argparse.Namespace) -> int:
    ran = [run_folder(folder, _processes_of(folder)) for folder in options.folder or _shipped()]
    if options.format == "json":
        print(json.dumps({"rows": [_scenario_row(each) for each in ran]}, ensure_ascii=False, indent=2))
    else:
        for each in ran:
            _print_folder(each)
    return HOLDS if all(each.holds for each in ran) else FALLS_SHORT


def _verify(options: argparse.Namespace) -> int:
    engine = _open(options)
    against = json.loads(options.against.read_text("utf-8")) if options.against else None
    result = engine.history.verify(against)
    engine.close()
    if options.write_heads:
        options.write_heads.write_text(json.dumps(result.heads, ensure_ascii=False, indent=2) + "\n", "utf-8")
    if options.format == "json":
        rows = [_row("chains", result.chains, "chains"), _row("entries", result.entries, "entries")]
        rows += [_row("broken", asdict(each), "", None) for each in result.broken]
        _print_rows("json", rows)
    else:
        for each in result.broken:
            print(f"{each.unit} 第 {each.number} 号：{each.reason}")
        print(
            f"核对了 {result.chains} 条链、{result.entries} 条记录，" + ("完整。" if result.whole else "有问题，见上。")
        )
    return HOLDS if result.whole else FALLS_SHORT


# --- what they share ------------------------------------------------------------------------------------------------


def _open(options: argparse.Namespace) -> ProcessEngine:
    options.data.mkdir(parents=True, exist_ok=True)
    url = options.database or f"sqlite:///{options.data / 'sihua.db'}"
    return ProcessEngine(url, files=options.files or options.data / "files")


def _shipped() -> list[Path]:
    return sorted(path for path in PROCESSES.iterdir() if (path / "scenarios.json").exists())


def _processes_of(folder: Path) -> Path:
    """Return the folder whose roles, parameters and registers hold for an item: its own or the product's."""
    return folder.resolve().parent if (folder.resolve().parent / "roles.json").exists() else PROCESSES


def _row(name: str, value: object, unit: str, target: object = None) -> dict[str, object]:
    return {"name": name, "value": value, "unit": unit, "target": target}


def _print_rows(format: str, rows: Iterable[dict[str, object]]) -> None:
    if format == "json":
        print(json.dumps({"rows": list(rows)}, ensure_ascii=False, indent=2))
        return
    for row in rows:
        print(f"{row['name']}: {row['value']} {row['unit']}")


def _print_findings(findings: Sequence[Finding], format: str) -> None:
    if format == "json":
        print(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False, indent=2))
        return
    for finding in findings:
        print(f"{finding.file}:{finding.line}: {finding.severity} {finding.rule} {finding.message} {finding.hint}")
    errors = sum(finding.severity == "error" for finding in findings)
    print(f"{errors} 处错误，{len(findings) - errors} 处提醒。")


def _scenario_row(ran: FolderRun) -> dict[str, object]:
    coverage = ran.coverage
    taken = coverage.total - len(coverage.missed)
    return {
        **_row(ran.folder, taken, "flows, rows and refusals", coverage.total),
        "flows": coverage.total,
        "taken": taken,
        "missed": coverage.missed,
        "failed": [{"name": run.name, "problem": run.problem} for run in ran.runs if run.problem],
    }


def _print_folder(ran: FolderRun) -> None:
    for run in ran.runs:
        if run.problem:
            print(f"{ran.folder}：{run.name}：{run.problem}")
    for missed in ran.coverage.missed:
        print(f"{ran.folder}：没有情形走到 {missed}")
    failed = sum(bool(run.problem) for run in ran.runs)
    taken = ran.coverage.total - len(ran.coverage.missed)
    print(f"{ran.folder}：{len(ran.runs)} 个情形，{failed} 个不符；走到 {taken}/{ran.coverage.total}。")


if __name__ == "__main__":
    sys.exit(main())
