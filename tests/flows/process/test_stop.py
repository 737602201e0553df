"""Ctrl-C in a real terminal, SIGTERM and a closed terminal, at moments that matter."""

import signal
import sys
from pathlib import Path

import pytest

from image_files import write
from sortal.configs.load import make_config
from sortal.flows.recluster import recluster
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.lease import active
from sortal.storage.workspace import Workspace
from terminal import SORTAL, Terminal

LINE = "sortal: stopped; run the same command again to go on"
FOREVER = "SELECT count(*) FROM range(1000000000000) a WHERE a.range % 7 = 3"


def stopped(terminal: Terminal, code: int) -> None:
    """One line, the last one; the exit code; and no process left behind."""
    got, _ = terminal.ended()
    terminal.until(lambda: not terminal.left())
    assert got == code, terminal.text[-2000:]
    said = terminal.text.replace("^C", "").rstrip()  # the terminal echoes a second Ctrl-C
    assert said.count(LINE) == 1 and said.endswith(LINE)
    assert "Traceback" not in terminal.text


def at(point: str) -> dict[str, str]:
    """The environment of a process that pauses itself at a point of its work."""
    return {"SORTAL_TESTING": "1", "SORTAL_FAULT": f"STOP {point}"}


def paused(terminal: Terminal) -> None:
    stat = Path(f"/proc/{terminal.process.pid}/stat")
    terminal.until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In a format that another process decodes."""
    pillow_heif = pytest.importorskip("pillow_heif")
    folder = tmp_path_factory.mktemp("stop") / "pictures"
    pillow_heif.register_heif_opener()
    for number in range(300):
        write(folder / f"{number:03}.heic", seed=number)
    return folder


def interrupted(code: str, folder: Path) -> Terminal:
    """A program that has said "begun", after Ctrl-C."""
    terminal = Terminal([sys.executable, "-c", code], folder)
    terminal.until(lambda: "begun" in terminal.text)
    terminal.press_ctrl_c()
    return terminal


def test_ctrl_c_while_it_is_being_imported(tmp_path: Path):
    code = (
        "from sortal.flows.process.begin import begin\n"
        "begin()\n"
        "print('begun', flush=True)\n"
        "while True: sum(range(10**6))\n"
    )
    terminal = interrupted(code, tmp_path)
    stopped(terminal, 130)
    assert terminal.text.startswith("begun")


def test_it_ends_even_while_a_library_keeps_pythons_lock(tmp_path: Path):
    code = (
        "import ctypes, time\n"
        "from sortal.flows.process import stop\n"
        "from sortal.storage.stopping import when_stopped\n"
        "stop._LIMIT = 1.0\n"
        "stop.end_on_signals()\n"
        "with when_stopped(lambda: ctypes.PyDLL(None).sleep(1000)):\n"
        "    print('begun', flush=True)\n"
        "    time.sleep(1000)\n"
    )
    terminal = interrupted(code, tmp_path)
    stopped(terminal, 1)
    assert terminal.text.startswith("begun")


@pytest.mark.parametrize(("number", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_a_signal_is_seen_in_the_middle_of_a_long_call_of_a_library(
    workspace: Workspace, number, code
):
    with Lake(workspace):
        pass
    terminal = Terminal([*SORTAL, "sql", FOREVER, "-w", str(workspace.root)], workspace.root)
    busy = Path(f"/proc/{terminal.process.pid}/stat")
    terminal.until(lambda: sum(map(int, busy.read_text().split()[13:15])) > 100)
    terminal.send(signal.Signals[number])
    stopped(terminal, code)


def test_a_closed_terminal_ends_the_command(workspace: Workspace):
    with Lake(workspace):
        pass
    terminal = Terminal([*SORTAL, "sql", FOREVER, "-w", str(workspace.root)], workspace.root)
    terminal.read(1)
    terminal.close()
    assert terminal.process.wait(60) == 129
    assert terminal.left() == []


def test_ctrl_c_while_images_are_decoded_beside_the_temporary_server(
    pictures: Path, tmp_path: Path
):
    """Twice, as people do; the next run may take the lease at once."""
    words = ["-k", "3", "-w", "workspace", "--method", "kmeans", "--set", "nouns.source=none"]
    words += ["--set", "captions.source=none"]
    terminal = Terminal([*SORTAL, "cluster", str(pictures), *words], tmp_path)
    terminal.until(lambda: "embedding images" in terminal.text)
    left = " ".join(terminal.left())
    assert "pictures/helper.py" in left and "prefect_server" in left
    terminal.press_ctrl_c()
    terminal.press_ctrl_c()
    stopped(terminal, 130)
    workspace = Workspace(tmp_path / "workspace")
    assert active(workspace) == []


def test_what_is_started_while_it_is_stopped_is_ended_too(tmp_path: Path):
    """What a process forks in its last moment is nobody's child."""
    forks = "import os, time\nwhile True:\n if not os.fork():\n  time.sleep(120)\n  os._exit(0)\n"
    code = (
        "import subprocess, sys, time\n"
        "from sortal.flows.process import stop\n"
        "stop.end_on_signals()\n"
        f"forks = {forks + ' time.sleep(0.005)'!r}\n"
        "for _ in range(2): subprocess.Popen([sys.executable, '-c', forks])\n"
        "time.sleep(0.5)\n"
        "print('begun', flush=True)\n"
        "time.sleep(1000)\n"
    )
    terminal = interrupted(code, tmp_path)
    stopped(terminal, 130)
    assert terminal.left() == []


