"""The clip rater, alone and in a live JupyterLab that a real browser shows."""

import contextlib
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import nbformat
import pytest
from moving_shapes import film_shapes
from nbclient import NotebookClient
from playwright.sync_api import TimeoutError as PlaywrightTimeout
from served import JUPYTER_TOKEN, running_jupyter
from videos import make_video

from annotation_tools.rater import ClipRater, review_table
from annotation_tools.rater.jupyter_files import NotServedError, served_paths, server_root
from annotation_tools.serving import ServingError
from workbench.actions.augment import Augmentation
from workbench.actions.baselines import run_baselines
from workbench.actions.predict import predict_clips, predict_with_parent
from workbench.actions.recipe import TrainConfig
from workbench.actions.testreport import report_on
from workbench.actions.train import run_dir_for, train_classifier
from workbench.actions.versions import add_version, with_labels
from workbench.footage.clips import BUILT_IN_FOOTAGE, Clip, save_clips
from workbench.footage.ingest import ingest_folder
from workbench.labels.agreement import disagreements
from workbench.labels.classlist import ClassList
from workbench.labels.lastword import last_words
from workbench.labels.settled import settle
from workbench.labels.store import LabelStore
from workbench.labels.values import LabelError

STARS = (5, 4, 3, 2, 1)
NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"


def make_clips(folder, count):
    """Write `count` short clips and their list, each of 1 s with its own picture."""
    (folder / "clips").mkdir(parents=True)
    clips = []
    for number in range(count):
        name = f"clip_{number:02d}"
        make_video(folder / "clips" / f"{name}.mp4", 25, fps=Fraction(25))
        clips.append(
            Clip(
                clip_id=name,
                file=f"clips/{name}.mp4",
                source=f"clips/{name}.mp4",
                session="s0",
                start_frame=0,
                end_frame=25,
                start_pts=0,
                end_pts=25,
                time_base=Fraction(1, 25),
                fps=Fraction(25),
                width=160,
                height=96,
                sport="soccer",
            )
        )
    save_clips(folder, clips)
    return clips


def press(rater, item_id, value, entry_id):
    """Let the widget hear what its page part sends; return what it answers."""
    answers = []
    rater.send = lambda answer, buffers=None: answers.append(answer)
    rater._handle_custom_msg({"entry_id": entry_id, "item_id": item_id, "value": value}, buffers=[])
    return answers[0]


# ---- without a browser -----------------------------------------------------------------------


@pytest.fixture
def rating(tmp_path):
    """Make raters of the same clips and store, as often as a cell is run."""
    clips = make_clips(tmp_path / "footage", 3)
    store = LabelStore(tmp_path / "labels.sqlite")
    yield lambda annotator="anna", **options: ClipRater(
        clips, tmp_path / "footage", store, annotator, root_dir=tmp_path, **options
    )
    store.close()


UUIDS = [f"00000000-0000-4000-8000-{number:012d}" for number in range(9)]


def test_a_press_is_in_the_store_before_it_is_called_saved(rating, tmp_path):
    answer = press(rating(), "clip_01", {"stars": 4}, UUIDS[0])
    assert answer == {"entry_id": UUIDS[0], "problem": None}
    with LabelStore(tmp_path / "labels.sqlite") as other:
        assert other.current("rating")["anna", "clip_01"].value == {"stars": 4}


def test_a_new_rater_shows_what_the_store_holds_and_only_ones_own(rating):
    press(rating(), "clip_00", {"stars": 2}, UUIDS[0])
    press(rating(), "clip_01", {"unsure": True}, UUIDS[1])
    press(rating("ben"), "clip_02", {"stars": 5}, UUIDS[2])
    assert rating().ratings == {"clip_00": {"stars": 2}, "clip_01": {"unsure": True}}
    assert repr(rating()) == "2 of 3 clips rated by anna"


def test_sending_a_press_again_stores_it_once(rating, tmp_path):
    for _ in range(3):
        press(rating(), "clip_00", {"stars": 2}, UUIDS[0])
    with LabelStore(tmp_path / "labels.sqlite") as store:
        assert len(store.history()) == 1


def test_clearing_leaves_no_rating_but_keeps_the_history(rating, tmp_path):
    rater = rating()
    press(rater, "clip_00", {"stars": 2}, UUIDS[0])
    press(rater, "clip_00", None, UUIDS[1])
    assert rater.ratings == {}
    with LabelStore(tmp_path / "labels.sqlite") as store:
        assert [entry.value for entry in store.history()] == [{"stars": 2}, None]


