"""Tenants and their credentials: taking them on, handing keys out, and knowing who calls.

Unknown key, wrong secret, revoked credential and another tenant's are one answer, by one way through the code.
"""

import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import cast
from uuid import UUID, uuid4

from eventsourcing.persistence import RecordConflictError

from lrs.application import LetheApplication
from lrs.domain.access import Caller, Scope, parse_scopes
from lrs.domain.errors import AlreadyExists, NotFound, Unauthenticated
from lrs.domain.policies import Policy
from lrs.domain.tenants import Credential, Tenant, check_tenant_name
from lrs.ports import Clock, ControlStore, CredentialRow, Stores, TenantRow, TenantStore, Vault

# 256 random bits: no slow hash is needed for what can not be guessed, and every request pays for it. Hexadecimal:
# what begins with a hyphen is an option to the commands that it is pasted into.
_SECRET_BYTES = 32
_KEY_BYTES = 12
# Compared against when the key is unknown, so that an unknown key costs what a wrong secret costs.
_NOBODY = CredentialRow(
    id=UUID(int=0),
    tenant="",
    key="",
    secret_sha256="0" * 64,
    scopes=(),
    created_at=datetime.min.replace(tzinfo=UTC),
    revoked=True,
)


@dataclass(frozen=True, slots=True)
class Issued:
    """A new credential; the secret is shown once and not kept."""

    row: CredentialRow
    secret: str


class Tenants:
    """Tenants that are served, each with its store and its event-sourced application, opened once."""

    def __init__(
        self,
        control: ControlStore,
        stores: Stores,
        vault: Vault,
        clock: Clock,
        *,
        departed: Callable[[str], None] = lambda _: None,
    ) -> None:
        """``departed`` hears of a tenant that left, when its keys are gone."""
        self._control = control
        self._stores = stores
        self._vault = vault
        self._clock = clock
        self._departed = departed
        self._log = LetheApplication(control.recorder)
        self._applications: dict[str, LetheApplication] = {}
        self._fence = -1
        self._lock = threading.Lock()

    def create(self, name: str) -> str:
        """A new tenant with its keys and its store; its name. AlreadyExists, InvalidRequest.

        Keys and store come first and are harmless alone; the control store's row makes it a tenant, so a
        crash in between is mended by asking again."""
        check_tenant_name(name)
        if self._control.tenant(name):
            raise AlreadyExists("there is a tenant of this name already")
        self._vault.create_tenant(name)
        self._stores.create(name)
        at = self._clock.now()
        tenant = Tenant.create(uuid4(), name, at)
        try:
            self._log.save(tenant, tenants=[TenantRow(tenant.id, name, at)])
        except RecordConflictError:
            raise AlreadyExists("there is a tenant of this name already") from None
        return name

    def list(self) -> list[TenantRow]:
        """Tenants that are served, by name."""
        self.fence()
        return self._control.tenants()

    def fence(self) -> int:
        """Where the control store's fence stands. When it moved, a tenant may have left and another of its name
        have come: what was opened is opened again."""
        fence = self._control.fence()
        if fence != self._fence:
            self._fence = fence
            self._stores.forget()
        return fence

    def delete(self, name: str) -> None:
        """Let a tenant go: it is served no more, then its keys are destroyed, then its store is removed.

        NotFound."""
        tenant = self._tenant(name)
        tenant.delete(self._clock.now())
        self._log.save(tenant, departed=[name])
        self._vault.destroy_tenant(name)
        with self._lock:
            self._applications.pop(name, None)
        self._stores.remove(name)
        self._departed(name)

    def policy(self, name: str) -> Policy:
        """What the tenant has decided. NotFound."""
        return self._tenant(name).policy

    def decide(self, name: str, policy: Policy) -> None:
        """Put a policy in force. NotFound."""
        tenant = self._tenant(name)
        tenant.decide(policy, self._clock.now())
        self._log.save(tenant)

    def _tenant(self, name: str) -> Tenant:
        return cast("Tenant", self._log.repository.get(self._row(name).id))

    def _row(self, name: str) -> TenantRow:
        row = self._control.tenant(name)
        if row is None:
            raise NotFound("no such tenant")
        return row

    def store(self, name: str) -> TenantStore:
        """The tenant's store. The name comes from a credential or was checked by ``exists``."""
        return self._stores.open(name)

    def application(self, name: str) -> LetheApplication:
        """The tenant's event-sourced application."""
        return self.application_of(self._stores.open(name))

    def application_of(self, store: TenantStore) -> LetheApplication:
        """The same over a store that was opened before, for what was worked out on it."""
        with self._lock:
            found = self._applications.get(store.tenant)
            if found is None or found.recorder is not store.recorder:
                found = self._applications[store.tenant] = LetheApplication(store.recorder)
            return found

    def has_credential(self, name: str, credential: UUID) -> bool:
        """Whether this is a credential of the tenant, revoked or not."""
        return any(row.id == credential for row in self._control.credentials(name))

    def check(self, name: str) -> str:
        """The name of a tenant that is served, or NotFound."""
        return self._row(name).name


