"""The command line: sihua serve, worker, init, lint, tidy, outline, scaffold, deploy, scenarios, verify, bench."""

from __future__ import annotations

import argparse
import importlib
import json
import signal
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from engine import benchmark, tidying
from engine.bpmn.outline import outline
from engine.bpmn.tidy import LayoutRefused
from engine.errors import EngineError, InvalidProcess, NotFound, Unavailable
from engine.model import Finding
from engine.process_engine import PROCESSES, ProcessEngine
from engine.scenarios import Coverage, FolderRun, ScenarioRun, called_by, run_folder
from engine.scenarios.mutation import EQUIVALENT, mutate
from engine.services.repository import Repository
from engine.store.session import DATABASE_FAULTS

HOLDS, FALLS_SHORT, USAGE = 0, 1, 2
#: seconds between two looks for due jobs
WORKER_PAUSE = 2


class WrongUsage(Exception):
    """What was named on the command line is not there or not of that kind; the text is the sentence to show."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0 when it holds, 1 when something falls short, 2 for wrong usage."""
    options = command_line().parse_args(arguments)
    try:
        _require_places(getattr(options, "folder", ()), files=options.run is _lint)
        return options.run(options)
    except WrongUsage as wrong:
        print(wrong, file=sys.stderr)
        return USAGE
    except DATABASE_FAULTS as fault:
        print(f"数据库打不开或者用不了：{str(fault).splitlines()[0]}", file=sys.stderr)
    except OSError as fault:
        print(f"没有办成：{fault.filename or ''} {fault.strerror or fault}", file=sys.stderr)
    except NotFound as missing:
        print(_not_found(missing), file=sys.stderr)
    except EngineError as refused:
        print(f"没有办成：{refused}", file=sys.stderr)
    return FALLS_SHORT


def command_line() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sihua", description="四化：村级权力按公布的流程图运行")
    commands = parser.add_subparsers(required=True, metavar="command")
    place = argparse.ArgumentParser(add_help=False)
    place.add_argument("--data", type=Path, default=Path("var"), help="folder of the embedded database and of files")
    place.add_argument("--database", help="database URL instead of the embedded one: postgresql://…/name?schema=county")
    place.add_argument("--files", type=Path, help="folder of uploaded and made files, if not in --data")
    items = argparse.ArgumentParser(add_help=False)
    items.add_argument("folder", type=Path, nargs="*", help="item folders; all that come with Sihua when left out")
    out = argparse.ArgumentParser(add_help=False)
    out.add_argument("--format", choices=("text", "json"), default="text")

    def command(name: str, run: Callable, help: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help, description=help, parents=parents)
        sub.set_defaults(run=run)
        return sub

    serve = command("serve", _serve, "serve the pages of a county", place)
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=8000)
    serve.add_argument("--session-key", type=Path, help="file of the key that all web processes of a county share")
    worker = command("worker", _worker, "do what is due: timers, limits, openings, pictures, documents", place, out)
    worker.add_argument("--once", action="store_true", help="do what is due now, then stop")
    init = command("init", _init, "make a county with its first administrator", place, out)
    init.add_argument("--county", required=True, help="name of the county")
    init.add_argument("--administrator", required=True, help="name of the first administrator")
    init.add_argument("--login", required=True, help="user name of the first administrator")
    init.add_argument("--units", type=Path, help="text file: a township or township/village a line")
    lint = command("lint", _lint, "check packages or files: this runs as drawn, or findings with line and mend")
    lint.add_argument(
        "folder", type=Path, nargs="*", help="item folders or files; all that come with Sihua if left out"
    )
    lint.add_argument("--format", choices=("text", "json", "github"), default="text")
    lint.add_argument("--fix", action="store_true", help="write what can be mended by itself, and nothing else")
    lint.add_argument("--config", type=Path, help="levels of the rules, instead of the nearest .bpmnlintrc")
    lint.add_argument("--rules", action="store_true", help="tell what the rules ask, instead of checking")
    lint.add_argument("--language", choices=("zh", "en"), default="zh", help="of --rules")
    drawn = command("tidy", _tidy, "lay out diagrams: the picture only, in the arrangement drawn", out)
    drawn.add_argument("path", type=Path, nargs="*", help="BPMN files or folders; all that come with Sihua if left out")
    drawn.add_argument("--fresh", action="store_true", help="forget the arrangement: the best of eight starts")
    drawn.add_argument("--search", action="store_true", help="with --fresh: improve by moves (a minute)")
    drawn.add_argument("--check", action="store_true", help="write nothing; fail if a file would change or falls short")
    drawn.add_argument("--sheet", choices=tuple(tidying.SHEETS), default="A3", help="paper it must be legible on")
    written = command("outline", _outline, "print a diagram as text, for reviews and git diff")
    written.add_argument("file", type=Path)
    made = command("scaffold", _scaffold, "make a new diagram of an outline")
    made.add_argument("outline", type=Path, help="text as sihua outline prints it; facts are left aside")
    made.add_argument("file", type=Path, help="the new BPMN file")
    command("deploy", _deploy, "put packages into force; the same package twice changes nothing", place, items, out)
    played = command("scenarios", _scenarios, "play the scenarios of items and count what they take", items, out)
    played.add_argument("--mutants", action="store_true", help="plant every fault and name those no scenario notices")
    verify = command("verify", _verify, "recompute the chains of the event log", place, out)
    verify.add_argument("--against", type=Path, help="heads published earlier (heads.json)")
    verify.add_argument("--write-heads", type=Path, help="write the heads of today to this file")
    bench = command("bench", _bench, "measure what a step costs here against its targets; takes some minutes", out)
    bench.add_argument("--database", help="URL of an empty database to measure beside the embedded one")
    return parser


