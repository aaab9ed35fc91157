"""A training that several processes share: which rows of a batch are whose, and how they agree."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from brainseg.errors import TrainingError

_LAUNCHER = "BRAINSEG_LAUNCHER"
"""Number of the process that started torchrun."""


@dataclass(frozen=True)
class Share:
    """One process among several.

    Attributes:
        fabric: Fabric, which has joined them.
    """

    fabric: Any

    @property
    def rank(self) -> int:
        """Number of this process, from 0."""
        return int(self.fabric.global_rank)

    @property
    def world(self) -> int:
        """How many there are."""
        return int(self.fabric.world_size)

    def rows(self, n: int) -> slice:
        """Those of a batch of n that are this process's: one run, and of two processes' the lengths differ by one."""
        return slice(n * self.rank // self.world, n * (self.rank + 1) // self.world)

    def weigh(self, loss: Tensor, mine: int, n: int) -> Tensor:
        """The loss of `mine` rows so that the mean over all processes is that over all n rows."""
        return loss if self.world == 1 else loss * (mine * self.world / n)

    def mean(self, value: Tensor) -> Tensor:
        """Over all processes."""
        return value if self.world == 1 else self.fabric.all_reduce(value.detach(), reduce_op="mean")

    def agree(self, network: nn.Module) -> None:
        """Give all processes the mean of their running statistics, where each normalises its rows by itself."""
        if self.world == 1 or any(isinstance(module, nn.SyncBatchNorm) for module in network.modules()):
            return
        for buffer in network.buffers():
            if buffer.is_floating_point():
                buffer.copy_(self.fabric.all_reduce(buffer, reduce_op="mean"))

    def gather(self, mine: dict[str, float]) -> dict[str, float]:
        """What all processes have found together."""
        if self.world == 1:
            return mine
        parts: list[dict[str, float]] = [{} for _ in range(self.world)]
        torch.distributed.all_gather_object(parts, mine)
        return {key: value for part in parts for key, value in part.items()}

    def wait(self) -> None:
        """Until all are here."""
        if self.world > 1:
            self.fabric.barrier()


def is_first() -> bool:
    """Whether this process alone writes and speaks; known before Fabric is."""
    return int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0"))) == 0


def launch(processes: int, nodes: int, module: str, arguments: Sequence[str]) -> bool:
    """Start the processes of one node by torchrun and wait for them, unless this is one of them.

    Args:
        processes: of this node.
        nodes: machines that take part.
        module: to be run by each.
        arguments: of its command line.

    Returns:
        Whether they have run, so that nothing is left to do.

    Raises:
        TrainingError: one of them failed, whereupon all were stopped; or there are several nodes, which only SLURM or
            torchrun can start.
    """
    if processes * nodes == 1 or "WORLD_SIZE" in os.environ or "SLURM_PROCID" in os.environ:
        if _LAUNCHER in os.environ:
            threading.Thread(target=_follow, args=(int(os.environ[_LAUNCHER]), os.getppid()), daemon=True).start()
        return False
    if nodes > 1:
        raise TrainingError(
            f"train.nodes is {nodes}: start the stage on each of them by srun, or by torchrun --nnodes {nodes} "
            f"--nproc-per-node {processes} -m {module} ..."
        )
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    environment = os.environ | {_LAUNCHER: str(os.getpid())}
    ended = subprocess.run([*torchrun, "-m", module, *arguments], check=False, env=environment)
    if ended.returncode:
        raise TrainingError(
            "one of the processes of the training failed, and all were stopped; mend what it said, and the same "
            "command continues after the last whole epoch."
        )
    return True


def _follow(launcher: int, torchrun: int) -> None:
    """End this process where either of those that started it was killed: a rerun would train beside it."""
    while os.getppid() == torchrun and _runs(launcher):
        time.sleep(1)
    os._exit(1)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
