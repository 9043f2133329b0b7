"""Rules of forms: what is asked is used, and what a question looks at has been answered before."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from engine.bpmn.forms.form import Field, Form
from engine.bpmn.rules import package_rule
from engine.bpmn.rules.data import names_written
from engine.bpmn.rules.subject import Place, Subject, camunda
from engine.bpmn.rules.written import written_in

#: what is chosen decides something; what is written or handed in is kept for people to read
_CHOICES = ("radio", "select", "checkbox", "checklist")
_WITH_FORM = ("startEvent", "intermediateCatchEvent", "userTask")


@package_rule("form-field-unused", "info")
def choices_are_looked_at(subject: Subject) -> Iterator[Place]:
    """A choice that nothing looks at makes people believe that it decides something."""
    read = {name for written in written_in(subject) if written.parsed for name in written.parsed.names}
    # What looks at an answer may stand in a file that could not be read; other rules say so.
    for file, form in () if subject.refused else subject.forms.items():
        for asked in form.fields:
            chosen = asked.type in _CHOICES and not asked.source
            if chosen and not _heads(asked) & read and not _heads(asked) & _words(subject):
                message = f"表单的〈{asked.label}〉问了，选哪一个都一样，后面没有用到。"
                yield _at(subject, file, asked, message, "请在条件、台账或者文书里用上它，或者删去这一项。")


@package_rule("form-field-unknown", "warning")
def questions_look_back(subject: Subject) -> Iterator[Place]:
    """A condition or limit of a question sees the answers before it, not those behind."""
    elsewhere = names_written(subject)
    for file, form in subject.forms.items():
        for asked, names in _looked_at(form):
            before = {head for other in form.fields if other.line < asked.line for head in _heads(other)}
            for name in sorted(names - before):
                later = any(name in _heads(other) for other in form.fields if other.line >= asked.line)
                if later and name not in _from_other_files(subject, file, elsewhere):
                    message = f"表单的〈{asked.label}〉要看 {name}，到这里还没有填。"
                    yield _at(subject, file, asked, message, "请把要看的那一项移到它前面，或者改正名称。")


@package_rule("form-unused", "info")
def forms_are_filled_in(subject: Subject) -> Iterator[Place]:
    """A form that no step names is never filled in."""
    named = {
        diagram.sibling(node.get(camunda("formKey")) or node.get(camunda("formRef")) or "")
        for diagram in subject.diagrams
        for node in diagram.of_kind(*_WITH_FORM)
    }
    # Where there is no process there is nothing to fill in, and other rules say so.
    for file in subject.forms if subject.process_ids and not subject.refused else ():
        if file not in named:
            message = f"没有哪一步用表单 {file}。"
            yield subject.in_file(file, 1, message, "请在要填它的步骤上写 camunda:formKey，或者删去这个文件。")


def _at(subject: Subject, file: str, asked: Field, message: str, hint: str) -> Place:
    return replace(subject.in_file(file, asked.line, message, hint), element=asked.id, name=asked.label)


def _heads(asked: Field) -> set[str]:
    return {asked.key.partition(".")[0]}


def _looked_at(form: Form) -> Iterator[tuple[Field, frozenset[str]]]:
    for asked in form.fields:
        for expression in (asked.hide, asked.limit_min, asked.limit_max, asked.rows):
            if expression is not None:
                yield asked, expression.names


def _from_other_files(subject: Subject, file: str, elsewhere: frozenset[str]) -> set[str]:
    """Return the names that may be there before this form is opened."""
    others = {head for name, form in subject.forms.items() if name != file for f in form.fields for head in _heads(f)}
    own = {head for asked in subject.forms[file].fields for head in _heads(asked)}
    return others | (set(elsewhere) - own)


def _words(subject: Subject) -> frozenset[str]:
    """Return every word of templates and of what is handed on or disclosed."""
    if "words" not in subject.shared:
        texts = (data for name, data in subject.package.files.items() if name.endswith((".typ", ".bpmn", ".md")))
        found = (re.findall(r"[A-Za-z_]\w*", data.decode(errors="replace")) for data in texts)
        subject.shared["words"] = frozenset().union(*found)
    return subject.shared["words"]
