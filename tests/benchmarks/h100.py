"""What XLA makes of the steps for an H100 that need not be there: python -m tests.benchmarks.h100 FOLDER [PROGRAM …]

FOLDER has XLA's compiler for NVIDIA's GPUs and NVIDIA's assembler, which no GPU is needed to run:

    pip install --target FOLDER jax==0.9.0 jaxlib==0.9.0 jax-cuda12-plugin==0.9.0 jax-cuda12-pjrt==0.9.0 \\
      'nvidia-cuda-nvcc-cu12<12.10'

0.9.0 is the one whose XLA knows the flags that TensorFlow 2.21's knows, but for two. The steps are traced as they are
where there is a GPU, in bfloat16 unless they say otherwise, and compiled with the flags that the commands set there. Of
each program are printed the seconds that it takes to compile here; the memory of weights, optimizer and batch, and of
what lies between; how many kernels a step starts; and the milliseconds that an H100 would take at its best, each kernel
either to read and write what it reads and writes, at 3.35 TB/s, or to multiply, at 989 TFLOP/s in bfloat16 and 67 in
float32, whichever is longer. Nothing of it was measured on one.
"""

import functools
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

H100 = """
gpu_device_info {
  threads_per_block_limit: 1024 threads_per_warp: 32 shared_memory_per_block: 49152 shared_memory_per_core: 233472
  threads_per_core_limit: 2048 core_count: 132 fpus_per_core: 128
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  memory_bandwidth: 3352320000000 l2_cache_size: 52428800 clock_rate_ghz: 1.98 device_memory_size: 84929347584
  shared_memory_per_block_optin: 232448 cuda_compute_capability { major: 9 }
  registers_per_core_limit: 65536 registers_per_block_limit: 65536
}
runtime_version { major: 12 minor: 8 patch: 0 }
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 7 }
device_description_str: "NVIDIA H100 80GB HBM3"
"""
BYTES_A_SECOND, PRODUCTS = 3.35e12, {"f32": 67e12, "": 989e12}
SIZES = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s16": 2, "u16": 2, "f32": 4, "s32": 4, "u32": 4, "f64": 8}
SIZES |= {"s64": 8, "u64": 8}
SHAPE = re.compile(r"\b(" + "|".join(SIZES) + r")\[([\d,]*)\]")
PROGRAMS = {  # layers, width, heads, places of a batch, the family and the number format where they are others
    "train 4x256": ("train", 4, 256, 4, 16384),
    "validate 4x256": ("validate", 4, 256, 4, 16384),
    "pretrain 4x256": ("pretrain", 4, 256, 4, 32768),
    "pretrain 8x512": ("pretrain", 8, 512, 8, 32768),
    "train 12x768": ("train", 12, 768, 12, 16384),
    "train 24x1024": ("train", 24, 1024, 16, 4096),
    "train 4x256 in float16": ("train", 4, 256, 4, 16384, "bert", "mixed_float16"),
    "train ELECTRA-small": ("train", 12, 256, 4, 16384, "electra"),
    "train ALBERT-base": ("train", 12, 768, 12, 16384, "albert"),
    "replaced ELECTRA 4x256": ("replaced", 4, 256, 4, 32768, "electra"),
    "probe lex, cat, mix of 12x768": ("probe", "lex", "cat", "mix"),
    "probe every depth of 12x768": ("probe", "lex", "cat", *(f"mix_{depth}" for depth in range(13))),
}


