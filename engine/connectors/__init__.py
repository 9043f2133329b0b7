"""What service tasks may call: topic → function(call, inputs) → answer."""

from __future__ import annotations

from engine.connectors import cards, documents, motions, notices, notify, posts, registers, suggestions, votes

CONNECTORS = {
    "body.members": votes.members,
    "card.count": cards.count,
    "card.give": cards.give,
    "card.lift": cards.lift,
    "card.settle": cards.settle,
    "document.render": documents.render,
    "motion.check": motions.check,
    "motion.compare": motions.compare,
    "motion.fix": motions.fix,
    "motion.look": motions.look,
    "motion.reject": motions.reject,
    "motion.release": motions.release,
    "notice.answer": notices.answer_objection,
    "notice.close": notices.close,
    "notice.next": notices.next_objection,
    "notice.publish": notices.publish,
    "notice.withdraw": notices.withdraw,
    "notify.send": notify.send,
    "post.find": posts.find,
    "register.enter": registers.enter,
    "register.find": registers.find,
    "suggestion.answer": suggestions.answer,
    "suggestion.gather": suggestions.gather,
    "vote.tally": votes.tally,
}

#: inputs a connector cannot do without
REQUIRED_INPUTS = {
    "body.members": ("body",),
    "card.count": ("card", "yellow_within", "red_within"),
    "card.give": ("card", "matter", "step", "level"),
    "card.lift": ("card",),
    "card.settle": ("card", "outcome", "answer"),
    "document.render": ("template",),
    "motion.check": ("motion",),
    "motion.compare": ("text",),
    "motion.fix": ("title", "text"),
    "motion.look": ("text",),
    "motion.reject": ("months",),
    "motion.release": (),
    "notice.answer": ("objection", "outcome", "answer"),
    "notice.close": ("notice",),
    "notice.next": ("notice",),
    "notice.publish": ("title", "text", "days", "channels"),
    "notice.withdraw": ("notice", "reason"),
    "notify.send": ("to", "text"),
    "post.find": ("steps",),
    "register.enter": ("register",),
    "register.find": ("register", "field", "value"),
    "suggestion.answer": ("suggestion", "kind", "text"),
    "suggestion.gather": (),
    "vote.tally": ("attendance",),
}
