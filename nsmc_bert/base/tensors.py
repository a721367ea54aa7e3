"""Files of tensors that anybody may have written: safetensors, HDF5, NumPy's .npy and .npz. No pickle, no PyTorch.

A file is a mapping from names to arrays, each read when it is asked for, so that never all are in memory beside a
model's own.
"""

from __future__ import annotations

import collections.abc
import math
import os
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from nsmc_bert.base.errors import UserError

INFLATION = 1100  # zlib makes at most 1,032 bytes of one
# of safetensors, which NumPy has
_DTYPES = ("F64", "F32", "F16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL")


class _Tensors(collections.abc.Mapping):
    """A file whose names and declared shapes are known, and whose arrays are read when they are asked for."""

    _path: str | os.PathLike
    _shapes: dict[str, tuple[int, ...]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._shapes)

    def __len__(self) -> int:
        return len(self._shapes)

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape that the file declares for an array, without reading it."""
        return self._shapes[name]


class Safetensors(_Tensors):
    """The tensors of a safetensors file.

    Args:
        path: the file.
        kind: what it is, for errors.
        advice: what to do where it is none.
        finite: whether a tensor with a value that is no number, or infinite, is refused, as in a model's weights.

    Attributes:
        metadata: {str: str}.

    Raises:
        UserError: it cannot be read or is not whole; on reading a tensor too, and where that is not finite.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        kind: str = "safetensors file",
        advice: str = "fetch it again",
        finite: bool = True,
    ) -> None:
        self._path, self._kind, self._advice, self._finite = path, kind, advice, finite
        self.metadata, self._shapes = self._ask(
            lambda file: (
                file.metadata() or {},
                {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()},
            )
        )

    def __getitem__(self, name: str) -> np.ndarray:
        self._shapes[name]
        value = self._ask(lambda file: _supported(file, name).get_tensor(name))
        return _finite(value, self._path, name) if self._finite else value

    def _ask(self, question: Callable[[Any], Any]) -> Any:
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(str(self._path), "numpy") as file:
                return question(file)
        except OSError as error:
            raise UserError(f"{self._path}: cannot be read ({error.strerror or error})") from None
        except (SafetensorError, ValueError, TypeError, AttributeError) as error:
            raise UserError(
                f"{self._path}: found no whole {self._kind} ({error}), expected one; {self._advice}"
            ) from None


def _supported(file: Any, name: str) -> Any:
    dtype = file.get_slice(name).get_dtype()
    if dtype == "BF16":
        import ml_dtypes  # noqa: F401  comes with TensorFlow, and teaches NumPy this dtype
    elif dtype not in _DTYPES:
        raise ValueError(f"{name} is of dtype {dtype}, which is not read; float32, float16 and bfloat16 are")
    return file


def _finite(value: np.ndarray, path: str | os.PathLike[str], name: str = "") -> np.ndarray:
    """A tensor without NaN and infinity, from which every answer would be NaN too."""
    if not np.issubdtype(value.dtype, np.integer) and not np.isfinite(value).all():
        bad = int(value.size - np.isfinite(value).sum())
        raise UserError(
            f"{path}: found {bad} of {value.size} values{' of ' * bool(name)}{name} that are NaN or infinite, expected "
            "finite weights; the file is damaged, or its training diverged"
        )
    return value


