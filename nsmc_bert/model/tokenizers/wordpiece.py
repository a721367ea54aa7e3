"""WordPiece tokenizers from a vocabulary, one piece a line, as BERT has it."""

import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

import tokenizers as hf
from tokenizers import models, normalizers, pre_tokenizers

from nsmc_bert.base.errors import Located, UserError, shorten
from nsmc_bert.model.tokenizers.tokenizer import SPECIAL, Tokenizer, surround


def from_vocab(
    path: str | os.PathLike[str],
    *,
    do_lower_case: bool | None = None,
    strip_accents: bool | None = None,
    tokenize_chinese_chars: bool = True,
    special: Mapping[str, str] | None = None,
    model_max_length: int | None = None,
) -> Tokenizer:
    """A WordPiece tokenizer from a vocabulary, one piece a line.

    Args:
        path: vocab.txt.
        do_lower_case: None: only if next to no piece holds a capital Latin letter.
        strip_accents: takes text apart by NFD, which takes Hangul syllables apart into jamo. None with `do_lower_case`
            given: as do_lower_case, which is BERT's rule; with neither given: if next to no piece would be taken apart.
        tokenize_chinese_chars: each Chinese character is a word.
        special, model_max_length: as in Tokenizer.

    Returns:
        A Tokenizer.

    Raises:
        UserError: the file cannot be read or has a piece twice.
    """
    pieces = read_vocabulary(path)
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    if len(vocabulary) < len(pieces):
        twice = next(i for i, piece in enumerate(pieces) if vocabulary[piece] != i)
        raise Located(path, twice + 1, shorten(pieces[twice]) + " twice", "each piece once")
    special = {**SPECIAL, **(special or {})}
    if do_lower_case is None:
        do_lower_case, strips = guess_rules(pieces, special)
        strip_accents = strips if strip_accents is None else strip_accents
    backend = hf.Tokenizer(models.WordPiece(vocabulary, unk_token=special["unk"], max_input_chars_per_word=100))
    backend.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=tokenize_chinese_chars,
        strip_accents=strip_accents,
        lowercase=do_lower_case,
    )
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return Tokenizer(surround(backend, special), special, model_max_length)


def guess_rules(pieces: Iterable[str], special: Mapping[str, str]) -> tuple[bool, bool]:
    """Whether text was lower-cased, and its accents stripped, before a WordPiece vocabulary was made of it, by what the
    vocabulary holds.
    """
    names = {**SPECIAL, **special}.values()
    words = [piece for piece in pieces if piece not in names and not re.fullmatch(r"\[.*\]|<.*>", piece)]
    few = len(words) / 1000  # such as Chinese BERT's <S> and <T>, which some copies spell &lt;S&gt;
    lower = sum(bool(re.search("[A-Z]", piece)) for piece in words) <= few
    whole = sum(unicodedata.normalize("NFD", piece) != piece for piece in words) > few
    jamo = sum(bool(re.search("[\u1100-\u11ff]", piece)) for piece in words) > few
    return lower, not whole and (lower or jamo)


def read_vocabulary(path: str | os.PathLike[str]) -> list[str]:
    """The pieces of a vocabulary, one a line.

    Raises:
        UserError: it cannot be read or is no UTF-8.
    """
    pieces = []
    for number, line in enumerate(read_bytes(path).rstrip(b"\n").split(b"\n"), 1):
        try:
            pieces.append(line.decode("utf-8").rstrip("\r"))
        except UnicodeDecodeError:
            raise Located(path, number, "bytes that are no UTF-8", "a vocabulary in UTF-8") from None
    return pieces


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """A file's content.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
