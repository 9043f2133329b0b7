"""What the engine refuses, as exceptions that carry the facts a sentence to the person needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.model import Finding


class EngineError(Exception):
    """Anything the engine refuses on purpose; a caller shows it, never a traceback."""


class NotFound(EngineError):
    """Nothing of that kind under that name, or the person may not know that it exists."""

    def __init__(self, what: str, key: object = "") -> None:
        super().__init__(f"{what}: {key}" if key else what)
        self.what = what
        self.key = key


class NotAllowed(EngineError):
    """The person may not do this; ``reason`` says why, ``instead`` who may."""

    def __init__(self, reason: str, instead: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.instead = instead


class Refused(EngineError):
    """A rule of the domain says no. ``code`` is the machine word, the rest are Chinese sentences.

    ``basis`` names a law, rule or table row; ``remedy`` a place, paper or person.
    """

    def __init__(self, code: str, reason: str, basis: str = "", remedy: str = "") -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.basis = basis
        self.remedy = remedy


class Conflict(EngineError):
    """Somebody else was first: the task or matter has changed since it was read."""


class InvalidForm(EngineError):
    """The submitted values do not fit the form; ``fields`` maps field key to a Chinese sentence."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{key}: {text}" for key, text in fields.items()))
        self.fields = dict(fields)


class InvalidProcess(EngineError):
    """A package may not be deployed; ``findings`` say where and why."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("; ".join(finding.message for finding in findings if finding.severity == "error"))
        self.findings = tuple(findings)


class InvalidFile(EngineError):
    """An uploaded file is too large (``status`` 413) or of a kind that is not taken (415)."""

    def __init__(self, reason: str, remedy: str, status: int = 415) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy
        self.status = status


class Unavailable(EngineError):
    """The county's data cannot be used just now, and nothing half was done.

    ``cause`` is ``gone`` (no connection), ``busy`` (somebody holds what is needed for too long), ``full`` (no room on
    the disk) or ``newer`` (the database belongs to a later release).
    """

    def __init__(self, cause: str, detail: str = "") -> None:
        super().__init__(detail or cause)
        self.cause = cause
