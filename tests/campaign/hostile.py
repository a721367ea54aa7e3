"""Hostile input for every reader: damaged copies of good files, each of which is read right or refused in one line.

    python -m tests.campaign.hostile                        all readers, 10,000 inputs each
    python -m tests.campaign.hostile records=500 h5=200     some readers; seed=2 asks other questions, KEEP=FOLDER keeps
    faults

An input is a good file with one to four changes: bytes flipped, cut, repeated or replaced by what readers stumble over,
or a value of its JSON put in place of another. Inputs that were refused in words not seen before become good files for
the changes to come, so that the search goes deeper where there is something to find. A fault is an exception that is no
UserError, an error of several lines, more than SECONDS, or more than ten times the input in memory beside what reading
the good file took and SLACK.

Seeds are fixed: the same version of a reader is asked the same questions.
"""

import collections
import contextlib
import gzip
import io
import json
import os
import random
import re
import resource
import shutil
import signal
import sys
import tarfile
import tempfile
import time
import traceback
import zipfile
import zlib
from pathlib import Path

import numpy as np

from nsmc_bert.base import archives, json_files, tensors, text_files
from nsmc_bert.base.errors import UserError
from nsmc_bert.data import reviews, texts
from probing import records
from probing.sources import bio, conll2012, conllu, dpr, gum, klue, semeval, spr
from tests.probing.sources import (
    test_bio,
    test_conll2012,
    test_conllu,
    test_dpr,
    test_gum,
    test_klue,
    test_mentions,
    test_semeval,
    test_spr,
)

WHOLE = 10_000
SECONDS = 10  # of the processor's time, which what else runs on the machine does not lengthen,
STILL = 120  # and of the clock's, for what waits without computing
SLACK = 64 << 20  # bytes: buffers of a line, a block, a decompressor
GUIDES = 60  # refused inputs that are kept to go on from
ODD = (
    b"\0",
    b"\n",
    b"\r",
    b"\t",
    b" ",
    b'"',
    b"'",
    b"\\",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"\\ud800",
    "\u2028".encode(),
    "\x85".encode(),
    b"\xa0",
    b"[",
    b"]",
    b"{",
    b"}",
    b"(",
    b")",
    b"<",
    b">",
    b"*",
    b"_",
    b"-",
    b"|",
    b":",
    b"=",
    b",",
    b"0",
    b"-1",
    b"1e999",
    b"NaN",
    b"Infinity",
    b"9" * 400,
    b"null",
    b"true",
    b"[" * 2000,
    b"(" * 2000,
    b"(1|" * 200,
    b"#begin document (x); part 000\n",
    b"</e1>",
    b"1-2\t",
    b"1.1\t",
    b"\n\n",
    b"--flagfile=a.flags\n",
    b"--",
    "가".encode(),
    "\U0001d400".encode(),
    b"%s%n",
    b"x" * 70_000,
)
VALUES = (None, True, 0, -1, 1.5, 10**30, 1 << 63, "", "x", "\ud800", [], {}, [5], {"a": 5}, [[[]]], "9" * 50)


class Hang(BaseException):
    """Raised by the alarm: no reader catches it."""


def split_records(splits):
    """Reads all records and checks that the reader of records takes them back."""
    for split in splits.values():
        for record in split.records:
            length = len(record.words)
            assert not record.glued or 0 < record.glued[0] <= record.glued[-1] < length
            for target in record.targets:
                for start, end in filter(None, (target.span1, target.span2)):
                    assert 0 <= start < end <= length, (record.text, target)


def read_records(folder):
    """Records, written and read again: they are the same."""
    found = list(records.read(folder / "a.jsonl", 1))
    records.write(folder / "again.jsonl", found)
    assert list(records.read(folder / "again.jsonl", 1)) == found


def read_flags(folder):
    """A flagfile of `train`."""
    from nsmc_bert import train  # noqa: F401  defines the flags
    from nsmc_bert.base import cli
    from nsmc_bert.base.usage import Usage

    try:
        with contextlib.redirect_stderr(io.StringIO()) as said:
            cli.parse(["train", f"--flagfile={folder / 'a.flags'}"], Usage(), "")
    except SystemExit:
        raise UserError(said.getvalue().strip()) from None
    finally:
        cli.flags.FLAGS.unparse_flags()


