"""Clients that are not ours, against a running service: two from npm, one from PyPI, every resource they know.

npm installs the JavaScript clients from tests/clients/package-lock.json (exact versions, no addresses), once, into
a temporary folder. Where npm or its registry is not to be had the tests say so and are skipped; in CI they fail.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest
from tincan import (
    Activity,
    ActivityDefinition,
    ActivityProfileDocument,
    Agent,
    AgentProfileDocument,
    LanguageMap,
    RemoteLRS,
    StateDocument,
    Statement,
    StatementRef,
    Verb,
)

from tests.running import Service

CLIENTS = Path(__file__).parents[1] / "clients"
GROUPS = ("statements", "resources", "documents", "attachments")


def _lacking(why: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture(scope="session")
def installed() -> Path:
    """A folder with the clients and our scripts that drive them."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        _lacking("no nodejs and npm here: apt-get install nodejs npm")
    scripts = sorted(CLIENTS.iterdir())
    version = hashlib.sha256(b"".join(one.read_bytes() for one in scripts)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"lethe-clients-{os.geteuid()}-{version}"
    if not folder.exists():
        made = Path(tempfile.mkdtemp(prefix="lethe-clients-"))
        for one in scripts:
            shutil.copy(one, made)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
        done = subprocess.run(command, cwd=made, capture_output=True, text=True, timeout=240, check=False)
        if done.returncode:
            _lacking(f"npm can not install the clients: {done.stderr[-500:]}")
        with suppress(OSError):  # another process was first
            made.rename(folder)
    return folder


@pytest.mark.parametrize(("client", "base"), [("xapi", "/xapi"), ("tincan", "/xapi/1.0.3")])
def test_a_javascript_client_does_all_it_can(
    running: tuple[Service, tuple[str, str]], installed: Path, client: str, base: str
) -> None:
    service, (key, secret) = running
    given = {"LRS_ENDPOINT": f"{service.url}{base}/", "LRS_KEY": key, "LRS_SECRET": secret}
    done = subprocess.run(
        ["node", f"{client}.js", *GROUPS],
        cwd=installed,
        env=os.environ | given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, (done.stdout[-2_000:], done.stderr[-2_000:])


# --- tincan, from PyPI -----------------------------------------------------------------------------------------


def remote(running: tuple[Service, tuple[str, str]]) -> RemoteLRS:
    service, (key, secret) = running
    return RemoteLRS(endpoint=f"{service.url}/xapi/", version="1.0.1", username=key, password=secret)


def somebody() -> tuple[Agent, Activity]:
    word = uuid4().hex
    definition = ActivityDefinition(name=LanguageMap({"en": "Course"}))
    return (
        Agent(name="Ada", mbox=f"mailto:{word}@example.org"),
        Activity(id=f"https://example.org/activities/{word}", definition=definition),
    )


def completed(agent: Agent, activity: Activity) -> Statement:
    verb = Verb(id="http://adlnet.gov/expapi/verbs/completed")
    return Statement(id=str(uuid4()), actor=agent, verb=verb, object=activity)


def test_a_python_client_does_statements(running: tuple[Service, tuple[str, str]]) -> None:
    lrs, (agent, activity) = remote(running), somebody()
    assert "1.0.3" in lrs.about().content.version
    said = [completed(agent, activity) for _ in range(4)]
    assert lrs.save_statement(said[0]).success
    assert lrs.save_statements(said[1:]).success
    assert lrs.retrieve_statement(said[0].id).content.actor.mbox == agent.mbox
    page = lrs.query_statements({"agent": agent, "limit": 3})
    rest = lrs.more_statements(page.content)
    assert [one.id for one in (*page.content.statements, *rest.content.statements)] == [
        one.id for one in reversed(said)
    ]
    voiding = completed(agent, activity)
    voiding.verb = Verb(id="http://adlnet.gov/expapi/verbs/voided")
    voiding.object = StatementRef(id=said[0].id)
    assert lrs.save_statement(voiding).success
    assert lrs.retrieve_voided_statement(said[0].id).success
    assert lrs.retrieve_statement(said[0].id).response.status == 404


def test_a_python_client_does_documents(running: tuple[Service, tuple[str, str]]) -> None:
    lrs, (agent, activity) = remote(running), somebody()
    state = StateDocument(id="bookmark", agent=agent, activity=activity, content='{"page": 1}')
    assert lrs.save_state(state).success
    assert lrs.retrieve_state_ids(activity, agent).content == ["bookmark"]
    found = lrs.retrieve_state(activity, agent, "bookmark")
    assert found.content.content == b'{"page": 1}'
    assert lrs.delete_state(found.content).success
    assert lrs.retrieve_state_ids(activity, agent).content == []


def test_a_python_client_does_profiles(running: tuple[Service, tuple[str, str]]) -> None:
    """It says nothing of a new profile, and 1.0.3 demands that a client does (Communication 3.1)."""
    lrs, (agent, activity) = remote(running), somebody()
    mine = AgentProfileDocument(id="p", agent=agent, content="{}")
    its = ActivityProfileDocument(id="p", activity=activity, content="{}")
    for save, document in ((lrs.save_agent_profile, mine), (lrs.save_activity_profile, its)):
        assert save(document).response.status == 400
        document.etag = '"0"'  # the one header that it can be made to send
        assert save(document).response.status == 412
    assert lrs.retrieve_agent_profile_ids(agent).content == []


def test_a_new_profile_without_a_header_is_made_in_2_0_alone(running: tuple[Service, tuple[str, str]]) -> None:
    service, key = running
    for version, status in (("1.0.3", 400), ("2.0.0", 204)):
        params = {"agent": f'{{"mbox": "mailto:{uuid4().hex}@example.org"}}', "profileId": "p"}
        with service.client(key, version) as client:
            answer = client.put("/xapi/agents/profile", params=params, json={"a": 1})
        assert answer.status_code == status
