"""A coach says only what was measured: form, guarded sentences, hostile servers."""

import json
import random
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from workbench.shots.coach.advice import advise
from workbench.shots.coach.coaches import CoachError, ServerCoach, make_coach
from workbench.shots.coach.facts import Measure, ShotFacts, facts_words
from workbench.shots.coach.guard import why_not
from workbench.shots.coach.rules import PARTS, coach_by_rules
from workbench.shots.words import place_words
from workbench.stats import wilson

RANGES = {
    "standing knee bend": ("°", 15, 55), "kicking knee bend": ("°", 15, 65),
    "trunk lean": ("°", 0, 30), "hip drive": ("°/s", 250, 1200),
}  # fmt: skip
SENTENCES = json.loads(Path(__file__).with_name("coach_sentences.json").read_text("utf-8"))


def told(given):
    """Facts as `coach_sentences.json` writes them."""
    sure, speed = given.get("sure"), given.get("speed", [None])
    measures = (
        Measure(name, RANGES[name][0], *three, *RANGES[name][1:])
        for name, three in given.get("measures", {}).items()
    )
    return ShotFacts(
        given["result"], given.get("why", ""), given.get("remedy", ""),
        "" if sure is None else f"{'over ' * (sure == 99)}{sure} %", given.get("foot"), speed[0],
        tuple(speed[1:]) or None, ", ".join(given.get("place", [])), tuple(measures),
    )  # fmt: skip


