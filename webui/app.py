"""The Flask application: made over one engine, served by waitress."""

from __future__ import annotations

import gc
import importlib.metadata
import ipaddress
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import waitress
from flask import Flask, Response, current_app, jsonify, request
from flask_babel import Babel
from flask_wtf.csrf import CSRFProtect

from engine import ProcessEngine, open_for_web
from engine.errors import EngineError

# Before the blueprints, which may take it from here.
# isort: split
from webui.current import EXTENSION, engine

# isort: split
from webui import (
    admin,
    auth,
    board,
    demo,
    designer,
    errors,
    forms,
    frame,
    inbox,
    incidents,
    portal,
    retold,
    trace,
    voices,
    words,
)

__all__ = ["create_app", "engine", "serve"]

MEGABYTE = 1024 * 1024
#: all files of one form together; the size of one file is the engine's business
MAX_BODY = 64 * MEGABYTE
#: what the server itself takes in before it hangs up: room for our own sentence about MAX_BODY
HANG_UP = 4 * MAX_BODY
IDLE = timedelta(hours=12)
_THIS_MACHINE = {"localhost", "127.0.0.1", "::1"}
#: objects that come to be, over those that go, until cycles are looked for
GARBAGE = 20_000
#: seconds between two looks for due jobs
_PAUSE = 2.0

_HEADERS = {
    # bpmn-js writes style attributes and shows its pictures from data: addresses.
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "private, no-cache",
}


def create_app(engine: ProcessEngine, *, secret: str, demo: bool, secure: bool, max_body: int = MAX_BODY) -> Flask:
    """Return the application over one engine.

    :param secret: signs the session cookie; the same for all processes of one county
    :param demo: anybody may become anybody; only for a demo county, only on this machine
    :param secure: cookies travel over https only
    """
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=secret,
        SESSION_COOKIE_NAME="sihua",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=secure,
        PERMANENT_SESSION_LIFETIME=IDLE,
        MAX_CONTENT_LENGTH=max_body,
        SEND_FILE_MAX_AGE_DEFAULT=timedelta(days=365),
        # A page may lie open for a morning; the token ends with the session.
        WTF_CSRF_TIME_LIMIT=None,
        SIHUA_DEMO=demo,
    )
    app.extensions[EXTENSION] = engine
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    Babel(app, default_locale=frame.CHINESE, locale_selector=frame.language)
    words.install(app, engine.clock.now)
    app.jinja_env.filters["retold"] = retold.retold
    app.jinja_env.filters["control_id"] = forms.control_id
    errors.install(app)
    if demo:
        app.before_request(_require_this_machine)
    _add_pages(app)
    # Last, so that the page about a missing token knows the person.
    CSRFProtect(app)
    app.context_processor(frame.around_page)
    app.after_request(_guard)
    return app


def _add_pages(app: Flask) -> None:
    for part in (auth, portal, voices, inbox, trace, board, designer, admin, incidents):
        app.register_blueprint(part.blueprint)
    if app.config["SIHUA_DEMO"]:
        app.register_blueprint(demo.blueprint)
    app.add_url_rule("/healthz", "healthz", _healthz)


def _healthz() -> tuple[Response, int]:
    healthy = engine().healthy()
    answer = {"status": "ok" if healthy else "failing", "version": _version()}
    return jsonify(answer), 200 if healthy else 503


def _version() -> str:
    try:
        return importlib.metadata.version("sihua")
    except importlib.metadata.PackageNotFoundError:
        return "source tree"


def _require_this_machine() -> None:
    """Refuse any other host name: a page elsewhere must not reach a county without passwords by rebinding a name."""
    try:
        host = urlsplit(f"//{request.environ.get('HTTP_HOST', '')}").hostname
    except ValueError:
        host = None
    if host not in _THIS_MACHINE:
        raise errors.WrongHost


def _guard(response: Response) -> Response:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    if current_app.config["SESSION_COOKIE_SECURE"]:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    frame.remember_language(response)
    return response


# Serving.


def serve(
    host: str,
    port: int,
    data: Path,
    database: str | None,
    *,
    files: Path | None = None,
    session_key: Path | None = None,
) -> None:
    """Open the county (a demo county when there is none yet) and serve it until interrupted.

    :raises SystemExit: with one sentence when the port is taken or a demo county would be open to others
    """
    listening = _listen(host, port)
    try:
        county, secret = open_for_web(data, database, files=files, session_key=session_key)
    except EngineError as refused:
        sys.exit(f"打不开：{refused}")
    demo = county.demo is not None
    if demo and not _is_this_machine(host):
        sys.exit("示范县没有密码，只能在本机打开。The demo county has no passwords: use --host 127.0.0.1.")
    app = create_app(county, secret=secret, demo=demo, secure=not demo)
    _spare_the_collector()
    stopped = threading.Event()
    worker = threading.Thread(target=_run_jobs, args=(county, stopped), name="jobs", daemon=True)
    # On a server the county's own worker processes do them, however many pages are served.
    if county.is_embedded:
        worker.start()
    print(_welcome(host, port, demo), flush=True)
    try:
        waitress.serve(app, sockets=[listening], **_server_options())
    finally:
        stopped.set()
        if county.is_embedded:
            worker.join(timeout=10)


def _spare_the_collector() -> None:
    """Leave what is there for good out of the search for cycles, and search less often: it took a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE)


def _server_options() -> dict[str, Any]:
    return {
        "threads": 8,
        "ident": None,
        "max_request_body_size": HANG_UP,
        # A reverse proxy on this machine speaks for the client; anybody else's headers are dropped.
        "trusted_proxy": "127.0.0.1",
        "trusted_proxy_headers": {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"},
        "clear_untrusted_proxy_headers": True,
    }


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _name, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        if os.name != "nt":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        sys.exit(
            f"不能在 {host} 的 {port} 端口打开（{error.strerror}），请用 --port 换一个。\n"
            f"Cannot listen on {host} port {port}: choose another with --port."
        )
    return listening


def _is_this_machine(host: str) -> bool:
    if host in _THIS_MACHINE:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _welcome(host: str, port: int, demo: bool) -> str:
    name = f"[{host}]" if ":" in host else host
    page = "/demo" if demo else "/"
    county = "示范县，数据虚构" if demo else "村级权力公开"
    return f"四化已打开（{county}）：http://{name}:{port}{page}　按 Ctrl+C 结束。"


def _run_jobs(county: ProcessEngine, stopped: threading.Event) -> None:
    """Do what is due (files, notices) beside the pages, so that one process is a whole county."""
    log = logging.getLogger("sihua.jobs")
    while not stopped.wait(_PAUSE):
        _quietly(log, county.jobs.run_due)


def _quietly(log: logging.Logger, run: Callable[[], int]) -> None:
    try:
        while run():
            pass
    except Exception:
        # The job runner is the one place that outlives any fault: the next round tries again.
        log.exception("due jobs")
