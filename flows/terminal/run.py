"""What `sortal cluster`, `sortal report` and `sortal encoders` print."""

import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sortal.configs.errors import counted
from sortal.configs.schema import RunConfig
from sortal.flows.process.imports import quick_imports
from sortal.flows.terminal.logs import log_to_terminal
from sortal.flows.terminal.start_run import start_run
from sortal.storage.workspace import Workspace
from sortal.tasks.shown import shown
from sortal.tasks.silence import doing

if TYPE_CHECKING:  # importing it for real would start Prefect before its log is silenced
    from sortal.flows.run.result import RunResult

CLEARLY_WORSE = 0.8  # [infer] of the worth of the number that -k auto takes
_BARS, _PLAIN_BARS = "▁▂▃▄▅▆▇█", "_.-:=+*#"
BETTER_ENCODERS = (
    "Encoder conse comes with Sortal and needs no download. Better: "
    "--encoder open_clip:ViT-B-32/laion2b_s34b_b79k (downloads once), "
    "or --encoder vectors:DIR for vectors you have; see `sortal encoders`."
)


def run_cluster(config: RunConfig, *, as_json: bool = False) -> "RunResult":
    """Run the flow for a person at a terminal; the last line on stdout is the run id."""
    with quick_imports(forever=True):
        level = logging.WARNING if as_json else logging.INFO
        wait_for_server = start_run(config, lambda: log_to_terminal(level))
        from sortal.flows.recluster import recluster
        from sortal.storage.lake.attach import attached_once

    if config.encoder.spec == "conse" and not as_json:
        print(BETTER_ENCODERS, file=sys.stderr)
    with attached_once():
        wait_for_server()
        result = recluster(config)
        if as_json:
            print(json.dumps(result.model_dump()))
        else:
            show_result(result)
            print(result.run_id)
    return result


def show_result(result: "RunResult", limit: int = 40) -> None:
    """The clusters as a table, metrics where labels exist, and where the report is."""
    from sortal.flows.run.result import n_images_text
    from sortal.storage.lake.lake import Lake
    from sortal.storage.lake.sql import sql
    from sortal.tasks.naming.about import about_names
    from sortal.tasks.report.data import modality_rows

    with Lake(Workspace(Path(result.workspace)), read_only=True) as lake:
        cards = lake.query(
            "SELECT cluster_id, name, is_named, suggested_name, size, nouns, typical, "
            "count(*) FILTER (NOT is_named AND size > 0 AND cluster >= 0) OVER () AS unnamed, "
            "max(size) FILTER (cluster < 0) OVER () AS kindless, "
            "count(written_by) OVER () AS written, max(written_by) OVER () AS writer "
            "FROM cluster_cards WHERE run_id = ? "
            "ORDER BY cluster < 0, size DESC, cluster_id LIMIT ?",
            [result.run_id, limit],
        ).to_pylist()
        query = "SELECT name, value FROM metrics WHERE run_id = ? AND name LIKE 'view%'"
        modalities = modality_rows(dict(lake.execute(query, [result.run_id]).fetchall()))
        hints = lake.execute(sql("runs/hints"), {"run": result.run_id}).fetchall()
        query = "SELECT count(*) FROM assignments WHERE run_id = ?"
        [(n_distinct,)] = lake.execute(query, [result.run_id]).fetchall()
        tried = lake.query(sql("report/candidates"), {"run": result.run_id}).to_pylist()
        counts = lake.query(sql("report/counts"), {"run": result.run_id}).to_pylist()
        natural = lake.execute(sql("runs/natural"), {"run": result.run_id}).fetchone()
        query = "SELECT encoder, n_clusters, criterion FROM runs WHERE run_id = ?"
        [(encoder, n_clusters, by)] = lake.execute(query, [result.run_id]).fetchall()
    images = n_images_text(result.n_images, n_distinct) + (f", by {by}" if by else "")
    table = _cards_table(shown(f"{result.collection}: {images}"), cards)
    console = Console()
    console.print(table)
    if result.n_failed:
        console.print(
            f"{counted(result.n_failed, 'input')} failed; see: sortal sql 'FROM failures_by_code'"
        )
    for hint, count in hints:
        console.print(shown(f"{count:,} of them: {hint}"), soft_wrap=True, markup=False)
    for modality in modalities:
        console.print(
            shown(
                f"modality {modality.name}: {counted(modality.dim, 'dimension')}, "
                f"{modality.n_present:,} images have it, {modality.n_missing:,} lack it"
            ),
            markup=False,
        )
    names = name_lines(cards, n_clusters, n_distinct, about_names(encoder, by))
    counted_lines = [*count_lines(counts), *curve_lines(counts, console.encoding)]
    for line in [*names, *counted_lines, *hint_lines(natural), *choice_lines(tried)]:
        console.print(line, soft_wrap=True, highlight=False)
    scores = [n for n in ("acc", "nmi", "ari", "purity") if n in result.metrics]
    if scores:
        console.print(
            "against the labels: " + ", ".join(f"{n} {result.metrics[n]:.3f}" for n in scores)
        )
    console.print(f"changed: {result.changed}", soft_wrap=True, highlight=False)
    if result.report:
        console.print(shown(f"report: {result.report}"), soft_wrap=True, markup=False)