class Hdf5(_Tensors):
    """The datasets of an HDF5 file by their full names, without a slash before them.

    What a dataset declares is not believed: its bytes have to be in the file. Links to other files and data kept in
    other files are not followed.

    Args:
        path: the file.

    Raises:
        UserError: it cannot be read or is not whole; on reading a dataset too, and where that is not finite.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        import h5py

        self._path = path
        shapes: dict[str, tuple[int, ...]] = {}

        def visit(name: str | bytes, item: Any) -> None:
            if isinstance(name, bytes):  # which is what h5py makes of others
                raise ValueError(f"the name {name!r} is no UTF-8")
            if isinstance(item, h5py.Dataset):
                shapes[name] = item.shape or ()

        self._ask(lambda file: file.visititems(visit))
        self._shapes = shapes

    def __getitem__(self, name: str) -> np.ndarray:
        self._shapes[name]
        value = self._ask(lambda file: _believable(file[name], os.path.getsize(self._path))[()])
        return _finite(value, self._path, name)

    def _ask(self, question: Callable[[Any], Any]) -> Any:
        import h5py

        try:
            with h5py.File(self._path, "r") as file:
                return question(file)
        except Exception as error:  # of a damaged file the library raises whatever its parts raise
            line = str(error).split("\n")[0]
            raise UserError(f"{self._path}: found no whole HDF5 file ({line}), expected one; fetch it again") from None


def _believable(item: Any, size: int) -> Any:
    """A dataset whose numbers are in its file.

    Raises:
        ValueError: they are not.
    """
    if item.dtype.kind not in "fiub" or item.shape is None:
        raise ValueError(f"{item.name} is of dtype {item.dtype}, expected numbers")
    if item.external or item.is_virtual:
        raise ValueError(f"{item.name} is kept in another file")
    declared, stored = math.prod(item.shape) * item.dtype.itemsize, item.id.get_storage_size()
    packed = item.chunks is not None and item.id.get_create_plist().get_nfilters() > 0
    chunk = math.prod(item.chunks or ()) * item.dtype.itemsize
    if not 0 <= stored <= size or max(declared, chunk if packed else 0) > stored * (INFLATION if packed else 1):
        raise ValueError(f"{item.name} declares {declared:,} bytes and has {stored:,} of the file's {size:,}")
    return item


def read_array(path: str | os.PathLike[str]) -> np.ndarray:
    """The array of an .npy file.

    Raises:
        UserError: it cannot be read or is not whole, or has values that are NaN or infinite.
    """
    try:
        with open(path, "rb") as file:
            value = _read_npy(file, os.path.getsize(path))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None
    except Exception as error:  # the header is Python, whose parser has errors of many kinds
        raise UserError(f"{path}: found no whole array ({error}), expected one; fetch it again") from None
    return _finite(value, path)


def write_array(path: str | os.PathLike[str], array: np.ndarray) -> None:
    """Writes an .npy file of exactly this name, to which np.save would add an ending."""
    with open(path, "wb") as stream:
        np.save(stream, array)


def read_member(path: str | os.PathLike[str], name: str, optional: bool = False) -> np.ndarray | None:
    """One array of an .npz file; None where it is `optional` and the file has none of that name.

    Raises:
        OSError: it cannot be read.
        ValueError: the file is not whole, or has no array of that name.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if optional and f"{name}.npy" not in archive.namelist():
                return None
            info = archive.getinfo(f"{name}.npy")
            if info.file_size > INFLATION * info.compress_size:
                raise ValueError(f"{name} declares {info.file_size:,} bytes and has {info.compress_size:,}")
            with archive.open(info) as file:
                return _read_npy(file, info.file_size)
    except OSError:
        raise
    except Exception as error:
        raise ValueError(str(error) or type(error).__name__) from None


def _read_npy(file: Any, size: int) -> np.ndarray:
    """NumPy's format, of which no more is believed than there are bytes."""
    version = np.lib.format.read_magic(file)
    read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(
        version
    )
    if read_header is None:
        raise ValueError(f"version {version} of the format, expected 1.0 or 2.0")
    shape, fortran_order, dtype = read_header(file)
    declared = math.prod(shape) * dtype.itemsize
    if dtype.kind not in "fiub" or not all(edge >= 0 for edge in shape) or declared > size:
        raise ValueError(f"an array {list(shape)} of {dtype} in {size:,} bytes")
    content = file.read(declared)
    if len(content) < declared:
        raise ValueError(f"it ends after {len(content):,} of {declared:,} bytes")
    flat = np.frombuffer(content, dtype)
    return (flat.reshape(shape[::-1]).T if fortran_order else flat.reshape(shape)).copy()
