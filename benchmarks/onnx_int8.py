"""What eight bits cost and bring in ONNX Runtime: accuracy on all test images, bytes, time.

    python onnx_int8.py lenet5 mnist
    python onnx_int8.py cifar_cnn@WEIGHTS.safetensors cifar-10

Scales come from the first 512 training images. Times are CPU times of one image in one thread; the
sessions take turns, 200 calls each: median and quartiles of 60 turns. "agree" counts the test
images that ONNX Runtime puts into the same class as TinyTorch's model of the same form.
"""

import argparse
import os
import statistics
import time
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy is imported

import numpy as np
import onnxruntime

from tinytorch.core.context import no_grad
from tinytorch.core.tensor import Tensor
from tinytorch.datasets import CIFAR10, MNIST, FashionMNIST
from tinytorch.opt.choosing_models import model_named
from tinytorch.opt.onnx import export
from tinytorch.opt.quantization import quantize

DATA: dict[str, Any] = {"mnist": MNIST, "fashion-mnist": FashionMNIST, "cifar-10": CIFAR10}
ROUNDS, CALLS, AT_ONCE = 60, 200, 250


def classes(answer: Any, data: Any) -> np.ndarray:
    """The most likely class of each image."""
    found = []
    for start in range(0, len(data), AT_ONCE):
        x, _ = data.get_batch(range(start, min(start + AT_ONCE, len(data))))
        found.append(np.asarray(answer(x)).argmax(1))
    return np.concatenate(found)


def session(proto: Any) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    made = onnxruntime.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda x: made.run(None, {"input": x})[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("model")
    parser.add_argument("data", choices=DATA)
    chosen = parser.parse_args()
    model, _ = model_named(chosen.model)
    train, test = DATA[chosen.data]("train"), DATA[chosen.data]("test")
    batches = [train.get_batch(range(s, s + 128))[0] for s in range(0, 512, 128)]
    small = quantize(model, batches)
    x = test.get_batch([0])[0]
    files = {
        "float": export(model, x),
        "int8, U8S8": export(small, x, activations="uint8"),
        "int8, S8S8": export(small, x, activations="int8"),
    }
    running = {name: session(proto) for name, proto in files.items()}
    times: dict[str, list[float]] = {name: [] for name in running}
    for _ in range(ROUNDS):
        for name, run in running.items():
            run(x)
            start = time.process_time()
            for _ in range(CALLS):
                run(x)
            times[name].append((time.process_time() - start) / CALLS)

    def asked(which: Any) -> Any:
        def answer(images: Any) -> Any:
            with no_grad():
                return which(Tensor(images)).data

        return answer

    ours = {"float": classes(asked(model), test), "int8": classes(asked(small), test)}
    print(f"{chosen.model}, {len(test):,} test images; onnxruntime {onnxruntime.__version__}")
    for name, predicted in ours.items():
        print(f"  TinyTorch {name:<10}  accuracy {100 * (predicted == test.labels).mean():.2f} %")
    for name, run in running.items():
        predicted = classes(run, test)
        same = (predicted == ours[name.partition(",")[0]]).sum()
        low, middle, high = statistics.quantiles(times[name], n=4)
        print(
            f"  onnx {name:<10}  accuracy {100 * (predicted == test.labels).mean():.2f} %, agree "
            f"{same:,}, {files[name].ByteSize():,} bytes "
            f"({files[name].ByteSize() / files['float'].ByteSize():.1%}), {1e6 * middle:.1f} us "
            f"({1e6 * low:.1f} to {1e6 * high:.1f})"
        )


if __name__ == "__main__":
    main()
