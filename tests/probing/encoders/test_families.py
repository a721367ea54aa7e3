"""probing.encoders: which family a name is, and every family through the run command on real sentences."""

import json
import re

import pytest

from nsmc_bert import checkpoints
from nsmc_bert.errors import UserError
from probing import encoders, records
from probing.sources import conllu
from tests.probing.encoders import make


@pytest.fixture
def config(tmp_path):
    """Makes a folder with a config.json alone."""

    def make_config(name, **values):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(values))
        return folder

    return make_config


def test_a_folder_says_its_family(config, tmp_path):
    for name, values in (("bert", {"model_type": "bert"}), ("bert", {"hidden_size": 8}), ("gpt", {"model_type": "openai-gpt"})):
        folder = config("%s%d" % (name, len(values["model_type"]) if "model_type" in values else 0), **values)
        assert encoders.find(str(folder)) == (name, folder)
    elmo, cove = make.elmo(tmp_path / "e"), make.cove(tmp_path / "c", ["a"])
    assert encoders.find(elmo) == encoders.find("elmo:%s" % elmo) == ("elmo", elmo)
    assert encoders.find(cove) == encoders.find("cove:%s" % cove) == ("cove", cove)
    authors = tmp_path / "authors"
    authors.mkdir()
    (authors / "params_shapes.json").write_text("[]")
    assert encoders.find(authors) == ("gpt", authors)


def test_a_folder_of_no_family_is_one_line(config, tmp_path):
    with pytest.raises(UserError, match="config.json: found an encoder of model_type 'gpt2', expected bert or openai-gpt"):
        encoders.load(str(config("other", model_type="gpt2")))
    folder = config("broken")
    (folder / "config.json").write_text("[]")
    with pytest.raises(UserError, match="config.json: found no valid JSON object, expected the config.json of a BERT or a GPT"):
        encoders.load(str(folder))
    (folder / "config.json").unlink()
    with pytest.raises(UserError, match="broken: found no encoder, expected the files of BERT .*, or of GPT .*, or of ELMo"):
        encoders.load(str(folder))
    for family in ("elmo", "cove"):
        with pytest.raises(UserError, match="--encoder=%s:nowhere: found no folder nowhere, expected one with the" % family):
            encoders.load("%s:nowhere" % family)
    with pytest.raises(UserError, match="no/such/folder: found no such folder"):
        encoders.load("no/such/folder")


@pytest.mark.parametrize(
    ("name", "kind", "family"),
    [
        ("bert-base-uncased", "bert", "bert"),
        ("google-bert/bert-large-cased", "bert", "bert"),
        ("openai-gpt", "openai-gpt", "gpt"),
        ("openai-community/openai-gpt", "openai-gpt", "gpt"),
    ],
)
def test_a_hub_name_says_its_family(config, monkeypatch, name, kind, family):
    folder, asked = config("hub", model_type=kind), []

    def download(name, file):
        asked.append((name, file))
        return str(folder / file)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    monkeypatch.setattr(checkpoints, "resolve", lambda name: folder)
    assert encoders.find(name) == (family, folder)
    assert asked == [(name, "config.json")]


def test_a_hub_model_of_another_family_is_not_fetched(config, monkeypatch):
    folder = config("hub", model_type="llama")
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda name, file: str(folder / file))
    monkeypatch.setattr(checkpoints, "resolve", lambda name: pytest.fail("its weights were asked for"))
    with pytest.raises(UserError, match="^me/llama: found an encoder of model_type 'llama', expected bert or openai-gpt"):
        encoders.load("me/llama")


def test_a_hub_that_cannot_be_reached_is_explained_by_what_resolves_names(monkeypatch):
    def fail(name, file):
        raise OSError("no network")

    def resolve(name):
        raise UserError("%s: found no such folder, and the hub cannot be reached" % name)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fail)
    monkeypatch.setattr(checkpoints, "resolve", resolve)
    with pytest.raises(UserError, match="bert-base-cased: found no such folder, and the hub cannot be reached"):
        encoders.load("bert-base-cased")


@pytest.fixture(scope="module")
def treebank(data_dir, tmp_path_factory):
    """dep and its words: the first sentences of UD English EWT, through the converter's own reader."""
    folder, words = tmp_path_factory.mktemp("ewt"), set()
    for split, count in (("train", 40), ("dev", 15), ("test", 15)):
        text = (data_dir / "probing" / "UD_English-EWT" / ("en_ewt-ud-%s.conllu" % split)).read_text(encoding="utf-8")
        path = folder / ("en_ewt-ud-%s.conllu" % split)
        path.write_text("\n\n".join(text.split("\n\n")[:count]) + "\n\n", encoding="utf-8")
        (converted,) = conllu.splits(path, "dep", split=split).values()
        found = list(converted.records)
        words.update(word for record in found for word in record.words)
        records.write(folder / ("dep.%s.jsonl" % split), found)
    return folder, sorted(words)


@pytest.mark.parametrize("family", ["gpt", "elmo", "cove"])
def test_every_family_runs_from_words_to_the_table(family, treebank, command, data_dir, tmp_path):
    data, words = treebank
    name, known, layers, columns = {
        "gpt": (make.gpt, (), "3 layers of 8; layer 0 is lexical: token embedding", ["F1 lex", "F1 cat", "F1 mix"]),
        "elmo": (None, (), "2 layers of 32; layer 0 is lexical: character layer", ["F1 lex", "F1 full"]),
        "cove": (make.cove, (words[::2],), "1 layer of 8; layer 0 is lexical: GloVe", ["F1 lex", "F1 full"]),
    }[family]
    if name is None:
        encoder = "elmo:%s" % (data_dir / "probing" / "elmo_fixture" / "allennlp")
    else:
        folder = name(tmp_path / family, *known)
        encoder = str(folder) if family == "gpt" else "cove:%s" % folder
    result = command(
        "probing.run", "--task=dep", "--data=%s" % data, "--encoder=%s" % encoder, "--epochs=2", "--least_steps=1",
        "--bootstrap=100", "--control=random_encoder", "--precision=float32", cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "encoder: %s, %s" % (encoder, layers) in result.stderr
    assert "encoder: %s, random weights (seed 0), " % encoder in result.stderr
    if family == "cove":
        assert "GloVe: found %d of %d new words; the others are zero vectors" % (len(words[::2]), len(words)) in result.stderr
    header, row = result.stdout.split("\n")[:2]
    assert re.split("  +", header.strip())[: len(columns)] == columns
    assert row.startswith("Dependencies") and "random encoder" in result.stdout
