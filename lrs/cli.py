"""The command line: ``lrs``. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused.

Every command but serve and demo takes ``--json`` and then prints exactly one JSON document. All of them work
while the service runs on the same data directory.
"""

import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import orjson
import typer
from eventsourcing.persistence import PersistenceError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from api.parameters import agent_parameter
from lrs import __version__
from lrs.bootstrap import System, build, verify
from lrs.config import load_settings
from lrs.demonstration import commands, prepare
from lrs.domain.errors import InvalidRequest, LetheError, Refused
from lrs.domain.requests import Kind, Status
from lrs.projections.rebuilding import rebuild as rebuild_view
from lrs.projections.runner import VIEWS, catch_up
from lrs.serving import serve as run_service
from retention.certificates import check_certificate, parse_public_key
from retention.rights import described

FAILED, REFUSED = 1, 3
_REQUEST_POLL_SECONDS = 0.2

app = typer.Typer(
    help="Lethe: keeps every learning event for ever, and can still forget a person.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
tenants = typer.Typer(help="Subscribers, each with a store of its own.", no_args_is_help=True)
credentials = typer.Typer(help="Keys and secrets that act for a tenant.", no_args_is_help=True)
subjects = typer.Typer(help="Data-subject rights.", no_args_is_help=True)
app.add_typer(tenants, name="tenant")
app.add_typer(credentials, name="credential")
app.add_typer(subjects, name="subject")

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
TenantName = Annotated[str, typer.Option("--tenant", help="The tenant's name.")]
AgentJson = Annotated[str, typer.Option("--agent", help="An xAPI Agent in JSON.")]
out = Console(soft_wrap=True)
err = Console(stderr=True)


@contextmanager
def _system(data_dir: Path | None = None) -> Iterator[System]:
    """The system, closed afterwards; refusals and failures become a line and an exit code."""
    with _exit_codes():
        system = build(load_settings(data_dir=data_dir))
        try:
            yield system
        finally:
            system.close()


@contextmanager
def _exit_codes() -> Iterator[None]:
    try:
        yield
    except Refused as error:
        _end(REFUSED, error.code, str(error))
    except LetheError as error:
        _end(REFUSED if error.code == "vault-refused" else FAILED, error.code, str(error))
    except PersistenceError as error:
        _end(FAILED, "store-unavailable", f"the store can not be reached ({type(error).__name__})")


def _end(status: int, code: str, message: str) -> None:
    if "--json" in sys.argv:
        sys.stdout.write(orjson.dumps({"error": {"code": code, "message": message}}).decode() + "\n")
    else:
        err.print(f"lrs: {message} [{code}]", markup=False, highlight=False)
    raise typer.Exit(status)


def _show(as_json: bool, content: Any, show: Callable[[], None]) -> None:
    if as_json:
        sys.stdout.write(orjson.dumps(content, default=str).decode() + "\n")
    else:
        show()


def _table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    out.print(table)


def _bar(hidden: bool = False) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=err, disable=hidden, transient=True)


def _agent(text: str) -> Any:
    identifier = agent_parameter(text, "--agent")
    if identifier is None:
        raise InvalidRequest("--agent: must be an Agent in JSON")
    return identifier


# --- the service ---------------------------------------------------------------------------------------------


@app.command(epilog="Example: LRS_PUBLIC_URL=https://lrs.example.org lrs serve --port 8080")
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (LRS_HOST).")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="Port to listen on (LRS_PORT).")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes; the embedded store is served by one.")] = 1,
) -> None:
    """Run the service."""
    with _exit_codes():
        if workers > 1:
            raise InvalidRequest("the embedded store is served by one process: --workers must be 1")
        settings = load_settings(host=host, port=port)
        logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
        system = build(settings)
        run_service(
            system, settings.host, settings.port, lambda url: _say(f"Lethe {__version__} is ready at {url}")
        )


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


