"""What a meeting's figures come to, in words: the first sentence of the pages on which they are filled in."""

from __future__ import annotations

from dataclasses import dataclass

from flask_babel import gettext as _

from engine.views import Ballot


@dataclass(frozen=True)
class Verdict:
    """The leaf and the sentences; ``state`` is that of a leaf."""

    state: str
    band: str
    number: int
    sentence: str
    more: str = ""


def verdict(ballot: Ballot) -> Verdict:
    """Return what the decision table says of the figures so far."""
    if ballot.problem:
        return Verdict("bug", _("对不上"), ballot.yes or 0, f"{ballot.problem}。")
    if not ballot.enough and _may_still_be_enough(ballot):
        return _being_filled_in(ballot)
    if not ballot.enough:
        return _too_few(ballot)
    if not ballot.decides:
        sentence = _("够法定人数：实到 %(n)s 人，要 %(least)s 人。", n=ballot.voting, least=ballot.quorum)
        return Verdict("ok", _("人数够"), ballot.voting, sentence, _formula(ballot))
    if ballot.passed is None:
        return Verdict("", _("在场"), ballot.voting, _("人数够了，等填票数。"), _line(ballot))
    if ballot.passed:
        sentence = _("通过：同意 %(yes)s 人，要 %(least)s 人。", yes=ballot.yes, least=ballot.needed)
        return Verdict("ok", _("通过"), ballot.yes, sentence, _formula(ballot))
    return Verdict("no", _("未通过"), ballot.yes, _not_passed(ballot), _formula(ballot))


def _may_still_be_enough(ballot: Ballot) -> bool:
    """Who has not been entered yet is not absent."""
    return ballot.quorum is not None and ballot.unfilled > 0 and ballot.voting + ballot.unfilled >= ballot.quorum


def _being_filled_in(ballot: Ballot) -> Verdict:
    wanted = _("要 %(least)s 人到会才能表决。", least=ballot.quorum)
    if ballot.unfilled + ballot.recused == ballot.entitled:
        return Verdict("", _("已签到"), 0, _("还没有签到，") + wanted)
    sentence = _("已签到 %(n)s 人，还有 %(left)s 人没填，", n=ballot.present, left=ballot.unfilled)
    return Verdict("", _("已签到"), ballot.present, sentence + wanted)


def _too_few(ballot: Ballot) -> Verdict:
    if ballot.quorum is None:
        return Verdict("no", _("人数不足"), ballot.voting, _("不能表决：应到的人都来了也不够。"))
    short = ballot.quorum - ballot.voting
    sentence = _("不能表决：实到 %(n)s 人，还差 %(short)s 人。", n=ballot.voting, short=short)
    return Verdict("no", _("人数不足"), ballot.voting, sentence, _formula(ballot) if ballot.passed is None else "")


def _not_passed(ballot: Ballot) -> str:
    if ballot.needed is None:
        return _("未通过：在场 %(n)s 人，都同意也不够。", n=ballot.voting)
    short = ballot.needed - (ballot.yes or 0)
    return _("未通过：同意 %(yes)s 人，还差 %(short)s 人。", yes=ballot.yes, short=short)


def _line(ballot: Ballot) -> str:
    if ballot.needed is None:
        return _("在场的人都同意也不能通过。")
    return _("至少 %(n)s 人同意才通过。", n=ballot.needed)


def _formula(ballot: Ballot) -> str:
    return _("算法：%(formula)s。", formula=ballot.formula) if ballot.formula else ""
