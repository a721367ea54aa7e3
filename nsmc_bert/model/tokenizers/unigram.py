"""Unigram tokenizers from a SentencePiece model, converted so that they give the same pieces, or learned from texts."""

import functools
import itertools
import os
import re
import sys
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tokenizers as hf
from tokenizers import AddedToken, Regex, models, normalizers, pre_tokenizers

from nsmc_bert.base.errors import UserError, shorten
from nsmc_bert.base.files import whole_folder
from nsmc_bert.base.json_files import read_json
from nsmc_bert.model.tokenizers.tokenizer import SPECIAL, Tokenizer, surround
from nsmc_bert.model.tokenizers.wordpiece import read_bytes, read_vocabulary

TRAINER: dict[str, Any] = dict(  # of SentencePiece, for a model with BERT's special tokens as its first pieces
    model_type="unigram",
    pad_id=0,
    unk_id=1,
    bos_id=-1,
    eos_id=-1,
    pad_piece="[PAD]",
    unk_piece="[UNK]",
    control_symbols=["[CLS]", "[SEP]", "[MASK]"],
    minloglevel=2,
)
# what str.split parts at, as regular expressions of any kind have it
SPACES = r"[\x{9}-\x{d}\x{1c}-\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]+"


def from_sentencepiece(
    path: str | os.PathLike[str],
    vocabulary: str | os.PathLike[str] | None = None,
    *,
    special: Mapping[str, str] | None = None,
    model_max_length: int | None = None,
    cleaning: Mapping[str, bool] | None = None,
    added: Sequence[str] = (),
    fairseq: bool = False,
) -> Tokenizer:
    """A tokenizer from a SentencePiece unigram model, converted so that it gives the same pieces.

    Args:
        path: the model file.
        vocabulary: None, where ids are the model's own; or a file that gives each piece its id: vocab.txt, one piece a
            line, or JSON with `idx_to_token`, as KoBERT has it.
        special, model_max_length: as in Tokenizer.
        cleaning: None, or {"do_lower_case": bool, "keep_accents": bool, "remove_space": bool, which may lack}: what is
            done to text before the model sees it, as transformers' XLNetTokenizer does it, which KoBERT's derives from.
        added: tokens that stand for themselves wherever they occur; they are pieces of the model.
        fairseq: whether ids are those of XLM-R: <s>, <pad>, </s> and <unk>, the model's pieces from its fourth one on,
            and <mask>.

    Returns:
        A Tokenizer.

    Raises:
        UserError: the file is no unigram model, or none that can be converted exactly, or pieces of it are not in the
            vocabulary.
    """
    data = read_bytes(path)
    proto = _unigram(path, data)
    pieces = _by_id(path, proto, vocabulary, fairseq)
    names = {**SPECIAL, **(special or {})}
    if names["unk"] not in pieces:
        names["unk"] = next(piece.piece for piece in proto.pieces if piece.type == 2)
    if lost := [token for token in added if token not in pieces]:
        raise UserError(f"{path}: found the added tokens {shorten(lost)}, which are no pieces of the model")
    if proto.trainer_spec.treat_whitespace_as_suffix or not proto.normalizer_spec.escape_whitespaces:
        raise UserError(
            f"{path}: found a SentencePiece model that marks the ends of words, expected one that marks beginnings"
        )
    symbols = [piece.piece for piece in proto.pieces if piece.type == 4 and piece.piece not in names.values()]
    scores = _scores(proto, names.values(), symbols, bool(cleaning))
    floor = min(piece.score for piece in proto.pieces) - 20.0  # never a piece of running text
    backend = hf.Tokenizer(
        models.Unigram(
            [(piece, scores.get(piece, floor)) for piece in pieces],
            unk_id=pieces.index(names["unk"]),
            byte_fallback=proto.trainer_spec.byte_fallback,
        )
    )
    steps = _normalizers(path, proto, cleaning)
    backend.normalizer = normalizers.Sequence(steps)
    changed = [symbol for symbol in symbols if backend.normalizer.normalize_str(symbol) != symbol]
    if changed:
        raise UserError(
            f"{path}: found a user-defined symbol that normalisation changes, {shorten(changed[0])}, which only "
            f"sentencepiece itself keeps whole; "
            "expected a model without"
        )
    prefix = proto.normalizer_spec.add_dummy_prefix
    if prefix and not proto.normalizer_spec.remove_extra_whitespaces:
        # before white space too, where Metaspace puts none
        backend.normalizer, prefix = normalizers.Sequence([*steps, normalizers.Prepend("▁")]), False
    backend.pre_tokenizer = pre_tokenizers.Metaspace(
        replacement="▁",
        prepend_scheme="always" if prefix else "never",
        split=not any("▁" in piece[1:] for piece in scores),
    )
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in added])
    return Tokenizer(surround(backend, names), names, model_max_length, data)


def _unigram(path: str | os.PathLike[str], data: bytes) -> Any:
    """The ModelProto of a SentencePiece unigram model's file.

    Raises:
        UserError: it is none.
    """
    from sentencepiece import sentencepiece_model_pb2

    proto = sentencepiece_model_pb2.ModelProto()  # type: ignore[attr-defined]  # made at import
    try:
        proto.ParseFromString(data)
    except Exception:  # protobuf's exception has moved between its versions
        proto.Clear()
    if not proto.pieces or proto.trainer_spec.model_type != 1:
        raise UserError(f"{path}: found no SentencePiece unigram model")
    if odd := [piece.piece for piece in proto.pieces if not isinstance(piece.piece, str)]:  # as protobuf gives them
        raise UserError(f"{path}: found the piece {shorten(odd[0])}, which is no UTF-8; the file is damaged")
    return proto