@pytest.mark.parametrize("value", [{"stars": 6}, {"stars": True}, {"stars": 1, "unsure": True}, {}])
def test_what_is_no_rating_is_refused_with_the_reason(rating, value, tmp_path):
    answer = press(rating(), "clip_00", value, UUIDS[0])
    assert answer["entry_id"] == UUIDS[0]
    assert answer["problem"]
    with LabelStore(tmp_path / "labels.sqlite") as store:
        assert store.history() == []


def test_a_name_is_needed(rating):
    with pytest.raises(LabelError, match="name"):
        rating("  ")


def test_a_comment_stands_beside_what_the_clip_was_given(rating, tmp_path):
    rater = rating()
    press(rater, "clip_00", {"stars": 2}, UUIDS[0])
    rater.send = lambda answer, buffers=None: None
    said = {
        "entry_id": UUIDS[1],
        "item_id": "clip_00",
        "kind": "comment",
        "value": {"text": "dark"},
    }
    rater._handle_custom_msg(said, buffers=[])
    assert (rater.ratings, rater.comments) == (
        {"clip_00": {"stars": 2}},
        {"clip_00": {"text": "dark"}},
    )
    again = rating()
    assert again.comments == {"clip_00": {"text": "dark"}}
    assert again.ratings == {"clip_00": {"stars": 2}}


def test_keys_can_be_changed(rating, tmp_path):
    own = tmp_path / "keys.json"
    own.write_text('{"rater": {"unsure": ["x"]}}')
    assert rating(keys=own).key_table["unsure"]["keys"] == ["x"]
    own.write_text('{"rater": {"unsur": ["x"]}}')
    with pytest.raises(ServingError, match="did you mean 'unsure'"):
        rating(keys=own)


def test_classes_are_labels_of_their_own_with_a_key_each(rating, tmp_path):
    press(rating(), "clip_00", {"stars": 2}, UUIDS[0])
    classes = ClassList({"serve": "s", "lob": "1", "none": "n"})
    rater = rating(classes=classes)
    assert rater.ratings == {}
    assert rater.classes == ["serve", "lob", "none"]
    keys = {action: row["keys"] for action, row in rater.key_table.items()}
    assert keys["class_0"] == ["s"]
    assert keys["class_1"] == ["1", "Digit1"]
    assert keys["skip"] == ["Shift+s"]  # its key is that of serve now
    assert keys["unsure"] == ["u"]
    assert "stars_1" not in keys
    assert "several" not in keys
    assert "several" in rating(classes=replace(classes, several=True)).key_table
    assert press(rater, "clip_00", {"classes": ["serve"]}, UUIDS[1])["problem"] is None
    assert press(rater, "clip_01", {"stars": 2}, UUIDS[2])["problem"]
    assert repr(rater) == "1 of 3 clips labelled by anna"
    press(rating(classes=classes, settles=True), "clip_00", {"classes": ["lob"]}, UUIDS[3])
    with LabelStore(tmp_path / "labels.sqlite") as store:
        assert last_words(store, "class")["clip_00"].value == {"classes": ["lob"]}
        assert store.current("class")["anna", "clip_00"].value == {"classes": ["serve"]}
        assert store.current("rating")["anna", "clip_00"].value == {"stars": 2}


@pytest.mark.parametrize(
    ("file", "root", "expected"),
    [
        ("a/b/c.mp4", "a", "b/c.mp4"),
        ("a/b c/é#?.mp4", "a", "b c/é#?.mp4"),
        ("a/../a/c.mp4", "a", "c.mp4"),
        ("link/c.mp4", ".", "link/c.mp4"),  # as written: the server follows links itself
        ("link/c.mp4", "a", "c.mp4"),  # and where the link leads
        ("a/b/c.mp4", "link", "b/c.mp4"),
    ],
)
def test_paths_are_relative_to_the_root_of_the_server(tmp_path, file, root, expected):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert served_paths([tmp_path / file], (tmp_path / root).absolute()) == [expected]


@pytest.mark.parametrize(
    ("file", "root", "remedy"),
    [
        ("clips/c.mp4", "notebooks", "--ServerApp.root_dir={tmp_path}$"),
        ("notebooks/.cache/c.mp4", "notebooks", "no leading dot"),
        ("clips/c.mp4", None, "open the notebook in JupyterLab"),
    ],
)
def test_clips_that_are_not_served_say_what_to_do(tmp_path, file, root, remedy):
    with pytest.raises(NotServedError, match=remedy.format(tmp_path=tmp_path)) as caught:
        served_paths([tmp_path / file], root and tmp_path / root)
    assert "\n" not in str(caught.value)


