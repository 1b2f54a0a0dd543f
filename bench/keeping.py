"""What keeping and forgetting cost: erasing a person by the length of their history, closing an epoch by the
number of keys, following and verifying the log of hashes, backing up and bringing back. In a place of its own.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, Final
from uuid import UUID, uuid4

import orjson
import pyrage

from bench.figures import Figure
from bench.places import Place
from bench.rig import Rig
from bench.scale import Scale
from bench.serving import TENANT
from bench.statements import Statements, statements
from lrs.adapters.objects.places import open_place
from lrs.bootstrap import System, build
from lrs.config import Settings
from lrs.domain.agents import identifier_of
from lrs.projections.runner import catch_up
from lrs.recording.drafts import Draft, statement_draft
from lrs.restoring import bring_back
from retention.erasure import Eraser

GROUP: Final = "keep"
_BATCH: Final = 500
_SECONDS_GUESSED: Final = 120.0
_MEGABYTE: Final = 1_000_000
Json = dict[str, Any]


def keeping(rig: Rig) -> list[Figure]:
    """The figures."""
    names = ("keeping", "brought_back")
    for name in names:
        rig.backing.drop(name)
    first, second = (rig.backing.place(name) for name in names)
    try:
        guess = _SECONDS_GUESSED * rig.scale.keys[-1] / 200_000
        return rig.elsewhere("keeping and forgetting", guess, keep, first, second, rig.folder, rig.scale)
    finally:
        for name in names:
            rig.backing.drop(name)


@dataclass(slots=True)
class _Keeper:
    """An installation that makes backups, and what was measured of it."""

    system: System
    scale: Scale
    known: Statements
    figures: list[Figure] = field(default_factory=list)
    number: int = 0  # of the next statement
    people: int = 0

    def note(self, name: str, value: float, unit: str, **more: float) -> None:
        """A figure."""
        self.figures.append(Figure(GROUP, name, value, unit, more=more))

    def record(self, actors: Iterator[Json], count: int) -> None:
        """Statements of these actors, one each."""
        while count > 0:
            drafts = [self._draft(next(actors)) for _ in range(min(_BATCH, count))]
            self.system.recorder.record(TENANT, drafts).result()
            count -= len(drafts)

    def _draft(self, actor: Json) -> Draft:
        self.number += 1
        one = orjson.loads(self.known.json(50_000_000 + self.number)) | {"actor": actor}
        return statement_draft(
            one, UUID(one["id"]), version="1.0.3", authority=UUID(int=1), public_url="http://localhost"
        )

    def newcomers(self) -> Iterator[Json]:
        """People who were never seen."""
        while True:
            self.people += 1
            yield _person(f"newcomer-{self.people}")

    def catch_up(self) -> None:
        """Reports and the log of hashes are up with the events."""
        catch_up(self.system.tenants.store(TENANT), self.system.opener)

    def erase(self, who: Json, reached: Callable[[int], None] = lambda _: None) -> None:
        """Erase somebody."""
        identifier = identifier_of(who)
        assert identifier is not None
        subject = self.system.vault.read(TENANT).lookup([identifier])[identifier]
        eraser = Eraser(self.system.tenants, self.system.vault, self.system.closer.clock, reached=reached)
        eraser.erase(TENANT, subject, uuid4(), ("mbox",))


def keep(place: Place, second: Place, folder: Path, scale: Scale) -> list[Figure]:
    """All of it; to be run in a process of its own."""
    identity = folder / "identity"
    key = pyrage.x25519.Identity.generate()
    identity.write_text(f"{key}\n")
    places = {
        "backup_url": str(folder / f"backup-{place.store}"),
        "escrow_url": str(folder / f"escrow-{place.store}"),
        "backup_recipients": str(key.to_public()),
    }
    with closing(build(place.settings().model_copy(update=places))) as system:
        system.tenants.create(TENANT)
        keeper = _Keeper(system, scale, statements(1))
        _erasing(keeper)
        _closing(keeper)
        _logging(keeper)
        _backing_up(keeper)
        figures = keeper.figures
    return figures + _bringing_back(second.settings().model_copy(update=places), places, identity)


def _person(name: str) -> Json:
    return {"objectType": "Agent", "mbox": f"mailto:{name}@example.org"}


@contextmanager
def _timed(keeper: _Keeper, name: str, **more: float) -> Iterator[None]:
    began, computed = perf_counter(), process_time()
    yield
    keeper.note(name, perf_counter() - began, "s", cpu_s=process_time() - computed, **more)


def _erasing(keeper: _Keeper) -> None:
    """Each person's statements are stored and folded before the clock runs."""
    for length in keeper.scale.histories:
        who = _person(f"history-{length}")
        keeper.record(iter(partial(dict, who), None), length)
        keeper.catch_up()
        began = perf_counter()
        reached: dict[int, float] = {}
        keeper.erase(who, partial(_reach, reached))
        ms = {step: (at - began) * 1_000 for step, at in reached.items()}
        keeper.note(
            f"erasing who has {length:,} statements",
            ms[6],
            "ms",
            denied_ms=ms[1],
            keys_gone_ms=ms[2] - ms[1],
            purged_ms=ms[3] - ms[2],
            verified_and_certified_ms=ms[6] - ms[3],
        )


