"""The course of the demonstration: "Fire Safety at Work", two blocks of five assignable units (AUs).

It is data: it must not know time, chance, people or statements. The publisher's ids (course structure) and
the ids of the launching system differ, as cmi5 9.4 demands of blocks and courses.
"""

from dataclasses import dataclass
from typing import Final, Literal

MoveOn = Literal["Passed", "Completed", "CompletedAndPassed", "CompletedOrPassed", "NotApplicable"]

COURSE_ID: Final = "https://lms.example.org/courses/fire-safety-at-work"
COURSE_TITLE: Final = "Fire Safety at Work"
PUBLISHER: Final = "https://content.example.org/fire-safety-at-work"


@dataclass(frozen=True, slots=True)
class Question:
    """One interaction. `choices` (id, text), the right one first; without choices the answer is free text."""

    slug: str
    prompt: str
    choices: tuple[tuple[str, str], ...] = ()
    openings: tuple[str, ...] = ()
    endings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unit:
    """One AU. `mastery_score` is None where nothing is judged."""

    slug: str
    title: str
    description: str
    block: str
    move_on: MoveOn
    mastery_score: float | None
    questions: tuple[Question, ...]

    @property
    def id(self) -> str:
        return f"{COURSE_ID}/units/{self.slug}"

    @property
    def launch_url(self) -> str:
        return f"{PUBLISHER}/{self.slug}/index.html"


BLOCKS: Final = {"prevention": "Preventing a fire", "response": "When it burns"}

UNITS: Final = (
    Unit(
        "how-a-fire-starts",
        "How a fire starts",
        "Heat, fuel and oxygen, and how taking one of them away ends a fire.",
        "prevention",
        "Completed",
        None,
        (
            Question(
                "triangle",
                "Which three things does a fire need?",
                (
                    ("heat-fuel-oxygen", "Heat, fuel and oxygen"),
                    ("heat-smoke-fuel", "Heat, smoke and fuel"),
                    ("spark-wind-wood", "A spark, wind and wood"),
                ),
            ),
            Question(
                "near-miss",
                "Describe a situation at work in which a fire could have started.",
                (),
                (
                    "A phone charger got so hot on my desk that the cover went brown",
                    "Somebody left oily rags in a bag next to the heater",
                    "We had a toaster under the shelf with the paper towels",
                    "An extension lead was plugged into another extension lead behind my cabinet",
                    "During the repair of the roof a welder worked right above our packaging",
                    "The fan of my computer was blocked by dust and it began to smell",
                ),
                (
                    "and nobody noticed until the afternoon.",
                    "and I told my supervisor the same day.",
                    "but I was new and did not dare to say anything.",
                    "and since then we check it every Friday.",
                    "and I still think of it when I lock up.",
                ),
            ),
        ),
    ),
    Unit(
        "hazards-in-your-workplace",
        "Hazards in your workplace",
        "Find what can burn, what can light it, and what blocks the way out.",
        "prevention",
        "CompletedOrPassed",
        0.6,
        (
            Question(
                "fire-door",
                "A fire door is held open with a wedge. What do you do?",
                (
                    ("remove-report", "Remove the wedge and report it"),
                    ("leave", "Leave it: somebody needs it open"),
                    ("sign", "Put up a sign"),
                ),
            ),
            Question(
                "storage",
                "How wide must the way to the exit stay?",
                (
                    ("full-width", "Its full marked width, at all times"),
                    ("one-person", "Wide enough for one person"),
                    ("working-hours", "Free during working hours only"),
                ),
            ),
            Question(
                "own-hazard",
                "Which hazard did you find on your own walk, and what did you do about it?",
                (),
                (
                    "Boxes in front of the rear exit",
                    "A wedge in the door to the stairs",
                    "A heater under my neighbour's desk",
                    "An extinguisher hidden behind the coat rack",
                    "Paint tins next to the boiler",
                    "A cable that runs across the corridor",
                ),
                (
                    "- moved it myself with a colleague.",
                    "- sent a photo to the caretaker, no answer yet.",
                    "- my shift leader had it cleared within the hour.",
                    "- I asked and was told it has always been like that.",
                    "- wrote it in the book at reception.",
                ),
            ),
        ),
    ),
    Unit(
        "fire-register",
        "Further reading: the fire register",
        "Where inspections, drills and faults are written down, and who reads them.",
        "prevention",
        "NotApplicable",
        None,
        (),
    ),
    Unit(
        "choosing-an-extinguisher",
        "Choosing an extinguisher",
        "Classes of fire, the colours of the labels, and when not to fight.",
        "response",
        "Passed",
        0.8,
        (
            Question(
                "pan",
                "Oil burns in a pan in the canteen. What do you use?",
                (
                    ("wet-chemical", "A wet chemical extinguisher or a lid"),
                    ("water", "Water"),
                    ("carbon-dioxide", "Carbon dioxide from close by"),
                ),
            ),
            Question(
                "cabinet",
                "A live switch cabinet burns. What do you use?",
                (
                    ("carbon-dioxide", "Carbon dioxide"),
                    ("foam", "Foam"),
                    ("water", "Water"),
                ),
            ),
            Question(
                "limit",
                "When do you stop fighting a fire yourself?",
                (
                    ("way-out", "Before it can come between me and the way out"),
                    ("empty", "When two extinguishers are empty"),
                    ("brigade", "When the fire brigade arrives"),
                ),
            ),
        ),
    ),
    Unit(
        "evacuation-drill",
        "Evacuation drill",
        "From the alarm to the roll call at the assembly point.",
        "response",
        "CompletedAndPassed",
        0.7,
        (
            Question(
                "alarm",
                "The alarm rings while you are on the phone. What comes first?",
                (
                    ("leave", "Leave at once by the nearest exit"),
                    ("finish", "Finish the call"),
                    ("belongings", "Fetch coat and bag"),
                ),
            ),
            Question(
                "lift",
                "May you use the lift?",
                (("no", "No, never in a fire"), ("yes", "Yes, down only"), ("alone", "Only when alone")),
            ),
            Question(
                "own-route",
                "Describe your way out and what makes it hard for you.",
                (),
                (
                    "From the second floor by the north stairs",
                    "Through the loading bay and round the building",
                    "Out of the laboratory by the glass door",
                    "Along the corridor past the kitchen, then left",
                    "Down the outside staircase behind the archive",
                ),
                (
                    "- I use a crutch at the moment, so I need longer on the steps.",
                    "- without my glasses I do not see the signs in smoke.",
                    "- nothing, it takes me less than two minutes.",
                    "- I am pregnant and would wait for the others on the stairs.",
                    "- I hardly hear the bell with my ear protection on.",
                    "- the last door is heavy, we opened it in pairs.",
                ),
            ),
        ),
    ),
)
