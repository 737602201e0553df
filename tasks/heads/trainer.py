"""The trainer: mini-batches, Adam, history, checkpoints and guards, the same for every method."""

import inspect
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sortal.configs.errors import RunError, UsageError
from sortal.configs.heads import TrainerConfig
from sortal.tasks.heads.checkpoint import Progress, resume, save
from sortal.tasks.heads.data import BLOCK, Data
from sortal.tasks.heads.method import Method
from sortal.tasks.heads.outputs import History, Labels
from sortal.tasks.progress import Advance, progress
from sortal.tasks.threads import one_thread

_SMALL = 100_000_000  # products of a batch, forward: with fewer, barriers cost more than they save
EPOCH = 1 << 20  # what an epoch's randomness is for; smaller numbers are the methods'

Score = Callable[[Labels], float]


class Predictions(NamedTuple):
    """What a head says of all images: labels (n,), their probabilities (n,) and figures."""

    labels: Labels
    probabilities: NDArray[np.float32]
    figures: dict[str, float]


def train(method: Method, data: Data, config: TrainerConfig, score: Score | None = None) -> History:
    """Train `method` on `data`; returns rows (epoch, name, value), by epoch.

    Resumes from a checkpoint in `data.scratch` where there is one: on a CPU the weights are then
    those of an uninterrupted training. Without `score` the last epoch counts; with it
    (`selection: paper`) the epoch of the highest score, and training stops after
    `config.patience` epochs without a gain. Raises `UsageError` where an epoch would take no
    step, `RunError` where the loss is no longer a number.
    """
    n_steps = data.n_images // config.batch_size
    if not n_steps:
        raise UsageError(
            f"head.trainer.batch_size must be at most {data.n_images:,}, got "
            f"{config.batch_size:,}: an epoch would take no step; lower it"
        )
    method.prepare(data)
    method.to(data.device)
    optimiser = optimiser_of(method, config)
    at = resume(data.scratch, method, optimiser)
    small = config.batch_size * sum(each.numel() for each in method.parameters()) < _SMALL
    with (
        progress("training", config.epochs * n_steps, "steps") as advance,
        one_thread(small and data.device == "cpu"),
    ):
        advance(at.epoch * n_steps)
        while at.epoch < config.epochs and not _stale(at, config, score):
            _one_epoch(method, data, config, optimiser, at, advance)
            _measure(method, data, at, score)
            at.epoch += 1
            if at.epoch % config.checkpoint_every == 0 or at.epoch == config.epochs:
                save(data.scratch, method, optimiser, at)
    if at.best:
        method.load_state_dict(at.best)
    return at.history


def optimiser_of(method: Method, config: TrainerConfig) -> torch.optim.Optimizer:
    """Adam, or AdamW, over all parameters."""
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[config.optimiser]
    settings = {"lr": config.lr, "betas": config.betas, "weight_decay": config.weight_decay}
    return _uncompiled(kind)(list(method.parameters()), **settings)


def _uncompiled(kind: type[torch.optim.Optimizer]) -> Callable[..., torch.optim.Optimizer]:
    """`kind` without what its methods do for torch.compile, whose import takes two seconds."""
    names = ("add_param_group", "state_dict", "load_state_dict", "zero_grad", "step")
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in names}
    methods["step"] = torch.no_grad()(methods["step"])
    return type(kind.__name__, (kind,), methods)


def lr_factor(step: int, n_steps: int, config: TrainerConfig) -> float:
    """What the learning rate of a step is multiplied by: warm-up, then the schedule."""
    rise = round(config.warmup * n_steps)
    if step < rise:
        return (step + 1) / rise
    done = (step - rise) / max(n_steps - rise, 1)
    factors = {
        "constant": 1.0,
        "linear": 1.0 - done,
        "cosine": 0.5 * (1.0 + math.cos(math.pi * done)),
    }
    return factors[config.schedule]


