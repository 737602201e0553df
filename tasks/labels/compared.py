"""Whether labels can say anything of clusters: which of them are worth a comparison."""

from sortal.configs.errors import counted


def are_compared(n_labelled: int, n_classes: int) -> bool:
    """Whether `n_labelled` images of `n_classes` classes can tell good clusters from bad ones.

    One class cannot, nor can classes of one image each: figures against them are the same
    whatever the clusters are.
    """
    return 1 < n_classes < n_labelled


def why_not_compared(n_labelled: int, n_classes: int) -> str | None:
    """The line for a person whose labels are not compared; None where they are, or there are none.

    Of `n_labelled` images and their `n_classes` classes.
    """
    if not n_labelled or are_compared(n_labelled, n_classes):
        return None
    if n_labelled == 1:
        return "labels are not compared: one image alone has a label"
    images = counted(n_labelled, "labelled image")
    if n_classes == 1:
        return f"labels are not compared: {images} have the same one"
    return f"labels are not compared: {images} have one each, and no two the same"
