"""Technique at contact: angles as built into a figure, flags against ranges, honest gaps."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skeletons import kick_poses, mirrored

from workbench.shots.players.pose import Pose, PoseTrack
from workbench.shots.players.technique import Foot, measure_technique

CONTACT, FPS = 19.5, 30.0
RIGHT = Foot("right", 0.9, "")


def leg(hip, thigh_deg, bend_deg):
    """Knee and ankle below a hip; angles from straight down, forward to the right."""
    knee = hip + 25 * np.array([np.sin(np.radians(thigh_deg)), np.cos(np.radians(thigh_deg))])
    shin = np.radians(thigh_deg - bend_deg)
    return knee, knee + 24 * np.array([np.sin(shin), np.cos(shin)])


def figure(standing_bend=30.0, kicking_bend=40.0, lean=10.0, turn_deg_s=600.0, world=False):
    """Somebody who kicks with the right foot, seen from the side."""
    poses = {}
    for frame in range(14, 25):
        hip = np.array([200.0, 250.0])
        joints = {"l_hip": hip, "r_hip": hip}
        joints["l_knee"], joints["l_ankle"] = leg(hip, 5, standing_bend)
        thigh = (frame - CONTACT) / FPS * turn_deg_s
        joints["r_knee"], joints["r_ankle"] = leg(hip, thigh, kicking_bend)
        up = np.array([-np.sin(np.radians(lean)), -np.cos(np.radians(lean))])
        for name, share in {"l_shoulder": 40, "r_shoulder": 40, "head": 55}.items():
            joints[name] = hip + share * up
        in_space = (
            {name: (x / 60, y / 60, 0.3) for name, (x, y) in joints.items()} if world else None
        )
        if world:  # what the picture shows is then foreshortened and must not be used
            joints = {name: (x, 300.0) for name, (x, _) in joints.items()}
        placed = {name: tuple(at) for name, at in joints.items()}
        poses[frame] = Pose(placed, in_space)
    return PoseTrack("mediapipe", poses, 11)


def by_name(measures):
    return {measure.name: measure for measure in measures}


@pytest.mark.parametrize("world", [False, True])
def test_angles_are_those_of_the_figure(world):
    found = by_name(measure_technique(figure(world=world), RIGHT, CONTACT, FPS))
    assert found["standing knee bend"].value == pytest.approx(30, abs=0.5)
    assert found["kicking knee bend"].value == pytest.approx(40, abs=0.5)
    assert found["trunk lean"].value == pytest.approx(10, abs=0.5)
    assert found["hip drive"].value == pytest.approx(600, rel=0.02)
    assert {measure.flag for measure in found.values()} == {"good"}
    assert all(("space" if world else "picture") in measure.note for measure in found.values())
    assert all("20" in measure.source for measure in found.values())  # author and year


@pytest.mark.parametrize(
    ("changed", "name", "flag"),
    [
        ({"standing_bend": 4}, "standing knee bend", "low"),
        ({"kicking_bend": 95}, "kicking knee bend", "high"),
        ({"lean": 45}, "trunk lean", "high"),
        ({"turn_deg_s": 60}, "hip drive", "low"),
    ],
)
def test_flags_say_which_side_of_the_range(changed, name, flag):
    found = by_name(measure_technique(figure(**changed), RIGHT, CONTACT, FPS))
    assert found[name].flag == flag
    assert all(measure.flag == "good" for other, measure in found.items() if other != name)


def test_the_other_foot_swaps_the_knees():
    left = Foot("left", 0.9, "")
    found = by_name(measure_technique(figure(30, 50), left, CONTACT, FPS))
    assert found["kicking knee bend"].value == pytest.approx(30, abs=0.5)
    assert found["standing knee bend"].value == pytest.approx(50, abs=0.5)


@pytest.mark.parametrize(
    ("pose", "foot"),
    [
        (kick_poses("right", method="geometric"), RIGHT),
        (figure(), Foot(None, 0.0, "")),
        (PoseTrack("mediapipe"), RIGHT),
        (figure(), replace(RIGHT, contact_seen=False)),
    ],
)
def test_what_cannot_be_measured_is_not_made_up(pose, foot):
    measures = measure_technique(pose, foot, CONTACT, FPS)
    assert len(measures) == 4
    assert {(m.value, m.flag) for m in measures} == {(None, "not measured")}
    assert all(measure.note for measure in measures)


@settings(max_examples=30)
@given(
    standing=st.floats(0, 120), kicking=st.floats(0, 120), lean=st.floats(0, 80),
    width_px=st.floats(0, 4000), scale=st.floats(0.1, 20),
)  # fmt: skip
def test_mirror_and_scale_change_no_angle(standing, kicking, lean, width_px, scale):
    pose = figure(standing, kicking, lean)
    plain = measure_technique(pose, RIGHT, CONTACT, FPS)
    left = Foot("left", 0.9, "")
    other = measure_technique(mirrored(pose, width_px, scale), left, CONTACT, FPS)
    assert [m.value for m in other] == pytest.approx([m.value for m in plain], abs=1e-3)
