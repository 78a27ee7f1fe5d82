"""Highlights: stages and their misses, long sessions with truth, resuming, reel, page, command."""

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from made_once import made_once
from pickled import Pickled
from typer.testing import CliRunner

from annotation_tools.clipper.proposals import propose
from workbench.cli import app
from workbench.errors import WorkbenchError
from workbench.footage.packets import read_packets
from workbench.highlights import chunks
from workbench.highlights.actors import CUES, _at_peak, cue_scores
from workbench.highlights.learning import choose_settings, fit_cues
from workbench.highlights.misses import assess, next_stage, run_oracles
from workbench.highlights.proposals import Proposal
from workbench.highlights.reel import make_reel
from workbench.highlights.stages import (
    CHECK,
    CLASSES,
    MERGE,
    PROPOSALS,
    STAGES,
    Candidate,
    Highlighter,
    Settings,
    load_highlighter,
)
from workbench.highlights.truth import TrueAct, built_in_truth, truth_of_people
from workbench.highlights.watch import Highlight, Watched, merge, retold, watch_video
from workbench.labels.records import Entry, read_source
from workbench.labels.store import LabelStore
from workbench.simulated.longplay import make_long


@pytest.fixture(scope="module")
def session() -> Path:
    """A built-in session of 24 seconds."""

    def make(folder: Path) -> None:
        make_long(folder, 1, 0.4, 4, size_wh=(160, 90))

    return made_once("long_session", make) / "long00.mp4"


def candidate(time_s: float, sport: str, score: float, **changes: Any) -> Candidate:
    scores = {"soccer": 0.0, "baseball": 0.0, sport: score}
    given: dict[str, Any] = {
        "time_s": time_s, "start_s": time_s - 0.9, "end_s": time_s + 0.9, "x": 0.5, "y": 0.5,
        "motion": 9.0, "box": None, "check": 0.9, "scores": scores | {"none": 1 - score},
        "dropped_by": "", "reason": "",
    }  # fmt: skip
    return Candidate(**given | changes)


def watched(rows: list[Candidate], duration_s: float = 600.0) -> Watched:
    highlights, told = merge(rows, (), duration_s)
    return Watched(Path("v.mp4"), duration_s, highlights, told, (), 0, ())


ACTS = [TrueAct("soccer", 10.0 * n, 10.0 * n + 1.5, 10.0 * n + 0.8) for n in range(1, 6)]
FATES = [  # found, not proposed, checked out, called wrongly, and swallowed by the first
    candidate(10.7, "soccer", 0.9),
    candidate(30.7, "soccer", 0.9, check=0.1, scores=None, dropped_by=CHECK, reason="still"),
    candidate(40.7, "baseball", 0.8),
    candidate(50.7, "soccer", 0.7),
    candidate(51.2, "baseball", 0.95),
]
SETTINGS = Settings(least_check=0.3, least_score={"soccer": 0.5, "baseball": 0.5})


def test_each_miss_is_charged_to_the_first_stage_that_lost_it() -> None:
    found = assess([(watched(FATES), ACTS)])
    assert [fate.lost_by for fate in found.fates] == ["", PROPOSALS, CHECK, CLASSES, MERGE]
    assert found.shares()["all"].sum() == len(found.misses) == 4
    recalls = [found.recall_after(stage).value for stage in (PROPOSALS, CHECK, CLASSES, MERGE)]
    assert recalls == [0.8, 0.6, 0.4, 0.2]
    assert found.false_alarms_per_hour().value == pytest.approx(2 * 6)  # two in ten minutes
    assert "still" in found.fates[2].reason


def test_a_told_stage_says_what_it_costs() -> None:
    plain = watched(FATES)
    told = {
        stage: assess([(retold(plain, SETTINGS, stage, ACTS), ACTS)]) for stage in (CLASSES, MERGE)
    }
    assert told[CLASSES].recall().value == 0.6  # the two after it
    assert told[CLASSES].false_alarms_per_hour().value == 0
    assert told[MERGE].recall().value == 0.4
    worst, sentence = next_stage({"": assess([(plain, ACTS)])} | told)
    assert worst == CLASSES
    assert "loses 1 of 4 misses" in sentence


def test_thresholds_come_from_validation() -> None:
    rows = [candidate(10.7 + 10 * n, "soccer", 0.8) for n in range(5)]
    rows += [candidate(100.0 + 5 * n, "soccer", 0.4) for n in range(40)]
    by = Highlighter(None, None, ("soccer",), None, True, SETTINGS, "", (), None, "none")
    chosen = choose_settings([(watched(rows), ACTS)], by)
    assert chosen.least_score is not None
    assert 0.4 < chosen.least_score["soccer"] <= 0.8
    cues = np.random.default_rng(0).normal(size=(200, len(CUES)))
    labels = np.where(cues[:, 0] > 0.5, "soccer", "none")
    scores = cue_scores(cues, fit_cues(cues, labels, ("soccer",)))[:, 0]
    assert scores[labels == "soccer"].min() > np.median(scores[labels == "none"])


def test_a_session_is_whole_and_comes_again(session: Path, tmp_path: Path) -> None:
    truth = json.loads((session.parent / "truth" / "long00.json").read_text())
    assert read_packets(session).frame_count == 360
    assert all(0 <= row["start_s"] < row["at_s"] < row["end_s"] for row in truth["events"])
    acts = built_in_truth(session)
    assert acts is not None
    assert {act.sport for act in acts} <= {"baseball", "basketball", "soccer"}
    before = session.stat().st_mtime_ns
    make_long(session.parent, 1, 0.4, 4, size_wh=(160, 90))
    assert session.stat().st_mtime_ns == before


