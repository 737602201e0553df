"""The Python API, on real pictures and under Prefect, as a script or a notebook uses it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pyarrow as pa
import pytest
from nbclient import NotebookClient

import sortal
from image_files import write
from sortal.storage.workspace import Workspace
from tiny_clip import tiny

SETTINGS = {"nouns": {"lexnames": ["noun.Tops"]}, "captions": {"source": "none"}}


@pytest.fixture(scope="module")
def growing(
    photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[sortal.Run], Path]:
    """Two runs of a collection that has grown in between, and a file that is no image."""
    folder = tmp_path_factory.mktemp("api") / "photos"
    pictures = sorted(photos.rglob("*.png"))
    runs = []
    for part in (pictures[::4], pictures[1::4]):
        for picture in part:
            target = folder / picture.relative_to(photos)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(picture, target)
        (folder / "broken.png").write_bytes(b"no image")
        workspace = folder.parent / "workspace"
        runs.append(sortal.cluster(folder, n_clusters=4, workspace=workspace, **SETTINGS))
    return runs, folder


def test_a_run_gives_its_clusters_images_and_changes_as_arrow_tables(growing):
    (first, second), folder = growing
    clusters, images, changes = second.clusters(), second.images(), second.changes()
    assert all(isinstance(table, pa.Table) for table in (clusters, images, changes))
    assert all(hasattr(table, "__arrow_c_stream__") for table in (clusters, images, changes))
    files = [str(path.relative_to(folder)) for path in sorted(folder.rglob("*.png"))]
    assert images["path"].to_pylist() == sorted(files)
    rows = {row["path"]: row for row in images.to_pylist()}
    broken = rows.pop("broken.png")
    assert (broken["status"], broken["error_code"]) == ("failed", "not_an_image")
    assert broken["stable_id"] is None and broken["key"] is not None
    names = dict(zip(clusters["stable_id"].to_pylist(), clusters["name"].to_pylist(), strict=True))
    assert len(names) == 4 and all(row["name"] == names[row["stable_id"]] for row in rows.values())
    assert sum(clusters["size"].to_pylist()) == len(rows)
    assert clusters["size"].to_pylist() == sorted(clusters["size"].to_pylist(), reverse=True)
    assert first.changes().num_rows == 0
    assert set(changes["previous_run_id"].to_pylist()) == {first.run_id}
    assert sum(changes["came"].to_pylist()) >= len(rows) - first.images().num_rows + 1
    assert 0 < second.metrics["nmi"] <= 1 and not any("." in name for name in second.metrics)


def test_a_notebook_shows_the_kinds_with_pictures_and_no_script(growing):
    run = growing[0][-1]
    shown = run._repr_html_()
    names = run.clusters()["name"].to_pylist()
    assert all(name.partition("unnamed ")[0] in shown for name in names)
    assert shown.count("images like these</b>") == sum(n.startswith("unnamed ") for n in names)
    assert shown.count("data:image/webp;base64,") >= 4
    assert "<script" not in shown and "<style" not in shown
    assert repr(run) == f"<sortal.Run {run.run_id} of photos in {run.workspace}>"


def test_a_report_that_is_gone_is_written_again(growing):
    run = growing[0][-1]
    text = run.report.read_text()
    run.report.unlink()
    assert run.report.read_text() == text


def test_a_workspace_answers_sql_and_knows_its_runs(growing):
    (first, second), _ = growing
    workspace = sortal.open(second.workspace)
    query = "SELECT count(*) AS n FROM clusters WHERE run_id = "
    assert workspace.sql(f"{query}?", [first.run_id]).to_pylist() == [{"n": 4}]
    assert workspace.sql(f"{query}$run", {"run": first.run_id}).to_pylist() == [{"n": 4}]
    assert workspace.runs()["run_id"].to_pylist() == [second.run_id, first.run_id]
    assert workspace.run(first.run_id) == first
    assert workspace.latest("photos") == workspace.latest() == second


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda w: w.latest("birds"), ["no run of collection 'birds'", "sortal runs"]),
        (lambda w: w.run("r1"), ["run_id", "'r1'", "runs()"]),
        (lambda w: w.sql("DROP TABLE runs"), ["only reads", "DROP"]),
        (lambda w: w.sql("SELECT 1; SELECT 2"), ["one statement", "got 2"]),
        (lambda w: w.sql("FROM read_csv('/etc/hostname')"), ["SQL:", "Permission"]),
        (lambda w: w.sql("FROM nothing"), ["SQL:", "nothing"]),
        (lambda w: sortal.open(w.path / "none"), ["no runs", "sortal cluster"]),
        (lambda w: sortal.cluster("nowhere", 3, workspace=w.path), ["source must exist"]),
        (lambda w: sortal.cluster("nowhere", 1), ["n_clusters", "got 1"]),
        (lambda w: sortal.cluster("nowhere", 3, methd="cae"), ["methd", "did you mean method"]),
        (lambda w: sortal.cluster("", 3), ["source must be a path", "''"]),
        (lambda w: sortal.cluster(["a", "b"], 3), ["source must be a path", "['a', 'b']"]),
        (lambda w: sortal.cluster("nowhere", 3, workspace=3), ["workspace must be a path", "3"]),
        (lambda w: sortal.cluster(w.path, 3, workspace="/etc/passwd"), ["workspace", "a folder"]),
        (lambda w: sortal.cluster(w.path, 3, workspace="/proc/no"), ["workspace", "/proc/no"]),
        (lambda w: sortal.open("/etc/passwd"), ["workspace must be a folder"]),
        (lambda w: sortal.open(3), ["workspace must be a path", "3"]),
        (lambda w: w.run(3), ["run_id must be a text", "3"]),
        (lambda w: w.latest(3), ["collection must be a text", "3"]),
        (lambda w: w.sql(None), ["query must be a text", "None"]),
        (lambda w: w.sql("SELECT ?", "abc"), ["parameters must be a list", "'abc'"]),
        (lambda w: w.sql("SELECT ?", 1), ["parameters must be a list", "1"]),
    ],
)
def test_a_mistake_is_one_line_without_the_flows_frames(growing, ask, words):
    with pytest.raises(sortal.UsageError) as error:
        ask(sortal.open(growing[0][0].workspace))
    text = str(error.value)
    assert "\n" not in text and all(word in text for word in words), text
    assert not any("prefect" in str(entry.path) for entry in error.traceback)
    assert error.value.__cause__ is None and error.value.__suppress_context__


def test_a_forked_process_says_what_it_lacks_and_waits_for_nothing(growing):
    runs, folder = growing
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            sortal.cluster(folder, n_clusters=3, workspace=runs[0].workspace)
            text = "a run"
        except BaseException as error:  # noqa: BLE001 - whatever it is, the parent shall see it
            text = f"{type(error).__name__}: {error}"
        os.write(write, text.encode())
        os._exit(0)
    os.close(write)
    assert os.waitpid(child, 0)[1] == 0
    said = os.read(read, 4096).decode()
    assert said.startswith("RunError: a process that was forked") and "spawn" in said


def test_a_collection_without_an_image_is_a_run_error(tmp_path: Path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/0.png").write_bytes(b"no image")
    with pytest.raises(sortal.RunError, match="none of the 1 .*not_an_image .0.png") as error:
        sortal.cluster(tmp_path / "photos", 2, workspace=tmp_path / "workspace", **SETTINGS)
    assert not any("prefect" in str(entry.path) for entry in error.traceback)


def test_references_of_before_the_modules_moved_are_written_again(growing):
    run, folder = growing[0][-1], growing[1]
    references = list(Workspace(run.workspace).results.iterdir())
    for path in references:
        kept = json.loads(path.read_text())
        old = {"__class__": "storage.artifacts.Artifact", "data": json.loads(kept["result"])}
        path.write_text(json.dumps({**kept, "result": json.dumps(old)}))
    again = sortal.cluster(folder, n_clusters=4, workspace=run.workspace, **SETTINGS)
    assert again.run_id == run.run_id
    kept = [json.loads(json.loads(path.read_text())["result"]) for path in references]
    fresh = [fields for fields in kept if "__class__" not in fields]
    steps = sortal.open(run.workspace).sql("SELECT * FROM artifacts WHERE run_id = ?", [run.run_id])
    assert {fields["fingerprint"] for fields in fresh} >= set(steps["fingerprint"].to_pylist())


def test_the_environment_names_the_workspace_as_for_the_command_line(growing, monkeypatch):
    last = growing[0][-1]
    monkeypatch.setenv("SORTAL_WORKSPACE", str(last.workspace))
    assert sortal.open().latest() == last
    again = sortal.cluster(growing[1], n_clusters=4, **SETTINGS)
    assert (again.workspace, again.run_id) == (last.workspace, last.run_id)


def test_importing_sortal_imports_nothing_heavy():
    code = "import sys, sortal; print(sorted(m for m in sys.modules if m.startswith('sortal'))); "
    code += "heavy = {'torch', 'prefect', 'duckdb', 'pyarrow', 'numpy', 'pydantic'}; "
    code += "print(heavy & set(sys.modules), set(sortal.__all__) <= set(dir(sortal)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    escaping = "['sortal', 'sortal.tasks', 'sortal.tasks.shown']"  # of names in logs
    assert done.stdout.splitlines() == [escaping, "set() True"]


ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")


def test_the_page_names_the_columns_that_there_are(growing):
    run = growing[0][-1]
    tables = re.findall(r"^\| `(\w+)\(\)` \|.*\| ([\w, ]+) \|$", PAGE, re.M)
    assert len(tables) == 3
    for name, columns in tables:
        assert getattr(run, name)().column_names == columns.split(", ")


def example_on(folder: Path) -> str:
    """The page's example, on 300 pictures in `folder` that take a while to read."""
    for number in range(300):
        write(folder / f"photos/{number:03}.png", seed=number, size=(400, 300))
    example = re.findall(r"```python\n(.*?)```", PAGE, re.S)[0]
    assert example in (ROOT / "README.md").read_text(encoding="utf-8")
    assert "n_clusters=20" in example and "__main__" not in example
    quick = f"n_clusters=4, encoder={tiny(folder / 'tiny')!r}, **{SETTINGS!r}"
    return example.replace("n_clusters=20", quick)


