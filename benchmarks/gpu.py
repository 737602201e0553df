"""What a run does with a GPU: images a second, products a second, training, against its bounds.

    python benchmarks/gpu.py                                        # under four minutes on a card
    python benchmarks/gpu.py --device cpu --images 64 --rows 20000 --texts 500     # a trial of it

Embedding (ViT-B/32 of random weights, JPEGs of 500 pixels) against the bare forward pass of a batch
that lies on the device, by each kind of numbers and compiled, and against decoding alone; a trained
head against its bare loop; k-means against the cores; an exact pass of transport against the
device's products of matrices, of rounded numbers and compiled, and the solution against GeomLoss
and OTT-JAX where they are installed. Prints Markdown for docs/performance.md; what is not done when
the time is up (--limit) says so.
"""

import argparse
import importlib.util
import io
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import heads
import numpy as np
import open_clip
import torch
from PIL import Image
from timed import Bench
from transport import synthetic

from sortal.configs.encoder import EncoderConfig
from sortal.configs.executor import Forward, Products
from sortal.configs.heads import HeadConfig
from sortal.configs.schema import ImagesConfig, TransportConfig
from sortal.storage.rows import ArrayRows
from sortal.storage.workspace import Workspace
from sortal.tasks.clustering.lloyd import Lloyd, LloydOnDevice
from sortal.tasks.devices.arithmetic import EXACT, Arithmetic
from sortal.tasks.devices.rows import RowsOnDevice
from sortal.tasks.devices.running import Running
from sortal.tasks.embedding.batches import Batches, bounds_of, read_batches
from sortal.tasks.embedding.readable import readable_images
from sortal.tasks.embedding.step import embed_images
from sortal.tasks.encoders.registry import describe, open_encoder
from sortal.tasks.heads.methods.tac import Tac
from sortal.tasks.heads.trainer import train
from sortal.tasks.scan.step import scan
from sortal.tasks.sources.registry import open_source
from sortal.tasks.threads import ThreadPool
from sortal.tasks.transport.exact_pass import Problem, block_rows, column_sums
from sortal.tasks.transport.solve import solve

MODEL = "ViT-B-32"
SIZE = (500, 375)  # pixels of a JPEG
DISTINCT = 64  # pictures; the others are the same with other bytes at their ends
SOLVED = 50_000, 4_000  # images and texts of the solution that others make as well, at the most
FITTED = 262_144, 62  # rows and clusters of k-means, at the most
ROUNDS = 5  # iterations of it
PRODUCTS: tuple[Products, ...] = "float32", "tf32", "bfloat16"
NUMBERS: tuple[Forward, ...] = "float32", "float16", "bfloat16"


def write_model(folder: Path) -> str:
    """A folder with ViT-B/32 of random weights; its spec."""
    folder.mkdir()
    torch.manual_seed(0)
    torch.save(open_clip.create_model(MODEL).state_dict(), folder / "model.pth")
    stated = {"model_cfg": open_clip.get_model_config(MODEL), "preprocess_cfg": {}}
    (folder / "open_clip_config.json").write_text(json.dumps(stated))
    return f"open_clip:local-dir:{folder}"


def write_images(folder: Path, count: int) -> None:
    """JPEGs of smooth noise."""
    folder.mkdir()
    draw, pictures = np.random.default_rng(0), []
    for _ in range(DISTINCT):
        coarse = draw.integers(0, 256, (24, 32, 3)).astype(np.uint8)
        stream = io.BytesIO()
        Image.fromarray(coarse).resize(SIZE, Image.Resampling.BICUBIC).save(stream, "JPEG")
        pictures.append(stream.getvalue())
    for number in range(count):
        ending = number.to_bytes(8, "big")
        (folder / f"{number:07}.jpg").write_bytes(pictures[number % DISTINCT] + ending)


