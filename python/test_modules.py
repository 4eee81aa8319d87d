"""Facts about the capture of modules by name."""

from __future__ import annotations

import hashlib
import json
import shutil
import textwrap
import unittest
from pathlib import Path
from unittest import mock

import numpy
import safetensors.torch
import torch
from safetensors.numpy import load_file

from trial import SEEDED, Capture, spawn, tiny_model, tree

import bfloat16
import observer

NET = """
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3, padding=1)
            self.norm = nn.BatchNorm2d(4)
            self.act = nn.GELU()
            self.head = nn.Linear(4, 2)
            self.twice = nn.LayerNorm(2)
            self.idle = nn.Linear(2, 2)
            self.twin = nn.Linear(4, 2, bias=False)
            self.twin.weight = self.head.weight

        def forward(self, image, factor=2.0):
            x = self.act(self.norm(self.conv(image * factor)))
            y = self.head(x.mean((2, 3))) + self.twin(x.mean((2, 3)))
            return {"a": self.twice(y), "b": self.twice(y + 1)}

    def build():
        return Net(), {"image": torch.randn(1, 3, 5, 5)}

    def training():
        class Noisy(Net):
            def forward(self, image):
                return super().forward(image + torch.randn(()))
        return Noisy(), {"image": torch.randn(1, 3, 5, 5)}

    class Odd(nn.Module):
        def forward(self, x, bag):
            return x + len(bag.items)

    class Bag:
        items = [1]

    def odd():
        return nn.Sequential(Caller()), {"input": torch.ones(2)}

    class Caller(nn.Module):
        def __init__(self):
            super().__init__()
            self.odd = Odd()
        def forward(self, x):
            return self.odd(x, Bag())

    def half():
        return nn.Sequential(nn.Linear(2, 2), nn.Tanh()).to(torch.bfloat16), torch.ones(1, 2, dtype=torch.bfloat16)

    class Eighth(nn.Module):
        def forward(self, x):
            return x.to(torch.float8_e4m3fn)

    def eighth():
        return nn.Sequential(Eighth()), torch.ones(2)

    def lost():
        return nn.Sequential(nn.Tanh()), torch.full((2,), torch.nan, dtype=torch.bfloat16)

    def recurrent():
        return nn.Sequential(nn.LSTM(2, 3)), torch.ones(4, 2)

    def wrong():
        return nn.Linear(2, 2), (torch.ones(1, 3),)

    def nothing():
        return 7, ()

    class Same(nn.Module):
        def forward(self, features):
            return {"features.x": features["x"] + 1, "y": features["y"]}

    def same():
        return Same(), ({"x": torch.ones(2), "y": torch.zeros(2)},)

    class Clash(nn.Linear):
        def forward(self, weight, other):
            return super().forward(weight) + other

    def clash():
        return Clash(2, 2), (torch.ones(2), torch.ones(2))
"""


