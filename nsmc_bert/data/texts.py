"""Texts without labels: to pretrain on, to be labelled by teachers, or to be classified as they come."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING

from nsmc_bert.base.errors import Located, UserError, shorten
from nsmc_bert.base.text_files import BOM, Stream, Utf8, check_text, decompressed, readable, undecodable
from nsmc_bert.data import tables

if TYPE_CHECKING:
    import numpy as np

LINE_BYTES = 1 << 20  # of a line that are kept by `lines`


def lines(stream: Stream, name: str | os.PathLike[str], encoding: str = "") -> Iterator[str]:
    r"""Reviews from a stream, one a line, in constant memory.

    Args:
        stream: binary, such as sys.stdin.buffer. Only "\n" or "\r\n" ends a line; the last line needs no end.
        name: what errors call the stream.
        encoding: one of text_files.ENCODINGS for a stream without a mark of its own; "" for UTF-8.

    Yields:
        str, "" for an empty line. Of a line longer than LINE_BYTES, a megabyte, the beginning is kept and the rest
        dropped unread: a classifier reads less.

    Raises:
        Located: a line is not in that encoding.
        UserError: the stream cannot be read.
    """
    import codecs

    number, text_stream = 0, Utf8(stream, encoding)
    with readable(name):
        while piece := text_stream.readline(LINE_BYTES + 2):
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
                raise Located(name, number, *undecodable(line, error, text_stream.encoding)) from None
            yield text
            while cut and not piece.endswith(b"\n") and piece:
                piece = text_stream.readline(1 << 16)


def documents(
    paths: Collection[str | os.PathLike[str]],
    *,
    text_column: str = "",
    rating_column: str = "",
    layout: tables.Layout = tables.AS_NAMED,
    flag: str = "--text_column",
    log: Callable[[str], None] = lambda line: None,
) -> tuple[list[str], np.ndarray | None]:
    r"""Texts to pretrain on, from any files; of a text that comes several times the first is kept.

    Args:
        paths: files, patterns of their names, or tables.STDIN; plain or compressed. Their lines are the texts, unless a
            column is named.
        text_column: where the files are tables, with a header line, the name of the text's column.
        rating_column: the name of a column of whole numbers from 1, or "".
        layout: how they are written.
        flag: what a proposal calls `text_column`.
        log: called with each line to show, of the sheet that was chosen in a workbook.

    Returns:
        (list of str, int32 [n] ratings less 1, or None without `rating_column`). Empty texts are left out.

    Raises:
        Located: a line that is no row, a rating that is no whole number from 1, text that cannot be decoded.
        UserError: a file cannot be read, it is a table by its ending and no column is named, or there is no text in
            any.
    """
    import numpy as np

    texts: list[str] = []
    ratings: list[int] = []
    seen: set[str] = set()
    for path in tables.expand(paths):
        is_table = text_column or layout.input_format != tables.AUTO or tables.format_of(path)
        rows = _rows(path, text_column, rating_column, layout, flag, log) if is_table else _lines(path, layout.encoding)
        for text, rating in rows:
            if not text or text in seen:
                continue
            seen.add(text)
            texts.append(text)
            if rating_column:
                ratings.append(rating - 1)
    if not texts:
        raise UserError(f"{', '.join(map(str, paths))}: found no text, expected one text a line")
    return texts, np.array(ratings, np.int32) if rating_column else None


def _lines(path: str, encoding: str) -> Iterator[tuple[str, int]]:
    """Each line of a file, and no rating."""
    if path == tables.STDIN:
        for text in lines(sys.stdin.buffer, tables.STDIN_NAME, encoding):
            yield text, 0
        return
    with readable(path), decompressed(path) as stream:
        for text in lines(stream, path, encoding):
            yield text, 0


def _rows(
    path: str, text_column: str, rating_column: str, layout: tables.Layout, flag: str, log: Callable[[str], None]
) -> Iterator[tuple[str, int]]:
    """Text and rating, or 0, of each row of a table."""
    wanted = {flag: (text_column, "text")}
    if rating_column:
        wanted["--rating_column"] = rating_column, "rating"
    with tables.Table(path, layout) as table:
        at = tables.locate(table, wanted)
        if table.note:
            log(f"{table.name}: {table.note}")
        for row in table:
            text, problem = tables.text_at(row, at[0], text_column)
            rating = 0
            if problem is None and rating_column:
                value = tables.text_of(row.values[at[1]])
                if re.fullmatch(r"([1-9]\d?|100)(\.0+)?", value, re.ASCII):
                    rating = int(float(value))
                else:
                    problem = row.line, f"the rating {shorten(value)}", "a whole number from 1 to 100"
            if problem:
                raise Located(table.name, *problem)
            yield text, rating
