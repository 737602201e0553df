r"""Training a head against the bare loop, and where the time of a CIFAR-10-sized training goes.

    python benchmarks/heads.py                        # 50,000 x 500, 20 epochs, batch 512
    python benchmarks/heads.py --images 10000 --epochs 5

The bare loop does TAC's forward, backward and Adam steps on batches that lie in memory ready: no
neighbours, no shards, no history. Both take turns; wall and CPU seconds are printed, since a
machine may have other work. Method quality is `sortal benchmark`.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from sortal.configs.heads import HeadConfig
from sortal.tasks.arrays import normalise
from sortal.tasks.heads.data import Data, Matrix, write_matrix
from sortal.tasks.heads.losses.common import consistency, distillation, entropy
from sortal.tasks.heads.methods.tac import Tac
from sortal.tasks.heads.trainer import optimiser_of, train


class Timer:
    """Wall and CPU seconds of parts, by name."""

    def __init__(self) -> None:
        self.parts: dict[str, tuple[float, float]] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Add the time of the block to `name`."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        before = self.parts.get(name, (0.0, 0.0))
        now = time.perf_counter() - wall, time.process_time() - cpu
        self.parts[name] = before[0] + now[0], before[1] + now[1]


def make_data(folder: Path, args: argparse.Namespace, device: str = "cpu") -> Data:
    """Images and counterparts of `clusters` kinds, with much noise."""
    rng = np.random.default_rng(0)
    kinds = normalise(rng.standard_normal((args.clusters, args.dim)).astype(np.float32))
    labels = rng.integers(args.clusters, size=args.images)
    modalities = {}
    for name in ("image", "noun"):
        noise = rng.standard_normal((args.images, args.dim)).astype(np.float32)
        rows = normalise(kinds[labels] + noise * (2 / args.dim**0.5))
        write_matrix(folder / f"{name}.npy", rows.shape, [rows])
        modalities[name] = Matrix(folder / f"{name}.npy", device)
    return Data(args.clusters, modalities, {}, folder, 0, device)


def bare_loop(data: Data, config: HeadConfig, steps: int) -> None:
    """Forward, backward and step on four batches in memory, `steps` times."""
    method = Tac(config)
    method.prepare(data)
    method.to(data.device).train()
    optimiser = optimiser_of(method, config.trainer)
    first = torch.arange(config.trainer.batch_size)
    x, t = data.modalities["image"].take(first), data.modalities["noun"].take(first)
    x_near, t_near = x.flip(0), t.flip(0)
    for _ in range(steps):
        p, q = method.text_head(t), method.image_head(x)
        loss = distillation(q, method.text_head(t_near), config.tac.temperature)
        loss = loss + distillation(p, method.image_head(x_near), config.tac.temperature)
        loss = loss + consistency(p, q) - 5 * (entropy(p) + entropy(q))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()


def main() -> None:
    """Time neighbours, training and the bare loop, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--dim", type=int, default=500)
    parser.add_argument("--clusters", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    trainer = {"epochs": 1, "batch_size": args.batch}
    config = HeadConfig(method="tac", trainer=trainer)
    timer = Timer()
    steps = args.images // args.batch
    with tempfile.TemporaryDirectory() as name:
        data = make_data(Path(name), args)
        with timer("neighbours in two spaces"):
            Tac(config).prepare(data)
        bare_loop(data, config, 1)  # the first optimiser of a process imports torch's compiler
        for _ in range(args.epochs):  # they take turns, so that both meet the same machine
            with timer(f"training, {args.epochs} epochs of {steps} steps"):
                train(Tac(config), data, config.trainer)
            (Path(name) / "checkpoint.safetensors").unlink()
            with timer("bare loop, as many steps"):
                bare_loop(data, config, steps)
    print("| part | s | CPU s |\n|---|---|---|")
    for part, (wall, cpu) in timer.parts.items():
        print(f"| {part} | {wall:.1f} | {cpu:.1f} |")
    (_, ours), (_, bare) = list(timer.parts.values())[1:]
    print(f"\nCPU, training / bare loop: {ours / bare:.3f}")


if __name__ == "__main__":
    main()
