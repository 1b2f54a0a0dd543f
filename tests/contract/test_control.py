"""The promises of the control store: rows go with their events, and every change moves the fence."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from eventsourcing.persistence import RecordConflictError

from lrs.adapters.sqlite.stores import sqlite_control
from lrs.ports import ControlStore, CredentialRow, TenantRow
from tests.contract.conftest import BACKENDS, START, Backend, FakeClock, an_event


def everything(backend: Backend) -> dict[str, list[tuple[Any, ...]]]:
    tables = ("event", "head", "fence", "tenant", "credential")
    return {table: backend.control_rows(f"SELECT * FROM {table} ORDER BY 1") for table in tables}


def a_tenant(name: str = "acme") -> TenantRow:
    return TenantRow(uuid4(), name, START)


def a_credential(key: str = "key", tenant: str = "acme") -> CredentialRow:
    return CredentialRow(uuid4(), tenant, key, "ab" * 32, ("all", "reports"), START, revoked=False)


def save(control: ControlStore, **rows: Any) -> None:
    control.recorder.insert_events([an_event()], **rows)


def test_what_is_saved_is_found(control: ControlStore) -> None:
    tenant, credential = a_tenant(), a_credential()
    save(control, tenants=[tenant])
    save(control, credentials=[credential])
    assert control.tenant("acme") == tenant
    assert control.tenants() == [tenant]
    assert control.credential("key") == credential
    assert control.credentials("acme") == [credential]


def test_what_is_unknown_is_none(control: ControlStore) -> None:
    assert control.tenant("acme") is None
    assert control.tenants() == []
    assert control.credential("key") is control.credential("k\0ey") is None
    assert control.credentials("acme") == []


def test_tenants_are_listed_by_name_and_credentials_oldest_first(control: ControlStore) -> None:
    save(control, tenants=[a_tenant(name) for name in ("other", "acme", "b")])
    assert [row.name for row in control.tenants()] == ["acme", "b", "other"]
    later = replace(a_credential("a"), created_at=START + timedelta(microseconds=1))
    rows = [later, a_credential("z"), a_credential("y"), a_credential("x", "other")]
    save(control, credentials=rows)
    assert control.credentials("acme") == [rows[2], rows[1], later]
    assert control.credentials("other") == [rows[3]]


def test_a_key_is_taken_letter_by_letter(control: ControlStore) -> None:
    save(control, tenants=[a_tenant()])
    save(control, credentials=[a_credential("key")])
    assert control.credential("KEY") is control.credential("ke_") is control.credential("key ") is None


def test_every_change_moves_the_fence(control: ControlStore) -> None:
    credential = a_credential()
    seen = [control.fence()]
    for change in (
        {"tenants": [a_tenant()]},
        {"credentials": [credential]},
        {"credentials": [replace(credential, revoked=True)]},
        {"departed": ["acme"]},
    ):
        save(control, **change)
        seen.append(control.fence())
    assert seen == sorted(set(seen))


def test_a_change_without_rows_leaves_the_fence(control: ControlStore) -> None:
    before = control.fence()
    save(control)
    assert control.fence() == before


def test_a_revoked_credential_is_found_as_revoked(control: ControlStore) -> None:
    save(control, tenants=[a_tenant()])
    credential = a_credential()
    save(control, credentials=[credential])
    save(control, credentials=[replace(credential, revoked=True)])
    assert control.credential("key") == replace(credential, revoked=True)


def test_the_scopes_of_some_credentials_of_a_tenant_are_told(control: ControlStore) -> None:
    save(control, tenants=[a_tenant(), a_tenant("other")])
    ours, revoked, theirs = a_credential("one"), a_credential("two"), a_credential("three", "other")
    save(control, credentials=[replace(ours, scopes=("all", "dsar")), replace(revoked, revoked=True), theirs])
    asked = {ours.id, revoked.id, theirs.id, UUID(int=7)}
    assert control.scopes("acme", asked) == {ours.id: ("all", "dsar"), revoked.id: revoked.scopes}
    assert control.scopes("acme", set()) == {}


def test_a_revoked_credential_never_comes_back(control: ControlStore) -> None:
    save(control, tenants=[a_tenant()])
    credential = a_credential()
    save(control, credentials=[replace(credential, revoked=True)])
    save(control, credentials=[credential])
    assert control.credentials("acme") == [replace(credential, revoked=True)]


def test_revoking_changes_nothing_else(control: ControlStore) -> None:
    save(control, tenants=[a_tenant(), a_tenant("other")])
    credential = a_credential()
    save(control, credentials=[credential])
    save(control, credentials=[replace(credential, revoked=True, scopes=("other",), tenant="other")])
    assert control.credential("key") == replace(credential, revoked=True)


def test_the_credentials_of_a_tenant_that_departs_go_with_it(control: ControlStore) -> None:
    save(control, tenants=[a_tenant(), a_tenant("other")])
    save(control, credentials=[a_credential("one"), a_credential("two"), a_credential("three", "other")])
    save(control, departed=["acme"])
    assert [row.name for row in control.tenants()] == ["other"]
    assert control.tenant("acme") is None
    assert control.credentials("acme") == []
    assert control.credential("one") is None
    assert [row.revoked for row in control.credentials("other")] == [False]


def test_a_name_is_free_again_once_its_tenant_departed(control: ControlStore) -> None:
    save(control, tenants=[a_tenant()])
    save(control, credentials=[a_credential()])
    save(control, departed=["acme"])
    again = a_tenant()
    save(control, tenants=[again])
    assert control.tenant("acme") == again
    assert control.credentials("acme") == []


def test_a_credential_of_a_tenant_that_departed_is_refused_and_leaves_nothing_behind(
    control: ControlStore, backend: Backend
) -> None:
    save(control, tenants=[a_tenant()])
    save(control, departed=["acme"])
    before = everything(backend)
    with pytest.raises(RecordConflictError):
        save(control, credentials=[a_credential()])
    assert everything(backend) == before


def test_a_second_tenant_of_a_name_is_refused_and_leaves_nothing_behind(
    control: ControlStore, backend: Backend
) -> None:
    save(control, tenants=[a_tenant()])
    before = everything(backend)
    with pytest.raises(RecordConflictError):
        save(control, tenants=[a_tenant("new"), a_tenant()], credentials=[a_credential()])
    assert everything(backend) == before


def test_a_second_credential_of_a_key_is_refused_and_leaves_nothing_behind(
    control: ControlStore, backend: Backend
) -> None:
    save(control, tenants=[a_tenant(), a_tenant("other")])
    """Else its event would say that it was handed out, and it would open another one's door, or none."""
    save(control, credentials=[a_credential(tenant="other")])
    before = everything(backend)
    with pytest.raises(RecordConflictError):
        save(control, credentials=[a_credential("new"), a_credential()])
    assert everything(backend) == before


