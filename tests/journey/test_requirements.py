"""Each requirement of xAPI 1.0.3 and 2.0 against a running service, on both stores: the tables in requirements/.

One service serves both versions, as it does in life; each row of a table is a subtest.
"""

import httpx2
import pytest

from tests.journey.requirements import attachments, documents, resource, shape
from tests.journey.requirements.rows import BOTH, VERSION, Ask, Row
from tests.running import Service

TABLES: dict[str, list[Row]] = {
    "formatting": shape.FORMATTING,
    "life": shape.LIFE,
    "actors": shape.ACTORS,
    "verbs": shape.VERBS,
    "objects": shape.OBJECTS,
    "results": shape.RESULTS,
    "contexts": shape.CONTEXTS,
    "timestamps": shape.TIMESTAMPS,
    "others": shape.OTHERS,
    "writing": resource.WRITING,
    "reading": resource.READING,
    "edge": resource.EDGE,
    "attachments": attachments.ATTACHMENTS,
    "alternate": attachments.ALTERNATE,
    "state alone": documents.STATE_ONLY,
    "resources": documents.RESOURCES,
    **{name: documents.rows_of(name, one) for name, one in documents.DOCUMENTS.items()},
}
BASES = {"1.0.3": "/xapi/1.0.3", "2.0.0": "/xapi"}


@pytest.mark.parametrize("table", list(TABLES))
@pytest.mark.parametrize("version", BOTH)
def test_requirements(
    running: tuple[Service, tuple[str, str]], version: str, table: str, subtests: pytest.Subtests
) -> None:
    service, key = running
    with service.client(key, version) as client:
        for number, row in enumerate(TABLES[table]):
            if version not in row.versions:
                continue
            with subtests.test(f"{row.id}: {row.says}"):
                for place, case in enumerate(row.cases):
                    for ask in case(f"{table}{number}x{place}x{version}".replace(" ", "").replace(".", "")):
                        put(client, version, ask)


def put(client: httpx2.Client, version: str, ask: Ask) -> None:
    """The request; the answer is as it must be."""
    headers = {name: value for name, value in ask.headers.items() if value is not None}
    request = client.build_request(
        ask.method,
        BASES[version] + ask.path,
        params=dict(ask.params) or None,
        json=ask.json,
        content=ask.content,
        headers=headers,
    )
    if ask.headers.get(VERSION, "") is None:
        del request.headers[VERSION]
    said_nothing = ask.headers.get("Authorization", "") is None
    answer = (
        client.send(request, auth=None) if said_nothing or "Authorization" in headers else client.send(request)
    )
    status = ask.status if isinstance(ask.status, int) else ask.status[version]
    # Who reads the failure needs to know what was sent; the values are the tests' own.
    assert answer.status_code == status, (ask, answer.text[:500])
    assert answer.headers[VERSION] in BOTH
    if ask.check is not None:
        ask.check(answer)


def test_every_row_has_a_case_and_says_something_of_its_own() -> None:
    rows = [row for table in TABLES.values() for row in table]
    assert all(row.cases for row in rows)
    assert len({(row.id, row.says) for row in rows}) == len(rows)
