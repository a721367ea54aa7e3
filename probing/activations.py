"""The store: every distinct sentence is encoded once, for all tasks, representations and seeds.

A store is a folder below --store, named after the encoder's fingerprint:

    store.json       what it holds, and how many sentences are known to be on the disk
    layer-00.f16 …   one file a layer: the states of sentence after sentence, float16 [positions, width]
    index            32 bytes a sentence, written after its states: key, place, positions, checksum of its states

A sentence counts once its line of the index is there. What a killed process wrote after the last whole line is cut off,
and sentences written since the last time the files were flushed to the disk are read back and compared with their
checksums. Of those before, a part is compared each time the store is opened, all of them if one is damaged or if that
is asked for; what is damaged is encoded anew and written at the end, where the last line of a sentence is the one that
counts.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
import random
import re
import shutil
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from nsmc_bert.base import system
from nsmc_bert.base.errors import UserError, counted
from nsmc_bert.base.files import write_text
from nsmc_bert.base.json_files import read_json
from nsmc_bert.base.progress import Progress

if TYPE_CHECKING:
    from probing.alignment import Examples
    from probing.encoders import Encoder

LINE = struct.Struct("<16sQII")  # key, first position, positions, crc32
ALIGNMENT = 64  # bytes
CHUNK = 32_000_000  # bytes of states, about, that are encoded before they are written
LEFT_OVER = re.compile(r".+\.part-\d+|\.tmp\w{6}")  # nsmc_bert.base.files' and safetensors' temporary files
SETTLE = 4096  # sentences between two flushes to the disk
CHECKED = 64_000_000  # bytes of states, about, that are compared with their checksums whenever a store is opened


class Store:
    """States of sentences on disk, read by number.

    Args:
        root: the folder of all stores.
        encoder: an encoders.Encoder.
        log: called with each line to show.
        verify: compare all that is there with its checksums, the next time that `ensure` is called.
    """

    def __init__(
        self, root: str | os.PathLike[str], encoder: Encoder, log: Callable[[str], None] = print, verify: bool = False
    ) -> None:
        self.encoder, self._log, self.verify = encoder, log, verify
        self.folder = Path(root).expanduser() / encoder.fingerprint
        self._files: list[int] = []
        self._known: dict[bytes, tuple[int, int]] = {}  # key: (first position, positions)
        self._damaged: set[tuple[bytes, int]] = set()  # (key, first position)
        self._positions = self._lines = 0  # that the files have, what is damaged included

    def ensure(self, examples: Sequence[Examples]) -> None:
        """Encodes what is not there yet.

        Args:
            examples: list of alignment.Examples.

        Raises:
            UserError: the disk is too small, or the store cannot be written or is another's.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with locked(
                self.folder, lambda: self._log("activations: another run writes to this store; waiting for it")
            ):
                self._open()
                wanted = {key: payload for part in examples for key, payload in zip(part.keys, part.payloads)}
                missing = {key: payload for key, payload in wanted.items() if key not in self._known}
                positions = sum(len(payload) for payload in missing.values())
                self._log(
                    f"activations: {counted(len(wanted), 'sentence')}, {len(wanted) - len(missing)} of them in the "
                    f"store already; {size(positions * self._bytes)} to write to {self.folder}"
                )
                free = shutil.disk_usage(self.folder).free
                if positions * self._bytes > 0.95 * free:
                    raise UserError(
                        f"{self.folder}: {size(free)} are free, expected {size(positions * self._bytes)}; choose "
                        f"another --store, or --activations=recompute, which needs no disk"
                    )
                self._write(missing)
                self.encoder.release()
        except OSError as error:
            raise UserError(f"{self.folder}: cannot be written ({error.strerror or error})") from None

    @property
    def _bytes(self) -> int:
        return 2 * sum(self.encoder.widths)

    def read(self, examples: Examples, pieces: np.ndarray, layers: Sequence[int], rows: int = 0) -> list[np.ndarray]:
        """The states of pieces of sentences, end to end.

        Args:
            examples: alignment.Examples that `ensure` has seen.
            pieces: int [n, 3]: the number of a distinct sentence in them, its first position, and the one after its
                last.
            layers: int [k].
            rows: fill up with zeros to so many positions.

        Returns:
            For each of blocks(layers, widths) an array, float16 [its layers; positions of all, or rows; width].
        """
        places = [
            (self._known[examples.keys[number]][0] + first, last - first) for number, first, last in pieces.tolist()
        ]
        total = sum(count for _, count in places)
        out = []
        for block in blocks(layers, self.encoder.widths):
            width = self.encoder.widths[block[0]]
            out.append(_aligned((len(block), max(rows, total), width)))
            for layer, states in zip(block, out[-1]):
                view, at = states.reshape(-1).view(np.uint8).data, 0
                for first, count in places:
                    length = count * width * 2
                    if system.read_at(self._files[layer], view[at : at + length], first * width * 2) != length:
                        raise UserError(f"{self._path(layer)}: ends too early; delete the folder to encode anew")
                    at += length
                states[total:] = 0
        return out

    def close(self) -> None:
        """Closes its files."""
        for file in self._files:
            os.close(file)
        self._files = []

    # Writing

    def _path(self, layer: int) -> Path:
        return self.folder / f"layer-{layer:02d}.f16"

    def _open(self) -> None:
        """Reads the index and cuts off what is not whole."""
        description = {
            "encoder": self.encoder.name,
            "fingerprint": self.encoder.fingerprint,
            "layer0": self.encoder.layer0,
            "widths": list(self.encoder.widths),
        }
        self._description, settled = description, 0
        path = self.folder / "store.json"
        if path.exists():
            shape = {"settled": int, "fingerprint": str, "widths": [int]}
            stored = read_json(path, shape, "an encoder's store; delete the folder to encode anew")
            settled = stored["settled"]
            if any(stored[key] != description[key] for key in ("fingerprint", "widths")):
                raise UserError(
                    f"{path}: found no description of this encoder's store; delete the folder to encode anew"
                )
        else:
            self._settle(0)
        self.close()
        self._files = [
            os.open(self._path(layer), os.O_RDWR | os.O_CREAT, 0o666) for layer in range(len(self.encoder.widths))
        ]
        index = self.folder / "index"
        content = index.read_bytes() if index.exists() else b""
        sizes = [os.fstat(file).st_size // (2 * width) for file, width in zip(self._files, self.encoder.widths)]
        whole, positions = 0, 0
        lines: dict[bytes, tuple[int, int, int]] = {}
        for number in range(len(content) // LINE.size):
            key, first, count, checksum = LINE.unpack_from(content, number * LINE.size)
            if first != positions or first + count > min(sizes):
                break
            if number >= settled and self._checksum(first, count) != checksum:
                break
            lines[key] = first, count, checksum
            whole, positions = number + 1, first + count
        self._compare(lines)
        self._known = {key: line[:2] for key, line in lines.items() if (key, line[0]) not in self._damaged}
        if whole < len(content) // LINE.size:
            self._log(f"activations: the store was damaged after {whole} sentences; the rest is encoded anew")
        self._positions, self._lines = positions, whole
        if len(content) != whole * LINE.size:
            os.truncate(index, whole * LINE.size)
        for file, width in zip(self._files, self.encoder.widths):
            os.ftruncate(file, positions * 2 * width)

    def _compare(self, lines: Mapping[bytes, tuple[int, int, int]]) -> None:
        """Notes which sentences are not as they were written: of a part of them, and of all if that has one.

        Args:
            lines: {key: (first position, positions, checksum)}.
        """
        keys, every = list(lines), self.verify
        if not every:
            start = random.randrange(len(keys)) if keys else 0  # another part each time, in the order of the files
            keys, left = keys[start:] + keys[:start], CHECKED // self._bytes
            part = list(
                itertools.takewhile(lambda length: length < left, itertools.accumulate(lines[key][1] for key in keys))
            )
            every = any(self._checksum(*lines[key][:2]) != lines[key][2] for key in keys[: len(part) + 1])
        if not every:
            return
        damaged = set()
        with Progress(len(lines), "sentences", title="verify") as bar:
            for key, (first, count, checksum) in lines.items():
                if self._checksum(first, count) != checksum:
                    damaged.add((key, first))
                bar.update(1)
        self.verify = False
        self._log(
            f"activations: compared {len(lines)} sentences in the store with their checksums; {len(damaged)} are not "
            f"as they were written{', and are encoded anew where they are needed' if damaged else ''}"
        )
        self._damaged |= damaged

    def _checksum(self, first: int, count: int) -> int:
        checksum = 0
        for file, width in zip(self._files, self.encoder.widths):
            states = bytearray(count * 2 * width)
            read = system.read_at(file, memoryview(states), first * 2 * width)
            checksum = zlib.crc32(memoryview(states)[:read], checksum)
        return checksum

    def _settle(self, sentences: int) -> None:
        for file in self._files:
            os.fsync(file)
        write_text(self.folder / "store.json", json.dumps({**self._description, "settled": sentences}, indent=1) + "\n")

    def _write(self, missing: Mapping[bytes, np.ndarray]) -> None:
        if not missing:
            return
        # longest first: what does not fit into memory shows at once, and neighbours fill batches of one length
        order = sorted(missing, key=lambda key: -len(missing[key]))
        unsettled, written = 0, None
        with (
            open(self.folder / "index", "ab", buffering=0) as index,
            Progress(len(order), "sentences", title="encode") as bar,
            ThreadPoolExecutor(1) as writer,
        ):

            def settle() -> None:
                os.fsync(index)
                self._settle(self._lines)

            ends = np.cumsum([len(missing[key]) * self._bytes for key in order]) // CHUNK
            for numbers in np.split(np.arange(len(order)), np.flatnonzero(np.diff(ends)) + 1):
                keys = [order[number] for number in numbers]
                states = self.encoder.encode([missing[key] for key in keys])
                if written is not None:
                    written.result()
                written = writer.submit(self._append, index, keys, states)  # while the next ones are encoded
                unsettled += len(keys)
                if unsettled >= SETTLE:
                    writer.submit(settle)
                    unsettled = 0
                bar.update(len(keys))
            assert written is not None
            written.result()
            writer.submit(settle).result()

    def _append(self, index: BinaryIO, keys: Sequence[bytes], states: Sequence[Sequence[np.ndarray]]) -> None:
        """Writes sentences' states behind those that are there, and then their lines of the index."""
        lines, checksums = [], [0] * len(keys)
        for layer, file in enumerate(self._files):
            rows = [sentence[layer] for sentence in states]
            joined = np.concatenate(rows)
            _check_numbers(self.encoder, layer, joined)
            checksums = [zlib.crc32(row.data, checksum) for row, checksum in zip(rows, checksums)]
            place = self._positions * 2 * self.encoder.widths[layer]
            system.write_at(file, joined.reshape(-1).view(np.uint8).data, place)
        first = self._positions
        for key, sentence, checksum in zip(keys, states, checksums):
            lines.append(LINE.pack(key, first, len(sentence[0]), checksum))
            self._known[key] = (first, len(sentence[0]))
            first += len(sentence[0])
        index.write(b"".join(lines))
        self._positions, self._lines = first, self._lines + len(keys)


class Recompute:
    """The same without a disk: sentences are encoded each time they are read."""

    verify = False

    def __init__(self, encoder: Encoder, log: Callable[[str], None] = print) -> None:
        self.encoder = encoder
        log("activations: nothing is stored; encoded whenever they are read")

    def ensure(self, examples: Sequence[Examples]) -> None:
        """Nothing to do."""

    def read(self, examples: Examples, pieces: np.ndarray, layers: Sequence[int], rows: int = 0) -> list[np.ndarray]:
        """As Store.read."""
        numbers, which = np.unique(pieces[:, 0], return_inverse=True)
        states = self.encoder.encode([examples.payloads[number] for number in numbers])
        total, out = int((pieces[:, 2] - pieces[:, 1]).sum()), []
        for block in blocks(layers, self.encoder.widths):
            out.append(np.zeros((len(block), max(rows, total), self.encoder.widths[block[0]]), np.float16))
            for layer, read in zip(block, out[-1]):
                parts = [states[place][layer][first:last] for place, (first, last) in zip(which, pieces[:, 1:])]
                np.concatenate(parts, out=read[:total])
                _check_numbers(self.encoder, layer, read)
        return out

    def close(self) -> None:
        """Nothing to do."""


@contextlib.contextmanager
def locked(folder: Path, waits: Callable[[], object] | None) -> Iterator[bool]:
    """Keeps every other process out of a folder as long as the block runs, and removes what killed ones were about to
    write.

    Args:
        folder: a Path that is there.
        waits: called where another process has the folder, before waiting for it; None not to wait.

    Yields:
        Whether the folder is this process' own.

    Raises:
        UserError: the folder cannot be written.
    """
    with contextlib.ExitStack() as held:
        try:
            file = held.enter_context(open(folder / "lock", "w"))
            ours = system.lock(file.fileno())
            if not ours and waits:
                waits()
                system.lock(file.fileno(), wait=True)
                ours = True
            for path in folder.iterdir() if ours else []:
                if LEFT_OVER.fullmatch(path.name):
                    path.unlink(missing_ok=True)
        except OSError as error:
            raise UserError(f"{folder}: cannot be written ({error.strerror or error})") from None
        yield ours


def blocks(layers: Sequence[int], widths: Sequence[int]) -> list[list[int]]:
    """Layers in groups of neighbours of one width, whose states stand in one array: [0, 1, 2], (4, 8, 8) -> [[0], [1,
    2]].
    """
    return [list(group) for _, group in itertools.groupby(layers, key=lambda layer: widths[layer])]


def _check_numbers(encoder: Encoder, layer: int, states: np.ndarray) -> None:
    # float16 by its bits, in a quarter of the time: all ones in the exponent, and more
    if (states.view(np.int16) & 0x7FFF).max(initial=0) > 0x7C00:
        raise UserError(f"{encoder.name}: its states are no numbers in layer {layer}; its weights are broken")


def _aligned(shape: tuple[int, ...]) -> np.ndarray:
    """An empty float16 array that begins where TensorFlow wants its tensors to, which it then takes without copying."""
    size = 2 * math.prod(shape)
    memory = np.empty(size + ALIGNMENT, np.uint8)
    first = -memory.ctypes.data % ALIGNMENT
    return memory[first : first + size].view(np.float16).reshape(shape)


def size(count: float) -> str:
    """Bytes in words: 1234567 -> '1.2 MB'."""
    unit = "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if count < 1000:
            break
        count, unit = count / 1000, larger
    return f"{count:.0f} bytes" if unit == "bytes" else f"{count:.1f} {unit}"
