"""Deciding how a person stands: restricted or not, held or not, and what the person is called.

Nothing is destroyed and no stored event is touched. Every part may be done again. A correction goes so:

1. Directory: the new identifier leads to the person; refused where it leads to another.
2. Log: one event on the person's stream, sealed under the identity key: all that is corrected from here on, what
   earlier corrections said included.
3. Vault: that version is in force; the fence moves, and every process lays it over what it reads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import methodcaller
from typing import Any, cast
from uuid import UUID

from eventsourcing.persistence import RecordConflictError

from lrs.domain.agents import Identifier
from lrs.domain.corrections import Correction
from lrs.domain.errors import ErasureBegun, EventCorrupt, InvalidRequest, KeyStoreUnavailable, NotFound
from lrs.domain.requests import DataSubjectRequest, Kind
from lrs.domain.sealing import Corrupt, Place, Plain, Sealed, Unavailable
from lrs.domain.subjects import Standing, Subject
from lrs.opening import correction_place
from lrs.ports import Clock, StaleFence, Vault
from lrs.tenancy import Tenants
from retention.sealing import seal_for

NOBODY = "nobody is known by this identifier"
_TOO_LATE = "the person's erasure has begun"
# The fence moves, and agent objects are sealed, while a correction is on its way.
_ATTEMPTS_MAX = 50


@dataclass(frozen=True, slots=True)
class Decider:
    """Carries out what takes no time."""

    tenants: Tenants
    vault: Vault
    clock: Clock

    def decide(self, tenant: str, request: DataSubjectRequest) -> tuple[dict[str, Any], tuple[UUID, ...]]:
        """What was done, and the erasures that will not be because of it. ErasureBegun, IdentifierTaken,
        NotFound."""
        if request.kind is Kind.CORRECT:
            return self._correct(tenant, request), ()
        if request.kind is Kind.RESTRICT:
            restricted = not request.detail["lift"]
            stand = self.vault.take(tenant, request.subjects, lambda one: one.restrict(restricted=restricted))
            return _counted("subjects_restricted" if restricted else "subjects_lifted", stand), ()
        held = request.kind is Kind.HOLD
        stand = self.vault.take(tenant, request.subjects, lambda one: one.hold(held=held))
        if not stand:  # a mistyped address must not pass for a hold
            raise NotFound(NOBODY)
        waiting = frozenset[UUID]().union(*(one.waiting for one in stand)) if held else ()
        return _counted("subjects_held" if held else "subjects_released", stand), tuple(waiting)

    # --- corrections -----------------------------------------------------------------------------------------

    def sealed(
        self, tenant: str, request: UUID, subjects: Sequence[UUID], correction: Correction
    ) -> Sealed | None:
        """What a request asks to be corrected, kept with the person, of several with the first about whom anything
        may be written; about nobody, nothing is. InvalidRequest."""
        if correction.to is not None and len(subjects) > 1:
            raise InvalidRequest("to: one person can be given a new identifier, and these are several")
        place, packed = _content_place(request), correction.pack()
        sealed = (seal_for(self.vault, tenant, one, place, packed) for one in subjects)
        return next((one for one in sealed if one is not None), None)

    def _correct(self, tenant: str, request: DataSubjectRequest) -> dict[str, Any]:
        if not request.subjects:
            raise NotFound(NOBODY)
        if request.content is None:
            raise ErasureBegun(_TOO_LATE)
        asked = self._opened(tenant, _content_place(request.id), request.content)
        stand: list[Standing] = []
        for subject in request.subjects:
            try:
                stand += self._correct_one(tenant, subject, request.id, asked)
            except ErasureBegun:
                stand += self.vault.standings(tenant, [subject])
        return _counted("subjects_corrected", stand)

    def _correct_one(self, tenant: str, subject: UUID, request: UUID, asked: Correction) -> list[Standing]:
        """Steps 1 to 3; how the person stands then."""
        if asked.identifier is not None:
            self._enter(tenant, subject, asked.identifier)
        number = self._recorded(tenant, subject, request, asked)
        return self.vault.take(tenant, [subject], methodcaller("correct", number))

    def _enter(self, tenant: str, subject: UUID, identifier: Identifier) -> None:
        """Step 1."""
        for _ in range(_ATTEMPTS_MAX):
            reading = self.vault.read(tenant)
            if any(one.ending for one in self.vault.standings(tenant, [subject])):
                raise ErasureBegun(_TOO_LATE)
            try:
                return reading.enter(subject, identifier)
            except StaleFence:
                continue
        raise KeyStoreUnavailable("the fence keeps moving: try again")

    def _recorded(self, tenant: str, subject: UUID, request: UUID, asked: Correction) -> int:
        """Step 2: the version of the event, new or from before a crash."""
        application = self.tenants.application(tenant)
        for _ in range(_ATTEMPTS_MAX):
            at = self.clock.now()
            known = cast("Subject | None", application.get_or_none(subject)) or Subject.register(subject, at)
            if found := [one.version for one in known.corrections if one.request == request]:
                return found[-1]
            before = None
            if known.corrections:
                last = known.corrections[-1]
                before = self._opened(tenant, correction_place((subject, last.version)), last.sealed)
            place = correction_place((subject, known.version + 1))
            sealed = seal_for(self.vault, tenant, subject, place, asked.after(before).pack())
            if sealed is None:
                raise ErasureBegun(_TOO_LATE)
            known.correct(request, sealed, at)
            try:
                application.save(known)
            except RecordConflictError:
                continue
            return known.version
        raise KeyStoreUnavailable("the person is written about too often: try again")

    def _opened(self, tenant: str, place: Place, sealed: Sealed) -> Correction:
        (outcome,) = self.vault.open_many(tenant, [(place, sealed)], inside=True)
        if isinstance(outcome, Plain):
            return Correction.unpack(outcome.data)
        if isinstance(outcome, Unavailable):
            raise KeyStoreUnavailable("the vault can not be reached")
        if isinstance(outcome, Corrupt):
            raise EventCorrupt("a stored correction does not open")
        raise ErasureBegun(_TOO_LATE)


def _content_place(request: UUID) -> Place:
    return Place(request, 2, "content", DataSubjectRequest.Specified.TOPIC)


def _counted(name: str, stand: Sequence[Standing]) -> dict[str, int]:
    """Of how many people it was done and, where it is so, for how many it came too late. ErasureBegun where it
    did for all."""
    late = sum(one.ending for one in stand)
    if late and late == len(stand):
        raise ErasureBegun(_TOO_LATE)
    return {name: len(stand) - late} | ({"subjects_too_late": late} if late else {})
