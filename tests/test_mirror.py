"""Products in an object store: what is there is whole, whoever was killed while writing it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from notebooks_on_disk import write_notebook, write_pipeline

from workbench.errors import DatasetError
from workbench.runs.mirror import CACHE_VARIABLE, Mirror, fetch_folder
from workbench.runs.pipeline import load_pipeline
from workbench.runs.plan import make_plan
from workbench.runs.runner import run_plan

MEGABYTES = 4  # of the product that a killed writer was sending


@pytest.fixture(scope="module")
def bucket():
    """The address of an empty bucket of a server on this machine."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        host, port = server.get_host_and_port()
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        import s3fs

        s3fs.S3FileSystem().mkdir("bucket")
        yield "s3://bucket"
    server.stop()


def project(folder: Path):
    """Labels, a dataset of them, and what a classifier says; the same on every machine."""
    steps = {
        "label": ("'3 1 2'", ""),
        "dataset": ("' '.join(sorted(Path(data_dir, 'label.txt').read_text().split()))", "label"),
        "classify": ("str(sum(map(int, Path(data_dir, 'dataset.txt').read_text().split())))",
                     "dataset"),
    }  # fmt: skip
    stages = {}
    for name, (result, needs) in steps.items():
        write_notebook(
            folder / f"{name}.ipynb",
            f"from pathlib import Path\nPath(data_dir).mkdir(parents=True, exist_ok=True)\n"
            f"Path(data_dir, '{name}.txt').write_text({result})",
            parameters='data_dir: str = "x"  # of all stages',
        )
        stages[name] = {
            "notebook": f"{name}.ipynb", "params": {"data_dir": "{data}"},
            "needs": [needs] if needs else [], "products": [f"{{data}}/{name}.txt"],
        }  # fmt: skip
    (folder / "pyproject.toml").touch()
    return load_pipeline(write_pipeline(folder, stages))


def run_on_machine(folder: Path, url: str, stage: str) -> dict[str, str]:
    """Bring a stage up to date on a machine of its own; return what became of all stages."""
    pipeline = project(folder)
    mirror = Mirror(url, pipeline.root, folder / "reports")
    mirror.pull()
    plan = make_plan(pipeline, [stage], data=mirror.data)
    quiet = SimpleNamespace(**dict.fromkeys(("decided", "started", "event", "finished"), print))
    ended = run_plan(plan, folder / "reports", quiet, threading.Event(), keep=mirror.push)
    return {one.stage: one.fate if one.is_good else "bad" for one in ended}


def test_each_stage_on_another_machine(bucket, tmp_path: Path, monkeypatch) -> None:
    url = f"{bucket}/match"
    done = {}
    for stage in ("label", "dataset", "classify"):
        monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / stage / "cache"))
        done[stage] = run_on_machine(tmp_path / stage, url, stage)
    assert done["label"] == {"label": "ran"}
    assert done["dataset"] == {"label": "unchanged", "dataset": "ran"}
    assert done["classify"] == {"label": "unchanged", "dataset": "unchanged", "classify": "ran"}
    (found,) = (tmp_path / "classify").glob("data/stores/*/classify.txt")
    assert found.read_text() == "6"
    # A content that was damaged in the store is not taken for what it was.
    import s3fs

    store = s3fs.S3FileSystem()
    for path in store.find("bucket/match/objects"):
        store.pipe_file(path, b"half")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "fresh" / "cache"))
    with pytest.raises(DatasetError, match="is damaged"):
        run_on_machine(tmp_path / "fresh", url, "classify")
    assert not list((tmp_path / "fresh").glob("reports/*/*/run.json"))


WRITE = """
import sys
from pathlib import Path
from types import SimpleNamespace
from workbench.runs.mirror import Mirror

url, root = sys.argv[1], Path(sys.argv[2])
mirror = Mirror(url, root, root / "reports")
run = SimpleNamespace(stage="s", run="demo-1", profile="demo", started=sys.argv[3],
                      products=[SimpleNamespace(path=f"p{n}.bin") for n in range(3)])
print("begins", flush=True)
mirror.push(SimpleNamespace(record=run, run_dir=root / "reports/s/demo-1"))
print("ended", flush=True)
"""


def test_a_writer_that_is_killed_leaves_what_was_whole(bucket, tmp_path: Path) -> None:
    def write(version: int, kill_after_s: float | None) -> bool:
        """Store a run whose products are all of one version; whether it came to its end."""
        for n in range(3):
            (tmp_path / f"p{n}.bin").write_bytes(bytes([version, n]) * (MEGABYTES << 17))
        command = [
            sys.executable,
            "-c",
            WRITE,
            f"{bucket}/killed",
            str(tmp_path),
            f"2026-{version}",
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            if kill_after_s is not None:
                time.sleep(kill_after_s)
                writer.send_signal(signal.SIGKILL)
            return "ended" in writer.stdout.read()

    (tmp_path / "reports/s/demo-1").mkdir(parents=True)
    (tmp_path / "reports/s/demo-1/run.json").write_text("{}")
    assert write(1, None)
    stands = 1
    for version, after_s in ((2, 0.0), (3, 0.15), (4, 0.4)):
        stands = version if write(version, after_s) else stands
        reader = tmp_path / f"reader {version}"
        os.environ[CACHE_VARIABLE] = str(reader / "cache")
        assert Mirror(f"{bucket}/killed", reader, reader / "reports").pull() == 1
        seen = [(reader / f"p{n}.bin").read_bytes() for n in range(3)]
        assert seen == [bytes([stands, n]) * (MEGABYTES << 17) for n in range(3)]
    del os.environ[CACHE_VARIABLE]


def test_footage_is_brought_here_once(bucket, tmp_path: Path) -> None:
    import s3fs

    store = s3fs.S3FileSystem()
    store.pipe_file("bucket/videos/cam/a.mp4", b"one")
    url = f"{bucket}/videos"
    folder = fetch_folder(url, tmp_path)
    assert (folder / "cam/a.mp4").read_bytes() == b"one"
    before = (folder / "cam/a.mp4").stat().st_ino
    assert fetch_folder(url, tmp_path) == folder
    assert (folder / "cam/a.mp4").stat().st_ino == before
    store.pipe_file("bucket/videos/cam/a.mp4", b"two")
    fetch_folder(url, tmp_path)
    assert (folder / "cam/a.mp4").read_bytes() == b"two"


@pytest.mark.parametrize("url", ["nothing://x/y", "s3://no-such-bucket/x"])
def test_a_place_that_is_none_is_told(bucket, url: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"cannot be used|needs a package|nothing at"):
        fetch_folder(url, tmp_path)


def test_a_store_that_asks_who_we_are_is_told(bucket, tmp_path: Path, monkeypatch) -> None:
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(DatasetError, match=r"cannot be used .*credentials.*: check the address"):
        Mirror(bucket, tmp_path, tmp_path / "out").pull()
    s3fs.S3FileSystem.clear_instance_cache()


def test_a_list_that_names_a_place_outside_is_refused(tmp_path: Path) -> None:
    store = tmp_path / "store/runs/s"
    store.mkdir(parents=True)
    row = {"base": "root", "path": "../evil", "sha256": "0", "size": 1}
    head = {"format": "workbench-stored-run/1", "started": "1", "stage": "s", "profile": "p"}
    (store / "p-1.json").write_text(json.dumps({**head, "run": "p-1", "files": [row]}))
    with pytest.raises(DatasetError, match="outside its folder"):
        Mirror(f"file://{tmp_path}/store", tmp_path / "root", tmp_path / "out").pull()
