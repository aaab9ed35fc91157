"""SLURM on one node, this machine, for as long as a test wants it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cohort.processes import wait_until

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scancel", "squeue")
CONFIG = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmctldPort={controller}
SlurmdPort={node}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
MpiDefault=none
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs=64 RealMemory=512000 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def installed() -> bool:
    """Whether a SLURM can be started here: its programs are there, and this is root, who alone may."""
    return os.geteuid() == 0 and all(shutil.which(name, path=_path()) for name in PROGRAMS)


def _path() -> str:
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])


@dataclass(frozen=True)
class Slurm:
    """A running one; `environment` is for whatever talks to it."""

    environment: Mapping[str, str]

    def sbatch(self, folder: Path, *command: str | Path, **variables: str) -> str:
        """Submit from `folder`; the job's number."""
        return self.said(folder, "sbatch", "--parsable", *command, **variables).strip().partition(";")[0]

    def states(self, job: str) -> set[str]:
        """Of the job's parts that wait or run; empty when all have ended."""
        return set(self.said(Path.cwd(), "squeue", "--noheader", "--format=%T", "--job", job, check=False).split())

    def said(self, folder: Path, *command: str | Path, check: bool = True, **variables: str) -> str:
        run = subprocess.run(
            command, cwd=folder, env={**self.environment, **variables}, capture_output=True, text=True, check=False
        )
        assert not check or run.returncode == 0, run.stderr
        return run.stdout


@contextmanager
def slurm(folder: Path) -> Iterator[Slurm]:
    """A controller and one node, whose jobs find this interpreter's programs; all ends with the block."""
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    host = socket.gethostname().partition(".")[0]
    controller, node = _free_ports()
    config = folder / "slurm.conf"
    config.write_text(CONFIG.format(host=host, folder=folder, controller=controller, node=node))
    dropped = ("SLURM_", "SBATCH_", "COV_", "GIT_", "DVC_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    environment |= {"PATH": _path(), "SLURM_CONF": str(config)}
    files = [f"--{what}={folder}/munge.{end}" for what, end in _MUNGE.items()]
    with ExitStack() as stack:

        def daemon(*command: str) -> None:
            log = stack.enter_context((folder / f"{command[0]}.said").open("w"))
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
            stack.callback(process.wait)
            stack.callback(process.terminate)

        daemon("munged", "--foreground", "--force", *files)
        wait_until((folder / "munge.socket").exists)
        daemon("slurmctld", "-D")
        daemon("slurmd", "-D", "-N", host)
        running = Slurm(environment)
        wait_until(lambda: "idle" in running.said(folder, "sinfo", "--noheader", "--format=%t", check=False))
        stack.callback(running.said, folder, "scancel", "--user", "root", check=False)
        yield running


_MUNGE = {"socket": "socket", "key-file": "key", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}


def _free_ports() -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
