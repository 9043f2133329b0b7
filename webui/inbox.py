"""What a cadre does: the inbox, the task page, starting a matter, registers, diary."""

from __future__ import annotations

from datetime import date, timedelta
from io import BytesIO

from flask import Blueprint, Response, abort, flash, g, redirect, render_template, request, send_file, session, url_for
from flask_babel import gettext as _

from engine import errors
from engine.views import TaskCard
from webui import auth, forms, task_form, words
from webui.current import engine
from webui.forms import FieldView, OptionView
from webui.retold import of_file

blueprint = Blueprint("inbox", __name__)


@blueprint.get("/tasks")
@auth.required()
def inbox() -> str:
    """Show what waits for the person, most urgent first."""
    session.pop("started", None)
    return render_template("inbox/inbox.html", inbox=engine().tasks.inbox(by=g.actor.person_id))


@blueprint.route("/tasks/<task_id>", methods=["GET", "POST"])
@auth.required()
def task(task_id: str):
    """Show one task; a POST completes it."""
    if request.method == "POST":
        return task_form.complete(task_id)
    return task_form.show(task_id)


@blueprint.get("/tasks/<task_id>/done")
@auth.required()
def done(task_id: str):
    """Say where the matter has gone; reloading this page does nothing."""
    told = session.get("done")
    if not told or told["task"] != task_id:
        return redirect(url_for("inbox.inbox"))
    own = _own()
    follow = _next_of(told["receipt"], own) or next(iter(own), None)
    ended = told["finished"] or told["refused"]
    waits = () if told["next"] or ended else engine().history.trace(told["receipt"], by=g.actor.person_id).stops
    return render_template("inbox/done.html", done=told, waits=waits, follow=follow, left=len(own))


def _own() -> tuple[TaskCard, ...]:
    """Return what the person has to do, most urgent first."""
    inbox = engine().tasks.inbox(by=g.actor.person_id)
    return inbox.overdue + inbox.today + inbox.later


def _next_of(receipt: str, own: tuple[TaskCard, ...]) -> TaskCard | None:
    """Return the task with which the person goes on with the same matter."""
    return next((task for task in own if task.receipt == receipt), None)


@blueprint.post("/tasks/<task_id>/draft")
@auth.required()
def draft(task_id: str):
    """Keep what was typed; go back to the task, or on to the page that was asked for."""
    form = engine().tasks.open(task_id, by=g.actor.person_id).form
    refused = task_form.keep(task_id, form)
    if request.accept_mimetypes.best_match(("text/html", "application/json")) == "application/json":
        return {"saved_at": words.time_of_day(engine().clock.now()), "refused": refused}
    if refused:
        return task_form.show(task_id, refused, status=422)
    onward = request.form.get("then")
    if onward in ("delegate", "recuse"):
        return redirect(url_for(f"inbox.{onward}", task_id=task_id), 303)
    acted_on = request.form.get(task_form.ACTED_ON) or None
    anchor = "ballot" if onward == "tally" else "do"
    return redirect(url_for("inbox.task", task_id=task_id, acted_on=acted_on, _anchor=anchor), 303)


@blueprint.post("/tasks/<task_id>/tally")
@auth.required()
def tally(task_id: str) -> str:
    """Say what the figures on the screen come to; nothing is kept."""
    form = engine().tasks.form(task_id)
    view = engine().tasks.open(task_id, by=g.actor.person_id, typed=forms.raw(request.form, form))
    if view.ballot is None:
        raise errors.NotFound("待办", task_id)
    return render_template("inbox/ballot.html", ballot=view.ballot, task_id=task_id)


@blueprint.post("/tasks/<task_id>/claim")
@auth.required()
def claim(task_id: str):
    """Take a task that several persons of the post may do."""
    engine().tasks.claim(task_id, by=g.actor.person_id)
    return redirect(url_for("inbox.task", task_id=task_id), 303)


