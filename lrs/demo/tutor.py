"""What learners ask the demonstration's tutor, and what it answers: one request and response at a time.

The shapes are those of the Messages API. The model is invented, so that nobody takes the texts for the words
of a real one. It must not know statements, sessions or the clock; chance comes in as a seeded generator.
"""

from random import Random
from typing import Any, Final
from zlib import crc32

from lrs.demo.course import Unit

Json = dict[str, Any]

MODEL: Final = "demo-tutor-1"
_CHARACTERS_PER_TOKEN: Final = 4  # near enough for English prose; the demonstration bills nobody
_ID_ALPHABET: Final = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz123456789"
_SHARE_WITH_EARLIER_TURN: Final = 0.3

_SYSTEM: Final = (
    "You are the tutor of the course Fire Safety at Work, unit: {title}. Answer in at most five sentences, "
    "in plain words. Never give away the answer to a test question; point to the page that explains it."
)

_SITUATIONS: Final = (
    "I work in the warehouse.",
    "I am at the reception desk, mostly alone.",
    "We are a small laboratory with solvents.",
    "I do night shifts at the loading bay.",
    "I started three weeks ago in the canteen.",
    "I am hard of hearing and often miss the bell.",
    "My colleague on the second floor uses a wheelchair.",
    "I have asthma, so smoke worries me more than most.",
    "I look after two trainees this summer.",
    "I had a fire at home two years ago and still get nervous.",
    "Our office is on the fifth floor of an old building.",
    "I am the fire warden of our corridor since Monday.",
    "English is not my first language, please use easy words.",
    "Tests make me nervous.",
)

_ASKING: Final = (
    "Can you explain {topic}?",
    "Could you remind me {topic}?",
    "Please tell me in simple words {topic}.",
    "For the test I would like to know {topic}.",
    "Before I go on: can you tell me {topic}?",
    "My team leader asked me {topic}, and I had no answer. What should I say?",
    "I read the page twice and still do not see {topic}. Can you help?",
    "Is there an easy way to remember {topic}?",
)

_OPENINGS: Final = (
    "Good that you ask.",
    "In short:",
    "Let us take it step by step.",
    "Many people stumble over this one.",
    "Thank you for telling me about your place of work.",
    "Here is the idea without the jargon.",
)

_ADVICE: Final = (
    "Walk the route once today, without a fire, and look where you would hesitate.",
    "Ask your fire warden to show you the nearest extinguisher and read its label together.",
    "If something about your health makes this harder, tell your warden: a personal plan can be agreed.",
    "Write down what you see in the fire register, so that it is not forgotten.",
    "Talk it through with the person who shares your shift.",
    "Look at the picture in the unit again and cover the captions with your hand.",
    "When in doubt, leave, close the door behind you and call for help.",
)

_CLOSINGS: Final = (
    "Does that fit your situation?",
    "Shall we look at an example from your workplace?",
    "Tell me in your own words what you would do first.",
    "The page before the test says more about it.",
    "You can try the question again now.",
    "",
)

_TOPICS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "how-a-fire-starts": (
        ("why a fire needs oxygen", "Burning is a reaction with oxygen; covered tightly, a small fire dies."),
        ("how a charger can start a fire", "A damaged battery heats itself, and nearby fuel does the rest."),
        (
            "why dust is dangerous",
            "Fine dust has a large surface, so it burns far faster than a solid piece.",
        ),
        ("what an ignition source is", "It is whatever brings the heat: a spark, a hot plate, friction."),
        ("why oily rags can burn by themselves", "Drying oil gives off heat, and a heap keeps that heat in."),
    ),
    "hazards-in-your-workplace": (
        ("why a wedge in a fire door matters", "A closed fire door holds smoke back; a wedged one does not."),
        ("where boxes may be stored", "Anywhere but on the marked way out and in front of equipment."),
        ("who has to report a blocked exit", "Everybody who sees it, at once, to the person responsible."),
        ("how many sockets I may chain", "None: plug one lead into the wall and nothing into that lead."),
        ("what I should look at on my walk", "Three things: what can burn, what can light it, the way out."),
    ),
    "fire-register": (
        (
            "what is written in the fire register",
            "Inspections, drills, faults, and what was done about them.",
        ),
        ("who may read the fire register", "Whoever is responsible for the building, inspectors, and staff."),
        ("how long entries are kept", "As long as local rules say; ask your warden for the period here."),
    ),
    "choosing-an-extinguisher": (
        ("why water is wrong for burning oil", "Water sinks, boils at once and throws the burning oil out."),
        ("what the letters on the label mean", "They name what burns: A solids, B liquids, C gases, F fats."),
        ("when carbon dioxide is dangerous", "In a small room it displaces the air that you breathe."),
        ("how close I may go to the fire", "Only so close that your way out stays behind you and free."),
        ("how long an extinguisher lasts", "A usual one is empty in about ten to twenty seconds."),
    ),
    "evacuation-drill": (
        ("why the lift is forbidden", "It may stop between floors or open where it burns."),
        (
            "what to do when the stairs are full of smoke",
            "Go back, close the door, show yourself at a window.",
        ),
        ("why we are counted outside", "Only a roll call tells the brigade whether somebody is inside."),
        (
            "how somebody in a wheelchair gets out",
            "By a plan agreed beforehand: a safe place, helpers, a chair.",
        ),
        ("whether I may go back for my bag", "No: nobody goes back in before the brigade allows it."),
    ),
}


def exchange_parts(rng: Random, speaker: str, unit: Unit) -> tuple[Json, Json]:
    """One request to the tutor and its response. Three in ten carry an earlier turn of the conversation."""
    topics = list(_TOPICS[unit.slug])
    rng.shuffle(topics)
    questions = [_situated(rng, speaker, _question(rng, topics[0][0]))]
    answers = [_answer(rng, topics[0][1])]
    if rng.random() < _SHARE_WITH_EARLIER_TURN:
        questions.append(_question(rng, topics[1][0]))
        answers.append(_answer(rng, topics[1][1]))
    messages = [_user(questions[0])]
    if len(questions) > 1:
        messages += [{"role": "assistant", "content": answers[0]}, _user(questions[1])]
    request = {"model": MODEL, "max_tokens": 512, "messages": messages}
    if rng.random() < 0.9:
        request["system"] = _SYSTEM.format(title=unit.title)
    return request, _response(rng, request, answers[-1])


def _user(text: str) -> Json:
    return {"role": "user", "content": text}


def _question(rng: Random, topic: str) -> str:
    return rng.choice(_ASKING).format(topic=topic)


def _situated(rng: Random, speaker: str, question: str) -> str:
    """The question after something the speaker says of themselves, which is why these texts need keys."""
    if rng.random() < 0.15:
        return question
    situation = _SITUATIONS[crc32(speaker.encode()) % len(_SITUATIONS)]  # one person keeps to one
    return f"{situation} {question}"


def _answer(rng: Random, fact: str) -> str:
    return " ".join((rng.choice(_OPENINGS), fact, rng.choice(_ADVICE), rng.choice(_CLOSINGS))).strip()


def _response(rng: Random, request: Json, text: str) -> Json:
    characters_in = len(request.get("system", "")) + sum(len(turn["content"]) for turn in request["messages"])
    return {
        "id": "msg_" + "".join(rng.choices(_ID_ALPHABET, k=24)),
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": characters_in // _CHARACTERS_PER_TOKEN,
            "output_tokens": len(text) // _CHARACTERS_PER_TOKEN,
        },
    }
