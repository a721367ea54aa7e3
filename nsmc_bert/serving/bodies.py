"""What a request's body asks: the texts of TensorFlow Serving's predict, by rows or by columns."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
from collections.abc import Mapping
from typing import Any, NoReturn

from nsmc_bert.base.errors import shorten

INPUT = "text"  # the signature's
SIGNATURE = "serving_default"
# what curl -d says, as in TensorFlow Serving's own examples
PLAIN_FORM = "application/x-www-form-urlencoded"


class Refused(Exception):
    """A request that is not answered.

    Args:
        status: the HTTP status.
        error: what is wrong: found, expected, what to do.
        headers: of the response.
    """

    def __init__(self, status: int, error: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(error)
        self.status, self.error, self.headers = status, error, dict(headers or {})


@dataclasses.dataclass(frozen=True)
class Limits:
    """How much one request may ask.

    Attributes:
        body: bytes.
        texts: how many.
        characters: of a text.
    """

    body: int = 1 << 20
    texts: int = 1024
    characters: int = 10_000


@dataclasses.dataclass(frozen=True)
class Question:
    """What a body asks.

    Attributes:
        texts: one or more.
        by_columns: whether they came as `inputs`, and the answer is to be `outputs`.
    """

    texts: list[str]
    by_columns: bool = False


def check_headers(headers: Mapping[str, str], limits: Limits) -> None:
    """Refuses a body before it is read.

    Raises:
        Refused: it says of itself that it is no JSON in UTF-8, or too long.
    """
    kind, *parameters = [part.strip().lower() for part in headers.get("content-type", "").split(";")]
    charset = "".join(part.removeprefix("charset=").strip('"') for part in parameters if part.startswith("charset="))
    if kind not in ("", "application/json", PLAIN_FORM) and not kind.endswith("+json"):
        raise Refused(415, f"found the content type {shorten(kind)}, expected application/json")
    if charset not in ("", "utf-8", "utf8"):
        raise Refused(415, f"found JSON in {shorten(charset)}, expected UTF-8")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused(415, "found a compressed body, expected a plain one")
    length = headers.get("content-length", "0")[:18]
    if length.isdecimal() and int(length) > limits.body:
        too_long(int(length), limits)


def too_long(length: int, limits: Limits) -> NoReturn:
    """Refuses a body for its length."""
    raise Refused(413, f"found a body of {length} bytes or more, expected at most {limits.body}; send fewer texts")


def read_json(body: bytes) -> Any:
    """The value that a body says in JSON.

    Raises:
        Refused: it says none.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = shorten(bytes(body[error.start : error.start + 8]))
        raise Refused(400, f"byte {error.start} of the body: found {place}, expected UTF-8") from None
    try:
        return json.loads(text, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        found = shorten(text[error.pos : error.pos + 20]) if error.pos < len(text) else "the end"
        place = f"line {error.lineno}, column {error.colno} of the body"
        raise Refused(400, f"{place}: found {found}, expected JSON ({error.msg})") from None
    except RecursionError:
        raise Refused(400, "found JSON of too many levels, expected three at most") from None
    except ValueError as error:  # numbers of thousands of digits; NaN
        raise Refused(400, f"found JSON that cannot be read: {error}") from None


def question(body: bytes, limits: Limits) -> Question:
    """What the body of a predict asks.

    Args:
        body: JSON: an object with `instances`, a list of texts, or of objects with the text as `text`; or with
            `inputs`, a list of texts, or an object with such a list as `text`. A text is a string or, as TensorFlow
            Serving has bytes, {"b64": "…"}. `signature_name` may be there.
        limits: how much it may ask.

    Raises:
        Refused: it asks something else, or too much.
    """
    value = read_json(body)
    if not isinstance(value, dict):
        raise Refused(400, f'found {_kind(value)}, expected an object: {{"instances": ["…"]}}')
    strange = [name for name in value if name not in ("instances", "inputs", "signature_name")]
    if strange:
        raise Refused(400, f"found {shorten(strange[0])}, expected instances or inputs, and signature_name at most")
    signature = value.get("signature_name", SIGNATURE)
    if signature not in (SIGNATURE, ""):
        raise Refused(400, f"signature_name: found {shorten(signature)}, expected {SIGNATURE}")
    if ("instances" in value) == ("inputs" in value):
        found = "both instances and inputs" if "inputs" in value else "neither instances nor inputs"
        raise Refused(400, f"found {found}, expected one of them")
    by_columns = "inputs" in value
    name = "inputs" if by_columns else "instances"
    elements = value[name]
    if by_columns and isinstance(elements, dict):
        elements, name = _member(elements, name), f"inputs.{INPUT}"
    if not isinstance(elements, list):
        raise Refused(400, f"{name}: found {_kind(elements)}, expected a list of texts")
    if not elements:
        raise Refused(400, f"{name}: found an empty list, expected at least one text")
    if len(elements) > limits.texts:
        expected = f"at most {limits.texts}; send them in several requests"
        raise Refused(413, f"{name}: found {len(elements)} texts, expected {expected}")
    return Question([text(each, f"{name}[{i}]", limits) for i, each in enumerate(elements)], by_columns)


def one_text(body: bytes, limits: Limits) -> tuple[str, int]:
    """The text of a body {"text": "…", "seed": …} and its seed, 0 where it has none.

    Raises:
        Refused: it is something else.
    """
    value = read_json(body)
    if not isinstance(value, dict) or INPUT not in value or set(value) - {INPUT, "seed"}:
        found = f"an object with {shorten(list(value))}" if isinstance(value, dict) else _kind(value)
        raise Refused(400, f'found {found}, expected {{"{INPUT}": "…"}}, with a seed at most')
    seed = value.get("seed", 0)
    if type(seed) is not int or not 0 <= seed < 1 << 31:
        raise Refused(400, f"seed: found {shorten(seed)}, expected a whole number from 0 to {(1 << 31) - 1}")
    return text(value[INPUT], INPUT, limits), seed


def text(value: Any, name: str, limits: Limits) -> str:
    """A text that a body has under a name.

    Raises:
        Refused: it is none, or too long.
    """
    if isinstance(value, dict) and "b64" not in value:
        value, name = _member(value, name), f"{name}.{INPUT}"
    if isinstance(value, dict):
        value = _decoded(value, name)
    if not isinstance(value, str):
        raise Refused(400, f"{name}: found {_kind(value)}, expected a string")
    if len(value) > limits.characters:
        raise Refused(413, f"{name}: found a text of {len(value)} characters, expected at most {limits.characters}")
    return value


def _member(value: dict[str, Any], name: str) -> Any:
    if list(value) != [INPUT]:
        raise Refused(400, f'{name}: found an object with {shorten(list(value))}, expected {{"{INPUT}": …}}')
    return value[INPUT]


def _decoded(value: dict[str, Any], name: str) -> str:
    try:
        if list(value) != ["b64"]:
            raise ValueError
        return base64.b64decode(value["b64"], validate=True).decode("utf-8")
    except (ValueError, TypeError, binascii.Error):
        raise Refused(400, f'{name}: found {shorten(value)}, expected {{"b64": base64 of text in UTF-8}}') from None


def _kind(value: Any) -> str:
    """What JSON calls a value, with an article."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    kinds: dict[type, str] = {str: "a string", dict: "an object", list: "a list"}
    return kinds.get(type(value), f"the number {shorten(value)}")


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