def test_busy_sessions_teach_more_a_minute(session: Path, tmp_path: Path) -> None:
    make_long(tmp_path, 1, 0.4, 4, size_wh=(64, 36), is_busy=True)
    acts, usual = built_in_truth(tmp_path / "long00.mp4"), built_in_truth(session)
    assert acts is not None
    assert usual is not None
    assert len(acts) > len(usual)
    assert all(a.end_s < b.start_s for a, b in itertools.pairwise(acts))  # one person plays them


def test_an_actor_who_runs_is_between_the_looks() -> None:
    peak = Proposal(10, 1.0, 0.7, 0.5, 9.0)  # the ball, say
    track = [(5, np.array([0.2, 0.4, 0.3, 0.8])), (15, np.array([0.6, 0.4, 0.7, 0.8]))]
    box = _at_peak(peak, track)
    assert box == pytest.approx([0.4, 0.4, 0.5, 0.8])  # between the looks
    assert _at_peak(peak, track[:1]) == pytest.approx([0.2, 0.4, 0.3, 0.8])


def test_what_was_killed_goes_on_to_the_same_highlights(
    session: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "CHUNK_S", 8.0)
    by = load_highlighter(None, "none")

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watch_video(session, by, tmp_path / "killed", on_chunk=stop)
    kept = sorted((tmp_path / "killed").rglob("*.json"))
    stamps = [path.stat().st_mtime_ns for path in kept]
    resumed = watch_video(session, by, tmp_path / "killed")
    assert [path.stat().st_mtime_ns for path in kept] == stamps
    assert resumed == watch_video(session, by, tmp_path / "whole")
    assert sum(row["dropped"] for row in resumed.counts()) + len(resumed.highlights) == len(
        resumed.candidates
    )
    assert all(one.reason for one in resumed.candidates)


def test_other_processes_watch_as_this_one(
    session: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "CHUNK_S", 8.0)
    by = load_highlighter(None, "none")
    by = replace(by, settings=replace(by.settings, least_motion=4.0))
    acts = built_in_truth(session)
    assert acts is not None
    here = run_oracles([(session, acts)], by, tmp_path / "here")
    there = run_oracles([(session, acts)], by, tmp_path / "there", Pickled())
    assert set(here) == set(there) == {"", *STAGES}
    for stage, one in here.items():
        assert (one.fates, one.false_alarms) == (there[stage].fates, there[stage].false_alarms)
    assert here[""].false_alarms


def test_a_reel_has_a_chapter_for_each_highlight(session: Path, tmp_path: Path) -> None:
    found = [
        Highlight(start_s, start_s + 2, start_s + 1, "soccer", 0.9, ()) for start_s in (3.0, 9.0)
    ]
    chapters = make_reel(session, found, tmp_path / "reel.mp4")
    content = (tmp_path / "reel.mp4").read_bytes()
    assert content.find(b"moov") < content.find(b"mdat")
    with av.open(str(tmp_path / "reel.mp4")) as reel:
        titles = [chapter["metadata"]["title"] for chapter in reel.chapters()]
        times = [frame.time for frame in reel.decode(video=0)]
    assert titles == ["soccer 0.90 at 0:04", "soccer 0.90 at 0:10"]
    assert times == sorted(set(times))
    assert len(times) == pytest.approx(sum(end - start for start, end, _ in chapters) * 15, abs=1)
    with pytest.raises(WorkbenchError, match="lower the thresholds"):
        make_reel(session, [], tmp_path / "none.mp4")


def test_people_s_cuts_are_the_truth(session: Path, tmp_path: Path) -> None:
    source = read_source(session)
    with LabelStore(tmp_path / "labels.sqlite") as store:
        store.add_source(source)

        def cut(name: str, start: int, sport: str | None) -> None:
            value = {"start_frame": start, "end_frame": start + 30, "start_pts": None,
                     "end_pts": None, "name": name, "sport": sport}  # fmt: skip
            store.append(
                Entry("cut", name, value, annotator="ann", tool="t", source_id=source.source_id)
            )

        cut("shot", 30, "soccer")
        cut("dull", 90, "soccer")
        cut("walk", 150, "none")
        store.append(Entry("rating", "dull", {"stars": 1}, annotator="bob", tool="t"))
        acts = truth_of_people(session, store)
    assert acts == [TrueAct("soccer", 2.0, 4.0, 3.0)]


def test_the_command_writes_what_it_says_and_the_clipper_proposes_it(
    session: Path, tmp_path: Path
) -> None:
    video = tmp_path / "match.mp4"
    video.write_bytes(session.read_bytes())
    asked = ["highlights", str(video), "--eye", "none", "--least", "0.1"]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    assert "proposals:" in done.output
    folder = tmp_path / "match_highlights"
    said = json.loads((folder / "highlights.json").read_text())
    assert said["highlights"]
    assert (folder / "reel.mp4").is_file()
    assert "data-start" in (folder / "timeline.html").read_text()
    offered = propose(video, "highlights", 0, 360, 1.0, -45)
    assert offered["ranges"][0] == [
        said["highlights"][0][f"{end}_frame"] for end in ("start", "end")
    ]
    assert propose(session, "highlights", 0, 360, 1.0, -45)["ranges"] == []
    for wrong in (["--least", "high"], ["--sport", "chess"], ["--model", str(tmp_path)]):
        with pytest.raises(WorkbenchError):
            CliRunner().invoke(app, [*asked[:2], "--eye", "none", *wrong], catch_exceptions=False)
