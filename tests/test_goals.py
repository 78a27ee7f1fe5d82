"""The goal labeller: its server, and a browser that labels with the keyboard only."""

import contextlib
import json
import shutil
from fractions import Fraction
from pathlib import Path

import pytest
from served import Served
from starlette.testclient import TestClient
from videos import make_video

from annotation_tools.goals import Round, make_goals
from annotation_tools.goals.app import STATIC
from annotation_tools.goals.model_verdicts import load_model_verdicts
from annotation_tools.serving import Guard, MediaIndex
from workbench.footage.clips import Clip, save_clips
from workbench.labels.exchange import import_foreign
from workbench.labels.records import Entry
from workbench.labels.store import LabelStore
from workbench.labels.values import LabelError

CLIPS = 20
EVIL = "<img src=x onerror=document.title='owned'>"


def make_folder(folder: Path, count: int = CLIPS) -> Path:
    """Write clips of different lengths: two with the same content would be one video."""
    folder.mkdir(parents=True)
    for number in range(count):
        make_video(folder / f"shot_{number:02d}.mp4", 20 + number, fps=Fraction(25))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("goals") / "clips")


# ---- the server ------------------------------------------------------------------------------


@contextlib.contextmanager
def serving(folder, store, **options):
    media = MediaIndex.from_folder(folder)
    app = make_goals(
        media=media, store=store, guard=Guard.local("t", b"s" * 32), folder=folder, **options
    )
    with TestClient(app, base_url="http://localhost") as client:
        client.headers["authorization"] = "token t"
        yield client


def judge(store, item, annotator, verdict, event_frame=None, kind="verdict"):
    value = {"verdict": verdict, "event_frame": event_frame}
    return store.append(Entry(kind, item, value, annotator=annotator, tool="goals"))


def waiting(client):
    return {row["item_id"]: row["why"] for row in client.get("/api/disagreements").json()}


@pytest.fixture
def store(tmp_path):
    with LabelStore(tmp_path / "labels.sqlite") as store:
        yield store


def test_clips_are_called_as_their_list_calls_them_and_else_by_their_file(tmp_path, store):
    folder = make_folder(tmp_path / "clips", 2)
    shape = {"start_frame": 0, "start_pts": 0, "width": 160, "height": 96}
    rate = {"time_base": Fraction(1, 25), "fps": Fraction(25)}
    listed = Clip(
        clip_id="the first shot",
        file="shot_00.mp4",
        source="shot_00.mp4",
        session="s",
        end_frame=20,
        end_pts=20,
        **shape,
        **rate,
    )
    save_clips(folder, [listed])
    with serving(folder, store) as client:
        items = client.get("/api/items").json()
    assert [item["item_id"] for item in items] == ["the first shot", "shot_01"]
    assert [item["name"] for item in items] == ["shot_00.mp4", "shot_01.mp4"]
    assert str(tmp_path) not in json.dumps(items)


def test_disagreements_are_the_worst_first_then_those_with_the_model(folder, store, tmp_path):
    for item, verdicts in {
        "shot_00": ("goal", "unsure"),
        "shot_01": ("goal", "no_goal"),
        "shot_02": ("goal", "goal"),
        "shot_03": ("no_goal", "no_goal"),
        "elsewhere": ("goal", "no_goal"),
    }.items():
        for annotator, verdict in zip(("anna", "ben"), verdicts, strict=True):
            judge(store, item, annotator, verdict)
    verdicts = tmp_path / "model.json"
    verdicts.write_text('{"shot_02": "goal", "shot_03": "goal", "shot_04": "goal"}')
    with serving(folder, store, verdicts=verdicts) as client:
        assert waiting(client) == {"shot_01": "people", "shot_00": "people", "shot_03": "model"}
    verdicts.write_text('{"shot_02": "unsure", "shot_03": "unsure"}')  # it abstains
    with serving(folder, store, verdicts=verdicts) as client:
        assert list(waiting(client)) == ["shot_01", "shot_00"]
    with serving(folder, store) as client:
        assert list(waiting(client)) == ["shot_01", "shot_00"]
        judge(store, "shot_01", "carla", "goal", kind="settled_verdict")
        assert list(waiting(client)) == ["shot_00"]


def test_a_goal_in_another_frame_waits_for_a_last_word_within_the_tolerance(folder, store):
    judge(store, "shot_04", "anna", "goal", 2)
    judge(store, "shot_04", "ben", "goal", 18)
    with serving(folder, store) as client:
        assert waiting(client) == {"shot_04": "people"}
    with serving(folder, store, labelling=Round(tolerance_frames=16)) as client:
        assert waiting(client) == {}


