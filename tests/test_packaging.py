"""The two ways to install agree, the lock names no registry, the README shows what there is."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def requirements() -> list[str]:
    extras = PROJECT["optional-dependencies"].values()
    return [*PROJECT["dependencies"], *(line for extra in extras for line in extra)]


def test_conda_environment_asks_for_the_same_packages() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, _, from_pip = environment["dependencies"]
    assert python == f"python{PROJECT['requires-python']}"
    assert sorted(from_pip["pip"]) == sorted(requirements())


def test_lock_pins_every_requirement_with_hashes_and_names_no_registry() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    pinned = dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", lock, flags=re.MULTILINE))
    for line in requirements():
        name = re.match(r"[A-Za-z0-9._-]+", line)
        assert name is not None
        assert name[0].lower() in pinned, f"{name[0]} is not in the lock: run `make lock`"
    entries = re.split(r"\n(?=[a-z0-9])", lock[lock.index("\nabsl") + 1 :])
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in lock


def test_every_dependency_says_why_it_is_there() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    for line in requirements():
        assert re.search(re.escape(f'"{line}",') + r" +# \S", text), line


@pytest.mark.parametrize("folder", ["workbench", "annotation_tools", "notebooks"])
def test_the_tree_of_the_readme_shows_every_file_and_folder(folder: str) -> None:
    (tree,) = re.findall(
        r"## Where things are\n+```\n(.*?)```", (ROOT / "README.md").read_text(), re.S
    )
    (part,) = re.findall(rf"^{folder}/ .*\n((?:  \S.*\n)+)", tree, re.M)
    shown = re.findall(r"^  (\S+) +\S", part, re.M)
    there = [
        f"{path.name}/" if path.is_dir() else path.name.removesuffix(".ipynb")
        for path in (ROOT / folder).iterdir()
        if not path.name.startswith(("_", ".")) and path.name != "py.typed"
    ]
    assert sorted(shown) == sorted(there)


def test_the_compose_file_is_a_head_and_workers_that_nobody_else_reaches() -> None:
    """Read, not run: it needs Docker."""
    folder = ROOT / "docs/cluster"
    compose = yaml.safe_load((folder / "compose.yaml").read_text())
    head, worker = compose["services"]["head"], compose["services"]["worker"]
    assert worker["deploy"]["replicas"] == 2
    assert head["command"].startswith("ray start --head")
    assert "--include-dashboard=false" in head["command"]
    assert f"--address {head['environment']['RAY_ADDRESS']}" in worker["command"]
    for service in (head, worker):
        (folder / service["build"]["context"] / service["build"]["dockerfile"]).resolve(strict=True)
        assert service["volumes"] == ["../..:/project"]
        assert not service.keys() & {"ports", "network_mode"}
        assert service["networks"] == ["cluster"]
    assert compose["networks"]["cluster"]["internal"]
