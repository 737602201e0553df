"""What `sortal cluster`, `sortal report` and `sortal encoders` print."""

import json
import logging
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sortal.configs.schema import RunConfig
from sortal.flows.process.ahead import import_ahead, quick_imports
from sortal.flows.process.home import settle_home
from sortal.flows.terminal.logs import log_to_terminal, quiet_prefect
from sortal.storage.workspace import Workspace
from sortal.tasks.encoders.hub import check_within_reach
from sortal.tasks.shown import shown

if TYPE_CHECKING:  # importing it for real would start Prefect before its log is silenced
    from sortal.flows.run.result import RunResult

CLEARLY_WORSE = 0.8  # [infer] of the worth of the number that -k auto takes
BETTER_ENCODERS = (
    "Encoder conse is embedded and needs no download. Better: "
    "--encoder open_clip:ViT-B-32/laion2b_s34b_b79k (downloads once), "
    "or --encoder vectors:DIR for vectors you have; see `sortal encoders`."
)


def run_cluster(config: RunConfig, *, as_json: bool = False) -> "RunResult":
    """Run the flow for a person at a terminal; the last line on stdout is the run id."""
    with quick_imports(forever=True):
        wait_for_server = _begin(config)
        from sortal.flows.recluster import recluster
        from sortal.storage.lake.attach import attached_once

    log_to_terminal(logging.WARNING if as_json else logging.INFO)
    if config.encoder.spec == "conse" and not as_json:
        print(BETTER_ENCODERS, file=sys.stderr)
    wait_for_server()
    with attached_once():
        result = recluster(config)
        if as_json:
            print(json.dumps(result.model_dump()))
        else:
            show_result(result)
            print(result.run_id)
    return result


def _begin(config: RunConfig) -> Callable[[], None]:
    """Check what can be, start a server and import the flow; returns what waits for the server."""
    from sortal.flows.process.server import begin_server, begin_server_if_plain, reach_server

    with Workspace(config.workspace).made():
        settle_home(config.workspace)
        begin_server_if_plain()
        from sortal.storage.lake.lease import check_reachable

        check_reachable(Workspace(config.workspace))
        check_within_reach(config.encoder.spec)
        quiet_prefect()
        reach_server()
        from sortal.flows.run.check import check

        check(config)
    wait_for_server = begin_server()
    import_ahead(Workspace(config.workspace))
    return wait_for_server


def show_plan(config: RunConfig, *, as_json: bool = False) -> None:
    """What a run would read, embed and reuse, and about how long it takes. Makes nothing."""
    from sortal.storage.lake.lease import check_reachable

    check_reachable(Workspace(config.workspace))
    quiet_prefect()
    with tempfile.TemporaryDirectory(prefix="sortal-home-") as home:
        settle_home(Path(home))
        check_within_reach(config.encoder.spec)  # reads the cache, whose place is settled now
        from sortal.flows.run.plan import plan_of

        log_to_terminal(logging.WARNING)
        plan = plan_of(config)
    print(json.dumps(plan) if as_json else shown_lines(_plan_lines(config, plan)))


def shown_lines(lines: list[str]) -> str:
    """Lines as they may be printed, whatever files are called."""
    return "\n".join(map(shown, lines))


def _plan_lines(config: RunConfig, plan: dict[str, Any]) -> list[str]:
    images, texts, place = plan["images"], plan["texts"], plan["workspace"]
    n_unique, to_embed = images["n_unique"], plan["images_to_embed"]
    failed = f", {images['n_failed']:,} cannot be read" if images["n_failed"] else ""
    labels = f", labels of {images['n_classes']:,} classes" if images["n_labelled"] else ""
    counts = [
        f"{each['texts']:,} {name}s ({_to_embed(each['to_embed'])})" for name, each in texts.items()
    ]
    state = "" if place["exists"] else " (not there yet)"
    minutes = plan["seconds"] / 60
    by = f" by {plan['by']}" if plan["by"] else ""
    return [
        f"read: {images['n_images']:,} inputs of {config.source}, {n_unique:,} different images"
        f"{failed}{labels}",
        f"images: {to_embed:,} to embed with {plan['encoder']['spec']}, "
        f"{n_unique - to_embed:,} reused",
        f"texts: {', '.join(counts) or 'none'}",
        f"run: method {plan['method']}{by}, {_count_words(plan['n_clusters'])}, collection "
        f"{plan['collection']}, workspace {place['path']}{state}",
        *_writer_lines(plan),
        f"time: about {max(minutes, 1):,.0f} min on two cores; nothing was made. "
        "--show-config prints every setting",
    ]


