"""The tables of one county: definitions, people, running matters and evidence (DESIGN §6)."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Moment(TypeDecorator[datetime]):
    """An aware UTC moment; SQLite would drop the zone and PostgreSQL turn it to the server's."""

    impl = DateTime(timezone=False)
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return value.astimezone(UTC).replace(tzinfo=None) if value is not None else None

    def process_result_value(self, value, dialect):
        return value.replace(tzinfo=UTC) if value is not None else None

    # Each step writes and reads a dozen moments: on SQLite, where they are text, the way there and back is straight.
    def bind_processor(self, dialect):
        return _as_text if dialect.name == "sqlite" else super().bind_processor(dialect)

    def result_processor(self, dialect, coltype):
        return _from_text if dialect.name == "sqlite" else super().result_processor(dialect, coltype)


# A step writes its own moment half a dozen times.
@lru_cache(maxsize=256)
def _as_text(value: datetime | None) -> str | None:
    return value.astimezone(UTC).isoformat(" ", "microseconds")[:26] if value is not None else None


def _from_text(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if text is not None else None


#: what is asked for and compared; PostgreSQL keeps it parsed
Json = JSON().with_variant(JSONB(), "postgresql")
#: the same, and nothing at all where there is nothing
NullableJson = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
#: evidence, whose digest stands in the log: kept to the letter
Verbatim = JSON()


def _id() -> Column:
    return Column("id", String(36), primary_key=True)


def _ref(name: str, target: str, *, nullable: bool = False) -> Column:
    return Column(name, String(64), ForeignKey(target), nullable=nullable)


# --- settings and definitions ---------------------------------------------------------------------------------------

setting = Table("setting", metadata, Column("key", String(64), primary_key=True), Column("value", Json, nullable=False))

deployment_file = Table(
    "deployment_file",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

process_definition = Table(
    "process_definition",
    metadata,
    _id(),
    Column("item_id", String(100), nullable=False),
    Column("version", Integer, nullable=False),
    Column("code", String(20), nullable=False),
    Column("name", String(200), nullable=False),
    Column("category", String(20), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("warnings", Integer, nullable=False, default=0),
    #: name of the message that opens a matter of this item, "" when none does
    Column("start_message", String(100), nullable=False, default=""),
    #: time opens a matter of this item in every unit of its level
    Column("start_timer", Boolean, nullable=False, default=False),
    Column("deployed_at", Moment, nullable=False),
    Column("deployed_by", String(36)),
    UniqueConstraint("item_id", "version"),
)

parameter = Table(
    "parameter",
    metadata,
    Column("key", String(100), primary_key=True),
    Column("org_unit", String(36), primary_key=True, default=""),
    Column("effective_on", Date, primary_key=True),
    Column("value", Json, nullable=False),
    Column("unit", String(20), nullable=False, default=""),
    Column("basis", Text, nullable=False, default=""),
    Column("origin", String(4), nullable=False, default=""),
    Column("confirm", Boolean, nullable=False, default=False),
)

register = Table(
    "register",
    metadata,
    Column("code", String(50), primary_key=True),
    Column("definition", Json, nullable=False),
)

# --- people ---------------------------------------------------------------------------------------------------------

org_unit = Table(
    "org_unit",
    metadata,
    _id(),
    Column("name", String(100), nullable=False),
    Column("level", String(20), nullable=False),
    _ref("parent_id", "org_unit.id", nullable=True),
    Column("service_phone", String(40), nullable=False, default=""),
    Column("supervision_phone", String(40), nullable=False, default=""),
    Column("position", Integer, nullable=False, default=0),
    Index("ix_org_unit_parent_id", "parent_id"),
)

person = Table(
    "person",
    metadata,
    _id(),
    Column("name", String(100), nullable=False),
    _ref("unit_id", "org_unit.id"),
    Column("group_name", String(40), nullable=False, default=""),
    Column("phone", String(40), nullable=False, default=""),
    Column("login", String(100), unique=True),
    Column("password_hash", String(200)),
    Column("session_key", String(40), nullable=False),
    Index("ix_person_unit_id", "unit_id"),
)

password_link = Table(
    "password_link",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    _ref("person_id", "person.id"),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
)

attempt = Table(
    "attempt",
    metadata,
    _id(),
    #: what was tried: login:<name>, address:<address>, code:<receipt>
    Column("key", String(200), nullable=False),
    Column("at", Moment, nullable=False),
    Index("ix_attempt_key_at", "key", "at"),
)

role = Table(
    "role",
    metadata,
    Column("code", String(10), primary_key=True),
    Column("lane", String(40), nullable=False, unique=True),
    Column("level", String(20), nullable=False),
    Column("position", Integer, nullable=False),
    Column("may", Json, nullable=False),
    Column("may_not", Json, nullable=False),
    Column("incompatible", Json, nullable=False),
    Column("succession", Json, nullable=False),
)

appointment = Table(
    "appointment",
    metadata,
    _id(),
    _ref("person_id", "person.id"),
    _ref("role", "role.code"),
    _ref("unit_id", "org_unit.id"),
    Column("from_on", Date, nullable=False),
    Column("until_on", Date),
    #: set when it was ended before its term; rows are never deleted
    Column("ended_on", Date),
    Column("appointed_by", String(36)),
    Column("appointed_at", Moment, nullable=False),
    Index("ix_appointment_unit_id_role", "unit_id", "role"),
    Index("ix_appointment_person_id", "person_id"),
)

substitution = Table(
    "substitution",
    metadata,
    _id(),
    _ref("person_id", "person.id"),
    _ref("substitute_id", "person.id"),
    Column("from_on", Date, nullable=False),
    Column("until_on", Date, nullable=False),
    Column("made_by", String(36)),
    Column("made_at", Moment, nullable=False),
    Index("ix_substitution_substitute_id", "substitute_id"),
    Index("ix_substitution_person_id", "person_id"),
)

relation = Table(
    "relation",
    metadata,
    Column("person_id", String(36), ForeignKey("person.id"), primary_key=True),
    Column("relative_id", String(36), ForeignKey("person.id"), primary_key=True),
    Column("kind", String(40), nullable=False),
    Index("ix_relation_relative_id", "relative_id"),
)

# --- running matters ------------------------------------------------------------------------------------------------

process_instance = Table(
    "process_instance",
    metadata,
    _id(),
    Column("receipt", String(20), nullable=False, unique=True),
    _ref("definition_id", "process_definition.id"),
    Column("item_id", String(100), nullable=False),
    _ref("unit_id", "org_unit.id"),
    Column("subject", Text, nullable=False, default=""),
    Column("applicant_name", String(100), nullable=False, default=""),
    _ref("applicant_id", "person.id", nullable=True),
    Column("relatives", Json, nullable=False, default=list),
    #: of the form that started it: a second tap finds the matter again
    Column("form_token_hash", String(64), unique=True),
    Column("code_salt", String(32), nullable=False, default=""),
    Column("code_hash", String(64), nullable=False, default=""),
    #: what messages between matters find it by: its receipt, or that of the matter that opened it
    Column("business_key", String(100), nullable=False, default=""),
    #: the day it was opened for, when time opened it: 2026-04-01
    Column("period", String(10)),
    #: open, done, refused, withdrawn
    Column("state", String(20), nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment),
    _ref("started_by", "person.id", nullable=True),
    Column("refusal", Json),
    Column("promise", Integer),
    Column("promise_unit", String(4), nullable=False, default="wd"),
    #: the clock of the promise stands still since
    Column("held_at", Moment),
    #: working days it stood still before
    Column("held_days", Integer, nullable=False, default=0),
    #: elements that can still be reached, as far as the data tells
    Column("ahead", Json, nullable=False, default=list),
    #: call activities whose process is running, the outermost first
    Column("calls", Json, nullable=False, default=list, server_default=text("'[]'")),
    #: moment of the last act, on paper or on the screen: the next one may not lie before it
    Column("last_acted_at", Moment, nullable=False),
    Index("ix_process_instance_unit_id_state", "unit_id", "state"),
    Index("ix_process_instance_definition_id", "definition_id"),
    #: once per item, unit and period, whatever fails on the way
    Index("ix_process_instance_period", "item_id", "unit_id", "period", unique=True),
)

instance_state = Table(
    "instance_state",
    metadata,
    Column("instance_id", String(36), ForeignKey("process_instance.id"), primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("token", String(40), nullable=False),
    Column("state", LargeBinary, nullable=False),
)

task = Table(
    "task",
    metadata,
    _id(),
    _ref("instance_id", "process_instance.id"),
    _ref("unit_id", "org_unit.id"),
    Column("element", String(200), nullable=False),
    Column("step", String(200), nullable=False),
    Column("lane", String(40), nullable=False),
    #: the role it fell to: the lane's own or the next of its succession
    Column("role", String(10), nullable=False),
    _ref("assignee_id", "person.id", nullable=True),
    #: nobody may do it: 没人办
    Column("unmanned", Boolean, nullable=False, default=False),
    #: the assignee was named for this one task and needs no post (township, DOMAIN §2 recusal)
    Column("named", Boolean, nullable=False, default=False),
    #: open, completed, cancelled
    Column("state", String(20), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("due_at", Moment),
    #: 80 % of the limit are over; the limit is over by so much that yellow turns red (parameters when it opened);
    #: null once the task has ended
    Column("warn_at", Moment),
    Column("red_at", Moment),
    #: reckoned beyond the published calendar: reckoned again when it is known
    Column("provisional", Boolean, nullable=False, default=False),
    Column("limit_value", Integer),
    Column("limit_unit", String(4), nullable=False, default="wd"),
    Column("handed_by", String(200), nullable=False, default=""),
    Column("acted_at", Moment),
    Column("completed_at", Moment),
    _ref("completed_by", "person.id", nullable=True),
    _ref("on_behalf_of", "person.id", nullable=True),
    #: the form that completed it, and what it was answered with: a double tap gets the same answer
    Column("form_token", String(40)),
    Column("answer", Json),
    Index(
        "ix_task_assignee_open",
        "assignee_id",
        sqlite_where=text("state = 'open'"),
        postgresql_where=text("state = 'open'"),
    ),
    Index(
        "ix_task_unit_role_open",
        "unit_id",
        "role",
        sqlite_where=text("state = 'open'"),
        postgresql_where=text("state = 'open'"),
    ),
    Index("ix_task_instance_id", "instance_id"),
)

recusal = Table(
    "recusal",
    metadata,
    _id(),
    _ref("instance_id", "process_instance.id"),
    _ref("person_id", "person.id"),
    Column("reason", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Index("ix_recusal_instance_id", "instance_id"),
)

subscription = Table(
    "subscription",
    metadata,
    _id(),
    _ref("instance_id", "process_instance.id"),
    Column("element", String(200), nullable=False),
    Column("message", String(100), nullable=False),
    #: why the clock of the promise stands still, "" when it runs
    Column("hold", Text, nullable=False, default=""),
    Column("created_at", Moment, nullable=False),
    Index("ix_subscription_instance_id", "instance_id"),
    Index("ix_subscription_message", "message"),
)

message = Table(
    "message",
    metadata,
    _id(),
    Column("name", String(100), nullable=False),
    Column("business_key", String(100), nullable=False),
    #: the matter that sent it; null when the system did
    _ref("source_id", "process_instance.id", nullable=True),
    _ref("unit_id", "org_unit.id"),
    #: emptied when it is delivered: the values then stand in the matter that got them
    Column("payload", Json, nullable=False),
    Column("at", Moment, nullable=False),
    _ref("target_id", "process_instance.id", nullable=True),
    Column("delivered_at", Moment),
    #: the same sending, however often it is tried
    Column("call_key", String(100), nullable=False, unique=True),
    Index(
        "ix_message_kept",
        "name",
        "business_key",
        sqlite_where=text("delivered_at is null"),
        postgresql_where=text("delivered_at is null"),
    ),
)

submission = Table(
    "submission",
    metadata,
    _id(),
    _ref("instance_id", "process_instance.id"),
    _ref("task_id", "task.id", nullable=True),
    Column("element", String(200), nullable=False),
    Column("title", String(200), nullable=False),
    _ref("by", "person.id", nullable=True),
    Column("at", Moment, nullable=False),
    #: erased together with the data: without it the digest in the log says nothing
    Column("salt", String(32), nullable=False),
    Column("data", Verbatim, nullable=False),
    Index("ix_submission_instance_id", "instance_id"),
)

draft = Table(
    "draft",
    metadata,
    Column("task_id", String(36), ForeignKey("task.id"), primary_key=True),
    Column("person_id", String(36), ForeignKey("person.id"), primary_key=True),
    Column("data", Json, nullable=False),
    Column("at", Moment, nullable=False),
)

comment = Table(
    "comment",
    metadata,
    _id(),
    _ref("instance_id", "process_instance.id"),
    _ref("by", "person.id", nullable=True),
    Column("kind", String(20), nullable=False),
    Column("at", Moment, nullable=False),
    Column("text", Text, nullable=False),
    Index("ix_comment_instance_id", "instance_id"),
)

job = Table(
    "job",
    metadata,
    _id(),
    Column("kind", String(40), nullable=False),
    #: what makes it the same job: queued twice, done once
    Column("key", String(200), nullable=False, unique=True),
    Column("payload", Json, nullable=False),
    #: open, done, failed (given up), parked (no way to do it is set up)
    Column("state", String(20), nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("error", Text, nullable=False, default=""),
    #: the matter it belongs to: its timers and limits move with every step
    Column("instance_id", String(36)),
    #: 0: a person waits for it; 1: it waits for its time
    Column("priority", Integer, nullable=False, default=0),
    #: the worker that has it, and until when: a worker that never comes back loses it
    Column("taken_by", String(36)),
    Column("taken_until", Moment),
    Index(
        "ix_job_due_open",
        "priority",
        "due_at",
        "id",
        sqlite_where=text("state = 'open'"),
        postgresql_where=text("state = 'open'"),
    ),
    Index(
        "ix_job_instance_id",
        "instance_id",
        sqlite_where=text("instance_id is not null"),
        postgresql_where=text("instance_id is not null"),
    ),
)

# --- evidence -------------------------------------------------------------------------------------------------------

event_log = Table(
    "event_log",
    metadata,
    Column("unit_id", String(36), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("instance_id", String(36)),
    Column("kind", String(40), nullable=False),
    Column("element", String(200), nullable=False, default=""),
    Column("actor_id", String(36)),
    Column("on_behalf_of", String(36)),
    Column("at", Moment, nullable=False),
    Column("acted_at", Moment),
    #: facts without personal data
    Column("data", Verbatim, nullable=False),
    #: the row whose salted digest stands in ``digest``
    Column("submission_id", String(36)),
    Column("digest", String(64), nullable=False, default=""),
    Column("prev", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("ix_event_log_instance_id", "instance_id"),
    Index(
        "ix_event_log_actor_id_at",
        "actor_id",
        "at",
        sqlite_where=text("actor_id is not null"),
        postgresql_where=text("actor_id is not null"),
    ),
)

chain_head = Table(
    "chain_head",
    metadata,
    Column("unit_id", String(36), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
)

attachment = Table(
    "attachment",
    metadata,
    _id(),
    _ref("instance_id", "process_instance.id"),
    _ref("task_id", "task.id", nullable=True),
    Column("element", String(200), nullable=False),
    Column("step", String(200), nullable=False),
    Column("field", String(100), nullable=False, default=""),
    Column("name", String(200), nullable=False),
    Column("media_type", String(60), nullable=False),
    Column("size", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    #: the cleaned picture, made after commit
    Column("preview_sha256", String(64)),
    #: pending, ready, failed
    Column("state", String(20), nullable=False),
    _ref("by", "person.id", nullable=True),
    Column("at", Moment, nullable=False),
    Index("ix_attachment_instance_id", "instance_id"),
)

register_entry = Table(
    "register_entry",
    metadata,
    _id(),
    _ref("register", "register.code"),
    _ref("unit_id", "org_unit.id"),
    Column("year", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("data", Verbatim, nullable=False),
    #: the log holds a digest of number and data under this salt
    Column("salt", String(32), nullable=False, default=""),
    _ref("instance_id", "process_instance.id", nullable=True),
    Column("call_key", String(100), nullable=False, unique=True),
    _ref("corrects", "register_entry.id", nullable=True),
    Column("entered_at", Moment, nullable=False),
    UniqueConstraint("register", "unit_id", "year", "number"),
)

document = Table(
    "document",
    metadata,
    _id(),
    _ref("instance_id", "process_instance.id"),
    Column("template", String(100), nullable=False),
    Column("template_digest", String(64), nullable=False),
    Column("title", String(200), nullable=False),
    Column("data", Json, nullable=False),
    Column("call_key", String(100), nullable=False, unique=True),
    Column("sha256", String(64)),
    Column("at", Moment, nullable=False),
    Index("ix_document_instance_id", "instance_id"),
)

notification = Table(
    "notification",
    metadata,
    _id(),
    _ref("instance_id", "process_instance.id"),
    #: null: for the applicant, who reads it on the progress page
    _ref("person_id", "person.id", nullable=True),
    Column("text", Text, nullable=False),
    Column("channel", String(20), nullable=False),
    Column("at", Moment, nullable=False),
    Column("seen_at", Moment),
    Column("call_key", String(100), nullable=False, unique=True),
    Index("ix_notification_person_id", "person_id"),
    Index("ix_notification_instance_id", "instance_id"),
)

card = Table(
    "card",
    metadata,
    _id(),
    _ref("instance_id", "process_instance.id"),
    _ref("task_id", "task.id"),
    _ref("unit_id", "org_unit.id"),
    Column("element", String(200), nullable=False),
    Column("step", String(200), nullable=False),
    #: warn, yellow, red
    Column("level", String(10), nullable=False),
    #: who had the step then; null when nobody had it
    _ref("person_id", "person.id", nullable=True),
    Column("at", Moment, nullable=False),
    #: open, answered, voided
    Column("state", String(10), nullable=False),
    #: the drawn procedure in which it is answered or voided
    _ref("matter_id", "process_instance.id", nullable=True),
    #: the cause given, or why it was voided
    Column("answer", Text, nullable=False, default=""),
    Column("closed_at", Moment),
    UniqueConstraint("task_id", "level"),
    Index("ix_card_instance_id", "instance_id"),
    Index("ix_card_unit_id_at", "unit_id", "at"),
    Index("ix_card_person_id_at", "person_id", "at"),
)

# --- deliberation ---------------------------------------------------------------------------------------------------

motion = Table(
    "motion",
    metadata,
    _id(),
    #: one motion is one matter; its receipt is the business key of all that carries it out
    Column("instance_id", String(36), ForeignKey("process_instance.id"), nullable=False, unique=True),
    _ref("unit_id", "org_unit.id"),
    Column("title", Text, nullable=False),
    #: of the text as proposed: a rejected one may not come again for a while
    Column("proposed_hash", String(64), nullable=False),
    #: of the plan as deliberated: the vote must be on the same
    Column("text_hash", String(64), nullable=False),
    #: open, rejected, released
    Column("state", String(20), nullable=False),
    Column("fixed_at", Moment),
    Column("barred_until", Date),
    Column("released_at", Moment),
    Index("ix_motion_unit_id_proposed_hash", "unit_id", "proposed_hash"),
)

notice = Table(
    "notice",
    metadata,
    _id(),
    _ref("instance_id", "process_instance.id"),
    _ref("unit_id", "org_unit.id"),
    Column("title", Text, nullable=False),
    #: masked before it got here
    Column("text", Text, nullable=False),
    Column("channels", Json, nullable=False),
    Column("posted_on", Date, nullable=False),
    Column("ends_on", Date, nullable=False),
    #: shown, ended, withdrawn, replaced
    Column("state", String(20), nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("call_key", String(100), nullable=False, unique=True),
    Column("posted_at", Moment, nullable=False),
    Column("closed_at", Moment),
    Index("ix_notice_unit_id_posted_at", "unit_id", "posted_at"),
    Index("ix_notice_instance_id", "instance_id"),
)

objection = Table(
    "objection",
    metadata,
    _id(),
    _ref("notice_id", "notice.id"),
    _ref("instance_id", "process_instance.id"),
    _ref("unit_id", "org_unit.id"),
    Column("receipt", String(20), nullable=False, unique=True),
    Column("code_salt", String(32), nullable=False),
    Column("code_hash", String(64), nullable=False),
    Column("form_token_hash", String(64), unique=True),
    Column("text", Text, nullable=False),
    #: seen by whoever checks the identity only
    Column("name", String(100), nullable=False),
    Column("phone", String(40), nullable=False),
    Column("group_name", String(40), nullable=False, default=""),
    Column("at", Moment, nullable=False),
    #: open, answered
    Column("state", String(20), nullable=False),
    Column("outcome", String(20), nullable=False, default=""),
    Column("answer", Text, nullable=False, default=""),
    Column("answered_at", Moment),
    Index("ix_objection_notice_id_state", "notice_id", "state"),
)

suggestion = Table(
    "suggestion",
    metadata,
    _id(),
    _ref("unit_id", "org_unit.id"),
    Column("receipt", String(20), nullable=False, unique=True),
    Column("code_salt", String(32), nullable=False),
    Column("code_hash", String(64), nullable=False),
    Column("form_token_hash", String(64), unique=True),
    Column("text", Text, nullable=False),
    Column("name", String(100), nullable=False, default=""),
    Column("phone", String(40), nullable=False, default=""),
    Column("group_name", String(40), nullable=False, default=""),
    #: box, visit, supervisor
    Column("channel", String(20), nullable=False),
    Column("at", Moment, nullable=False),
    #: open, gathered, answered
    Column("state", String(20), nullable=False),
    #: the monthly collection that took it
    _ref("instance_id", "process_instance.id", nullable=True),
    Column("kind", String(20), nullable=False, default=""),
    Column("answer", Text, nullable=False, default=""),
    Column("answered_at", Moment),
    Index("ix_suggestion_unit_id_state", "unit_id", "state"),
)

#: the log may only grow (FORMATS §5 holds the same for register entries)
APPEND_ONLY = ("event_log", "register_entry")
