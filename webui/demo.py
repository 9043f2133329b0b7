"""The entrance of the demo county: be anybody, move the clock, restore everything; absent on a real database."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from engine import errors
from engine.views import Item, Unit
from webui import auth, words
from webui.current import engine

#: lane names of roles.json
_WATCHER, _DRAWER = "乡镇纪委", "流程设计员"

blueprint = Blueprint("demo", __name__, url_prefix="/demo")


@dataclass(frozen=True)
class Stop:
    """One station of the guided matter: whom to be, what he does there."""

    who: str
    what: str
    #: "" for the villager, who needs no account
    person_id: str
    page: str


@blueprint.get("")
def entry() -> str:
    """Show everybody one can be."""
    near = _near(_main_village())
    sides: dict[str, tuple[list[Any], dict[str, list[Any]]]] = {side: ([], {}) for side in _titles()}
    for person in engine().demo.people():
        here, elsewhere = sides[person.side]
        if person.unit_name in near:
            here.append(person)
        else:
            elsewhere.setdefault(person.unit_name, []).append(person)
    return render_template(
        "demo/entry.html",
        sides=[(_titles()[side], here, elsewhere) for side, (here, elsewhere) in sides.items()],
        sample=engine().demo.sample,
        after=auth.local_path(request.args.get("next")) or "",
        now=engine().demo.now,
    )


def _titles() -> dict[str, str]:
    return {
        "cadre": _("在村里办事的"),
        "supervisor": _("监督的"),
        "designer": _("画流程的"),
        "administrator": _("管账号的"),
    }


def _near(village: Unit) -> set[str]:
    """Return the names of the village and of everything above it."""
    names, unit = {village.name}, village
    while unit.parent_id:
        unit = engine().identity.unit(unit.parent_id)
        names.add(unit.name)
    return names


@blueprint.get("/tour")
def tour() -> str:
    """Walk one matter from the villager to the supervisor."""
    village, item = _main_village(), _public_item()
    return render_template("demo/tour.html", stops=_stops(village, item), village=village, item=item)


def _main_village() -> Unit:
    return engine().identity.unit(engine().demo.main_village)


def _public_item() -> Item:
    return next(item for item in engine().repository.items() if item.facts.public_start)


def _stops(village: Unit, item: Item) -> list[Stop]:
    """Follow the lanes of the item in the village, then who watches and who draws; whoever is missing is left out."""
    guide = engine().repository.guide(item.id, unit_id=village.id)
    near = _near(village)
    begin = url_for("portal.request", unit_id=village.id, item_id=item.id)
    stops = [Stop(_("村民"), _("在公开页上填申请，领回执号和查询码。不用账号。"), "", begin)]
    for lane, steps in groupby(guide.steps, key=lambda step: step.lane):
        stops += _stop_for(lane, {village.name}, "".join(f"〈{step.name}〉" for step in steps), url_for("inbox.inbox"))
    stops += _stop_for(_WATCHER, near, _("查这件事卡在哪一步、停了几天、该找谁。"), url_for("trace.find"))
    stops += _stop_for(_DRAWER, near, _("看流程图：谁来办、依据、期限、风险点。"), url_for("designer.items"))
    return stops


def _stop_for(lane: str, units: set[str], what: str, page: str) -> list[Stop]:
    for person in engine().demo.people():
        if person.unit_name in units and lane in person.title:
            return [Stop(f"{lane} {person.name}", what, person.person_id, page)]
    return []


@blueprint.post("/become")
def become() -> Response:
    """Be this person."""
    person_id = request.form.get("person_id", "")
    if person_id not in {person.person_id for person in engine().demo.people()}:
        raise errors.NotFound("person", person_id)
    actor = engine().identity.actor(person_id)
    auth.sign_in(actor)
    return redirect(auth.local_path(request.form.get("next")) or auth.home_of(actor), 303)


@blueprint.post("/advance")
def advance() -> Response:
    """Move the clock one working day on."""
    engine().demo.advance_workday()
    flash(_("往后拨了 1 个工作日，现在是 %(now)s。", now=words.demo_time(engine().demo.now)))
    return redirect(url_for("demo.entry"), 303)


@blueprint.route("/restore", methods=["GET", "POST"])
def restore() -> Any:
    """Ask, then put the whole county back to how it began."""
    if request.method == "GET":
        return render_template("demo/restore.html")
    engine().demo.restore()
    session.clear()
    flash(_("全部恢复原样了。"))
    return redirect(url_for("demo.entry"), 303)