def main(folder, *names):
    from nsmc_bert.base import runtime

    runtime.accelerated = lambda: True  # before others take it
    print(
        "%-30s %12s %9s %12s %8s %12s" % ("program", "compiled, s", "held, GB", "between, GB", "kernels", "at best, ms")
    )
    for name in names or PROGRAMS:
        kind, *shape = PROGRAMS[name]
        step, arguments = _probe(shape) if kind == "probe" else _step(kind, *shape)
        with tempfile.TemporaryDirectory() as work:
            hlo = Path(work) / "hlo"
            hlo.write_bytes(step.experimental_get_compiler_ir(*arguments)(stage="hlo_serialized"))
            tools = next(Path(folder).glob("nvidia/*/bin/ptxas")).parent
            environment = {
                **os.environ,
                "PYTHONPATH": folder,
                "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
                "JAX_SKIP_CUDA_CONSTRAINTS_CHECK": "1",
                "XLA_FLAGS": f"{_flags()} --xla_gpu_cuda_data_dir={tools.parent}",
            }
            command = [sys.executable, __file__, "compile", str(hlo)]
            result = subprocess.run(command, env=environment, capture_output=True, text=True)
        if result.returncode:
            sys.exit(f"{name}: failed\n{result.stderr[-2000:]}")
        figures = json.loads(result.stdout)
        print(
            f"{name:30} {figures['seconds']:12.1f} {figures['held'] / 1e9:9.2f} {figures['between'] / 1e9:12.2f} "
            f"{figures['kernels']:8} {1000 * figures['at_work']:12.2f}",
            flush=True,
        )


def _flags():
    """What the commands set for XLA, without a user's own."""
    program = "from nsmc_bert.base import runtime; from pathlib import Path; import os, tempfile; "
    program += "runtime.keep_compiled(Path(tempfile.mkdtemp())); print(os.environ['XLA_FLAGS'])"
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()


