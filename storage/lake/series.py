"""Series: which runs follow one another."""

from sortal.configs.encoder import EncoderSpec


def series_of(
    collection: str,
    method: str,
    encoder: str,
    encoder_fingerprint: str,
    random_state: int,
    **_: object,
) -> str:
    """The series of a run, as the lake's view `series` writes it.

    Ready-made vectors are known by their place: their fingerprint changes with every image added.
    """
    space = encoder if EncoderSpec.parse(encoder).where else encoder_fingerprint
    return f"{collection} {method} {space} {random_state}"
