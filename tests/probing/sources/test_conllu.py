"""probing.sources.conllu: sentences by hand, and the treebanks' published counts."""

import gzip

import pytest

from nsmc_bert.base.errors import Located, UserError
from probing.records import Record, Target
from probing.sources import conllu
from probing.tasks import TASKS


def row(id, form, head="0", deprel="root", upos="X", xpos="_", misc="_"):
    return "\t".join([id, form, "_", upos, xpos, "_", head, deprel, "_", misc]) + "\n"


FUN = (
    "# sent_id = reviews-1\n# text = Atmosphere is always fun\n"
    + row("1", "Atmosphere", "4", "nsubj", "NOUN", "NN")
    + row("2", "is", "4", "cop", "AUX", "VBZ")
    + row("3", "always", "4", "advmod", "ADV", "RB")
    + row("4", "fun", "0", "root", "ADJ", "JJ")
)


def save(folder, text, name="x-ud-train.conllu"):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(text.encode())
    return path


def read(folder, text, task="dep", **options):
    [split] = conllu.splits(save(folder, text), task, split="train", **options).values()
    return list(split.records), dict(split.notes)


def test_dependencies_by_hand(tmp_path):
    [record], notes = read(tmp_path / "UD_English", FUN)
    assert record == Record(
        "Atmosphere is always fun",
        (
            Target((0, 1), (3, 4), ("nsubj",)),
            Target((1, 2), (3, 4), ("cop",)),
            Target((2, 3), (3, 4), ("advmod",)),
            Target((3, 4), (3, 4), ("root",)),
        ),
        {"source": "UD_English", "sent_id": "reviews-1"},
    )
    assert not notes


def test_tags_by_hand(tmp_path):
    for tags, expected in (("xpos", ["NN", "VBZ", "RB", "JJ"]), ("upos", ["NOUN", "AUX", "ADV", "ADJ"])):
        [record], _ = read(tmp_path, FUN, "pos", tags=tags)
        assert [(*target.span1, target.span2, *target.labels) for target in record.targets] == [
            (i, i + 1, None, tag) for i, tag in enumerate(expected)
        ]


def test_multiword_tokens_and_empty_nodes_are_no_words(tmp_path):
    text = row("1-2", "vámonos", "_", "_") + row("1", "vamos") + row("2", "nos", "1", "obj") + row("2.1", "_", "_", "_")
    [record], notes = read(tmp_path, text + row("3", "ya", "1", "advmod"))
    assert record.text == "vamos nos ya"
    assert [target.labels[0] for target in record.targets] == ["root", "obj", "advmod"]
    assert not notes


def test_what_the_published_data_leaves_out(tmp_path):
    node = row("1", "a") + row("1.1", "b", "_", "_")
    sentences = [row("1", "one"), node, row("1", "two"), row("1", "three")]
    found, notes = read(tmp_path, "\n".join(sentences) + "\n", as_published=True)
    assert [record.text for record in found] == ["one", "two"]
    assert notes == {
        "sentence with an empty node: left out, as in the published data": 1,
        "last sentence of the file: left out, as in the published data": 1,
    }
    found, notes = read(tmp_path, "\n".join(sentences))
    assert ([record.text for record in found], notes) == (["one", "a", "two", "three"], {})


def test_white_space_inside_words_keeps_the_indices(tmp_path):
    text = (
        row("1", "Hà Nội", "2", "nsubj")
        + row("2", "\u3000")
        + row("3", "10\u00a0000", "2", "obj")
        + row("4", "", "2", "dep")
    )
    [record], notes = read(tmp_path, text)
    assert record.words == ["Hà_Nội", "_", "10_000", "_"]
    assert record.targets[2] == Target((2, 3), (1, 2), ("obj",))
    assert notes == {"word with white space inside, or empty: written with _": 4}


def korean(id, form, lemma, xpos, misc="_"):
    return "\t".join([id, form, lemma, "X", xpos, "_", "0", "root", "_", misc]) + "\n"


def test_morphemes_by_hand(tmp_path):
    """Of Kaist and GSD in LEMMA, of PUD in MISC; + that is written, and words whose morphemes are not told."""
    text = (
        korean("1", "고향은", "고향+은", "ncn+jxt")
        + korean("2", "서울입니다", "서울+이+ㅂ니다", "nq+jp+ef", "SpaceAfter=No")
        + korean("3", ".", ".", "sf")
        + korean("4", "+", "+", "sy")
        + korean("5", "보좌관은", "보좌관", "NN+CM", "MSeg=보좌관-은|Translit=x")
        + korean("6", "않다", "않", "JX")
        + korean("7", "이런", "_", "a+b")
        + korean("8", "것", "것", "_")
    )
    [record], notes = read(tmp_path, text, "pos", units="morphemes")
    assert (record.text, record.glued) == ("고향 은 서울 입니다 . + 보좌관 은 않다 이런 것", (1, 3, 4, 7))
    assert [(target.span1[0], *target.labels) for target in record.targets] == [
        (0, "ncn"),
        (1, "jxt"),
        (2, "nq"),
        (4, "sf"),
        (5, "sy"),
        (6, "NN"),
        (7, "CM"),
        (8, "JX"),
    ]
    assert notes == {
        "morpheme that has grown together with the next one: no target": 2,
        "word without morphemes, or with another number of tags: no target": 2,
    }


