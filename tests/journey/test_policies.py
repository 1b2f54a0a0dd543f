"""A tenant's policy over HTTP: read, decided anew, and refused where it can not be."""

from typing import Any

import pytest

from tests.subjects import Inside, Json, inside

DEFAULT = {"cooling_days": 0, "retention_days": {}, "compaction_days": 30, "suppression_days": 0}


def test_a_policy_is_read_and_decided_wholly(own: Inside) -> None:
    assert own.http.get("/admin/policy").json() == DEFAULT
    decided = {
        "cooling_days": 14,
        "retention_days": {"exchange": 90, "learning": 1825},
        "compaction_days": 0,
        "suppression_days": 365,
    }
    answer = own.http.put("/admin/policy", json=decided)
    assert (answer.status_code, answer.json()) == (200, decided)
    assert own.http.get("/admin/policy").json() == decided
    assert own.http.put("/admin/policy", json={"cooling_days": 1}).json() == DEFAULT | {"cooling_days": 1}


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"cooling_days": 31},
        {"cooling_days": -1},
        {"cooling_days": True},
        {"cooling_days": "7"},
        {"retention_days": {"identity": 5}},
        {"retention_days": {"learning": 0}},
        {"compaction_days": 1.5},
        {"suppression_days": 3651},
        {"Quetzalcoatlus": 1},
    ],
)
def test_what_is_no_policy_is_refused_and_not_repeated(own: Inside, body: Any) -> None:
    answer = own.http.put("/admin/policy", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "request-invalid")
    assert "Quetzalcoatlus" not in answer.text
    assert own.http.get("/admin/policy").json() == DEFAULT


@pytest.mark.parametrize(("scopes", "status"), [(("admin",), 200), (("all",), 200), (("dsar", "all/read"), 403)])
def test_only_who_administers_decides(own: Inside, scopes: tuple[str, ...], status: int) -> None:
    other = inside(own.system, own.tenant, *scopes)
    for answer in (other.http.get("/admin/policy"), other.http.put("/admin/policy", json={})):
        assert answer.status_code == status


def test_a_tenants_policy_is_its_own(own: Inside) -> None:
    own.http.put("/admin/policy", json={"cooling_days": 9}).raise_for_status()
    other: Json = (
        inside(own.system, own.system.tenants.create("another-" + own.tenant[-8:]))
        .http.get("/admin/policy")
        .json()
    )
    assert other == DEFAULT
