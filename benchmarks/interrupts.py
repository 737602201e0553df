"""Ctrl-C in a real terminal at seeded random moments of `sortal cluster`, then the same again.

`python benchmarks/interrupts.py SOURCE -k 10 --trials 20 [-- --set …]`: a run is timed, then each
trial starts from an empty workspace, presses Ctrl-C at a random moment between the start and the
end of such a run, and goes on with the same command until it is done. A trial is good when the
stopped command said its one line and nothing after it, exited with 130 within 2 s and left no
process, and when the next one ended well and left no temporary file. `--signal` takes TERM or HUP.
"""

import argparse
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "helpers"))

from terminal import SORTAL, Terminal

LINE = "sortal: stopped; run the same command again to go on"
TRACES = ("Traceback", "Error", "leaked", "Exception ignored")


class Trial(NamedTuple):
    """What came of one interrupt; `seconds` until the process had ended, `after` it had begun."""

    after: float
    code: int
    seconds: float
    lines: int
    said_more: bool
    left: int
    resumed: bool
    doing: str

    @property
    def good(self) -> bool:
        """Whether all is as it should be."""
        said = self.lines == 1 and not self.said_more
        return said and self.seconds < 2 and not self.left and self.resumed


def whole_run(command: list[str], folder: Path) -> tuple[int, float]:
    """Exit code and seconds of a run that nobody disturbs."""
    terminal = Terminal([*SORTAL, *command], folder)
    return terminal.ended(3600)


def interrupted(command: list[str], folder: Path, after: float, how: str) -> Trial:
    """One trial in a workspace that is not there yet."""
    terminal = Terminal([*SORTAL, *command], folder)
    terminal.read(after)
    if terminal.process.poll() == 0:
        return Trial(after, 0, 0, 0, False, 0, False, "done")
    doing = _doing(terminal.text)
    start = time.monotonic()
    if how == "INT":
        terminal.press_ctrl_c()
    else:
        terminal.send(signal.Signals[f"SIG{how}"])
    code, _ = terminal.ended(300)
    seconds = time.monotonic() - start
    terminal.read(0.5)
    left = len(terminal.left())
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.text)
    tail = text.rpartition(LINE)[2].strip()
    more = bool(tail) or any(word in text for word in TRACES)
    resumed = whole_run(command, folder)[0] == 0 and not list(folder.rglob("workspace/**/.tmp-*"))
    return Trial(after, code, seconds, text.count(LINE), more, left, resumed, doing)


def _doing(text: str) -> str:
    """The last thing that the command said that it does."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    words = [line.strip() for line in re.split(r"[\r\n]+", plain) if line.strip()]
    return re.split(r"[━╸╺]", words[-1])[0].strip()[:40] if words else "nothing yet"


def main() -> None:
    """Run the trials, and say how many were good."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source")
    parser.add_argument("-k", dest="clusters", default="10")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--signal", default="INT", choices=["INT", "TERM", "HUP"])
    split = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    more = sys.argv[split + 1 :]  # further arguments of `sortal cluster`
    options = parser.parse_args(sys.argv[1:split])
    for number in (signal.SIGINT, signal.SIGHUP):  # a job in the background has them ignored
        signal.signal(number, signal.SIG_DFL)
    moments, trials = random.Random(options.seed), []
    with tempfile.TemporaryDirectory(prefix="sortal-interrupts-") as name:
        folder = Path(name)
        os.environ.setdefault("PREFECT_HOME", str(folder / "prefect-home"))
        place = Path(options.source)
        source = str(place.resolve()) if place.exists() else options.source
        command = ["cluster", source, "-k", options.clusters]
        command += ["-w", "workspace", *more]
        code, seconds = whole_run(command, folder)
        print(f"a whole run: exit status {code}, {seconds:.1f} s", flush=True)
        while len(trials) < options.trials:
            shutil.rmtree(folder / "workspace", ignore_errors=True)
            trial = interrupted(command, folder, moments.uniform(0.1, seconds), options.signal)
            if trial.code == 0 and not trial.lines:
                seconds *= 0.9  # it was done before the moment came: the first run was slower
                continue
            trials.append(trial)
            verdict = "good" if trial.good else f"BAD {trial}"
            print(
                f"{len(trials):3}: after {trial.after:5.1f} s ({trial.doing}): exit {trial.code}, "
                f"{trial.seconds:.2f} s, {verdict}",
                flush=True,
            )
    good = sum(trial.good for trial in trials)
    slowest = max(trial.seconds for trial in trials)
    print(f"{good} of {len(trials)} good, the slowest stop took {slowest:.2f} s")
    sys.exit(good != len(trials))


if __name__ == "__main__":
    main()
