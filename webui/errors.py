"""What a person reads when something is refused: one table from exception class to status and sentences."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from flask import Flask, current_app, g, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import BadRequest, HTTPException, InternalServerError, RequestEntityTooLarge
from werkzeug.wrappers import Response

from engine import errors
from engine.model import Finding
from webui.auth import ask_to_sign_in, home_of, local_path
from webui.frame import PUBLIC
from webui.retold import retold

#: seconds after which a page that could not be had is worth asking for again
TRY_AGAIN = 30


class WrongHost(BadRequest):
    """The demo county was asked for under a name that is not this machine."""


@dataclass(frozen=True)
class Sentence:
    """Status, headline and the three rows 原因, 依据, 怎么办."""

    status: int
    headline: str
    reason: str = ""
    basis: str = ""
    remedy: str = ""
    #: further lines, one a problem
    problems: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = field(default=())


def _refused(error: errors.Refused) -> Sentence:
    reason, basis, remedy = retold(error.reason), retold(error.basis), retold(error.remedy)
    if error.code == "too_many_tries":
        return Sentence(429, _("试的次数太多，先停一停。"), reason, basis, remedy)
    return Sentence(422, reason, "", basis, remedy)


def _not_allowed(error: errors.NotAllowed) -> Sentence:
    return Sentence(403, _("这一步不归您办。"), error.reason, "", error.instead)


def _not_found(error: Exception) -> Sentence:
    return Sentence(
        404, _("没有找到。"), _("地址不对，或者已经不在了。"), "", _("核对回执号和查询码，或从首页重新进入。")
    )


def _conflict(error: errors.Conflict) -> Sentence:
    return Sentence(
        409, _("这件事刚刚被别人办了。"), _("您打开以后，这件事又往前走了。"), "", _("请看最新进度，再决定要不要办。")
    )


def _invalid_form(error: errors.InvalidForm) -> Sentence:
    count = len(error.fields)
    headline = ngettext("还差 %(num)d 处，没有办成。", "还差 %(num)d 处，没有办成。", count)
    return Sentence(422, headline, remedy=_("返回上一页改好再办。"), problems=tuple(map(retold, error.fields.values())))


def _invalid_process(error: errors.InvalidProcess) -> Sentence:
    wrong = tuple(finding for finding in error.findings if finding.severity == "error")
    headline = ngettext("还不能起用：有 %(num)d 处错误。", "还不能起用：有 %(num)d 处错误。", len(wrong))
    return Sentence(422, headline, findings=wrong)


def _invalid_file(error: errors.InvalidFile) -> Sentence:
    return Sentence(error.status, _("没传上。"), retold(error.reason), "", retold(error.remedy))


def _too_large(error: RequestEntityTooLarge) -> Sentence:
    most = current_app.config["MAX_CONTENT_LENGTH"] // (1024 * 1024)
    return Sentence(
        413,
        _("没传上：一次最多 %(most)s MB。", most=most),
        _("几份材料加起来太大。"),
        "",
        _("返回上一页，改小或分几次再传。"),
    )


def _csrf(error: CSRFError) -> Sentence:
    return Sentence(
        400, _("没有办成：这一页放得太久了。"), _("为了安全，旧的页面不能再用。"), "", _("返回上一页，刷新以后再办。")
    )


def _wrong_host(error: WrongHost) -> Sentence:
    return Sentence(
        400, _("示范县只能在本机打开。"), _("地址里的主机名不是本机。"), "", _("请用 http://127.0.0.1 打开。")
    )


def _other(error: HTTPException) -> Sentence:
    status = error.code or 500
    return Sentence(status, _("这样不行，没有办成。"), _("浏览器送来的内容看不懂。"), "", _("从首页重新进入。"))


_TABLE: dict[type[Exception] | int, Callable[..., Sentence]] = {
    errors.Refused: _refused,
    errors.NotAllowed: _not_allowed,
    errors.NotFound: _not_found,
    errors.Conflict: _conflict,
    errors.InvalidForm: _invalid_form,
    errors.InvalidProcess: _invalid_process,
    errors.InvalidFile: _invalid_file,
    RequestEntityTooLarge: _too_large,
    WrongHost: _wrong_host,
    404: _not_found,
    HTTPException: _other,
}


def install(app: Flask) -> None:
    """Answer every refusal with a page of the table, and a fault with its number."""
    for kind, sentence in _TABLE.items():
        app.register_error_handler(kind, _page(sentence))
    app.register_error_handler(CSRFError, _missing_token)
    app.register_error_handler(errors.Unavailable, _unavailable)
    app.register_error_handler(InternalServerError, _fault)


def _page(sentence: Callable[..., Sentence]) -> Callable[[Exception], tuple[str, int]]:
    def answer(error: Exception) -> tuple[str, int]:
        made = sentence(error)
        return render_template("error.html", sentence=made, back=_back()), made.status

    return answer


def _missing_token(error: CSRFError) -> tuple[str, int] | Response:
    """A session that has ended takes the token of the page with it: then signing in is what helps."""
    needs_account = request.blueprint not in (*PUBLIC, "auth", "demo")
    if needs_account and g.get("actor") is None:
        return ask_to_sign_in()
    return _page(_csrf)(error)


def _back() -> str:
    """Return the page the person came from, or where he begins."""
    referrer = request.referrer or ""
    if referrer.startswith(request.host_url):
        path = local_path("/" + referrer.removeprefix(request.host_url))
        if path and path != request.full_path.rstrip("?"):
            return path
    return home_of(g.actor) if g.get("actor") else url_for("portal.home")


def _fault(error: InternalServerError) -> tuple[str, int]:
    # The template of a fault asks the engine nothing: it may be what failed.
    number = secrets.token_hex(4)
    current_app.logger.error("fault %s at %s %s", number, request.method, request.path)
    remedy = _("存过的草稿还在，过一会儿再试。急事先在纸上办，之后补录。")
    sentence = Sentence(500, _("系统出错，没有办成。"), _("错误号 %(number)s，已记下。", number=number), "", remedy)
    return render_template("fault.html", sentence=sentence), 500


def _unavailable(error: errors.Unavailable) -> tuple[str, int, dict[str, str]]:
    current_app.logger.error("unavailable (%s) at %s %s: %s", error.cause, request.method, request.path, error)
    headline, reason = _causes().get(error.cause, _causes()["gone"])
    remedy = _("办成了的不会丢，再送一次也不会办两次。过一会儿再试；急事先在纸上办，之后补录。")
    sentence = Sentence(503, headline, reason, "", remedy)
    return render_template("fault.html", sentence=sentence), 503, {"Retry-After": str(TRY_AGAIN)}


def _causes() -> dict[str, tuple[str, str]]:
    """Return headline and reason for each cause of :class:`engine.errors.Unavailable`."""
    return {
        "gone": (_("系统暂时连不上。"), _("存数据的地方连不上，管理员修好就能接着用。")),
        "busy": (_("系统太忙，这一下没有办成。"), _("等了一会儿，还是轮不到。")),
        "full": (_("系统存满了，这一下没有办成。"), _("磁盘没有空位，请告诉系统管理员。")),
        "newer": (_("系统正在更新。"), _("数据已经是新的版本，这个程序还是旧的。")),
    }