@app.command(epilog="Example: lrs demo")
def demo(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on.")] = 8080,
    data_dir: Annotated[Path, typer.Option(help="Folder of the demo, made once and reused.")] = Path("lrs-demo"),
) -> None:
    """A tenant with a cohort of 40 learners, and commands to try."""
    with _exit_codes():
        settings = load_settings(data_dir=data_dir, host=host, port=port, public_url=f"http://{host}:{port}")
        system = build(settings)
        try:
            with _bar() as bar:
                task = bar.add_task("Filling the demo", total=None)
                made = prepare(system, lambda done, total: bar.update(task, completed=done, total=total))
                catch_up(system.tenants.store("demo"), system.opener)
        except BaseException:
            system.close()
            raise

        def ready(url: str) -> None:
            _say(f"Lethe {__version__} is ready at {url}\n\n  key     {made.key}\n  secret  {made.secret}\n")
            for title, command in commands(url, made, data_dir):
                _say(f"# {title}\n{command}\n")
            _say("Ctrl-C ends it; the next `lrs demo` goes on with the same folder.")

        run_service(system, host, port, ready)


# --- tenants and credentials ---------------------------------------------------------------------------------


@tenants.command("create", epilog="Example: lrs tenant create acme")
def create_tenant(name: str, as_json: AsJson = False) -> None:
    """Take on a subscriber: a store and keys of its own."""
    with _system() as system:
        made = system.tenants.create(name)
        _show(as_json, {"tenant": made}, lambda: out.print(f"Tenant {made} is ready."))


@tenants.command("list", epilog="Example: lrs tenant list --json")
def list_tenants(as_json: AsJson = False) -> None:
    """Tenants that are served."""
    with _system() as system:
        rows = system.tenants.list()
        content = {"tenants": [{"tenant": row.name, "created_at": row.created_at.isoformat()} for row in rows]}
        shown = [[row.name, f"{row.created_at:%Y-%m-%d %H:%M}"] for row in rows]
        _show(as_json, content, lambda: _table("Tenants", ["tenant", "since"], shown))