class Credentials:
    """Keys and secrets, and who they are."""

    def __init__(self, control: ControlStore, tenants: Tenants, clock: Clock) -> None:
        self._control = control
        self._tenants = tenants
        self._clock = clock
        self._log = LetheApplication(control.recorder)

    def issue(self, tenant: str, scopes: list[str]) -> Issued:
        """A new credential of a tenant with these scopes. NotFound, InvalidRequest."""
        self._tenants.check(tenant)
        granted = sorted(scope.value for scope in parse_scopes(scopes))
        key, secret = secrets.token_hex(_KEY_BYTES), secrets.token_hex(_SECRET_BYTES)
        at = self._clock.now()
        credential = Credential.issue(uuid4(), tenant, key, _hash(secret), granted, at)
        row = CredentialRow(credential.id, tenant, key, _hash(secret), tuple(granted), at, revoked=False)
        try:
            self._log.save(credential, credentials=[row])
        except RecordConflictError:  # the tenant departed while its credential was made
            raise NotFound("no such tenant") from None
        return Issued(row, secret)

    def list(self, tenant: str) -> list[CredentialRow]:
        """A tenant's credentials, oldest first. NotFound."""
        return self._control.credentials(self._tenants.check(tenant))

    def definers(self, tenant: str, ids: Collection[UUID]) -> frozenset[UUID]:
        """Which of these credentials may, or might, define activities (1.0.3 Communication 4.2, ``define``)."""
        found = self._control.scopes(tenant, ids)
        return frozenset(
            one for one, scopes in found.items() if Caller(one, tenant, parse_scopes(scopes)).may(Scope.DEFINE)
        )

    def seeing_only_own(self, tenant: str, ids: Collection[UUID]) -> frozenset[UUID]:
        """Which of these credentials may read nothing but the statements that they sent themselves."""
        found = self._control.scopes(tenant, ids)
        return frozenset(
            one for one, scopes in found.items() if Caller(one, tenant, parse_scopes(scopes)).sees_only_own
        )

    def revoke(self, key: str, tenant: str | None = None) -> None:
        """From now on it opens nothing, in any process. NotFound, also for another tenant's."""
        row = self._control.credential(key)
        if row is None or (tenant is not None and row.tenant != tenant):
            raise NotFound("no such credential")
        credential = cast("Credential", self._log.repository.get(row.id))
        credential.revoke(self._clock.now())
        self._log.save(credential, credentials=[replace(row, revoked=True)])

    @property
    def fence_is_near(self) -> bool:
        """Whether the fence can be read where nothing may wait."""
        return self._control.fence_is_near

    def fence(self) -> int:
        """Moves with every change of a credential or tenant: who was known under another value has to be
        authenticated again."""
        return self._tenants.fence()

    def authenticate(self, key: str, secret: str) -> Caller:
        """Who holds this key and secret. Unauthenticated."""
        row = self._control.credential(key) or _NOBODY
        matches = hmac.compare_digest(_hash(secret), row.secret_sha256)
        if not matches or row.revoked:
            raise Unauthenticated("the credentials are not accepted")
        return Caller(row.id, row.tenant, parse_scopes(row.scopes))


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