# --- commands -------------------------------------------------------------------------------------------------------


def _serve(options: argparse.Namespace) -> int:
    # Without this a slip in --data would open a demo county, where anybody may be anybody.
    _open(options).close()
    # The engine knows no pages; only this command does.
    pages = importlib.import_module("webui.app")
    pages.serve(
        options.host,
        options.port,
        options.data,
        options.database,
        files=options.files,
        session_key=options.session_key,
    )
    return HOLDS


def _worker(options: argparse.Namespace) -> int:
    stop = threading.Event()
    if not options.once:
        signal.signal(signal.SIGTERM, lambda *_: stop.set())
        signal.signal(signal.SIGINT, lambda *_: stop.set())
    engine = _open(options)
    done = 0
    while not stop.is_set():
        tried = _run_due(engine, patient=not options.once)
        done += tried
        if not tried and options.once:
            break
        if not tried:
            stop.wait(WORKER_PAUSE)
    failed = len(engine.jobs.incidents())
    engine.close()
    if options.format == "json":
        _print_rows([_row("jobs_done", done, "jobs"), _row("jobs_failed", failed, "jobs", 0)])
    else:
        print(f"办了 {done} 件，办不成的有 {failed} 件。")
    return FALLS_SHORT if failed else HOLDS


def _run_due(engine: ProcessEngine, *, patient: bool) -> int:
    """Do what is due; a worker that stays waits until a database that is away comes back."""
    try:
        return engine.jobs.run_due()
    except Unavailable as away:
        if not patient:
            raise
        print(f"数据库暂时用不了，等一等再试：{away}", file=sys.stderr, flush=True)
        return 0


def _init(options: argparse.Namespace) -> int:
    units = _text(options.units).splitlines() if options.units else ()
    engine = _engine(options)
    if engine.county.is_set_up():
        engine.close()
        raise WrongUsage("这个数据库里已经有一个县，没有改动它；要另建一个县，请换一个 --data 或者 --database。")
    engine.county.load_lists()
    person_id = engine.county.set_up(
        county=options.county, administrator=options.administrator, login=options.login, units=units
    )
    token = engine.identity.password_link(person_id, by=person_id)
    engine.close()
    if options.format == "json":
        _print_rows([_row("password_link", f"/welcome/{token}", "path")])
    else:
        print(f"{options.county}已建好。三天内打开 /welcome/{token} 设密码（只能用一次），用户名 {options.login}。")
        print("接着：sihua deploy 启用事项，sihua serve 打开页面。")
    return HOLDS


def _not_found(missing: NotFound) -> str:
    return f"没有找到{missing.what}：{missing.key}"


