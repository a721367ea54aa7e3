"""Precision, XLA and tf.distribute strategy, decided once from what the user asked for and the hardware found.

>>> runtime = configure(precision="auto", xla="auto", strategy="auto")  # doctest: +SKIP
>>> print(runtime.description)                                          # doctest: +SKIP
one device (CPU), mixed_bfloat16, XLA between the matrix products
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import platform
import re
import shutil
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from nsmc_bert.base import system
from nsmc_bert.base.errors import UserError, counted
from nsmc_bert.base.json_files import parse_json

if TYPE_CHECKING:
    import tensorflow as tf

POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")  # of Keras
PRECISIONS = ("auto", *POLICIES)
XLA = ("auto", "on", "off")
Result = TypeVar("Result")
STRATEGIES = ("auto", "one", "mirrored", "multiworker", "tpu")
# what NVIDIA's driver puts on Linux, and on Linux in Windows
DRIVERS = (Path("/proc/driver/nvidia/version"), Path("/usr/lib/wsl/lib/libcuda.so.1"))
LEAST_FREE = 100_000_000  # bytes on the disk that programs are kept on
_computing: int | None = None  # the id of the process in which there is a model


@dataclasses.dataclass(frozen=True)
class Runtime:
    """What the run computes on, and how.

    Attributes:
        strategy: the tf.distribute.Strategy under whose scope models are made.
        kind: CPU, GPU or TPU.
        precision: the Keras policy's name: float32, mixed_bfloat16 or mixed_float16.
        xla: whether the training step is compiled by XLA as a whole.
        fused: whether XLA compiles the pieces of the step between the matrix products.
        description: all of that in words, for the command's first lines.
    """

    strategy: tf.distribute.Strategy
    kind: str
    precision: str
    xla: bool
    fused: bool
    description: str

    @property
    def replicas(self) -> int:
        """How many devices share a batch."""
        return self.strategy.num_replicas_in_sync

    @property
    def chief(self) -> bool:
        """Whether this process writes the files: of several workers the chief or, where none is named, the first."""
        resolver = self.strategy.cluster_resolver
        if resolver is None or not resolver.task_type:
            return True
        jobs = resolver.cluster_spec().jobs
        return (resolver.task_type, resolver.task_id) == ("chief" if "chief" in jobs else "worker", 0)

    def meet(self) -> bool:
        """Waits until every worker has come here; says whether there are several."""
        if self.strategy.cluster_resolver is None or self.replicas == 1:
            return False
        import tensorflow as tf

        @tf.function(autograph=False)
        def total() -> Any:
            return self.strategy.reduce("SUM", self.strategy.run(lambda: tf.constant(1.0)), axis=None)

        total()
        return True

    def leave(self) -> None:
        """Waits until every worker has come here; the chief, to whom the others are connected, goes last.

        A worker whose chief is gone before it aborts.
        """
        if self.meet() and self.chief:
            time.sleep(2)

    def chief_first(self, work: Callable[[], Result]) -> Result:
        """Does work whose results are kept in files: the chief computes and writes them, the other workers then find
        them.
        """
        if self.chief:
            result = work()
            self.meet()
            return result
        self.meet()
        return work()


def configure(precision: str = "auto", xla: str = "auto", strategy: str = "auto") -> Runtime:
    """Chooses where and how to compute. To be called before any tensor is made.

    Args:
        precision: one of PRECISIONS. auto: mixed_bfloat16 on TPUs, on GPUs from compute capability 8.0 and on CPUs with
            bfloat16 instructions; mixed_float16 on GPUs from 7.0; otherwise float32.
        xla: one of XLA. on: the training step as a whole. auto: that for one GPU and for TPUs; for one CPU, where XLA's
            matrix products are slow, the pieces of the step between them; off elsewhere.
        strategy: one of STRATEGIES. auto: multiworker where TF_CONFIG names several workers, tpu where TPU_NAME is set,
            mirrored where there are several GPUs, otherwise one.

    Returns:
        A Runtime.

    Raises:
        UserError: a choice that this machine or TensorFlow cannot serve.
    """
    for name, value, allowed in (
        ("precision", precision, PRECISIONS),
        ("xla", xla, XLA),
        ("strategy", strategy, STRATEGIES),
    ):
        if value not in allowed:
            raise UserError(f"--{name}={value}: expected one of {', '.join(allowed)}")
    cluster = workers()
    if strategy == "auto":
        strategy = "multiworker" if len(cluster) > 1 else "tpu" if os.environ.get("TPU_NAME") else ""
    if strategy == "multiworker" and not cluster:
        raise UserError(
            "--strategy=multiworker: found no TF_CONFIG in the environment, expected the cluster's workers and this "
            'one\'s index: TF_CONFIG=\'{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": '
            '"worker", '
            '"index": 0}}\''
        )

    import tensorflow as tf

    gpus = share_gpus()
    if not strategy:
        strategy = "mirrored" if len(gpus) > 1 else "one"
    made = _make(tf, strategy, gpus)
    kind = "TPU" if strategy == "tpu" else "GPU" if gpus else "CPU"
    if precision == "auto":
        precision = _best_precision(tf, kind, gpus)
    shared = strategy in ("mirrored", "multiworker")
    compiled = xla == "on" or xla == "auto" and not shared and kind in ("TPU", "GPU")
    if compiled and shared:
        raise UserError(
            f"--xla=on: found --strategy={strategy}, under which TensorFlow cannot compile the step with XLA; "
            f"expected --xla=off or "
            "--strategy=one"
        )
    words = "one device" if made.num_replicas_in_sync == 1 else f"{strategy}, {made.num_replicas_in_sync} replicas"
    fused = xla == "auto" and kind == "CPU" and made.num_replicas_in_sync == 1
    xla_used = "XLA" if compiled else "XLA between the matrix products" if fused else "no XLA"
    return Runtime(made, kind, precision, compiled, fused, f"{words} ({kind}), {precision}, {xla_used}")


def share_gpus() -> list[tf.config.PhysicalDevice]:
    """Has TensorFlow take GPU memory as it is needed, so that processes can share a card, and compute in float32 where
    that is asked for, not in TF32, whose products have three digits; returns the GPUs.

    To be called before any tensor is made; after that it changes nothing of memory.
    """
    import tensorflow as tf

    gpus = tf.config.get_visible_devices("GPU")
    if gpus:
        tf.config.experimental.enable_tensor_float_32_execution(False)
    for gpu in gpus:
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except (RuntimeError, ValueError):  # the GPU is in use already: its owner has chosen
            break
    return gpus


def idle_gpu() -> str:
    """What is to be said where a GPU of NVIDIA's would be left idle, as TensorFlow finds none though their driver is
    there; "" elsewhere, and where CUDA_VISIBLE_DEVICES hides them all.
    """
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").lstrip()  # "" and -1, or what else is no GPU, are none
    if not re.match(r"\d|GPU-|MIG-", first) or not any(path.exists() for path in DRIVERS):
        return ""
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        return ""
    return (
        "NVIDIA's driver is here, but TensorFlow finds no GPU and computes on the CPU: "
        f"{system.install('nsmc-bert[gpu]')} brings CUDA's libraries; a container wants --gpus=all besides"
    )


def check_process() -> None:
    """Notes that this process computes; a process forked from one that does would wait for TensorFlow's threads, which
    fork leaves behind, without end.

    Raises:
        UserError: this is such a process.
    """
    global _computing
    _computing = _computing or os.getpid()
    if _computing != os.getpid():
        raise UserError(
            f"found process {os.getpid()} forked from one with a model, {_computing}, in which TensorFlow would not "
            "compute; expected one that starts anew, multiprocessing.get_context('spawn'), or models in workers alone"
        )


def accelerated() -> bool:
    """Whether there is a GPU or a TPU, on which other forms of a sum are fast than on a CPU."""
    import tensorflow as tf

    return any(tf.config.get_visible_devices(kind) for kind in ("GPU", "TPU"))


def is_memory_full(error: BaseException) -> bool:
    """Whether an error is TensorFlow's, which need not be there, for want of memory, of a GPU or of the machine. What
    has no room for a copy to a GPU, or at the start of a process on one, calls that an internal error.
    """
    kind = type(error).__name__
    wants = re.search(r"Dst tensor is not initialized|out[ _]of[ _]memory", str(error), re.IGNORECASE)
    return kind == "ResourceExhaustedError" or kind == "InternalError" and wants is not None


def keep_compiled(folder: Path) -> None:
    """Has XLA keep what it compiles in a folder, and take it from there the next time. To be called before TensorFlow
    is imported.

    A setting of the user's own, in TF_XLA_FLAGS or XLA_FLAGS, stands. Programs of another processor, GPU, driver,
    TensorFlow or setting have a folder of their own: TensorFlow's name of a program tells none of them, and a program
    that does not load ends a run. So does one that cannot be kept: where a disk is full or read only, none is.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    # without these, each shape's products are tried out one by one, more than a minute for a BERT; cuBLAS knows what to
    # take. An early version made some steps of training with them on an H100; what is here now has not been run on one
    for name, value in (("xla_gpu_enable_triton_gemm", "false"), ("xla_gpu_autotune_level", "0")):
        if name not in flags:
            flags = f"{flags} --{name}={value}".strip()
    os.environ["XLA_FLAGS"] = flags
    # nor cuDNN's convolutions, of which ELMo's have another shape in each batch
    os.environ.setdefault("TF_CUDNN_USE_AUTOTUNE", "0")
    what = "-".join(
        (platform.machine(), _version("tensorflow"), *_cpu_lines("model name", "flags"), *_gpu_lines(), flags)
    )
    folder = folder / f"xla-{zlib.crc32(what.encode()):08x}"
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            if shutil.disk_usage(folder).free < LEAST_FREE:
                return
        ours = f"--tf_xla_persistent_cache_directory={folder} --tf_xla_persistent_cache_device_types=CPU,GPU"
        theirs = os.environ.get("TF_XLA_FLAGS", "")
        if "persistent_cache" not in theirs and not re.search(r"\s", str(folder)):
            os.environ["TF_XLA_FLAGS"] = f"{theirs} {ours}".strip()