def read_config(folder):
    """A config.json, as transformers gets it."""
    from nsmc_bert.model import checkpoints

    checkpoints.read_config(folder)


def read_weights(folder):
    """Every tensor of a folder."""
    from nsmc_bert.model import checkpoints

    weights = checkpoints.read_weights(folder)
    for name in weights:
        np.asarray(weights[name], np.float32)


def read_tokenizer(folder):
    """A tokenizer, and a text cut by it."""
    from nsmc_bert.model import tokenizers

    tokenizers.load(folder).encode(["이 영화 (정말)  재미있다!", "", "x" * 300], 64)


def read_pieces(folder):
    """GPT's byte pairs, without its module, which imports TensorFlow."""
    json_files.read_json(folder / "a.json", {"model": {"type?": str, "vocab?": {str: int}, "merges?": [(str, [str])]}})


def read_result(folder):
    """A result of probing, and the shares of its file of predictions."""
    from probing.results.result import Result, draws

    draws([Result.load(folder / "mix-seed1.json")], "Part-of-Speech", 10)


def read_zip(folder):
    """The lines of a text in a zip file."""
    path = folder / "a.zip"
    for entry in archives.zip_members(path, ".txt"):
        with archives.open_zip_member(path, entry.filename) as file:
            for _ in text_files.numbered_lines(file, path):
                pass


def make_records(folder):
    entry = {
        "text": "a b c",
        "glued": [1],
        "info": {"source": "x", "n": 1.5},
        "targets": [{"span1": [0, 2], "label": "NP", "info": {"height": 2}}],
    }
    (folder / "a.jsonl").write_text("".join(json.dumps({**entry, "n": i}) + "\n" for i in range(3)))


def make_conllu(folder):
    (folder / "x-ud-train.conllu").write_text(test_conllu.FUN + "\n" + test_conllu.FUN)


def make_corefud(folder):
    (folder / "x-train.conllu").write_text(test_mentions.COREFUD)


def make_morphemes(folder):
    rows = (
        test_conllu.korean("1", "고향은", "고향+은", "ncn+jxt"),
        test_conllu.korean("2", "했다", "하+었+다", "pvg+ep+ef"),
    )
    (folder / "x-train.conllu").write_text(
        "".join(rows) + "\n" + test_conllu.korean("1", "보는", "보", "a+b", "MSeg=보-는")
    )


def make_klue(folder):
    test_klue.save(folder)


def make_bio(folder):
    (folder / "train.txt").write_text(test_bio.CONLL2003)
    (folder / "dev.txt").write_text(test_bio.WIKIANN)


def make_conll2012(folder):
    (folder / "x.gold_conll").write_text(test_conll2012.FILE)


def make_gum(folder):
    for name in ("dep", "const", "ontogum"):
        (folder / name).mkdir()
    (folder / "train.txt").write_text("GUM_x\n\n")
    (folder / "dep" / "GUM_x.conllu").write_text(test_gum.dep(test_gum.DEP))
    (folder / "const" / "GUM_x.ptb").write_text(test_gum.CONST)
    (folder / "ontogum" / "GUM_x.conll").write_text(test_gum.COREF)


def make_semeval(folder):
    (folder / "x.txt").write_text(test_semeval.BURST * 2)


def make_dpr(folder):
    (folder / "x.txt").write_text(test_dpr.HAPPY)


def make_spr1(folder):
    pair = {"pred_idx": 1, "arg_idx": 0, "responses": [{"spr_property": "awareness", "response": 5}]}
    (folder / "spr1.train.json").write_text(
        json.dumps({"tokens": ["It", "ran"], "spr1": [pair], "split": "train"}) + "\n"
    )


def make_spr2(folder):
    test_spr.save(folder, *test_spr.ENDORSED)


def make_spr2_archive(folder):
    test_spr.save(folder, *test_spr.ENDORSED, archive=True)


def make_table(folder):
    (folder / "a.csv").write_text('document,label\n"a, ""b""",1\n"two\nlines",0\nc,1\n')