def test_a_team_shares_the_clips_and_gets_all_whose_answer_is_known(folder, store):
    judge(store, "shot_05", "carla", "goal", kind="settled_verdict")
    with serving(folder, store, labelling=Round(team=["anna", "ben", "dora"])) as client:
        assigned = client.get("/api/session").json()["assigned"]
    held = [item for items in assigned.values() for item in items]
    assert {item: held.count(item) for item in held} == {
        f"shot_{number:02d}": 3 if number == 5 else 2 for number in range(CLIPS)
    }
    with (
        pytest.raises(LabelError, match="each clip"),
        serving(folder, store, labelling=Round(team=["anna"])),
    ):
        pass


def test_files_that_differ_in_suffix_or_folder_have_labels_of_their_own(tmp_path, store):
    folder = tmp_path / "clips"
    for name in ("cam1/shot.mp4", "cam1/shot.mov", "cam2/shot.mp4"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        make_video(folder / name, 20 + len(name) + name.count("2"), fps=Fraction(25))
    shutil.copy(folder / "cam1/shot.mp4", folder / "copy.mp4")  # the same content, another clip
    with serving(folder, store) as client:
        items = {item["name"]: item for item in client.get("/api/items").json()}
    assert {name: item["item_id"] for name, item in items.items()} == {
        "cam1/shot.mov": "cam1/shot.mov",
        "cam1/shot.mp4": "cam1/shot",
        "cam2/shot.mp4": "cam2/shot",
        "copy.mp4": "copy",
    }
    assert len({item["media_id"] for item in items.values()}) == 3
    labels = tmp_path / "labels.json"
    labels.write_text('{"cam1/shot.mp4": "goal", "shot.mov": "no_goal", "copy": "unsure"}')
    assert import_foreign(store, labels, "ann", footage=folder).new == 3
    assert {item for _, item in store.current("verdict")} == {"cam1/shot", "cam1/shot.mov", "copy"}
    labels.write_text('{"cam1/shot.mp4": "goal"}')  # without a folder, the path is the name
    assert import_foreign(store, labels, "bob").new == 1
    assert ("bob", "cam1/shot") in store.current("verdict")


def test_a_models_names_are_looked_up_and_strangers_named(folder, store, tmp_path):
    verdicts = tmp_path / "model.json"
    verdicts.write_text('{"clips/shot_02.mp4": "goal", "shot_03": "goal", "shot_99": "goal"}')
    with serving(folder, store, verdicts=verdicts) as client:
        said = client.get("/api/model").json()
    assert list(said["verdicts"]) == ["shot_02", "shot_03"]
    assert said["unknown"] == ["shot_99"]
    verdicts.write_text('{"shot_02.mp4": "goal", "shot_02": "no goal"}')
    with pytest.raises(LabelError, match=r"model\.json: 'shot_02.mp4' and 'shot_02' are one clip"):
        load_model_verdicts(verdicts, {"shot_02.mp4": "shot_02"})
    verdicts.write_text('{"shot_02": "goal", "shot_02": "no goal"}')
    with pytest.raises(LabelError, match="'shot_02' is there twice"):
        load_model_verdicts(verdicts)


def test_the_verdicts_of_a_run_are_found_beside_the_footage_as_they_come(tmp_path, store):
    footage, shots = make_folder(tmp_path / "own" / "footage", 2), tmp_path / "own" / "shots"
    with serving(footage, store) as client:
        assert client.get("/api/model").json()["verdicts"] == {}
        shots.mkdir()
        (shots / "verdicts.json").write_text('{"model": "run", "verdicts": {"shot_01": "goal"}}')
        said = client.get("/api/model").json()  # the run ended while the page was open
        assert said["model"] == "run"
        assert list(said["verdicts"]) == ["shot_01"]
        judge(store, "shot_01", "anna", "no_goal")
        assert waiting(client) == {"shot_01": "model"}
        (shots / "verdicts.json").write_text('{"shot_01": "gaol"}')
        answer = client.get("/api/model")
        assert answer.status_code == 409
        assert str(tmp_path) not in answer.text
    (footage / "verdicts.json").write_text('{"shot_00": "goal"}')  # those in the folder come first
    with serving(footage, store) as client:
        assert list(client.get("/api/model").json()["verdicts"]) == ["shot_00"]
    assert sorted(path.name for path in footage.iterdir()) == [
        "shot_00.mp4", "shot_01.mp4", "verdicts.json",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"a": "no-goal"}, {"verdict": "no_goal", "event_frame": None, "score": None}),
        ({"a": "Goal"}, {"verdict": "goal", "event_frame": None, "score": None}),
        (
            {"model": "m", "verdicts": {"a": {"verdict": "goal", "event_frame": 4, "score": 0.5}}},
            {"verdict": "goal", "event_frame": 4, "score": 0.5},
        ),
    ],
)
def test_a_models_verdicts_are_read_in_both_forms(tmp_path, content, expected):
    path = tmp_path / "verdicts.json"
    path.write_text(json.dumps(content))
    assert load_model_verdicts(path).item_to_verdict == {"a": expected}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"a": 1}',
        '{"a": "gaol"}',
        '{"a": {"event_frame": 1}}',
        '{"a": {"verdict": "goal", "score": 2}}',
        '{"a": {"verdict": "goal", "score": true}}',
        '{"a": {"verdict": "goal", "score": NaN}}',
        '{"a": {"verdict": "goal", "event_frame": -1}}',
    ],
)
def test_what_is_no_verdict_of_a_model_is_refused_with_the_file_named(tmp_path, content):
    path = tmp_path / "verdicts.json"
    path.write_text(content)
    with pytest.raises(LabelError, match=r"verdicts\.json"):
        load_model_verdicts(path)


