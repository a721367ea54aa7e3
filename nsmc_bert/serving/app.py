"""The server's paths: TensorFlow Serving's predict, status and metadata; health, figures and documents; the page."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from nsmc_bert.base.classes import Classes
from nsmc_bert.data.perturbation import PERTURBATIONS
from nsmc_bert.model import answers
from nsmc_bert.serving import bodies, openapi
from nsmc_bert.serving.batcher import Batcher, Busy, Gone
from nsmc_bert.serving.bodies import INPUT, SIGNATURE, Limits, Refused
from nsmc_bert.serving.connections import GONE, REFUSED
from nsmc_bert.serving.counters import Counters

if TYPE_CHECKING:
    from nsmc_bert.model.explanation import Explanation

NAME, VERSION = "nsmc", "1"  # the model's, in paths
TRUNCATED = "Texts-Truncated"  # the header that says how many texts were cut
BODIES = 32  # times the largest body that all requests together may hold while they are read,
SMALL = 1 << 16  # but that small ones, in bytes, are let in all the same: large ones that never end keep none out
STALLED = 60.0  # seconds of one round after which the server is no longer well
EXPLAINING = 8  # explanations that may wait or be computed at a time: each takes as long as many texts
FILES = Path(__file__).parent / "files"
PAGE = {
    "": ("index.html", "text/html"),
    "page.css": ("page.css", "text/css"),
    "page.js": ("page.js", "text/javascript"),
}
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
RETRY = {"Retry-After": "1"}


class App:
    """What answers requests.

    Args:
        batcher: answers texts.
        explain: says which words an answer comes from; called in the batcher's thread.
        classes: of the model's outputs, in their order.
        limits: how much a request may ask.
        counters: what is counted.
        origins: other origins whose pages may ask; "*" for all.
    """

    def __init__(
        self,
        batcher: Batcher,
        explain: Callable[[str], Explanation],
        classes: Classes,
        limits: Limits,
        counters: Counters,
        origins: Sequence[str] = (),
    ) -> None:
        self._batcher, self._explanation_of, self._labels = batcher, explain, classes.names
        self._limits, self._counters = limits, counters
        self._held = 0  # bytes of bodies that are being read
        document = openapi.document(NAME, classes.names, limits)
        routes = []
        for version in ("", f"/versions/{VERSION}"):
            model = f"/v1/models/{NAME}{version}"
            routes += [
                Route(f"{model}:predict", self._answering(self._predict, "predict"), methods=["POST"]),
                Route(model, self._answering(_constant(_STATUS), "status")),
                Route(f"{model}/metadata", self._answering(_constant(_metadata(classes.names)), "metadata")),
            ]
        for path, (name, kind) in PAGE.items():
            content = (FILES / name).read_text(encoding="utf-8")
            answer = _constant(content, {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"}, kind)
            routes.append(Route(f"/{path}", self._answering(answer, "page")))
        known = {
            "labels": classes.names,
            "columns": answers.columns(classes),
            "values": classes.values,
            "limits": dataclasses.asdict(limits),
        }
        page, policy = openapi.page(document), {"Content-Security-Policy": openapi.policy()}
        routes += [
            Route("/page.json", self._answering(_constant(known), "page")),
            Route("/explain", self._answering(self._explain, "explain"), methods=["POST"]),
            Route("/perturb", self._answering(self._perturb, "perturb"), methods=["POST"]),
            Route("/healthz", self._answering(self._health, "healthz")),
            Route("/metrics", self._metrics),
            Route("/openapi.json", self._answering(_constant(document), "documents")),
            Route("/docs", self._answering(_constant(page, policy, "text/html"), "documents")),
        ]
        middleware = []
        if origins:
            middleware = [
                Middleware(
                    CORSMiddleware,
                    allow_origins=list(origins),
                    allow_methods=["GET", "POST"],
                    allow_headers=["Content-Type"],
                    expose_headers=[TRUNCATED, *RETRY],
                )
            ]
        self.asgi = Starlette(
            routes=routes,
            middleware=middleware,
            exception_handlers={HTTPException: self._http_error, Exception: self._failed},
            lifespan=self._lifespan,
        )
        self.asgi.router.redirect_slashes = False

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        yield
        self._batcher.close()

    def _answering(
        self, answer: Callable[[Request], Awaitable[Response]], path: str
    ) -> Callable[[Request], Awaitable[Response]]:
        """What answers a request, or says why it does not, and counts."""

        async def run(request: Request) -> Response:
            try:
                response = await answer(request)
            except Refused as refused:
                response = _json({"error": refused.error}, refused.status, refused.headers)
            except Busy:
                response = _json({"error": "too much waits already; try again in a second"}, 503, RETRY)
            except asyncio.CancelledError:  # its time to end is over
                response = _json({"error": "the server is being stopped; try again in a second"}, 503, RETRY)
            except (Gone, ClientDisconnect):
                response = Response(status_code=408)  # nobody reads it
                if REFUSED in request.scope:
                    return response
            self._counters.requests.labels(path, response.status_code).inc()
            return response

        return run

    async def _predict(self, request: Request) -> Response:
        began = time.perf_counter()
        question = bodies.question(await self._body(request), self._limits)
        pending = self._batcher.submit(question.texts)
        request.scope[GONE] = lambda: self._batcher.drop(pending)
        probabilities, cut = await pending.answers
        truncated = int(cut.sum())
        for label, count in zip(self._labels, _votes(probabilities)):
            self._counters.texts.labels(label).inc(count)
        self._counters.truncated.inc(truncated)
        self._counters.seconds.observe(time.perf_counter() - began)
        name = "outputs" if question.by_columns else "predictions"
        return _json({name: probabilities.tolist()}, headers={TRUNCATED: str(truncated)})

    async def _explain(self, request: Request) -> Response:
        text, _ = await self._text(request)
        gone = threading.Event()
        request.scope[GONE] = gone.set

        def explain() -> Explanation:
            if gone.is_set():
                raise Gone
            return self._explanation_of(text)

        explanation = await self._batcher.run(explain, EXPLAINING)
        truncated = any(word.added is None for word in explanation.words)
        record = {
            "probabilities": explanation.probabilities,
            "truncated": truncated,
            "explanation": explanation.record(),
        }
        return _json(record)

    async def _perturb(self, request: Request) -> Response:
        text, seed = await self._text(request)
        return _json({name: perturb([text], seed)[0] for name, perturb in PERTURBATIONS.items()})

    async def _text(self, request: Request) -> tuple[str, int]:
        """The text that a body of the page's asks about, and its seed."""
        return bodies.one_text(await self._body(request), self._limits)

    async def _body(self, request: Request) -> bytes:
        """A request's body, within the limits of one and of all."""
        bodies.check_headers(request.headers, self._limits)
        parts, size = [], 0
        try:
            async for part in request.stream():
                size += len(part)
                self._held += len(part)
                if size > self._limits.body:
                    bodies.too_long(size, self._limits)
                if size > SMALL and self._held > BODIES * self._limits.body:
                    raise Busy
                parts.append(part)
        finally:
            self._held -= size
        return b"".join(parts)

    async def _health(self, request: Request) -> Response:
        seconds = self._batcher.running_for()
        if seconds > STALLED:
            raise Refused(503, f"a round has been computed for {seconds:.0f} seconds; start the server again")
        return _json({"status": "ok"})

    async def _metrics(self, request: Request) -> Response:
        return Response(self._counters.text(), media_type=self._counters.content_type)

    async def _http_error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        self._counters.requests.labels("other", error.status_code).inc()
        path = request.scope["path"]  # not that of its URL, which a Host makes that is no host
        if error.status_code == 405:
            allowed = (error.headers or {}).get("Allow", "")
            return _json({"error": f"{request.method}: expected {allowed}"}, 405, error.headers)
        model = path.startswith("/v1/models/")
        known = f"/v1/models/{NAME}:predict, /v1/models/{NAME} and /v1/models/{NAME}/metadata" if model else "/docs"
        shown = " ".join(path[:200].splitlines())
        return _json({"error": f"{shown}: not found; there is {known}"}, error.status_code)

    async def _failed(self, request: Request, error: Exception) -> Response:
        self._counters.requests.labels("other", 500).inc()
        return _json({"error": "the server failed; its log says why"}, 500)