def _lint(options: argparse.Namespace) -> int:
    if options.rules:
        return _tell_rules(options)
    found, mended, missing = {}, [], []
    for place in _named(options.folder):
        try:
            findings, written = _checked(place, options)
        except NotFound as error:
            missing.append(error)
            continue
        found[place], mended = findings, [*mended, *written]
    if missing and not found:
        raise missing[0]
    # What several items call is checked with each of them, and told once.
    findings = list(dict.fromkeys(finding for each in found.values() for finding in each))
    if options.format == "json":
        _print_json([asdict(finding) for finding in findings])
    elif options.format == "github":
        for finding in findings:
            print(_annotation(finding))
    else:
        for path in dict.fromkeys(mended):
            print(f"{path}：已自动改好能改的地方。")
        told: set[Finding] = set()
        for place, each in found.items():
            _print_findings(place, [finding for finding in each if finding not in told])
            told.update(each)
        print(_count(findings))
    for error in missing:
        print(_not_found(error), file=sys.stderr)
    return FALLS_SHORT if missing or any(finding.severity == "error" for finding in findings) else HOLDS


def _checked(place: Path, options: argparse.Namespace) -> tuple[list[Finding], list[Path]]:
    """Return the findings about a folder or file, and the files that were mended before."""
    with tempfile.TemporaryDirectory(prefix="sihua-lint") as files:
        engine = ProcessEngine("sqlite://", files=Path(files), processes=_processes_of(place))
        try:
            engine.county.load_lists()
            mended = engine.repository.mend(place, config=options.config) if options.fix else {}
            for path, content in mended.items():
                path.write_bytes(content)
            findings = engine.repository.lint(place, config=options.config)
        finally:
            engine.close()
    return [replace(finding, source=_shown(finding.source)) for finding in findings], [*mended]


def _shown(path: str) -> str:
    """Return a path as a tool opens it from here: relative where it lies below the working folder."""
    here = Path.cwd()
    absolute = Path(path).absolute()
    return absolute.relative_to(here).as_posix() if path and absolute.is_relative_to(here) else path


def _annotation(finding: Finding) -> str:
    """Return a finding as a workflow command, which shows it beside the line in a pull request."""
    level = {"error": "error", "warning": "warning", "info": "notice"}[finding.severity]
    place = {"file": finding.source or finding.file, "line": finding.line, "title": finding.rule}
    given = ",".join(f"{key}={_escaped(str(value), ',:')}" for key, value in place.items())
    return f"::{level} {given}::{_escaped(finding.message + finding.hint)}"


def _escaped(text: str, more: str = "") -> str:
    return "".join(f"%{ord(sign):02X}" if sign in f"%\r\n{more}" else sign for sign in text)


def _tell_rules(options: argparse.Namespace) -> int:
    rules = Repository.rules(options.language)
    if options.format == "json":
        _print_json([asdict(rule) for rule in rules])
        return HOLDS
    labels = ("Why", "Mend", "Wrong", "Right") if options.language == "en" else ("为什么", "怎么改", "画错了", "画对了")
    for rule in rules:
        aliases = f" ({', '.join(rule.aliases)})" if rule.aliases else ""
        print(f"\n## {rule.id}{aliases} · {rule.severity}{' · --fix' if rule.fixable else ''}\n\n{rule.what}\n")
        for label, text in zip(labels[:2], (rule.why, rule.mend), strict=True):
            print(f"- {label}: {text}")
        for label, text in zip(labels[2:], (rule.invalid, rule.valid), strict=True):
            if text:
                print(f"\n{label}:\n\n```xml\n{text}\n```")
    return HOLDS


def _tidy(options: argparse.Namespace) -> int:
    if options.search and not options.fresh:
        raise WrongUsage("--search 要和 --fresh 一起用。")
    _require_paths(options.path)
    mode = "search" if options.search else "fresh" if options.fresh else "sketch"
    paths = tidying.diagrams_in(options.path or [PROCESSES])
    outcomes = [tidying.tidied(path, mode, options.sheet, check=options.check) for path in paths]
    if options.format == "json":
        _print_rows([_outcome_row(outcome) for outcome in outcomes])
    else:
        for outcome in outcomes:
            _print_outcome(outcome, check=options.check)
    in_order = all(outcome.passes and not (options.check and outcome.changed) for outcome in outcomes)
    refused = any(outcome.refused for outcome in outcomes)
    return FALLS_SHORT if refused or (options.check and not in_order) else HOLDS