def test_only_verdicts_can_be_written(folder, store):
    with serving(folder, store) as client:
        label = {"kind": "rating", "item_id": "shot_00", "value": {"stars": 3}, "annotator": "anna"}
        label["entry_id"] = "00000000-0000-4000-8000-000000000000"
        answer = client.post("/api/labels", json=label, headers={"origin": "http://localhost"})
    assert answer.status_code == 422
    assert store.history() == []


# ---- in a browser ----------------------------------------------------------------------------


class Labeller(Served):
    """The goal labeller in a process of its own, and what it has stored."""

    def __init__(self, folder: Path, home: Path) -> None:
        super().__init__("goals", folder, home, "--annotator", "anna")

    def verdicts(self, annotator: str = "anna") -> dict[str, dict]:
        with LabelStore(self.database) as store:
            current = store.current("verdict", annotator=annotator)
        return {item: entry.value for (_, item), entry in current.items()}

    def entries(self):
        with LabelStore(self.database) as store:
            return store.history("verdict")


@pytest.fixture
def labeller(folder, tmp_path):
    labeller = Labeller(folder, tmp_path)
    yield labeller
    if labeller.process is not None and labeller.process.poll() is None:
        labeller.kill()


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    page = context.new_page()
    page.set_default_timeout(20_000)
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []


def shows(page, item):
    page.wait_for_selector(f'body[data-shown="{item}"]')


def all_saved(page):
    page.wait_for_selector("#saved:not(.waiting):not(.offline)")


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def label(page, number, key):
    """Label the clip that must be on the screen now."""
    shows(page, f"shot_{number:02d}")
    press(page, key)


def verdict(name, event_frame=None):
    return {"verdict": name, "event_frame": event_frame}


def go_to_frame(page, frame):
    press(page, "g")
    page.keyboard.type(str(frame))
    press(page, "Enter")
    page.wait_for_selector(f"#frame:text-is('frame {frame}')")


def test_twenty_clips_with_the_keyboard_though_the_server_is_killed_in_the_middle(labeller, page):
    page.goto(labeller.start())
    keys = "ynuynnyyunynyynunyyn"
    names = {"y": "goal", "n": "no_goal", "u": "unsure"}
    expected = {f"shot_{n:02d}": verdict(names[key]) for n, key in enumerate(keys)}

    for number in range(5):
        label(page, number, keys[number])
    shows(page, "shot_05")

    # Undo twice: the clips come back; redo once; the other one is said anew.
    press(page, "Control+z")
    shows(page, "shot_04")
    press(page, "Control+z")
    shows(page, "shot_03")
    press(page, "Control+Shift+z")
    page.wait_for_selector('[data-verdict="goal"].on')
    all_saved(page)
    assert labeller.verdicts() == {f"shot_{n:02d}": expected[f"shot_{n:02d}"] for n in range(4)}
    press(page, "]")
    label(page, 4, keys[4])

    # The frame of the event: marked before the verdict, moved after it.
    shows(page, "shot_05")
    go_to_frame(page, 11)
    press(page, "e")
    press(page, keys[5])
    label(page, 6, keys[6])
    shows(page, "shot_07")
    press(page, "ArrowUp")
    shows(page, "shot_06")
    go_to_frame(page, 9)
    press(page, ".", "e")
    press(page, "ArrowDown")
    expected["shot_05"] = verdict("no_goal", 11)
    expected["shot_06"] = verdict("goal", 10)
    label(page, 7, keys[7])
    shows(page, "shot_08")
    all_saved(page)
    acknowledged = labeller.verdicts()
    assert acknowledged == {f"shot_{n:02d}": expected[f"shot_{n:02d}"] for n in range(8)}

    labeller.kill()
    press(page, keys[8])  # the clip is on the screen: its verdict is kept by the page
    page.wait_for_selector("#saved.offline")
    page.wait_for_selector("#trouble:not([hidden])")
    press(page, "y", "n", "u")  # nothing on the screen, so nothing is said
    assert labeller.verdicts() == acknowledged
    labeller.start()
    shows(page, "shot_09")
    all_saved(page)
    assert labeller.verdicts() == acknowledged | {"shot_08": expected["shot_08"]}

    for number in range(9, 14):
        label(page, number, keys[number])
    shows(page, "shot_14")
    all_saved(page)
    labeller.kill()
    page.goto(labeller.start())  # a new page: one goes on where one stopped
    shows(page, "shot_14")
    press(page, "Control+z")  # and the history is still there to be undone
    shows(page, "shot_13")
    press(page, "Control+y")
    page.wait_for_selector(".verdicts .on")
    press(page, "]")
    for number in range(14, CLIPS):
        label(page, number, keys[number])
    page.wait_for_selector(f"#done:text-is('{CLIPS} of {CLIPS} labelled')")
    all_saved(page)
    assert labeller.verdicts() == expected
    entries = labeller.entries()
    assert len({entry.entry_id for entry in entries}) == len(entries)
    assert all(entry.tool == "goals" and entry.source_id for entry in entries)


