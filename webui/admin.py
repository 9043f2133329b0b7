"""What an administrator does: people, their posts, their passwords, their substitutes."""

from __future__ import annotations

from datetime import date

from flask import Blueprint, flash, g, make_response, redirect, render_template, request, url_for
from flask_babel import gettext as _

from engine import errors
from webui import auth, words
from webui.current import engine
from webui.forms import FieldView, OptionView

blueprint = Blueprint("admin", __name__)


def _by() -> str:
    return g.actor.person_id


def _day(key: str, problems: dict[str, str], optional: bool = False) -> date | None:
    """Read a day from the form; note what is wrong with it."""
    text = request.form.get(key, "").strip()
    if not text and optional:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        problems[key] = _("日期写成 2026-11-19 这样。")
        return None


def _field(key: str, kind: str, label: str, problems: dict[str, str], *, value: str = "", **more) -> FieldView:
    """Build a field of this side's own small forms, with what was typed and what is wrong with it."""
    typed = request.form.get(key, value)
    return FieldView(key, kind, label, error=problems.get(key, ""), value=typed, short=kind == "date", **more)


def _unit_options(units) -> tuple[OptionView, ...]:
    return tuple(OptionView(unit.id, unit.name) for unit in units)


@blueprint.get("/admin")
@auth.required("administrator")
def people() -> str:
    """Search people by name, or list those of one unit."""
    return _people_page()


def _people_page(problems: dict[str, str] | None = None) -> str:
    query, unit_id = request.args.get("q", "").strip()[:100], request.args.get("unit", "")
    units = engine().identity.units()
    unit_id = unit_id if unit_id in {unit.id for unit in units} else ""
    fields = _fields_of_new_person(units, problems or {})
    return render_template(
        "admin/people.html",
        people=engine().identity.people(by=_by(), query=query, unit_id=unit_id or None),
        units=units,
        query=query,
        unit_id=unit_id,
        problems=problems or {},
        fields=fields,
        labels={field.key: field.label for field in fields},
    )


def _fields_of_new_person(units, problems: dict[str, str]) -> tuple[FieldView, ...]:
    login_hint = _("要登录的人才填；只在名册上的村民不填")
    return (
        _field("name", "text", _("姓名"), problems),
        _field("unit_id", "select", _("单位"), problems, options=_unit_options(units)),
        _field("group_name", "text", _("组"), problems, hint=_("村民写组，例如 3组"), optional=True),
        _field("phone", "text", _("电话"), problems, inputmode="tel", optional=True),
        _field("login", "text", _("登录名"), problems, hint=login_hint, optional=True),
    )


@blueprint.post("/admin/people")
@auth.required("administrator")
def add():
    """Add a person; posts and password come on the person's page."""
    names = ("name", "unit_id", "group_name", "phone", "login")
    typed = {key: request.form.get(key, "").strip() for key in names}
    problems = {}
    if not typed["name"]:
        problems["name"] = _("请写姓名。")
    if not typed["unit_id"]:
        problems["unit_id"] = _("请选单位。")
    try:
        if not problems:
            person = engine().identity.add_person(by=_by(), **typed)
            flash(_("已加 %(name)s。接着给他任职、发密码链接。", name=person.name))
            return redirect(url_for("admin.person", person_id=person.id), 303)
    except errors.InvalidForm as error:
        problems = error.fields
    return _people_page(problems), 422


@blueprint.get("/admin/people/<person_id>")
@auth.required("administrator")
def person(person_id: str):
    """Show a person with posts, account and substitute."""
    return _person_page(person_id)


def _person(person_id: str):
    for candidate in engine().identity.people(by=_by()):
        if candidate.id == person_id:
            return candidate
    raise errors.NotFound("person", person_id)


def _person_page(person_id: str, problems: dict[str, str] | None = None, refused=None):
    shown = _person(person_id)
    problems = problems or {}
    post_fields, substitute_fields = _post_fields(shown, problems), _substitute_fields(shown, problems)
    page = render_template(
        "admin/person.html",
        person=shown,
        post_fields=post_fields,
        substitute_fields=substitute_fields,
        labels={field.key: field.label for field in (*post_fields, *substitute_fields)},
        problems=problems,
        refused=refused,
    )
    return page, 422 if problems or refused else 200


def _post_fields(person, problems: dict[str, str]) -> tuple[FieldView, ...]:
    roles = tuple(OptionView(role.code, role.lane) for role in engine().identity.roles())
    units = _unit_options(engine().identity.units())
    return (
        _field("role", "select", _("岗位"), problems, options=roles),
        _field("unit_id", "select", _("单位"), problems, options=units, value=person.unit.id),
        _field("from_on", "date", _("从哪天起"), problems, value=engine().clock.today().isoformat()),
        _field("until_on", "date", _("到哪天止"), problems, hint=_("没有定就不填"), optional=True),
    )


