"""The board of stops 卡点看板: what is stuck over the villages, since when, and whom to call."""

from __future__ import annotations

from flask import Blueprint, g, render_template, request
from flask_babel import gettext as _
from flask_babel import lazy_gettext

from engine import views
from webui import auth
from webui.current import engine

blueprint = Blueprint("board", __name__)

#: choice of the filter → the states it shows
FILTERS = {
    "": views.BOARD_STATES,
    "late": ("red", "yellow"),
    "still": ("unmanned", "idle", "hold"),
}
FILTER_WORDS = {
    "": lazy_gettext("全部卡点"),
    "late": lazy_gettext("只看红牌、黄牌"),
    "still": lazy_gettext("没人办、没有期限和暂停的"),
}
#: state → shape of the pill and its word
PILLS = {
    "red": ("red", lazy_gettext("红牌")),
    "yellow": ("yellow", lazy_gettext("黄牌")),
    "unmanned": ("no", lazy_gettext("没人办")),
    "warn": ("warn", lazy_gettext("快到期")),
    "idle": ("", lazy_gettext("不动")),
    "hold": ("hold", lazy_gettext("暂停")),
}


@blueprint.get("/board")
@auth.required("supervisor")
def board() -> str:
    """Show every stop with its time against its limit; villages are never ranked."""
    found = engine().history.stuck(by=g.actor.person_id)
    only = request.args.get("only", "")
    only = only if only in FILTERS else ""
    return render_template(
        "board/board.html",
        board=found,
        say=_sentence(found),
        rows=[row for row in found.rows if row.state in FILTERS[only] or (only == "still" and row.unmanned)],
        only=only,
        filters=FILTER_WORDS,
        pills=PILLS,
        now=engine().clock.now(),
    )


def _sentence(board: views.Board) -> str:
    """在办 214 件，卡住 6 件：红牌 1，黄牌 3… 另有 2 件暂停计时。最久的停了 16 天。"""
    counts = {state: number for state, number in board.counts.items() if number}
    held = counts.pop("hold", 0)
    if counts:
        counted = _("，").join(f"{PILLS[state][1]} {number}" for state, number in counts.items())
        said = _("卡住 %(stuck)s 件：%(counted)s。", stuck=sum(counts.values()), counted=counted)
    else:
        said = _("没有卡住的。")
    said = _("在办 %(all)s 件，", all=board.open_matters) + said
    if held:
        said += _("另有 %(n)s 件暂停计时。", n=held)
    if board.longest_days:
        said += _("最久的停了 %(days)s 天。", days=board.longest_days)
    return said
