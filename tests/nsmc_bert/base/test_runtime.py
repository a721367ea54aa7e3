"""nsmc_bert.base.runtime: what auto chooses, and what is refused."""

import json
import os
from unittest import mock

import pytest
import tensorflow as tf

import nsmc_bert
from nsmc_bert.base import cli, runtime
from nsmc_bert.base.errors import UserError


@pytest.fixture
def machine(monkeypatch):
    """Pretends GPUs of a compute capability, or none."""

    def pretend(capabilities):
        gpus = list(range(len(capabilities)))
        monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: gpus if kind == "GPU" else [])
        monkeypatch.setattr(tf.config.experimental, "set_memory_growth", lambda *_: None)
        details = lambda gpu: {"compute_capability": capabilities[gpu]}  # noqa: E731
        monkeypatch.setattr(tf.config.experimental, "get_device_details", details)
        # the strategy itself needs the devices
        monkeypatch.setattr(runtime, "_make", lambda tf, strategy, gpus: tf.distribute.get_strategy())

    for name in ("TF_CONFIG", "TPU_NAME"):
        monkeypatch.delenv(name, raising=False)
    return pretend


@pytest.mark.parametrize(
    ("capabilities", "precision", "xla"),
    [([(9, 0)], "mixed_bfloat16", True), ([(7, 5)], "mixed_float16", True), ([(6, 1)], "float32", True)],
)
def test_auto_goes_by_the_gpu(machine, capabilities, precision, xla):
    machine(capabilities)
    chosen = runtime.configure()
    assert (chosen.precision, chosen.xla, chosen.chief) == (precision, xla, True)
    assert "GPU" in chosen.description
    assert precision in chosen.description


@pytest.mark.parametrize(("flags", "precision"), [("fma avx512_bf16", "mixed_bfloat16"), ("fma avx2", "float32")])
def test_auto_goes_by_the_processor(machine, monkeypatch, tmp_path, flags, precision):
    machine([])
    (tmp_path / "cpuinfo").write_text(f"flags : {flags}\n")
    monkeypatch.setattr(runtime, "Path", lambda _: tmp_path / "cpuinfo")
    chosen = runtime.configure()
    assert (chosen.precision, chosen.xla, chosen.replicas) == (precision, False, 1)


def test_what_is_asked_for_is_taken(machine):
    machine([(9, 0)])
    chosen = runtime.configure(precision="float32", xla="off", strategy="one")
    assert (chosen.precision, chosen.xla) == ("float32", False)


@pytest.mark.parametrize("strategy", ["mirrored", "multiworker"])
def test_auto_never_asks_for_xla_under_a_strategy_that_cannot_have_it(machine, monkeypatch, strategy):
    machine([(9, 0)])
    monkeypatch.setenv(
        "TF_CONFIG", json.dumps({"cluster": {"worker": ["localhost:1"]}, "task": {"type": "worker", "index": 0}})
    )
    assert not runtime.configure(strategy=strategy).xla


@pytest.mark.parametrize(
    ("jobs", "task", "chief"),
    [
        (["worker"], ("worker", 0), True),
        (["worker"], ("worker", 1), False),
        (["chief", "worker"], ("chief", 0), True),
        (["chief", "worker"], ("worker", 0), False),
    ],
)
def test_one_process_of_a_cluster_writes(jobs, task, chief):
    spec = tf.train.ClusterSpec({job: ["localhost:1", "localhost:2"] for job in jobs})
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(spec, task_type=task[0], task_id=task[1])

    class Strategy:
        cluster_resolver = resolver

    assert runtime.Runtime(Strategy, "CPU", "float32", False, False, "").chief == chief


def test_xla_and_several_devices_do_not_go_together(machine):
    machine([(9, 0), (9, 0)])
    with pytest.raises(UserError, match="--xla=on.*mirrored"):
        runtime.configure(xla="on")


def test_unknown_values_are_refused(machine):
    machine([])
    with pytest.raises(UserError, match="--precision=half: expected one of auto, float32"):
        runtime.configure(precision="half")


def test_multiworker_needs_its_cluster(machine, monkeypatch):
    machine([])
    with pytest.raises(UserError, match="TF_CONFIG"):
        runtime.configure(strategy="multiworker")
    monkeypatch.setenv("TF_CONFIG", "{")
    with pytest.raises(UserError, match="no valid JSON"):
        runtime.configure()
    for cluster, message in (
        ([], "cluster \\[\\], expected a JSON object"),
        ({"worker": "host:1"}, "cluster.worker 'host:1', expected a list"),
    ):
        monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster}))
        with pytest.raises(UserError, match="TF_CONFIG: found " + message):
            runtime.configure()
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": {"worker": ["localhost:1"]}}))
    with pytest.raises(UserError, match="found the task {}, expected the type and index"):
        runtime.configure()
    monkeypatch.setenv(
        "TF_CONFIG", json.dumps({"cluster": {"worker": ["localhost:1"]}, "task": {"type": "worker", "index": 0}})
    )
    assert runtime.configure().replicas == 1


