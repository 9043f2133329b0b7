"""What the system could not do after several tries: listed for the administrator, tried again on demand."""

from __future__ import annotations

from flask import Blueprint, flash, g, redirect, render_template, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext

from webui import auth
from webui.current import engine

blueprint = Blueprint("incidents", __name__)

#: kind of a job → what it would have done
KINDS = {
    "picture.clean": lazy_gettext("处理照片"),
    "document.render": lazy_gettext("生成文书"),
    "timer": lazy_gettext("到时间推进一件事"),
    "limit": lazy_gettext("期限提醒和发牌"),
    "start.plan": lazy_gettext("安排定时发起"),
    "start": lazy_gettext("定时发起事项"),
}


@blueprint.get("/admin/incidents")
@auth.required("administrator")
def incidents() -> str:
    """List what was given up."""
    found = engine().jobs.incidents(by=g.actor.person_id)
    return render_template("admin/incidents.html", incidents=found, kinds=KINDS)


@blueprint.post("/admin/incidents/<job_id>/retry")
@auth.required("administrator")
def retry(job_id: str):
    """Let a job be tried again."""
    engine().jobs.retry(job_id, by=g.actor.person_id)
    flash(_("已排入后台，马上再试。"))
    return redirect(url_for("incidents.incidents"), 303)