def make_json_lines(folder):
    lines = '{"document": "a", "label": 1}\n{"label": 0.0, "document": "나", "more": [1, {"b": null}]}\n'
    (folder / "a.jsonl").write_text(lines, encoding="utf-8")


def make_utf16(folder):
    (folder / "a.csv").write_bytes('document,label\n"좋다, 😂",1\n나쁘다,0\n'.encode("utf-16"))


def frame():
    import pandas as pd

    return pd.DataFrame({"document": [f"글 {number}" for number in range(9)], "label": [0, 1, 0] * 3})


def make_workbook(folder):
    frame().to_excel(folder / "a.xlsx", index=False)


def make_parquet(folder):
    frame().to_parquet(folder / "a.parquet")


def make_lines(folder):
    (folder / "a.tsv.gz").write_bytes(gzip.compress("document\tlabel\n좋다\t1\n나쁘다\t0\n".encode()))


def make_flags(folder):
    (folder / "a.flags").write_text(
        "# a comment\n--epochs=2\n--nosample\n\n--learning_rate=1e-4\n--seeds=1,2\n--encoder=x\n"
    )


def make_config(folder):
    (folder / "config.json").write_text(
        json.dumps(
            {
                "model_type": "bert",
                "vocab_size": 30,
                "hidden_size": 8,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "intermediate_size": 16,
                "max_position_embeddings": 32,
                "hidden_act": "gelu",
                "layer_norm_eps": 1e-12,
                "id2label": {"0": "negative", "1": "positive"},
                "label2id": {"negative": 0, "positive": 1},
                "pad_token_id": 0,
                "architectures": ["BertForSequenceClassification"],
                "torch_dtype": "float32",
                "classifier_dropout": None,
            }
        )
    )


WEIGHTS = {"bert.pooler.dense.weight": np.eye(4, dtype=np.float32), "bert.pooler.dense.bias": np.zeros(4, np.float16)}


def make_safetensors(folder):
    from safetensors.numpy import save_file

    save_file(WEIGHTS, folder / "model.safetensors", {"format": "pt"})


def make_shards(folder):
    from safetensors.numpy import save_file

    save_file(WEIGHTS, folder / "model-1.safetensors", {"format": "pt"})
    index = {"metadata": {"total_size": 72}, "weight_map": dict.fromkeys(WEIGHTS, "model-1.safetensors")}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def make_h5(folder):
    import h5py

    with h5py.File(folder / "tf_model.h5", "w") as file:
        for name, value in WEIGHTS.items():
            group = file.create_group(name.replace(".", "/"))
            group.create_dataset("kernel:0", data=value)
            group.create_dataset("packed:0", data=np.tile(value, 50), compression="gzip")
        file.attrs["layer_names"] = [b"bert"]


def make_array(folder):
    np.save(folder / "a.npy", np.eye(4, dtype=np.float32))


PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "이", "영화", "정말", "재미", "##있", "##다", "!", "(", ")"]


def make_vocab(folder):
    (folder / "vocab.txt").write_text("\n".join(PIECES) + "\n")
    (folder / "tokenizer_config.json").write_text(
        '{"do_lower_case": false, "model_max_length": 512, "pad_token": "[PAD]"}'
    )
    (folder / "special_tokens_map.json").write_text('{"cls_token": {"content": "[CLS]", "lstrip": false}}')


def make_tokenizer_json(folder):
    from nsmc_bert.model import tokenizers

    make_vocab(folder)
    tokenizers.load(folder).save(folder, 64)
    (folder / "vocab.txt").unlink()


def make_sentencepiece(folder):
    import sentencepiece

    from nsmc_bert.model.tokenizers.unigram import TRAINER

    texts = [
        "이 영화 정말 재미있다",
        "최고의 영화 (다시 보고 싶다)",
        "별로 재미없는 이야기였다!",
        "배우들의 연기가 좋았다",
    ] * 5
    with open(folder / "spiece.model", "wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=file,
            vocab_size=60,
            hard_vocab_limit=False,
            **TRAINER,
        )


def make_merges(folder):
    (folder / "a.json").write_text(
        '{"model": {"type": "BPE", "vocab": {"t": 0, "h</w>": 1}, "merges": ["t h</w>", ["a", "b"]]}}'
    )