def test_no_tpu(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    monkeypatch.setenv("TPU_NAME", "")
    with pytest.raises(UserError, match="--strategy=tpu: found no TPU"):
        runtime.configure(strategy="tpu")


@pytest.fixture
def flags(monkeypatch):
    """No XLA settings of this user, and none left behind."""
    for name in ("TF_XLA_FLAGS", "XLA_FLAGS"):
        monkeypatch.setenv(name, "x")  # what is set in the test is undone after it
        monkeypatch.delenv(name)
    return lambda name: os.environ.get(name, "")


def test_programs_are_kept_in_the_cache_folder(flags, tmp_path):
    runtime.keep_compiled(tmp_path / "cache")
    (folder,) = (tmp_path / "cache").iterdir()
    assert flags("TF_XLA_FLAGS").startswith(f"--tf_xla_persistent_cache_directory={folder} ")
    assert "triton_gemm=false" in flags("XLA_FLAGS")
    before = flags("TF_XLA_FLAGS")
    runtime.keep_compiled(tmp_path / "cache")
    assert flags("TF_XLA_FLAGS") == before


def test_programs_of_another_processor_gpu_or_setting_have_a_folder_of_their_own(flags, monkeypatch, tmp_path):
    runtime.keep_compiled(tmp_path / "cache")
    monkeypatch.setattr(runtime, "_cpu_lines", lambda *names: ["another processor"])
    runtime.keep_compiled(tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2
    monkeypatch.setattr(runtime, "_gpu_lines", lambda: ["NVIDIA H100"])
    runtime.keep_compiled(tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 3
    monkeypatch.setenv("XLA_FLAGS", "--xla_gpu_autotune_level=2")
    runtime.keep_compiled(tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 4


def test_what_the_driver_says_of_gpus(tmp_path):
    for place, model in (("0000:01:00.0", "NVIDIA H100 80GB HBM3"), ("0000:02:00.0", "NVIDIA A100-SXM4-40GB")):
        folder = tmp_path / "gpus" / place
        folder.mkdir(parents=True)
        (folder / "information").write_text(f"Model: \t\t {model}\nIRQ:   \t\t 87\nGPU UUID: \t GPU-{place}\n")
    assert runtime._gpu_lines(tmp_path) == []  # a driver without a version is none
    (tmp_path / "version").write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06\nGCC version: 12\n")
    assert runtime._gpu_lines(tmp_path) == [
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06",
        "NVIDIA H100 80GB HBM3",
        "NVIDIA A100-SXM4-40GB",
    ]


def test_a_gpu_that_is_left_idle_is_told_of(monkeypatch, tmp_path):
    """By commands and in Python; not without a driver, where TensorFlow has the GPU, or where all are hidden."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    driver = tmp_path / "version"
    monkeypatch.setattr(runtime, "DRIVERS", (driver,))
    assert runtime.idle_gpu() == ""
    driver.touch()
    assert "-m pip install 'nsmc-bert[gpu]'" in runtime.idle_gpu()
    with pytest.warns(UserWarning, match="finds no GPU and computes on the CPU"):
        assert callable(nsmc_bert.load)
    lines = []
    monkeypatch.setattr(cli, "say", lines.append)
    cli.import_tensorflow()
    assert lines == [f"WARNING: {runtime.idle_gpu()}"]
    with monkeypatch.context() as hidden:
        for devices in ("", "-1", "0", "1,0", "GPU-8a7b"):
            hidden.setenv("CUDA_VISIBLE_DEVICES", devices)
            assert bool(runtime.idle_gpu()) == (devices not in ("", "-1")), devices
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["a GPU"])
    assert runtime.idle_gpu() == ""


def test_the_users_own_settings_of_xla_stand(flags, monkeypatch, tmp_path):
    monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_persistent_cache_directory=/elsewhere")
    monkeypatch.setenv("XLA_FLAGS", "--xla_gpu_cuda_data_dir=/elsewhere --xla_gpu_autotune_level=3")
    runtime.keep_compiled(tmp_path / "cache")
    assert flags("TF_XLA_FLAGS") == "--tf_xla_persistent_cache_directory=/elsewhere"
    theirs = "--xla_gpu_cuda_data_dir=/elsewhere --xla_gpu_autotune_level=3"
    assert flags("XLA_FLAGS") == f"{theirs} --xla_gpu_enable_triton_gemm=false"


@pytest.mark.parametrize("name", ["file", "with a space", "full", "unwritable"])
def test_where_programs_cannot_be_kept_they_are_not(flags, monkeypatch, tmp_path, name):
    """XLA would end the run with an error where it cannot write a program."""
    path = tmp_path / name
    if name == "file":
        path.write_text("x")
    if name == "full":
        monkeypatch.setattr(runtime.shutil, "disk_usage", lambda folder: mock.Mock(free=10**6))
    if name == "unwritable":
        monkeypatch.setattr(runtime.tempfile, "TemporaryFile", mock.Mock(side_effect=PermissionError))
    runtime.keep_compiled(path)
    assert "persistent_cache" not in flags("TF_XLA_FLAGS")


def test_float32_on_a_gpu_is_float32(monkeypatch):
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [mock.Mock()])
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", mock.Mock(side_effect=RuntimeError))
    try:
        tf.config.experimental.enable_tensor_float_32_execution(True)
        assert len(runtime.share_gpus()) == 1
        assert not tf.config.experimental.tensor_float_32_execution_enabled()
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)