def test_a_conflict_in_the_log_takes_the_rows_back(control: ControlStore, backend: Backend) -> None:
    event = an_event()
    control.recorder.insert_events([event])
    before = everything(backend)
    with pytest.raises(RecordConflictError):
        control.recorder.insert_events([event], tenants=[a_tenant()], credentials=[a_credential()])
    assert everything(backend) == before


def test_of_many_who_create_one_name_at_once_one_succeeds(control: ControlStore) -> None:
    def create(_: int) -> bool:
        try:
            save(control, tenants=[a_tenant()])
        except RecordConflictError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(create, range(8))) == 1
    assert len(control.tenants()) == 1
    assert control.recorder.max_notification_id() == 1


def test_the_fence_is_the_same_for_another_process(
    backend: Backend, clock: FakeClock, request: pytest.FixtureRequest
) -> None:
    another = BACKENDS[request.node.callspec.params["backend"]](backend.address, clock.now)
    first, second = backend.control(), another.control()
    before = second.fence()
    save(first, tenants=[a_tenant()], credentials=[a_credential()])
    assert second.fence() == before + 2
    assert second.credential("key") == first.credential("key")
    another.close()


def test_the_file_is_for_its_owner_only(tmp_path: Path, clock: FakeClock) -> None:
    control = sqlite_control(tmp_path / "here" / "control.db", clock.now)
    save(control, tenants=[a_tenant()])
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "here").iterdir()}
    assert set(modes.values()) == {0o600}
    assert (tmp_path / "here").stat().st_mode & 0o777 == 0o700
    control.close()
