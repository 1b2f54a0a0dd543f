"""Events are only ever added: the source holds one statement that changes one, for compaction alone."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CHANGES = re.compile(
    r"\b(UPDATE|DELETE FROM|REPLACE INTO|TRUNCATE( TABLE)?|INSERT OR \w+ INTO)\s+\"?event\b", re.IGNORECASE
)
IMPORTS = re.compile(r"^\s*(?:from|import) ([\w.]+)(?: import (.*))?", re.MULTILINE)


def sources() -> dict[str, str]:
    """The source of every module of the product, by its name."""
    files = [path for room in ("lrs", "api", "retention") for path in (ROOT / room).rglob("*.py")]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts): path.read_text() for path in files}


def importers(module: str, name: str = "") -> set[str]:
    """Who imports a module, or a name from it."""
    return {
        one
        for one, text in sources().items()
        for imported, names in IMPORTS.findall(text)
        if imported == module and name in names
    }


def test_one_statement_changes_an_event() -> None:
    found = {name: CHANGES.findall(text) for name, text in sources().items() if CHANGES.search(text)}
    assert {name: len(matches) for name, matches in found.items()} == {"lrs.adapters.sql.compacting": 1}


def test_only_the_command_can_say_it() -> None:
    rewritings = {"lrs.adapters.sqlite.compacting", "lrs.adapters.postgres.compacting"}
    assert importers("lrs.adapters.sql.compacting") == rewritings
    assert {one for rewriting in rewritings for one in importers(rewriting)} == {"lrs.bootstrap.building"}
    assert importers("lrs.bootstrap", "compactor") == {"lrs.cli.proofs"}
    assert importers("lrs.bootstrap.building", "compactor") == {"lrs.bootstrap.__init__"}


def test_the_reading_sees_what_it_looks_for() -> None:
    for sql in ("UPDATE event SET", "delete from event", "TRUNCATE event", 'UPDATE "event"', "REPLACE INTO event"):
        assert CHANGES.search(sql), sql
    for sql in ("UPDATE head SET", "DELETE FROM events_of", "SELECT 1 FROM event FOR UPDATE", "INSERT INTO event"):
        assert not CHANGES.search(sql), sql