def _outline(options: argparse.Namespace) -> int:
    _require_paths([options.file])
    print(outline(options.file.read_bytes()), end="")
    return HOLDS


def _scaffold(options: argparse.Namespace) -> int:
    if options.file.exists():
        raise WrongUsage(f"已经有 {options.file}，没有改动它；提纲只用来新建。")
    try:
        outcome, skipped = tidying.make(_text(options.outline), options.file)
    except LayoutRefused as refused:
        _print_faults(options.outline, refused.findings)
        return FALLS_SHORT
    _print_outcome(outcome, check=False)
    if skipped:
        print(f"提纲里有 {skipped} 行要素（以“·”开头）没有写进文件，请在流程图编辑器里填写。")
    return HOLDS


def _deploy(options: argparse.Namespace) -> int:
    engine = _open(options)
    engine.county.load_lists()
    before = {item.id: item.version for item in engine.repository.items()}
    rows = []
    for folder in _named(options.folder):
        try:
            item = engine.repository.deploy(folder)
        except InvalidProcess as refused:
            rows.append(_refused_row(folder, refused))
            continue
        changed = before.get(item.id) != item.version
        rows.append({**_row(f"{item.code} {item.name}", item.version, "version"), "changed": changed})
    engine.close()
    if options.format == "json":
        _print_rows(rows)
    else:
        for row in rows:
            _print_deployed(row)
    return FALLS_SHORT if any("findings" in row for row in rows) else HOLDS


def _scenarios(options: argparse.Namespace) -> int:
    if options.mutants:
        return _mutants(options)
    ran = [_played(folder) for folder in _named(options.folder)]
    if not options.folder:
        ran.append(called_by(ran))
    rows = [_scenario_row(each) for each in ran]
    if options.format == "json":
        _print_rows(rows)
    else:
        for row in rows:
            _print_folder(row)
    return HOLDS if all(row["holds"] for row in rows) else FALLS_SHORT


def _mutants(options: argparse.Namespace) -> int:
    """Items that are named answer for themselves; all of them together also for what they call."""
    folders = _named(options.folder)
    together = {}
    for folder in folders:
        together.setdefault(_processes_of(folder), []).append(folder)
    rows = []
    for processes, items in together.items():
        for ran in mutate(items, processes, called=not options.folder):
            unnoticed = {"survivors": ran.survivors, "stale": ran.stale, "holds": ran.holds}
            rows.append({**_row(ran.folder, ran.planted, "planted faults"), **unnoticed})
            if options.format == "text":
                _print_mutants(rows[-1])
    if options.format == "json":
        _print_rows(rows)
    return HOLDS if all(row["holds"] for row in rows) else FALLS_SHORT


def _verify(options: argparse.Namespace) -> int:
    against = _heads(options.against) if options.against else None
    engine = _open(options)
    result = engine.history.verify(against)
    engine.close()
    if options.write_heads:
        options.write_heads.write_text(json.dumps(result.heads, ensure_ascii=False, indent=2) + "\n", "utf-8")
    if options.format == "json":
        broken = {
            **_row("broken", len(result.broken), "places", 0),
            "places": [asdict(each) for each in result.broken],
        }
        _print_rows([_row("chains", result.chains, "chains"), _row("entries", result.entries, "entries"), broken])
    else:
        for each in result.broken:
            print(f"{each.unit} 第 {each.number} 号：{each.reason}")
        print(
            f"核对了 {result.chains} 条链、{result.entries} 条记录，" + ("完整。" if result.whole else "有问题，见上。")
        )
    return HOLDS if result.whole else FALLS_SHORT


def _bench(options: argparse.Namespace) -> int:
    rows = []
    for figure in benchmark.run(options.database):
        rows.append({**_row(figure.name, round(figure.value, 3), figure.unit, figure.target), "holds": figure.holds})
        if options.format == "text":
            print(_bench_line(figure), flush=True)
    if options.format == "json":
        _print_rows(rows)
    return HOLDS if all(row["holds"] for row in rows) else FALLS_SHORT