def test_sigterm_in_the_middle_of_a_commit_publishes_nothing_or_all(clip: Path, tmp_path: Path):
    words = ["-k", "5", "-w", "workspace", "--method", "kmeans"]
    command = [*SORTAL, "cluster", f"vectors:{clip}", *words]
    terminal = Terminal(command, tmp_path, **at("lake.written"))
    paused(terminal)
    terminal.send(signal.SIGTERM)
    terminal.send(signal.SIGCONT)
    stopped(terminal, 143)
    workspace = Workspace(tmp_path / "workspace")
    assert active(workspace) == []
    with Lake(workspace, read_only=True) as lake:
        assert lake.query("SELECT count(*) AS n FROM runs")["n"].to_pylist() in ([0], [1])
    values = {"source": f"vectors:{clip}", "n_clusters": 5, "method": "kmeans"}
    result = recluster.fn(make_config({**values, "workspace": workspace.root}))
    with Lake(workspace, read_only=True) as lake:
        assert lake.query("SELECT run_id FROM runs")["run_id"].to_pylist() == [result.run_id]


def test_ignored_signals_stay_ignored_as_nohup_wants(tmp_path: Path):
    code = (
        "import os, signal\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from sortal.flows.process.begin import begin\n"
        "begin()\n"
        "os.kill(os.getpid(), signal.SIGHUP)\n"
        "print('still here')\n"
    )
    terminal = Terminal([sys.executable, "-c", code], tmp_path)
    assert terminal.ended()[0] == 0 and "still here" in terminal.text


def test_ctrl_c_comes_out_of_the_python_api_as_keyboard_interrupt(clip: Path, tmp_path: Path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sortal\n"
        "try:\n"
        f"    sortal.cluster('vectors:{clip}', 5, method='kmeans', workspace='workspace')\n"
        "except KeyboardInterrupt:\n"
        "    print('it came out')\n"
    )
    terminal = Terminal([sys.executable, str(script)], tmp_path, **at("lease.held"))
    paused(terminal)
    terminal.press_ctrl_c()
    terminal.send(signal.SIGCONT)
    assert terminal.ended()[0] == 0, terminal.text[-2000:]
    assert "it came out" in terminal.text and "Traceback" not in terminal.text
    assert active(Workspace(tmp_path / "workspace")) == []
    terminal.until(lambda: not terminal.left())
