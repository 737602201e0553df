"""How a network runs on a device: of which numbers, in which layout, compiled or not."""

from typing import Any, NamedTuple

import torch

from sortal.configs.encoder import EncoderConfig
from sortal.configs.executor import Forward

_HALF = {"float16": torch.float16, "bfloat16": torch.bfloat16}


class Running(NamedTuple):
    """A network's device, the numbers of its products, and whether torch.compile has made it."""

    device: str
    precision: Forward = "float32"
    compiled: bool = False

    @classmethod
    def on(cls, device: str, config: EncoderConfig) -> "Running":
        """As configured on a GPU, where auto is float16; in float32 elsewhere."""
        if device != "cuda":
            return cls(device)
        precision: Forward = "float16" if config.precision == "auto" else config.precision
        return cls(device, precision, config.compile)

    def ready(self, network: torch.nn.Module) -> Any:
        """The network on the device, channels last, as convolutions are fastest."""
        there = network.to(self.device).to(memory_format=torch.channels_last)
        return torch.compile(there) if self.compiled else there

    def pixels(self, batch: torch.Tensor) -> torch.Tensor:
        """Images (b, 3, h, w) on the device, channels last."""
        return batch.to(self.device, memory_format=torch.channels_last)

    def autocast(self) -> torch.autocast:
        """Inside, products are made of the chosen numbers."""
        half = _HALF.get(self.precision)
        kind = self.device if half else "cpu"
        return torch.autocast(kind, dtype=half or torch.bfloat16, enabled=half is not None)
