"""What a sample is made of, drawn by chance: texts, hosts, agents, activities, verbs.

Titles, hosts and ids are drawn afresh each time, so that a dictionary learns IRIs, keys and shapes and nobody's
course. There is no person in them: agents have digits where a name or an address would stand, and no ``@`` is
anywhere.
"""

from random import Random
from typing import Any, Final
from uuid import UUID

from bench import vocabulary as words

Json = dict[str, Any]

ADL: Final = "http://adlnet.gov/expapi/"
W3ID: Final = "https://w3id.org/xapi/"
TINCAN: Final = "http://id.tincanapi.com/"
# Small words come as often as the others together.
_PROSE: Final = words.WORDS + words.SMALL * (len(words.WORDS) // len(words.SMALL))


class Draws:
    """Chance from a seed, and one sender after the other."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.home = self.tag = ""

    def begin(self) -> None:
        """Another sender: its own host and language."""
        name = "".join(self.rng.choices("bcdfghklmnprstvz", k=1) + self.rng.choices("aeiou", k=1)) + self.digits(3)
        host = f"{self.pick(*words.HOSTS)}.{name}{self.pick('.com', '.org', '.net', '.edu', '.eu', '.io')}"
        self.home = f"https://{host}"
        self.tag = self.pick("en-US", "en-US", "en", "en", "en-GB", "de", "fr", "es", "und")

    def pick(self, *options: Any) -> Any:
        return self.rng.choice(options)

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def digits(self, count: int = 0) -> str:
        return "".join(self.rng.choices("0123456789", k=count or self.rng.randint(4, 9)))

    def uuid(self) -> str:
        return str(UUID(int=self.rng.getrandbits(128), version=4))

    def title(self) -> str:
        title = " ".join(self.rng.choices(words.WORDS, k=self.rng.randint(1, 4)))
        return title[0].upper() + title[1:]

    def slug(self) -> str:
        return self.title().lower().replace(" ", self.pick("-", "-", "_"))

    def sentence(self) -> str:
        drawn = self.rng.choices(_PROSE, k=self.rng.randint(5, 16))
        return f"{self.pick(*words.OPENINGS)} {' '.join(drawn)}{self.pick('.', '.', '?')}"

    def text(self, most: int) -> str:
        return " ".join(self.sentence() for _ in range(self.rng.randint(1, most)))

    def said(self, text: str) -> Json:
        return {self.tag: text}

    def time(self) -> str:
        r = self.rng
        day = f"20{r.randint(22, 32)}-{r.randint(1, 12):02}-{r.randint(1, 28):02}"
        clock = f"{r.randint(6, 21):02}:{r.randint(0, 59):02}:{r.randint(0, 59):02}"
        milliseconds = f".{r.randint(0, 999):03}Z"
        return f"{day}T{clock}{self.pick(milliseconds, milliseconds, 'Z', '+00:00')}"

    def duration(self) -> str:
        r = self.rng
        amount = self.pick(f"{r.randint(1, 59)}M{r.randint(0, 59)}", r.randint(1, 9000) / 100, 0)
        return f"PT{amount}S"

    def ordered(self, statement: Json) -> Json:
        """In one of the orders in which senders write: each library has its own."""
        order = self.pick(*words.ORDERS)
        return {name: statement[name] for name in (*order, "attachments") if name in statement}

    def agent(self) -> Json:
        kinds: list[Json] = [
            {"mbox": f"mailto:{self.digits()}"},
            {"account": {"homePage": self.home, "name": self.pick(self.digits(), self.uuid())}},
            {"account": {"name": self.digits(), "homePage": self.home}},
            {"mbox_sha1sum": f"{self.rng.getrandbits(160):040x}"},
            {"openid": f"{self.home}/{self.digits()}"},
        ]
        agent = self.rng.choices(kinds, (4, 3, 2, 1, 1))[0]
        if self.chance(0.5):
            agent = self.pick({"name": self.digits(), **agent}, {**agent, "name": self.digits()})
        said = {"objectType": "Agent"}
        return dict(self.pick(said | agent, said | agent, agent | said, agent))

    def verb(self, iri: str) -> Json:
        word = iri.rsplit("/", 1)[1].replace("-", " ")
        verb: Json = {"id": iri}
        if self.chance(0.9):
            verb["display"] = self.said(word)
        return verb

    def activity(self, place: str, kind: str, *, said: float = 0.8, **more: Any) -> Json:
        """An activity with its definition, whose order differs between senders."""
        definition: Json = {}
        if self.chance(said):
            definition["name"] = self.said(self.title())
        if self.chance(said * 0.5):
            definition["description"] = self.said(self.sentence())
        definition = {**definition, "type": kind} if self.chance(0.6) else {"type": kind, **definition}
        definition |= more
        return self.reference(f"{self.home}/{place}", definition=definition)

    def reference(self, iri: str, **more: Any) -> Json:
        """An activity by its id; whether and where it says what it is differs between senders."""
        activity, said = {"id": iri, **more}, {"objectType": "Activity"}
        return dict(self.pick(activity, said | activity, said | activity, activity | said))

    def score(self) -> Json:
        raw, most = self.rng.randint(0, 100), self.pick(100, 100, 10, 20, 5, 1)
        scaled, limits = {"scaled": raw / 100}, {"min": 0, "max": most}
        points = {"raw": raw * most // 100}
        full = scaled | points | limits
        return dict(self.pick(full, full, limits | points | scaled, scaled))

    def statement(self, verb: str, target: Json, context: Json | None = None, result: Json | None = None) -> Json:
        statement: Json = {"actor": self.agent(), "verb": self.verb(verb), "object": target}
        if context:
            statement["context"] = context
        if result:
            statement["result"] = result
        return statement | {"timestamp": self.time()}