def _json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    body = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")  # a text may have lone surrogates
    return Response(body, status, dict(headers or {}), "application/json")


def _constant(
    value: Any, headers: Mapping[str, str] | None = None, kind: str = "application/json"
) -> Callable[[Request], Awaitable[Response]]:
    """What answers every request alike."""
    body = value if isinstance(value, (str, bytes)) else json.dumps(value, ensure_ascii=False)

    async def answer(request: Request) -> Response:
        return Response(body, 200, dict(headers or {}), kind)

    return answer


def _votes(probabilities: Any) -> list[int]:
    """How many texts each label is the most likely of."""
    most = probabilities.argmax(1)
    return [int((most == label).sum()) for label in range(probabilities.shape[1])]


_STATUS = {
    "model_version_status": [
        {"version": VERSION, "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    ]
}


def _metadata(labels: Sequence[str]) -> dict[str, Any]:
    """What TensorFlow Serving says of a model that takes texts and gives probabilities, and the classes of these."""
    inputs = {INPUT: _tensor("DT_STRING", "-1")}
    outputs = {"probabilities": _tensor("DT_FLOAT", "-1", str(len(labels)))}
    signature = {"inputs": inputs, "outputs": outputs, "method_name": "tensorflow/serving/predict", "defaults": {}}
    return {
        "model_spec": {"name": NAME, "signature_name": "", "version": VERSION},
        "metadata": {"signature_def": {"signature_def": {SIGNATURE: signature}}},
        "labels": list(labels),
    }


def _tensor(dtype: str, *sizes: str) -> dict[str, Any]:
    shape = {"dim": [{"size": size, "name": ""} for size in sizes], "unknown_rank": False}
    return {"dtype": dtype, "tensor_shape": shape, "name": ""}
