"""600,000 spots of ten matches judged by us and by the SoccerNet package: time, memory, numbers.

Each judges the same files in a process of its own, for its peak memory, at mAP@1 and over the tight
tolerances; what is read is timed with the judging, as a user waits for both. The package is not
among our requirements: `pip install --target DIR --no-deps SoccerNet==0.2.0 tqdm`, then name DIR.
CPU time, since other work on the machine stretches the clock.

    python benchmarks/spotting_evaluator.py --package DIR    # three minutes, 1 GB of memory
    python benchmarks/spotting_evaluator.py --spots 60000
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from workbench.labels.events import BALL, load_class_map
from workbench.labels.soccernet import LABELS_BALL, RESULTS, find_matches, read_events

MATCHES, LABELS, HALF_MS = 10, 2000, 95 * 60_000
METRICS = ("at1", "tight")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spots", type=int, default=600_000)
    parser.add_argument("--package", type=Path, help="where SoccerNet and tqdm are installed")
    parser.add_argument("--job", help="internal: who judges, by which metric")
    parser.add_argument("--folder", type=Path, help="internal: the files")
    options = parser.parse_args()
    if options.job:
        measure(options.job, options.folder, options.package)
        return
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder), options.spots)
        for metric in METRICS:
            said = {}
            for who in ("workbench", "package") if options.package else ("workbench",):
                command = [sys.executable, __file__, "--job", f"{who}:{metric}", "--folder", folder]
                command += ["--package", str(options.package)] if options.package else []
                printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                said[who] = json.loads(printed.splitlines()[-1])
                cpu_s, mb = said[who]["cpu_s"], said[who]["mb"]
                print(f"{metric:6}{who:10}{cpu_s:7.2f} CPU s, peak {mb:.0f} MB")
            if "package" in said:
                ours, theirs = said["workbench"], said["package"]
                gap = max(abs(a - b) for a, b in zip(ours["ap"], theirs["ap"], strict=True))
                print(
                    f"{metric:6}{theirs['cpu_s'] / ours['cpu_s']:.1f} times faster, "
                    f"{theirs['mb'] / ours['mb']:.1f} times less memory, "
                    f"largest difference of a class's AP {gap:.1e}"
                )


def write_files(root: Path, spots: int) -> None:
    rng = random.Random(0)
    for match in range(MATCHES):
        labels = [(rng.choice(BALL), rng.randrange(HALF_MS)) for _ in range(LABELS)]
        found = [
            (rng.choice(BALL), rng.randrange(HALF_MS), 0.6 * rng.random())
            for _ in range(spots // MATCHES - LABELS)
        ]
        found += [
            (name, max(0, at + int(rng.gauss(0, 400))), 0.4 + 0.6 * rng.random())
            for name, at in labels
        ]
        for part, name, content in (
            ("labels", LABELS_BALL, {"annotations": [label_row(*one) for one in labels]}),
            ("spots", RESULTS, {"predictions": [spot_row(*one) for one in found]}),
        ):
            folder = root / part / f"league/season/{match}"
            folder.mkdir(parents=True)
            (folder / name).write_text(json.dumps(content))


def label_row(name: str, at_ms: int) -> dict[str, str]:
    clock = f"1 - {at_ms // 60_000:02d}:{at_ms // 1000 % 60:02d}"
    return {"gameTime": clock, "label": name, "position": str(at_ms), "visibility": "visible"}


def spot_row(name: str, at_ms: int, score: float) -> dict[str, str]:
    clock = f"1 - {at_ms // 60_000:02d}:{at_ms // 1000 % 60:02d}"
    row = {"gameTime": clock, "label": name, "position": str(at_ms), "half": "1"}
    return row | {"confidence": f"{score:.6f}"}


def measure(job: str, root: Path, package: Path | None) -> None:
    """Judge once; print the seconds, the peak and each class's average precision."""
    who, _, name = job.partition(":")
    start_s = time.process_time()
    ap = ours(root, name) if who == "workbench" else theirs(root, name, package)
    mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"cpu_s": time.process_time() - start_s, "mb": mb, "ap": ap}))


def ours(root: Path, name: str) -> list[float]:
    from workbench.actions.spotting.scores import metric, score_spots

    ball = load_class_map("ball")
    truth, found = (
        {
            match: read_events(file, ball).events
            for match, file in find_matches(folder, file).items()
        }
        for folder, file in ((root / "labels", LABELS_BALL), (root / "spots", RESULTS))
    )
    return [float(value) for value in score_spots(truth, found).class_ap(metric(name))[0]]


def theirs(root: Path, name: str, package: Path | None) -> list[float]:
    sys.path.insert(0, str(package))
    from SoccerNet.Evaluation.ActionSpotting import evaluate

    said = evaluate(
        str(root / "labels"), str(root / "spots"), framerate=25, metric=name, dataset=None,
        label_files=LABELS_BALL, prediction_file=RESULTS,
        EVENT_DICTIONARY={label: place for place, label in enumerate(BALL)},
    )  # fmt: skip
    return [float(value) for value in said["a_mAP_per_class"]]


if __name__ == "__main__":
    main()
