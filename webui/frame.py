"""What stands around every page: language, size of type, place, menu."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Response, current_app, g, request, url_for
from flask_babel import get_locale
from flask_babel import gettext as _

from engine.views import Actor
from webui import auth
from webui.current import engine

CHINESE, ENGLISH = "zh_Hans_CN", "en"
_LANGUAGES = {"zh": CHINESE, "en": ENGLISH}
_COOKIE = "language"
#: blueprints that need no account; none: an address that leads nowhere
PUBLIC = (None, "portal", "voices")


def on_public_page() -> bool:
    return request.blueprint in PUBLIC


def language() -> str:
    """Only the public pages speak English; the rest is written by the offices for the offices."""
    if not on_public_page():
        return CHINESE
    for asked in (request.args.get("lang"), request.cookies.get(_COOKIE)):
        if asked in _LANGUAGES:
            return _LANGUAGES[asked]
    return _LANGUAGES[request.accept_languages.best_match(list(_LANGUAGES), "zh")]


def around_page() -> dict[str, Any]:
    """Everything ``base.html`` asks for."""
    demo = engine().demo if current_app.config["SIHUA_DEMO"] else None
    english = str(get_locale()) == ENGLISH
    return {
        "language": "en" if english else "zh-Hans",
        "other_language_url": f"{request.path}?lang={'zh' if english else 'en'}",
        "on_public_page": on_public_page(),
        "large_type": request.cookies.get(auth.SIZE_COOKIE) == auth.LARGE,
        "demo": demo is not None,
        "demo_clock": engine().clock.now,
        "asset": _asset,
        "max_upload": engine().max_upload,
        "here": auth.this_page() if request.method == "GET" else "/",
        "home_url": _home_url,
        "page_place": _page_place,
        "page_nav": _page_nav,
        "door": _door,
        "home_of_actor": lambda: auth.home_of(g.actor),
    }


def remember_language(response: Response) -> None:
    """Keep the language that was asked for in the address of a public page."""
    if on_public_page() and request.args.get("lang") in _LANGUAGES:
        secure = current_app.config["SESSION_COOKIE_SECURE"]
        response.set_cookie(_COOKIE, request.args["lang"], secure=secure, httponly=True, samesite="Lax")


def _asset(name: str) -> str:
    """Return the address of a static file with its age, "" when it has not been built."""
    path = Path(current_app.static_folder or "") / name
    return url_for("static", filename=name, v=int(path.stat().st_mtime)) if path.is_file() else ""


def _home_url() -> str:
    if on_public_page() or not g.get("actor"):
        village = g.get("village")
        return url_for("portal.village", unit_id=village.id) if village else url_for("portal.home")
    return auth.home_of(g.actor)


def _door(page: str, call: str) -> str:
    """Return the address of a page with the picture of that call activity, "" for the item's own."""
    return f"{page}{'&' if '?' in page else '?'}call={call}#picture"


def _page_place() -> str:
    if on_public_page():
        village = g.get("village")
        return _("%(village)s 权力公开", village=village.name) if village else _("村级权力公开")
    if g.get("actor"):
        return g.actor.home.name
    return _("示范县") if current_app.config["SIHUA_DEMO"] else _("村级权力公开")


@dataclass(frozen=True)
class _Entry:
    """A word of the menu and the pages that belong to it."""

    page: str
    also: tuple[str, ...] = ()

    @property
    def is_current(self) -> bool:
        return request.endpoint == self.page or request.endpoint in self.also


_REGISTERS = _Entry("inbox.registers", ("inbox.register",))
_DIARY = _Entry("inbox.diary")
_INBOX = _Entry(
    "inbox.inbox",
    ("inbox.task", "inbox.done", "inbox.delegate", "inbox.recuse", "inbox.matters", "inbox.notifications"),
)
#: side → its menu
_MENUS: dict[str, tuple[_Entry, ...]] = {
    "cadre": (_INBOX, _Entry("inbox.start", ("inbox.start_item", "inbox.receipt")), _REGISTERS, _DIARY),
    "supervisor": (_Entry("board.board"), _Entry("trace.find", ("trace.matter",)), _REGISTERS, _DIARY),
    "designer": (_Entry("designer.items", ("designer.definition",)), _Entry("designer.rules")),
    "administrator": (_Entry("admin.people", ("admin.person", "admin.end")), _Entry("incidents.incidents")),
}
#: four words fit a phone
_MOST_ENTRIES = 4


def _words_of_menu() -> dict[str, str]:
    return {
        "inbox.inbox": _("待办"),
        "inbox.start": _("发起事项"),
        "inbox.registers": _("台账"),
        "inbox.diary": _("行权日志"),
        "board.board": _("卡点"),
        "trace.find": _("查事项"),
        "designer.items": _("流程"),
        "designer.rules": _("规则"),
        "admin.people": _("人员"),
        "incidents.incidents": _("后台任务"),
    }


def _page_nav() -> list[dict[str, Any]]:
    """Return the menu of the page."""
    if on_public_page():
        return _public_nav()
    if not g.get("actor"):
        return []
    words = _words_of_menu()
    return [
        {"label": words[entry.page], "url": url_for(entry.page), "current": entry.is_current}
        for entry in _menu_of(g.actor)
    ]


def _menu_of(actor: Actor) -> list[_Entry]:
    """Merge the menus of a person's sides: the first word of each side before the second of any."""
    menus = [menu for side, menu in _MENUS.items() if side in actor.sides]
    order = [entry for menu in menus for entry in menu]
    firsts = [menu[0] for menu in menus]
    chosen = list(dict.fromkeys([*firsts, *order]))[:_MOST_ENTRIES]
    return sorted(chosen, key=order.index)


def _public_nav() -> list[dict[str, Any]]:
    village = g.get("village")
    pages = [(_("各村"), url_for("portal.home"), "portal.home")]
    if village:
        pages = [
            (_("本村"), url_for("portal.village", unit_id=village.id), "portal.village"),
            (_("权力清单"), url_for("portal.items", unit_id=village.id), "portal.items"),
            (_("公示栏"), url_for("voices.board", unit_id=village.id), "voices.board"),
        ]
    pages.append((_("查进度"), url_for("portal.progress"), "portal.progress"))
    return [{"label": label, "url": url, "current": page == request.endpoint} for label, url, page in pages]
