"""The form of a task in the web: shown, kept as draft, completed, shown again with what is wrong."""

from __future__ import annotations

import secrets
from datetime import date

from flask import g, redirect, render_template, request, session, url_for
from flask_babel import gettext as _

from engine import errors, views
from webui import forms, words
from webui.current import engine
from webui.forms import FieldView
from webui.retold import of_file

#: form keys that belong to the page, not to the form of the step
ACTED_ON = "acted_on"
EXTRA = "extra_material"
#: the first of the figures of a vote that must agree
FIGURES = "vote.yes"


def show(task_id: str, problems: dict[str, str] | None = None, refused=None, status: int = 200):
    """Show the task; after a POST with what was sent, with ``problems`` at the fields and a refusal on top."""
    view = engine().tasks.open(task_id, by=g.actor.person_id)
    problems = _with_figures(view, problems or {})
    submitted = forms.raw(request.form, view.form) if request.method == "POST" else None
    form = view.form and forms.form_view(
        view.form,
        values=view.values,
        submitted=submitted,
        errors=problems,
        choices=view.choices,
        attachments=_of_this_task(view),
    )
    page = render_template(
        "inbox/task.html",
        view=view,
        form=form,
        refused=refused,
        problems=problems,
        labels=labels(view.form),
        missing=_missing(view),
        form_token=form_token(),
        acted_on=_acted_on_field(view, problems),
        extra=FieldView(EXTRA, "file", _("＋ 补充材料"), error=problems.get(EXTRA, "")),
    )
    return page, status


def _with_figures(view, problems: dict[str, str]) -> dict[str, str]:
    """Name figures that contradict each other among whatever else is wrong: they would be refused next."""
    if not problems or view.ballot is None or not view.ballot.problem or FIGURES not in labels(view.form):
        return problems
    return {FIGURES: f"{view.ballot.problem}。"} | problems


def form_token() -> str:
    """Return the token of this one form: a second tap on its button is known by it."""
    return request.form.get("form_token") or secrets.token_urlsafe(16)


def labels(form) -> dict[str, str]:
    """Name every control of the page, for the error summary."""
    own = {field.key: field.label for field in form.fields} if form else {}
    return own | {ACTED_ON: _("实际办理日期"), EXTRA: _("补充材料")}


def _acted_on_field(view, problems) -> FieldView:
    hint = _("期限仍按记入的时间算，两个日期都会显示。")
    if view.earliest_on:
        hint = _("不早于 %(day)s，不晚于今天。", day=words.day(view.earliest_on, engine().clock.today())) + hint
    value = request.values.get(ACTED_ON, "")
    return FieldView(
        ACTED_ON, "date", _("实际办理日期"), hint=hint, error=problems.get(ACTED_ON, ""), value=value, short=True
    )


def _missing(view) -> list[str]:
    """Name the required papers of this step that nobody has given yet."""
    wanted = {m.kind: m.name for m in view.activity.materials if m.required and m.keep == "copy" and m.kind}
    asked = {field.key: field.label for field in (view.form.fields if view.form else ()) if field.type == "filepicker"}
    required = {field.key for field in (view.form.fields if view.form else ()) if field.required}
    # What the form asks for is given anew each time the step comes round; the rest may have come with an earlier one.
    now, ever = _fields(_of_this_task(view)), _fields(view.attachments)
    there = {key for key in {*wanted, *asked} if key in (now if key in asked else ever)}
    wanted |= {key: label for key, label in asked.items() if key in required}
    return [name for key, name in wanted.items() if key not in there]


def _of_this_task(view) -> tuple[views.Attachment, ...]:
    return tuple(each for each in view.attachments if each.task_id == view.card.id)


def _fields(attachments) -> set[str]:
    return {each.field for each in attachments}


def complete(task_id: str):
    """Complete the task with what was sent; whatever stands in the way, nothing that was typed is lost."""
    form = _form_of(task_id)
    try:
        question = _question(form)
        if question:
            blank = _left_blank(form)
            if blank:
                return show(task_id, blank | keep(task_id, form), status=422)
            return _ask(task_id, form, question)
        done = _act(task_id, form)
    except errors.InvalidForm as error:
        return show(task_id, error.fields | keep(task_id, form), status=422)
    except errors.InvalidFile as error:
        problems = keep(task_id, form) or {EXTRA: of_file(error)}
        return show(task_id, problems, status=error.status)
    except errors.Refused as error:
        return show(task_id, keep(task_id, form), refused=error, status=422)
    except errors.NotAllowed as error:
        # Barred by what was just filled in (the applicant is a relative): the task is still open, the draft is kept.
        problems = keep(task_id, form)
        return show(task_id, problems, views.Refusal("", error.reason, "", error.instead), status=403)
    except errors.Conflict:
        return _overtaken(task_id, form)
    session["done"] = {
        "task": task_id,
        "receipt": done.receipt,
        "step": done.step,
        "next": list(done.next_steps),
        "finished": done.finished,
        "refused": done.refused,
    }
    return redirect(url_for("inbox.done", task_id=task_id), 303)


