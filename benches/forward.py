"""Times the whole forward of GPT-2 124M on 64 tokens, karat's built-in executor against torch.

Same weights, same tokens, same number of threads, in turn; prints both times, their ratio, and how far apart the
logits are.

    python3 benches/forward.py [--threads 2] [--rounds 15]

Needs cargo, torch, transformers and safetensors (docs/capture.md says how to install them) and 1 GB of memory.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

try:
    import numpy
    import torch
    from safetensors.torch import save_file
    from transformers import GPT2Config, GPT2LMHeadModel
except ImportError as error:
    print(f"{error}; to install what this needs:  {sys.executable} -m pip install numpy torch transformers safetensors", file=sys.stderr)
    sys.exit(2)

TOKENS = 64
# The threads of torch go on spinning for a while after their work.
PAUSE_SECONDS = 0.3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()

    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    model = GPT2LMHeadModel(GPT2Config()).eval()
    ids = torch.randint(model.config.vocab_size, (1, TOKENS))

    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        weights = Path(folder, "weights.safetensors")
        save_file({name: tensor.contiguous() for name, tensor in model.transformer.state_dict().items()}, weights)
        karat = Karat(weights, options.threads)
        for run in (lambda: model(ids), lambda: karat.run(ids)):  # Warm up.
            run()
        times = [(forward(model, ids), karat.run(ids)) for _ in range(options.rounds)]
        theirs, ours = model(ids).logits[0].numpy(), karat.logits(Path(folder, "logits"), model.config.vocab_size)

    print(f"{TOKENS} tokens, {options.threads} threads, {options.rounds} rounds in turn, torch {torch.__version__}")
    columns = list(zip(*times))
    for name, seconds in zip(("torch", "karat"), columns):
        print(f"{name}   median {statistics.median(seconds):.4f} s   least {min(seconds):.4f} s")
    medians, least = [[pick(seconds) for seconds in columns] for pick in (statistics.median, min)]
    print(f"karat / torch   of the medians {medians[1] / medians[0]:.2f}   of the least {least[1] / least[0]:.2f}")
    print(f"logits   largest difference {abs(ours - theirs).max():.2e}   largest logit {abs(theirs).max():.2f}")
    return 0


def forward(model, ids) -> float:
    time.sleep(PAUSE_SECONDS)
    started = time.perf_counter()
    model(ids)
    return time.perf_counter() - started


class Karat:
    """The program of forward.rs, which answers a line on stdin with a line on stdout."""

    def __init__(self, weights: Path, threads: int):
        command = ["cargo", "bench", "--quiet", "--bench", "forward", "--", "serve", str(weights)]
        self.process = subprocess.Popen(
            command,
            cwd=Path(__file__).parent.parent,
            env={**os.environ, "RAYON_NUM_THREADS": str(threads)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, line: str) -> str:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if not answer:
            raise SystemExit("the program of benches/forward.rs ended; what it said is above")
        return answer

    def run(self, ids) -> float:
        time.sleep(PAUSE_SECONDS)
        return float(self.ask("run " + " ".join(map(str, ids[0].tolist()))))

    def logits(self, path: Path, vocab: int) -> numpy.ndarray:
        self.ask(f"logits {path}")
        return numpy.fromfile(path, dtype="<f4").reshape(TOKENS, vocab)


if __name__ == "__main__":
    sys.exit(main())