def make_result(folder):
    from tests.probing.results import test_tables

    test_tables.write(folder, "pos", "mine", "mix", 0.9)
    for path in (folder / "pos" / "mine").iterdir():
        path.rename(folder / path.name)
    shutil.rmtree(folder / "pos")


SENTENCE = ["It", "really", "was", "fun"]


def make_family(name, *options, **more):
    """A maker of the small encoder of that family that the tests of probing have."""

    def make(folder):
        from tests.probing.encoders import make as families

        folder.rmdir()
        getattr(families, name)(folder, *options, **more)

    return make


def read_encoder(folder):
    """An encoder of probing: its configuration, its weights, its words."""
    from probing import encoders

    encoder = encoders.load(folder)
    if encoder.published == ("lex", "full"):  # their files of words are read when words are met
        encoder.encode([sentence.payload for sentence in encoder.read([SENTENCE])])
    else:
        encoder.read([SENTENCE])


def make_zip(folder):
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("glove.txt", "the 1 2 3\nof 4 5 6\n" * 20)


def make_tar(folder):
    with tarfile.open(folder / "a.tar.gz", "w:gz", format=tarfile.PAX_FORMAT, pax_headers={"comment": "가"}) as archive:
        for name in ("f/other", "f/" + "가" * 60, "f/x.tsv"):
            entry = tarfile.TarInfo(name)
            entry.size = 40
            archive.addfile(entry, io.BytesIO(b"a\tb\n" * 10))


def read_tar(folder):
    """The lines of a table in a tar file."""
    from nsmc_bert.base.text_files import readable

    path = folder / "a.tar.gz"
    with readable(path), archives.open_tar_member(path, "x.tsv") as file:
        for _ in text_files.decode(file, path):
            pass


READERS = {  # name: (make a good folder, read it)
    "records": (make_records, read_records),
    "conllu": (make_conllu, lambda folder: split_records(conllu.splits(folder, "dep"))),
    "corefud": (make_corefud, lambda folder: split_records(conllu.splits(folder, "entities"))),
    "morphemes": (make_morphemes, lambda folder: split_records(conllu.splits(folder, "pos", units="morphemes"))),
    "klue": (
        make_klue,
        lambda folder: [
            split_records(klue.splits(folder, task, units=units))
            for task, units in (("pos", "words"), ("pos", "morphemes"), ("dep", "words"), ("entities", "words"))
        ],
    ),
    "bio": (make_bio, lambda folder: split_records(bio.splits(folder, "entities"))),
    "conll2012": (
        make_conll2012,
        lambda folder: [
            split_records(conll2012.splits(folder / "x.gold_conll", task, split="dev"))
            for task in ("pos", "constituents", "entities", "srl", "coref")
        ],
    ),
    "gum": (
        make_gum,
        lambda folder: [
            split_records(gum.splits(folder, task)) for task in ("pos", "constituents", "dep", "entities", "coref")
        ],
    ),
    "semeval": (make_semeval, lambda folder: split_records(semeval.splits(folder / "x.txt", "rel", split="test"))),
    "dpr": (make_dpr, lambda folder: split_records(dpr.splits(folder / "x.txt", "dpr", split="test"))),
    "spr1": (make_spr1, lambda folder: split_records(spr.spr1_splits(folder / "spr1.train.json", split="train"))),
    "spr2": (make_spr2, lambda folder: split_records(spr.spr2_splits(folder))),
    "spr2_archive": (make_spr2_archive, lambda folder: split_records(spr.spr2_splits(folder))),
    "csv": (make_table, lambda folder: reviews.read(folder / "a.csv")),
    "texts": (make_lines, lambda folder: list(texts.documents([folder / "a.tsv.gz"], text_column="document"))),
    "jsonl": (make_json_lines, lambda folder: reviews.read(folder / "a.jsonl")),
    "utf16": (make_utf16, lambda folder: reviews.read(folder / "a.csv")),
    "xlsx": (make_workbook, lambda folder: reviews.read(folder / "a.xlsx")),
    "parquet": (make_parquet, lambda folder: reviews.read(folder / "a.parquet")),
    "flags": (make_flags, read_flags),
    "config": (make_config, read_config),
    "safetensors": (make_safetensors, read_weights),
    "shards": (make_shards, read_weights),
    "h5": (make_h5, read_weights),
    "npy": (make_array, lambda folder: tensors.read_array(folder / "a.npy")),
    "vocab": (make_vocab, read_tokenizer),
    "tokenizer_json": (make_tokenizer_json, read_tokenizer),
    "sentencepiece": (make_sentencepiece, read_tokenizer),
    "merges": (make_merges, read_pieces),
    "gpt": (make_family("gpt"), read_encoder),
    "elmo": (make_family("elmo"), read_encoder),
    "cove": (make_family("cove", SENTENCE), read_encoder),
    "cove_zipped": (make_family("cove", SENTENCE, zipped=True), read_encoder),
    "results": (make_result, read_result),
    "zip": (make_zip, read_zip),
    "tar": (make_tar, read_tar),
}


