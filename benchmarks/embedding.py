"""Embedding on a CPU: a step's images a second against the bare network's, in turns.

The bare network is given pixels that are in memory, in batches of several sizes and of the size the
encoder has on a CPU, by as many threads as the step has. CPU seconds count where others use the
machine. `python benchmarks/embedding.py ../shared/datasets/flickr8k_1000.tar --images 256`, or with
`--encoder open_clip:ViT-B-32/FILE`.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from sortal.configs.encoder import EncoderConfig
from sortal.configs.schema import ImagesConfig
from sortal.storage.workspace import Workspace
from sortal.tasks.embedding.batches import Batches, bounds_of
from sortal.tasks.embedding.on_cpu import encode_on_cpu
from sortal.tasks.embedding.readable import readable_images
from sortal.tasks.encoders.base import Encoder
from sortal.tasks.encoders.registry import open_encoder
from sortal.tasks.scan.step import scan
from sortal.tasks.sources.registry import open_source
from sortal.tasks.threads import ThreadPool


def batches_of(source: str, n: int, encoder: Encoder, config: EncoderConfig) -> Batches:
    """The first `n` images of a source, as the step has them."""
    reading = ImagesConfig()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder)).create()
        found = scan(workspace, source=source, config=reading)
        table: pa.Table = readable_images(found.file(workspace, "images.parquet")).slice(0, n)
    bounds = bounds_of(table.num_rows, config.shard_size, config.batch_size)
    return Batches(open_source(source), table, bounds, reading, encoder.transform)


def pipeline(batches: Batches, encoder: Encoder) -> None:
    """Read, decode and encode, as the step does."""
    for parts in encode_on_cpu(batches, encoder):
        for _ in parts:
            pass


def bare(pixels: torch.Tensor, encoder: Encoder, size: int) -> None:
    """Encode pixels that are there, `size` of them at a time."""
    with ThreadPool() as threads:
        for _ in threads.map(encoder.encode_images, pixels.split(size)):
            pass


def rows(encoder: Encoder, batches: Batches, rounds: int) -> Iterator[str]:
    """A Markdown row each for the step and the bare network by batch size."""
    whole = [batches[number].pixels for number in range(len(batches))]
    pixels = torch.from_numpy(np.concatenate([part for part in whole if part is not None]))
    tasks: dict[str, Callable[[], None]] = {"the step": lambda: pipeline(batches, encoder)}
    for size in sorted({1, 2, 4, 8, 16, 64, encoder.cpu_batch}):
        tasks[f"bare, {size}"] = lambda size=size: bare(pixels, encoder, size)
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            wall, cpu = time.perf_counter(), time.process_time()
            task()
            figures[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    step, own = figures["the step"], figures[f"bare, {encoder.cpu_batch}"]
    for name, found in figures.items():
        wall, cpu = (statistics.median(each) / len(pixels) for each in zip(*found, strict=True))
        yield f"| {name} | {1 / wall:.1f} | {cpu * 1000:.1f} |"
    for place, what in enumerate(("images/s", "CPU seconds")):
        shares = [pair[1][place] / pair[0][place] for pair in zip(step, own, strict=True)]
        yield f"\nThe step reaches {statistics.median(shares):.0%} of the bare network by {what}.\n"


def main() -> None:
    """Parse, embed, print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source")
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--encoder", default="conse")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    config = EncoderConfig(spec=arguments.encoder, device="cpu")
    encoder = open_encoder(config)
    batches = batches_of(arguments.source, arguments.images, encoder, config)
    print("| what | images/s | CPU ms an image |\n|---|---|---|")
    for line in rows(encoder, batches, arguments.rounds):
        print(line, flush=True)


if __name__ == "__main__":
    main()
