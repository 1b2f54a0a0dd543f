"""``lrs verify`` and ``lrs compact``."""

import gc
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from lrs.bootstrap import System, compactor
from lrs.cli.output import FAILED, AsJson, opened_system, out, progress_bar, show, show_table
from lrs.domain.errors import InvalidRequest, LogConflict
from lrs.domain.notes import NOTE_BYTES_MAX
from lrs.notary.verifying import Verified
from retention.compaction import Compacted, Compactor

OneTenant = Annotated[str | None, typer.Option("--tenant", help="One tenant; else all.")]


def verify(
    tenant: OneTenant = None,
    head: Annotated[
        Path | None, typer.Option("--head", help="A signed head that a witness kept, of --tenant.")
    ] = None,
    blobs: Annotated[bool, typer.Option("--blobs", help="Read every attachment's blob, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Hold every event against the signed log of hashes; exit 1 names the first bad position."""
    with opened_system() as system:
        if head is not None and tenant is None:
            raise InvalidRequest("--head: say whose log it is of, with --tenant")
        outside = _note(head) if head else None
        names = _names(system, tenant)
        gc.freeze()  # what is loaded stays: see `lrs rebuild`
        with progress_bar(hidden=as_json) as bar:
            found = {name: _verified(system, bar, name, outside, blobs=blobs) for name in names}
        rows = [[name, str(one.events), str(one.signed), _said(one)] for name, one in found.items()]
        show(
            as_json,
            {"tenants": [_facts(name, one) for name, one in found.items()]},
            lambda: show_table("Verified", ["tenant", "events", "in the signed log", "found"], rows),
        )
    if any(one.bad for one in found.values()):
        raise typer.Exit(FAILED)


def _note(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(NOTE_BYTES_MAX + 1)
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise InvalidRequest("--head: the file is no signed head") from None


def _names(system: System, tenant: str | None) -> list[str]:
    return [system.tenants.check(tenant)] if tenant else [row.name for row in system.tenants.list()]


def _verified(system: System, bar: Progress, tenant: str, outside: str | None, *, blobs: bool) -> Verified:
    task = bar.add_task(tenant, total=None)
    return system.verifier.run(
        system.tenants.store(tenant),
        outside=outside,
        with_blobs=blobs,
        progress=lambda done, total: bar.update(task, completed=done, total=total),
    )


def _said(one: Verified) -> str:
    return f"bad at {one.bad.position}: {one.bad.said}" if one.bad else "good"


def _facts(tenant: str, one: Verified) -> dict[str, Any]:
    bad = {"position": one.bad.position, "reason": one.bad.reason, "said": one.bad.said} if one.bad else None
    return {
        "tenant": tenant,
        "valid": one.bad is None,
        "events": one.events,
        "signed": one.signed,
        "root": one.root.hex(),
        "bad": bad,
    }


def compact(
    tenant: OneTenant = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    as_json: AsJson = False,
) -> None:
    """Replace ciphertext that nobody can open any more, for longer than the policy says; every proof stays valid.
    An event that is not as it was logged stays as it is: exit 1 names it."""
    with opened_system() as system:
        work = compactor(system)
        with progress_bar(hidden=as_json) as bar:
            content = [_compacted(system, work, bar, name, dry=dry_run) for name in _names(system, tenant)]
        title = "Would be compacted" if dry_run else "Compacted"
        show(as_json, {"dry_run": dry_run, "compacted": content}, lambda: _tell_compacted(title, content))
    if any(one["tampered"] for one in content):
        raise typer.Exit(FAILED)


def _tell_compacted(title: str, content: list[dict[str, Any]]) -> None:
    columns = ["tenant", "envelopes", "events", "bytes freed", "blobs"]
    show_table(title, columns, [[str(value) for value in list(one.values())[: len(columns)]] for one in content])
    for one in content:
        if one["tampered"]:
            positions = ", ".join(str(position) for position in one["tampered"])
            out.print(f"{one['tenant']}: not as it was logged, and left as it is: {positions}")


def _compacted(system: System, work: Compactor, bar: Progress, tenant: str, *, dry: bool) -> dict[str, Any]:
    task = bar.add_task(tenant, total=None)
    before, store = Compacted(), system.tenants.store(tenant)
    try:
        system.notary.catch_up(store)  # only what is logged is compacted
    except LogConflict as error:  # what was logged before is compacted all the same
        before = Compacted(tampered=(error.position,))
        if not dry:
            store.tree.alarm(error.position, error.code)
    done = work.run(tenant, dry=dry, progress=lambda at, total: bar.update(task, completed=at, total=total))
    return {"tenant": tenant, **asdict(before.and_more(done))}