def processor() -> str:
    """The processor's name and cores, as far as the system tells."""
    name = (_cpu_lines("model name") or [platform.processor() or platform.machine()])[0]
    return f"{name}, {counted(os.cpu_count() or 1, 'core')}"


def versions() -> dict[str, str]:
    """The versions of the packages that decide a result."""
    return {name: _version(name) for name in ("tensorflow", "tf-keras", "transformers", "numpy")}


def _version(name: str) -> str:
    """The version that is installed, without importing it; "" where that cannot be told."""
    with contextlib.suppress(metadata.PackageNotFoundError):
        return metadata.version(name)
    # tensorflow-cpu and others bring the module by another name
    return getattr(sys.modules.get(name.replace("-", "_")), "__version__", "")


def _cpu_lines(*names: str) -> list[str]:
    """What Linux says of the first processor by these names."""
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text(errors="replace") if cpuinfo.exists() else ""
    return [match[1].strip() for match in (re.search(rf"^{name}\s*:(.*)$", text, re.M) for name in names) if match]


def _gpu_lines(proc: Path = Path("/proc/driver/nvidia")) -> list[str]:
    """What the NVIDIA driver says of itself and of its GPUs' models."""
    with contextlib.suppress(OSError):
        models = [path.read_text(errors="replace") for path in sorted(proc.glob("gpus/*/information"))]
        version = (proc / "version").read_text(errors="replace").split("\n")[0]
        return [version, *re.findall(r"^Model:\s*(.*)$", "\n".join(models), re.M)]
    return []