def mutate(content, random, others):
    """A damaged copy of a file's content."""
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        kind = random.randrange(9)
        at = random.randrange(len(content) + 1)
        end = min(len(content), at + random.choice((1, 1, 2, 8, 64)))
        if kind == 0 and content:
            at = min(at, len(content) - 1)
            content = content[:at] + bytes([content[at] ^ 1 << random.randrange(8)]) + content[at + 1 :]
        elif kind == 1:
            content = content[:at] + content[end:]
        elif kind == 2:
            content = content[:at] + content[at:end] * random.choice((2, 3, 50)) + content[end:]
        elif kind == 3:
            content = content[:at] + random.choice(ODD) + content[at:]
        elif kind == 4:
            content = content[:at] + random.choice(ODD) + content[end:]
        elif kind == 5:
            content = content[:at]
        elif kind == 6:
            other = random.choice(others)
            content = content[:at] + other[random.randrange(len(other) + 1) :]
        elif kind == 7:
            content = content[:at] + random.randbytes(end - at) + content[end:]
        else:
            content = _mutate_json(content, random)
    return content


def _mutate_json(content, random):
    """One value of a JSON file, or of one of its lines, put in place of another."""
    lines = content.split(b"\n") if content.count(b"\n{") else [content]
    place = random.randrange(len(lines))
    try:
        value = json.loads(lines[place])
    except (ValueError, RecursionError):
        return content
    spots = []

    def walk(whole):
        for key in whole if isinstance(whole, dict) else range(len(whole)):
            spots.append((whole, key))
            if isinstance(whole[key], (dict, list)):
                walk(whole[key])

    if isinstance(value, (dict, list)):
        walk(value)
    if not spots:
        return json.dumps(random.choice(VALUES)).encode()
    whole, key = random.choice(spots)
    what = random.randrange(4)
    if what == 0:
        del whole[key]
    elif what == 1:
        other, name = random.choice(spots)
        with contextlib.suppress(KeyError, IndexError):  # it may have gone with another
            whole[key] = json.loads(json.dumps(other[name]))
    else:
        whole[key] = random.choice(VALUES)
    lines[place] = json.dumps(value, ensure_ascii=random.random() < 0.5).encode("utf-8", "surrogatepass")
    return b"\n".join(lines)


def _repack(path, content, random, others):
    """A damaged copy, of what is compressed half of the time before it is compressed."""
    if path.suffix == ".gz" and random.random() < 0.5:
        with contextlib.suppress(OSError, EOFError, zlib.error):
            return gzip.compress(mutate(gzip.decompress(content), random, others), 1, mtime=0)
    return mutate(content, random, others)


