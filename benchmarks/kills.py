"""Kill -9 at seeded random moments of a real run, run again, compare what is in the lake.

`python benchmarks/kills.py TAR -k 10 --images 64 --kills 50 --commands 5` starts each run from an
empty workspace: scan, images, nouns, captions, clusters, commit, report. Most runs are forks of
one process that has the encoder loaded, without Prefect, so that the moments fall into the work
itself; `--commands` of them are `sortal cluster` as a user types it, with Prefect's server.
Moments count from when the run takes its collection's lease.
"""

import argparse
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import NamedTuple

from sortal.configs.load import make_config
from sortal.configs.schema import RunConfig
from sortal.storage.atomic import TEMPORARY
from sortal.storage.lake.lake import Lake
from sortal.storage.workspace import Workspace

SORTAL = [sys.executable, "-c", "from sortal.flows.cli.app import main; main()"]
QUICK = [  # one process a run, and few texts: what is killed is the run, not the encoder's start
    "nouns.lexnames=[noun.Tops]",
    "nouns.taxa=true",
    "encoder.num_workers=0",
    "images.num_workers=0",
    "encoder.batch_size=16",
    "encoder.shard_size=16",
]


class Running(NamedTuple):
    """A run under way: `wait(seconds)` says whether it has ended, `kill()` is kill -9."""

    wait: Callable[[float | None], bool]
    kill: Callable[[], None]
    exit_code: Callable[[], int | None]


class Trial:
    """How runs are started: as forks, or by the command line."""

    def __init__(self, options: argparse.Namespace, source: Path) -> None:
        self.source, self.clusters = source, options.clusters
        self.captions = source.parent / "captions.txt"
        self.context: ForkServerContext = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload([Path(__file__).stem])

    def fork(self, workspace: Path) -> Running:
        """A run without Prefect."""
        values = {"source": str(self.source), "n_clusters": self.clusters, "workspace": workspace}
        values["captions"] = {"source": str(self.captions)}
        config = make_config(values, QUICK)
        process = self.context.Process(target=go, args=(config,))
        process.start()

        def wait(seconds: float | None) -> bool:
            process.join(seconds)
            return process.exitcode is not None

        return Running(wait, process.kill, lambda: process.exitcode)

    def command(self, workspace: Path) -> Running:
        """`sortal cluster` in a process of its own."""
        arguments = [str(self.source), "-k", str(self.clusters), "--workspace", str(workspace)]
        arguments += ["--captions", str(self.captions)]
        arguments += [word for setting in QUICK for word in ("--set", setting)]
        log = workspace.with_suffix(".log").open("ab")
        process = subprocess.Popen([*SORTAL, "cluster", *arguments], stdout=log, stderr=log)

        def wait(seconds: float | None) -> bool:
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                return False
            return True

        return Running(wait, process.kill, lambda: process.returncode)


def go(config: RunConfig) -> None:
    """One run without Prefect."""
    from sortal.flows.recluster import recluster

    recluster.fn(config)


def get_ready() -> None:
    """Import everything and load the encoder, in one thread: for the process that is forked."""
    import nltk  # noqa: F401
    import sklearn.metrics  # noqa: F401
    import torch

    import sortal.flows.recluster  # noqa: F401
    from sortal.tasks.embedding.model import PinnedEncoder
    from sortal.tasks.encoders.registry import describe

    torch.set_num_threads(1)
    config = make_config({"source": "pictures", "n_clusters": 2}, QUICK).encoder
    encoder = PinnedEncoder(config, describe(config.spec).fingerprint).open()
    encoder.encode_texts(["a cat"])
    encoder.encode_images(torch.zeros(1, 3, 224, 224, dtype=torch.uint8))


