"""Training watched in a kernel: curves are pictures there, and make room for the final ones."""

import nbformat
import pytest
from nbclient import NotebookClient

TRAINING = """
from workbench.detect.student.figures import LiveTraining
from workbench.training.history import Epoch, Step

with LiveTraining(epochs=2) as live:
    for number in (1, 2):
        live.on_step(Step(number, 1, 1, 3.0))
        scores = {"train_loss": 3.0, "valid_loss": 2.0, "ap": 0.1 * number, "ap ball": 0.1}
        live.on_epoch(Epoch(number, 1e-3, "fp32", 1.0, scores))
    {after}
"""


def outputs_of(source: str, *, allow_errors: bool = False) -> list[dict]:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(notebook, timeout=120, allow_errors=allow_errors).execute()
    return [out["data"] for out in notebook.cells[0].outputs if out.output_type == "display_data"]


@pytest.mark.parametrize("stopped", [True, False], ids=["stopped", "finished"])
def test_curves_are_a_picture_until_the_run_is_finished(stopped: bool) -> None:
    after = "raise KeyboardInterrupt" if stopped else "pass"
    source = TRAINING.replace("{after}", after)
    (shown,) = outputs_of(source, allow_errors=stopped)  # one output, updated
    assert ("image/png" in shown) == stopped


def test_without_a_notebook_there_is_only_the_bar(capsys: pytest.CaptureFixture[str]) -> None:
    exec(TRAINING.replace("{after}", "pass"), {})
    said = capsys.readouterr()
    assert not said.out
    assert "AP 0.200" in said.err
