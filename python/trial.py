"""What the tests of the capture tool share: running it, and a folder to run it in."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import capture
import seeded
import suite

SIZES = {"n_layer": 2, "n_embd": 32, "n_head": 4, "n_positions": 32, "vocab_size": 256}
SEEDED = ["--random-init", "--n-layer", "2", "--n-embd", "32", "--n-head", "4",
          "--n-positions", "32", "--vocab-size", "256", "--prompt", "24 karat"]


def run(*arguments: str) -> tuple[int, str, str]:
    """Runs the tool in this process: exit code, stdout, stderr."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = capture.main(list(arguments))
    return code, out.getvalue(), err.getvalue()


def spawn(*arguments: str, python: tuple[str, ...] = (), **environment: str) -> subprocess.CompletedProcess:
    """Runs the tool as a user does, for what is decided while packages are imported."""
    return subprocess.run(
        [sys.executable, *python, str(HERE / "capture.py"), *arguments], check=False,
        capture_output=True, text=True, env={**os.environ, **environment}, timeout=300)


def tree(folder: Path) -> dict[str, str]:
    """Every file below `folder` with its sha256: whole contents would make a failure unreadable."""
    return {p.relative_to(folder).as_posix(): suite.sha256(p) for p in folder.rglob("*") if p.is_file()}


def tiny_model(seed: int = 0):
    return seeded.model(SIZES, seed, "eager").eval()


class Capture(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.root = self.folder / "goldens"

    def capture(self, *arguments: str) -> tuple[int, str, str]:
        return run("tiny", "--root", str(self.root), *arguments)

    def captured(self, *arguments: str) -> Path:
        code, _, err = self.capture(*(arguments or SEEDED))
        self.assertEqual((code, err), (0, ""))
        return self.root / "tiny"

    def saved_model(self, name: str = "my model") -> Path:
        folder = self.folder / name
        with contextlib.redirect_stderr(io.StringIO()):
            tiny_model().save_pretrained(folder)
        return folder

    def assertRefused(self, answer: tuple[int, str, str], *words: str):
        """One message of three lines, which names all of `words` and ends with a command."""
        code, out, err = answer
        self.assertEqual((code, out), (2, ""))
        lines = err.rstrip("\n").split("\n")
        self.assertEqual(len(lines), 3, err)
        self.assertTrue(lines[0].startswith("error: "), err)
        self.assertRegex(lines[2], r"^       to [^:]+:  \S+")
        for word in words:
            self.assertIn(word, err)
