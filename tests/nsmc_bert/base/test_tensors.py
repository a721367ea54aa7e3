"""Tensors from files that are whole, and from files that are not."""

import io
import json
import struct
import zipfile

import h5py
import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from nsmc_bert.base import tensors
from nsmc_bert.base.errors import UserError

VALUE = np.arange(6, dtype=np.float32).reshape(2, 3)


def test_safetensors(tmp_path):
    half = np.array([1.5, -2], ml_dtypes.bfloat16)
    save_file({"half": half}, tmp_path / "x")
    assert tensors.Safetensors(tmp_path / "x")["half"].astype(np.float32).tolist() == [1.5, -2]
    save_file({"a": VALUE, "b.c": VALUE.astype(np.float16)}, tmp_path / "x", {"format": "pt"})
    found = tensors.Safetensors(tmp_path / "x")
    assert found.metadata == {"format": "pt"} and set(found) == {"a", "b.c"} and len(found) == 2 and "z" not in found
    assert found.shape("a") == (2, 3) and found["b.c"].dtype == np.float16
    np.testing.assert_array_equal(found["a"], VALUE)
    with pytest.raises(KeyError):
        found["z"]


def test_safetensors_that_are_none(tmp_path):
    header = json.dumps({"a": {"dtype": "F8_E5M2", "shape": [2], "data_offsets": [0, 2]}}).encode()
    (tmp_path / "x").write_bytes(struct.pack("<Q", len(header)) + header + bytes(2))
    found = tensors.Safetensors(tmp_path / "x")
    with pytest.raises(
        UserError, match=r"x: found no whole safetensors file \(a is of dtype F8_E5M2, which is not read"
    ):
        found["a"]
    huge = header.replace(b"[2]", b"[1000000000000]")
    for content in (
        b"",
        b"<html>",
        struct.pack("<Q", len(huge)) + huge + bytes(4),
        struct.pack("<Q", 1 << 60) + header,
    ):
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(UserError, match=r"x: found no whole state \(.*\), expected one; delete it"):
            tensors.Safetensors(tmp_path / "x", "state", "delete it")
    with pytest.raises(UserError, match="none: cannot be read"):
        tensors.Safetensors(tmp_path / "none")


def make_h5(path, **options):
    with h5py.File(path, "w") as file:
        file.create_dataset("g/a", data=VALUE, **options)


def test_h5(tmp_path):
    for options in ({}, {"compression": "gzip"}, {"chunks": (1, 3)}):
        make_h5(tmp_path / "x.h5", **options)
        found = tensors.Hdf5(tmp_path / "x.h5")
        assert list(found) == ["g/a"] and len(found) == 1 and found.shape("g/a") == (2, 3)
        np.testing.assert_array_equal(found["g/a"], VALUE)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["iteration"] = np.int64(5)
        file["none"] = np.zeros((0, 3), np.float32)
    found = tensors.Hdf5(tmp_path / "x.h5")
    assert found["iteration"] == 5 and found["none"].shape == (0, 3)


def hole(file):
    file.create_dataset("a", (1 << 40,), np.float32)


def packed_hole(file):
    file.create_dataset("a", (1 << 40,), np.float32, compression="gzip", chunks=(1 << 20,))


def elsewhere(file):
    file.create_dataset("a", (4,), np.float32, external=[("/etc/hostname", 0, 16)])


def words(file):
    file["a"] = "text"


def nothing(file):
    file["a"] = h5py.Empty("f")


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (hole, "a declares 4,398,046,511,104 bytes and has 0 of the file's"),
        (packed_hole, "a declares 4,398,046,511,104 bytes and has 0 of the file's"),
        (elsewhere, "a is kept in another file"),
        (words, "a is of dtype object, expected numbers"),
        (nothing, "a is of dtype float32, expected numbers"),
    ],
)
def test_what_an_h5_declares_is_not_believed(tmp_path, write, message):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        write(file)
    with pytest.raises(
        UserError, match=rf"x.h5: found no whole HDF5 file \(/{message}.*\), expected one; fetch it again"
    ):
        tensors.Hdf5(tmp_path / "x.h5")["a"]


def test_links_out_of_an_h5_are_not_followed(tmp_path):
    make_h5(tmp_path / "other.h5")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["out"] = h5py.ExternalLink("other.h5", "g/a")
        file["soft"] = h5py.SoftLink("/soft")
    assert list(tensors.Hdf5(tmp_path / "x.h5")) == []


def test_arrays(tmp_path):
    for value in (VALUE, np.asfortranarray(VALUE), np.float32(3), np.zeros((0, 2), np.int64)):
        np.save(tmp_path / "x.npy", value)
        np.testing.assert_array_equal(tensors.read_array(tmp_path / "x.npy"), value)
        tensors.write_array(tmp_path / "y", value)
        assert (tmp_path / "y").read_bytes() == (tmp_path / "x.npy").read_bytes()
        np.savez_compressed(tmp_path / "x.npz", a=value)
        np.testing.assert_array_equal(tensors.read_member(tmp_path / "x.npz", "a"), value)


def npy(shape, descr="<f4", content=b"\0" * 24):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue() + content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "magic|EOF|header"),
        (b"\x93NUMPY\x01\x00", "EOF|header"),
        (npy((1 << 40,)), r"an array \[1099511627776\] of float32 in"),
        (npy((2, 3))[:-1], "it ends after 23 of 24 bytes"),
        (npy((3,), "|O"), r"an array \[3\] of object"),
        (npy((2, -3)), r"an array \[2, -3\]"),
    ],
)
def test_arrays_that_are_none(tmp_path, content, message):
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(UserError, match=rf"x.npy: found no whole array \(.*({message})"):
        tensors.read_array(tmp_path / "x.npy")
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("a.npy", content)
    with pytest.raises(ValueError, match=message):
        tensors.read_member(tmp_path / "x.npz", "a")
    with pytest.raises(ValueError, match="There is no item named 'b.npy'"):
        tensors.read_member(tmp_path / "x.npz", "b")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers(tmp_path, bad):
    value = VALUE.copy()
    value[1, 1] = bad
    message = "x: found 1 of 6 values of a that are NaN or infinite, expected finite weights; the file is damaged"
    save_file({"a": value.astype(ml_dtypes.bfloat16), "b": VALUE}, tmp_path / "x")
    read = tensors.Safetensors(tmp_path / "x")
    np.testing.assert_array_equal(read["b"], VALUE)
    with pytest.raises(UserError, match=message):
        read["a"]
    # a state is taken up again as it was
    assert not np.isfinite(tensors.Safetensors(tmp_path / "x", finite=False)["a"].astype(np.float32)).all()
    with h5py.File(tmp_path / "x", "w") as file:
        file["a"], file["b"] = value, VALUE
    read = tensors.Hdf5(tmp_path / "x")
    np.testing.assert_array_equal(read["b"], VALUE)
    with pytest.raises(UserError, match=message):
        read["a"]
    with open(tmp_path / "x", "wb") as stream:
        np.save(stream, value)
    with pytest.raises(UserError, match="x: found 1 of 6 values that are NaN or infinite"):
        tensors.read_array(tmp_path / "x")


def test_names_of_an_h5_that_are_no_text(tmp_path):
    with h5py.File(tmp_path / "x", "w") as file:
        file["a"] = VALUE
        file[b"\xff"] = VALUE
    with pytest.raises(UserError, match=r"x: found no whole HDF5 file \(the name b'\\xff' is no UTF-8\), expected one"):
        tensors.Hdf5(tmp_path / "x")
