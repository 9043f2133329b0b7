"""Who is asking: signing in and out, first password, size of type, and the guard of pages that need an account."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, current_app, flash, g, redirect, render_template, request, session, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from engine import errors
from engine.views import Actor
from webui.current import engine

blueprint = Blueprint("auth", __name__)

SIZE_COOKIE = "size"
LARGE = "large"
_YEAR = 365 * 24 * 3600

#: where a person of a side begins, the most usual work first
_HOMES = {
    "cadre": "inbox.inbox",
    "supervisor": "board.board",
    "designer": "designer.items",
    "administrator": "admin.people",
}


@blueprint.before_app_request
def load_actor() -> None:
    """Set ``g.actor`` from the signed session; a session whose password has changed since is over."""
    g.actor = None
    if request.endpoint in ("static", "healthz"):
        return
    person_id, key = session.get("person"), session.get("key")
    if person_id is None:
        return
    try:
        actor = engine().identity.actor(person_id)
    except errors.NotFound:
        session.clear()
        return
    if actor.session_key == key:
        g.actor = actor
    else:
        session.clear()


def required(side: str | None = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let only signed-in people in, and of those only the ones of ``side`` if one is named."""

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if g.actor is None:
                return ask_to_sign_in()
            if side is not None and side not in g.actor.sides:
                raise errors.NotAllowed(_("这一页不归您的岗位用。"), _("要用的话，请找系统管理员。"))
            return view(*args, **kwargs)

        return guarded

    return decorate


def ask_to_sign_in() -> Response | tuple[str, int]:
    """Send the person to the sign-in page and back; what was sent with a POST cannot be taken along."""
    if request.method == "GET":
        page = "demo.entry" if current_app.config["SIHUA_DEMO"] else "auth.login"
        return redirect(url_for(page, next=this_page()))
    return render_template("auth/timed_out.html"), 401


def this_page() -> str:
    """Return the path with its query, to come back to."""
    return request.full_path.rstrip("?")


def local_path(path: str | None) -> str | None:
    """Return the path when it leads to a page of ours, else None: no redirect ever leaves the site."""
    if not path or not path.startswith("/") or path.startswith(("//", "/\\")) or "\\" in path:
        return None
    if any(ord(character) < 32 for character in path):
        return None
    parts = urlsplit(path)
    return None if parts.scheme or parts.netloc else path


def sign_in(actor: Actor) -> None:
    """Begin a new session for the person; nothing of the one before it is kept."""
    session.clear()
    session.permanent = True
    session["person"] = actor.person_id
    session["key"] = actor.session_key


def home_of(actor: Actor) -> str:
    """Return the address at which the person begins."""
    endpoint = next((page for side, page in _HOMES.items() if side in actor.sides), "inbox.inbox")
    return url_for(endpoint)


@blueprint.route("/login", methods=["GET", "POST"])
def login() -> Any:
    """Sign in with login name and password; the engine counts the tries."""
    if current_app.config["SIHUA_DEMO"]:
        return redirect(url_for("demo.entry"))
    after = local_path(request.values.get("next"))
    if request.method == "GET":
        return render_template("auth/login.html", after=after, name="", refused="")
    name = request.form.get("login", "").strip()
    try:
        actor = engine().identity.sign_in(name, request.form.get("password", ""), request.remote_addr or "")
    except errors.NotAllowed:
        refused = _("登录名或密码不对。")
        return render_template("auth/login.html", after=after, name=name, refused=refused), 401
    except errors.Refused as error:
        return render_template("auth/login.html", after=after, name=name, refused=error.reason), 429
    sign_in(actor)
    return redirect(after or home_of(actor), 303)


@blueprint.post("/logout")
def logout() -> Response:
    """End the session."""
    session.clear()
    flash(_("您已退出。"))
    return redirect(url_for("portal.home"), 303)


@blueprint.route("/welcome/<token>", methods=["GET", "POST"])
def welcome(token: str) -> Any:
    """Choose a password with a one-time link from the administrator."""
    holder = engine().identity.link_holder(token)
    if request.method == "GET":
        return render_template("auth/welcome.html", holder=holder, problems={})
    password = request.form.get("password", "")
    problems = {} if password == request.form.get("again", "") else {"again": _("两次写的不一样。")}
    if not problems:
        try:
            actor = engine().identity.set_password(token, password)
        except errors.InvalidForm as error:
            problems = error.fields
        else:
            sign_in(actor)
            flash(_("密码已设好，您已登录。"))
            return redirect(home_of(actor), 303)
    return render_template("auth/welcome.html", holder=holder, problems=problems), 422


@blueprint.route("/password", methods=["GET", "POST"])
@required()
def password() -> Any:
    """Change one's own password."""
    if request.method == "GET":
        return render_template("auth/password.html", problems={})
    new = request.form.get("password", "")
    problems = {} if new == request.form.get("again", "") else {"again": _("两次写的不一样。")}
    if not problems:
        problems = _change_password(request.form.get("old", ""), new)
    if problems:
        return render_template("auth/password.html", problems=problems), 422
    sign_in(engine().identity.actor(g.actor.person_id))
    flash(_("密码已改。"))
    return redirect(home_of(g.actor), 303)


def _change_password(old: str, new: str) -> dict[str, str]:
    try:
        engine().identity.change_password(g.actor.person_id, old=old, new=new)
    except errors.InvalidForm as error:
        return error.fields
    return {}


@blueprint.get("/size")
def size() -> Response:
    """Set the size of type and go back; a link, so that it works everywhere."""
    response = redirect(local_path(request.args.get("next")) or url_for("portal.home"), 303)
    large = request.args.get("to") == LARGE
    response.set_cookie(
        SIZE_COOKIE,
        LARGE if large else "",
        max_age=_YEAR,
        secure=current_app.config["SESSION_COOKIE_SECURE"],
        httponly=True,
        samesite="Lax",
    )
    return response
