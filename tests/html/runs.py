"""Real runs to look at: the goldens of this repository with faults planted, hostile names, and five thousand cases."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]

# What would run or end an element if it were markup. A name has no angle brackets, which Windows cannot store.
HOSTILE = "&lt;img src=x onerror=alert(1)&gt;&'"
HOSTILE_CHECKPOINT = "</script><script>alert(2)</script></title></style>"


def karat():
    """The binary: the one that is named, or this repository's."""
    if "KARAT" in os.environ:
        return Path(os.environ["KARAT"]).resolve()
    subprocess.run(["cargo", "build", "--locked", "--release", "--quiet"], cwd=ROOT, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return (ROOT / target / "release" / "karat").resolve()


def page(folder, *arguments):
    """Runs karat there; the page that it wrote. A run that fails nothing or cannot run is not what is looked at here."""
    settings = {name: value for name, value in os.environ.items() if name not in ("CI", "GITHUB_ACTIONS")}
    run = subprocess.run(
        [karat(), "run", "--html", "page.html", *arguments],
        cwd=folder, env=settings, capture_output=True, text=True, check=False,
    )
    assert run.returncode == 1, f"exit {run.returncode}\n{run.stdout}\n{run.stderr}"
    return folder / "page.html"


def edit(folder, case, change):
    """Changes the case.json of a case."""
    file = folder / "goldens" / case / "case.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def case(folder, name, content):
    """A case with these fields."""
    below = folder / "goldens" / name
    below.mkdir(parents=True)
    (below / "case.json").write_text(json.dumps({"karat": 1, **content}))


def faults(folder):
    """Both suites, with every verdict in them, and a chain that leaves its reference."""
    shutil.copytree(ROOT / "goldens", folder / "goldens")
    shutil.copytree(ROOT / "snapshots", folder / "snapshots")
    edit(folder, "gpt2-tiny/h.0/ln_1", lambda case: case["params"].update(eps=1e-3))
    np.save(folder / "goldens/gpt2-tiny/h.1/qkv/zeros.npy", np.zeros(192, np.float32))
    edit(folder, "gpt2-tiny/h.1/qkv", lambda case: case["inputs"].update(bias="zeros.npy"))
    edit(folder, "gpt2-tiny/h.1/mlp", lambda case: case["params"].update(gelu="exact"))
    edit(folder, "minilm/normalize", lambda case: case.update(skip="waits for a faster machine"))
    edit(folder, "minilm/mean_pooling", lambda case: case.update(checkpoint="mean_poling"))
    (folder / "goldens/minilm/layer.5/intermediate/y.npy").unlink()
    query = folder / "goldens/minilm/layer.5/qkv/q.npy"
    tensor = np.load(query)
    tensor[0, 0, 0], tensor[0, 1, 2] = np.nan, np.inf
    np.save(query, tensor)
    snapshots = folder / "snapshots/gpt2-tiny"
    shutil.copytree(snapshots / "ln_f", snapshots / "gone")
    (snapshots / "logits/y.snap").unlink()
    # Within tolerance, and not as it is remembered.
    edit(folder, "gpt2-tiny/h.0/mlp", lambda case: case["tolerance"]["y"].update(atol=2e-5))
    return page(folder, "--chained")


def hostile(folder):
    """A case whose name and whose message are markup."""
    case(folder, HOSTILE, {
        "checkpoint": HOSTILE_CHECKPOINT, "inputs": {"x": "x.npy"}, "outputs": {"y": "x.npy"},
    })
    np.save(folder / "goldens" / HOSTILE / "x.npy", np.zeros(3, np.float32))
    return page(folder, "--accuracy-only")


def many(folder, cases=5000, failing=50):
    """As many cases, of which so many differ in every element, neighbours by another power of ten."""
    x = np.ones((16, 60), np.float32)
    far = x + 10.0 ** (np.arange(960).reshape(16, 60) % 5 - 4)
    for at in range(cases):
        name = f"model-{at % 7}/transformer.h.{at % 48}/attention_output_{at}"
        fails = at % (cases // failing) == 0
        case(folder, name, {
            "checkpoint": "residual",
            "inputs": {"x": "../../../x.npy", "update": "../../../zeros.npy"},
            "outputs": {"y": "../../../far.npy" if fails else "../../../x.npy"},
        })
    for file, tensor in {"x": x, "zeros": np.zeros_like(x), "far": far.astype(np.float32)}.items():
        np.save(folder / "goldens" / f"{file}.npy", tensor)
    return page(folder, "--accuracy-only")
