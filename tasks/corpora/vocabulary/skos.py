"""SKOS thesauri as vocabularies (the extra `sortal[skos]`): RDF/XML or Turtle."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sortal.configs.errors import UsageError
from sortal.tasks.corpora.vocabulary.terms import Term, tidy

_SKOS = "http://www.w3.org/2004/02/skos/core#"
_MOST_BYTES = 500_000_000  # a graph is held whole, at many times this


def concepts(path: Path) -> Iterator[Term]:
    """A term for each concept with a preferred label, in English where it has one.

    Alternative and hidden labels are synonyms, the definition or scope note describes it, and
    broader concepts are parents. Concepts are numbered in the order of their addresses.
    """
    graph = _read(path)
    labels = _texts(graph, "prefLabel")
    if not labels:
        raise UsageError(f"{path} must hold SKOS concepts with a prefLabel, got none; export such")
    synonyms = [_texts(graph, name) for name in ("altLabel", "hiddenLabel")]
    described = [_texts(graph, name) for name in ("definition", "scopeNote")]
    broader = _broader(graph)
    for number, concept in enumerate(sorted(labels), start=1):
        word, language = labels[concept][0]
        said = [text for found in described for text, lang in found[concept] if lang == language]
        others = [text for found in synonyms for text, lang in found[concept] if lang == language]
        above = [labels[each][0][0] for each in broader[concept] if each in labels]
        yield Term(word, number, (said or [""])[0], tuple(others), tuple(above))


def _read(path: Path) -> Any:
    try:
        from rdflib import Graph
    except ImportError:
        raise UsageError(
            f"a SKOS vocabulary needs the extra sortal[skos] (rdflib), which is not installed, for "
            f"{path}; install it, or give terms as CSV"
        ) from None
    if path.stat().st_size > _MOST_BYTES:
        raise UsageError(
            f"a SKOS vocabulary must have at most {_MOST_BYTES:,} bytes, got "
            f"{path.stat().st_size:,} in {path}; give terms as CSV, which is read as a stream"
        )
    kind = "turtle" if path.suffix.lower() == ".ttl" else "xml"
    graph = Graph()
    try:
        with path.open("rb") as file:
            graph.parse(file=file, format=kind, publicID="urn:vocabulary")
    except Exception as error:  # its parsers raise what they like
        reason = " ".join(str(error).split())[:200]
        wanted = f"{path} must be SKOS in {'Turtle' if kind == 'turtle' else 'RDF/XML'}"
        raise UsageError(f"{wanted}, got {reason}; export it again") from None
    return graph


def _texts(graph: Any, name: str) -> dict[str, list[tuple[str, str]]]:
    """Texts of a property by concept, with their languages: English first, then none."""
    from rdflib import URIRef

    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for subject, text in graph.subject_objects(URIRef(_SKOS + name)):
        language = (getattr(text, "language", None) or "").partition("-")[0].lower()
        word = tidy(str(text))
        if word:
            found[str(subject)].append((word, language))
    for texts in found.values():
        texts.sort(key=lambda each: (each[1] != "en", each[1] != "", each[1], each[0]))
    return found


def _broader(graph: Any) -> dict[str, list[str]]:
    from rdflib import URIRef

    found: dict[str, set[str]] = defaultdict(set)
    for concept, above in graph.subject_objects(URIRef(_SKOS + "broader")):
        found[str(concept)].add(str(above))
    for above, concept in graph.subject_objects(URIRef(_SKOS + "narrower")):
        found[str(concept)].add(str(above))
    return defaultdict(list, {concept: sorted(above) for concept, above in found.items()})
