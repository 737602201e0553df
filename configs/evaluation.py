"""Settings of the figures a run is judged by, and what every figure is called and means."""

from pydantic import Field

from configs.section import Section


class EvaluationConfig(Section):
    """How much is looked at. All values are ours [infer]: they bound a figure's cost."""

    recall_classes: int = Field(1000, ge=0)  # up to so many classes get a row of recall each
    silhouette_sample: int = Field(2000, ge=0)  # images drawn for the silhouettes; 0 = none
    stability_sample: int = Field(20_000, ge=0)  # images drawn to refit k-means; 0 = none
    stability_n_init: int = Field(3, ge=1)  # restarts of each refit


METRICS = {
    "acc": "share of images whose cluster is matched to their class, one to one (Hungarian)",
    "nmi": "normalised mutual information of clusters and classes, arithmetic mean",
    "ari": "adjusted Rand index: pairs put together or apart alike, 0 by chance",
    "fmi": "Fowlkes-Mallows index: geometric mean of precision and recall over pairs",
    "purity": "share of images that bear the majority class of their cluster",
    "recall_mean": "mean over classes of the share that lies in the matched cluster",
    "recall_min": "the same for the class that fares worst",
    "recall.<class>": "the same for one class (up to evaluation.recall_classes of them)",
    "n_classes": "classes that occur",
    "n_clusters_used": "clusters that hold a labelled image",
    "n_labelled": "images that are compared",
    "n_unlabelled": "images in a cluster that have no label",
    "n_unassigned": "images with a label that failed",
    "name_equal": "share of clusters named like their majority class (number, case and _ aside)",
    "name_synonym": "the same, or by a word of the same WordNet synset",
    "name_hypernym": "the same, or by a synset at most two levels above or below",
    "name_similarity": "mean cosine of a cluster's name and its majority class, as texts",
    "name_nearest": "share of clusters whose name is nearer to their majority class than to others",
    "size_entropy": "entropy of cluster sizes / log n_clusters: 1 all equal, 0 one holds all",
    "silhouette_fused": "mean silhouette (cosine) of a sample of the fused vectors",
    "silhouette_image": "mean silhouette (cosine) of a sample of the image vectors",
    "stability": "ARI of two k-means fitted on halves of a sample; none for trained heads",
    "entropy_noun": "entropy of the nouns' transport columns / log M: 1 all used alike",
    "entropy_caption": "the same of the captions",
    "cosine_image": "mean cosine of all pairs of image vectors",
    "cosine_fused": "mean cosine of all pairs of fused vectors",
}
