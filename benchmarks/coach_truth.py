"""How often a coach says something untrue, before and after the guard.

Facts of random shots, decided or not, with and without foot, speed and technique, go to a coach; a
part counts as untrue where the guard rejected one of its sentences, as missing where the coach did
not say it. What is shown is checked again.

    transformers serve PATH --port 8090
    python benchmarks/coach_truth.py --server http://127.0.0.1:8090/v1 --model PATH --shots 10
"""

import argparse
import random
import time

from workbench.shots.coach.advice import PARTS, advise
from workbench.shots.coach.coaches import make_coach
from workbench.shots.coach.facts import Measure, ShotFacts
from workbench.shots.coach.guard import why_not
from workbench.stats import wilson

RANGES = {
    "standing knee bend": ("°", 15, 55), "kicking knee bend": ("°", 15, 65),
    "trunk lean": ("°", 0, 30), "hip drive": ("°/s", 250, 1200),
}  # fmt: skip


def main() -> None:
    """Print the shares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", help="OpenAI-compatible address; else --model is local")
    parser.add_argument("--model", required=True)
    parser.add_argument("--shots", type=int, default=10)
    parser.add_argument("--patience", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    name = "server" if options.server else "local"
    coach = make_coach(name, url=options.server, model=options.model, patience_s=options.patience)
    rng, untrue, missing, shown, first_s = random.Random(options.seed), 0, 0, [], []
    for _ in range(options.shots):
        facts, started = draw_facts(rng), time.perf_counter()
        parts: dict[str, str] = {}
        for one in advise(facts, coach, longest_s=600):
            if not shown or not parts:
                first_s.append(time.perf_counter() - started)
            parts[one.part] = one.replaced or parts.get(one.part, "")
            shown.append(why_not(one.text, facts) is None)
            print(f"{one.part:8s} {one.text}  {one.replaced}", flush=True)
        absent = [why for why in parts.values() if why.startswith("the coach")]
        missing += len(absent)
        untrue += sum(bool(why) for why in parts.values()) - len(absent)
    total = options.shots * len(PARTS)
    print(f"untrue before the guard: {wilson(untrue, total - missing)} of the parts said")
    print(f"not said: {wilson(missing, total)}")
    print(f"untrue after it: {wilson(len(shown) - sum(shown), len(shown))} of the sentences shown")
    print(f"first sentence after {sorted(first_s)[len(first_s) // 2]:.1f} s, in the median")


def draw_facts(rng: random.Random) -> ShotFacts:
    """Draw the facts of a shot."""
    goal, foot = rng.choice(["goal", "no goal", "can't tell"]), rng.choice(["left", "right"])
    speed, measures = rng.randint(40, 110), []
    for name, (unit, low, high) in RANGES.items():
        if rng.random() < 0.7:
            value, bar = rng.randint(0, round(1.4 * high)), max(1, (high - low) // 8)
            ends = max(0, value - bar), value + bar
            measures.append(Measure(name, unit, value, *ends, low, high))
    decided = goal != "can't tell"
    return ShotFacts(
        goal,
        why="" if decided else "there is no goal in view",
        sure=f"{rng.randint(70, 99)} %" if decided else "",
        foot=foot,
        speed_kmh=speed,
        speed_interval_kmh=(speed - 5, speed + 6),
        measures=tuple(measures),
    )


if __name__ == "__main__":
    main()
