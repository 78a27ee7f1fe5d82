"""Who coaches: rules, a model behind an OpenAI-compatible address, or a model in this process.

The unit is one answer, as a stream of pieces of text. A coach is told the verdict as a fact and may
say anything; what of it is shown is for `advice`. Pictures leave this machine only where the
address is asked to look at them.
"""

import base64
import io
import json
import threading
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from workbench.errors import WorkbenchError
from workbench.shots.coach.facts import ShotFacts, facts_words
from workbench.shots.coach.rules import coach_by_rules

PATIENCE_S = 10.0  # of silence, after which the rules go on
_TOKENS = 220
_LONGEST_LINE = 1 << 20  # bytes of an answer's line
_SYSTEM = (
    "You are a football shooting coach. The measurements are already decided. Never contradict the "
    "result. Use no number that is not listed. Say nothing about what was not measured."
)
_ASK = (
    "Measured facts of this shot:\n{facts}\n\nWrite exactly four lines, each one short sentence:\n"
    "Verdict: the result; celebrate a goal, encourage after a miss.\n"
    "Fix 1: a measure marked TOO LOW or TOO HIGH, or what would help.\n"
    "Fix 2: one more.\n"
    "Drill: one exercise."
)


class CoachError(WorkbenchError):
    """A coach that cannot be asked, or does not answer."""


class Coach(Protocol):
    """Somebody who is told facts and talks; `pictures` are JPEGs of the strike."""

    name: str
    patience_s: float  # how long it may be silent

    def stream(self, facts: ShotFacts, pictures: Sequence[bytes] = ()) -> Iterator[str]:
        """Yield the answer piece by piece, in four lines: `Verdict: …`, `Fix 1: …` and so on.

        Empty pieces are silence; between them a listener who has gone is noticed.

        Raises:
            CoachError: If there is no answer, or no end of it.
        """
        ...


class RulesCoach:
    """Rules: what they say rests on the facts alone."""

    name, patience_s = "rules", PATIENCE_S

    def stream(self, facts: ShotFacts, pictures: Sequence[bytes] = ()) -> Iterator[str]:
        """Yield the four lines."""
        for part, text in coach_by_rules(facts).items():
            yield f"{part}: {text}\n"