def any_facts(rng):
    """Facts of any shot: decided or not, with and without foot, speed, place and technique."""
    result = rng.choice(["goal", "no goal", "can't tell", "no shot"])
    decided, foot = result in ("goal", "no goal"), rng.choice(["left", "right", None])
    speed = rng.choice([None, rng.randint(20, 140)])
    measures = []
    for name, (unit, low, high) in RANGES.items():
        if foot is not None and rng.random() < 0.6:
            value, bar = rng.randint(0, round(1.4 * high)), rng.randint(1, (high - low) // 2)
            measures.append(Measure(name, unit, value, max(0, value - bar), value + bar, low, high))
    crossing = (rng.uniform(-6, 6), rng.uniform(0, 4))
    return ShotFacts(
        result=result,
        why="" if decided else "the ball is seen in only 3 frames after the kick",
        remedy="" if decided or rng.random() < 0.5 else "film nearer, in better light",
        sure=rng.choice(["over 99 %", f"{rng.randint(51, 99)} %"]) if decided else "",
        foot=None if result == "no shot" else foot,
        speed_kmh=None if result == "no shot" else speed,
        speed_interval_kmh=None if speed is None else (speed - 5, speed + 7),
        place=", ".join(place_words(crossing, (7.32, 2.44))) if decided else "",
        measures=() if result == "no shot" else tuple(measures),
    )


def test_rules_are_in_form_and_true_for_a_thousand_shots():
    rng = random.Random(17)
    for _ in range(1000):
        facts = any_facts(rng)
        said = list(advise(facts))
        assert [one.part for one in said] == list(PARTS)
        assert all(one.text.endswith(".") and one.text[0].isupper() for one in said)
        assert not any(one.replaced for one in said)
        assert len({one.text for one in said}) == 4
        for one in said:
            for sentence in one.text.replace(": ", ". ").split(". "):
                assert why_not(sentence, facts) is None, (sentence, facts)


def test_the_guard_tells_true_from_false_sentences_that_were_written_before_it():
    facts = {name: told(given) for name, given in SENTENCES["facts"].items()}
    true = [(facts[name], one) for name, all_ in SENTENCES["true"].items() for one in all_]
    false = [(facts[name], one) for name, all_ in SENTENCES["false"].items() for _, one in all_]
    alarms = [text for known, text in true if why_not(text, known)]
    missed = [text for known, text in false if not why_not(text, known)]
    assert len(true) >= 200, len(true)
    assert len(false) >= 200, len(false)
    assert len(missed) <= 0.05 * len(false), (wilson(len(missed), len(false)), missed)
    assert len(alarms) <= 0.02 * len(true), (wilson(len(alarms), len(true)), alarms)


GOAL = told(SENTENCES["facts"]["G"])


class Hostile(BaseHTTPRequestHandler):
    """An OpenAI-compatible server that misbehaves as its path says."""

    answers = {  # noqa: RUF012
        "lies": "Verdict: No goal, a left-footed shot at 97 km/h.\nFix 1: The kicking knee is too "
        "straight.\nFix 2: Your trunk leans 55°.\nDrill: <img src=x onerror=alert(1)> ten kicks.\n",
        "honest": "Sure, here you are!\nVerdict: What a goal, 79 km/h. **Fix 1:** Straighten the "
        "kicking knee.\nFix 2: Keep the standing knee as it is.\nDrill: Ten slow kicks.\n",
        "plain": "1. Goal! 2. The kicking knee is bent too far. Keep the trunk as it is. "
        "Ten slow kicks.",
        "cut": "Verdict: What a goal, 79 km/h.\nFix 1: Straighten the kick",
    }

    def do_POST(self):
        what = self.path.split("/")[1]
        self.send_response(500 if what == "broken" else 200)
        self.end_headers()
        self.wfile.write(b": hello\n\n")
        if what == "html":
            self.wfile.write(b"data: <!doctype html>\n\n")
        elif what == "silent":
            self.wfile.flush()
            time.sleep(2.5)
        elif what in self.endless:
            try:
                self.say("Verdict: What a goal, 79 km/h.\n" * what.startswith("goal"))
                while True:
                    self.endless[what](self)
            except OSError:
                self.left.add(what)
        elif what != "broken":
            answer = self.answers[what]
            for start in range(0, len(answer), 7):
                self.say(answer[start : start + 7])
            if what == "honest":  # as transformers serve ends
                self.wfile.write(b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n')
            elif what != "cut":
                self.wfile.write(b"data: [DONE]\n\n")

    left = set()  # noqa: RUF012  # endless answers that the listener has hung up on
    endless = {  # noqa: RUF012
        "endless": lambda self: self.say("and on "),
        "goal-on-and-on": lambda self: self.say("Verdict: What a goal, 79 km/h.\n"),
        "goal-then-silence": lambda self: self.pause(2.5),
        "goal-then-empty": lambda self: self.say(""),
        "pings": lambda self: self.wfile.write(b": still there\n\n"),
        "line": lambda self: self.wfile.write(b"x" * 4096),
    }

    def say(self, text):
        content = json.dumps({"choices": [{"delta": {"content": text}}]})
        self.wfile.write(f"data: {content}\n\n".encode())

    def pause(self, seconds):
        time.sleep(seconds)
        self.wfile.write(b": still there\n\n")

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    running = ThreadingHTTPServer(("127.0.0.1", 0), Hostile)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()


@pytest.mark.parametrize(
    ("what", "own"),
    [("lies", 0), ("honest", 4), ("plain", 4), ("cut", 1), ("silent", 0), ("html", 0),
     ("broken", 0), ("endless", 0), ("pings", 0), ("line", 0), ("goal-on-and-on", 2),
     ("goal-then-silence", 1), ("goal-then-empty", 1)],
)  # fmt: skip
def test_nothing_untrue_is_shown_whatever_a_server_sends(server, what, own):
    started = time.monotonic()
    coach = ServerCoach(f"{server}/{what}", "model", patience_s=1.0)
    said = list(advise(GOAL, coach, longest_s=3.0))
    assert time.monotonic() - started < 8
    assert list(dict.fromkeys(one.part for one in said)) == list(PARTS)
    assert sum(not one.replaced for one in said) == own, said
    assert all(why_not(text, GOAL) is None for one in said for text in one.text.split(". "))
    rules = coach_by_rules(GOAL)
    assert all(one.text == rules[one.part] for one in said if one.replaced)
    while what in Hostile.endless and what not in Hostile.left:
        assert time.monotonic() - started < 12, "nobody hung up"
        time.sleep(0.05)


def test_the_facts_that_a_model_is_given_name_the_verdict_and_every_flag():
    words = facts_words(GOAL)
    assert "GOAL (96 % sure)" in words
    assert "kicking knee bend: 80° (between 70 and 90; good is 15 to 65): TOO HIGH" in words


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [("server", {}, "--server"), ("server", {"url": "ftp://x"}, "no address"),
     ("local", {}, "--model"), ("guru", {}, "rules, server or local")],
)  # fmt: skip
def test_a_coach_that_cannot_be_made_is_said_with_the_remedy(name, options, said):
    with pytest.raises(CoachError, match=said):
        make_coach(name, **options)
