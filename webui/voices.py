"""The public pages where people read notices and speak up: objections, suggestions, the answers. No account needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, current_app, g, render_template, request, url_for
from flask_babel import gettext as _

from engine import errors
from engine.views import Unit
from webui import forms, portal
from webui.current import engine
from webui.retold import retold

if TYPE_CHECKING:
    from engine.bpmn.forms.form import Form

blueprint = Blueprint("voices", __name__)


@blueprint.get("/villages/<unit_id>/notices")
def board(unit_id: str) -> str:
    """Show the notices of a village, those on show first."""
    _enter(unit_id)
    found = engine().disclosure.notices(unit_id)
    return render_template(
        "portal/notices.html",
        shown=[notice for notice in found if notice.state == "shown"],
        earlier=[notice for notice in found if notice.state != "shown"],
    )


@blueprint.get("/notices/<notice_id>")
def notice(notice_id: str) -> str:
    """Show one notice with its dates, channels and the answers given so far."""
    found = engine().disclosure.notice(notice_id)
    g.village = found.unit
    return render_template("portal/notice.html", notice=found)


def _enter(unit_id: str) -> Unit:
    unit = engine().identity.unit(unit_id)
    if unit.level != "village":
        raise errors.NotFound("unit", unit_id)
    g.village = unit
    return unit


@blueprint.route("/notices/<notice_id>/objection", methods=["GET", "POST"])
def objection(notice_id: str) -> Any:
    """Raise an objection; the village board checks who it is."""
    found = engine().disclosure.notice(notice_id)
    g.village = found.unit
    form = engine().disclosure.objection_form(notice_id)
    words = {
        "title": _("提异议：%(title)s", title=found.title),
        "say": _("写清哪一点不对，村监委核对您的身份以后处理，书面答复您。"),
        "act": _("提异议，领回执"),
        "small": _("您的姓名和电话只给村监委核对身份，不公开。"),
        "back": url_for("voices.notice", notice_id=notice_id),
        "back_to": _("看公示"),
    }

    def file(data: dict[str, list[str]], token: str) -> Any:
        return engine().disclosure.object(notice_id, data=data, address=request.remote_addr or "", form_token=token)

    return _speak(form, words, file)


@blueprint.route("/villages/<unit_id>/suggest", methods=["GET", "POST"])
def suggest(unit_id: str) -> Any:
    """The suggestion box: the monthly collection answers each."""
    _enter(unit_id)
    form = engine().disclosure.suggestion_form()
    words = {
        "title": _("建议箱"),
        "say": _("写一件您想让村里办的事，每个月收拢一次，每一条都有答复。"),
        "act": _("交上去，领回执"),
        "small": _("姓名和电话可以不写，写了也不公开。"),
        "back": url_for("portal.village", unit_id=unit_id),
        "back_to": g.village.name,
    }

    def file(data: dict[str, list[str]], token: str) -> Any:
        return engine().disclosure.suggest(unit_id, data=data, address=request.remote_addr or "", form_token=token)

    return _speak(form, words, file)


def _speak(form: Form, words: dict[str, str], file: Any) -> Any:
    if request.method == "GET":
        return _form_page(form, words)
    try:
        filed = file(forms.raw(request.form, form), request.form.get("form_token", ""))
    except errors.InvalidForm as error:
        return _form_page(form, words, problems=error.fields, status=422)
    except errors.Refused as error:
        return _form_page(form, words, refused=error, status=429 if error.code == "too_many_tries" else 422)
    return _unstored(render_template("portal/filed.html", filed=filed, words=words))


def _form_page(
    form: Form,
    words: dict[str, str],
    problems: dict[str, str] | None = None,
    refused: errors.Refused | None = None,
    status: int = 200,
) -> tuple[str, int]:
    submitted = forms.raw(request.form, form) if request.method == "POST" else None
    view = forms.form_view(form, submitted=submitted, errors=problems, autofill=True)
    token = request.form.get("form_token") or forms.new_token()
    page = render_template("portal/voice.html", form=view, words=words, refused=refused, form_token=token)
    return page, status


@blueprint.route("/answers", methods=["GET", "POST"])
def answer() -> Any:
    """Show the answer to an objection or a suggestion for its receipt and code."""
    asked, problem, remedy, status, found = request.values.get("receipt", "").strip(), "", "", 200, None
    code = request.form.get("code", "").strip()
    blank = portal.left_blank(asked, code) if request.method == "POST" else {}
    if blank:
        page = render_template("portal/answer.html", voice=None, receipt=asked, code=code, blank=blank)
        return _unstored(page), 422
    if request.method == "POST":
        try:
            found = engine().disclosure.answer(asked, code=code)
        except errors.NotFound:
            problem, remedy, status = _("没有找到。"), _("请核对回执号和查询码，两样都要对。"), 404
        except errors.Refused as error:
            problem, remedy, status = _("试的次数太多，先停一停。"), retold(error.remedy), 429
    page = render_template("portal/answer.html", voice=found, receipt=asked, problem=problem, remedy=remedy)
    return _unstored(page), status


def _unstored(page: str) -> Response:
    response = current_app.make_response(page)
    response.headers["Cache-Control"] = "no-store"
    return response
