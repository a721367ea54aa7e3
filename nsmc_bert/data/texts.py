"""Texts without labels: to pretrain on, to be labelled by teachers, or to be classified as they come."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TYPE_CHECKING

from nsmc_bert.base.errors import Located, UserError, counted, shorten
from nsmc_bert.base.text_files import BOM, Stream, Utf8, check_text, decompressed, readable, undecodable
from nsmc_bert.data import tables
from nsmc_bert.data.columns import locate
from nsmc_bert.data.rows import composed, text_at, text_of

if TYPE_CHECKING:
    import numpy as np

LINE_BYTES = 1 << 20  # of a line that are kept by `lines`
LOOKED_AT = 20  # lines that show whether a file is a table
NSMC_HEADER = "id\tdocument\tlabel"


def _raise(error: UserError) -> None:
    raise error from None


def lines(
    stream: Stream,
    name: str | os.PathLike[str],
    encoding: str = "",
    on_bad: Callable[[Located], object] = _raise,
) -> Iterator[str]:
    r"""Reviews from a stream, one a line, in constant memory.

    Args:
        stream: binary, such as sys.stdin.buffer. Only "\n" or "\r\n" ends a line; the last line needs no end.
        name: what errors call the stream.
        encoding: one of text_files.ENCODINGS for a stream without a mark of its own; "" for UTF-8.
        on_bad: called with what is wrong with a line that cannot be decoded, which is then passed over. Default: it is
            raised.

    Yields:
        str, "" for an empty line. Of a line longer than LINE_BYTES, a megabyte, the beginning is kept and the rest
        dropped unread: a classifier reads less.

    Raises:
        Located: a line is not in that encoding, or the first one shows that the file is something else than text.
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
                on_bad(Located(name, number, *undecodable(line, error, text_stream.encoding)))
            else:
                yield text
            while cut and not piece.endswith(b"\n") and piece:
                piece = text_stream.readline(1 << 16)


def look_for_tabs(
    lines: Iterable[str], name: str | os.PathLike[str], flag: str, tell: Callable[[UserError], object]
) -> Iterator[str]:
    """Lines as they come, looked at for whether they are rather a table's, as of NSMC's files, which are called .txt.

    Args:
        lines: of the text.
        name: what errors call the file.
        flag: the one that names the column of the text.
        tell: called with an error where each of the first lines has as many tabs as the first.

    Raises:
        Located: the first line is NSMC's header.
    """
    tabs = seen = 0
    alike = True
    for line in lines:
        if alike and seen < LOOKED_AT and line:
            if not seen and line == NSMC_HEADER:
                expected = f"one text a line; it heads a table: {flag}=document"
                raise Located(name, 1, f"the line {shorten(line)}", expected)
            tabs = line.count("\t") if not seen else tabs
            alike = line.count("\t") == tabs > 0
            seen += 1
            if alike and seen == LOOKED_AT:
                tell(_is_table(name, tabs, seen, flag))
        yield line
    if alike and 1 < seen < LOOKED_AT:
        tell(_is_table(name, tabs, seen, flag))


def _is_table(name: str | os.PathLike[str], tabs: int, seen: int, flag: str) -> UserError:
    found = f"{counted(tabs, 'tab')} in each of the first {seen} lines"
    return Located(
        name,
        None,
        found,
        f"one text a line; {flag}=NAME names a table's column of the text, blanks for tabs make lines of it",
    )


def documents(
    paths: Collection[str | os.PathLike[str]],
    *,
    text_column: str = "",
    rating_column: str = "",
    layout: tables.Layout = tables.AS_NAMED,
    flag: str = "--text_column",
    skip_bad_rows: bool = False,
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
        skip_bad_rows: pass over what would raise a Located about one line, and count it, instead of raising.
        log: called with each line to show: of the sheet that was chosen in a workbook, of what was passed over.

    Returns:
        (list of str, int32 [n] ratings less 1, or None without `rating_column`). Empty texts are left out.

    Raises:
        Located: a line that is no row, a rating that is no whole number from 1, text that cannot be decoded; lines that
            are a table's by their tabs.
        UserError: a file cannot be read, it is a table by its ending and no column is named, or there is no text in
            any.
    """
    import numpy as np

    texts: list[str] = []
    ratings: list[int] = []
    seen: set[str] = set()
    skipped = 0

    def on_bad(error: Located) -> None:
        nonlocal skipped
        if not skip_bad_rows:
            raise error
        skipped += 1

    for path in tables.expand(paths):
        is_table = text_column or layout.input_format != tables.AUTO or layout.columns or tables.format_of(path)
        if is_table:
            rows = _rows(path, text_column, rating_column, layout, flag, on_bad, log)
        else:
            rows = ((text, 0) for text in look_for_tabs(_lines(path, layout.encoding, on_bad), path, flag, _raise))
        for text, rating in rows:
            if not text or (same := composed(text)) in seen:
                continue
            seen.add(same)
            texts.append(text)
            if rating_column:
                ratings.append(rating - 1)
    if skipped:
        log(f"{counted(skipped, 'bad row')} skipped")
    if not texts:
        raise UserError(f"{', '.join(map(str, paths))}: found no text, expected one text a line")
    return texts, np.array(ratings, np.int32) if rating_column else None


def _lines(path: str, encoding: str, on_bad: Callable[[Located], object]) -> Iterator[str]:
    """Each line of a file."""
    if path == tables.STDIN:
        yield from lines(sys.stdin.buffer, tables.STDIN_NAME, encoding, on_bad)
        return
    with readable(path), decompressed(path) as stream:
        yield from lines(stream, path, encoding, on_bad)


def _rows(
    path: str,
    text_column: str,
    rating_column: str,
    layout: tables.Layout,
    flag: str,
    on_bad: Callable[[Located], object],
    log: Callable[[str], None],
) -> Iterator[tuple[str, int]]:
    """Text and rating, or 0, of each row of a table."""
    wanted = {flag: (text_column, "text")}
    if rating_column:
        wanted["--rating_column"] = rating_column, "rating"
    with tables.Table(path, layout) as table:
        at = locate(table, wanted)
        if table.note:
            log(f"{table.name}: {table.note}")
        for row in table:
            text, problem = text_at(row, at[0], table.columns[at[0]])
            rating = 0
            if problem is None and rating_column:
                value = text_of(row.values[at[1]])
                if re.fullmatch(r"([1-9]\d?|100)(\.0+)?", value, re.ASCII):
                    rating = int(float(value))
                else:
                    problem = row.line, f"the rating {shorten(value)}", "a whole number from 1 to 100"
            if problem is None:
                yield text, rating
            else:
                on_bad(Located(table.name, *problem))
        if table.quoting:
            log(f"{table.name}: {table.quoting}")
