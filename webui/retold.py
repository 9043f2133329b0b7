"""What the engine and the forms say in Chinese, said again in the language of a public page; the record is Chinese."""

from __future__ import annotations

import re
from datetime import date

from flask_babel import get_locale, gettext, lazy_gettext

from engine.errors import InvalidFile
from webui.words import day

#: sentences with facts in them; one without is looked up in the catalogue as it stands
_TOLD = (
    # where a matter stands
    (r"办到第 (?P<number>\d+) 步〈(?P<step>.+)〉。", lazy_gettext("办到第 %(number)s 步〈%(step)s〉。")),
    (
        r"办到第 (?P<number>\d+) 步〈(?P<step>.+)〉，比规定晚了 (?P<days>\d+) 个工作日。",
        lazy_gettext("办到第 %(number)s 步〈%(step)s〉，比规定晚了 %(days)s 个工作日。"),
    ),
    (r"应于(?P<day>\d+月\d+日)前办结。", lazy_gettext("应于%(day)s前办结。")),
    # too often
    (
        r"从这里上网的人，一小时里已经提了 (?P<most>\d+) 条异议，最多收这些",
        lazy_gettext("从这里上网的人，一小时里已经提了 %(most)s 条异议，最多收这些"),
    ),
    (
        r"从这里上网的人，一小时里已经提了 (?P<most>\d+) 条建议，最多收这些",
        lazy_gettext("从这里上网的人，一小时里已经提了 %(most)s 条建议，最多收这些"),
    ),
    (
        r"(?P<day>\d+月\d+日) (?P<time>[\d:]+) 以后再提；等不及的，到村便民服务室当面说",
        lazy_gettext("%(day)s %(time)s 以后再提；等不及的，到村便民服务室当面说"),
    ),
    (
        r"(?P<day>\d+月\d+日) (?P<time>[\d:]+) 以后再提；等不及的，到村便民服务室（电话 (?P<phone>.+)）当面说",
        lazy_gettext("%(day)s %(time)s 以后再提；等不及的，到村便民服务室（电话 %(phone)s）当面说"),
    ),
    # a form that is not filled in as it should be
    (r"请填写“(?P<label>.+)”", lazy_gettext("请填写“%(label)s”")),
    (
        r"“(?P<label>.+)”最多 (?P<most>[\d,]+) 个字，现在有 (?P<count>[\d,]+) 个",
        lazy_gettext("“%(label)s”最多 %(most)s 个字，现在有 %(count)s 个"),
    ),
    (r"“(?P<label>.+)”至少 (?P<least>\d+) 个字", lazy_gettext("“%(label)s”至少 %(least)s 个字")),
    (r"“(?P<label>.+)”的写法不对，请核对", lazy_gettext("“%(label)s”的写法不对，请核对")),
    (r"“(?P<label>.+)”只能写一行", lazy_gettext("“%(label)s”只能写一行")),
    (
        r"“(?P<label>.+)”里有看不见的控制字符，请删去再填",
        lazy_gettext("“%(label)s”里有看不见的控制字符，请删去再填"),
    ),
    (r"“(?P<label>.+)”要填数字，例如 (?P<example>[\d.]+)", lazy_gettext("“%(label)s”要填数字，例如 %(example)s")),
    (r"“(?P<label>.+)”要填整数", lazy_gettext("“%(label)s”要填整数")),
    (r"“(?P<label>.+)”不能小于 (?P<least>[\d,.]+)(?: 元)?", lazy_gettext("“%(label)s”不能小于 %(least)s")),
    (r"“(?P<label>.+)”不能大于 (?P<most>[\d,.]+)(?: 元)?", lazy_gettext("“%(label)s”不能大于 %(most)s")),
    # papers
    (r"没传上：文件超过 (?P<most>.+)", lazy_gettext("没传上：文件超过 %(most)s")),
)


def retold(text: str) -> str:
    """Say a sentence or the label of a form in the language of the page; one that is not known stays."""
    if not text or str(get_locale() or "zh").startswith("zh"):
        return text
    for pattern, message in _TOLD:
        found = re.fullmatch(pattern, text)
        if found:
            return str(message) % {name: _fact(name, value) for name, value in found.groupdict().items()}
    return gettext(text)


def of_file(error: InvalidFile) -> str:
    """Say why a file was not taken and what to do."""
    return f"{retold(error.reason)}{gettext('。')}{retold(error.remedy)}"


def _fact(name: str, value: str) -> str:
    if name == "label":
        return retold(value)
    if name != "day":
        return value
    month, number = map(int, re.findall(r"\d+", value))
    # Any leap year: the sentence names none.
    return day(date(2000, month, number), date(2000, 1, 1))
