"""Other programs: how long they take, how much memory, and in turn with each other."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
import shutil
import subprocess
import time
from pathlib import Path
from typing import Callable, Mapping, Optional, Sequence

from .refusal import Refusal

# What a machine may have set that changes what the programs do: a CI, insta, wrappers of the compiler, numbers of threads.
FOREIGN = re.compile(r"CI|GITHUB_.*|INSTA_.*|NO_COLOR|(CARGO_BUILD_)?RUSTC_.*WRAPPER|RUSTFLAGS|CARGO_(PROFILE|TARGET|INCREMENTAL).*"
                     r"|(RAYON|OMP|MKL|OPENBLAS)_NUM_THREADS|PYTEST_.*")
SAMPLE_SECONDS = 0.00025


@dataclasses.dataclass(frozen=True)
class Memory:
    """The most that a process had at any time, in MiB."""

    anonymous: float
    resident: float


def clean(environment: Mapping[str, str] = os.environ, **more: str) -> dict[str, str]:
    """An environment in which programs do what they do by themselves, and those variables."""
    return {**{name: value for name, value in environment.items() if not FOREIGN.fullmatch(name)}, **more}


def seconds(command: Sequence[str], folder: Optional[Path] = None, status: int = 0, **more: str) -> float:
    """How long a program takes from its start to its end; what it prints is not read."""
    environment = clean(**more)
    with open(os.devnull, "w") as nowhere:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=nowhere,
                                   stderr=nowhere)
        ended = process.wait()
        elapsed = time.perf_counter() - started
    if ended != status:
        raise failed(command, folder, ended, **more)
    return elapsed


def failed(command: Sequence[str], folder: Optional[Path], status: int, **more: str) -> Refusal:
    """What a program says that ended otherwise than it should."""
    again = subprocess.run(command, cwd=folder, env=clean(**more), stdin=subprocess.DEVNULL, capture_output=True, text=True)
    said = "\n".join((again.stdout + again.stderr).strip().splitlines()[-15:])
    return Refusal(f"`{shlex.join(map(str, command))}` ended with {status}", f"it says:\n{said}")


def output(command: Sequence[str], folder: Optional[Path] = None, remedy: str = "", **more: str) -> str:
    """What a program prints."""
    try:
        ended = subprocess.run(command, cwd=folder, env=clean(**more), stdin=subprocess.DEVNULL, capture_output=True,
                               text=True)
    except OSError as error:
        raise Refusal(f"`{command[0]}` does not start: {error}", remedy) from error
    if ended.returncode != 0:
        said = "\n".join((ended.stdout + ended.stderr).strip().splitlines()[-15:])
        raise Refusal(f"`{shlex.join(map(str, command))}` ended with {ended.returncode}", f"it says:\n{said}")
    return ended.stdout


def run(command: Sequence[str], folder: Path) -> None:
    """Runs a program, however it ends."""
    subprocess.run(command, cwd=folder, env=clean(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def start(command: Sequence[str]) -> float:
    """How long a program takes that does next to nothing: with as little as can be around it."""
    program = shutil.which(command[0]) or command[0]
    nowhere = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    environment = clean()
    started = time.perf_counter()
    _, status = os.waitpid(os.posix_spawn(program, command, environment, file_actions=nowhere), 0)
    elapsed = time.perf_counter() - started
    if status != 0:
        raise failed(command, None, os.waitstatus_to_exitcode(status))
    return elapsed


def watch(command: Sequence[str], folder: Path) -> Memory:
    """The memory of a program that is to succeed: the anonymous by looking some thousand times a second, all of it by what
    the system counts until the end."""
    with open(os.devnull, "w") as nowhere:
        process = subprocess.Popen(command, cwd=folder, env=clean(), stdin=subprocess.DEVNULL, stdout=nowhere,
                                   stderr=nowhere)
    anonymous = 0.0
    look = os.open(f"/proc/{process.pid}/status", os.O_RDONLY)
    while True:
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        if ended:
            break
        anonymous = max(anonymous, field(os.pread(look, 8192, 0), b"RssAnon"))
        time.sleep(SAMPLE_SECONDS)
    os.close(look)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise failed(command, folder, process.returncode)
    return Memory(anonymous, usage.ru_maxrss / 1024)


def field(status: bytes, name: bytes) -> float:
    """A size of /proc/PID/status in MiB; 0 where a process has no memory yet, or no more."""
    found = re.search(rb"^" + name + rb":\s+(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def in_turn(rounds: int, *timed: Callable[[], float]) -> list[list[float]]:
    """The seconds of each of several, one after the other, round after round, after one round that does not count."""
    for run in timed:
        run()
    return [list(column) for column in zip(*([run() for run in timed] for _ in range(rounds)))]


class Server:
    """A program that answers a line on stdin with a line on stdout."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]):
        self.name = shlex.join(map(str, command))
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line: str) -> str:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if not answer:
            raise Refusal(f"`{self.name}` ended", "what it said is above")
        return answer

    def close(self) -> None:
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()