def _form_of(task_id: str):
    """Return the form of the step; None when it is over, and completing will say how."""
    try:
        return engine().tasks.form(task_id)
    except (errors.Conflict, errors.NotFound):
        return None


def _act(task_id: str, form) -> views.Done:
    return engine().tasks.complete(
        task_id,
        by=g.actor.person_id,
        data=forms.raw(request.form, form),
        files=_papers(form),
        form_token=request.form.get("form_token", ""),
        acted_on=_acted_on(),
    )


def _papers(form) -> dict[str, list]:
    """Return the files sent by field; those given besides belong to no field."""
    given = forms.uploads(request.files, form, EXTRA)
    return {"" if field == EXTRA else field: uploads for field, uploads in given.items()}


def _question(form):
    """Return (choice, sentence) when what was chosen cannot be undone and has not been confirmed yet."""
    if form is None or request.form.get("confirmed"):
        return None
    for field in form.fields:
        chosen = request.form.get(field.key, "")
        sentence = field.properties.get(f"confirm.{chosen}") if chosen else None
        if sentence:
            return next((option for option in field.options if option.value == chosen), None), sentence
    return None


def _left_blank(form) -> dict[str, str]:
    """Say which fields are still blank: nobody is asked whether he is sure of half an answer."""
    sent, own = forms.raw(request.form, form), {field.key.partition(".")[0] for field in form.fields}
    # What a field that depends on the matter needs is known to the engine only, which looks at everything again.
    plain = {field.key for field in form.fields if field.hide is None or field.hide.names <= own}
    try:
        form.clean(sent, {})
    except errors.InvalidForm as error:
        return {key: text for key, text in error.fields.items() if key in plain and key in sent and not sent[key]}
    return {}


def _ask(task_id: str, form, question):
    """Keep everything and ask on a page of its own; what was typed is sent again from there."""
    refused = keep(task_id, form)
    if refused:
        return show(task_id, refused, status=422)
    card = engine().tasks.open(task_id, by=g.actor.person_id).card
    return render_template(
        "inbox/confirm.html",
        task_id=task_id,
        card=card,
        question=question,
        written=_written(task_id, form),
        sent=_sent_pairs(),
    )


def _written(task_id: str, form) -> list[tuple[str, str]]:
    """Return what was written, label by label, without what belongs to choices that were not made."""
    read = _as_read(task_id, form)
    try:
        kept = {label for label, _text, _field in form.display(form.clean(forms.raw(request.form, form), {}))}
    except errors.InvalidForm:
        # What needs the matter is known to the engine only: then everything that was written is shown.
        return read
    return [(label, text) for label, text in read if label in kept]


def _sent_pairs() -> list[tuple[str, str]]:
    """List what was sent, field by field, to be sent again from the page that asks."""
    return [(key, value) for key in request.form for value in request.form.getlist(key) if key != "csrf_token"]


def _acted_on() -> date | None:
    text = request.form.get(ACTED_ON, "").strip()
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise errors.InvalidForm({ACTED_ON: _("日期写成 2026-11-19 这样。")}) from error


def keep(task_id: str, form) -> dict[str, str]:
    """Keep what was typed as draft, with every file that can be taken; say field by field which cannot."""
    by, refused = g.actor.person_id, {}
    for field, uploads in _papers(form).items():
        for upload in uploads:
            upload.stream.seek(0)
            try:
                engine().tasks.attach(task_id, by=by, field=field, upload=upload)
            except errors.InvalidFile as error:
                refused[field or EXTRA] = of_file(error)
    engine().tasks.save_draft(task_id, by=by, data=forms.raw(request.form, form))
    return refused


def _overtaken(task_id: str, form):
    """Somebody else was first: keep what was typed and show it."""
    try:
        keep(task_id, form)
    except errors.EngineError:
        kept = False  # the task is over, so a draft has no place: the page itself shows what was typed
    else:
        kept = True
    typed = _as_read(task_id, form)
    receipt = request.form.get("receipt", "")
    return render_template("inbox/conflict.html", kept=kept, typed=typed, receipt=receipt), 409


def _as_read(task_id: str, form) -> list[tuple[str, str]]:
    """Return what was sent, label by label, in the words the person chose from."""
    choices = {}
    try:
        view = engine().tasks.open(task_id, by=g.actor.person_id)
        # The form of a task that is over is shown by its page only.
        choices, form = view.choices, form or view.form
    except errors.EngineError:
        pass
    hidden = {"csrf_token", "form_token", "receipt", "confirmed"}
    said, fields = labels(form), {field.key: field for field in form.fields} if form else {}
    read = []
    for key, value in _sent_pairs():
        if key in hidden or not value.strip():
            continue
        field = fields.get(key)
        words_of = {option.value: option.label for option in (*choices.get(key, ()), *(field.options if field else ()))}
        if field and field.type == "checkbox":
            words_of = {"true": _("是")}
        # The id of a person says nothing to anybody.
        if value in words_of or not (field and field.source):
            read.append((said.get(key, key), words_of.get(value, value)))
    return read
