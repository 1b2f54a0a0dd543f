"""All commands under one name."""

from collections.abc import Callable

import typer

from lrs.cli import backup, doctor, migrate, proofs, service, subjects
from lrs.cli.epochs import epochs
from lrs.cli.retention import retention
from lrs.cli.tenants import credentials, tenants

app = typer.Typer(
    help="Lethe: keeps every learning event for ever, and can still forget a person.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(tenants, name="tenant")
app.add_typer(credentials, name="credential")
app.add_typer(subjects.subjects, name="subject")
app.add_typer(backup.backups, name="backup")
app.add_typer(epochs, name="epoch")
app.add_typer(retention, name="retention")

_COMMANDS: dict[Callable[..., None], str] = {
    service.demo: "lrs demo",
    service.serve: "LRS_PUBLIC_URL=https://lrs.example.org lrs serve --port 8080",
    migrate.migrate: "lrs migrate",
    doctor.doctor: "lrs doctor --json",
    service.rebuild: "lrs rebuild --tenant acme --view completion",
    backup.restore: "lrs restore --from /mnt/backup --escrow /mnt/escrow --identity backup-identity.txt",
    proofs.verify: "lrs verify --tenant acme",
    proofs.compact: "lrs compact --dry-run",
    subjects.verify_certificate: "lrs verify-certificate certificate.json --key BASE64",
}
for _command, _example in _COMMANDS.items():
    app.command(epilog=f"Example: {_example}")(_command)


def main() -> None:
    """The console script."""
    app()