def test_morphemes_of_auxiliaries_and_of_words_with_one_tag(tmp_path):
    """Kaist and GSD keep an auxiliary's stem alone in LEMMA; KSL has words of several morphemes with one tag."""
    text = (
        korean("1", "있어서", "있", "px+ecs", "OrigLemma=있+어서|SpaceAfter=No")
        + korean("2", "때의", "때+의", "NNG")
        + korean("3", "C++", "C++", "SL")
        + korean("4", "않아", "않+아", "px+ecs", "OrigLemma=않")
    )
    [record], notes = read(tmp_path, text, "pos", units="morphemes")
    assert record.text == "있 어서 때의 C++ 않 아"
    assert [(target.span1[0], *target.labels) for target in record.targets] == [
        (0, "px"),
        (1, "ecs"),
        (3, "SL"),
        (4, "px"),
        (5, "ecs"),
    ]
    assert notes == {"word without morphemes, or with another number of tags: no target": 1}


@pytest.mark.parametrize("units", ["words", "morphemes"])
def test_a_file_without_xpos_is_refused(tmp_path, units):
    with pytest.raises(Located, match=r"train\.conllu: found no XPOS, .*; --tags=upos takes the universal ones"):
        read(tmp_path, row("1", "a") + "\n" + row("1", "b"), "pos", units=units)
    assert read(tmp_path, "", "pos", units=units) == ([], {})


@pytest.mark.parametrize(("task", "tags"), [("dep", "xpos"), ("pos", "upos"), ("entities", "xpos")])
def test_morphemes_have_tags_of_their_own_alone(tmp_path, task, tags):
    with pytest.raises(
        UserError, match=f"units: found morphemes for {task} and {tags}, expected them for pos and xpos"
    ):
        read(tmp_path, FUN, task, tags=tags, units="morphemes")


def test_words_without_annotation_are_counted(tmp_path):
    text = row("1", "a", "_", "_") + row("2", "b", xpos="B")
    [record], notes = read(tmp_path, text)
    assert record.targets == (Target((1, 2), (1, 2), ("root",)),)
    assert notes == {"word without a head or relation: no target": 1}
    [record], notes = read(tmp_path, text, "pos")
    assert record.targets == (Target((1, 2), None, ("B",)),)
    assert notes == {"word without XPOS: no target": 1}


def test_sentences_without_their_words_are_left_out_and_files_of_them_refused(tmp_path):
    masked = row("1", "_") + row("2", "_", "1", "dep")
    found, notes = read(tmp_path, masked + "\n" + FUN + "\n" + row("1", "so") + row("2", "_", "1", "dep"))
    assert [record.text for record in found] == ["Atmosphere is always fun", "so _"]
    assert notes == {"sentence without its words (all are _): left out": 1}
    with pytest.raises(
        Located, match="train.conllu: found no words: _ stands for each, .* expected the treebank with its"
    ):
        read(tmp_path, masked + "\n" + masked)


def test_a_split_in_several_files(tmp_path):
    for name in ("train-l", "train-c", "train-m-1", "dev"):
        save(tmp_path, row("1", name), f"cs_pdt-ud-{name}.conllu")
    splits = conllu.splits(tmp_path, "dep")
    found = {name: [record.text for record in split.records] for name, split in splits.items()}
    assert found == {"train": ["train-c", "train-l", "train-m-1"], "dev": ["dev"]}
    reason = "files that are the split together: read one after the other"
    assert (splits["train"].notes[reason], splits["dev"].notes[reason]) == (3, 0)
    # rivals are no parts: the whole beside a part, a compressed copy
    for rival in ("cs_pdt-ud-train.conllu", "cs_pdt-ud-train-c.conllu.gz", "x-train.conllu"):
        (tmp_path / rival).touch()
        with pytest.raises(UserError, match="choose with --files"):
            conllu.splits(tmp_path, "pos")
        (tmp_path / rival).unlink()


