"""Waking a matter whose timer is due: the job loads it, lets its timers fire and writes down what has become."""

from __future__ import annotations

from engine.services import matters, messages
from engine.services.reconcile import Act
from engine.services.repository import Repository
from engine.services.unit_of_work import Transaction
from engine.store.job_queue import TakenJob


def fire(repository: Repository, transaction: Transaction, job: TakenJob) -> None:
    """Let every due timer of a matter act; its job is moved to the next timer, or goes, in the same transaction."""
    matter = matters.load(transaction, repository, job.payload["instance_id"])
    matter.workflow.fire_timers()
    messages.settle(repository, transaction, matter, Act(by=None, origin="timer"))
