"""Facts about the goldens of this repository: what their names mean, and that the capture makes them.

The checkpoints are written here a second time, from the tables of docs/capture.md alone and in float64, so that the
table, the names and the shapes are proved to say what the models computed.
"""

from __future__ import annotations

import json
import math
import shlex
import shutil
import unittest
from pathlib import Path

import numpy
from safetensors.numpy import load_file

from trial import HERE, Capture, run

GOLDENS = HERE.parent / "goldens"
LOWEST = numpy.finfo(numpy.float32).min


def layer_norm(i, p):
    return {"y": norm(i["x"], i["weight"], i["bias"], p["eps"])}


def embeddings(i, p):
    positions = p["offset"] + numpy.arange(i["ids"].shape[1])
    return {"y": i["wte.weight"][i["ids"]] + i["wpe.weight"][positions]}


def qkv(i, p):
    parts = numpy.split(i["x"] @ i["weight"] + i["bias"], 3, axis=-1)
    return dict(zip("qkv", (split(part, p["n_head"]) for part in parts)))


def bert_qkv(i, p):
    return {name: split(i["x"] @ i[f"{long}.weight"].T + i[f"{long}.bias"], p["n_head"])
            for name, long in (("q", "query"), ("k", "key"), ("v", "value"))}


def attention_scores(i, p):
    s, t = i["q"].shape[2], i["k"].shape[2]
    scores = i["q"] @ i["k"].swapaxes(2, 3) / math.sqrt(i["q"].shape[3])
    seen = numpy.tri(s, t, t - s, dtype=bool) if p["causal"] else numpy.ones((s, t), bool)
    if "mask" in i:
        seen = seen & (i["mask"] != 0)[:, None, None, :]
    return {"y": numpy.where(seen, scores, LOWEST)}


def softmax(i, p):
    exponents = numpy.exp(i["x"] - i["x"].max(axis=-1, keepdims=True))
    return {"y": exponents / exponents.sum(axis=-1, keepdims=True)}


def attention_context(i, p):
    heads = i["probabilities"] @ i["v"]
    b, h, s, d = heads.shape
    return {"y": heads.transpose(0, 2, 1, 3).reshape(b, s, h * d)}


def attention_output(i, p):
    return {"y": attention_context(i, p)["y"] @ i["weight"] + i["bias"]}


def residual(i, p):
    return {"y": i["x"] + i["update"]}


def mlp(i, p):
    hidden = gelu(i["x"] @ i["c_fc.weight"] + i["c_fc.bias"], p["gelu"])
    return {"y": hidden @ i["c_proj.weight"] + i["c_proj.bias"]}


def block(i, p):
    return {"y": layer(i, p, i["x"])[0]}


def logits(i, p):
    return {"y": i["x"] @ i["weight"].T}


def selected_logits(i, p):
    return {"y": i["x"][:, -1]}


def argmax(i, p):
    return {"y": i["x"].argmax(axis=-1)}


def kv_cache(i, p):
    return {name: numpy.concatenate([i[f"past_{name}"], i[f"new_{name}"]], axis=2) for name in "kv"}


def generate(i, p):
    """With the cache: after the prompt one token at a time, and the keys and values of all before it."""
    layers = len({name.split(".")[1] for name in i if name.startswith("h.")})
    tokens, ids, cache, offset = i["ids"], i["ids"], [None] * layers, 0
    for _ in range(p["new_tokens"]):
        x = embeddings({**i, "ids": ids}, {"offset": offset})["y"]
        offset += ids.shape[1]
        for n in range(layers):
            weights = {name.removeprefix(f"h.{n}."): value for name, value in i.items() if name.startswith(f"h.{n}.")}
            x, cache[n] = layer(weights, p, x, cache[n])
        last = norm(x, i["ln_f.weight"], i["ln_f.bias"], p["eps"])[:, -1]
        ids = (last @ i.get("lm_head.weight", i["wte.weight"]).T).argmax(axis=-1)[:, None]
        tokens = numpy.concatenate([tokens, ids], axis=1)
    return {"tokens": tokens}


