"""Who the tenants and their credentials are, from the control store's events alone.

A tenant that left took its credentials along; another of its name, that came later, is another tenant.
"""

from dataclasses import replace

from lrs.application import LetheApplication
from lrs.domain.tenants import Credential, Tenant
from lrs.ports import ControlStore, CredentialRow, TenantRow

_EVENTS = 1_000


def restore_control_rows(control: ControlStore) -> None:
    """Put the rows of tenants and credentials in the place of whatever is there; the head is where the log ends,
    the fence has moved, and nobody holds a lease. Idempotent. Nobody else may be at work there."""
    mapper = LetheApplication(control.recorder).mapper
    tenants: dict[str, TenantRow] = {}
    credentials: dict[str, CredentialRow] = {}
    names: dict[object, str] = {}
    after = 0
    while found := control.recorder.select_notifications(after, _EVENTS, inclusive_of_start=False):
        after = found[-1].id
        for event in map(mapper.to_domain_event, found):
            stream = event.originator_id
            if isinstance(event, Tenant.Created):
                names[stream] = event.name
                tenants[event.name] = TenantRow(stream, event.name, event.timestamp)
            elif isinstance(event, Tenant.Deleted):
                name = names[stream]
                tenants.pop(name, None)
                credentials = {key: row for key, row in credentials.items() if row.tenant != name}
            elif isinstance(event, Credential.Created):
                names[stream] = event.key
                credentials[event.key] = CredentialRow(
                    stream,
                    event.tenant,
                    event.key,
                    event.secret_sha256,
                    tuple(event.scopes),
                    event.timestamp,
                    revoked=False,
                )
            elif isinstance(event, Credential.Revoked) and (row := credentials.get(names[stream])):
                credentials[row.key] = replace(row, revoked=True)
    control.restore(list(tenants.values()), list(credentials.values()))
