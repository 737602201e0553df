"""What every section of the configuration is: frozen and strict."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A frozen section; unknown keys, NaN and infinity are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