def embedding(
    bench: Bench, place: Path, args: argparse.Namespace
) -> tuple[EncoderConfig, torch.Tensor, float]:
    """Images a second: of the step, of the bare forward pass, and of decoding alone."""
    write_images(place / "images", args.images)
    config = EncoderConfig(
        spec=write_model(place / "model"),
        device=bench.device,
        batch_size=args.batch,
        num_workers=args.decoders,
    )
    workspace, reading = Workspace(place / "w").create(), ImagesConfig()
    scanned = scan(workspace, source=str(place / "images"), config=reading)
    encoder = open_encoder(config)
    batch = torch.rand(min(args.batch, args.images), 3, 224, 224).to(bench.device)
    bare = len(batch) / bench.seconds(lambda: encoder.encode_images(batch))
    bench.line(f"{MODEL}, bare forward pass, batch {args.batch}", f"{bare:,.0f} images/s")
    table = readable_images(scanned.file(workspace, "images.parquet"))
    bounds = bounds_of(len(table), config.shard_size, config.batch_size)
    source = open_source(str(place / "images"), workspace.root, reading)
    dataset = Batches(source, table, bounds, reading, encoder.transform)
    start = time.perf_counter()
    for _ in read_batches(dataset, len(table), config.num_workers):
        pass
    decoded = len(table) / (time.perf_counter() - start)
    start = time.perf_counter()
    embed_images(
        workspace,
        scan=scanned,
        source=str(place / "images"),
        images=reading,
        encoder=config,
        encoder_fingerprint=describe(config.spec).fingerprint,
    )
    step = len(table) / (time.perf_counter() - start)
    bench.line(f"decoding alone, {args.decoders} processes", f"{decoded:,.0f} images/s")
    ratio = f"{step / min(bare, decoded):.2f} of the slower of both"
    bench.line("the step, its start included", f"{step:,.0f} images/s", ratio)
    return config, batch, bare


def forwards(bench: Bench, config: EncoderConfig, batch: torch.Tensor, usual: float) -> None:
    """The bare forward pass of each kind of numbers, and compiled: images a second, and cosines."""
    ways = [Running(bench.device, each) for each in NUMBERS]
    exact: np.ndarray | None = None
    for way in (*ways, Running(bench.device, "float16", compiled=True)):
        name = f"the same of {way.precision}{', compiled' if way.compiled else ''}"
        if not bench.has_time(name):
            continue
        encoder = open_encoder(config)
        encoder.running = way  # type: ignore[attr-defined]
        encoder.model.visual = way.ready(encoder.model.visual)  # type: ignore[attr-defined]
        start = time.perf_counter()
        found = encoder.encode_images(batch)
        first = time.perf_counter() - start
        exact = found if exact is None else exact
        rate = len(batch) / bench.seconds(lambda at=encoder: at.encode_images(batch))
        least = float((exact * found).sum(axis=1).min())
        said = f"{rate / usual:.2f} x; first batch {first:.1f} s; cosine {least:.5f}"
        bench.line(name, f"{rate:,.0f} images/s", said)


def products(bench: Bench, side: int) -> dict[Products, float]:
    """Operations a second of a product of matrices, by what is multiplied: the roofline."""
    rates: dict[Products, float] = {}
    a, bias = torch.randn(side, side, device=bench.device), torch.zeros(side, device=bench.device)
    for each in PRODUCTS:
        way = Arithmetic(each)
        spent = bench.seconds(lambda way=way: way.added(bias, a, a, 1.0))
        rates[each] = 2 * side**3 / spent
        bench.line(f"product of {side} x {side}, {each}", f"{rates[each] / 1e12:.2f} TFLOP/s")
    return rates


def passes(bench: Bench, x: np.ndarray, y: np.ndarray, peak: dict[Products, float]) -> None:
    """An exact pass over rows in memory, by its arithmetic, against the product of matrices."""
    texts = torch.from_numpy(y).to(bench.device)
    masses = torch.full((len(y),), 1 / len(y), dtype=torch.float64, device=bench.device)
    exact = None
    for way in [Arithmetic(each, made) for made in (False, True) for each in PRODUCTS]:
        made = ", compiled" if way.compiled else ""
        name = f"transport, a pass of {len(x):,} x {len(y):,}, {way.precision}{made}"
        if not bench.has_time(name):
            continue
        with ThreadPool(bench.device) as threads:
            problem = Problem(
                masses=masses,
                balance=1.0,
                rows=ArrayRows(x),
                texts=texts,
                epsilon=0.1,
                block_size=block_rows(len(y), bench.device),
                threads=threads,
                arithmetic=way,
            )
            spent = bench.seconds(lambda at=problem: column_sums(at, torch.zeros_like(masses)), 2)
            sums = column_sums(problem, torch.zeros_like(masses)).values
        exact = sums if exact is None else exact
        error = float((sums - exact).abs().sum())
        part = 2 * x.size * len(y) / spent / peak[way.precision]
        bench.line(name, f"{spent:.2f} s", f"{part:.2f} of the product; sums differ by {error:.0e}")