def outcome(workspace: Path) -> list[list[str]]:
    """What a run leaves in the lake, without ids and times."""
    queries = (
        "SELECT path, key, label, status FROM images",
        "SELECT key, cluster, round(distance, 3) FROM assignments",
        "SELECT cluster, name, size, representatives FROM clusters",
        "SELECT cluster, corpus, rank, term FROM cluster_terms",
        "SELECT name, round(value, 3) FROM metrics WHERE name IN ('acc', 'nmi', 'ari')",
        "SELECT n_images, n_failed, fingerprint FROM runs",
    )
    with Lake(Workspace(workspace), read_only=True) as lake:
        return [sorted(map(repr, lake.execute(query).fetchall())) for query in queries]


def prepare(options: argparse.Namespace, folder: Path) -> Path:
    """The source folder: a seeded sample of the tar's images, and captions."""
    source = folder / "source"
    source.mkdir(parents=True)
    with tarfile.open(options.tar) as tar:
        names = [item for item in tar if item.isfile() and item.name.endswith((".png", ".jpg"))]
        for item in random.Random(0).sample(names, options.images):
            tar.extract(item, source, filter="data")
    lines = (f"a photo of {what} number {i}" for i in range(60) for what in ("a cat", "a ship"))
    (folder / "captions.txt").write_text("\n".join(lines))
    return source


def begun(running: Running, workspace: Path) -> None:
    """Wait until the run has its lease, or has ended."""
    while not (workspace / "lake" / "leases.sqlite").exists() and not running.wait(0.02):
        pass


def killed(start: Callable[[Path], Running], workspace: Path, moment: float) -> str:
    """Kill one run `moment` seconds after it began, and run again; where it was killed."""
    running = start(workspace)
    begun(running, workspace)
    ended = running.wait(moment)
    running.kill()
    running.wait(None)
    kinds = [path.name for path in (workspace / "artifacts").glob("*") if any(path.iterdir())]
    again = start(workspace)
    again.wait(None)
    if again.exit_code():
        raise RuntimeError(f"the second run ended with {again.exit_code()}")
    return "after its end" if ended else f"{len(kinds)} kinds of steps begun"


def undisturbed(start: Callable[[Path], Running], workspace: Path) -> float:
    """Seconds of an undisturbed run from its lease to its end."""
    running = start(workspace)
    begun(running, workspace)
    begin = time.monotonic()
    running.wait(None)
    return time.monotonic() - begin


def arguments() -> argparse.Namespace:
    """What is asked for on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tar")
    parser.add_argument("-k", "--clusters", type=int, default=10)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--commands", type=int, default=5, help="kills of `sortal cluster`")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("kills"))
    return parser.parse_args()


def main() -> None:
    """Kill, run again, compare."""
    options = arguments()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # or every command compiles what it imports
    folder = options.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    trial = Trial(options, prepare(options, folder))
    undisturbed(trial.fork, folder / "warm-up")
    kinds = (trial.fork, trial.command) if options.commands else (trial.fork,)
    seconds = {kind: undisturbed(kind, folder / kind.__name__) for kind in kinds}
    expected = outcome(folder / "fork")
    print(*(f"{kind.__name__}: {each:.1f} s" for kind, each in seconds.items()), flush=True)
    by_command = set(random.Random(options.seed + 1).sample(range(options.kills), options.commands))
    moments, recovered = random.Random(options.seed), 0
    for number in range(options.kills):
        workspace = folder / f"{number:02}"
        start = trial.command if number in by_command else trial.fork
        moment = moments.uniform(0, seconds[start])
        try:
            where = killed(start, workspace, moment)
            same = outcome(workspace) == expected
            clean = not list(workspace.rglob(f"{TEMPORARY}*"))
            result = "recovered" if same and clean else f"same {same}, clean {clean}"
        except RuntimeError as error:
            where, result = "", str(error)
        recovered += result == "recovered"
        line = f"{start.__name__} killed at {moment:5.1f} s, {where}: {result}"
        print(f"{number:3} {line}", flush=True)
        if result == "recovered":
            shutil.rmtree(workspace, ignore_errors=True)
    print(f"{recovered} of {options.kills} recovered")


if __name__ == "__main__":
    main()
elif __name__ == Path(__file__).stem:  # imported by the process that is forked
    get_ready()
