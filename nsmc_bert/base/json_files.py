"""JSON that anybody may have written: parsed within limits, and of the shape that its reader expects.

A shape is written as the value would be:

    dict, list, str, bool       a value of that type
    int, float                  a whole number; any number; no bool
    object, None                anything; null
    [shape]                     a list of such
    {str: shape}                an object whose values are such, whatever the keys
    {"key": shape, "k?": shape} an object with these keys, those with a question mark where they are there; others are
                                free
    (shape, shape)              one of these
"""

from __future__ import annotations

import json
import math
import os
import reprlib
from typing import Any

from nsmc_bert.base.errors import UserError, shorten

MAX_BYTES = 1 << 28  # the largest tokenizer.json that is published has a seventh of this
MAX_DEPTH = 64
MAX_DIGITS = 100  # transformers writes 10**30 for "no limit"; what has more digits fits into no float
_NAMES = {
    dict: "a JSON object",
    list: "a list",
    str: "a string",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    object: "a value",
    None: "null",
}


def read_json(path: str | os.PathLike[str], shape: Any = dict, expected: str = "") -> Any:
    """The content of a JSON file.

    Args:
        path: the file, UTF-8, with or without a byte order mark.
        shape: what the content has to be, as this module's docstring says.
        expected: what the file should be, for errors, such as "a BERT's config.json".

    Raises:
        UserError: it cannot be read, is no JSON, has numbers that are not finite or of more than MAX_DIGITS digits, is
            nested deeper than MAX_DEPTH, or is of another shape: the place is named.

    Example:
        >>> read_json("nsmc_bert/bundled/encoder/config.json", {"hidden_size": int})["hidden_size"]
        256
    """
    try:
        with open(path, "rb") as file:
            content = file.read(min(os.fstat(file.fileno()).st_size or MAX_BYTES, MAX_BYTES) + 1)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None
    if len(content) > MAX_BYTES:
        raise UserError(f"{path}: found more than {MAX_BYTES >> 20} MiB, expected {expected or 'JSON'}")
    return parse_json(content, path, shape, expected)


def parse_json(text: str | bytes, where: str | os.PathLike[str], shape: Any = dict, expected: str = "") -> Any:
    """The same for text, which errors say is of `where`."""
    wish = f", expected {expected}" if expected else ""
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8-sig")
        value = _WHOLE.decode(text)
    except UnicodeDecodeError:
        raise UserError(f"{where}: found no valid JSON (bytes that are no UTF-8){wish}") from None
    except RecursionError:
        raise UserError(f"{where}: found no valid JSON (nested deeper than {MAX_DEPTH}){wish}") from None
    except ValueError as error:
        raise UserError(f"{where}: found no valid JSON ({error}){wish}") from None
    if text.count("[") + text.count("{") > MAX_DEPTH and too_deep(value):
        raise UserError(f"{where}: found no valid JSON (nested deeper than {MAX_DEPTH}){wish}")
    if wrong := mismatch(value, shape):
        place, found, wanted = wrong
        raise UserError(f"{where}: found {place + ' ' if place else ''}{found}, expected {wanted}")
    return value


def parse_line(line: str) -> Any:
    """The value of one line among very many: as `parse_json`, but NaN is null, and the depth is for the caller to look
    at.

    The published records of SPR2 have NaN in their info, as pandas writes it.

    Raises:
        ValueError, RecursionError: it is no JSON, or a number has no end.
    """
    return _LINE.decode(line)


def too_deep(value: Any, limit: int = MAX_DEPTH) -> bool:
    """Whether lists and objects are nested deeper than a limit."""
    level = [value]
    for _ in range(limit + 1):
        level = [part for part in level if isinstance(part, (dict, list))]
        if not level:
            return False
        level = [part for whole in level for part in (whole.values() if isinstance(whole, dict) else whole)]
    return True


def mismatch(value: Any, shape: Any, place: str = "") -> tuple[str, str, str] | None:
    """(place, what is found there, what is expected) of the first part of a value that is not of a shape; None where
    all is.

    >>> mismatch({"weight_map": {"a": 5}}, {"weight_map": {str: str}})
    ('weight_map.a', '5', 'a string')
    """
    if isinstance(shape, tuple):
        wrongs = [mismatch(value, choice, place) for choice in shape]
        if None in wrongs:
            return None
        deeper = [wrong for wrong in wrongs if wrong and wrong[0] != place]
        return deeper[0] if deeper else (place, _show(value), " or ".join(map(_name, shape)))
    if isinstance(shape, list):
        if not isinstance(value, list):
            return place, _show(value), _NAMES[list]
        parts = ((f"{place}[{i}]", part, shape[0]) for i, part in enumerate(value))
    elif isinstance(shape, dict):
        if not isinstance(value, dict):
            return place, _show(value), _NAMES[dict]
        if str in shape:
            parts = ((_below(place, key), part, shape[str]) for key, part in value.items())
        else:
            missing = [key for key in shape if not key.endswith("?") and key not in value]
            if missing:
                return "", f"no {_below(place, missing[0])}", _name(shape[missing[0]])
            wanted = {key.rstrip("?"): inner for key, inner in shape.items()}
            parts = ((_below(place, key), value[key], inner) for key, inner in wanted.items() if key in value)
    else:
        return None if _is(value, shape) else (place, _show(value), _name(shape))
    return next((wrong for path, part, inner in parts if (wrong := mismatch(part, inner, path))), None)


def _is(value: Any, kind: Any) -> bool:
    if kind is None:
        return value is None
    if kind in (int, float):
        return isinstance(value, (int, kind)) and not isinstance(value, bool)
    return isinstance(value, kind)


def _name(shape: Any) -> str:
    if isinstance(shape, tuple):
        return " or ".join(map(_name, shape))
    return _NAMES[dict if isinstance(shape, dict) else list if isinstance(shape, list) else shape]


def _below(place: str, key: str) -> str:
    key = key if key.isprintable() and len(key) <= 40 else shorten(key, 40)
    return f"{place}.{key}" if place else key


def _show(value: Any) -> str:
    return shorten(value) if not isinstance(value, (dict, list, str)) or len(value) < 20 else reprlib.repr(value)


def _whole_number(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number of {len(digits):,} digits")
    return int(digits)


def _number(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"the number {shorten(digits, 20)}, which is not finite")
    return value


def _no_number(name: str) -> None:
    raise ValueError(f"{name}, which is no number in JSON")


def _null(name: str) -> None:
    return None if name == "NaN" else _no_number(name)


_WHOLE = json.JSONDecoder(parse_int=_whole_number, parse_float=_number, parse_constant=_no_number)
# a call for each whole number would take half as long again
_LINE = json.JSONDecoder(parse_float=_number, parse_constant=_null)