@tenants.command("delete", epilog="Example: lrs tenant delete acme --yes")
def delete_tenant(
    name: str,
    yes: Annotated[bool, typer.Option("--yes", help="All of its keys are destroyed, for ever.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let a subscriber go: every key is destroyed, nothing of it can be read again."""
    with _system() as system:
        if not yes:
            raise InvalidRequest("this destroys every key of the tenant for ever: say --yes")
        system.tenants.delete(name)
        _show(as_json, {"tenant": name, "deleted": True}, lambda: out.print(f"Tenant {name} is gone."))


@credentials.command("create", epilog="Example: lrs credential create --tenant acme --scope statements/write")
def create_credential(
    tenant: TenantName,
    scope: Annotated[list[str] | None, typer.Option("--scope", help="May be given several times.")] = None,
    as_json: AsJson = False,
) -> None:
    """A new key and secret; the secret is shown this once."""
    with _system() as system:
        issued = system.credentials.issue(tenant, scope or ["statements/write", "statements/read/mine"])
        content = {"key": issued.row.key, "secret": issued.secret, "scopes": list(issued.row.scopes)}
        shown = [[issued.row.key, issued.secret, " ".join(issued.row.scopes)]]
        _show(as_json, content, lambda: _table("Shown once", ["key", "secret", "scopes"], shown))


@credentials.command("list", epilog="Example: lrs credential list --tenant acme")
def list_credentials(tenant: TenantName, as_json: AsJson = False) -> None:
    """A tenant's credentials, without their secrets."""
    with _system() as system:
        rows = system.credentials.list(tenant)
        content = [
            {"key": r.key, "scopes": list(r.scopes), "created_at": r.created_at.isoformat(), "revoked": r.revoked}
            for r in rows
        ]
        shown = [[r.key, " ".join(r.scopes), f"{r.created_at:%Y-%m-%d}", "revoked" * r.revoked] for r in rows]
        _show(
            as_json,
            {"credentials": content},
            lambda: _table(f"Credentials of {tenant}", ["key", "scopes", "since", ""], shown),
        )


@credentials.command("revoke", epilog="Example: lrs credential revoke 1f0c7a… --tenant acme")
def revoke_credential(
    key: str,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Refuse another tenant's key.")] = None,
    as_json: AsJson = False,
) -> None:
    """From now on the key opens nothing."""
    with _system() as system:
        system.credentials.revoke(key, tenant)
        _show(as_json, {"key": key, "revoked": True}, lambda: out.print("Revoked."))


# --- data subjects -------------------------------------------------------------------------------------------


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
    with _system() as system:
        content = _run_request(system, tenant, Kind.EXPORT, agent, reason)
        with to.open("wb") as file:
            for piece in system.exporter.package(tenant, UUID(content["id"])):
                file.write(piece)
        held = ", ".join(f"{count} {name}" for name, count in content["detail"]["held"].items())
        _show(as_json, content | {"out": str(to)}, lambda: out.print(f"Written to {to}: {held}."))


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
    with _system() as system:
        content = _run_request(system, tenant, Kind.ERASE, agent, reason)
        proofs = system.rights.certificates(tenant, UUID(content["id"]))
        _show(as_json, content | {"certificates": proofs}, lambda: _show_erasure(content, proofs))


def _show_erasure(content: dict[str, Any], proofs: list[dict[str, Any]]) -> None:
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
    if request.status is not Status.DONE:
        raise InvalidRequest(f"the request ended as {request.status}: {request.detail.get('code', '')}")
    return content


@app.command("verify-certificate", epilog="Example: lrs verify-certificate certificate.json --key BASE64")
def verify_certificate(
    file: Path,
    key: Annotated[str, typer.Option("--key", help="The tenant's public key in base64.")],
    as_json: AsJson = False,
) -> None:
    """Check an erasure certificate offline."""
    with _exit_codes():
        try:
            content = orjson.loads(file.read_bytes())
        except (OSError, orjson.JSONDecodeError):
            raise InvalidRequest("the file can not be read as JSON") from None
        proof = check_certificate(content, parse_public_key(key), verify)
        facts = {"valid": True, "subject": proof["subject"], "issued_at": proof["issued_at"]}
        _show(as_json, facts, lambda: out.print(f"Valid: subject {proof['subject']}, {proof['issued_at']}."))


# --- views ---------------------------------------------------------------------------------------------------


@app.command(epilog="Example: lrs rebuild --tenant acme --view completion")
def rebuild(
    tenant: Annotated[str | None, typer.Option("--tenant", help="One tenant; else all.")] = None,
    view: Annotated[str | None, typer.Option("--view", help=f"One of {', '.join(VIEWS)}; else all.")] = None,
    as_json: AsJson = False,
) -> None:
    """Rebuild report views from the log, beside the live ones, and swap them in."""
    with _system() as system:
        if view is not None and view not in VIEWS:
            raise InvalidRequest(f"--view: one of {', '.join(VIEWS)}")
        names = [system.tenants.check(tenant)] if tenant else [row.name for row in system.tenants.list()]
        with _bar(hidden=as_json) as bar:
            rebuilt: list[dict[str, Any]] = [
                {"tenant": name, "view": one, "same": _rebuild(system, bar, name, one)}
                for name in names
                for one in ([view] if view else VIEWS)
            ]
        shown = [[r["tenant"], r["view"], "same as before" if r["same"] else "changed"] for r in rebuilt]
        _show(as_json, {"rebuilt": rebuilt}, lambda: _table("Rebuilt", ["tenant", "view", "rows"], shown))


def _rebuild(system: System, bar: Progress, tenant: str, view: str) -> bool:
    task = bar.add_task(f"{tenant} {view}", total=None)
    return rebuild_view(
        system.tenants.store(tenant),
        system.opener,
        view,
        lambda done, total: bar.update(task, completed=done, total=total),
    )


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()
