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

from api.dsar import correction_of
from api.parameters import agent_parameter, identified_agent
from lrs.bootstrap import System, verify
from lrs.cli.output import AgentJson, AsJson, TenantName, exit_codes, opened_system, out, show
from lrs.domain.agents import Identifier
from lrs.domain.corrections import Correction
from lrs.domain.errors import Failed, InvalidRequest, LogConflict, NotFound, Refused
from lrs.domain.requests import Kind, Status
from retention.certificates import LOG, check_certificate, parse_public_key
from retention.deciding import NOBODY
from retention.page.certificate import certificate_page
from retention.rights import described

_REQUEST_POLL_SECONDS = 0.2
# All that is held on a person is for whoever asked, not for every user of this machine.
_PRIVATE = 0o600

# What there is nothing of is exported and erased; all else, of a mistyped address, must not pass for done.
_OF_NOBODY = frozenset({Kind.EXPORT, Kind.ERASE})

_NOBODY_REFUSED = "nobody is refused by this identifier"

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


@subjects.command(
    "readmit", epilog="""Example: lrs subject readmit --tenant acme --agent '{"mbox":"mailto:a@b.org"}'"""
)
def readmit_subject(tenant: TenantName, agent: AgentJson, as_json: AsJson = False) -> None:
    """Refuse an erased person no longer, by this identifier: seen again is somebody new."""
    with opened_system() as system:
        if not system.vault.readmit(system.tenants.check(tenant), _agent(agent)):
            raise NotFound(_NOBODY_REFUSED)
        show(as_json, {"tenant": tenant, "readmitted": True}, lambda: out.print("Refused no longer."))


Reason = Annotated[str | None, typer.Option(help="Kept sealed with the request.")]


@subjects.command("withdraw", epilog="Example: lrs subject withdraw 0b1c… --tenant acme")
def withdraw_erasure(request: UUID, tenant: TenantName, as_json: AsJson = False) -> None:
    """Take back an erasure that waits: the person is as before."""
    with opened_system() as system:
        content = described(system.rights.withdraw(system.tenants.check(tenant), request))
        show(as_json, content, lambda: out.print(f"Request {content['id']} is taken back."))


@subjects.command("hold", epilog="""Example: lrs subject hold --tenant acme --agent '{"mbox":"mailto:a@b.org"}'""")
def hold_subject(tenant: TenantName, agent: AgentJson, reason: Reason = None, as_json: AsJson = False) -> None:
    """Let nothing of a person be destroyed until released."""
    _decide(tenant, Kind.HOLD, agent, reason, as_json)


@subjects.command(
    "release", epilog="""Example: lrs subject release --tenant acme --agent '{"mbox":"mailto:a@b.org"}'"""
)
def release_subject(tenant: TenantName, agent: AgentJson, reason: Reason = None, as_json: AsJson = False) -> None:
    """End a hold."""
    _decide(tenant, Kind.RELEASE, agent, reason, as_json)


@subjects.command(
    "restrict", epilog="""Example: lrs subject restrict --tenant acme --agent '{"mbox":"mailto:a@b.org"}'"""
)
def restrict_subject(
    tenant: TenantName,
    agent: AgentJson,
    lift: Annotated[bool, typer.Option("--lift", help="End the restriction.")] = False,
    reason: Reason = None,
    as_json: AsJson = False,
) -> None:
    """Let nobody read what is held on a person, and let none of it expire, until it is lifted."""
    _decide(tenant, Kind.RESTRICT, agent, reason, as_json, lift=lift)


@subjects.command(
    "correct",
    epilog="""Example: lrs subject correct --tenant acme --agent '{"mbox":"mailto:a@b.org"}' --name Ada""",
)
def correct_subject(
    tenant: TenantName,
    agent: AgentJson,
    name: Annotated[str | None, typer.Option(help="The name from now on.")] = None,
    to: Annotated[str | None, typer.Option(help="An Agent in JSON with the identifier from now on.")] = None,
    reason: Reason = None,
    as_json: AsJson = False,
) -> None:
    """Show a person under another name or identifier from now on, in everything."""
    _decide(tenant, Kind.CORRECT, agent, reason, as_json, renamed=(name, to))


def _decide(
    tenant: str,
    kind: Kind,
    agent: str,
    reason: str | None,
    as_json: bool,
    *,
    lift: bool = False,
    renamed: tuple[str | None, str | None] | None = None,
) -> None:
    with opened_system() as system:
        correction = None
        if renamed is not None:
            name, to = renamed
            become = None if to is None else identified_agent(to, "--to")
            correction = correction_of(name, become, system.settings.public_url)
        content = _run_request(system, tenant, kind, agent, reason, lift=lift, correction=correction)
        show(as_json, content, lambda: out.print(f"Request {content['id']} is {content['status']}."))