def dense_residual_norm(i, p):
    dense = i["x"] @ i["dense.weight"].T + i["dense.bias"]
    return {"y": norm(dense + i["residual"], i["LayerNorm.weight"], i["LayerNorm.bias"], p["eps"])}


def dense_gelu(i, p):
    return {"y": gelu(i["x"] @ i["dense.weight"].T + i["dense.bias"], p["gelu"])}


def mean_pooling(i, p):
    mask = i["mask"][:, :, None]
    return {"y": (i["x"] * mask).sum(axis=1) / mask.sum(axis=1)}


def normalize(i, p):
    return {"y": i["x"] / numpy.maximum(numpy.linalg.norm(i["x"], axis=-1, keepdims=True), p["eps"])}


def layer(i, p, x, past=None):
    """A block of GPT-2 after what its cache holds; what comes out, and what the cache holds then."""
    under = lambda name: {"weight": i[f"{name}.weight"], "bias": i[f"{name}.bias"]}
    new = qkv({"x": norm(x, *under("ln_1").values(), p["eps"]), **under("attn.c_attn")}, p)
    k, v = ((new[name] if past is None else numpy.concatenate([past[at], new[name]], axis=2))
            for at, name in enumerate("kv"))
    scores = attention_scores({"q": new["q"], "k": k}, {"causal": True})["y"]
    probabilities = softmax({"x": scores}, {})["y"]
    x = x + attention_output({"probabilities": probabilities, "v": v, **under("attn.c_proj")}, {})["y"]
    inner = {name.removeprefix("mlp."): value for name, value in i.items() if name.startswith("mlp.")}
    return x + mlp({"x": norm(x, *under("ln_2").values(), p["eps"]), **inner}, p)["y"], (k, v)


def norm(x, weight, bias, eps):
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / numpy.sqrt((centred**2).mean(axis=-1, keepdims=True) + eps) * weight + bias


