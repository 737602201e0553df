"""Feeds broken files to the real scan and embedding, and counts what goes wrong.

    python benchmarks/fuzz.py [--count 10000] [--seed 0] [--batch 250] [--keep FOLDER]

Every format and container that is read is drawn here, then mutated: bits flipped, bytes cut,
spliced, repeated, zeroed, header fields replaced by lies, another name. `hostile` adds what no
mutation finds: pixel bombs, archives that swell, nest, lie about themselves or lead elsewhere. A
batch is a folder that a process of its own scans, decodes and transforms for the packaged encoder,
with a limit on its memory; every tenth batch is embedded too. A dead process is a crash; a file
that takes longer than 10 s is a hang; each file that was written must be a row, or the container
of rows, or counted as left out.
"""

import argparse
import json
import multiprocessing
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parent))
from hostile import hostile
from seeds import CONTAINERS, seeds

from sortal.configs.schema import ImagesConfig

HANG = 10.0  # seconds for a file
MEMORY = 3 << 30  # bytes of address space that a batch may add to what the libraries take
PIXELS = 20_000_000  # images.max_pixels of the batches
_LIES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def mutated(data: bytes, other: bytes, noise: np.random.Generator) -> bytes:
    """`data` with one to four things wrong; `other` is what is spliced into it."""
    found = bytearray(data)
    for _ in range(noise.integers(1, 5)):
        if found:
            _MUTATIONS[noise.integers(len(_MUTATIONS))](found, other, noise)
    return bytes(found[: 4 * len(data) + 65_536])


def _flip(data: bytearray, _: bytes, noise: np.random.Generator) -> None:
    for place in noise.integers(0, len(data), noise.integers(1, 65)):
        data[place] ^= 1 << int(noise.integers(8))


def _flip_head(data: bytearray, _: bytes, noise: np.random.Generator) -> None:
    for place in noise.integers(0, min(len(data), 256), noise.integers(1, 9)):
        data[place] ^= 1 << int(noise.integers(8))


def _cut(data: bytearray, _: bytes, noise: np.random.Generator) -> None:
    del data[int(noise.integers(len(data))) :]


def _cut_out(data: bytearray, _: bytes, noise: np.random.Generator) -> None:
    start = int(noise.integers(len(data)))
    del data[start : start + int(noise.integers(1, 2048))]


def _splice(data: bytearray, other: bytes, noise: np.random.Generator) -> None:
    start, place = int(noise.integers(max(len(other), 1))), int(noise.integers(len(data)))
    piece = other[start : start + int(noise.integers(1, 4096))]
    data[place : place + (len(piece) if noise.integers(2) else 0)] = piece


def _repeat(data: bytearray, _: bytes, noise: np.random.Generator) -> None:
    start, length = int(noise.integers(len(data))), int(noise.integers(1, 512))
    data[start:start] = data[start : start + length] * int(noise.integers(1, 20))


def _zero(data: bytearray, _: bytes, noise: np.random.Generator) -> None:
    start = int(noise.integers(len(data)))
    stop = min(len(data), start + int(noise.integers(1, 4096)))
    data[start:stop] = bytes(stop - start)


def _lie(data: bytearray, _: bytes, noise: np.random.Generator) -> None:
    width = int(noise.choice((1, 2, 4)))
    value = int(noise.choice(_LIES)) & (256**width - 1)
    place = int(noise.integers(min(len(data), 512 if noise.integers(2) else len(data))))
    data[place : place + width] = value.to_bytes(width, ("big", "little")[noise.integers(2)])


_MUTATIONS = (_flip, _flip_head, _cut, _cut_out, _splice, _repeat, _zero, _lie)


def write_batch(folder: Path, number: int, count: int, seed: int) -> list[str]:
    """Mutated files of batch `number`, and a sound image; the names that were written."""
    noise, whole = np.random.default_rng([seed, number]), seeds()
    names = sorted(whole)
    folder.mkdir(parents=True)
    (folder / "sound.png").write_bytes(whole["grey8.png"])
    written = ["sound.png"]
    for place in range(count):
        name, other = names[noise.integers(len(names))], names[noise.integers(len(names))]
        stem, _, suffix = name.partition(".")
        if noise.integers(20) == 0:  # under another name
            suffix = other.partition(".")[2]
        path = f"{place:05}-{stem}.{suffix}"
        (folder / path).write_bytes(mutated(whole[name], whole[other], noise))
        written.append(path)
    return written


def examine(folder: Path, workspace: Path, embed: bool, answer: Path) -> None:
    """Scan, decode and transform a folder; what came of it is written to `answer` as JSON."""
    from sortal.storage.workspace import Workspace
    from sortal.tasks.embedding.readable import readable_images
    from sortal.tasks.encoders.registry import open_encoder
    from sortal.tasks.scan.step import scan

    place, config = Workspace(workspace).create(), ImagesConfig(num_workers=0, max_pixels=PIXELS)
    encoder = open_encoder(_encoder())
    base = _address_space()
    resource.setrlimit(resource.RLIMIT_AS, (base + MEMORY, base + MEMORY))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.monotonic()
    found = scan(place, source=str(folder), config=config)
    seconds = time.monotonic() - started
    table = pq.read_table(found.file(place, "images.parquet"))
    todo = readable_images(found.file(place, "images.parquet"))
    failed, slow = _decode(folder, todo, config, encoder.transform)
    if embed:
        _embed(place, found, folder, config)
    codes = Counter(code or "ok" for code in table["error_code"].to_pylist())
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = {
        "paths": table["path"].to_pylist(), "scan_seconds": seconds, "codes": codes,
        "failed": failed, "slow": slow, "peak_mb": (after - before) / 1024,
        "left_out": found.facts.get("other_files", {}),
    }  # fmt: skip
    answer.write_text(json.dumps(result))