def name_lines(
    cards: list[dict[str, Any]], n_clusters: int, n_images: int, about: str
) -> list[str]:
    """What names mean, how many kinds have none, and how many images have no kind."""
    from sortal.tasks.naming.about import unnamed_words, written_words

    has_nouns = any(card["nouns"] for card in cards)
    unnamed = unnamed_words(cards[0]["unnamed"] if cards else 0, n_clusters, has_nouns)
    written = written_words(cards[0]["written"], cards[0]["writer"]) if cards else None
    few = (cards[0]["kindless"] if cards else 0) or 0
    none = f"{n_clusters:,} kinds; {few:,} of {n_images:,} images are of no kind" if few else None
    return [line for line in (none, about, unnamed, written) if line]


def _cards_table(title: str, cards: list[dict[str, Any]]) -> Table:
    table = Table(title=Text(title), title_justify="left")
    for column in ("id", "name", "size", "top nouns", "typical image"):
        table.add_column(column, justify="right" if column in {"id", "size"} else "left")
    for card in cards:
        nouns = ", ".join((card["nouns"] or [])[:5])
        now = f" (kept; now: {card['suggested_name']})" if card["suggested_name"] else ""
        called = card["name"] if card["is_named"] or card["cluster_id"] < 0 else "unnamed"
        texts = (f"{called}{now}", nouns, card["typical"] or "")
        name, described, typical = (Text(shown(text)) for text in texts)
        table.add_row(str(card["cluster_id"]), name, f"{card['size']:,}", described, typical)
    return table


def count_lines(counts: list[dict[str, Any]]) -> list[str]:
    """How many kinds, where that was chosen, and how many there might be as well."""
    chosen = next((row for row in counts if row["chosen"]), None)
    if chosen is None:
        return []
    others = [str(row["n_clusters"]) for row in counts if row["is_natural"] and row is not chosen]
    *most, last = reversed(others) if others else [""]
    also = f"{', '.join(most)} and {last}" if most else last
    kept = ", as in the run before" if chosen["kept"] else ""
    natural = f"; {also} would also be natural" if also else ""
    span = f"{counts[0]['n_clusters']} to {counts[-1]['n_clusters']}"
    return [
        f"{chosen['n_clusters']} kinds{kept}{natural} ({len(counts)} numbers tried without "
        f"labels, {span})"
    ]


def curve_lines(counts: list[dict[str, Any]], encoding: str) -> list[str]:
    """What each number tried is worth, a bar each, and under them which are natural or taken."""
    worths = [row["worth"] or 0.0 for row in counts]
    if not any(row["chosen"] for row in counts) or max(worths) <= 0:
        return []
    bars = _BARS if encoding.lower().startswith("utf") else _PLAIN_BARS
    last = len(bars) - 1
    drawn = "".join(bars[max(0, round(last * worth / max(worths)))] for worth in worths)
    peaks = "".join("^" if row["is_natural"] or row["chosen"] else " " for row in counts)
    before = f"worth: {counts[0]['n_clusters']} "
    return [f"{before}{drawn} {counts[-1]['n_clusters']}", f"{' ' * len(before)}{peaks.rstrip()}"]


def hint_lines(earlier: tuple[int, int, float, bool] | None) -> list[str]:
    """A hint where the number given is clearly worse than one found in an earlier run."""
    if earlier is None or None in earlier:
        return []
    own, best, share, is_natural = earlier
    if is_natural or share >= CLEARLY_WORSE:
        return []
    return [
        f"hint: {best} kinds would suit these images better than {own}, as an earlier run found; "
        "-k auto finds the number anew"
    ]


def choice_lines(tried: list[dict[str, Any]]) -> list[str]:
    """How images were compared, in words, where that was chosen; `tried` are rows, best first."""
    from sortal.tasks.choose.words import lead_of

    chosen = next((row for row in tried if row["chosen"]), None)
    if chosen is None:
        return []
    lead = lead_of(tried)
    if lead is None:
        return [f"compared by: {chosen['words']}"]
    kept = ", kept from the run before" if chosen["kept"] else ""
    return [
        f"compared by: {chosen['words']}{kept} ({len(tried)} ways tried without labels; {lead})"
    ]


def make_report(workspace: Path, run: str | None, pdf: bool = False) -> None:
    """Make a run's report again from the lake (default: the newest run) and print its path."""
    from sortal.flows.operations.pdf import print_page
    from sortal.storage.lake.lake import Lake
    from sortal.storage.lake.runs import newest_run
    from sortal.tasks.report.page import publish_report

    doing("writing the report")
    place = Workspace(workspace.resolve())
    with Lake(place, read_only=True) as lake:
        run_id = newest_run(lake, run)["run_id"]
    page = publish_report(place, run_id)
    if pdf:
        doing("printing the report with Chromium")
    print(print_page(page) if pdf else page)


def show_encoders() -> None:
    """Which encoders work offline here, and how to get better ones."""
    from sortal.tasks.encoders.registry import installed

    table = Table(title="Encoders usable offline", title_justify="left")
    for column in ("spec", "dimensions", "fingerprint", "note"):
        table.add_column(column, overflow="fold")
    for info in installed():
        table.add_row(info.spec, str(info.dim or "?"), info.fingerprint[:12], info.note)
    Console().print(table)
    print(BETTER_ENCODERS)