def _tell_erasure(content: dict[str, Any], proofs: list[dict[str, Any]]) -> None:
    if content["status"] == Status.OPEN:
        out.print(f"Nobody can read it any more. It is erased at {content['detail']['erases_at']}; until then")
        out.print(f"`lrs subject withdraw {content['id']}` takes it back.")
        return
    if not proofs:
        out.print("Nobody is known by this identifier: there was nothing to erase.")
    for proof in proofs:
        out.print("Erased. The certificate:")
        out.print_json(json.dumps(proof))
    out.print(f"Request {content['id']} is {content['status']}.")


@subjects.command("certificates", epilog="Example: lrs subject certificates --tenant acme --request 0b8f… --json")
def list_certificates(
    tenant: TenantName,
    request: Annotated[UUID, typer.Option("--request", help="The id of the erasure request.")],
    to: Annotated[Path | None, typer.Option("--out", help="An HTML page of them to write, too.")] = None,
    as_json: AsJson = False,
) -> None:
    """The certificates of an erasure: the first when it is done, the second when the epoch is closed."""
    with opened_system() as system:
        system.tenants.check(tenant)
        proofs = system.rights.certificates(tenant, request)
        if to is not None:
            to.write_text(certificate_page(proofs), "utf-8")
        show(as_json, {"certificates": proofs}, lambda: _tell_certificates(proofs))


def _tell_certificates(proofs: list[dict[str, Any]]) -> None:
    for one in proofs:
        out.print_json(json.dumps(one))
    if not proofs:
        out.print("There is none yet.")


def _run_request(
    system: System,
    tenant: str,
    kind: Kind,
    agent: str,
    reason: str | None,
    *,
    lift: bool = False,
    correction: Correction | None = None,
) -> dict[str, Any]:
    """Open a request and run it here, unless the service takes it up first; then wait for that, but not for an
    erasure that waits itself."""
    system.tenants.check(tenant)
    opened = system.rights.open(tenant, kind, [_agent(agent)], reason=reason, lift=lift, correction=correction)
    request = opened
    while not request.is_ended and not (request.erases_at and request.status is Status.OPEN):
        if system.rights.run_next(tenant, opened.id) is None:
            time.sleep(_REQUEST_POLL_SECONDS)
        request = system.rights.get(tenant, opened.id)
    if not request.subjects and kind not in _OF_NOBODY:
        raise NotFound(NOBODY)
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
    """Check an erasure certificate offline, or all those of a request as they are served."""
    with exit_codes():
        try:
            content = orjson.loads(file.read_bytes())
        except (OSError, orjson.JSONDecodeError):
            raise InvalidRequest("the file can not be read as JSON") from None
        public_key = parse_public_key(key)
        if isinstance(content, dict) and "certificates" in content:
            several = [_valid(one, public_key) for one in _certificates_in(content["certificates"])]
            facts: dict[str, Any] = {"valid": True, "certificates": several}
        else:
            facts = _valid(content, public_key)
            several = [facts]
        show(as_json, facts, lambda: out.print("\n".join(_tell_valid(one) for one in several)))


def _certificates_in(listed: object) -> list[Any]:
    """Those of a request, as they are served. InvalidRequest where there is none."""
    if not isinstance(listed, list) or not listed:
        raise InvalidRequest("the file holds no certificate")
    return listed


def _valid(content: object, public_key: bytes) -> dict[str, Any]:
    """What is said of a certificate that is good. InvalidRequest."""
    proof = check_certificate(content, public_key, verify)
    said = {name: proof.get(name) for name in ("certificate", "subject", "issued_at")}
    more = {name: proof[name] for name in ("suppressed_until",) if name in proof}
    return {"valid": True, **said, **more} | ({"logged": True} if LOG in proof else {})


def _tell_valid(facts: dict[str, Any]) -> str:
    logged = ", and in the signed log" if "logged" in facts else ""
    until = facts.get("suppressed_until")
    refused = f" The person is refused when seen again, at the latest until {until}." if until else ""
    said = f"certificate {facts['certificate']}, subject {facts['subject']}, {facts['issued_at']}"
    return f"Valid{logged}: {said}.{refused}"


def _agent(text: str) -> Identifier:
    identifier = agent_parameter(text, "--agent")
    if identifier is None:
        raise InvalidRequest("--agent: must be an Agent in JSON")
    return identifier