def _encoder() -> Any:
    from sortal.configs.encoder import EncoderConfig

    return EncoderConfig(spec="conse", num_workers=0)


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def _decode(folder: Path, todo: pa.Table, config: ImagesConfig, transform: Any) -> Any:
    """Error codes of what does not decode, counted; and the files that took longest."""
    from sortal.tasks.embedding.batches import Batches
    from sortal.tasks.sources.registry import open_source

    dataset = Batches(open_source(str(folder)), todo, [(i, i + 1) for i in range(len(todo))],
                      config, transform)  # fmt: skip
    failed: Counter[str] = Counter()
    times: list[tuple[float, str]] = []
    for row, path in enumerate(todo["path"].to_pylist()):
        started = time.monotonic()
        batch = dataset[row]
        times.append((time.monotonic() - started, path))
        failed.update(failure.error_code for failure in batch.failures)
    return failed, sorted(times, reverse=True)[:3]


def _embed(place: Any, found: Any, folder: Path, config: ImagesConfig) -> None:
    from sortal.tasks.embedding.step import embed_images
    from sortal.tasks.encoders.registry import open_encoder

    encoder = open_encoder(_encoder())
    embed_images(place, scan=found, source=str(folder), images=config, encoder=_encoder(),
                 encoder_fingerprint=encoder.fingerprint)  # fmt: skip


def run_batch(folder: Path, written: list[str], embed: bool, limit: float) -> dict[str, Any]:
    """The result of `examine` in a process of its own, or how it ended."""
    answer, workspace = folder.parent / "answer.json", folder.parent / "workspace"
    process = multiprocessing.get_context("spawn").Process(
        target=examine, args=(folder, workspace, embed, answer)
    )
    process.start()
    process.join(limit)
    if process.is_alive():
        process.kill()
        process.join()
        return {"error": f"no end within {limit:.0f} s"}
    if process.exitcode or not answer.exists():
        return {"error": f"ended with {process.exitcode}"}
    result: dict[str, Any] = json.loads(answer.read_text())
    result["lost"] = lost(written, result["paths"])
    return result


def lost(written: list[str], paths: list[str]) -> list[str]:
    """Images that are no row. A container may hold no image; its members' paths begin with it."""
    rows = set(paths)
    return [
        name for name in written
        if name not in rows and not name.endswith(CONTAINERS)
    ]  # fmt: skip


def report(results: list[dict[str, Any]], n_files: int) -> dict[str, Any]:
    """The figures of all batches."""
    whole = [result for result in results if "error" not in result]
    codes: Counter[str] = Counter()
    for result in whole:
        codes.update(result["codes"])
    slowest = max((tuple(slow) for result in whole for slow in result["slow"]), default=(0.0, ""))
    return {
        "files": n_files,
        "crashes": [result["error"] for result in results if "error" in result],
        "hangs": sum(slow[0] > HANG for result in whole for slow in result["slow"]),
        "slowest_file_s": round(slowest[0], 2),
        "slowest_file": slowest[1],
        "slowest_scan_s": round(max((r["scan_seconds"] for r in whole), default=0), 1),
        "peak_mb": round(max((r["peak_mb"] for r in whole), default=0)),
        "rows": sum(codes.values()),
        "lost": [name for result in whole for name in result["lost"]],
        "codes_of_the_scan": dict(codes.most_common()),
        "failed_to_decode": dict(sum((Counter(r["failed"]) for r in whole), Counter())),
    }


def fuzz(
    count: int, seed: int, batch: int, folder: Path, bombs: bool = True, verbose: bool = False
) -> dict[str, Any]:
    """Run every batch in `folder`; the report. A batch that fails is kept there."""
    results, n_files = [], 0
    todo = [("mutated", number) for number in range(-(-count // batch))]
    todo += [("hostile", number) for number in range(len(hostile()) if bombs else 0)]
    for kind, number in todo:
        home = folder / f"{kind}-{number:04}"
        if kind == "mutated":
            size = min(batch, count - number * batch)
            written = write_batch(home / "files", number, size, seed)
        else:
            written = hostile()[number](home / "files")
        n_files += len(written)
        result = run_batch(home / "files", written, number % 10 == 0, 600)
        results.append(result)
        if "error" in result or result["lost"] or result["slow"][:1] > [[HANG]]:
            where = result.get("error") or result["lost"] or result["slow"]
            print(f"{home}: {where}", file=sys.stderr)
        else:
            shutil.rmtree(home)
        if verbose:
            print(f"{kind} {number + 1}: {n_files:,} files", file=sys.stderr)
    return report(results, n_files)


def main() -> None:
    """Print the report as JSON; exit status 1 when anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="mutated files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=250, help="files of a folder")
    parser.add_argument("--no-bombs", action="store_true", help="mutations alone")
    parser.add_argument("--keep", type=Path, help="a folder for the batches that failed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        home = options.keep or Path(name)
        found = fuzz(options.count, options.seed, options.batch, home, not options.no_bombs, True)
    print(json.dumps(found, indent=1))
    sys.exit(bool(found["crashes"] or found["hangs"] or found["lost"]))


if __name__ == "__main__":
    main()
