"""The error of a browser tool, and the answer that carries it."""

from starlette.responses import JSONResponse, Response

from workbench.errors import WorkbenchError


class ServingError(WorkbenchError):
    """A request, or a start of the server, that cannot be served as it is.

    Args:
        problem: What is wrong.
        remedy: What to do next.
        status: The HTTP status that says so.
    """

    def __init__(self, problem: str, remedy: str, status: int = 400) -> None:
        super().__init__(problem, remedy)
        self.status = status


def refusal(status: int, problem: str, remedy: str) -> Response:
    """An error as the pages read it."""
    return JSONResponse({"problem": problem, "remedy": remedy}, status)
