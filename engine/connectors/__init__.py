"""What service tasks may call: topic → function(call, inputs) → answer."""

from __future__ import annotations

from engine.connectors import documents, notify, posts, registers

CONNECTORS = {
    "document.render": documents.render,
    "notify.send": notify.send,
    "post.find": posts.find,
    "register.enter": registers.enter,
    "register.find": registers.find,
}

#: inputs a connector cannot do without
REQUIRED_INPUTS = {
    "document.render": ("template",),
    "notify.send": ("to", "text"),
    "post.find": ("steps",),
    "register.enter": ("register",),
    "register.find": ("register", "field", "value"),
}