def test_symbolic_links_are_followed(tmp_path):
    save(tmp_path / "blobs", FUN, "0a1b")
    corpus = tmp_path / "UD_English"
    corpus.mkdir()
    (corpus / "x-train.conllu").symlink_to("../blobs/0a1b")
    (corpus / "more").symlink_to(save(tmp_path / "elsewhere", FUN, "x-dev.conllu").parent)
    (tmp_path / "elsewhere" / "back").symlink_to(corpus)  # a circle
    found = {name: list(split.records) for name, split in conllu.splits(corpus, "pos").items()}
    assert {name: [record.info["source"] for record in records] for name, records in found.items()} == {
        "train": ["UD_English"],
        "dev": ["more"],
    }


def test_line_ends_marks_and_odd_line_breaks(tmp_path):
    text = "\ufeff# sent_id = 1\r\n" + row("1", "a\u2028b").replace("\n", "\r\n") + "\r\n\r\n\r\n" + row("1", "끝")
    found, _ = read(tmp_path, text)
    assert [record.text for record in found] == ["a_b", "끝"]
    assert [record.info.get("sent_id") for record in found] == ["1", None]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (FUN + "5\tx\n", ":7: found 2 columns: '5\\tx', expected 10 with tabs between them, as in CoNLL-U"),
        (FUN + row("6", "x"), ":7: found the id '6', expected 5, a range such as 3-4, or an empty node such as 8.1"),
        (
            FUN + row("5", "x", "9", "dep"),
            ":7: found the head '9', expected 0 or the id of one of the sentence's 5 words",
        ),
        (FUN + row("5", "x", "-1", "dep"), ":7: found the head '-1', expected 0"),
        (FUN + row("5", "x", "one", "dep"), ":7: found the head 'one', expected 0"),
    ],
)
def test_what_is_wrong(tmp_path, text, message):
    with pytest.raises(Located) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith("{}{}".format(tmp_path / "x-ud-train.conllu", message))


# Which files


def test_the_files_of_a_folder(tmp_path):
    for name in (
        "xx_yy-ud-train.conllu",
        "xx_yy-ud-dev.conllu",
        "xx_yy-ud-test.conllu",
        "README.md",
        "xx-other.conllu",
    ):
        save(tmp_path, FUN, name)
    assert list(conllu.splits(tmp_path, "dep")) == ["train", "dev", "test"]
    assert list(conllu.splits(tmp_path, "dep", split="dev")) == ["dev"]
    assert list(conllu.splits(tmp_path, "dep", files="*-test*")) == ["test"]
    (tmp_path / "xx_yy-ud-test.conllu.gz").write_bytes(gzip.compress(FUN.encode()))
    with pytest.raises(
        UserError, match=r"xx_yy-ud-test\.conllu and xx_yy-ud-test\.conllu\.gz as test, expected one; choose"
    ):
        conllu.splits(tmp_path, "dep")
    [split] = conllu.splits(tmp_path, "dep", files="*.gz").values()
    assert len(list(split.records)) == 1


