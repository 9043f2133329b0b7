"""The public pages: villages, power list, service guide, request, progress. No account is needed for any of them."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from typing import Any

import segno
from flask import Blueprint, Response, current_app, flash, g, redirect, render_template, request, send_file, session
from flask import url_for as address_of
from flask_babel import gettext as _
from markupsafe import Markup

from engine import errors
from engine.model import LegalBasis
from engine.views import Guide, Item, Started, Unit
from webui import forms
from webui.current import engine
from webui.retold import of_file, retold

blueprint = Blueprint("portal", __name__)

#: name of the file input with which an applicant adds papers
SUPPLEMENT = "supplement"
#: receipts whose code this browser has shown
_MOST_GRANTS = 5


# Villages and the power list.


@blueprint.get("/")
def home() -> str:
    """Show the villages by town; search finds villages."""
    query = request.args.get("q", "").strip()[:50]
    villages = [village for village in engine().identity.units(level="village") if query in village.name]
    towns = engine().identity.units(level="township")
    groups = [(town, [village for village in villages if village.parent_id == town.id]) for town in towns]
    known = {town.id for town in towns}
    others = [village for village in villages if village.parent_id not in known]
    groups = [group for group in [*groups, (None, others)] if group[1]]
    return render_template("portal/home.html", groups=groups, count=len(villages), query=query)


@blueprint.get("/villages/<unit_id>")
def village(unit_id: str) -> str:
    """Show the four doors of a village."""
    _enter(unit_id)
    items = engine().repository.items(unit_id)
    query = request.args.get("q", "").strip()[:50]
    return render_template(
        "portal/village.html",
        town=_parent(g.village),
        items=items,
        usual=[item for item in items if item.facts.public_start],
        query=query,
        found=_found(items, query) if query else [],
        problems={},
    )


@blueprint.get("/villages/<unit_id>/items")
def items(unit_id: str) -> str:
    """Show the power list: what the village may do, and where each power ends."""
    _enter(unit_id)
    groups: dict[str, list[Item]] = {}
    listed = engine().repository.items(unit_id)
    for item in listed:
        groups.setdefault(item.code[:1], []).append(item)
    return render_template("portal/items.html", groups=sorted(groups.items()), count=len(listed))


def _enter(unit_id: str) -> Unit:
    """Set ``g.village``; only villages and towns have public pages."""
    unit = engine().identity.unit(unit_id)
    if unit.level not in ("village", "township"):
        raise errors.NotFound("unit", unit_id)
    g.village = unit
    return unit


def _parent(unit: Unit) -> Unit | None:
    return engine().identity.unit(unit.parent_id) if unit.parent_id else None


def _found(items: Iterable[Item], query: str) -> list[Item]:
    """Return the items that speak of it: those it is about first, then those in which a step of people names it."""
    about = [item for item in items if _speaks_of((item.name, item.code, item.facts.scope), query)]
    steps = [item for item in items if item not in about and _speaks_of(_steps_of(item), query)]
    return about + steps


def _speaks_of(texts: Iterable[str], query: str) -> bool:
    return any(query.lower() in text.lower() for text in texts)


def _steps_of(item: Item) -> list[str]:
    # What an item excludes names other items, so it is no text to be found by.
    return [activity.name for activity in item.facts.activities if activity.is_task]


# One item: guide, diagram, request.


@blueprint.get("/villages/<unit_id>/items/<item_id>")
def guide(unit_id: str, item_id: str) -> str:
    """Show 办事指南: who, how, until when; then papers, steps and where to go with what is not done here."""
    found = _guide(unit_id, item_id, call=request.args.get("call", ""))
    return render_template(
        "portal/guide.html",
        guide=found,
        elsewhere=[sentence.partition("：") for sentence in found.excludes],
        more_bases=_bases_of_steps(found),
        code=_qr(),
    )


def _guide(unit_id: str, item_id: str, call: str = "") -> Guide:
    _enter(unit_id)
    return engine().repository.guide(item_id, unit_id=unit_id, call=call)


def _bases_of_steps(found: Guide) -> list[LegalBasis]:
    """Return the legal bases of the steps that are not those of the item itself, each once."""
    of_steps = [basis for step in found.steps for basis in step.legal_basis]
    return [basis for basis in dict.fromkeys(of_steps) if basis not in found.legal_basis]


def _qr() -> Markup:
    """Return the address of this very page as a QR picture."""
    scheme = "https" if current_app.config["SESSION_COOKIE_SECURE"] else request.scheme
    url = address_of(request.endpoint, **request.view_args, _external=True, _scheme=scheme)
    picture = segno.make(url, error="m")
    return Markup(picture.svg_inline(border=2, omitsize=True, svgclass="qr", lineclass=None, light="#fff"))


@blueprint.get("/diagrams/<definition_id>.bpmn")
@blueprint.get("/diagrams/<definition_id>/<process_id>.bpmn")
def diagram(definition_id: str, process_id: str | None = None) -> Response:
    """Hand out the diagram of an item, or of a process it calls, as it was deployed."""
    response = Response(engine().repository.diagram(definition_id, process_id), mimetype="application/xml")
    # A diagram is somebody's file: shown as a page of ours it could carry script.
    response.headers["Content-Disposition"] = f'attachment; filename="{process_id or definition_id}.bpmn"'
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.headers["Cache-Control"] = "public, max-age=3600"
    return response


@blueprint.route("/villages/<unit_id>/items/<item_id>/request", methods=["GET", "POST"], endpoint="request")
def make_request(unit_id: str, item_id: str) -> Any:
    """Ask for something; answers with a receipt."""
    found = _guide(unit_id, item_id)
    if found.start_form is None:
        raise errors.NotFound("item", item_id)
    if request.method == "GET":
        return _request_page(found)
    token = request.form.get("form_token", "")
    try:
        started = engine().runtime.start(
            item_id,
            unit_id=unit_id,
            data=forms.raw(request.form, found.start_form),
            files=forms.uploads(request.files, found.start_form),
            form_token=token,
        )
    except errors.InvalidForm as error:
        return _request_page(found, error.fields, status=422)
    except errors.InvalidFile as error:
        return _request_page(found, {_first_file(found): of_file(error)}, status=error.status)
    except errors.Refused as error:
        return _request_page(found, refused=error, status=422)
    _keep_receipt(found, started)
    return redirect(address_of("portal.receipt"), 303)


def _request_page(
    found: Guide, problems: dict[str, str] | None = None, refused: errors.Refused | None = None, status: int = 200
) -> tuple[str, int]:
    again = request.method == "POST"
    shown = forms.form_view(
        found.start_form,
        submitted=forms.raw(request.form, found.start_form) if again else None,
        errors=problems,
        files_lost=bool(again and forms.uploads(request.files, found.start_form)),
        autofill=True,
    )
    token = request.form.get("form_token") or forms.new_token()
    page = render_template("portal/request.html", guide=found, form=shown, refused=refused, form_token=token)
    return page, status


def _first_file(found: Guide) -> str:
    return next((field.key for field in found.start_form.fields if field.type == "filepicker"), "")


# The receipt: the code is kept in this browser only until the person has put it away.


def _keep_receipt(found: Guide, started: Started) -> None:
    session.permanent = True
    session["receipt"] = {
        "receipt": started.receipt,
        "code": started.code,
        "item": found.item.name,
        "unit": found.unit.id,
        "next": list(started.next_steps),
        "refused": bool(started.refused),
    }
    _grant(started.receipt, started.code)


@blueprint.get("/receipt")
def receipt() -> Any:
    """Show receipt and code, to be written down or printed."""
    kept = session.get("receipt")
    if kept is None:
        return redirect(address_of("portal.progress"))
    _enter(kept["unit"])
    return _unstored(render_template("portal/receipt.html", kept=kept))


@blueprint.post("/receipt/put-away")
def put_away() -> Response:
    """Forget receipts and codes in this browser: the next person at it must not see them."""
    session.pop("receipt", None)
    session.pop("grants", None)
    flash(_("已收起。这台机器上不再显示您的回执号和查询码。"))
    return redirect(address_of("portal.home"), 303)


def _unstored(page: str) -> Response:
    response = current_app.make_response(page)
    response.headers["Cache-Control"] = "no-store"
    return response


# Progress, by receipt and code.


def _grant(receipt: str, code: str) -> None:
    session.permanent = True
    grants = dict(session.get("grants", {}))
    grants.pop(receipt, None)
    grants[receipt] = code
    session["grants"] = dict(list(grants.items())[-_MOST_GRANTS:])


def _code_of(receipt: str) -> str:
    """Return the code this browser has shown for the receipt; NotFound sends the person to ask again."""
    code = session.get("grants", {}).get(receipt)
    if code is None:
        raise errors.NotFound("receipt", receipt)
    return code


@blueprint.route("/progress", methods=["GET", "POST"])
def progress() -> Any:
    """Ask for receipt and code."""
    if request.method == "GET":
        return render_template("portal/progress.html", receipt=request.args.get("receipt", ""))
    asked, code = request.form.get("receipt", "").strip(), request.form.get("code", "").strip()
    blank = left_blank(asked, code)
    if blank:
        return render_template("portal/progress.html", receipt=asked, code=code, blank=blank), 422
    try:
        found = engine().history.progress(asked, code=code)
    except errors.NotFound:
        problem, remedy, status = _("没有找到这件事。"), _("请核对回执号和查询码，两样都要对。"), 404
    except errors.Refused as error:
        problem, remedy, status = _("试的次数太多，先停一停。"), retold(error.remedy), 429
    else:
        _grant(found.receipt, code)
        return redirect(address_of("portal.matter", receipt=found.receipt), 303)
    return render_template("portal/progress.html", receipt=asked, problem=problem, remedy=remedy), status


def left_blank(receipt: str, code: str) -> dict[str, str]:
    """Say which of the two that are looked up with has not been filled in."""
    wanted = {"receipt": (receipt, _("请填回执号。")), "code": (code, _("请填查询码。"))}
    return {name: sentence for name, (typed, sentence) in wanted.items() if not typed}


@blueprint.get("/progress/<receipt>")
def matter(receipt: str) -> Any:
    """Show how far a matter has come."""
    if receipt not in session.get("grants", {}):
        return redirect(address_of("portal.progress", receipt=receipt))
    return _matter_page(receipt)


def _matter_page(receipt: str, problem: str = "", status: int = 200) -> tuple[Response, int]:
    code = _code_of(receipt)
    found = engine().history.progress(receipt, code=code, call=request.args.get("call"))
    _enter(found.unit.id)
    told = engine().history.messages_to_applicant(receipt, code=code)
    page = render_template(
        "portal/matter.html",
        progress=found,
        messages=told,
        waits=_waits(found.steps),
        problem=problem,
        note=request.form.get("note", ""),
        accept=SUPPLEMENT,
    )
    return _unstored(page), status


def _waits(steps: Iterable[Any]) -> bool:
    return any(step.state in ("now", "late") for step in steps)


@blueprint.post("/progress/<receipt>/supplement")
def supplement(receipt: str) -> Any:
    """Add the papers that were asked for."""
    code = _code_of(receipt)
    files = forms.uploads(request.files, None, SUPPLEMENT)
    note = request.form.get("note", "").strip()
    if not files and not note:
        return _matter_page(receipt, _("请选照片或文件，或者写几句说明。"), 422)
    try:
        following = engine().runtime.correlate(receipt, message="supplement", code=code, note=note, files=files)
    except errors.InvalidFile as error:
        return _matter_page(receipt, of_file(error), error.status)
    except errors.Conflict:
        return _moved_on(receipt)
    flash(_("材料已补上，交给%(next)s。", next=_("、").join(following)) if following else _("材料已补上。"))
    return redirect(address_of("portal.matter", receipt=receipt), 303)


@blueprint.post("/progress/<receipt>/remind")
def remind(receipt: str) -> Response:
    """催一催, once a day."""
    engine().tasks.remind_by_applicant(receipt, code=_code_of(receipt))
    flash(_("已催。村干部和镇里都能看到。"))
    return redirect(address_of("portal.matter", receipt=receipt), 303)


@blueprint.route("/progress/<receipt>/withdraw", methods=["GET", "POST"])
def withdraw(receipt: str) -> Any:
    """Ask, then withdraw the request: it cannot be undone."""
    code = _code_of(receipt)
    if request.method == "GET":
        found = engine().history.progress(receipt, code=code)
        _enter(found.unit.id)
        return _unstored(render_template("portal/withdraw.html", progress=found))
    try:
        engine().runtime.correlate(receipt, message="withdraw", code=code)
    except errors.Conflict:
        return _moved_on(receipt)
    flash(_("申请已撤回。"))
    return redirect(address_of("portal.matter", receipt=receipt), 303)


def _moved_on(receipt: str) -> Response:
    """Show where the matter stands: what was asked for is not possible any more."""
    flash(_("没有办成：这件事已经往前走了，现在是这样。"))
    return redirect(address_of("portal.matter", receipt=receipt), 303)


@blueprint.get("/progress/<receipt>/documents/<document_id>")
def document(receipt: str, document_id: str) -> Response:
    """Hand out a document that was made for the applicant."""
    title, content = engine().history.document(document_id, receipt=receipt, code=_code_of(receipt))
    response = send_file(BytesIO(content), "application/pdf", as_attachment=True, download_name=f"{title}.pdf")
    response.headers["Cache-Control"] = "private, no-store"
    return response
