import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from notebooks_on_disk import write_notebook, write_pipeline
from postgres_server import PostgresServer

from workbench.errors import PipelineError
from workbench.labels.records import Entry
from workbench.labels.store import LabelStore
from workbench.runs.pipeline import find_pipeline, load_pipeline
from workbench.runs.plan import Plan, check_reads, make_plan
from workbench.runs.provenance import Digests, changes, imported_names, key_parts

pytest_plugins = ["label_databases"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two notebooks: `a` makes something, `b` takes it."""
    parameters = """
        out_dir: str = ""  # where to
        epochs: int = 2
        lr: float = 1e-3
        source_dir: str | None = None
    """
    write_notebook(tmp_path / "a.ipynb", "x = 1", parameters=parameters)
    write_notebook(tmp_path / "b.ipynb", "y = 2", parameters="epochs: int = 3")
    return tmp_path


STAGES: dict[str, Any] = {
    "b": {"notebook": "b.ipynb", "needs": ["a"]},
    "a": {
        "notebook": "a.ipynb",
        "params": {"out_dir": "{data}/a"},
        "reads": ["{source_dir}"],
        "products": ["{data}/a", "{run}/metrics.json"],
    },
}


def _plan(folder: Path, *given: str, names: tuple[str, ...] = (), **rest: Any) -> Plan:
    pipeline = load_pipeline(write_pipeline(folder, STAGES, **rest))
    return make_plan(pipeline, names, given=given)


def test_stages_come_after_what_they_need_and_paths_become_absolute(folder: Path) -> None:
    plan = _plan(folder)
    assert list(plan.stages) == ["a", "b"]
    a, b = plan.stages.values()
    assert a.values["out_dir"] == f"{folder}/data/demo/a"
    assert a.reads == ()  # its only entry stands for a parameter that is None
    assert a.products_in(folder / "r") == [folder / "data/demo/a", folder / "r/metrics.json"]
    assert b.reads == (folder / "data/demo/a",)  # nothing declared: what `a` produces


def test_a_profile_goes_before_the_stage_and_the_command_before_both(folder: Path) -> None:
    profiles = {"ci": {"params": {"a": {"epochs": 1, "lr": 2}}}}
    assert _plan(folder, profiles=profiles).stages["a"].values["lr"] == 2.0
    plan = _plan(folder, "a.epochs=7", profiles=profiles)
    assert plan.stages["a"].values["epochs"] == 7
    assert plan.stages["b"].values["epochs"] == 3
    plan = _plan(folder, "epochs=9", profiles=profiles)
    assert [stage.values["epochs"] for stage in plan.stages.values()] == [9, 9]


def test_a_parameter_without_stage_goes_to_the_stages_named_only(folder: Path) -> None:
    plan = _plan(folder, "epochs=9", names=("b",))
    assert list(plan.stages) == ["a", "b"]
    assert [stage.values["epochs"] for stage in plan.stages.values()] == [2, 9]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("epoch=3", "no chosen stage has the parameter 'epoch': did you mean 'epochs'"),
        ("a.epoch=3", "has no parameter 'epoch': did you mean 'epochs'"),
        ("c.epochs=3", "no stage 'c'"),
        ("epochs", "has no value"),
        ("epochs=many", "is not int"),
        ("lr=fast", "is not float"),
    ],
)
def test_a_wrong_parameter_is_refused(folder: Path, given: str, message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        _plan(folder, given)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stages": {}}, "has no stages"),
        ({"profiles": {}}, "has no profiles"),
        ({"stags": {}}, "unknown key 'stags': did you mean 'stages'"),
        ({"default_profile": "dmo"}, "unknown profile 'dmo': did you mean 'demo'"),
        ({"profiles": {"demo": {"stage": []}}}, "profile demo: unknown key 'stage'"),
        ({"profiles": {"demo": {"stages": ["c"]}}}, "profile demo: unknown stage 'c'"),
        ({"profiles": {"demo": {"params": {"c": {}}}}}, "profile demo: unknown stage 'c'"),
        ({"profiles": {"demo": {"params": {"a": {"epoch": 1}}}}}, "no parameter 'epoch'"),
        ({"profiles": {"demo": {"params": {"a": {"epochs": "x"}}}}}, "profile demo, a: epochs ="),
        ({"data": "d/{run}"}, "unknown placeholder 'run'"),
        ({"footage": {"profile": "own", "param": "a.x"}}, "unknown profile 'own'"),
        ({"footage": {"profile": "demo", "param": "a"}}, "has no parameter"),
        ({"root": "nowhere"}, "nowhere is not a folder"),
    ],
)
def test_a_wrong_file_is_refused_naming_the_place(
    folder: Path, change: dict[str, Any], message: str
) -> None:
    content = {"stages": STAGES, "profiles": {"demo": {}}} | change
    stages = content.pop("stages")
    with pytest.raises(PipelineError, match=message):
        make_plan(load_pipeline(write_pipeline(folder, stages, **content)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"notebok": "a.ipynb"}, "stage s: unknown key 'notebok': did you mean 'notebook'"),
        ({"notebook": "aa.ipynb"}, "aa.ipynb does not exist: did you mean 'a.ipynb'"),
        ({"needs": ["t"]}, "stage s: needs the unknown stage 't'"),
        ({"needs": ["s"]}, "need each other"),
        ({"needs": "s"}, "is not a list"),
        ({"params": {"out_dir": "{dta}/x"}}, "unknown placeholder 'dta': did you mean 'data'"),
        ({"products": ["{outdir}/x"]}, "unknown {outdir}: did you mean 'out_dir'"),
        ({"reads": ["{run}/x"]}, "{run} is the run's own"),
        ({"reads": ["nothing_here"]}, "reads .*nothing_here, which does not exist"),
        ({"title": 3}, "is not text"),
    ],
)
def test_a_wrong_stage_is_refused(folder: Path, change: dict[str, Any], message: str) -> None:
    stage = {"notebook": "a.ipynb", **change}
    with pytest.raises(PipelineError, match=message):
        check_reads(make_plan(load_pipeline(write_pipeline(folder, {"s": stage}))))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stages: [", "is not YAML"),
        ("stages: {}\nstages: {}", "'stages' is there twice"),
        ("- a", "is not a mapping"),
        ("stages: " + "[" * 600, "nested too deep"),
    ],
)
def test_a_file_that_is_no_pipeline(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "pipeline.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PipelineError, match=message):
        load_pipeline(path)


def test_yaml_scalars_mean_what_they_look_like(folder: Path) -> None:
    write_notebook(folder / "c.ipynb", parameters="lr: float = 1.0\nsport: str = ''")
    path = folder / "pipeline.yaml"
    path.write_text(
        "stages: {c: {notebook: c.ipynb, params: {lr: 1e-3, sport: no}}}\nprofiles: {demo: }\n",
        encoding="utf-8",
    )
    values = make_plan(load_pipeline(path)).stages["c"].values
    assert values == {"lr": 0.001, "sport": "no"}


def test_a_cycle_is_named(folder: Path) -> None:
    stages = {n: {"notebook": "a.ipynb", "needs": [m]} for n, m in ("ab", "bc", "ca")}
    with pytest.raises(PipelineError, match=r"[abc] → [abc] → [abc] → [abc]"):
        load_pipeline(write_pipeline(folder, stages))


def test_a_profile_may_leave_out_stages_that_others_need(folder: Path) -> None:
    profiles = {"own": {"stages": ["b"]}}
    plan = _plan(folder, profiles=profiles)
    assert list(plan.stages) == ["b"]
    assert plan.stages["b"].reads == ()
    with pytest.raises(PipelineError, match="does not include the stage 'a'"):
        _plan(folder, names=("a",), profiles=profiles)


def test_a_stage_that_says_so_is_left_out_while_what_it_reads_is_absent(folder: Path) -> None:
    stages = {
        "a": {"notebook": "a.ipynb"},
        "b": {"notebook": "b.ipynb", "reads": ["model.json"], "absent": "no model yet: train one"},
    }
    pipeline = load_pipeline(write_pipeline(folder, stages))
    plan = make_plan(pipeline)
    check_reads(plan)
    assert list(plan.stages) == ["a"]
    assert plan.left_out == {"b": "no model yet: train one"}
    with pytest.raises(PipelineError, match=r"reads .*model\.json, .*: no model yet: train one"):
        check_reads(make_plan(pipeline, ["b"]))
    (pipeline.root / "model.json").write_text("{}")
    assert list(make_plan(pipeline).stages) == ["a", "b"]


def test_a_stage_is_explained_in_a_profile_that_has_it(folder: Path) -> None:
    profiles = {"demo": {"stages": ["a"]}, "own": {"stages": ["b"]}}
    pipeline = load_pipeline(write_pipeline(folder, STAGES, profiles=profiles))
    assert [pipeline.profile_with(name).name for name in ("a", "b")] == ["demo", "own"]


def test_footage_chooses_the_profile_and_fills_the_parameter(folder: Path) -> None:
    profiles = {"demo": {}, "own": {"stages": ["a"]}}
    footage = {"profile": "own", "param": "a.source_dir"}
    pipeline = load_pipeline(write_pipeline(folder, STAGES, profiles=profiles, footage=footage))
    videos = folder / "videos"
    with pytest.raises(PipelineError, match="videos does not exist"):
        make_plan(pipeline, footage=videos)
    videos.mkdir()
    plan = make_plan(pipeline, footage=videos)
    assert plan.profile.name == "own"
    assert plan.stages["a"].values["source_dir"] == str(videos)
    assert plan.stages["a"].reads == (videos,)


def test_the_root_is_the_project_the_file_lies_in(folder: Path) -> None:
    inner = folder / "notebooks"
    write_notebook(inner / "a.ipynb")
    path = write_pipeline(inner, {"a": {"notebook": "a.ipynb"}})
    assert load_pipeline(path).root == inner
    (folder / "pyproject.toml").touch()
    assert load_pipeline(path).root == folder
    assert find_pipeline(folder) == path


def test_the_key_changes_with_what_the_run_depends_on_and_with_nothing_else(folder: Path) -> None:
    (folder / "mine.py").write_text("import other\n", encoding="utf-8")
    (folder / "other.py").write_text("x = 1\n", encoding="utf-8")
    (folder / "data/demo/a").mkdir(parents=True)
    read = folder / "data/demo/a/x.txt"
    read.write_text("1", encoding="utf-8")
    code = ("def late():\n    import mine\n    return mine", "from workbench import saving")
    notebook = folder / "b.ipynb"
    write_notebook(notebook, "# Prose", *code, parameters="epochs: int = 3  # passes")

    def parts(*given: str) -> Any:
        plan = _plan(folder, *given)
        return key_parts(plan.stages["b"], folder, Digests(folder / "none.json"))

    first = parts()
    assert {"mine", "other", "workbench", "workbench.saving"} <= set(first.modules)
    assert changes(asdict(first), parts()) == []
    write_notebook(notebook, "# Other prose", *code, parameters="epochs: int = 3  # passes")
    assert parts().key == first.key
    assert changes(asdict(first), parts("b.epochs=5")) == ["parameter epochs: 3 → 5"]
    read.write_text("2", encoding="utf-8")
    assert changes(asdict(first), parts()) == ["read data/demo/a"]
    read.write_text("1", encoding="utf-8")
    (folder / "other.py").write_text("x = 2\n", encoding="utf-8")
    assert changes(asdict(first), parts()) == ["module other"]
    (folder / "other.py").write_text("x = 1\n", encoding="utf-8")
    write_notebook(notebook, code[0], "y = 1", code[1], parameters="epochs: int = 3  # passes")
    assert changes(asdict(first), parts()) == ["code cell 3 is new"]


def test_digests_are_remembered_but_not_trusted_blindly(tmp_path: Path) -> None:
    file, memory = tmp_path / "a", tmp_path / "digests.json"
    file.write_text("one", encoding="utf-8")
    os.utime(file, ns=(10**18, 10**18))
    time.sleep(0.1)  # what was written this moment is not remembered
    digests = Digests(memory)
    one = digests.of(file)
    digests.save()
    assert str(file) in memory.read_text(encoding="utf-8")
    file.write_text("two", encoding="utf-8")
    os.utime(file, ns=(10**18, 10**18))  # same size and time, as after `cp -p`
    assert Digests(memory).of(file) != one
    memory.write_text("{broken", encoding="utf-8")
    file.write_text("one", encoding="utf-8")
    assert Digests(memory).of(file) == one


def test_a_folder_counts_with_all_that_can_be_read_in_it(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "videos", tmp_path / "disk"
    for place in (folder, elsewhere):
        place.mkdir()
    (folder / os.fsdecode(b"caf\xe9.mp4")).touch()  # a name in Latin-1
    (folder / "linked").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(folder)  # goes round

    def digest() -> str:
        digests = Digests(tmp_path / "digests.json")
        try:
            return digests.of(folder)
        finally:
            digests.save()

    seen = [digest()]
    for change in (
        lambda: (elsewhere / "a.mp4").write_text("1"),
        lambda: (elsewhere / "a.mp4").write_text("2"),
        lambda: (elsewhere / "a.mp4").rename(elsewhere / "b.mp4"),
        lambda: (folder / ".hidden").touch(),
    ):
        time.sleep(0.06)
        change()
        seen.append(digest())
    assert len(set(seen[:-1])) == 4
    assert seen[-1] == seen[-2]


def test_a_label_database_counts_by_what_was_said(tmp_path: Path) -> None:
    from workbench.labels.records import Entry
    from workbench.labels.store import LabelStore

    path, digests = tmp_path / "labels.sqlite", Digests(tmp_path / "digests.json")
    absent = digests.of(path)
    with LabelStore(path) as store:
        assert digests.of(path) == absent  # nobody has said anything
        store.append(Entry("rating", "clip", {"stars": 3}, annotator="anna", tool="test"))
        one = digests.of(path)
        store.append(Entry("rating", "clip", {"stars": 3}, annotator="ben", tool="test"))
        assert len({absent, one, digests.of(path)}) == 3


def test_what_may_be_absent_is_looked_at_all_the_same(folder: Path) -> None:
    stages = {"s": {"notebook": "a.ipynb", "reads": ["{source_dir}?"], "products": ["{out_dir}?"]}}
    pipeline = load_pipeline(write_pipeline(folder, stages))
    plan = make_plan(pipeline, given=[f"source_dir={folder / 'videos'}", "out_dir=made"])
    check_reads(plan)

    def reads() -> Any:
        return dict(key_parts(plan.stages["s"], folder, Digests(folder / "none.json")).reads)

    before = reads()
    (folder / "videos").mkdir()
    (folder / "videos/a.mp4").touch()
    assert before != reads()
    for word in ("postgresql://server/labels", "null"):  # nothing that can be looked at
        plan = make_plan(pipeline, given=[f"source_dir={word}"])
        assert plan.stages["s"].reads == ()


def test_labels_on_a_server_make_a_key_and_its_address_stays_in_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch, postgres: PostgresServer
) -> None:
    write_notebook(folder / "c.ipynb", parameters="database: str | None = None")
    stage = {"notebook": "c.ipynb", "params": {"database": "{labels}"}, "reads": ["{database}?"]}
    pipeline = load_pipeline(write_pipeline(folder, {"c": stage}))
    assert make_plan(pipeline).stages["c"].reads == (folder / "data/labels.sqlite",)
    monkeypatch.chdir(folder)
    for place in ("mine.sqlite", f"sqlite:///{folder / 'mine.sqlite'}"):
        monkeypatch.setenv("WORKBENCH_DB", place)
        planned = make_plan(pipeline).stages["c"]
        assert planned.values["database"] == str(folder / "mine.sqlite")
        assert planned.reads == (folder / "mine.sqlite",)

    url = postgres.new_database()
    monkeypatch.setenv("WORKBENCH_DB", url)
    planned = make_plan(pipeline).stages["c"]

    def parts() -> Any:
        return key_parts(planned, folder, Digests(folder / "none.json"))

    before = parts()
    assert url not in str(before)
    with LabelStore() as store:
        store.append(Entry("verdict", "clip", {"verdict": "goal"}, annotator="ann", tool="test"))
    assert changes(asdict(before), parts()) == ["read label server"]


def test_a_value_can_come_from_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_notebook(folder / "c.ipynb", parameters="detector: str | None = 'x'")
    stage = {"notebook": "c.ipynb", "params": {"detector": "$EYES"}, "reads": ["{detector}?"]}
    pipeline = load_pipeline(write_pipeline(folder, {"c": stage}))
    eyes = folder / "eyes.onnx"
    eyes.touch()
    for said, value, reads in (("", None, 0), ("nano", "nano", 1), (str(eyes), str(eyes), 1)):
        monkeypatch.setenv("EYES", said)
        planned = make_plan(pipeline).stages["c"]
        assert (planned.values["detector"], len(planned.reads)) == (value, reads)
        assert planned.missing() == []


def test_relative_paths_count_from_where_they_were_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = folder / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    stages = {"a": {**STAGES["a"], "products": ["{out_dir}"], "params": {"out_dir": "of/root"}}}
    pipeline = load_pipeline(write_pipeline(folder, stages, root="."))
    stage = make_plan(pipeline, given=["source_dir=videos"]).stages["a"]
    assert stage.values["source_dir"] == str(here / "videos")
    assert stage.reads == (here / "videos",)
    assert stage.values["out_dir"] == str(folder / "of/root")
    assert stage.products == (str(folder / "of/root"),)
    word = {"a": {**STAGES["a"], "reads": ["{source_dir}?"]}}
    pipeline = load_pipeline(write_pipeline(folder, word))
    stage = make_plan(pipeline, given=["source_dir=pretrained"]).stages["a"]
    assert stage.values["source_dir"] == "pretrained"


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import a.b, c", {"a.b", "c"}),
        ("from . import x", {".", ".x"}),
        ("from ..p import q", {"..p", "..p.q"}),
        ("def f():\n    from a import b", {"a", "a.b"}),
        ("def __getattr__(name): ...", {"*"}),
        ("!ls\nfrom a import b\n%time x", {"a", "a.b"}),
    ],
)
def test_imports_are_found_wherever_they_stand(source: str, names: set[str]) -> None:
    assert set(imported_names(source)) == names
