"""``lrs subject`` and ``lrs verify-certificate``."""

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import orjson
import typer

from api.parameters import agent_parameter
from lrs.bootstrap import System, verify
from lrs.cli.output import AgentJson, AsJson, TenantName, exit_codes, opened_system, out, show
from lrs.domain.agents import Identifier
from lrs.domain.errors import Failed, InvalidRequest, LogConflict, Refused
from lrs.domain.requests import Kind, Status
from retention.certificates import LOG, check_certificate, parse_public_key
from retention.rights import described

_REQUEST_POLL_SECONDS = 0.2
# All that is held on a person is for whoever asked, not for every user of this machine.
_PRIVATE = 0o600

subjects = typer.Typer(help="Data-subject rights.", no_args_is_help=True)


@subjects.command(
    "export", epilog="""Example: lrs subject export --tenant acme --agent '{"mbox":"mailto:a@b.org"}'"""
)
def export_subject(
    tenant: TenantName,
    agent: AgentJson,
    to: Annotated[Path, typer.Option("--out", help="The zip to write.")] = Path("export.zip"),
    reason: Annotated[str | None, typer.Option(help="Kept sealed with the request.")] = None,
    as_json: AsJson = False,
) -> None:
    """Everything held on a person, as a zip of JSON and a page to read."""
    with opened_system() as system:
        content = _run_request(system, tenant, Kind.EXPORT, agent, reason)
        with os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE), "wb") as file:
            for piece in system.exporter.package(tenant, UUID(content["id"])):
                file.write(piece)
        held = ", ".join(f"{count} {name}" for name, count in content["detail"]["held"].items())
        show(as_json, content | {"out": str(to)}, lambda: out.print(f"Written to {to}: {held}."))


@subjects.command(
    "erase", epilog="""Example: lrs subject erase --tenant acme --agent '{"mbox":"mailto:a@b.org"}'"""
)
def erase_subject(
    tenant: TenantName,
    agent: AgentJson,
    reason: Annotated[str | None, typer.Option(help="Kept sealed with the request; it goes with it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a person unreadable for ever, with a signed certificate."""
    with opened_system() as system:
        content = _run_request(system, tenant, Kind.ERASE, agent, reason)
        with suppress(LogConflict):  # an alarm of its own (`lrs verify`); what was erased is erased
            system.notary.catch_up(system.tenants.store(tenant))  # so that the certificate comes with its proof
        proofs = system.rights.certificates(tenant, UUID(content["id"]))
        show(as_json, content | {"certificates": proofs}, lambda: _tell_erasure(content, proofs))


def _tell_erasure(content: dict[str, Any], proofs: list[dict[str, Any]]) -> None:
    if not proofs:
        out.print("Nobody is known by this identifier: there was nothing to erase.")
    for proof in proofs:
        out.print("Erased. The certificate:")
        out.print_json(json.dumps(proof))
    out.print(f"Request {content['id']} is {content['status']}.")


def _run_request(system: System, tenant: str, kind: Kind, agent: str, reason: str | None) -> dict[str, Any]:
    """Open a request and run it here, unless the service takes it up first; then wait for that."""
    system.tenants.check(tenant)
    opened = system.rights.open(tenant, kind, [_agent(agent)], reason=reason)
    request = opened
    while request.status in {Status.OPEN, Status.RUNNING}:
        if system.rights.run_next(tenant, opened.id) is None:
            time.sleep(_REQUEST_POLL_SECONDS)
        request = system.rights.get(tenant, opened.id)
    content = described(request)
    if request.status is Status.FAILED:
        raise Failed("the request failed: the service's log says where")
    if request.status is Status.REFUSED:
        raise Refused(f"the request was refused: {request.detail['code']}")
    return content


def verify_certificate(
    file: Path,
    key: Annotated[str, typer.Option("--key", help="The tenant's public key in base64.")],
    as_json: AsJson = False,
) -> None:
    """Check an erasure certificate offline."""
    with exit_codes():
        try:
            content = orjson.loads(file.read_bytes())
        except (OSError, orjson.JSONDecodeError):
            raise InvalidRequest("the file can not be read as JSON") from None
        proof = check_certificate(content, parse_public_key(key), verify)
        logged = LOG in proof
        facts = {"valid": True, "subject": proof["subject"], "issued_at": proof["issued_at"]}
        facts |= {"logged": True} if logged else {}
        more = ", and in the signed log" * logged
        show(as_json, facts, lambda: out.print(f"Valid{more}: subject {proof['subject']}, {proof['issued_at']}."))


def _agent(text: str) -> Identifier:
    identifier = agent_parameter(text, "--agent")
    if identifier is None:
        raise InvalidRequest("--agent: must be an Agent in JSON")
    return identifier