def test_without_a_server_the_kernel_sends_the_clips(tmp_path, monkeypatch):
    monkeypatch.setenv("JPY_PARENT_PID", "1")
    assert server_root() is None
    clips = make_clips(tmp_path, 1)
    with LabelStore(tmp_path / "labels.sqlite") as store:
        rater = ClipRater(clips, tmp_path, store, "anna")
        assert rater.by_kernel
        assert repr(rater) == "0 of 1 clips rated by anna"
        sent = []
        rater.send = lambda answer, buffers=None: sent.append((answer, buffers))
        for item in ("clip_00", "clip_99"):
            rater._handle_custom_msg({"video": item}, buffers=[])
        (first, (content,)), (second, nothing) = sent
        assert first == {"video": "clip_00", "type": "video/mp4"}
        assert content == (tmp_path / clips[0].file).read_bytes()
        assert "cannot send it" in second["problem"]
        assert nothing is None


def test_clips_that_people_differ_on_are_shown_with_a_way_into_review(tmp_path, monkeypatch):
    clips = make_clips(tmp_path, 2)
    (tmp_path / clips[1].file).unlink()
    evil = "<img src=x onerror=1>"
    said = {"clip_00": {evil: "goal", "ben": "no_goal"}, "clip_01": {"anna": "1", "ben": "5"}}
    monkeypatch.setenv("JPY_PARENT_PID", "1")
    table = review_table(said, clips, tmp_path)
    text = table._repr_html_()
    assert text.count("data:image/jpeg;base64,") == 1  # the other's video is gone
    assert "ben: no_goal" in text
    assert evil not in text
    assert "<a " not in text  # no server here
    assert repr(table).splitlines()[1] == "clip_01: anna 1, ben 5"
    linked = replace(table, base_url="/user/anna/")._repr_html_()
    assert '<a href="/user/anna/goals/#review=clip_00"' in linked


# ---- in JupyterLab ---------------------------------------------------------------------------

CELL = """
from pathlib import Path
from annotation_tools.rater import ClipRater, review_table
from workbench.footage.clips import load_clips
from workbench.labels.store import LabelStore

footage = Path({footage!r})
ClipRater(load_clips(footage), footage, LabelStore(Path("labels.sqlite").absolute()), "anna")
"""


class Lab:
    """A running JupyterLab and the folder it serves."""

    def __init__(self, root: Path, url: str) -> None:
        self.root, self.url = root, url

    def add_notebook(self, name: str, source: str) -> None:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
        # Without it JupyterLab asks for a kernel first.
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
        nbformat.write(notebook, self.root / name)

    def stored(self, kind: str = "rating") -> dict[str, dict]:
        with LabelStore(self.root / "labels.sqlite") as store:
            current = store.current(kind, annotator="anna")
        return {item: entry.value for (_, item), entry in current.items()}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    base = tmp_path_factory.mktemp("lab")
    root = base / "root with ünicode"
    make_clips(root / "footage", 10)
    make_clips(base / "elsewhere", 1)
    options = ["--LabApp.news_url=None"]
    options += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    with running_jupyter("jupyterlab", root, base, *options) as url:
        yield Lab(root, url)


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    page = context.new_page()
    page.set_default_timeout(30_000)
    yield page
    context.close()


def open_notebook(page, lab, name):
    page.goto(f"{lab.url}/lab/tree/{name}?reset&token={JUPYTER_TOKEN}")
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]")


def run_cell(page):
    """Run the only cell; JupyterLab drops the order while it is still connecting to the kernel.

    On a busy machine it may also tell about that in a dialog, which a person would close.
    """
    page.evaluate("document.querySelectorAll('.wb-rater').forEach((node) => node.remove())")
    told = []
    for _ in range(6):
        for dialog in page.locator(".jp-Dialog").all():
            told.append(dialog.inner_text())
            page.keyboard.press("Escape")
            dialog.wait_for(state="detached")
        with contextlib.suppress(PlaywrightTimeout):
            page.locator(".jp-Notebook .jp-CodeCell .cm-content").first.click(timeout=6000)
            page.keyboard.press("Control+Enter")
            page.wait_for_selector(".wb-rater", timeout=6000)
            return
    pytest.fail(f"the cell does not run; JupyterLab said: {told}")


def on_clip(page, clip_id):
    page.wait_for_selector(f'.wb-rater[data-clip="{clip_id}"]')


