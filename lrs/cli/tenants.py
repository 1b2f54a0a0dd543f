"""``lrs tenant`` and ``lrs credential``."""

from typing import Annotated

import typer

from lrs.cli.output import AsJson, TenantName, opened_system, out, show, show_table
from lrs.domain.errors import InvalidRequest
from lrs.domain.policies import EXPIRING, Policy

tenants = typer.Typer(help="Subscribers, each with a store of its own.", no_args_is_help=True)
credentials = typer.Typer(help="Keys and secrets that act for a tenant.", no_args_is_help=True)


@tenants.command("create", epilog="Example: lrs tenant create acme")
def create_tenant(name: str, as_json: AsJson = False) -> None:
    """Take on a subscriber: a store and keys of its own."""
    with opened_system(new=True) as system:
        made = system.tenants.create(name)
        show(as_json, {"tenant": made}, lambda: out.print(f"Tenant {made} is ready."))


@tenants.command("list", epilog="Example: lrs tenant list --json")
def list_tenants(as_json: AsJson = False) -> None:
    """Tenants that are served."""
    with opened_system() as system:
        rows = system.tenants.list()
        content = {"tenants": [{"tenant": row.name, "created_at": row.created_at.isoformat()} for row in rows]}
        shown = [[row.name, f"{row.created_at:%Y-%m-%d %H:%M}"] for row in rows]
        show(as_json, content, lambda: show_table("Tenants", ["tenant", "since"], shown))


@tenants.command("delete", epilog="Example: lrs tenant delete acme --yes")
def delete_tenant(
    name: str,
    yes: Annotated[bool, typer.Option("--yes", help="All of its keys are destroyed, for ever.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let a subscriber go: every key is destroyed, nothing of it can be read again."""
    with opened_system() as system:
        if not yes:
            raise InvalidRequest("this destroys every key of the tenant for ever: say --yes")
        system.tenants.delete(name)
        show(as_json, {"tenant": name, "deleted": True}, lambda: out.print(f"Tenant {name} is gone."))


@tenants.command("policy", epilog="Example: lrs tenant policy acme --cooling-days 14 --keep learning=1825")
def tenant_policy(
    name: str,
    cooling_days: Annotated[int | None, typer.Option(help="An erasure can be taken back so long; 0: not.")] = None,
    keep: Annotated[list[str] | None, typer.Option(help="CATEGORY=DAYS; may be given several times.")] = None,
    forever: Annotated[list[str] | None, typer.Option(help="A category that is kept for ever.")] = None,
    compaction_days: Annotated[int | None, typer.Option(help="What is dead is compacted after these.")] = None,
    suppression_days: Annotated[int | None, typer.Option(help="Who is erased is refused so long; 0: not.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a tenant has decided, or decide what is given; the rest stays as it is."""
    with opened_system() as system:
        facts = system.tenants.policy(name).facts()
        if set(forever or ()) - set(EXPIRING):
            raise InvalidRequest(f"--forever: one of {', '.join(EXPIRING)}")
        kept = {one: days for one, days in facts["retention_days"].items() if one not in (forever or ())}
        given = {
            "cooling_days": cooling_days,
            "compaction_days": compaction_days,
            "suppression_days": suppression_days,
        }
        decided = facts | {one: days for one, days in given.items() if days is not None}
        policy = Policy.parse(decided | {"retention_days": kept | dict(map(_kept, keep or []))})
        if policy.facts() != facts:
            system.tenants.decide(name, policy)
        shown = policy.facts()
        rows = [[one, str(days)] for one, days in shown.items() if one != "retention_days"]
        rows += [[f"keep {one}", str(days)] for one, days in shown["retention_days"].items()]
        show(as_json, {"tenant": name} | shown, lambda: show_table(f"Policy of {name}", ["", "days"], rows))


def _kept(text: str) -> tuple[str, int]:
    category, equals, days = text.partition("=")
    if not equals or not days.isdecimal():
        raise InvalidRequest("--keep: a category and days, like learning=1825")
    return category, int(days)


@credentials.command("create", epilog="Example: lrs credential create --tenant acme --scope statements/write")
def create_credential(
    tenant: TenantName,
    scope: Annotated[list[str] | None, typer.Option("--scope", help="May be given several times.")] = None,
    as_json: AsJson = False,
) -> None:
    """A new key and secret; the secret is shown this once."""
    with opened_system() as system:
        issued = system.credentials.issue(tenant, scope or ["statements/write", "statements/read/mine"])
        content = {"key": issued.row.key, "secret": issued.secret, "scopes": list(issued.row.scopes)}
        shown = [[issued.row.key, issued.secret, " ".join(issued.row.scopes)]]
        show(as_json, content, lambda: show_table("Shown once", ["key", "secret", "scopes"], shown))


@credentials.command("list", epilog="Example: lrs credential list --tenant acme")
def list_credentials(tenant: TenantName, as_json: AsJson = False) -> None:
    """A tenant's credentials, without their secrets."""
    with opened_system() as system:
        rows = system.credentials.list(tenant)
        content = [
            {"key": r.key, "scopes": list(r.scopes), "created_at": r.created_at.isoformat(), "revoked": r.revoked}
            for r in rows
        ]
        shown = [[r.key, " ".join(r.scopes), f"{r.created_at:%Y-%m-%d}", "revoked" * r.revoked] for r in rows]
        show(
            as_json,
            {"credentials": content},
            lambda: show_table(f"Credentials of {tenant}", ["key", "scopes", "since", ""], shown),
        )


@credentials.command("revoke", epilog="Example: lrs credential revoke 1f0c7a… --tenant acme")
def revoke_credential(
    key: str,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Refuse another tenant's key.")] = None,
    as_json: AsJson = False,
) -> None:
    """From now on the key opens nothing."""
    with opened_system() as system:
        system.credentials.revoke(key, tenant)
        show(as_json, {"key": key, "revoked": True}, lambda: out.print("Revoked."))