def test_of_several_files_of_a_split_those_in_the_fewest_folders_count(tmp_path):
    for name in ("a-train.conllu", "a-dev.conllu", "not-to-release/a-train-1.conllu", "more/deep/c-dev.conllu"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        save(tmp_path, row("1", name), name)
    save(tmp_path, "", ".a-test.conllu")
    found = {name: next(split.records).text for name, split in conllu.splits(tmp_path, "dep").items()}
    assert found == {"train": "a-train.conllu", "dev": "a-dev.conllu"}
    # what is left has to be of one folder: train and dev of one treebank and test of another are no corpus
    (tmp_path / "a-dev.conllu").rename(tmp_path / "more" / "b-dev.conllu")
    with pytest.raises(UserError, match="found a-train.conllu and not-to-release/a-train-1.conllu as train, expected"):
        conllu.splits(tmp_path, "dep")


@pytest.mark.parametrize(
    ("names", "advice"),
    [
        (
            "a-train a-dev b-train",
            "a-train.conllu and b-train.conllu as train, expected one; choose with "
            "--files=PATTERN, such as --files='a*'",
        ),
        (
            "a-train.conllu.gz a-train.conllu a-dev.conllu",
            "a-train.conllu and a-train.conllu.gz as train, expected one; choose with "
            "--files=PATTERN, such as --files='*.conllu'",
        ),
        ("x_train x_train-2 x_dev", "as train, expected one; choose with --files=PATTERN"),
        (
            "one/train two/train",
            "one/train.conllu and two/train.conllu as train, expected one; give the folder that one of them stands in",
        ),
    ],
)
def test_what_is_advised_helps(tmp_path, names, advice):
    for name in names.split():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        save(tmp_path, FUN, name if ".conllu" in name else f"{name}.conllu")
    with pytest.raises(UserError) as caught:
        conllu.splits(tmp_path, "dep")
    assert str(caught.value).endswith(advice)


def test_the_split_of_a_folder(tmp_path):
    """It is the one that is asked for where names tell splits, whatever the others are; else what the file is to be."""
    save(tmp_path, FUN, "x.conllu")
    assert list(conllu.splits(tmp_path, "dep", split="test")) == ["test"]
    save(tmp_path, FUN, "y.conllu")
    with pytest.raises(
        UserError, match="found 2 such files, expected .*, or --split, the split that one alone is; choose"
    ):
        conllu.splits(tmp_path, "dep", split="test")
    for name in ("x-train.conllu", "y-train.conllu", "x-dev.conllu"):
        save(tmp_path, FUN, name)
    assert list(conllu.splits(tmp_path, "dep", split="dev")) == ["dev"]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("nowhere", {}, "nowhere: found no such file or folder, expected a corpus"),
        ("x-train.txt", {}, ": found 0 such files, expected one .conllu with train, dev or test in its name"),
        ("x.conllu", {}, ": found 1 such files, expected one .conllu with train, dev or test in its name"),
        ("x-dev.conllu", {"split": "test"}, ": found dev, expected test among them, as --split says"),
        ("x-dev.conllu", {"files": "ko*"}, ": found 0 such files that match ko*, expected one"),
        ("x-dev.conllu", {"task": "srl"}, "found the task srl, expected one that CoNLL-U has: pos, dep"),
    ],
)
def test_files_that_are_not_there(tmp_path, name, options, message):
    if name != "nowhere":
        save(tmp_path, FUN, name)
    with pytest.raises(UserError) as caught:
        conllu.splits(tmp_path / name if name == "nowhere" else tmp_path, **{"task": "dep", **options})
    assert message in str(caught.value)


def test_one_file_needs_the_name_of_its_split(tmp_path):
    with pytest.raises(UserError, match="one file, expected the split it is to be, --split=train, dev or test"):
        conllu.splits(save(tmp_path, FUN), "dep")


# The treebanks


def count(splits):
    """{split: (records, targets)}, and all labels."""
    counts, labels = {}, set()
    for name, split in splits.items():
        number = targets = 0
        for record in split.records:
            number += 1
            targets += len(record.targets)
            labels.update(label for target in record.targets for label in target.labels)
        counts[name] = number, targets
    return counts, labels


@pytest.mark.corpora
def test_the_published_dependencies(data_dir):
    folder = data_dir / "probing" / "UD_English-EWT-r2.2"
    counts, labels = count(conllu.splits(folder, "dep", as_published=True))
    assert counts == {"train": (12522, 203919), "dev": (2000, 25110), "test": (2075, 25049)} == TASKS["dep"].counts
    assert labels == set(TASKS["dep"].labels)


def test_the_first_published_record_and_the_paper_s_example(data_dir):
    found = list(conllu.splits(data_dir / "probing" / "UD_English-EWT-r2.2", "dep", split="dev")["dev"].records)
    assert found[0].text == "From the AP comes this story :"
    assert [(target.span1[0], target.span2[0], target.labels[0]) for target in found[0].targets] == [
        (0, 2, "case"),
        (1, 2, "det"),
        (2, 3, "obl"),
        (3, 3, "root"),
        (4, 5, "det"),
        (5, 3, "nsubj"),
        (6, 3, "punct"),
    ]
    [record] = [record for record in found if record.text.startswith("Atmosphere is always fun")]
    assert record.targets[0] == Target((0, 1), (3, 4), ("nsubj",))


def test_english_tags(data_dir):
    counts, labels = count(conllu.splits(data_dir / "probing" / "UD_English-EWT", "pos", split="dev"))
    assert counts == {"dev": (2001, 25147)}
    assert labels - set(TASKS["pos"].labels) == {"GW"}


@pytest.mark.corpora
def test_korean(data_dir):
    folder = data_dir / "probing" / "UD_Korean-Kaist-r2.2"
    counts, labels = count(conllu.splits(folder, "pos", files="emorynlp_*", tags="upos"))
    assert counts == {"train": (23010, 296446), "dev": (2066, 25278), "test": (2287, 28366)}
    assert labels <= set("ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X".split())
    counts, labels = count(conllu.splits(folder, "dep", files="ko_*"))
    assert counts == {"dev": (2066, 25278), "test": (2287, 28366)}
    assert labels - {"clf"} < set(TASKS["dep"].labels)
    with pytest.raises(UserError, match="choose with --files=PATTERN, such as --files='emorynlp_kaist"):
        conllu.splits(folder, "dep")