def all_saved(page):
    page.wait_for_selector('.wb-rater[data-unsaved="0"]')


def restart_kernel(page):
    page.locator('[data-jp-item-name="restart"]').click()
    page.locator(".jp-Dialog .jp-mod-accept").click()
    page.wait_for_selector(".jp-Dialog", state="detached")
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]")


def test_rating_ten_clips_with_the_keyboard_in_jupyterlab(lab, page):
    lab.add_notebook("rate.ipynb", CELL.format(footage="footage"))
    fetched, websocket_bytes = [], []
    page.on("request", lambda request: fetched.append(request.url))
    page.on(
        "websocket",
        lambda socket: socket.on("framereceived", lambda data: websocket_bytes.append(len(data))),
    )
    open_notebook(page, lab, "rate.ipynb")
    run_cell(page)
    on_clip(page, "clip_00")

    # The video comes from /files/ and plays.
    playing = "() => { const v = document.querySelector('.wb-video:not([hidden])');"
    page.wait_for_function(playing + "return v.readyState >= 2 && v.videoWidth === 160; }")
    assert any("/files/footage/clips/clip_00.mp4" in url for url in fetched)

    page.locator(".wb-stage").click()
    for stars in STARS:
        page.keyboard.press(str(stars))
    on_clip(page, "clip_05")

    # Back twice and another mind: 0 clears, a number sets; then on to the next without a rating.
    page.keyboard.press("b")
    page.keyboard.press("Backspace")
    on_clip(page, "clip_03")
    assert page.locator(".wb-star-button.wb-on").count() == 2
    page.keyboard.press("0")
    assert page.locator(".wb-star-button.wb-on").count() == 0
    page.keyboard.press("4")
    on_clip(page, "clip_05")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("0")
    page.keyboard.press("ArrowRight")
    on_clip(page, "clip_05")
    page.keyboard.press("u")
    page.keyboard.press("s")
    page.keyboard.press("f")  # no key of the rater
    on_clip(page, "clip_07")
    page.keyboard.press("r")
    all_saved(page)
    expected = {
        **{f"clip_0{place}": {"stars": stars} for place, stars in enumerate((5, 4, 3, 4))},
        "clip_05": {"unsure": True},
        "clip_06": {"skipped": True},
    }
    assert lab.stored() == expected
    assert page.locator(".jp-Notebook .jp-Cell").count() == 1  # no key reached the notebook

    restart_kernel(page)
    page.locator(".wb-stage").click()
    page.keyboard.press("3")  # into a kernel that does not know the widget: kept by the browser
    page.wait_for_selector(".wb-saved.wb-warn")
    assert "run this cell again" in page.locator(".wb-saved").inner_text()
    assert lab.stored() == expected
    run_cell(page)
    page.wait_for_function("() => document.querySelectorAll('.wb-rater').length === 1")
    all_saved(page)
    expected["clip_07"] = {"stars": 3}
    assert lab.stored() == expected
    on_clip(page, "clip_04")  # the first without a rating
    assert "7 of 10 rated" in page.locator(".wb-count").inner_text()

    page.locator(".wb-stage").click()
    for key, clip in (("2", "clip_08"), ("1", "clip_09"), ("5", "")):
        page.keyboard.press(key)
        on_clip(page, clip)
    assert "All 10 rated" in page.locator(".wb-done").inner_text()
    all_saved(page)
    assert lab.stored() == expected | {
        f"clip_0{place}": {"stars": stars} for place, stars in ((4, 2), (8, 1), (9, 5))
    }
    with LabelStore(lab.root / "labels.sqlite") as store:
        entries = store.history()
    assert len(entries) == len({entry.entry_id for entry in entries}) == 14
    assert max(websocket_bytes) < 100_000  # no video passed through the kernel