def batches(n_images: int, size: int, draw: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """A random order of all images in batches of `size`; what is left over is dropped."""
    order = draw.permutation(n_images)
    for start in range(0, n_images - size + 1, size):
        yield order[start : start + size]


def _one_epoch(
    method: Method,
    data: Data,
    config: TrainerConfig,
    optimiser: torch.optim.Optimizer,
    at: Progress,
    advance: Advance,
) -> None:
    n_steps = data.n_images // config.batch_size
    draw = data.generator(EPOCH, at.epoch)
    method.eval()
    figures = method.start_epoch(at.epoch)
    method.train()
    sums: dict[str, Tensor] = {}
    note = _note(at)
    for step, batch in enumerate(batches(data.n_images, config.batch_size, draw)):
        factor = lr_factor(at.epoch * n_steps + step, config.epochs * n_steps, config)
        for group in optimiser.param_groups:
            group["lr"] = config.lr * factor
        terms = method.loss(batch, at.epoch, draw)
        if not terms:
            raise UsageError("a head needs at least one loss term; all are switched off")
        optimiser.zero_grad(set_to_none=True)
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        for name, value in terms.items():
            sums[name] = sums.get(name, torch.zeros_like(value)) + value.detach()
        advance(1, note)
    means = {name: float(value) / n_steps for name, value in sums.items()}
    figures |= {"loss": sum(means.values())} | {f"loss.{name}": x for name, x in means.items()}
    if not math.isfinite(figures["loss"]):
        raise RunError(
            f"training diverged in epoch {at.epoch}: a loss is not finite; lower head.trainer.lr"
        )
    at.history += [(at.epoch, name, value) for name, value in figures.items()]


def _measure(method: Method, data: Data, at: Progress, score: Score | None) -> None:
    """Add the figures of all images, and keep the weights if they are the best by `score`."""
    found = predict(method, data)
    figures = found.figures
    labels = torch.from_numpy(found.labels)
    if at.labels is not None:
        figures["agreement"] = float((labels == at.labels).float().mean())
    at.labels = labels
    if score is not None:
        figures["score"] = score(found.labels)
        if figures["score"] > at.best_score:
            at.best_score, at.best_epoch = figures["score"], at.epoch
            at.best = {name: value.clone() for name, value in method.state_dict().items()}
    at.history += [(at.epoch, name, value) for name, value in figures.items()]


def _stale(at: Progress, config: TrainerConfig, score: Score | None) -> bool:
    return score is not None and at.epoch - 1 - at.best_epoch >= config.patience > 0 < at.epoch


def _note(at: Progress) -> str:
    """Last epoch's figures in a few words, for the progress bar."""
    last = {name: value for epoch, name, value in at.history if epoch == at.epoch - 1}
    shown = ("loss", "entropy", "agreement")
    return ", ".join(f"{name} {last[name]:.3f}" for name in shown if name in last)


@torch.no_grad()
def probability_blocks(method: Method, data: Data) -> Iterator[Tensor]:
    """Probabilities (b, n_clusters) of consecutive images, float32, on the CPU."""
    method.eval()
    for start in range(0, data.n_images, BLOCK):
        block = {
            name: data.modalities[name].slice(start, start + BLOCK) for name in method.deciding
        }
        yield method.probabilities(block).float().cpu()


def predict(method: Method, data: Data) -> Predictions:
    """Labels and figures of all images: entropy of the mean, mean confidence, empty clusters."""
    labels, tops, total = [], [], torch.zeros(data.n_clusters, dtype=torch.float64)
    for block in probability_blocks(method, data):
        top, label = block.max(dim=1)
        labels.append(label.int())
        tops.append(top)
        total += block.sum(dim=0, dtype=torch.float64)
    label, top, mean = torch.cat(labels), torch.cat(tops), total / data.n_images
    used = torch.bincount(label.long(), minlength=data.n_clusters) > 0
    figures = {
        "entropy": float(-torch.xlogy(mean, mean).sum()),
        "confidence": float(top.double().mean()),
        "n_empty": float((~used).sum()),
    }
    return Predictions(label.numpy(), top.numpy(), figures)