def transports(bench: Bench, args: argparse.Namespace, peak: dict[Products, float]) -> None:
    """Exact passes, and a solution by several."""
    x, y = synthetic(args.rows, args.texts)
    passes(bench, x, y, peak)
    x, y = x[: SOLVED[0]], y[: SOLVED[1]]
    config = TransportConfig(epsilon=0.05, balance=1.0, max_iter=5000)
    ours = bench.seconds(lambda: solve(x, y, config, device=bench.device), 1)
    bench.line(f"transport, solved, {len(x):,} x {len(y):,}", f"{ours:.2f} s")
    for name, module, other in (("GeomLoss", "geomloss", geomloss), ("OTT-JAX", "ott", ott)):
        if importlib.util.find_spec(module) is None:
            bench.line(f"{name}, the same", "not installed")
        elif bench.has_time(f"{name}, the same"):
            theirs = bench.seconds(lambda run=other: run(x, y, config, bench.device), 1)
            bench.line(f"{name}, the same", f"{theirs:.2f} s", f"{theirs / ours:.1f} x ours")


def clusterings(bench: Bench, args: argparse.Namespace) -> None:
    """Iterations of k-means from the same centres, on the cores and on the device."""
    x, _ = synthetic(min(args.rows, FITTED[0]), FITTED[1])
    start = x[:: len(x) // FITTED[1]][: FITTED[1]].copy()

    def run(make: Callable[[], Lloyd]) -> tuple[float, float]:
        began = time.perf_counter()
        fit = make()
        fit.run(ROUNDS, 0.0)
        return time.perf_counter() - began, fit.inertia

    what = f"k-means, {len(x):,} x {FITTED[1]}, {ROUNDS} iterations"
    cores, inertia = run(lambda: Lloyd(x, start, spherical=True))
    bench.line(f"{what}, faiss on the cores", f"{cores:.2f} s")
    run(lambda: LloydOnDevice(RowsOnDevice(x[:1000], bench.device, EXACT), start, spherical=True))
    for each in PRODUCTS:
        way = Arithmetic(each)
        spent, found = run(
            lambda way=way: LloydOnDevice(RowsOnDevice(x, bench.device, way), start, spherical=True)
        )
        said = f"{cores / spent:.1f} x the cores; inertia {found / inertia - 1:+.0e}"
        bench.line(f"{what}, {each}, its copy included", f"{spent:.2f} s", said)


def geomloss(x: np.ndarray, y: np.ndarray, config: TransportConfig, device: str) -> None:
    """200 iterations, since it has no stop on the marginals; by KeOps where it is installed."""
    from geomloss import ot

    a, b = torch.from_numpy(x).to(device), torch.from_numpy(y).to(device)
    if importlib.util.find_spec("pykeops") is None:
        ot.solve(1.0 - a @ b.T, reg=config.epsilon, max_iter=200)
    else:  # |x - y|^2 = 2 (1 - cos), never a whole matrix
        ot.solve_sample(a, b, reg=2 * config.epsilon, max_iter=200)


def ott(x: np.ndarray, y: np.ndarray, config: TransportConfig, _: str) -> None:
    """On the device that JAX takes."""
    from transport import ott_jax

    ott_jax(x, y, config.epsilon, config.tol).ot_prob.a.block_until_ready()


def training(bench: Bench, place: Path, args: argparse.Namespace) -> None:
    """An epoch of TAC's head against its bare loop, as benchmarks/heads.py has them."""
    sizes = argparse.Namespace(images=args.images, dim=512, clusters=10)
    data = heads.make_data(place, sizes, bench.device)
    batch = min(512, args.images)
    config = HeadConfig(method="tac", trainer={"epochs": 1, "batch_size": batch})

    def ours() -> None:
        train(Tac(config), data, config.trainer)
        (place / "checkpoint.safetensors").unlink()

    steps = max(args.images // batch, 1)
    own = bench.seconds(ours, 1)
    bare = bench.seconds(lambda: heads.bare_loop(data, config, steps), 1)
    what = f"TAC's head, an epoch of {steps} steps"
    bench.line(what, f"{own:.2f} s", f"{own / bare:.2f} x the bare loop, neighbours included")


def main() -> None:
    """Run all of it and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--decoders", type=int, default=12)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--texts", type=int, default=2_500)
    parser.add_argument("--limit", type=float, default=200, help="seconds after which none begins")
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.exit(2, "a GPU must be at hand, torch sees none; --device cpu is a trial\n")
    bench = Bench(args.device, args.limit)
    name = torch.cuda.get_device_name(0) if args.device == "cuda" else "the cores"
    print(f"{name}, torch {torch.__version__}\n\n| what | figure | ratio |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        peak = products(bench, 8192 if args.device == "cuda" else 1024)
        made = embedding(bench, Path(folder), args)
        training(bench, Path(folder), args)
        clusterings(bench, args)
        transports(bench, args, peak)
        forwards(bench, *made)


if __name__ == "__main__":
    main()