class ServerCoach:
    """A model that a server offers as OpenAI does: llama.cpp, vLLM, Ollama, transformers serve.

    Args:
        url: Up to and with `/v1`.
        model: As the server calls it.
        sees: Whether pictures of the strike are sent along.
        patience_s: How long it may be silent.
    """

    def __init__(
        self, url: str, model: str, *, sees: bool = False, patience_s: float = PATIENCE_S
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise CoachError(f"{url!r} is no address", "give one like http://127.0.0.1:8080/v1")
        self.name = model or "server"
        self._url, self._model, self._sees = url.rstrip("/"), model, sees
        self.patience_s = patience_s

    def stream(self, facts: ShotFacts, pictures: Sequence[bytes] = ()) -> Iterator[str]:
        """Yield what the server sends."""
        import httpx

        messages = _messages(facts, pictures if self._sees else ())
        asked = {"model": self._model, "messages": messages, "stream": True,
                 "max_tokens": _TOKENS, "temperature": 0.2}  # fmt: skip
        where = f"{self._url}/chat/completions"
        try:
            with httpx.stream("POST", where, json=asked, timeout=self.patience_s) as answer:
                if answer.status_code != 200:
                    said = f"{where} answers {answer.status_code}"
                    raise CoachError(said, "check the address and the name of the model")
                is_whole = False
                for line in _lines(answer.iter_bytes()):
                    if not line.startswith("data:"):
                        yield ""  # who listens may have gone
                        continue
                    data = line.removeprefix("data:").strip()
                    if data == "[DONE]":
                        return
                    choices = json.loads(data).get("choices") or [{}]
                    yield (choices[0].get("delta") or {}).get("content") or ""
                    is_whole = is_whole or bool(choices[0].get("finish_reason"))
            if not is_whole:  # not every server says [DONE]
                raise CoachError(f"{where} stopped in the middle of its answer", "ask again")
        except httpx.TimeoutException:
            raise CoachError(
                f"{where} was silent for {self.patience_s:g} s", "ask again, or a smaller model"
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            said = type(error).__name__
            raise CoachError(f"{where} does not answer ({said})", "start the server") from None
        except (ValueError, AttributeError, TypeError, LookupError):
            raise CoachError(f"{where} speaks another language", "give its /v1 address") from None


class LocalCoach:
    """A language model in this process, by name or path, through transformers.

    Args:
        model: A folder, or a name on the Hugging Face hub; a folder with one GGUF file will do.
        sees: Whether it is shown pictures of the strike; it must be a model that sees.
    """

    def __init__(
        self, model: str, *, sees: bool = False, patience_s: float = 12 * PATIENCE_S
    ) -> None:
        self.name, self._sees = model.rstrip("/").rpartition("/")[2], sees
        self._model, self.patience_s = model, patience_s
        self._loaded: tuple[Any, Any] | None = None

    def stream(self, facts: ShotFacts, pictures: Sequence[bytes] = ()) -> Iterator[str]:
        """Yield what the model writes."""
        from PIL import Image as Picture
        from transformers import TextIteratorStreamer

        processor, model = self._load()
        messages = _messages(facts, ())
        if self._sees:
            shown = [{"type": "image", "image": Picture.open(io.BytesIO(one))} for one in pictures]
            for one in messages:
                one["content"] = [{"type": "text", "text": one["content"]}]
            messages[-1]["content"] = [*shown, *messages[-1]["content"]]
        inputs = processor.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=True, return_dict=True,
            return_tensors="pt",
        ).to(model.device)  # fmt: skip
        tokenizer = getattr(processor, "tokenizer", processor)
        streamer = TextIteratorStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
        settings = {**inputs, "max_new_tokens": _TOKENS, "do_sample": False, "streamer": streamer}
        writing = threading.Thread(target=model.generate, kwargs=settings, daemon=True)
        writing.start()
        yield from streamer

    def _load(self) -> tuple[Any, Any]:
        if self._loaded is None:
            from workbench.training.language import load_language_model

            try:
                self._loaded = load_language_model(self._model, sees=self._sees)
            except WorkbenchError as error:
                raise CoachError(error.problem, error.remedy) from None
        return self._loaded


def _lines(pieces: Iterator[bytes]) -> Iterator[str]:
    """Whole lines, and an empty one after each piece; one without end is no line (ValueError)."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line.decode("utf-8", "replace") for line in whole)
        yield ""
        if len(rest) > _LONGEST_LINE:
            raise ValueError("a line has no end")


def make_coach(
    name: str = "rules",
    *,
    url: str | None = None,
    model: str | None = None,
    sees: bool = False,
    patience_s: float = PATIENCE_S,
) -> Coach:
    """Return a coach by name: rules, server (at `url`) or local (by `model`).

    Raises:
        CoachError: If there is none of this name, or it lacks an address or a model.
    """
    if name == "rules":
        return RulesCoach()
    if name == "server":
        if not url:
            raise CoachError("the coach server has no address", "give --server http://…/v1")
        return ServerCoach(url, model or "", sees=sees, patience_s=patience_s)
    if name == "local":
        if not model:
            raise CoachError("the coach local has no model", "give --model a folder or a name")
        return LocalCoach(model, sees=sees)
    raise CoachError(f"no coach is called {name!r}", "choose rules, server or local")


def _messages(facts: ShotFacts, pictures: Sequence[bytes]) -> list[dict[str, Any]]:
    ask = _ASK.format(facts=facts_words(facts))
    content: Any = ask
    if pictures:
        data = [f"data:image/jpeg;base64,{base64.b64encode(one).decode()}" for one in pictures]
        content = [{"type": "text", "text": ask}]
        content += [{"type": "image_url", "image_url": {"url": one}} for one in data]
    return [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": content}]