def gelu(x, kind):
    if kind == "tanh":
        return x / 2 * (1 + numpy.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return x / 2 * (1 + numpy.vectorize(math.erf)(x / math.sqrt(2)))


def split(rows, n_head):
    b, s, e = rows.shape
    return rows.reshape(b, s, n_head, e // n_head).transpose(0, 2, 1, 3)


CHECKPOINTS = (layer_norm, embeddings, qkv, bert_qkv, attention_scores, softmax, attention_context, attention_output,
               residual, mlp, block, logits, selected_logits, argmax, kv_cache, generate, dense_residual_norm,
               dense_gelu, mean_pooling, normalize)


def tensor(home: Path, address, cache: dict):
    file, _, name = (address if isinstance(address, str) else address["tensor"]).partition("#")
    path = (home / file).resolve()
    if path not in cache:
        cache[path] = load_file(path) if name else numpy.load(path)
    values = cache[path][name] if name else cache[path]
    return values.astype(numpy.float64) if values.dtype.kind == "f" else values


class Goldens(unittest.TestCase):
    def test_every_reference_is_what_the_table_says_of_its_inputs(self):
        functions = {function.__name__: function for function in CHECKPOINTS}
        cache, met = {}, set()
        for path in sorted(GOLDENS.rglob("case.json")):
            case, home = json.loads(path.read_text()), path.parent
            met.add(case["checkpoint"])
            with self.subTest(home.relative_to(GOLDENS).as_posix()):
                inputs = {name: tensor(home, address, cache) for name, address in case["inputs"].items()}
                actual = functions[case["checkpoint"]](inputs, case["params"])
                self.assertEqual(actual.keys(), case["outputs"].keys())
                for name, address in case["outputs"].items():
                    reference = tensor(home, address, cache)
                    self.assertEqual(actual[name].shape, reference.shape)
                    counted = numpy.ones(reference.shape, bool)
                    if isinstance(address, dict):
                        counted = tensor(home, address["where"], cache)
                        self.assertEqual((counted.dtype, counted.shape), (numpy.dtype(bool), reference.shape))
                        self.assertTrue(counted.any() and not counted.all())
                    difference = abs(actual[name] - reference)[counted].max()
                    self.assertLessEqual(difference, case["tolerance"][name]["atol"])
        self.assertEqual(met, set(functions))

    def test_names_and_params_are_those_of_the_table(self):
        text = (HERE.parent / "docs/capture.md").read_text()
        rows = [line.split("|") for line in text.splitlines() if line.startswith("| `")]
        table = {}
        for row in rows:
            if len(row) == 7:
                table.setdefault(row[2].strip().strip("`"), []).append(" | ".join(row[3:6]))
        for path in sorted(GOLDENS.rglob("case.json")):
            case = json.loads(path.read_text())
            names = {*case["params"], *case["inputs"], *case["outputs"]}
            if case["checkpoint"] == "generate":
                names -= set(case["inputs"])
            for name in names:
                self.assertTrue(any(name in row for row in table[case["checkpoint"]]), (path, name))

    def test_inputs_that_are_outputs_are_linked_to_them(self):
        for suite, linked in (("gpt2-tiny", 43), ("minilm", 13)):
            links = {}
            for path in sorted((GOLDENS / suite).rglob("case.json")):
                for name, address in json.loads(path.read_text())["inputs"].items():
                    if isinstance(address, dict):
                        links[f"{path.parent.relative_to(GOLDENS).as_posix()}:{name}"] = address["from"]
            self.assertEqual(len(links), linked, links)
            for source in links.values():
                case, _, output = source.rpartition(":")
                self.assertIn(output, json.loads((GOLDENS / case / "case.json").read_text())["outputs"])
        self.assertEqual(links["minilm/normalize:x"], "minilm/mean_pooling:y")

    def test_minilm_is_at_most_8_megabytes(self):
        self.assertLessEqual(sum(p.stat().st_size for p in (GOLDENS / "minilm").rglob("*") if p.is_file()), 8_000_000)

    def test_the_tokens_of_gpt2_tiny_are_many_and_beyond_doubt(self):
        tokens = numpy.load(GOLDENS / "gpt2-tiny/generate/tokens.npy")[0, -10:]
        self.assertGreaterEqual(len(set(tokens.tolist())), 5)
        reference = json.loads((GOLDENS / "gpt2-tiny/suite.json").read_text())["reference"]
        atol = json.loads((GOLDENS / "gpt2-tiny/logits/case.json").read_text())["tolerance"]["y"]["atol"]
        self.assertGreater(reference["generation"]["smallest_margin"], 20 * atol)


class Recaptured(Capture):
    def test_the_recorded_commands_make_the_goldens_that_are_here(self):
        for name in ("gpt2-tiny", "minilm"):
            with self.subTest(name):
                recorded = json.loads((GOLDENS / name / "suite.json").read_text())["reference"]
                arguments = shlex.split(recorded["command"])[2:]
                code, _, err = run(*arguments, "--root", str(self.root))
                self.assertEqual((code, err), (0, ""))
                self.same(GOLDENS / name, self.root / name)
                shutil.rmtree(self.root)

    def same(self, ours: Path, made: Path):
        """Every file; numbers as close as another machine's honest float32 comes."""
        files = {p.relative_to(ours) for p in ours.rglob("*") if p.is_file()}
        self.assertEqual(files, {p.relative_to(made) for p in made.rglob("*") if p.is_file()})
        for file in sorted(files):
            if file.suffix == ".npy":
                a, b = numpy.load(ours / file), numpy.load(made / file)
                self.assertEqual((a.dtype, a.shape), (b.dtype, b.shape), file)
                numpy.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-5 if a.dtype.kind == "f" else 0, err_msg=str(file))
            elif file.name == "case.json":
                self.assertEqual((ours / file).read_text(), (made / file).read_text(), file)
            elif file.suffix == ".safetensors":
                a, b = load_file(ours / file), load_file(made / file)
                self.assertEqual(a.keys(), b.keys())
                for name in a:
                    numpy.testing.assert_allclose(a[name], b[name], rtol=1e-6, atol=1e-6, err_msg=name)


if __name__ == "__main__":
    unittest.main()