def _step(kind, layers, width, heads, places, family="bert", precision="mixed_bfloat16"):
    """A step of a classifier or of pretraining, and a batch of the sample's reviews."""
    import numpy as np
    import tensorflow as tf

    from nsmc_bert.data import reviews
    from nsmc_bert.learning import loop
    from nsmc_bert.model import checkpoints, packing, tokenizers
    from nsmc_bert.model.classifier import SentimentClassifier
    from nsmc_bert.model.masked_lm import MaskedLanguageModel
    from nsmc_bert.model.replaced import ReplacedTokenDetector
    from tests.benchmarks import workers

    tokenizer = tokenizers.bundled()
    encoded = tokenizer.encode([*reviews.sample()[0].texts] * (1 + places // 2048), 128)
    plan = packing.plan(encoded.lengths, places, seed=0)
    labels = np.zeros(len(encoded), np.int32)
    batch = next(iter(packing.dataset(encoded, plan, pad_id=tokenizer.pad_id, labels=labels)))
    config = workers._config(layers, width, heads, family)
    learns = {"pretrain": MaskedLanguageModel, "replaced": ReplacedTokenDetector}.get(kind, SentimentClassifier)
    if learns is not SentimentClassifier:
        config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0  # as `pretrain` has it
    model = learns(checkpoints.build(config, 0), tokenizer, precision=precision)
    loop.compile_model(model, loop.Settings(), probabilities=False, jit=True)
    step = model.test_step if kind == "validate" else model.train_step
    return tf.function(step, jit_compile=True, autograph=False), (batch,)


def _probe(representations, rows=3328, targets=2560, labels=49, layers=13, width=768):
    """A step of probes of parts of speech over BERT-base, of 128 sentences of UD English EWT."""
    import tensorflow as tf

    from probing.encoders import transformer_representation
    from probing.learning import fit
    from probing.learning.on_device import OnDevice, Places
    from probing.learning.schedule import ProbeKey, Schedule

    encoder = SimpleNamespace(widths=[width] * layers)
    encoder.representation = functools.partial(transformer_representation, layers=layers)
    states = {layer: tf.Variable(tf.zeros([rows, width], tf.float16)) for layer in range(layers)}
    on_device = OnDevice(Places({}, rows), states, encoder.widths)
    keys = [ProbeKey(name, 1) for name in representations]
    task, precision = SimpleNamespace(spans=1), "mixed_bfloat16"
    probes = fit.Probes(keys, task, encoder, labels, Schedule(), precision, True, on_device)
    batch = {name: tf.zeros([rows], tf.int32) for name in ("positions", "rows1", "segments1")}
    batch |= {"gold": tf.zeros([targets + 1, labels], tf.uint8), "weights": tf.ones([targets + 1])}
    step = tf.function(functools.partial(probes._step, tuple(keys)), jit_compile=True, autograph=False)
    return step, (batch, tf.zeros([len(keys)]), tf.constant(0, tf.int64))


# === In a process of its own, which has jax and not TensorFlow ===


def compile_one(path):
    """Compiles a serialized HLO module for an H100; prints what comes of it as JSON."""
    import numpy as np
    from jax._src import compiler
    from jax._src.interpreters import mlir
    from jax._src.lib import _jax, xla_client
    from jax.experimental import topologies
    from jaxlib.mlir import ir

    device = topologies.get_topology_desc(platform="cuda", target_config=H100, topology="1x1x1").devices[0]
    module = _jax.mlir.xla_computation_to_mlir_module(xla_client.XlaComputation(Path(path).read_bytes()))
    options = compiler.get_compile_options(1, 1, np.array([[device.id]]))
    with mlir.make_ir_context():
        text = str(ir.Module.parse(module))
        # TensorFlow's copies of results, which jax's dialect does not have
        copied = r'"?mhlo\.copy"?\s*\(?(%[\w#:]+)\)?(?: <?\{[^}]*\}>?)* : (?:\(tensor<[^>]*>\) -> )?(tensor<[^>]*>)'
        text = re.sub(copied, r"stablehlo.reshape \1 : (\2) -> \2", text)
        began = time.perf_counter()
        program = device.client.compile(ir.Module.parse(text), _jax.DeviceList((device,)), options)
        seconds = time.perf_counter() - began
    memory = program.get_compiled_memory_stats()
    kernels, at_work = work_of(program.hlo_modules()[0].to_string())
    figures = {"seconds": seconds, "kernels": kernels, "at_work": at_work}
    figures |= {"held": memory.argument_size_in_bytes, "between": memory.temp_size_in_bytes}
    print(json.dumps(figures))


def work_of(text):
    """(kernels, seconds of reading, writing and multiplying) of a compiled module's entry, in XLA's notation."""
    instruction = re.compile(r"\s+(?:ROOT )?%([\w.\-]+) = (\(.*?\)|\S+) ([\w\-]+)\((.*)$")
    lines = text[text.index("\nENTRY") :].split("\n")[2:]
    instructions = [match.groups() for match in map(instruction.match, lines) if match]
    shapes, kernels, seconds = {name: shape for name, shape, _, _ in instructions}, 0, 0.0
    for _, shape, operation, rest in instructions:
        if operation in ("parameter", "constant", "tuple", "get-tuple-element", "bitcast"):
            continue
        operands = [shapes.get(name, "") for name in re.findall(r"%([\w.\-]+)", rest.split("), ")[0])]
        product = "gemm" in rest or "matmul" in rest
        if product:
            shape = shape.split(", s8[")[0]  # without its scratch space
        moved = sum(_size(each) for each in (shape, *operands)) / BYTES_A_SECOND
        multiplied = _multiplications(shape, operands, rest) if product else 0.0
        kernels, seconds = kernels + 1, seconds + max(moved, multiplied)
    return kernels, seconds


def _multiplications(shape, operands, rest):
    """Seconds of a matrix product."""
    contracted = int(re.search(r'lhs_contracting_dimensions":\["(\d+)"', rest)[1])
    kind, left = SHAPE.search(operands[0]).groups()
    out = _count(SHAPE.search(shape)[2])
    return 2 * out * int(left.split(",")[contracted]) / PRODUCTS.get(kind, PRODUCTS[""])


def _size(shape):
    """Bytes of a shape, or of a tuple of them."""
    return sum(SIZES[kind] * _count(dimensions) for kind, dimensions in SHAPE.findall(shape))


def _count(dimensions):
    return functools.reduce(lambda a, b: a * b, (int(each) for each in dimensions.split(",") if each), 1)


if __name__ == "__main__":
    compile_one(sys.argv[2]) if sys.argv[1] == "compile" else main(*sys.argv[1:])
