"""What ships: an encoder, a classifier that predict uses, and a sample of reviews. Paths of folders and files."""

from pathlib import Path

_HERE = Path(__file__).parent
ENCODER, CLASSIFIER = _HERE / "encoder", _HERE / "classifier"
CONFIG = ENCODER / "config.json"  # its shape alone, for random weights
SAMPLE = {part: _HERE / f"sample_{part}.tsv" for part in ("train", "test")}
