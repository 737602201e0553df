"""What names are worth, in words, for the report and the terminal."""

_UNSEEN = ("colour", "material", "style")  # criteria that are no kinds of things


def about_names(encoder: str, criterion: str | None = None) -> str:
    """One sentence or two on what an encoder's names mean, where images are sorted so."""
    if encoder == "conse" and criterion in _UNSEEN:
        return (
            f"Encoder conse knows 1,000 kinds of things and sees no {criterion}: it goes by what "
            "words of things suggest, so do not believe these kinds and names. A CLIP encoder sees "
            "it (`sortal encoders`)."
        )
    if encoder == "conse":
        return (
            "Encoder conse, which comes with Sortal, is a small network that learnt 1,000 kinds of "
            "things from photos (ImageNet): it names these and what is like them, and knows little "
            "of people, scenes, drawings and tiny images."
        )
    if encoder.startswith("vectors:"):
        return "Encoder vectors: names are nouns of those that came with the vectors."
    return f"Encoder {encoder}: names are the nouns whose text vectors fit the images best."


def unnamed_words(n_unnamed: int, n_clusters: int, has_nouns: bool) -> str | None:
    """That some clusters have no name, and why; None where all have one."""
    if not n_unnamed:
        return None
    if not has_nouns:
        return "No noun took part, so kinds have numbers and no names"
    are = "are" if n_unnamed > 1 else "is"
    return (
        f"{n_unnamed:,} of {n_clusters:,} kinds {are} unnamed: no noun is sure enough "
        "(naming.min_confidence)"
    )


def written_words(n_written: int, writer: str | None) -> str | None:
    """That some names were written by an endpoint; None where none was."""
    if not n_written:
        return None
    was, word = ("were", "names") if n_written > 1 else ("was", "name")
    return f"{n_written:,} {word} {was} written by {writer}, and checked by the encoder"
