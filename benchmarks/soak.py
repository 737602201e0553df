"""A Prefect server, a worker and a schedule under faults, for as long as one likes.

`python benchmarks/soak.py --minutes 30` runs the deployment `recluster/nightly` every minute while
pictures arrive; the worker is killed twice (once with the run that it had begun, as when a machine
dies), the server once, and maintenance runs in between. deploy/automations.py sets runs that a
dead machine left behind to Crashed. At the end: every run that was due has ended, no lease is held,
the last run has every picture, `sortal verify` finds nothing, and the memory of server and worker
is printed as it was from a third of the time on.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image, ImageDraw
from prefect_service import Service, until

ROOT = Path(__file__).resolve().parents[1]
SORTAL = [sys.executable, "-m", "sortal"]
QUICK = {"nouns.lexnames": ["noun.Tops"], "encoder.num_workers": 0, "images.num_workers": 0}
SILENT, STARTING = 75, 90  # seconds
ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


def draw(folder: Path, number: int) -> None:
    """One picture: a shape of one of four kinds and colours, on noise."""
    chance = np.random.default_rng(number)
    kind = number % 4
    ground = chance.integers(0, 60, (96, 96, 3), dtype=np.uint8)
    image = Image.fromarray(ground)
    x, y, size = (int(it) for it in chance.integers((5, 5, 40), (30, 30, 60)))
    colour = ((220, 40, 40), (40, 200, 60), (60, 90, 230), (230, 210, 60))[kind]
    shapes = (ImageDraw.Draw(image).ellipse, ImageDraw.Draw(image).rectangle)
    shapes[kind % 2]((x, y, x + size, y + size), fill=colour)
    fresh = folder / f".{number:06}.png"
    image.save(fresh)
    fresh.rename(folder / f"{number:06}.png")


def receiver() -> tuple[str, list[str]]:
    """A web server for the automations; its address, and what it has been told."""
    told: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told.append(body["event"].rpartition(".")[2])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/", told


def deploy(service: Service, every: float, pictures: Path, workspace: Path) -> None:
    """The project's own deployment `nightly`, at a shorter interval and one run at a time."""
    project = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    (nightly,) = [it for it in project["deployments"] if it["name"] == "nightly"]
    values = {"source": str(pictures), "n_clusters": 4, "captions": "none"}
    values["workspace"] = str(workspace)
    nightly["parameters"] = {**values, "settings": QUICK}
    nightly["schedules"] = [{"interval": every, "active": True}]
    nightly["concurrency_limit"] = {"limit": 1, "collision_strategy": "ENQUEUE"}
    project["deployments"] = [nightly]
    (service.folder / "prefect.yaml").write_text(yaml.safe_dump(project))
    service.prefect("--no-prompt", "deploy", "--all")


def fault(service: Service, what: str, workspace: Path) -> None:
    """One of the disturbances."""
    if what == "maintenance":
        service.run(*SORTAL, "maintain", "--workspace", str(workspace), "--grace-days", "0")
        return
    service.kill("server" if what == "server" else "worker", whole=what != "worker alone")
    time.sleep(10)
    service.start("server" if what == "server" else "worker")


def soak(options: argparse.Namespace, service: Service, folder: Path) -> dict[str, Any]:
    """The whole trial; its figures."""
    pictures, workspace = folder / "pictures", folder / "workspace"
    pictures.mkdir()
    for number in range(16):
        draw(pictures, number)
    service.start("server")
    service.prefect("work-pool", "create", "sortal", "--type", "process")
    url, told = receiver()
    service.run(
        sys.executable, str(ROOT / "deploy/automations.py"), "--webhook", url,
        "--silent", str(SILENT), "--starting", str(STARTING),
    )  # fmt: skip
    deploy(service, options.every, pictures, workspace)
    service.start("worker")
    begin, number, samples = time.monotonic(), 16, []
    length = options.minutes * 60
    plan = ["maintenance", "worker and run", "server", "worker alone", "maintenance"]
    moments = [length * (at + 1) / (len(plan) + 1) for at in range(len(plan))]
    chance = random.Random(options.seed)
    faults = [
        (at + chance.uniform(0, options.every), it) for at, it in zip(moments, plan, strict=True)
    ]
    while (now := time.monotonic() - begin) < length:
        draw(pictures, number)
        number += 1
        if faults and now >= faults[0][0]:
            what = faults.pop(0)[1]
            print(f"{now:6.0f} s: {what}", flush=True)
            fault(service, what, workspace)
        samples.append((time.monotonic() - begin, service.memory()))
        time.sleep(15)
    return _judged(service, workspace, pictures, samples, told)


def _judged(
    service: Service, workspace: Path, pictures: Path, samples: list[Any], told: list[str]
) -> dict[str, Any]:
    """Stop the schedule, let what is due end, run once more, and look at everything."""
    (deployment,) = service.post("/deployments/filter", {})
    service.post(f"/deployments/{deployment['id']}/pause_deployment", {})
    due = service.runs()
    names = {run["id"] for run in due}

    def states() -> Counter[str]:
        found = service.post("/flow_runs/filter", {"flow_runs": {"id": {"any_": [*names]}}})
        return Counter(run["state"]["type"] for run in found)

    waiting = "every run that was due has ended"
    try:
        until(lambda: set(states()) <= ENDED, 900, waiting)
    except RuntimeError as error:
        print(error, flush=True)
    service.prefect("deployment", "run", "recluster/nightly", "--watch")
    question = "SELECT n_images FROM newest_run"
    rows = json.loads(
        service.run(*SORTAL, "sql", question, "--workspace", str(workspace), "--format", "json")
    )
    verified = subprocess.run(
        [*SORTAL, "verify", "--workspace", str(workspace)],
        env=service.env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    from sortal.storage.lake.lease import active
    from sortal.storage.workspace import Workspace

    lengths = [run["total_run_time"] for run in service.runs() if run["state_type"] == "COMPLETED"]
    return {
        "due": len(due),
        "seconds of a run": round(float(np.median(lengths)), 1),
        "states": dict(states()),
        "told": dict(Counter(told)),
        "pictures": len(list(pictures.glob("[!.]*.png"))),
        "in the newest run": rows[0]["n_images"],
        "leases held": len(active(Workspace(workspace))),
        "verify": verified.stdout.strip().splitlines()[-1:],
        "memory": {name: memory(samples, name) for name in ("server", "worker")},
    }


def memory(samples: list[Any], name: str) -> dict[str, float]:
    """MB at a third of the time, at the end, and the most; medians of five samples."""
    found = [each[name] for _, each in samples if name in each]
    third = found[len(found) // 3 :]
    first, last = (float(np.median(part)) for part in (third[:5], third[-5:]))
    return {"third": round(first), "end": round(last), "most": round(max(found))}


def main() -> None:
    """Soak, print the figures, and exit with 1 where something was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--every", type=float, default=60, help="seconds between runs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("soak"))
    options = parser.parse_args()
    folder = options.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    service = Service(folder)
    try:
        figures = soak(options, service, folder)
    finally:
        service.stop()
    print(json.dumps(figures, indent=1))
    ended = set(figures["states"]) <= {"COMPLETED", "CRASHED"}
    whole = figures["pictures"] == figures["in the newest run"] and not figures["leases held"]
    sys.exit(0 if ended and whole and "all sound" in str(figures["verify"]) else 1)


if __name__ == "__main__":
    main()
