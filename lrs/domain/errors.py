"""The errors of Lethe: one base, two children.

``Refused`` is the caller's to mend, ``Failed`` is ours. Every class has a stable public ``code`` that API
clients and logs may rely on. Messages name rules, properties and counts; NEVER a value that a person sent,
for logs outlive keys.
"""


class LetheError(Exception):
    """What every error of the product is; ``code`` is stable and public."""

    code = "error"


class Refused(LetheError):
    """The caller asked for what can not be; asking otherwise would work."""

    code = "refused"


class Failed(LetheError):
    """We could not do what was rightly asked."""

    code = "failed"


class InvalidStatement(Refused):
    """A statement breaks a rule of the specification.

    ``path`` names the property (``actor.mbox``, ``[3].result.score.scaled``), ``rule`` says what must hold,
    ``section`` is where the specification says so (``"1.0.3 Data 2.4.2"``).
    """

    code = "statement-invalid"

    def __init__(self, path: str, rule: str, section: str = "") -> None:
        self.path = path
        self.rule = rule
        self.section = section
        where = path or "statement"
        super().__init__(f"{where}: {rule}" + (f" (xAPI {section})" if section else ""))


class InvalidRequest(Refused):
    """A parameter, header or body can not be read as what it should be."""

    code = "request-invalid"


class StatementConflict(Refused):
    """Another statement is already stored under this id."""

    code = "statement-conflict"


class ExchangeConflict(Refused):
    """Another exchange is already stored under this id."""

    code = "exchange-conflict"


class DocumentConflict(Refused):
    """A document is there, and the request does not say that it knows which."""

    code = "document-conflict"


class PreconditionFailed(Refused):
    """The document is not in the state that the request's preconditions name."""

    code = "precondition-failed"


class NotFound(Refused):
    """Nothing is there, or nothing that this caller may see: the two are one."""

    code = "not-found"


class Unauthenticated(Refused):
    """No credential, an unknown one, a revoked one or a wrong secret."""

    code = "unauthenticated"


class EpochBusy(Refused):
    """Another process is closing the epoch: it will be closed."""

    code = "epoch-busy"


class Forbidden(Refused):
    """The credential is good, its scopes do not reach this far."""

    code = "forbidden"


class AlreadyExists(Refused):
    """The name is taken."""

    code = "already-exists"


class NotEmpty(Refused):
    """A restore goes into an empty place, and something is in this one."""

    code = "not-empty"


class LimitExceeded(Refused):
    """Larger, deeper or more than the documented limit."""

    code = "limit-exceeded"


class LegalHold(Refused):
    """The person's records are under a legal hold: nothing of them may be destroyed."""

    code = "legal-hold"


class ErasureBegun(Refused):
    """The person is being erased, or was: it is too late for this."""

    code = "erasure-begun"


class ErasureWithdrawn(Refused):
    """The erasure was taken back before it began."""

    code = "withdrawn"


class ReadingDenied(Refused):
    """The person's records may not be read now: they are restricted, or their erasure waits to begin."""

    code = "reading-denied"


class IdentifierTaken(Refused):
    """The new identifier names another person already."""

    code = "identifier-taken"


class Superseded(Refused):
    """A newer request about the same person decided otherwise, and was done first."""

    code = "superseded"


class SubjectSuppressed(Refused):
    """Somebody in the request was erased, and the tenant refuses them still: nothing of it was stored."""

    code = "subject-suppressed"


class SubjectBusy(Failed):
    """The person's erasure is under way; what is written about them waits and then resolves afresh."""

    code = "subject-busy"


class EventCorrupt(Failed):
    """A stored event does not open although its key lives: tampered, swapped or truncated. An alarm."""

    code = "event-corrupt"


class LogConflict(Failed):
    """The events, the tiles and the signed head of a log do not fit. An alarm; ``position`` is the first event
    that is not as it was logged."""

    code = "log-conflict"

    def __init__(self, message: str, position: int) -> None:
        self.position = position
        super().__init__(message)


class KeyStoreUnavailable(Failed):
    """The vault can not be reached; nothing is known about the keys."""

    code = "key-store-unavailable"


class VaultRefused(Failed):
    """The vault will not open: wrong root key, missing epoch key, older epoch. Nothing was minted."""

    code = "vault-refused"


class BackupInvalid(Failed):
    """A part of a backup is missing, altered, cut short, out of order, or of an epoch that was closed. Nothing was
    replaced."""

    code = "backup-invalid"


class RestoreUnfinished(Failed):
    """The place is being restored, or a restore was cut off: the operator runs it again."""

    code = "restore-unfinished"


class StoreUnavailable(Failed):
    """The event store can not be reached or is too busy; try again."""

    code = "store-unavailable"


class StoreNotMigrated(StoreUnavailable):
    """The store's tables are not those of this release: the operator runs `lrs migrate`."""

    code = "store-not-migrated"


class Overloaded(Failed):
    """More work is queued than the limit allows; try again later."""

    code = "overloaded"


def code_of(error: BaseException) -> str:
    """What a log may say of an error: its code, or its kind. A message might hold a person's data."""
    return error.code if isinstance(error, LetheError) else type(error).__name__
