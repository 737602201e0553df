"""A plan on paper for 10^6 to 10^8 images: what each step reads, writes, holds and takes.

    python benchmarks/scale_plan.py [--images 1e6 1e7 1e8] [--gpus 1 8 64] [--losses 0.5]
        [--most-centres 1000] [--kmeans gpu|cores]

Prints the whole of every size, then its steps (docs/scale.md). A run's steps are replayed shard by
shard on workers with stragglers and lost nodes; work is counted in floating point operations and
bytes, and turned into seconds by RATES. Those of cores were measured, those of GPUs are assumed.
"""

import argparse
import heapq
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

DIM, NOUNS, CAPTIONS, TEXTS, CLUSTERS = 512, 52_536, 40_000, 8_000, 1_000
SHARD = 8_192  # images
FIT_ROWS = 262_144  # images that transport and k-means are fitted on
ROW = 2 * DIM  # bytes of a vector, float16
RATES = {  # a GPU's node has 16 cores
    "decode": 16 * 55.0,  # images/s of a node's cores, JPEGs of 500 pixels; assumed
    "encode": 2_000.0,  # images/s of a GPU, ViT-B/32 in float16; assumed
    "gpu": 25e12,  # operations/s of blocked products in float32; assumed, half of a card's roofline
    "core": 60e9,  # operations/s of a core in k-means: half of what a product reached here (120e9)
    "disk": 500e6,  # bytes/s that a node reads of shared storage; assumed
    "net": 1e9,  # bytes/s of a node's network; assumed
    "list": 171_749.0,  # files/s listed by one process; measured
    "headers": 2_500.0,  # headers/s of a core; measured
    "commit": 400_000.0,  # rows/s into the lake: a fifth of what was measured
}
SPREAD, STRAGGLERS, SLOW = 0.1, 0.01, 5.0  # of shards' times: log-normal, and a few far slower
RESTART = 120.0  # seconds until a lost node is replaced


class Step(NamedTuple):
    """A step: seconds a shard takes on a worker and pass, and what one machine does by itself.

    `read`, `written`, `held`: bytes an image; `sent`: bytes a worker sends in each pass.
    """

    name: str
    shard: float
    alone: float = 0.0
    passes: int = 1
    read: float = 0.0
    written: float = 0.0
    held: float = 0.0
    sent: float = 0.0