def test_saying_what_clips_show_with_the_keyboard_in_jupyterlab(lab, page):
    classes = 'classes=ClassList({"serve": "s", "lob": "2", "none": "n"}, several=%s)'
    imported = "from workbench.labels.classlist import ClassList\n"
    cell = imported + CELL.format(footage="footage").replace('"anna")', f'"anna", {classes})')
    lab.add_notebook("one.ipynb", cell % False)
    open_notebook(page, lab, "one.ipynb")
    run_cell(page)
    on_clip(page, "clip_00")
    page.locator(".wb-stage").click()
    for key in ("s", "2", "n", "Shift+S", "u"):
        page.keyboard.press(key)
    on_clip(page, "clip_05")
    page.keyboard.press("b")
    page.keyboard.press("0")
    page.keyboard.press("n")
    all_saved(page)
    expected = {
        **{f"clip_0{n}": {"classes": [c]} for n, c in enumerate(("serve", "lob", "none"))},
        "clip_03": {"skipped": True},
        "clip_04": {"classes": ["none"]},
    }
    assert lab.stored("class") == expected

    lab.add_notebook("several.ipynb", cell % True)
    open_notebook(page, lab, "several.ipynb")
    run_cell(page)
    on_clip(page, "clip_05")
    page.locator(".wb-stage").click()
    for key in ("2", "s", "Enter", "s", "n", "Enter", "2", "2"):
        page.keyboard.press(key)
    on_clip(page, "clip_07")
    all_saved(page)
    expected |= {"clip_05": {"classes": ["lob", "serve"]}, "clip_06": {"classes": ["none"]}}
    for _ in range(100):  # the last of several answers to one clip may still be on its way
        if lab.stored("class") == expected:
            break
        page.wait_for_timeout(100)
    assert lab.stored("class") == expected
    page.keyboard.press("ArrowLeft")
    assert page.locator(".wb-class-button.wb-on").inner_text().startswith("none")


def test_clips_outside_the_served_folder_come_through_the_kernel_and_take_a_comment(lab, page):
    source = CELL.format(footage="../elsewhere").replace("labels.sqlite", "outside.sqlite")
    lab.add_notebook("outside.ipynb", source)
    open_notebook(page, lab, "outside.ipynb")
    run_cell(page)
    on_clip(page, "clip_00")
    page.wait_for_selector('.wb-video[src^="blob:"]')
    plays = "document.querySelector('.wb-video:not([hidden])').readyState >= 2"
    page.wait_for_function(plays)
    assert page.locator(".wb-cover").is_hidden()
    page.locator(".wb-stage").click()
    page.keyboard.press("c")
    page.keyboard.type("5 s too dark")  # neither five stars nor a skip
    page.keyboard.press("Enter")
    page.keyboard.press("4")
    all_saved(page)
    with LabelStore(lab.root / "outside.sqlite") as store:
        kept = {
            kind: store.current(kind)["anna", "clip_00"].value for kind in ("comment", "rating")
        }
    assert kept == {"comment": {"text": "5 s too dark"}, "rating": {"stars": 4}}
    page.keyboard.press("b")
    on_clip(page, "clip_00")
    assert page.locator(".wb-comment").input_value() == "5 s too dark"


def test_a_clip_that_is_gone_says_so_and_can_be_skipped(lab, page):
    folder = lab.root / "gone"
    make_clips(folder, 2)
    (folder / "clips" / "clip_00.mp4").unlink()
    source = CELL.format(footage="gone").replace("labels.sqlite", "gone.sqlite")
    lab.add_notebook("gone.ipynb", source)
    open_notebook(page, lab, "gone.ipynb")
    run_cell(page)
    page.wait_for_selector(".wb-cover:not([hidden])")
    assert "404" in page.locator(".wb-cover").inner_text()
    page.locator(".wb-stage").click()
    page.keyboard.press("s")
    on_clip(page, "clip_01")
    page.wait_for_selector(".wb-cover", state="hidden")


def test_names_from_outside_are_shown_as_text(lab, page):
    clips = make_clips(lab.root / "named", 1)
    evil = "<img src=x onerror=document.title='owned'>"
    save_clips(lab.root / "named", [Clip(**(vars(clips[0]) | {"clip_id": evil}))])
    source = CELL.format(footage="named").replace('"anna"', json.dumps(evil))
    lab.add_notebook("named.ipynb", source)
    open_notebook(page, lab, "named.ipynb")
    run_cell(page)
    assert evil in page.locator(".wb-title").inner_text()
    assert evil in page.locator(".wb-count").inner_text()
    assert page.title() != "owned"


STEP = """
from pathlib import Path
exec(Path("step.py").read_text())
rater
"""
RATER = """
from annotation_tools.rater import ClipRater
from workbench.footage.clips import load_clips
from workbench.labels.agreement import disagreements
from workbench.labels.classlist import ClassList
from workbench.labels.store import LabelStore

store, footage = LabelStore(Path("loop.sqlite").absolute()), Path("loop")
clips = [clip for clip in load_clips(footage) if clip.clip_id in {asked}]
classes = ClassList({{"left": "a", "right": "d", "none": "n"}})
rater = ClipRater(clips, footage, store, {who!r}, classes=classes, settles={settles})
"""


