"""The people of the demonstration: two cohorts of twenty learners and their instructor.

All names are invented and all addresses end in example.org (RFC 2606). It must not know the course's content,
time or chance: who stops early is written here, when and with which score is drawn in `lrs.demo.sessions`.

Most agents carry an mbox, some an account, two only the digest of an address. cmi5 9.2 admits accounts alone;
the demonstration mixes them on purpose, because the stores it stands for do too.
"""

import hashlib
import unicodedata
from dataclasses import dataclass
from typing import Any, Final

Json = dict[str, Any]

# One registration for a cohort, spring and autumn: reports filter by it, and two are enough to compare.
REGISTRATIONS: Final = ("5b0f2c1e-6d0a-4c57-9a53-2f1d8f6f7a01", "c3a97d44-18be-4f0e-8b1f-70e6f0d9b202")

PROTAGONIST: Final[Json] = {
    "objectType": "Agent",
    "name": "Ada Ferrer",
    "mbox": "mailto:ada.ferrer@example.org",
}
INSTRUCTOR: Final[Json] = {
    "objectType": "Agent",
    "name": "Rosalind Achterberg",
    "mbox": "mailto:rosalind.achterberg@example.org",
}

COHORT_SIZE: Final = 20
UNITS_ALL: Final = 5

_NAMES: Final = (
    "Bilal Haddouche", "Chiara Monteluce", "Danilo Wolkanov", "Efua Danquor", "Farah Nassibian",
    "Gustavo Pereirinha", "Hanneke Vosdijk", "Ifeoma Okwuchi", "Joji Kanemori", "Katarzyna Brzostek",
    "Lindiwe Mahlokana", "Mateo Quispillo", "Nour El Zayani", "Oskar Tannhof", "Priyanka Devarajan",
    "Quentin Larrousse", "Ruth Ben-Shoval", "Søren Kildegård", "Thuy Linh Phamduc", "Umar Sadiqov",
    "Valérie Montjoux", "Wanjiru Kamotho", "Xiulan Zhengbao", "Yusuf Karadeniz", "Zoë Lindqvarn",
    "Aroha Tamahere", "Bogdan Ilinescu", "Carys Penhallow", "Dilnoza Yulchieva", "Emeka Nwabudike",
    "Fiona Macgillander", "Giorgos Petrakidis", "Hye-jin Nambora", "Ingrid Sölvason", "Jamal Whitcombe",
    "Kirsi Lehtovaara", "Leilani Kahokua", "Milan Hrubčík", "Nadia Bouterfa",
)  # fmt: skip

# Positions in the cohorts. The protagonist is 0, so the second cohort begins at 20.
_ACCOUNT_HOLDERS: Final = frozenset({4, 8, 9, 14, 18, 22, 23, 27, 30, 32, 35, 39})
_DIGESTS: Final = frozenset({12, 33})
_NEVER_CAME_BACK: Final = 17
_UNITS_BEGUN: Final = {
    _NEVER_CAME_BACK: 0,
    5: 1, 13: 1, 22: 1, 34: 1,  # not beyond the first unit
    3: 4, 9: 2, 15: 4, 19: 3, 25: 2, 28: 4, 31: 4, 38: 2,  # under way
}  # fmt: skip
_WAIVED: Final = {11: "hazards-in-your-workplace"}


@dataclass(frozen=True, slots=True)
class Learner:
    """One person and how far they come: `units_begun` 0 is a launch that was abandoned, and nothing after."""

    agent: Json
    registration: str
    units_begun: int
    unit_waived: str | None

    @property
    def is_protagonist(self) -> bool:
        return self.agent == PROTAGONIST


def learners() -> list[Learner]:
    """The forty learners in the order of their enrolment, the protagonist first."""
    return [_learner(position, name) for position, name in enumerate((PROTAGONIST["name"], *_NAMES))]


def _learner(position: int, name: str) -> Learner:
    return Learner(
        agent=_agent(position, name),
        registration=REGISTRATIONS[position // COHORT_SIZE],
        units_begun=_UNITS_BEGUN.get(position, UNITS_ALL),
        unit_waived=_WAIVED.get(position),
    )


def _agent(position: int, name: str) -> Json:
    mbox = f"mailto:{_local_part(name)}@example.org"
    if position in _ACCOUNT_HOLDERS:
        account = {"homePage": "https://id.example.org", "name": f"e-{1040 + 7 * position}"}
        return {"objectType": "Agent", "name": name, "account": account}
    if position in _DIGESTS:
        digest = hashlib.sha1(mbox.encode(), usedforsecurity=False).hexdigest()  # xAPI 1.0.3 Data 2.4.2.3
        return {"objectType": "Agent", "name": name, "mbox_sha1sum": digest}
    return {"objectType": "Agent", "name": name, "mbox": mbox}


def _local_part(name: str) -> str:
    """The name in ASCII with dots, as a mail administrator would write it."""
    plain = unicodedata.normalize("NFKD", name.replace("ø", "o").replace("Ø", "O"))
    return plain.encode("ascii", "ignore").decode().lower().replace(" ", ".")
