"""Time the tokenizers of module 10: `python benchmarks/tokenization.py [--merges 1000] [--plain]`.

The text is TinyShakespeare where `TINYTORCH_DATA` has it, otherwise the built-in almanac; or that
of `--text FILE`. Encoding is timed with an empty memory of words ("first time") and with a full
one. Everything is pure Python on one thread, so CPU time counts; the median of `--rounds` is shown,
and the least of them. tiktoken, which is written in
Rust, stands beside it with the same merges where it is installed. `--plain` also learns by the
plain definition, which takes a minute or more.
"""

import argparse
import platform
import resource
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tinytorch import kernels
from tinytorch.arch.tokenization import BPETokenizer, CharTokenizer
from tinytorch.datasets import Almanac, DatasetMissingError, TinyShakespeare

GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def the_text(path: Path | None) -> tuple[str, str]:
    """Return the name of the text, and the text."""
    if path is not None:
        return path.name, path.read_bytes().decode("utf-8")
    try:
        return "TinyShakespeare", TinyShakespeare(download=False).text
    except DatasetMissingError:
        return "the almanac", Almanac().text


def timed(action: Callable[[], Any], rounds: int) -> list[float]:
    """Return the CPU seconds of each of `rounds` runs."""
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        action()
        seconds.append(time.process_time() - start)
    return seconds


def show(name: str, seconds: list[float], size: int) -> None:
    middle = statistics.median(seconds)
    speed = f"{size / middle / 1e6:8.2f}"
    print(f"| {name:<36} | {middle:8.3f} | {min(seconds):8.3f} | {speed} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", type=Path)
    parser.add_argument("--merges", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--plain", action="store_true", help="the plain definition too")
    options = parser.parse_args()
    name, text = the_text(options.text)
    size, vocab_size = len(text.encode()), 256 + options.merges
    print(f"{name}, {size:,} bytes; {options.merges:,} merges; one thread, CPU time")
    print(f"Python {platform.python_version()}, {platform.processor() or platform.machine()}\n")
    print("|                                      | s, median |   least |     MB/s |")
    print("|---|---|---|---|")

    show("learn", timed(lambda: BPETokenizer().train(text, vocab_size), options.rounds), size)
    if options.plain:
        with kernels.use("plain"):
            seconds = timed(lambda: BPETokenizer().train(text, vocab_size), 1)
        show("learn, plain definition", seconds, size)
    tokenizer = BPETokenizer().train(text, vocab_size)

    def first_time() -> list[int]:
        return BPETokenizer(tokenizer.merges).encode(text)

    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    show("encode, first time", timed(first_time, options.rounds), size)
    show("encode, words known", timed(lambda: tokenizer.encode(text), options.rounds), size)
    show("decode", timed(lambda: tokenizer.decode(ids), options.rounds), size)
    characters = CharTokenizer(text)
    show("encode characters", timed(lambda: characters.encode(text), options.rounds), size)
    beside_others(text, tokenizer, ids, options.rounds, size)

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\n{len(ids):,} tokens, {size / len(ids):.2f} bytes each; peak memory {peak:.0f} MiB")


def beside_others(
    text: str, tokenizer: BPETokenizer, ids: list[int], rounds: int, size: int
) -> None:
    """The same by a library in Rust, where it is installed."""
    try:
        import tiktoken
    except ImportError:
        return
    ranks = {token: i for i, token in enumerate(tokenizer.vocab)}
    theirs = tiktoken.Encoding("ours", pat_str=GPT2, mergeable_ranks=ranks, special_tokens={})
    assert theirs.encode_ordinary(text) == ids
    name = f"encode, tiktoken {version('tiktoken')}"
    show(name, timed(lambda: theirs.encode_ordinary(text), rounds), size)
    show("decode, tiktoken", timed(lambda: theirs.decode(ids), rounds), size)


if __name__ == "__main__":
    main()