def _writer_lines(plan: dict[str, Any]) -> list[str]:
    """Of whom names will be asked, where an endpoint writes them."""
    writer = plan["writer"]
    if writer is None:
        return []
    about = "about " if isinstance(plan["n_clusters"], str) else ""
    return [
        f"names: {about}{writer['names']:,} clusters' names will be asked of {writer['writer']} at "
        f"{writer['host']}, which is sent their terms and {writer['images']} images of each; none "
        "that it has answered before"
    ]


def _count_words(count: int | str) -> str:
    return f"{count:,} clusters" if isinstance(count, int) else f"clusters: {count}"


def _to_embed(n: int) -> str:
    return f"{n:,} to embed" if n else "all reused"


def show_config(config: RunConfig, *, as_json: bool = False) -> None:
    """Every setting that a run would have, as YAML or as one JSON object."""
    from sortal.flows.run.collection import of_its_collection
    from sortal.storage.lake.lease import check_reachable

    check_reachable(Workspace(config.workspace))
    config = of_its_collection(config)
    values = config.model_dump(mode="json")
    text = json.dumps(values) if as_json else yaml.safe_dump(values, sort_keys=False)
    print(text.rstrip())


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
        console.print(f"{result.n_failed:,} inputs failed; see: sortal sql 'FROM failures_by_code'")
    for hint, count in hints:
        console.print(shown(f"{count:,} of them: {hint}"), soft_wrap=True, markup=False)
    for modality in modalities:
        console.print(
            shown(
                f"modality {modality.name}: {modality.dim:,} dimensions, {modality.n_present:,} "
                f"images have it, {modality.n_missing:,} lack it"
            ),
            markup=False,
        )
    names = name_lines(cards, n_clusters, n_distinct, about_names(encoder, by))
    for line in [*names, *count_lines(counts), *hint_lines(natural), *choice_lines(tried)]:
        console.print(line, soft_wrap=True, highlight=False)
    scores = [n for n in ("acc", "nmi", "ari", "purity") if n in result.metrics]
    if scores:
        console.print(
            "against the labels: " + ", ".join(f"{n} {result.metrics[n]:.3f}" for n in scores)
        )
    console.print(f"changed: {result.changed}", soft_wrap=True, highlight=False)
    console.print(shown(f"report: {result.report}"), soft_wrap=True, markup=False)


def name_lines(
    cards: list[dict[str, Any]], n_clusters: int, n_images: int, about: str
) -> list[str]:
    """What names mean, how many kinds have none, and how many images have no kind."""
    from sortal.tasks.naming.about import unnamed_words, written_words

    unnamed = unnamed_words(cards[0]["unnamed"] if cards else 0, n_clusters)
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
    chosen = next((row for row in tried if row["chosen"]), None)
    if chosen is None:
        return []
    other = next((row for row in tried if row is not chosen), None)
    if other is None or None in (other["predictability"], chosen["predictability"]):
        return [f"compared by: {chosen['words']}"]
    kept = ", kept from the run before" if chosen["kept"] else ""
    figures = [f"{row['words']} {row['predictability']:.3f}" for row in (chosen, other)]
    return [
        f"compared by: {chosen['words']}{kept} ({len(tried)} ways tried without labels; how well "
        f"held-out images are foretold: {figures[0]}, next {figures[1]})"
    ]


def make_report(workspace: Path, run: str | None, pdf: bool = False) -> None:
    """Make a run's report again from the lake (default: the newest run) and print its path."""
    from sortal.flows.operations.pdf import print_page
    from sortal.storage.lake.lake import Lake
    from sortal.storage.lake.runs import newest_run
    from sortal.tasks.report.page import publish_report

    place = Workspace(workspace.resolve())
    with Lake(place, read_only=True) as lake:
        run_id = newest_run(lake, run)["run_id"]
    page = publish_report(place, run_id)
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