def _reach(reached: dict[int, float], step: int) -> None:
    reached[step] = perf_counter()


def _closing(keeper: _Keeper) -> None:
    """Somebody is erased in each epoch, so that every key of the tenant is wrapped anew. The backup that a close
    makes, too, is not in it."""
    epochs, clock = keeper.system.closer.epochs, keeper.system.closer.clock
    newcomers = keeper.newcomers()
    people = 0
    for keys in keeper.scale.keys:
        keeper.record(newcomers, keys // 2 - people)  # an identity key and a learning key each
        people = keys // 2
        keeper.erase(_person(f"newcomer-{keeper.people}"))
        _close(keeper, f"closing an epoch with {keys:,} keys", epochs, clock)
    _close(keeper, f"closing one in which nobody was erased, {keeper.scale.keys[-1]:,} keys", epochs, clock)


def _close(keeper: _Keeper, name: str, epochs: Any, clock: Any) -> None:
    epoch = epochs.standing().epoch
    began, marks = perf_counter(), []
    epochs.prepare()
    for step in (
        partial(epochs.turn, clock.now(), lambda *_: None),
        partial(epochs.check, epoch, lambda *_: None),
        partial(epochs.destroy, epoch, clock.now),
    ):
        step()
        marks.append(perf_counter() - began)
    epochs.certified(epoch, clock.now())
    keeper.note(
        name, marks[2], "s", turned_s=marks[0], checked_s=marks[1] - marks[0], destroyed_s=marks[2] - marks[1]
    )


def _logging(keeper: _Keeper) -> None:
    system, store = keeper.system, keeper.system.tenants.store(TENANT)
    events = store.statements.head().position
    for name, work in (
        ("events that the notary follows", lambda: system.notary.catch_up(store)),
        ("events that are verified", lambda: system.verifier.run(store)),
    ):
        began, computed = perf_counter(), process_time()
        work()
        took, cpu = perf_counter() - began, process_time() - computed
        keeper.note(name, events / took, "events/s", cpu_us=cpu * 1e6 / events, events=float(events))


def _backing_up(keeper: _Keeper) -> None:
    backup = keeper.system.backup
    assert backup is not None
    began = perf_counter()
    ran = backup.run()
    took = perf_counter() - began
    more = {"events": float(ran.events), "seconds": took, "megabytes": ran.bytes_stored / _MEGABYTE}
    keeper.note("events that are backed up", ran.events / took, "events/s", **more)
    keeper.note("a backup, an event", ran.bytes_stored / max(1, ran.events), "bytes")
    keeper.record(keeper.newcomers(), 1)
    with _timed(keeper, "backing up one statement more"):
        backup.run()


def _bringing_back(target: Settings, places: dict[str, str], identity: Path) -> list[Figure]:
    began = perf_counter()
    restored = bring_back(
        target,
        open_place(places["backup_url"], "backup"),
        open_place(places["escrow_url"], "escrow"),
        identity,
        upto=None,
    )
    opens = perf_counter() - began
    with closing(build(target)) as system:
        catch_up(system.tenants.store(TENANT), system.opener)
    whole = perf_counter() - began
    events = float(restored.events)
    return [
        Figure(GROUP, "restoring, until the port may open", opens, "s", more={"events": events}),
        Figure(GROUP, "restoring, until reports are whole", whole, "s", more={"events": events}),
        Figure(GROUP, "events that are restored", events / opens, "events/s"),
    ]