def attack(name, inputs, keep=None, log=print, seed=1):
    """Damages the files of one reader and reads them.

    Args:
        name: of READERS.
        inputs: how many.
        keep: a folder that takes the inputs with faults, or None.
        log: called with each fault.
        seed: of the changes.

    Returns:
        Counter of "right", "refused" and "fault".
    """
    make, read = READERS[name]
    counts, seen, rng = collections.Counter(), set(), random.Random(f"{name} {seed}")
    with tempfile.TemporaryDirectory(prefix="hostile-") as place:
        good, folder = Path(place, "good"), Path(place, "x")
        good.mkdir()
        make(good)
        paths = sorted(path.relative_to(good) for path in good.rglob("*") if path.is_file())
        pool = {path: [(good / path).read_bytes()] for path in paths}
        others = [content for contents in pool.values() for content in contents]
        shutil.copytree(good, folder)
        read(folder)  # the good file is good, and what is imported or cached is
        for number in range(inputs):
            path = rng.choice(paths)
            content = _repack(path, rng.choice((pool[path][0], rng.choice(pool[path]))), rng, others)
            (folder / path).write_bytes(content)
            outcome = _read(read, folder, len(content))
            (folder / path).write_bytes(pool[path][0])
            (folder / "again.jsonl").unlink(missing_ok=True)
            kind, _, words = outcome.partition(": ")
            counts[kind] += 1
            if kind == "fault":
                log(f"{name}, input {number}, {path}: {words}")
                if keep:
                    Path(keep).mkdir(parents=True, exist_ok=True)
                    Path(keep, f"{name}-{number}-{path.name}").write_bytes(content)
            pattern = re.sub(r"\(.*\)|'[^']*'|\d+", "", words.replace(str(folder), ""))[:60]
            if kind == "refused" and pattern not in seen and len(seen) < GUIDES and len(content) < 1 << 16:
                seen.add(pattern)
                pool[path].append(content)
    return counts


def _read(read, folder, size):
    """What reading came to: "right", "refused: words" or "fault: words"."""
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()

    def ring(*_):
        raise Hang

    alarms = (signal.ITIMER_PROF, signal.SIGPROF, SECONDS), (signal.ITIMER_REAL, signal.SIGALRM, STILL)
    for timer, number, seconds in alarms:
        signal.signal(number, ring)
        signal.setitimer(timer, seconds)
    try:
        try:
            read(folder)
        finally:
            for timer, *_ in alarms:
                signal.setitimer(timer, 0)
        outcome = "right"
    except UserError as error:
        outcome = (
            "refused: " + str(error) if len(str(error).splitlines()) == 1 else f"fault: several lines, {str(error)!r}"
        )
    except Hang:
        outcome = f"fault: more than {SECONDS} seconds of computing, or {STILL} of waiting"
    except BaseException as error:  # a panic in Rust is no Exception
        if isinstance(error, KeyboardInterrupt):
            raise
        frames = traceback.extract_tb(error.__traceback__)
        outcome = (
            f"fault: {type(error).__name__} {str(error)[:200]!r} at "
            f"{Path(frames[-1].filename).name}:{frames[-1].lineno}, called at "
            + (
                next(
                    (
                        f"{Path(f.filename).name}:{f.lineno}"
                        for f in reversed(frames)
                        if "nsmc_bert" in f.filename or "probing" in f.filename
                    ),
                    "",
                )
            )
        )
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    if more > 10 * size + SLACK:
        outcome = f"fault: {more >> 20} MiB of memory for {size:,} bytes in {time.monotonic() - start:.1f} s; {outcome}"
    return outcome


def main(arguments):
    """Prints the figures of every reader; exits with 1 where there was a fault."""
    chosen = dict(argument.partition("=")[::2] for argument in arguments)
    seed, chosen = int(chosen.pop("seed", 1)), chosen or dict.fromkeys(READERS, "")
    total, began = collections.Counter(), time.monotonic()
    for name, inputs in chosen.items():
        start = time.monotonic()
        try:
            counts = attack(name, int(inputs or WHOLE), keep=os.environ.get("KEEP"), seed=seed)
        except ImportError as error:  # of what the tests' environment does without
            print(f"{name}: left out, {str(error).splitlines()[0]}", flush=True)
            continue
        total += counts
        print(
            f"{name}: {sum(counts.values()):,} inputs, {counts['right']:,} right, {counts['refused']:,} refused, "
            f"{counts['fault']:,} faults "
            f"({time.monotonic() - start:.0f} s)",
            flush=True,
        )
    print(f"{sum(total.values()):,} inputs, {total['fault']:,} faults, {time.monotonic() - began:.0f} s")
    return int(bool(total["fault"]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