# --- what they are given --------------------------------------------------------------------------------------------


def _open(options: argparse.Namespace) -> ProcessEngine:
    """Open a county that is there; a slip in --data must not make an empty one that then holds."""
    missing = f"{options.database or options.data} 里还没有县，请先用 sihua init 建一个。"
    if options.database is None and not _embedded(options).exists():
        raise WrongUsage(missing)
    engine = _engine(options)
    if not engine.county.is_set_up():
        engine.close()
        raise WrongUsage(missing)
    return engine


def _engine(options: argparse.Namespace) -> ProcessEngine:
    options.data.mkdir(parents=True, exist_ok=True)
    return ProcessEngine(
        options.database or f"sqlite:///{_embedded(options)}", files=options.files or options.data / "files"
    )


def _embedded(options: argparse.Namespace) -> Path:
    return options.data / "sihua.db"


def _require_places(places: Iterable[Path], *, files: bool) -> None:
    for place in places:
        if not place.is_dir() and not (files and place.is_file()):
            raise WrongUsage(f"没有这个{'文件或者' if files else ''}文件夹：{place}")


def _require_paths(paths: Iterable[Path]) -> None:
    for path in paths:
        if not path.exists():
            raise WrongUsage(f"没有这个文件或者文件夹：{path}")


def _shipped() -> list[Path]:
    return _items_in(PROCESSES)


def _items_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if (path / "scenarios.json").exists())


def _named(places: list[Path]) -> list[Path]:
    """Return what was named, a folder of items as its items; all that come with the product when nothing was."""
    if not places:
        return _shipped()
    return [each for place in places for each in (place.is_dir() and _items_in(place)) or [place]]


def _processes_of(place: Path) -> Path:
    """Return the folder whose roles, parameters and registers hold for an item: its own or the product's."""
    return next((each for each in place.resolve().parents if (each / "roles.json").exists()), PROCESSES)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise WrongUsage(f"没有这个文件，或者它不是 UTF-8 的文本：{path}") from None


def _heads(path: Path) -> Mapping[str, Mapping[str, object]]:
    """Read heads as ``--write-heads`` writes them: ``{unit id: {"number": n, "hash": "…"}}``."""
    try:
        heads = json.loads(_text(path))
        for each in heads.values():
            int(each["number"]), bytes.fromhex(each["hash"])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise WrongUsage(f"{path} 不是早先公布的校验码（sihua verify --write-heads 写出的文件）。") from None
    return heads


# --- what they say --------------------------------------------------------------------------------------------------


def _row(name: str, value: object, unit: str, target: object = None) -> dict[str, object]:
    return {"name": name, "value": value, "unit": unit, "target": target}


def _bench_line(figure: benchmark.Row) -> str:
    if figure.target is None:
        return f"{figure.name}：{figure.value:,.2f} {figure.unit}"
    most = "至少" if figure.at_least else "至多"
    verdict = "达到" if figure.holds else "没有达到"
    return f"{figure.name}：{figure.value:,.2f} {figure.unit}（{most} {figure.target:,.2f}，{verdict}）"


def _print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))


def _print_rows(rows: Sequence[Mapping[str, object]]) -> None:
    _print_json({"rows": rows})


def _print_findings(folder: Path, findings: Iterable[Finding]) -> None:
    for found in findings:
        place = found.source or f"{folder.name}/{found.file}"
        mend = "（sihua lint --fix 可以自动改）" if found.fixable else ""
        print(f"{place}:{found.line}: {found.severity} {found.rule} {found.message}{found.hint}{mend}")


def _outcome_row(outcome: tidying.Outcome) -> dict[str, object]:
    return {
        **_row(str(outcome.path), outcome.score, "points", tidying.LEAST),
        "before": [quality and quality.score for quality in outcome.before],
        "pictures": [asdict(quality) for quality in outcome.after],
        "changed": outcome.changed,
        "refused": outcome.refused,
        "holds": outcome.passes,
        "findings": [asdict(finding) for finding in outcome.findings],
    }


