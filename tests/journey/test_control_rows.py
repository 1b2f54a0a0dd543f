"""Who the tenants and credentials are comes out of the control store's events again."""

from contextlib import suppress
from random import Random

from lrs.bootstrap import System
from lrs.domain.errors import NotFound
from lrs.reindexing.control import restore_control_rows
from tests.places import control_rows


def test_rows_that_are_made_again_from_events_are_the_rows_that_there_were(system: System) -> None:
    """Tenants that left and came again under the same name, credentials that were revoked, and again."""
    settings, random = system.settings, Random(5)
    keys: dict[str, str] = {}
    for _ in range(40):
        name = random.choice(["acme", "globex", "initech"])
        served = [row.name for row in system.tenants.list()]
        if name not in served:
            system.tenants.create(name)
        elif random.random() < 0.2:
            system.tenants.delete(name)
        elif (key := keys.get(name)) and random.random() < 0.5:
            with suppress(NotFound):
                system.credentials.revoke(key, name)
        else:
            keys[name] = system.credentials.issue(name, ["all", "state"]).row.key
    tables = {"tenant": "*", "credential": "*", "head": "position, generation"}
    before = {
        table: sorted(control_rows(settings, f"SELECT {columns} FROM {table}"), key=repr)
        for table, columns in tables.items()
    }
    assert {row[-1] for row in before["credential"]} == {0, 1}
    fence = system.control.fence()
    for sql in ("DELETE FROM tenant", "DELETE FROM credential", "UPDATE head SET position = 0, stored = 0"):
        control_rows(settings, sql)
    for _ in range(2):
        restore_control_rows(system.control)
        after = {
            table: sorted(control_rows(settings, f"SELECT {columns} FROM {table}"), key=repr)
            for table, columns in tables.items()
        }
        assert after == before
    assert system.control.fence() > fence  # whoever knows of the rows before must look again
    ((stored,),) = control_rows(settings, "SELECT stored FROM head")
    assert [(stored,)] == control_rows(settings, "SELECT max(stored) FROM event")
