"""Texts without labels: to pretrain on, to be labelled by teachers, or to be classified as they come."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from nsmc_bert.base.errors import Located, UserError, shorten
from nsmc_bert.base.text_files import (
    BOM,
    CONVERT,
    Stream,
    check_text,
    decompressed,
    invalid_utf8,
    readable,
    utf8_expected,
)

if TYPE_CHECKING:
    import numpy as np

LINE_BYTES = 1 << 20  # of a line that are kept by `lines`


def lines(stream: Stream, name: str | os.PathLike[str]) -> Iterator[str]:
    r"""Reviews from a stream, one a line, in constant memory.

    Args:
        stream: binary, such as sys.stdin.buffer. Only "\n" or "\r\n" ends a line; the last line needs no end.
        name: what errors call the stream.

    Yields:
        str, "" for an empty line. Of a line longer than LINE_BYTES, a megabyte, the beginning is kept and the rest
        dropped unread: a classifier reads less.

    Raises:
        Located: a line is not UTF-8.
        UserError: the stream cannot be read.
    """
    import codecs

    number = 0
    with readable(name):
        while piece := stream.readline(LINE_BYTES + 2):
            if not number:
                check_text(name, piece)
            cut = len(piece) > LINE_BYTES and not piece.endswith(b"\n")
            line = piece[:LINE_BYTES] if cut else piece.removesuffix(b"\n").removesuffix(b"\r")
            if not number and piece.startswith(BOM):
                line = line.removeprefix(BOM)
                if piece == BOM:
                    return
            number += 1
            try:
                # a character that the cut parts in two is no error
                text, _ = codecs.utf_8_decode(line, "strict", not cut)
            except UnicodeDecodeError as error:
                raise Located(name, number, invalid_utf8(error), utf8_expected(line, CONVERT)) from None
            yield text
            while cut and not piece.endswith(b"\n") and piece:
                piece = stream.readline(1 << 16)


def documents(
    paths: Collection[str | os.PathLike[str]], *, text_column: str = "", rating_column: str = ""
) -> tuple[list[str], np.ndarray | None]:
    r"""Texts to pretrain on, one a line, from any files; of a text that comes several times the first is kept.

    Args:
        paths: plain text, or compressed by xz or gzip (.xz, .gz), UTF-8.
        text_column: where the files are tables with a header line and tabs between the columns, the name of the text's.
        rating_column: the name of a column of whole numbers from 1, or "".

    Returns:
        (list of str, int32 [n] ratings less 1, or None without `rating_column`). Empty texts are left out.

    Raises:
        Located: a line that is no row, a rating that is no whole number from 1, invalid UTF-8.
        UserError: a file cannot be read, or there is no text in any.
    """
    import numpy as np

    texts: list[str] = []
    ratings: list[int] = []
    seen: set[str] = set()
    for path in paths:
        with readable(path), decompressed(path) as stream:
            rows = lines(stream, path)
            at: int | None = None
            rating_at: int | None = None
            if text_column:
                header = next(rows, "").split("\t")
                for column in filter(None, (text_column, rating_column)):
                    if header.count(column) != 1:
                        found = f"the columns {shorten(header, 200)}"
                        raise Located(path, 1, found, f"a header line with one column {column!r}")
                at, rating_at = header.index(text_column), header.index(rating_column) if rating_column else None
            for number, line in enumerate(rows, 2 if text_column else 1):
                if at is not None:
                    row = line.split("\t")
                    if len(row) != len(header):
                        raise Located(path, number, f"{len(row)} columns", f"{len(header)} as in the header line")
                    line = row[at]
                    if rating_at is not None and not re.fullmatch(r"[1-9]\d?|100", row[rating_at], re.ASCII):
                        raise Located(
                            path, number, f"the rating {shorten(row[rating_at])}", "a whole number from 1 to 100"
                        )
                if not line or line in seen:
                    continue
                seen.add(line)
                texts.append(line)
                if rating_at is not None:
                    ratings.append(int(row[rating_at]) - 1)
    if not texts:
        raise UserError(f"{', '.join(map(str, paths))}: found no text, expected one text a line")
    return texts, np.array(ratings, np.int32) if rating_column else None
