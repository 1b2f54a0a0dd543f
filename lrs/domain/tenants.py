"""Tenants (the subscribers, controllers of their data) and the credentials that act for them.

Both are aggregates of the control store. A credential keeps only a hash of its secret.
"""

import re
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from eventsourcing.domain import Aggregate

from lrs.domain.errors import InvalidRequest
from lrs.domain.policies import Policy

# The name is part of file and schema names and of the additional data of keys: short, plain, never changed.
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")


def check_tenant_name(name: str) -> str:
    """The name, or InvalidRequest."""
    if not _NAME.fullmatch(name):
        raise InvalidRequest(
            "a tenant's name is 1 to 40 lower-case letters, digits and hyphens, the first a letter"
        )
    return name


class Tenant(Aggregate):
    """One subscriber."""

    TOPIC = "tenant"

    class Created(Aggregate.Created):
        """The subscriber was taken on."""

        TOPIC = "tenant-created/1"
        name: str

    class PolicyChanged(Aggregate.Event):
        """The subscriber decided how long things are kept."""

        TOPIC = "tenant-policy-changed/1"
        policy: dict[str, Any]

        def apply(self, aggregate: "Tenant") -> None:
            """The policy in force."""
            aggregate.policy = Policy.parse(self.policy)

    class Deleted(Aggregate.Event):
        """The subscriber left: every key is destroyed."""

        TOPIC = "tenant-deleted/1"

        def apply(self, aggregate: "Tenant") -> None:
            """No longer served."""
            aggregate.deleted = True

    def __init__(self, name: str) -> None:
        self.name = name
        self.policy = Policy()
        self.deleted = False

    @classmethod
    def create(cls, tenant: UUID, name: str, at: datetime) -> Self:
        """A new tenant of this checked name."""
        return cls._create(cls.Created, id=tenant, timestamp=at, name=check_tenant_name(name))

    def decide(self, policy: Policy, at: datetime) -> None:
        """Record a policy; the one in force again adds nothing."""
        if policy != self.policy:
            self.trigger_event(self.PolicyChanged, policy=policy.recorded(), timestamp=at)

    def delete(self, at: datetime) -> None:
        """Record that it left; a second time adds nothing."""
        if not self.deleted:
            self.trigger_event(self.Deleted, timestamp=at)


class Credential(Aggregate):
    """A key and a secret that act for one tenant within scopes."""

    TOPIC = "credential"

    class Created(Aggregate.Created):
        """The pair was handed out; the secret is known only to its holder."""

        TOPIC = "credential-issued/1"
        tenant: str
        key: str
        secret_sha256: str
        scopes: list[str]

    class Revoked(Aggregate.Event):
        """It opens nothing any more."""

        TOPIC = "credential-revoked/1"

        def apply(self, aggregate: "Credential") -> None:
            """No longer accepted."""
            aggregate.revoked = True

    def __init__(self, tenant: str, key: str, secret_sha256: str, scopes: list[str]) -> None:
        self.tenant = tenant
        self.key = key
        self.secret_sha256 = secret_sha256
        self.scopes = tuple(scopes)
        self.revoked = False

    @classmethod
    def issue(
        cls, credential: UUID, tenant: str, key: str, secret_sha256: str, scopes: list[str], at: datetime
    ) -> Self:
        """A new credential of a tenant."""
        made = cls._create(
            cls.Created,
            id=credential,
            timestamp=at,
            tenant=tenant,
            key=key,
            secret_sha256=secret_sha256,
            scopes=scopes,
        )
        return made

    def revoke(self, at: datetime) -> None:
        """Record that it is no longer accepted; a second time adds nothing."""
        if not self.revoked:
            self.trigger_event(self.Revoked, timestamp=at)