class Plan(NamedTuple):
    """What is planned: so many images and GPUs, and two settings that matter."""

    images: int
    gpus: int
    losses: float  # nodes an hour, of 100
    most_centres: int
    kmeans: str

    def product(self, columns: float, where: str = "gpu") -> float:
        """Seconds of a shard's products with so many vectors, or of reading it if that is more."""
        rate = RATES["gpu"] if where == "gpu" else 16 * RATES["core"]
        return max(2 * SHARD * columns * DIM / rate, SHARD * ROW / RATES["disk"])

    def steps(self) -> Iterator[Step]:
        """The steps of a run of `cae`, in their order."""
        n = self.images
        yield Step("list and hash", SHARD / RATES["headers"] / 16, n / RATES["list"], written=200)
        encode = SHARD / min(RATES["decode"], RATES["encode"])
        yield Step("embed images", encode, read=100_000, written=ROW)
        centres = max(min(n // 300, max(self.most_centres, 3 * CLUSTERS)), 1)
        part = min(n, max(100_000, 50 * centres)) / n  # on which they are fitted
        yield Step(
            "centres of images",
            part * self.product(centres, self.kmeans),
            passes=10,
            held=part * ROW,
            sent=4 * centres * DIM,
        )
        texts = 2 * centres * (NOUNS + CAPTIONS) * DIM / RATES["gpu"]
        yield Step("texts chosen", 0.0, texts)
        part = min(n, FIT_ROWS) / n
        for name, count in (("nouns", TEXTS), ("captions", TEXTS // 2)):
            shard, held = self.product(count), part * (ROW + 4 * 400)
            yield Step(f"transport to {name}", part * shard, passes=3, held=held, sent=8 * count)
            yield Step(f"its error, {name}", shard, read=ROW, sent=8 * count)
        yield Step("fuse", self.product(1.5 * TEXTS), read=ROW, written=ROW)
        shard = self.product(CLUSTERS, self.kmeans)
        sent = 4 * CLUSTERS * DIM
        yield Step("k-means", part * shard, passes=30, held=part * ROW, sent=sent)
        yield Step("its labels", shard, read=ROW)
        yield Step("names and metrics", self.product(CLUSTERS), 60.0, read=ROW)
        yield Step("commit", 0.0, n / RATES["commit"], written=60)

    def replayed(self) -> list[tuple[Step, float]]:
        """The steps with their seconds."""
        draw = np.random.default_rng(0)
        return [(step, replay(step, self, draw)) for step in self.steps()]


def replay(step: Step, plan: Plan, draw: np.random.Generator) -> float:
    """Seconds of a step: its passes, each until the last shard is done, again where one was lost.

    Shards go to whichever worker is idle.
    """
    shards = -(-plan.images // SHARD)
    total = step.alone
    for _ in range(step.passes if step.shard else 0):
        times = step.shard * np.exp(SPREAD * draw.standard_normal(shards))
        times *= np.where(draw.random(shards) < STRAGGLERS, SLOW, 1.0)
        lost = draw.random(shards) < plan.losses / 100 * times / 3600
        free = [0.0] * plan.gpus
        for seconds, is_lost in zip(times, lost, strict=True):
            start = heapq.heappop(free)
            heapq.heappush(free, start + seconds + (is_lost * (RESTART + seconds * draw.random())))
        total += max(free) + step.sent * np.log2(plan.gpus + 1) / RATES["net"]
    return float(total)


def amount(count: float) -> str:
    """Bytes for people."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            return f"{count:,.0f} {unit}"
        count /= 1000
    return ""


def clock(seconds: float) -> str:
    """Seconds for people."""
    if seconds < 120:
        return f"{seconds:,.0f} s"
    return f"{seconds / 60:,.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"


def show(plans: list[Plan]) -> None:
    """Print the whole of every plan, then its steps."""
    found = [(plan, plan.replayed()) for plan in plans]
    print("| images | GPUs | time | GPU hours | the dearest step |\n|---|---|---|---|---|")
    for plan, steps in found:
        whole = sum(seconds for _, seconds in steps)
        step, most = max(steps, key=lambda each: each[1])
        hours = f"{plan.gpus * whole / 3600:,.1f}"
        cells = (f"{plan.images:,}", str(plan.gpus), clock(whole), hours)
        print(f"| {' | '.join(cells)} | {step.name}, {most / whole:.0%} |")
    for plan, steps in found:
        print(f"\n**{plan.images:,} images, {plan.gpus} GPUs**\n")
        print("| step | time | read | written | held by a node |\n|---|---|---|---|---|")
        for step, seconds in steps:
            n = plan.images
            cells = (step.read * n, step.written * n, step.held * n / plan.gpus)
            shown = " | ".join(amount(cell) if cell else "" for cell in cells)
            print(f"| {step.name} | {clock(seconds)} | {shown} |")


def main() -> None:
    """Print a plan for every number of images and of GPUs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=float, nargs="+", default=[1e6, 1e7, 1e8])
    parser.add_argument("--gpus", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--losses", type=float, default=0.5, help="nodes an hour, of 100")
    parser.add_argument("--most-centres", type=int, default=1000, help="or three a cluster")
    parser.add_argument("--kmeans", choices=("cores", "gpu"), default="gpu")
    given = parser.parse_args()
    settings = given.losses, given.most_centres, given.kmeans
    show([Plan(int(n), gpus, *settings) for n in given.images for gpus in given.gpus])


if __name__ == "__main__":
    main()
