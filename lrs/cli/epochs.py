"""``lrs epoch``."""

from typing import Any

import typer

from lrs.cli.output import AsJson, opened_system, out, progress_bar, show, show_table
from retention.closing import Closing

epochs = typer.Typer(help="Epochs of keys: closing one makes old copies noise.", no_args_is_help=True)


@epochs.command("close", epilog="Example: lrs epoch close")
def close_epoch(as_json: AsJson = False) -> None:
    """Make every older copy of the vault noise: wrap anew what lives, check it, destroy the epoch's key."""
    with opened_system() as system:
        with progress_bar(hidden=as_json) as bar:
            tasks: dict[str, Any] = {}

            def progress(step: str, done: int, total: int) -> None:
                if step not in tasks:
                    tasks[step] = bar.add_task(step.capitalize(), total=total)
                bar.update(tasks[step], completed=done, total=total)

            closed = system.closer.close(progress)
        content = {"epoch": system.vault.epoch(), "closed": [_facts(one) for one in closed]}
        show(as_json, content, lambda: _tell(closed, system.vault.epoch()))


def _facts(one: Closing) -> dict[str, Any]:
    epoch, moved = one.epoch, one.rewrapped
    return {
        "epoch": epoch.epoch,
        "resumed": moved is None,
        "closed_at": epoch.closed_at.isoformat(),
        "destroyed_at": epoch.destroyed_at.isoformat() if epoch.destroyed_at else None,
        "provider": epoch.provider,
        "destruction_seconds": epoch.destruction_seconds,
        "tenants": moved.tenants if moved else None,
        "tenants_with_new_keys": moved.tenants_changed if moved else None,
        "keys": moved.keys if moved else None,
        "certificates": one.certificates,
        "certificates_waiting": one.waiting,
    }


def _tell(closed: list[Closing], present: int) -> None:
    columns = ["epoch", "closed", "key destroyed", "by", "keys moved", "certificates"]
    show_table("Closed epochs", columns, [_row(one) for one in closed])
    for one in closed:
        if one.epoch.destruction_seconds:
            hours = one.epoch.destruction_seconds / 3600
            out.print(f"The destruction of epoch {one.epoch.epoch}'s key is final after {hours:g} hours.")
        if one.waiting:
            out.print(f"{one.waiting} certificates of epoch {one.epoch.epoch} wait for erasures to be completed.")
    out.print(f"Epoch {present} is open. No copy of the vault from before it can be opened.")


def _row(one: Closing) -> list[str]:
    epoch, moved = one.epoch, one.rewrapped
    return [
        str(epoch.epoch),
        f"{epoch.closed_at:%m-%d %H:%M:%S}",
        f"{epoch.destroyed_at:%m-%d %H:%M:%S}" if epoch.destroyed_at else "not yet",
        epoch.provider or "",
        f"{moved.keys} of {moved.tenants_changed} tenants" if moved else "resumed",
        str(one.certificates),
    ]