class Modules(Capture):
    def setUp(self):
        super().setUp()
        self.file = self.folder / "net.py"
        self.file.write_text(textwrap.dedent(NET))

    def load(self, *arguments: str, function: str = "build") -> Path:
        return self.captured("--load", f"{self.file}:{function}", *arguments, "--force")

    def refused(self, *words: str, arguments=(), function: str = "build"):
        answer = self.capture("--load", f"{self.file}:{function}", *(arguments or ("--module", "*")))
        self.assertRefused(answer, *words)
        self.assertFalse(self.root.exists())

    def case(self, name: str) -> dict:
        return json.loads((self.root / "tiny" / name / "case.json").read_text())

    def test_a_module_by_name_becomes_a_case_of_the_named_checkpoint(self):
        folder = self.load("--module", "head=linear")
        self.assertEqual([p.parent.name for p in folder.rglob("case.json")], ["head"])
        case = self.case("head")
        self.assertEqual(case["checkpoint"], "linear")
        self.assertEqual(case["inputs"], {"x": "x.npy", "weight": "../weights.safetensors#head.weight",
                                          "bias": "../weights.safetensors#head.bias"})
        self.assertEqual(case["outputs"], {"y": "y.npy"})
        self.assertEqual(case["params"], {"in_features": 4, "out_features": 2})
        self.assertNotIn("tolerance", case)
        x, y = (numpy.load(folder / f"head/{name}.npy") for name in "xy")
        weights = load_file(folder / "weights.safetensors")
        self.assertEqual(set(weights), {"head.weight", "head.bias"})
        numpy.testing.assert_allclose(x @ weights["head.weight"].T + weights["head.bias"], y, atol=1e-6)

    def test_a_pattern_takes_every_module_that_it_matches_and_the_first_rule_counts(self):
        self.load("--module", "norm=mine", "--module", "?o*")
        self.assertEqual(self.case("norm")["checkpoint"], "mine")
        self.assertEqual(self.case("conv")["checkpoint"], "conv2d")

    def test_buffers_are_taken_and_outputs_are_linked(self):
        folder = self.load("--module", "conv", "--module", "norm", "--module", "act")
        self.assertEqual(self.case("norm")["inputs"]["x"], {"tensor": "../conv/y.npy", "from": "tiny/conv:y"})
        self.assertEqual(self.case("norm")["inputs"]["running_var"], "../weights.safetensors#norm.running_var")
        self.assertIn("norm.num_batches_tracked", load_file(folder / "weights.safetensors"))
        self.assertEqual(self.case("conv")["params"]["kernel_size"], [3, 3])

    def test_every_call_of_a_module_is_a_case(self):
        folder = self.load("--module", "twice=layer_norm")
        first, second = (numpy.load(folder / f"twice/{call}/x.npy") for call in (0, 1))
        numpy.testing.assert_allclose(first + 1, second, atol=1e-6)

    def test_the_model_itself_keeps_names_plain_arguments_and_shared_weights(self):
        folder = self.load("--module", "=net", "--module", "twin")
        case = self.case("model")
        self.assertEqual(set(case["outputs"]), {"a", "b"})
        self.assertEqual(case["params"], {"factor": 2.0})
        self.assertEqual(case["inputs"]["twin.weight"], "../weights.safetensors#head.weight")
        self.assertEqual(self.case("twin")["inputs"]["weight"], "../weights.safetensors#head.weight")
        self.assertNotIn("twin.weight", load_file(folder / "weights.safetensors"))

    def test_an_output_with_the_name_of_an_input_has_a_file_of_its_own(self):
        folder = self.load("--module", "=same", function="same")
        case = self.case("model")
        self.assertEqual(case["inputs"]["features.x"], "features.x.npy")
        self.assertEqual(case["outputs"]["features.x"], "features.x.output.npy")
        self.assertEqual(numpy.load(folder / "model/features.x.output.npy").tolist(), [2, 2])

    def test_what_lies_inside_what_a_module_returns_is_numbered_as_it_lies(self):
        folder = self.load("--module", "0", function="recurrent")
        case = self.case("0")
        self.assertEqual(set(case["outputs"]), {"y.0", "y.1.0", "y.1.1"})
        self.assertEqual({name: numpy.load(folder / "0" / file).shape for name, file in case["outputs"].items()},
                         {"y.0": (4, 3), "y.1.0": (1, 3), "y.1.1": (1, 3)})
        self.assertLessEqual({"weight_ih_l0", "bias_hh_l0"}, set(case["inputs"]))

    def test_bfloat16_keeps_its_bits_and_its_name(self):
        folder = self.load("--module", "?", function="half")
        self.assertEqual(self.case("0")["outputs"], {"y": {"tensor": "y.npy", "dtype": "bf16"}})
        self.assertEqual(self.case("0")["inputs"]["x"], {"tensor": "x.npy", "dtype": "bf16"})
        self.assertEqual(self.case("1")["inputs"]["x"], {"tensor": "../0/y.npy", "from": "tiny/0:y", "dtype": "bf16"})
        x, y = (numpy.load(folder / "0" / f"{name}.npy") for name in "xy")
        self.assertEqual((x.dtype.str, x.shape, x.tobytes()), ("|V2", (1, 2), bytes.fromhex("803f803f")))
        weights = safetensors.torch.load_file(folder / "weights.safetensors")
        clean = torch.nn.functional.linear(torch.ones(1, 2, dtype=torch.bfloat16), weights["0.weight"], weights["0.bias"])
        self.assertTrue(torch.equal(clean, bfloat16.tensor(y)))
        self.assertRefused(self.capture("--load", f"{self.file}:lost", "--module", "0", "--force"), "holds NaN")

    def test_inputs_and_outputs_are_renamed_and_a_tolerance_is_written(self):
        self.load("--module", "=net", "--rename", "a=first", "--rename", "image=pixels", "--atol", "1e-4")
        case = self.case("model")
        self.assertIn("pixels", case["inputs"])
        self.assertEqual(set(case["outputs"]), {"first", "b"})
        self.assertEqual(case["tolerance"]["b"], {"atol": 1e-4, "rtol": 0})

    def test_the_same_command_writes_the_same_bytes(self):
        first = tree(self.load("--module", "*o*"))
        ran = spawn("tiny", "--root", str(self.root), "--load", f"{self.file}:build", "--module", "*o*", "--force",
                    PYTHONHASHSEED="1")
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        self.assertEqual(tree(self.root / "tiny"), first)

    def test_provenance_names_the_file_its_hash_and_the_seed_and_no_place(self):
        folder = self.load("--module", "conv", "--seed", "3")
        text = (folder / "suite.json").read_text()
        reference = json.loads(text)["reference"]
        self.assertEqual(reference["model"]["file"], "net.py:build")
        self.assertEqual(reference["model"]["sha256"], hashlib.sha256(self.file.read_bytes()).hexdigest())
        self.assertEqual((reference["seed"], reference["dtype"]), (3, "float32"))
        self.assertIn("--load net.py:build --seed 3 --module conv", reference["command"])
        self.assertNotIn(str(self.folder), text)

    def test_a_forward_that_is_not_the_same_twice_is_refused(self):
        self.refused("differs from the clean", function="training", arguments=("--module", "conv"))

    def test_a_forward_that_watching_changes_is_refused(self):
        record = observer.Recorder.record

        def meddle(recorder, module, port, tensor):
            record(recorder, module, port, tensor)
            tensor.add_(1e-3)

        with mock.patch.object(observer.Recorder, "record", meddle):
            self.refused("differs from the clean", arguments=("--module", "conv"))

    def test_what_no_case_can_hold_is_refused_by_name(self):
        self.refused("no case can hold bag (Bag)", "of 0.odd", function="odd", arguments=("--module", "0.odd"))
        self.refused("cannot be written", "float8_e4m3fn", function="eighth")
        self.refused("both an input and a parameter", function="clash",
                     arguments=("--module", "=clash"))

    def test_bad_choices_are_refused_with_what_there_is(self):
        self.refused("no module matches 'haed'", "head", arguments=("--module", "haed"))
        self.refused("never reached idle", arguments=("--module", "idle"))
        self.refused("is not like", arguments=("--module", "head="))
        self.refused("the forward fails", function="wrong")
        self.refused("returns a int where a torch module is wanted", function="nothing")
        self.refused("fails: AttributeError", function="absent")
        self.refused("two outputs", arguments=("--module", "=net", "--rename", "a=b"))
        self.assertRefused(self.capture("--load", "nowhere.py:build", "--module", "*"), "no such file and function")
        self.assertRefused(self.capture("--load", f"{self.file}:build"), "--load needs --module")
        self.assertRefused(self.capture("--load", f"{self.file}:build", "--module", "*", "--prompt", "a"), "--prompt")
        self.assertRefused(self.capture(*SEEDED, "--atol", "1"), "--atol means nothing")
        self.assertRefused(self.capture(*SEEDED, "--module", "*", "--rename", "x"), "not like hidden_states=x")


