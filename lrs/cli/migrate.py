"""``lrs migrate``."""

from lrs.bootstrap import migrate as migrate_stores
from lrs.cli.output import AsJson, exit_codes, out, progress_bar, show, show_table
from lrs.config import load_settings


def migrate(as_json: AsJson = False) -> None:
    """Bring the tables on PostgreSQL to this release's version: before its first start, and after an upgrade."""
    with exit_codes():
        with progress_bar(hidden=as_json) as bar:
            task = bar.add_task("Migrating", total=None)
            migrated = migrate_stores(
                load_settings(), lambda done, total: bar.update(task, completed=done, total=total)
            )
        content = [{"schema": one.schema, "before": one.before, "after": one.after} for one in migrated]
        show(as_json, {"migrated": content}, lambda: _tell([list(map(str, one.values())) for one in content]))


def _tell(rows: list[list[str]]) -> None:
    if rows:
        show_table("Migrated", ["schema", "before", "after"], rows)
    else:
        out.print("Nothing to do: the embedded store makes its own tables.")
