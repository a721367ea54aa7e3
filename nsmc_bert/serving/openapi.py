"""The server's interface as an OpenAPI document, and the document as a page that asks nothing of anybody else."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import nsmc_bert
from nsmc_bert.base import html_pages
from nsmc_bert.data.perturbation import PERTURBATIONS
from nsmc_bert.serving.bodies import INPUT, SIGNATURE, Limits

REASONS = {
    400: "The request says something else than what is described here.",
    404: "There is no such model or page.",
    405: "The path is there, for another method.",
    413: "The body, the number of texts or a text is over the limit.",
    415: "The body is no JSON in UTF-8.",
    503: "Too much waits already, or the server is being stopped; Retry-After says when to ask again.",
}
EXAMPLE = ["이 영화 엄청 재미있네요", "돈이 아깝다"]


def document(name: str, labels: Sequence[str], limits: Limits) -> dict[str, Any]:
    """The OpenAPI document, 3.1.

    Args:
        name: of the model.
        labels: of its outputs, in their order.
        limits: of a request.
    """
    text = {"oneOf": [{"type": "string", "maxLength": limits.characters}, _BYTES]}
    of_text = _object({INPUT: text}, [INPUT])
    # as TensorFlow Serving has it: bytes are an object in themselves, so a text may be an object of either kind
    instance = {"oneOf": [*text["oneOf"], of_text]}
    signature = {"type": "string", "enum": [SIGNATURE, ""]}
    texts = {"type": "array", "items": instance, "minItems": 1, "maxItems": limits.texts}
    column = {"type": "array", "items": text, "minItems": 1, "maxItems": limits.texts}
    inputs = {"oneOf": [texts, _object({INPUT: column}, [INPUT])]}
    question = {
        "oneOf": [
            _object({"instances": texts, "signature_name": signature}, ["instances"]),
            _object({"inputs": inputs, "signature_name": signature}, ["inputs"]),
        ]
    }
    row = {
        "type": "array",
        "description": f"The probabilities of {' and '.join(labels)}.",
        "items": {"type": "number", "minimum": 0, "maximum": 1},
        "minItems": len(labels),
        "maxItems": len(labels),
    }
    answer = {
        "oneOf": [_object({key: {"type": "array", "items": row}}, [key]) for key in ("predictions", "outputs")],
    }
    predict = {
        "summary": "Classify texts",
        "description": (
            "TensorFlow Serving's predict. Texts as instances give predictions, as inputs they give outputs, in their "
            f"order: {limits.texts} texts at most, of {limits.characters:,} characters at most each, in a body of "
            f"{limits.body:,} bytes at most. Of a text of more pieces than the model reads only the beginning is read, "
            "as by nsmc_bert.predict; the header Texts-Truncated counts such texts."
        ),
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": question, "example": {"instances": EXAMPLE}}},
        },
        "responses": {
            "200": {
                **_json("The probabilities.", answer),
                "headers": {
                    "Texts-Truncated": {
                        "description": "How many of the texts were cut.",
                        "schema": {"type": "integer", "minimum": 0},
                    }
                },
            },
            **_refusals(400, 413, 415, 503),
        },
    }
    state = _object({name: {"type": "string"} for name in ("version", "state")} | {"status": {"type": "object"}})
    status = _read("Whether the model is there", _object({"model_version_status": {"type": "array", "items": state}}))
    classes = {
        "type": "array",
        "description": "The classes, in the order of the probabilities.",
        "items": {"type": "string"},
        "const": list(labels),
    }
    metadata = _read(
        "What the model takes and gives",
        _object({"model_spec": {"type": "object"}, "metadata": {"type": "object"}, "labels": classes}),
    )
    model = f"/v1/models/{name}"
    paths: dict[str, Any] = {}
    for version in ("", "/versions/1"):
        paths[f"{model}{version}:predict"] = {"post": predict}
        paths[f"{model}{version}"] = {"get": status}
        paths[f"{model}{version}/metadata"] = {"get": metadata}
    asked = _object({INPUT: text, "seed": {"type": "integer", "minimum": 0, "maximum": (1 << 31) - 1}}, [INPUT])
    asks = {"content": {"application/json": {"schema": asked, "example": {INPUT: EXAMPLE[0]}}}, "required": True}
    word = _object(
        {
            INPUT: {"type": "string"},
            "start": {"type": "integer", "minimum": 0},
            "end": {"type": "integer", "minimum": 0},
            "added": {"type": ["number", "null"]},
        }
    )
    numbers = {name: {"type": "number"} for name in ("logit", "baseline", "rest")}
    explanation = _object({"label": {"type": "string"}, "words": {"type": "array", "items": word}, **numbers})
    explained = {"probabilities": row, "truncated": {"type": "boolean"}, "explanation": explanation}
    paths["/explain"] = {
        "post": {
            "summary": "Say which words an answer comes from",
            "description": "What each word adds to the logit of the label, as nsmc_bert.predict --explain says it.",
            "requestBody": asks,
            "responses": {"200": _json("The explanation.", _object(explained)), **_refusals(400, 413, 415, 503)},
        }
    }
    changed = _object({name: {"type": "string"} for name in PERTURBATIONS})
    paths["/perturb"] = {
        "post": {
            "summary": "Change a text as people type",
            "description": "Without spaces, and with a typo, which another seed makes another one.",
            "requestBody": asks,
            "responses": {"200": _json("The changed text.", changed), **_refusals(400, 413, 415, 503)},
        }
    }
    paths["/"] = {"get": _read("A page to try the model", {"type": "string"}, "text/html")}
    health = _read("Whether the server computes", _object({"status": {"type": "string"}}))
    paths["/healthz"] = {"get": {**health, "responses": {**health["responses"], **_refusals(503)}}}
    paths["/metrics"] = {"get": _read("The server's figures, for Prometheus", {"type": "string"}, "text/plain")}
    paths["/openapi.json"] = {"get": _read("This document", {"type": "object"})}
    paths["/docs"] = {"get": _read("This document as a page", {"type": "string"}, "text/html")}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "nsmc-bert",
            "version": nsmc_bert.__version__,
            "summary": f"A classifier of texts: {', '.join(labels)}.",
            "description": "The REST interface of TensorFlow Serving.",
        },
        "paths": paths,
        "components": {
            "schemas": {"Error": _object({"error": {"type": "string"}}, ["error"])},
            "responses": {
                str(status): {
                    "description": reason,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
                }
                for status, reason in REASONS.items()
            },
        },
    }


def page(document: Mapping[str, Any]) -> str:
    """The document as HTML."""
    return html_pages.document(f"{document['info']['title']} {document['info']['version']}", _parts(document))


def policy() -> str:
    """The Content-Security-Policy of that page: its own style and script, and nothing else."""
    style, script = (
        base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
        for part in (html_pages.STYLE, html_pages.SCRIPT)
    )
    return (
        f"default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )


def _parts(document: Mapping[str, Any]) -> Iterator[str]:
    yield f"<p>{html.escape(document['info']['summary'])} {html.escape(document['info']['description'])}</p>"
    yield '<p>The same for programs: <a href="openapi.json">openapi.json</a></p>'
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"<h2><code>{method.upper()} {html.escape(path)}</code></h2>"
            yield f"<p>{html.escape(operation['summary'])}. {html.escape(operation.get('description', ''))}</p>"
            body = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if body:
                example = json.dumps(body["example"], ensure_ascii=False)
                yield f"<p>Such as</p><pre>{html.escape(example)}</pre>"
                schema = json.dumps(body["schema"], ensure_ascii=False, indent=1)
                yield f"<details><summary>Schema</summary><pre>{html.escape(schema)}</pre></details>"
            rows = [
                f'<tr><td>{status}</td><td class="text long">{html.escape(_description(document, response))}</td></tr>'
                for status, response in operation["responses"].items()
            ]
            yield html_pages.table(("status", "meaning"), rows)


def _description(document: Mapping[str, Any], response: Mapping[str, Any]) -> str:
    if "$ref" in response:
        response = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
    return response["description"]


def _object(properties: Mapping[str, Any], required: Sequence[str] = ()) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required or properties),
        "additionalProperties": False,
    }


_BYTES = _object({"b64": {"type": "string", "contentEncoding": "base64"}})


def _json(description: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _read(summary: str, schema: Mapping[str, Any], kind: str = "application/json") -> dict[str, Any]:
    content = {kind: {"schema": schema}}
    return {"summary": summary, "responses": {"200": {"description": summary + ".", "content": content}}}


def _refusals(*statuses: int) -> dict[str, Any]:
    return {str(status): {"$ref": f"#/components/responses/{status}"} for status in statuses}
