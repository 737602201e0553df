"""Which collection a run is of: the one at its source, however both are called."""

from pathlib import Path

from sortal.configs import FORMER_METHOD, METHOD
from sortal.configs.encoder import EncoderSpec
from sortal.configs.errors import EmptyLakeError, expanded
from sortal.configs.schema import RunConfig
from sortal.storage.collections.known import Known, collection_at
from sortal.storage.collections.place import place_of
from sortal.storage.lake.catalogue import Catalogue
from sortal.storage.lake.lake import Lake
from sortal.storage.workspace import Workspace


def of_its_collection(config: RunConfig) -> RunConfig:
    """The settings with name and source as the lake knows the collection: other spellings go.

    Where no method is given, a collection that was only ever sorted by the former default goes on
    with it: another method would be another series, with ids and pinned names of its own.
    Writes nothing. Raises UsageError where the name is that of a collection with another source.
    """
    workspace, given = Workspace(config.workspace), config.collection is not None
    known = known_at(workspace, config.source, config.collection_name, given=given)
    if known is None:
        return config
    if "method" not in config.model_fields_set and _knows_the_former_alone(known):
        config = config.by_method(FORMER_METHOD)
    changes: dict[str, object] = {}
    if known.collection != config.collection_name:
        changes["collection"] = known.collection
    if known.source and _is_the_same(known.source, config.source, workspace):
        changes |= _spelled(config, known.source)
    return config.model_copy(update=changes)


def known_at(workspace: Workspace, source: str, name: str, *, given: bool) -> Known | None:
    """See `collection_at`; None where there is no lake yet."""
    if not Catalogue.configured(workspace).exists():
        return None
    try:
        with Lake(workspace, read_only=True) as lake:
            return collection_at(lake, workspace, source, name, given)
    except EmptyLakeError:
        return None


def _knows_the_former_alone(known: Known) -> bool:
    return FORMER_METHOD in known.methods and METHOD not in known.methods


def _is_the_same(known: str, source: str, workspace: Workspace) -> bool:
    local = "://" not in known  # of an address the lake has no password
    return local and place_of(known, workspace) == place_of(source, workspace)


def _spelled(config: RunConfig, source: str) -> dict[str, object]:
    where = EncoderSpec.parse(config.encoder.spec).where
    if where is None or where.resolve() != expanded(source).resolve():
        return {"source": source}
    spec = EncoderSpec.of_vectors(Path(source))
    return {"source": source, "encoder": config.encoder.model_copy(update={"spec": spec})}