def test_from_a_folder_of_videos_to_a_second_version_that_is_compared(lab, page, tmp_path):
    """The whole loop on forty tiny videos; people label by keyboard, everything else is called."""
    videos, root = tmp_path / "videos", lab.root
    videos.mkdir()
    truth = {clip.clip_id: str(clip.sport) for clip in film_shapes(videos, 7, 2)[:40]}
    for video in set(videos.glob("*.mp4")) - {videos / f"{name}.mp4" for name in truth}:
        video.unlink()
    clips = ingest_folder(videos, root / "loop", window_s=1).clips
    item_to_class = {clip.clip_id: truth[Path(clip.source).stem] for clip in clips}
    assert len(item_to_class) == 40
    items = sorted(item_to_class)
    first, more = [one for n, one in enumerate(items) if n % 10 < 7], items[7::10] + items[8::10]
    more += items[9::10]
    lab.add_notebook("loop.ipynb", STEP)
    open_notebook(page, lab, "loop.ipynb")

    def label(who, asked, settles=False, wrong=()):
        step = RATER.format(asked=sorted(asked), who=who, settles=settles)
        (root / "step.py").write_text(f"from pathlib import Path\n{step}", encoding="utf-8")
        run_cell(page)
        page.locator(".wb-stage").click()
        for item in sorted(asked):
            on_clip(page, item)
            named = {"left": "right", "right": "none", "none": "left"} if item in wrong else {}
            name = item_to_class[item]
            page.keyboard.press({"left": "a", "right": "d", "none": "n"}[named.get(name, name)])
        on_clip(page, "")
        all_saved(page)

    def version():
        with LabelStore(root / "loop.sqlite") as store:
            settled = settle(store)
        labelled = [replace(clip, session=clip.clip_id) for clip in with_labels(clips, settled)]
        made = add_version(
            tmp_path / "sets", labelled, root / "loop", settled, origin=BUILT_IN_FOOTAGE,
            frames=12, size_wh=(42, 36), fractions=(0.5, 0.2, 0.3),
        )  # fmt: skip
        config = TrainConfig(
            model_settings={"width": 8}, frames=6, size_wh=(32, 32), epochs=8, learning_rate=5e-3,
            amp="off", device="cpu", augmentation=Augmentation(flip=0, swap_colours=0),
        )  # fmt: skip
        trained = train_classifier(made, run_dir_for(tmp_path / "models", made, config), config)
        said = [predict_clips(trained.run_dir, made.take(split)) for split in ("test", "valid")]
        return made, *said

    label("anna", first)
    label("ben", first, wrong=first[:3])
    with LabelStore(root / "loop.sqlite") as store:
        differ = disagreements(store, "class")
    assert sorted(differ) == first[:3]
    label("cleo", differ, settles=True)
    v1, on_test, _ = version()
    assert v1.meta["labels"] == {"settled by all": 25, "settled by the adjudicator": 3}
    assert dict(zip(v1.clip_ids, v1.labels, strict=True)) == {n: item_to_class[n] for n in first}
    report = report_on(on_test, run_baselines(v1))
    assert report.answer().split(":")[0] in ("Yes", "No", "Can't tell")

    label("anna", more)
    v2, on_test, on_valid = version()
    assert (v2.meta["parent"], len(v2), len(more)) == ("v1", 40, 12)
    assert set(v1.take("test").clip_ids) <= set(v2.take("test").clip_ids)
    before = predict_with_parent(tmp_path / "models", v2.take("test"))
    assert before.scorer == "slim trained on v1"
    for said, name in ((on_test, "test"), (on_valid, "valid"), (before, "before")):
        said.save(tmp_path / f"{name}.json")
    notebook = nbformat.read(NOTEBOOKS / "50_confusion_report.ipynb", as_version=4)
    given = {
        "clipset_dir": v2.folder, "predictions_file": tmp_path / "test.json",
        "validation_file": tmp_path / "valid.json", "before_file": tmp_path / "before.json",
        "footage_dir": root / "loop", "report_dir": tmp_path,
    }  # fmt: skip
    notebook.cells[1].source += "".join(f"\n{name} = {str(path)!r}" for name, path in given.items())
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    shown = str([cell.outputs for cell in notebook.cells if cell.cell_type == "code"])
    assert "against" in shown
    assert "for slim trained on v1; paired" in shown  # McNemar, with the clips won and lost
    assert (tmp_path / "video_scorer_testreport.json").is_file()