def _print_outcome(outcome: tidying.Outcome, *, check: bool) -> None:
    done = "要整理" if check else "已整理"
    verdict = "整理不了" if outcome.refused else done if outcome.changed else "不用改"
    print(f"{outcome.path}：{'；'.join([*_scores(outcome), verdict])}。")
    _print_faults(outcome.path, outcome.findings)


def _scores(outcome: tidying.Outcome) -> Iterable[str]:
    """Yield a sentence for each picture of a file: 91.6 → 95.0 分（交叉 4.8），A3 纸上字高 2.8 毫米."""
    for before, after in zip(outcome.before or [None] * len(outcome.after), outcome.after, strict=True):
        was = f"{before.score:.1f} → " if before and before.score != after.score else ""
        lost = "，".join(f"{tidying.PENALTIES[cause]} {points:.1f}" for cause, points in after.penalties.items())
        yield f"{was}{after.score:.1f} 分" + (f"（扣 {lost}）" if lost else "")
        yield f"A3 纸上字高 {after.character:.1f} 毫米，" + (f"印 {after.sheet}" if after.sheet else "A1 也印不清")


def _print_faults(path: Path, findings: Iterable[Finding]) -> None:
    for found in findings:
        print(f"{path}:{found.line}: {found.severity} {found.rule} {found.element} {found.message}{found.hint}")


def _count(findings: Sequence[Finding]) -> str:
    counts = Counter(finding.severity for finding in findings)
    said = f"{counts['error']} 处错误，{counts['warning']} 处提醒，{counts['info']} 处说明"
    fixable = sum(finding.fixable for finding in findings)
    return f"{said}，其中 {fixable} 处可以自动改（sihua lint --fix）。" if fixable else f"{said}。"


def _refused_row(folder: Path, refused: InvalidProcess) -> dict[str, object]:
    findings = [asdict(finding) for finding in refused.findings]
    return {**_row(folder.name, None, "version"), "changed": False, "findings": findings}


def _print_deployed(row: Mapping) -> None:
    if "findings" in row:
        _print_findings(Path(row["name"]), (Finding(**finding) for finding in row["findings"]))
        print(f"{row['name']}：没有启用，先改好上面的错误。")
    else:
        print(
            f"{row['name']}：第 {row['value']} 版" + ("，已启用。" if row["changed"] else "，与在用的一样，没有改动。")
        )


def _played(folder: Path) -> FolderRun:
    try:
        return run_folder(folder, _processes_of(folder))
    except InvalidProcess as refused:
        # A package that may not be deployed takes nothing.
        errors = (each for each in refused.findings if each.severity == "error")
        found = tuple(ScenarioRun(each.rule, each.message) for each in errors)
        return FolderRun(folder.name, found, Coverage(set(), set(), set()))


def _scenario_row(ran: FolderRun) -> dict[str, object]:
    """Return what came of a folder: ``flows``, ``decision_rows``, ``refusals`` there are, ``taken`` flows."""
    coverage = ran.coverage
    return {
        **_row(ran.folder, coverage.total - len(coverage.missed), "flows, decision rows and refusals", coverage.total),
        "flows": len(coverage.flows),
        "taken": len(coverage.flows & coverage.taken_flows),
        "missed": coverage.missed,
        "decision_rows": len(coverage.rows),
        "refusals": len(coverage.refusals),
        "scenarios": len(ran.runs),
        "failed": [asdict(run) for run in ran.runs if run.problem],
        "holds": ran.holds,
    }


def _print_folder(row: Mapping) -> None:
    for run in row["failed"]:
        print(f"{row['name']}：{run['name']}：{run['problem']}")
    for missed in row["missed"]:
        print(f"{row['name']}：没有情形走到 {missed}")
    print(
        f"{row['name']}：{row['scenarios']} 个情形，{len(row['failed'])} 个不符；"
        f"连线、决策行、不予原因走到 {row['value']}/{row['target']}。"
    )


def _print_mutants(row: Mapping) -> None:
    for fault in row["survivors"]:
        print(f"{row['name']}：没有情形发现 {fault}")
    for fault in row["stale"]:
        print(f"{row['name']}：{EQUIVALENT} 里不必再写 {fault}")
    print(f"{row['name']}：种下 {row['value']} 处错误，没有发现的有 {len(row['survivors'])} 处。", flush=True)


if __name__ == "__main__":
    sys.exit(main())