def test_others_are_heard_in_review_mode_only(labeller, page, request):
    with LabelStore(labeller.database) as store:
        judge(store, "shot_00", "ben", "goal", 7)
        judge(store, "shot_00", EVIL, "no_goal")
        judge(store, "shot_01", "ben", "no_goal")
        judge(store, "shot_02", "ben", "goal")
        judge(store, "shot_02", "carla", "no_goal")
    verdicts = labeller.footage / "verdicts.json"
    verdicts.write_text(
        json.dumps({"model": "net", "verdicts": {"shot_00": {"verdict": "goal", "score": 0.9}}})
    )
    asked = []
    page.on("request", lambda sent: asked.append(sent.url))
    request.addfinalizer(verdicts.unlink)
    page.goto(labeller.start())
    label(page, 0, "n")
    label(page, 1, "n")
    shows(page, "shot_02")
    assert not page.locator("#opinions").is_visible()
    assert page.locator("#done").inner_text() == "2 of 20 labelled"
    labels_asked = [url for url in asked if "/api/labels?" in url]
    assert labels_asked
    assert all("annotator=anna" in url for url in labels_asked)
    assert not any("/api/model" in url or "/api/disagreements" in url for url in asked)

    press(page, "v")
    page.wait_for_selector("#opinions:visible .name")  # they are asked for, and come a moment later
    assert page.locator(".opinions .name").all_inner_texts() == ["ben", "carla"]
    press(page, "Shift+]")  # shot_02 and shot_00 are split; this one is here
    shows(page, "shot_00")
    said = page.locator(".opinions li").all_inner_texts()
    assert [" ".join(text.split()) for text in said] == [
        "you ✕ no goal take",
        f"{EVIL} ✕ no goal take",
        "ben frame 7 ✓ goal take",
        "net (model) 0.90 ✓ goal take",
    ]
    assert page.title() == "Goals"
    page.locator(".opinions .facts button").click()
    page.wait_for_selector("#frame:text-is('frame 7')")

    # In review a verdict stays on its clip, and one's own is all one changes.
    press(page, "y")
    page.wait_for_selector('[data-verdict="goal"].on')
    shows(page, "shot_00")
    all_saved(page)
    assert labeller.verdicts()["shot_00"] == verdict("goal")
    assert labeller.verdicts("ben")["shot_00"] == verdict("goal", 7)

    # A link leads into review, from within the page and from outside.
    page.evaluate("location.hash = '#review=shot_05'")
    shows(page, "shot_05")
    page.reload()
    shows(page, "shot_05")
    page.wait_for_selector("#opinions:visible")


def test_keys_in_a_field_label_nothing_and_a_clip_is_found_by_name(labeller, page):
    page.goto(labeller.start())
    shows(page, "shot_00")
    press(page, "/")
    page.keyboard.type("shot_1")
    assert page.locator("#clips li:visible").count() == 10
    page.keyboard.type("7")
    press(page, "Enter")
    shows(page, "shot_17")
    press(page, "/")
    page.keyboard.type("yny")
    press(page, "Escape")
    press(page, "n", "0")
    shows(page, "shot_18")
    press(page, "a", "0")
    shows(page, "shot_17")
    all_saved(page)
    assert labeller.verdicts() == {}


def test_every_key_is_shown_by_the_question_mark(labeller, page):
    page.goto(labeller.start())
    shows(page, "shot_00")
    press(page, "?")
    shown = page.locator("dialog.keys-help dd").all_inner_texts()
    table = json.loads((STATIC / "keys.json").read_text(encoding="utf-8"))
    assert sorted(shown) == sorted(row["help"] for row in table.values())
    press(page, "?")
    page.locator("dialog.keys-help").wait_for(state="detached")