def _substitute_fields(person, problems: dict[str, str]) -> tuple[FieldView, ...]:
    """Return the fields of a substitution; none when there is nobody to choose from."""
    colleagues = engine().identity.people(by=_by(), unit_id=person.unit.id)
    others = tuple(
        OptionView(other.id, f"{words.listed([post.lane for post in other.posts])} {other.name}".strip())
        for other in colleagues
        if other.id != person.id and other.has_account
    )
    if not others:
        return ()
    return (
        _field("substitute_id", "select", _("谁代班"), problems, options=others),
        _field("sub_from_on", "date", _("第一天"), problems, value=engine().clock.today().isoformat()),
        _field("sub_until_on", "date", _("最后一天"), problems),
    )


@blueprint.post("/admin/people/<person_id>/posts")
@auth.required("administrator")
def appoint(person_id: str):
    """Give the person a post from one day on."""
    problems: dict[str, str] = {}
    role, unit_id = request.form.get("role", ""), request.form.get("unit_id", "")
    from_on, until_on = _day("from_on", problems), _day("until_on", problems, optional=True)
    if not role:
        problems["role"] = _("请选岗位。")
    if not unit_id:
        problems["unit_id"] = _("请选单位。")
    if from_on and until_on and until_on < from_on:
        problems["until_on"] = _("到期日不能早于任职日。")
    if problems:
        return _person_page(person_id, problems)
    try:
        post = engine().identity.appoint(
            person_id, role=role, unit_id=unit_id, by=_by(), from_on=from_on, until_on=until_on
        )
    except errors.InvalidForm as error:
        return _person_page(person_id, error.fields)
    except errors.Refused as error:
        return _person_page(person_id, refused=error)
    flash(_("已任 %(unit)s %(lane)s。", unit=post.unit.name, lane=post.lane))
    return redirect(url_for("admin.person", person_id=person_id), 303)


@blueprint.route("/admin/people/<person_id>/posts/<post_id>/end", methods=["GET", "POST"])
@auth.required("administrator")
def end(person_id: str, post_id: str):
    """Ask for the last day, then end the post; the record of it stays."""
    shown = _person(person_id)
    post = next((post for post in shown.posts if post.id == post_id), None)
    if post is None:
        raise errors.NotFound("post", post_id)
    problems: dict[str, str] = {}
    if request.method == "POST":
        on = _day("on", problems)
        if on:
            engine().identity.end_appointment(post_id, by=_by(), on=on)
            flash(
                _("%(lane)s任期到 %(day)s为止，记录留着。", lane=post.lane, day=words.day(on, engine().clock.today()))
            )
            return redirect(url_for("admin.person", person_id=person_id), 303)
    last_day = _field("on", "date", _("最后一天"), problems, value=engine().clock.today().isoformat())
    page = render_template("admin/end.html", person=shown, post=post, last_day=last_day, problems=problems)
    return page, 422 if problems else 200


@blueprint.post("/admin/people/<person_id>/password-link")
@auth.required("administrator")
def password_link(person_id: str):
    """Make a one-time link for the person to choose a password; it is shown once and never stored here."""
    shown = _person(person_id)
    token = engine().identity.password_link(person_id, by=_by())
    link = url_for("auth.welcome", token=token, _external=True)
    response = make_response(render_template("admin/password_link.html", person=shown, link=link))
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.post("/admin/people/<person_id>/substitute")
@auth.required("administrator")
def substitute(person_id: str):
    """Let a colleague act for the person for some days."""
    problems: dict[str, str] = {}
    other = request.form.get("substitute_id", "")
    from_on, until_on = _day("sub_from_on", problems), _day("sub_until_on", problems)
    if not other:
        problems["substitute_id"] = _("请选代班的人。")
    if from_on and until_on and until_on < from_on:
        problems["sub_until_on"] = _("最后一天不能早于第一天。")
    if problems:
        return _person_page(person_id, problems)
    try:
        engine().identity.substitute(person_id, substitute_id=other, from_on=from_on, until_on=until_on, by=_by())
    except errors.InvalidForm as error:
        # The page has two forms with days in them.
        days = {"from_on": "sub_from_on", "until_on": "sub_until_on"}
        return _person_page(person_id, {days.get(key, key): text for key, text in error.fields.items()})
    except errors.Refused as error:
        return _person_page(person_id, refused=error)
    flash(
        _(
            "代班已设：%(a)s至%(b)s。代班人办的事，记明代谁办。",
            a=words.day(from_on, engine().clock.today()),
            b=words.day(until_on, engine().clock.today()),
        )
    )
    return redirect(url_for("admin.person", person_id=person_id), 303)