def workers() -> list[str]:
    """The workers that TF_CONFIG names, by their addresses.

    Raises:
        UserError: it is no cluster with a task of it.
    """
    text = os.environ.get("TF_CONFIG", "")
    if not text:
        return []
    shape = {"cluster?": {str: [str]}, "task?": {"type?": str, "index?": (int, str)}}
    config = parse_json(text, "TF_CONFIG", shape, "{'cluster': …, 'task': …}")
    cluster, task = config.get("cluster", {}), config.get("task", {})
    workers = [address for job in ("chief", "worker") for address in cluster.get(job, [])]
    index = str(task.get("index", ""))
    named = index.isdecimal() and int(index) < len(cluster.get(task.get("type"), []))
    if workers and not named:
        raise UserError(f"TF_CONFIG: found the task {task}, expected the type and index of one that its cluster lists")
    return workers


def _make(tf: ModuleType, strategy: str, gpus: Sequence[tf.config.PhysicalDevice]) -> tf.distribute.Strategy:
    if strategy == "one":
        return tf.distribute.get_strategy()
    if strategy == "mirrored":
        return tf.distribute.MirroredStrategy(
            None if gpus else [cpu.name for cpu in tf.config.list_logical_devices("CPU")]
        )
    if strategy == "multiworker":
        return tf.distribute.MultiWorkerMirroredStrategy()
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(os.environ.get("TPU_NAME", ""))
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)
    except Exception as error:  # each layer of the TPU client has exceptions of its own
        first = str(error).split("\n")[0][:200]
        raise UserError(f"--strategy=tpu: found no TPU ({first})") from None


def _best_precision(tf: ModuleType, kind: str, gpus: Sequence[tf.config.PhysicalDevice]) -> str:
    if kind == "TPU":
        return "mixed_bfloat16"
    if kind == "GPU":
        capability = min(
            tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0)) for gpu in gpus
        )
        return "mixed_bfloat16" if capability >= (8, 0) else "mixed_float16" if capability >= (7, 0) else "float32"
    flags = " ".join(_cpu_lines("flags"))
    return "mixed_bfloat16" if "avx512_bf16" in flags or "amx_bf16" in flags else "float32"
