"""What Prefect's pages call the steps of a run, by their roles."""

_ACTIONS = {
    "scan": "scan images",
    "image_vectors": "embed images",
    "nouns": "read nouns",
    "captions": "read captions",
    "image_captions": "caption images",
    "count": "choose how many kinds",
    "kinds": "gather kinds",
    "top": "gather kinds of kinds",
    "tree": "make the tree of kinds",
    "choice": "choose how images are compared",
    "way": "choose how they are clustered",
    "fused": "fuse",
    "partition": "find clusters",
    "names": "name clusters",
    "name_answers": "ask for names",
    "lineage": "follow clusters",
    "label_free": "measure clusters",
    "metrics": "compare with labels",
    "name_metrics": "compare names with labels",
    "run": "publish",
    "report": "write report",
}
_ASIDE = {
    "draft": "draft",
    "found": "as found",
    "as-they-are": "k-means, tried",
    "trained": "a head, tried",
}
_OF_A_SPACE = {"text_vectors": "embed {}s", "space": "choose {}s", "transport": "transport to {}s"}


def label(role: str) -> str:
    """The name of a step in people's words: `noun.text_vectors` is `embed nouns`."""
    part, _, rest = role.partition(".")
    if part == "train" and rest:
        return f"{label(rest)} of the train split"
    if part in _ASIDE and rest:
        return f"{label(rest)} ({_ASIDE[part]})"
    if part in ("kinds", "top") and rest:
        return f"{label(rest)} of {'kinds' if part == 'kinds' else 'kinds of kinds'}"
    if part == "view":
        name = rest.removesuffix(".texts")
        return f"embed modality {name}" if name == rest else f"read modality {name}"
    if rest in _OF_A_SPACE:
        return _OF_A_SPACE[rest].format(part)
    return _ACTIONS.get(role, role.replace("_", " ").replace(".", " "))