class Transformers(Capture):
    def test_modules_of_a_transformers_model_are_what_the_recipe_for_gpt2_captures(self):
        recipe = self.captured(*SEEDED)
        named = recipe.rename(recipe.parent / "recipe")
        folder = self.captured(*SEEDED, "--module", "transformer.h.*.ln_?=layer_norm", "--module", "transformer.h.?.mlp")
        for ours, theirs in (("h.0/ln_1", "h.0.ln_1"), ("h.1/ln_2", "h.1.ln_2"), ("h.1/mlp", "h.1.mlp")):
            a, b = (numpy.load(f) for f in (named / ours / "y.npy", folder / f"transformer.{theirs}" / "y.npy"))
            numpy.testing.assert_allclose(a, b, atol=1e-6)
        case = json.loads((folder / "transformer.h.0.ln_1/case.json").read_text())
        self.assertEqual((set(case["inputs"]), case["params"]["eps"]), ({"x", "weight", "bias"}, 1e-5))

    def test_blocks_are_given_no_cache_so_that_a_case_can_hold_what_they_are_given(self):
        folder = self.captured(*SEEDED, "--module", "transformer.h.?")
        case = json.loads((folder / "transformer.h.1/case.json").read_text())
        self.assertEqual(case["inputs"]["hidden_states"]["from"], "tiny/transformer.h.0:y")
        self.assertEqual(case["params"]["use_cache"], False)

    def test_a_folder_is_loaded_by_the_class_that_is_named(self):
        model = str(self.saved_model())
        folder = self.captured("--model", model, "--tokens", "1,2", "--module", "h.0.ln_1", "--attention", "sdpa")
        reference = json.loads((folder / "suite.json").read_text())["reference"]
        self.assertEqual(reference["attn_implementation"], "sdpa")
        self.assertIn("--class AutoModel --attention sdpa", reference["command"])
        shutil.rmtree(folder)
        folder = self.captured("--model", model, "--tokens", "1,2", "--module", "lm_head", "--class",
                               "AutoModelForCausalLM")
        y = numpy.load(folder / "lm_head/y.npy")
        with torch.inference_mode():
            clean = tiny_model()(input_ids=torch.tensor([[1, 2]])).logits.numpy()
        numpy.testing.assert_allclose(y, clean, atol=1e-6)
        self.assertRefused(self.capture("--model", model, "--tokens", "1", "--module", "*", "--class", "Nope", "--force"),
                           "no class Nope")


if __name__ == "__main__":
    unittest.main()