@blueprint.route("/tasks/<task_id>/delegate", methods=["GET", "POST"])
@auth.required()
def delegate(task_id: str):
    """Hand the task to another holder of the post."""
    view = engine().tasks.open(task_id, by=g.actor.person_id)
    problems = {}
    if request.method == "POST":
        to, reason = request.form.get("to", ""), request.form.get("reason", "").strip()
        names = {choice.value: choice.label for choice in view.delegates}
        if to not in names:
            problems["to"] = _("请选一个人。")
        if not reason:
            problems["reason"] = _("请写明原因。")
        if not problems:
            engine().tasks.delegate(task_id, by=g.actor.person_id, to=to, reason=reason)
            flash(_("〈%(step)s〉已交给 %(name)s。", step=view.card.step, name=names[to]))
            return redirect(url_for("inbox.inbox"), 303)
    label = _("为什么由他办") if view.blocked else _("为什么转办")
    fields = {"to": _delegate_field(view, problems), "reason": _reason_field(label, problems)}
    return render_template("inbox/delegate.html", view=view, fields=fields, problems=problems), 422 if problems else 200


def _delegate_field(view, problems) -> FieldView:
    chosen = request.form.get("to", "")
    options = tuple(OptionView(c.value, c.label, checked=c.value == chosen) for c in view.delegates)
    return FieldView("to", "radio", _("交给谁"), error=problems.get("to", ""), options=options)


def _reason_field(label: str, problems, hint: str = "") -> FieldView:
    value = request.form.get("reason", "")
    return FieldView("reason", "textarea", label, hint=hint, error=problems.get("reason", ""), value=value)


@blueprint.route("/tasks/<task_id>/recuse", methods=["GET", "POST"])
@auth.required()
def recuse(task_id: str):
    """Withdraw from the task because of kinship or interest; it cannot be taken back."""
    view = engine().tasks.open(task_id, by=g.actor.person_id)
    problems = {}
    if request.method == "POST":
        reason = request.form.get("reason", "").strip()
        if reason:
            engine().tasks.recuse(task_id, by=g.actor.person_id, reason=reason)
            flash(_("您已回避〈%(step)s〉，按岗位顺序交给下一个人。", step=view.card.step))
            return redirect(url_for("inbox.inbox"), 303)
        problems["reason"] = _("请写为什么回避。")
    reason = _reason_field(_("为什么回避"), problems, _("写明和谁是什么关系，记入行权日志"))
    return render_template("inbox/recuse.html", view=view, reason=reason, problems=problems), 422 if problems else 200


@blueprint.get("/start")
@auth.required()
def start() -> str:
    """List the items of the power list that the person's posts have a hand in."""
    session.pop("started", None)
    units = {post.unit.id: post.unit for post in g.actor.posts}
    groups = [(unit, _startable(unit)) for unit in units.values()]
    return render_template("inbox/start.html", groups=[group for group in groups if group[1]])


def _startable(unit) -> list:
    lanes = {post.lane for post in g.actor.posts if post.unit.id == unit.id}
    items = engine().repository.items(unit_id=unit.id)
    # What has no form to start with is started by time or by another matter.
    asked = [item for item in items if item.facts.start_form and item.facts.level == unit.level]
    return [item for item in asked if lanes & set(item.starting_lanes)]


@blueprint.route("/start/<item_id>", methods=["GET", "POST"])
@auth.required()
def start_item(item_id: str):
    """Start a matter, for a villager at the counter or from the post itself."""
    item = engine().repository.item(item_id)
    if not item.facts.start_form:
        raise errors.NotFound("item", item_id)
    unit = _unit_of(item)
    if request.method == "GET":
        return _start_page(item, unit)
    form = engine().repository.start_form(item_id)
    try:
        started = engine().runtime.start(
            item_id,
            unit_id=unit.id,
            data=forms.raw(request.form, form),
            files=forms.uploads(request.files, form),
            by=g.actor.person_id,
            form_token=request.form.get("form_token", ""),
        )
    except errors.InvalidForm as error:
        return _start_page(item, unit, error.fields, status=422)
    except errors.InvalidFile as error:
        return _start_page(item, unit, {_first_file(form): of_file(error)}, status=error.status)
    except errors.Refused as error:
        return _start_page(item, unit, refused=error, status=422)
    session["started"] = {
        "token": request.form.get("form_token", ""),
        "receipt": started.receipt,
        "code": started.code,
        "item": item.name,
        "unit": unit.name,
        "phone": unit.service_phone,
        "next": list(started.next_steps),
        "refused": started.refused,
    }
    return redirect(url_for("inbox.receipt", receipt=started.receipt), 303)


