"""The examples in docstrings say what the code does."""

import doctest
import importlib
import pkgutil

import pytest

import nsmc_bert
import probing
from tests.conftest import ROOT

OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def modules():
    for package in (nsmc_bert, probing):
        yield package.__name__
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            yield module.name


def with_examples():
    """The names of modules whose text has examples, known without importing them: commands define flags."""
    for name in modules():
        source = importlib.util.find_spec(name).origin
        with open(source, encoding="utf-8") as file:
            if ">>> " in file.read():
                yield name


@pytest.mark.parametrize("name", sorted(with_examples()))
def test_examples(name, monkeypatch):
    monkeypatch.chdir(ROOT)  # files in examples are named from there
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8")
    result = doctest.testmod(importlib.import_module(name), optionflags=OPTIONS)
    assert result.failed == 0


def test_the_public_names_have_examples():
    found = set(with_examples())
    assert {"nsmc_bert", nsmc_bert.SentimentClassifier.__module__} <= found
    assert {"probing.encoders", "probing.records", "probing.scoring"} <= found
