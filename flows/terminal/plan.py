"""What `sortal cluster --dry-run` and `--show-config` print; they make nothing."""

import json
import logging
import tempfile
from pathlib import Path
from typing import Any

import yaml

from sortal.configs.errors import counted
from sortal.configs.schema import RunConfig
from sortal.flows.process.home import settle_home
from sortal.flows.terminal.logs import log_to_terminal, quiet_prefect
from sortal.storage.workspace import Workspace
from sortal.tasks.encoders.hub import check_within_reach
from sortal.tasks.labels.compared import are_compared
from sortal.tasks.shown import shown


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
    compared = are_compared(images["n_labelled"], images["n_classes"])
    labels = f", labels of {images['n_classes']:,} classes" if compared else ""
    counts = [f"{counted(each['texts'], name)} ({_to_embed(each)})" for name, each in texts.items()]
    bring, bucket = plan["images_to_bring"], place["objects"]
    brought = f"{bring:,} from {bucket}, " if bucket else ""
    state = "" if place["exists"] else " (not there yet)"
    minutes = plan["seconds"] / 60
    by = f" by {plan['by']}" if plan["by"] else ""
    return [
        f"read: {counted(images['n_images'], 'input')} of {config.source}, "
        f"{counted(n_unique, 'different image')}"
        f"{failed}{labels}",
        f"images: {to_embed:,} to embed with {plan['encoder']['spec']}, "
        f"{brought}{n_unique - to_embed - bring:,} reused",
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
    return counted(count, "cluster") if isinstance(count, int) else f"clusters: {count}"


def _to_embed(of_texts: dict[str, int]) -> str:
    counts = {"to embed": of_texts["to_embed"], "from the bucket": of_texts["to_bring"]}
    return ", ".join(f"{n:,} {what}" for what, n in counts.items() if n) or "all reused"


def show_config(config: RunConfig, *, as_json: bool = False) -> None:
    """Every setting that a run would have, as YAML or as one JSON object."""
    from sortal.flows.run.collection import of_its_collection
    from sortal.storage.lake.lease import check_reachable

    check_reachable(Workspace(config.workspace))
    config = of_its_collection(config)
    values = config.model_dump(mode="json")
    text = json.dumps(values) if as_json else yaml.safe_dump(values, sort_keys=False)
    print(text.rstrip())