def _by_id(
    path: str | os.PathLike[str], proto: Any, vocabulary: str | os.PathLike[str] | None, fairseq: bool
) -> list[str]:
    """The pieces of a SentencePiece model by their ids; see from_sentencepiece.

    Raises:
        UserError: the vocabulary is not the model's, or its ids are not XLM-R's.
    """
    pieces = list(dict.fromkeys(piece.piece for piece in proto.pieces))
    if vocabulary is not None:
        if str(vocabulary).endswith(".json"):
            pieces = read_json(vocabulary, {"idx_to_token": [str]}, "a vocabulary as KoBERT has it")["idx_to_token"]
        else:
            pieces = read_vocabulary(vocabulary)
        listed = set(pieces)
        if lost := [piece.piece for piece in proto.pieces if piece.type == 1 and piece.piece not in listed]:
            raise UserError(
                f"{vocabulary}: found {len(lost)} pieces of {path} missing ({shorten(lost[0])} …), expected the "
                "vocabulary that belongs to it"
            )
    if fairseq:
        if pieces[:3] != ["<unk>", "<s>", "</s>"]:
            raise UserError(f"{path}: found pieces that begin with {shorten(pieces[:3])}, expected <unk>, <s> and </s>")
        pieces = ["<s>", "<pad>", "</s>", "<unk>", *pieces[3:], "<mask>"]
    return pieces


def _scores(proto: Any, special: Collection[str], symbols: Sequence[str], cleans: bool) -> dict[str, float]:
    """The scores of the pieces that SentencePiece finds in text: the normal ones, and symbols that a user defined."""
    scores = {piece.piece: piece.score for piece in proto.pieces if piece.type == 1 and piece.piece not in special}
    if cleans:  # 9, is 9 and a comma
        scores = {piece: score - 100 if re.search(r"\d,$", piece) else score for piece, score in scores.items()}
    best = max(scores.values(), default=0.0)
    return scores | {piece: len(piece.encode()) * best - 0.1 for piece in symbols}  # what SentencePiece gives them


def _normalizers(
    path: str | os.PathLike[str], proto: Any, cleaning: Mapping[str, bool] | None
) -> list[normalizers.Normalizer]:
    """What is done to text before a SentencePiece model cuts it: what `cleaning` says, and then the model's own rules.

    Raises:
        UserError: the model's rules are damaged.
    """
    steps = _cleaning(**cleaning) if cleaning else []
    if rules := proto.normalizer_spec.precompiled_charsmap:
        try:
            steps.append(normalizers.Precompiled(rules))
        except Exception as error:  # the library raises no narrower one
            raise UserError(f"{path}: found no whole SentencePiece model ({error})") from None
        if "nfkc" in proto.normalizer_spec.name:
            # SentencePiece puts jamo that were typed one by one together (ㅈㅐ, 재); Precompiled sees each apart
            steps.append(normalizers.NFC())
    if proto.normalizer_spec.remove_extra_whitespaces:
        steps += [normalizers.Replace(Regex(" {2,}"), " "), normalizers.Strip()]
    return steps


def _cleaning(do_lower_case: bool, keep_accents: bool, remove_space: bool = True) -> list[normalizers.Normalizer]:
    """What XLNetTokenizer does to text before its SentencePiece model: normalizers."""
    steps: list[normalizers.Normalizer] = []
    if remove_space:
        steps += [normalizers.Replace(Regex(SPACES), " "), normalizers.Strip()]
    steps += [normalizers.Replace("``", '"'), normalizers.Replace("''", '"')]
    if not keep_accents:
        steps += [normalizers.NFKD(), normalizers.Replace(Regex(_combining()), "")]
    return [*steps, normalizers.Lowercase()] if do_lower_case else steps


@functools.cache
def _combining() -> str:
    """A regular expression for a character that Unicode combines with the one before it."""
    codes = [code for code in range(sys.maxunicode + 1) if unicodedata.combining(chr(code))]
    runs = [[code for _, code in run] for _, run in itertools.groupby(enumerate(codes), lambda pair: pair[1] - pair[0])]
    return "[" + "".join(rf"\x{{{run[0]:x}}}-\x{{{run[-1]:x}}}" for run in runs) + "]"


def learn(texts: Iterable[str], vocab_size: int, folder: str | os.PathLike[str], model_max_length: int) -> Tokenizer:
    """Learns a SentencePiece unigram tokenizer from texts and writes it into a folder.

    Args:
        texts: iterable of str.
        vocab_size: pieces, the five special ones included.
        folder: where to; it is made.
        model_max_length: positions of the encoder that it is for.

    Returns:
        The Tokenizer.

    Raises:
        UserError: the texts hold too few different pieces.
    """
    import sentencepiece

    with whole_folder(Path(folder)) as part:
        try:
            with open(part / "spiece.model", "wb") as file:
                sentencepiece.SentencePieceTrainer.train(
                    sentence_iterator=iter(texts),
                    model_writer=file,
                    vocab_size=vocab_size,
                    character_coverage=0.9995,
                    normalization_rule_name="nmt_nfkc",
                    **TRAINER,
                )
        except RuntimeError as error:
            reason = str(error).strip().split("\n")[-1][:200]
            raise UserError(
                f"a tokenizer of {vocab_size} pieces cannot be learned from these texts ({reason})"
            ) from None
        tokenizer = from_sentencepiece(part / "spiece.model", model_max_length=model_max_length)
        tokenizer.save(part, model_max_length)
    return tokenizer
