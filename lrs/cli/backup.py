"""``lrs backup`` and ``lrs restore``."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from eventsourcing.persistence import PersistenceError

from lrs import restoring
from lrs.cli.output import AsJson, err, exit_codes, opened_system, out, progress_bar, say, show
from lrs.config import load_settings
from lrs.domain.errors import InvalidRequest, LetheError, code_of
from lrs.domain.instants import instant
from retention.backup.checking import Verified
from retention.backup.running import Backup, Ran
from retention.certificates import parse_public_key

backups = typer.Typer(help="Backups of everything, sealed to public keys.", no_args_is_help=True)
_MEGABYTE = 1_000_000


@backups.command(epilog="Example: lrs backup run --every 3600")
def run(
    every: Annotated[int | None, typer.Option(min=1, help="Again and again, so many seconds apart.")] = None,
    as_json: AsJson = False,
) -> None:
    """Store what is new since the last run, and a snapshot of the vault."""
    with opened_system() as system:
        if system.backup is None:
            raise InvalidRequest("set LRS_BACKUP_URL and LRS_BACKUP_RECIPIENTS")
        if every is None:
            ran = _run(system.backup, hidden=as_json)
            show(as_json, asdict(ran), lambda: out.print(_told(ran)))
            return
        if as_json:
            raise InvalidRequest("--every does not end: it has no document to print")
        while True:
            began = time.monotonic()
            _try(system.backup)
            time.sleep(max(0.0, began + every - time.monotonic()))


def _run(backup: Backup, *, hidden: bool) -> Ran:
    with progress_bar(hidden=hidden) as bar:
        task = bar.add_task("Events", total=None)
        return backup.run(lambda done, total: bar.update(task, completed=done, total=total))


def _try(backup: Backup) -> None:
    """What fails is said, and tried again when it is time."""
    try:
        say(_told(_run(backup, hidden=True)))
    except (LetheError, PersistenceError, OSError) as error:
        # Of ours, what to do is in the message; others' may hold anything.
        why = f"{error} [{error.code}]" if isinstance(error, LetheError) else code_of(error)
        err.print(f"lrs: no backup was made: {why}", markup=False, highlight=False)


def _told(ran: Ran) -> str:
    lacks = f"; {ran.missing} ATTACHMENTS COULD NOT BE READ, and are in no backup" if ran.missing else ""
    return f"Run {ran.number} at {ran.at}: {ran.events} events, {ran.bytes_stored / _MEGABYTE:.1f} MB{lacks}"


@backups.command(epilog="Example: lrs backup check --identity backup-identity.txt")
def check(
    identity: Annotated[
        Path | None,
        typer.Option(help="A file with an age secret key: everything is restored, apart, and removed."),
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="The installation's public key in base64, where its vault is not at hand.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prove that the backup can be restored, and note when that was. The live store is not touched."""
    with exit_codes():
        settings = load_settings()
        with _bars(hidden=as_json) as progress:
            if identity is not None:
                verified = restoring.check_whole(settings, identity, progress)
            elif key is not None:
                verified = restoring.check_by_key(settings, parse_public_key(key), progress)
            else:
                with opened_system() as system:
                    verified = restoring.check_beside(system, progress)
        show(as_json, asdict(verified), lambda: _tell_verified(verified))


def _tell_verified(verified: Verified) -> None:
    how = "was restored apart, and is whole" if verified.restored else "is there, signed and unaltered"
    out.print(f"Run {verified.number} of {verified.taken_at} {how}: {verified.events} events.", highlight=False)
    if verified.missing:
        out.print(f"{verified.missing} attachments are in no backup: they could not be read when runs were made.")
    if not verified.restored:
        out.print("Give --identity to see it restored.")


def restore(
    source: Annotated[str, typer.Option("--from", help="Where the backup is: a folder, or s3://bucket/prefix.")],
    escrow: Annotated[str, typer.Option(help="Where the epoch's key is escrowed.")],
    identity: Annotated[Path, typer.Option(help="A file with an age secret key that both are sealed to.")],
    at: Annotated[str | None, typer.Option(help="Records as they were then (RFC 3339); else the newest.")] = None,
    as_json: AsJson = False,
) -> None:
    """Bring a backup back into an empty place. Interrupted: the same command goes on."""
    with exit_codes():
        settings, upto = load_settings(), _time(at)
        with _bars(hidden=as_json) as progress:
            restored = restoring.bring_back(
                settings,
                restoring.open_from(source, "--from"),
                restoring.open_from(escrow, "--escrow"),
                identity,
                upto=upto,
                progress=progress,
            )
        show(
            as_json,
            {"restored": asdict(restored)},
            lambda: out.print(
                f"Run {restored.number} of {restored.at} is restored: {restored.tenants} tenants,"
                f" {restored.events} events, {restored.blobs} attachments ({restored.missing} are in no backup),"
                f" {restored.corrupt} damaged events. `lrs serve` starts it; reports fill up within minutes.",
                highlight=False,
            ),
        )


def _time(text: str | None) -> datetime | None:
    try:
        return None if text is None else instant(text)
    except ValueError:
        raise InvalidRequest("--at is a time, as 2026-11-25T09:00:00Z") from None


@contextmanager
def _bars(*, hidden: bool) -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar for each thing that is said to come on."""
    with progress_bar(hidden=hidden) as bar:
        tasks: dict[str, object] = {}

        def come_on(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)  # type: ignore[arg-type]

        yield come_on
