"""Which nouns say what a thing is made of or where it is, and are no other thing."""

from collections.abc import Mapping
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from sortal.tasks.corpora.lists import LISTS
from sortal.tasks.corpora.vocabulary.files import terms_of
from sortal.tasks.corpora.vocabulary.terms import folded

_NO_THINGS = (  # [infer] lexicographer files of what a thing may have or be in
    "noun.attribute",
    "noun.location",
    "noun.object",
    "noun.phenomenon",
    "noun.substance",
)
_CRITERIA = ("colour", "material", "scene")  # our lists of them: leopard is a substance too, a fur


def qualities_in(
    number: Mapping[str, int], names: Mapping[str, str], table: pa.Table
) -> frozenset[int]:
    """Those concepts, by synset in `number`, whose word in `names` is on a list of ours."""
    said = _said()
    likely = [key for key in number if folded(names[key]) in said]
    files = table.filter(pc.is_in(table["synset"], pa.array(likely, pa.string())))
    return frozenset(
        number[synset]
        for synset, lexname in zip(
            *files.select(["synset", "lexname"]).to_pydict().values(), strict=True
        )
        if lexname in _NO_THINGS
    )


@cache
def _said() -> frozenset[str]:
    terms = [term for name in _CRITERIA for term in terms_of(LISTS / f"{name}.csv")]
    return frozenset(folded(word) for term in terms for word in (term.word, *term.synonyms))
