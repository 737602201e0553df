"""Settings of the figures a run is judged by; tasks/evaluation/metrics.py says what each means."""

from pydantic import Field

from sortal.configs.section import Section


class EvaluationConfig(Section):
    """How much is looked at. All values are ours [infer]: they bound a figure's cost."""

    recall_classes: int = Field(1000, ge=0)  # up to so many classes get a row of recall each
    silhouette_sample: int = Field(2000, ge=0)  # images drawn for the silhouettes; 0 = none
    stability_sample: int = Field(20_000, ge=0)  # images drawn to refit k-means; 0 = none
    stability_n_init: int = Field(3, ge=1)  # restarts of each refit