MISTAKE = """
try:
    sortal.cluster("photos", n_clusters=5000)
except sortal.UsageError as error:
    print(error)
"""


def test_the_pages_example_is_a_script_that_runs_once_and_shows_progress(tmp_path: Path):
    """And a mistake that the flow finds is printed by nobody else."""
    script = f"print('the script runs')\n{example_on(tmp_path)}\n{MISTAKE}"
    (tmp_path / "script.py").write_text(f"{script}\nprint(len(run.images()), 'images')\n")
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, report, mistake, last = done.stdout.splitlines()
    assert mistake.startswith("n_clusters must be in [2, ") and "ERROR" not in done.stderr
    assert (first, last) == ("the script runs", "300 images") and Path(report).exists()
    assert "image_vectors: 300 rows" in done.stderr and "Traceback" not in done.stderr


def test_the_pages_example_runs_in_a_notebook_and_shows_progress_and_pictures(tmp_path: Path):
    cells = [nbformat.v4.new_code_cell(code) for code in (example_on(tmp_path), "run")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": tmp_path}}).execute()
    shown, run = (cell.outputs for cell in notebook.cells)
    lines = [each.data["text/plain"] for each in shown if each.output_type == "display_data"]
    assert any(line.startswith("embedding images: 300 images in ") for line in lines)
    assert not [each for each in shown if getattr(each, "name", "") == "stderr"]
    assert "data:image/webp;base64," in run[0].data["text/html"]