def _unit_of(item):
    """Choose the unit the matter belongs to: the one asked for among the person's own."""
    units = {post.unit.id: post.unit for post in g.actor.posts if post.unit.level == item.facts.level}
    if not units:
        raise errors.NotAllowed(_("您的岗位不在办这类事的单位。"))
    return units.get(request.values.get("unit", ""), next(iter(units.values())))


def _first_file(form) -> str:
    return next((field.key for field in form.fields if field.type == "filepicker"), task_form.EXTRA)


def _start_page(item, unit, problems=None, refused=None, status: int = 200):
    form = engine().repository.start_form(item.id)
    problems = problems or {}
    again = request.method == "POST"
    shown = forms.form_view(
        form,
        submitted=forms.raw(request.form, form) if again else None,
        errors=problems,
        files_lost=bool(again and forms.uploads(request.files, form)),
    )
    page = render_template(
        "inbox/start_item.html",
        item=item,
        unit=unit,
        form=shown,
        problems=problems,
        labels=task_form.labels(form),
        refused=refused,
        form_token=task_form.form_token(),
    )
    return page, status


@blueprint.get("/start/receipt/<receipt>")
@auth.required()
def receipt(receipt: str):
    """Show receipt and code to hand over; gone once the clerk goes on."""
    started = session.get("started")
    if not started or started["receipt"] != receipt:
        return redirect(url_for("trace.matter", receipt=receipt))
    return render_template("inbox/receipt.html", started=started, follow=_next_of(receipt, _own()))


@blueprint.get("/matters")
@auth.required()
def matters() -> str:
    """List the matters the person had a hand in."""
    rows = engine().history.mine(by=g.actor.person_id)
    running = [row for row in rows if row.state in ("open", "suspended")]
    ended = [row for row in rows if row.state not in ("open", "suspended")]
    return render_template("inbox/matters.html", running=running, ended=ended)


@blueprint.get("/attachments/<attachment_id>")
@auth.required()
def attachment(attachment_id: str) -> Response:
    """Hand out a paper as it was given, always as a download."""
    name, media_type, content = engine().history.attachment(attachment_id, by=g.actor.person_id)
    return _guarded(send_file(BytesIO(content), media_type, as_attachment=True, download_name=name))


@blueprint.get("/attachments/<attachment_id>/preview")
@auth.required()
def preview(attachment_id: str) -> Response:
    """Show the small picture the engine drew anew from the paper."""
    content = engine().history.preview(attachment_id, by=g.actor.person_id)
    return _guarded(send_file(BytesIO(content), "image/jpeg"))


def _guarded(response: Response) -> Response:
    """Keep the browser from guessing the type, running anything or storing personal papers."""
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.headers["Cache-Control"] = "private, no-store"
    return response


@blueprint.get("/registers")
@auth.required()
def registers() -> str:
    """List the ledgers the person may read."""
    return render_template("inbox/registers.html", registers=engine().registers.list(by=g.actor.person_id))


@blueprint.get("/registers/<code>")
@auth.required()
def register(code: str) -> str:
    """Show one ledger, newest entry first as the engine gives it."""
    unit_id = request.args.get("unit") or None
    ledger = engine().registers.entries(code, by=g.actor.person_id, unit_id=unit_id)
    return render_template("inbox/register.html", register=ledger)


@blueprint.get("/diary")
@auth.required()
def diary() -> str:
    """Show the diary of one day, made of the steps completed on it."""
    today = engine().clock.today()
    day = _day_asked(today)
    person_id = request.args.get("person") or None
    lines = engine().history.diary(by=g.actor.person_id, day=day, person_id=person_id)
    return render_template(
        "inbox/diary.html",
        day=day,
        today=today,
        before=day - timedelta(days=1),
        after=day + timedelta(days=1) if day < today else None,
        lines=lines,
        person_id=person_id,
    )


def _day_asked(today: date) -> date:
    text = request.args.get("day", "")
    if not text:
        return today
    try:
        return min(max(date.fromisoformat(text), date(2000, 1, 1)), today)
    except ValueError:
        abort(404)


@blueprint.get("/notifications")
@auth.required()
def notifications() -> str:
    """Show what the system told the person; what was new is marked once, then it is read."""
    told = engine().history.notifications(by=g.actor.person_id)
    if any(not each.seen for each in told):
        engine().history.mark_seen(by=g.actor.person_id)
    return render_template("inbox/notifications.html", notifications=told)
