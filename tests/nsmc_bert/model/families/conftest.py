"""Tiny folders of every family."""

import pytest

from tests.nsmc_bert.model.families import make


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """{name in make.CONFIGS: its folder, as transformers writes it}."""
    root = tmp_path_factory.mktemp("families")
    return {name: make.write(root / name, name) for name in make.CONFIGS}
