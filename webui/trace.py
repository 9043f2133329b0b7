"""What a supervisor does: find a matter, see where it is stuck, remind, comment."""

from __future__ import annotations

from io import BytesIO

from flask import Blueprint, Response, flash, g, redirect, render_template, request, send_file, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext

from engine import errors, views
from webui import auth, words
from webui.current import engine
from webui.forms import FieldView

blueprint = Blueprint("trace", __name__)

#: rows of one search page
LIMIT = 50
#: state of a matter → the word on screens
STATES = {
    "open": lazy_gettext("正在办"),
    "suspended": lazy_gettext("暂停"),
    "done": lazy_gettext("办结"),
    "refused": lazy_gettext("不予办理"),
    "withdrawn": lazy_gettext("已撤回"),
}
LATE = ("red", "yellow")


@blueprint.get("/find")
@auth.required()
def find() -> str:
    """Search matters by receipt, applicant, item or village, with where each stands."""
    query = request.args.get("q", "").strip()[:100]
    state = request.args.get("state", "")
    state = state if state in STATES else ""
    units = _villages_in_view()
    unit_id = request.args.get("unit", "")
    unit_id = unit_id if unit_id in {unit.id for unit in units} else ""
    rows = engine().history.find(query, by=g.actor.person_id, unit_id=unit_id or None, state=state or None, limit=LIMIT)
    return render_template(
        "trace/find.html",
        rows=sorted(rows, key=_lateness),
        late=sum(1 for row in rows if row.stop and row.stop.clock.state in LATE),
        full=len(rows) >= LIMIT,
        query=query,
        state=state,
        unit_id=unit_id,
        units=units,
        states=STATES,
    )


def _lateness(row: views.MatterRow) -> int:
    """Put what is late first; the rest keeps its order."""
    state = row.stop.clock.state if row.stop else ""
    return LATE.index(state) if state in LATE else len(LATE)


def _villages_in_view() -> list[views.Unit]:
    """Return the villages the person's posts reach down to."""
    own = {post.unit.id for post in g.actor.posts}
    county_wide = any(post.unit.level == "county" for post in g.actor.posts)
    villages = engine().identity.units(level="village")
    return [unit for unit in villages if county_wide or unit.id in own or unit.parent_id in own]


@blueprint.get("/matters/<receipt>")
@auth.required()
def matter(receipt: str) -> str:
    """Show one matter; its first sentence says where it is stuck."""
    return _matter_page(receipt)


def _matter_page(receipt: str, problems: dict[str, str] | None = None, refused: errors.Refused | None = None) -> str:
    trace = engine().history.trace(receipt, by=g.actor.person_id, call=request.args.get("call"))
    return render_template(
        "trace/matter.html",
        trace=trace,
        timeline=sorted(trace.timeline, key=lambda entry: entry.number, reverse=True),
        states=STATES,
        refused=refused,
        problems=problems or {},
        opinion=_opinion_field((problems or {}).get("text", "")),
    )


def _opinion_field(error: str) -> FieldView:
    hint = _("经办人看得到，记入经过，不能改")
    return FieldView("text", "textarea", _("意见"), hint=hint, error=error, value=request.form.get("text", ""))


@blueprint.post("/matters/<receipt>/remind")
@auth.required()
def remind(receipt: str):
    """Remind whoever the matter waits for."""
    trace = engine().history.trace(receipt, by=g.actor.person_id)
    try:
        told = engine().tasks.remind(trace.matter.id, by=g.actor.person_id)
    except errors.Refused as error:
        return _matter_page(receipt, refused=error), 422
    flash(_("已催办 %(who)s，记入经过。", who=words.listed(tuple(dict.fromkeys(told)))))
    return redirect(url_for("trace.matter", receipt=receipt), 303)


@blueprint.post("/matters/<receipt>/comment")
@auth.required()
def comment(receipt: str):
    """Write an opinion on the matter into its record."""
    text = request.form.get("text", "").strip()
    if not text:
        return _matter_page(receipt, {"text": _("请写下意见。")}), 422
    trace = engine().history.trace(receipt, by=g.actor.person_id)
    try:
        engine().tasks.comment(trace.matter.id, by=g.actor.person_id, text=text)
    except errors.InvalidForm as error:
        return _matter_page(receipt, {"text": next(iter(error.fields.values()))}), 422
    flash(_("意见已记入经过，经办人看得到。"))
    return redirect(url_for("trace.matter", receipt=receipt), 303)


@blueprint.get("/documents/<document_id>")
@auth.required()
def document(document_id: str) -> Response:
    """Hand out a document the system made."""
    title, content = engine().history.document(document_id, by=g.actor.person_id)
    name = title if title.endswith(".pdf") else f"{title}.pdf"
    response = send_file(BytesIO(content), "application/pdf", as_attachment=True, download_name=name)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "private, no-store"
    return response
