"""Facts about the capture tool. Run with `python -m unittest discover python`."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import unittest
from pathlib import Path
from unittest import mock

import torch
from safetensors.numpy import load_file
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast

import capture
import packages
import seeded
import suite
from trial import HERE, SEEDED, SIZES, Capture, run, spawn, tiny_model, tree

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Suites(Capture):
    def test_the_same_command_writes_the_same_bytes(self):
        first = tree(self.captured())
        # Another process, in which sets have another order.
        ran = spawn("tiny", "--root", str(self.root), *SEEDED, "--force", PYTHONHASHSEED="1")
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        self.assertEqual(tree(self.root / "tiny"), first)

    def test_another_seed_writes_other_bytes(self):
        first = tree(self.captured())
        second = tree(self.captured(*SEEDED, "--seed", "1", "--force"))
        for name in ("weights.safetensors", "h.0/ln_1/y.npy", "h.1/qkv/k.npy"):
            self.assertNotEqual(first[name], second[name], name)

    def test_cases_hold_only_known_fields_and_every_tensor_is_there(self):
        folder = self.captured()
        weights = load_file(folder / "weights.safetensors")
        for path in folder.rglob("case.json"):
            case = json.loads(path.read_text())
            self.assertLessEqual(case.keys(), {"karat", "checkpoint", "params", "inputs", "outputs", "tolerance"})
            self.assertEqual(case["tolerance"].keys(), case["outputs"].keys())
            masks = [output["where"] for output in case["outputs"].values() if "where" in output]
            for tensor in [*case["inputs"].values(), *case["outputs"].values(), *masks]:
                file, _, name = (tensor if isinstance(tensor, str) else tensor["tensor"]).partition("#")
                self.assertTrue((path.parent / file).is_file(), (path, file))
                if name:
                    self.assertIn(name, weights)
        self.assertEqual(set(json.loads((folder / "suite.json").read_text())), {"karat", "reference"})

    def test_the_x_of_qkv_is_the_file_of_the_layer_norm_before_it(self):
        case = self.captured() / "h.1" / "qkv"
        x = json.loads((case / "case.json").read_text())["inputs"]["x"]
        self.assertEqual(x, {"tensor": "../ln_1/y.npy", "from": "tiny/h.1/ln_1:y"})
        self.assertFalse((case / "x.npy").exists())

    def test_weights_hold_every_parameter_once_and_no_buffer(self):
        weights = load_file(self.captured() / "weights.safetensors")
        self.assertEqual(set(weights), {name for name, _ in tiny_model().named_parameters()})
        self.assertNotIn("lm_head.weight", weights)

    def test_files_are_readable_by_everyone_whom_the_umask_lets(self):
        old = os.umask(0o022)
        self.addCleanup(os.umask, old)
        folder = self.captured()
        for path in [folder, *folder.rglob("*")]:
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o755 if path.is_dir() else 0o644, path)

    def test_provenance_is_complete(self):
        reference = json.loads((self.captured() / "suite.json").read_text())["reference"]
        self.assertLessEqual({"framework", "versions", "model", "config", "dtype", "seed", "attn_implementation",
                              "prompt", "token_ids", "command", "weights", "seeded"}, reference.keys())
        self.assertEqual(reference["token_ids"], list(b"24 karat"))
        self.assertLessEqual(SIZES.items(), reference["config"].items())
        self.assertEqual(reference["weights"]["sha256"], suite.sha256(self.root / "tiny/weights.safetensors"))

    def test_the_recorded_command_makes_the_same_suite(self):
        folder = self.captured()
        first = tree(folder)
        command = json.loads((folder / "suite.json").read_text())["reference"]["command"]
        arguments = capture.shlex.split(command)[2:]
        shutil.rmtree(self.root)
        self.assertEqual(run(*arguments, "--root", str(self.root))[0], 0)
        self.assertEqual(tree(self.root / "tiny"), first)

    def test_no_json_holds_a_machine_path(self):
        model = self.saved_model()
        config = json.loads((model / "config.json").read_text())
        (model / "config.json").write_text(json.dumps({**config, "made_in": str(model)}))
        for arguments in (SEEDED, ["--model", str(model), "--tokens", "1,2,3", "--force"]):
            folder = self.captured(*arguments)
            for path in folder.rglob("*.json"):
                text = path.read_text()
                self.assertNotIn(str(self.folder), text, path)
                self.assertNotRegex(text, r'"(/|[A-Za-z]:\\)', path)


class Overwriting(Capture):
    def test_an_existing_suite_is_refused_and_untouched(self):
        before = tree(self.captured())
        self.assertRefused(self.capture(*SEEDED, "--seed", "1"), "exists", "--seed 1 --force")
        self.assertEqual(tree(self.root / "tiny"), before)

    def test_force_replaces_a_suite_and_names_the_cases_that_went(self):
        folder = self.captured()
        shutil.copytree(folder / "ln_f", folder / "by_hand")
        code, _, err = self.capture(*SEEDED, "--force")
        self.assertEqual(code, 0)
        self.assertIn("tiny/by_hand", err)
        self.assertFalse((folder / "by_hand").exists())

    def test_force_does_not_replace_what_is_no_suite(self):
        (self.root / "tiny").mkdir(parents=True)
        (self.root / "tiny" / "thesis.txt").write_text("irreplaceable")
        self.assertRefused(self.capture(*SEEDED, "--force"), "something other than a suite")
        self.assertTrue((self.root / "tiny" / "thesis.txt").exists())

    def test_a_capture_that_fails_half_way_leaves_everything_as_it_was(self):
        before = tree(self.captured())
        with mock.patch.object(suite, "write_json", side_effect=OSError(28, "No space left on device")):
            self.assertRefused(self.capture(*SEEDED, "--seed", "1", "--force"), "No space left")
        self.assertEqual(tree(self.root / "tiny"), before)
        self.assertEqual([p.name for p in self.root.iterdir()], ["tiny"])

    def test_an_old_suite_comes_back_when_the_new_one_cannot_take_its_place(self):
        before = tree(self.captured())
        rename = Path.rename

        def refuse(path, to):
            if ".new-" in path.name:
                raise OSError(13, "Permission denied")
            return rename(path, to)

        with mock.patch.object(Path, "rename", refuse):
            self.assertRefused(self.capture(*SEEDED, "--seed", "1", "--force"), "Permission denied")
        self.assertEqual(tree(self.root / "tiny"), before)
        self.assertEqual([p.name for p in self.root.iterdir()], ["tiny"])

    def test_a_suite_is_named_below_the_root(self):
        for name in ("../tiny", "/tiny", "", ".", "a/../b", "a//b"):
            self.assertRefused(run(name, "--root", str(self.root), *SEEDED), "no name of a suite")


class Seeding(Capture):
    def test_no_bias_is_zero_and_no_norm_is_neutral(self):
        for name, parameter in tiny_model().named_parameters():
            if name.endswith("bias"):
                self.assertTrue((parameter != 0).all(), name)
            if re.search(r"ln_\w+\.weight$", name):
                self.assertGreater(float((parameter.detach() - 1).abs().max()), 0.3, name)

    def test_every_parameter_depends_on_the_seed(self):
        other = dict(tiny_model(1).named_parameters())
        for name, parameter in tiny_model(0).named_parameters():
            self.assertFalse(torch.equal(parameter, other[name]), name)

    def test_weights_widen_whatever_the_size_of_the_model(self):
        weight = tiny_model().transformer.h[0].mlp.c_fc.weight
        self.assertAlmostEqual(float(weight.detach().std()), seeded.GAINS["mlp.c_fc"] / 32**0.5, places=5)

    def test_seeded_activations_below_those_of_a_trained_model_are_refused(self):
        with mock.patch.dict(seeded.GAINS, {"mlp.c_fc": 0.1}):
            self.assertRefused(self.capture(*SEEDED), "MLP pre-activations", "must reach 3")
        self.assertFalse(self.root.exists())

    def test_saturated_attention_is_refused(self):
        with mock.patch.dict(seeded.GAINS, {"attn.c_attn": 20.0}):
            self.assertRefused(self.capture(*SEEDED), "attention is saturated")

    def test_weights_as_transformers_initialises_them_are_refused(self):
        with mock.patch.object(seeded, "widen"):
            self.assertRefused(self.capture(*SEEDED), "MLP pre-activations")


class Folders(Capture):
    def test_a_saved_model_gives_the_tensors_of_the_model_in_memory(self):
        in_memory = tree(self.captured())
        folder = self.captured("--model", str(self.saved_model()), "--tokenizer", "bytes",
                               "--prompt", "24 karat", "--force")
        loaded = tree(folder)
        self.assertEqual({n: b for n, b in loaded.items() if n != "suite.json"},
                         {n: b for n, b in in_memory.items() if n != "suite.json"})
        reference = json.loads((folder / "suite.json").read_text())["reference"]
        hashes = {"model.safetensors": suite.sha256(self.folder / "my model/model.safetensors")}
        self.assertEqual(reference["model"], {"source": "folder", "path": "my model", "files": hashes})
        self.assertNotIn("seed", reference)

    def test_missing_weights_are_named(self):
        model = self.saved_model()
        (model / "model.safetensors").unlink()
        self.assertRefused(self.capture("--model", str(model), "--tokens", "1"),
                           "no weights", "model.safetensors", "hf download")

    def test_a_missing_config_is_named(self):
        (self.folder / "empty").mkdir()
        self.assertRefused(self.capture("--model", str(self.folder / "empty")), "config.json is missing")

    def test_a_weight_that_transformers_would_invent_is_refused(self):
        model = self.saved_model()
        weights = {k: torch.from_numpy(v) for k, v in load_file(model / "model.safetensors").items()}
        del weights["transformer.h.0.ln_1.weight"]
        save_file(weights, model / "model.safetensors", {"format": "pt"})
        self.assertRefused(self.capture("--model", str(model), "--tokens", "1"),
                           "missing weights: transformer.h.0.ln_1.weight")

    def test_bad_files_are_refused_without_a_traceback(self):
        def truncate(model):
            data = (model / "model.safetensors").read_bytes()
            (model / "model.safetensors").write_bytes(data[: len(data) // 2])

        def point(model):
            (model / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")

        def misconfigure(model):
            (model / "config.json").write_text("{nope")

        def resize(model):
            config = json.loads((model / "config.json").read_text())
            (model / "config.json").write_text(json.dumps({**config, "n_embd": 64}))

        def rename(model):
            config = json.loads((model / "config.json").read_text())
            (model / "config.json").write_text(json.dumps({**config, "model_type": "bert"}))

        for number, spoil in enumerate((truncate, point, misconfigure, resize, rename)):
            with self.subTest(spoil.__name__):
                model = self.saved_model(f"m{number}")
                spoil(model)
                self.assertRefused(self.capture("--model", str(model), "--tokens", "1"), str(model))

    def test_the_tokenizer_of_the_folder_makes_the_token_ids(self):
        model = self.saved_model()
        words = Tokenizer(WordLevel({"[UNK]": 0, "pure": 7, "gold": 9}, unk_token="[UNK]"))
        words.pre_tokenizer = Whitespace()
        PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]").save_pretrained(model)
        folder = self.captured("--model", str(model), "--prompt", "pure gold")
        reference = json.loads((folder / "suite.json").read_text())["reference"]
        self.assertEqual((reference["token_ids"], reference["tokenizer"]), ([7, 9], "model"))

    def test_a_folder_without_a_tokenizer_is_refused_and_not_given_an_empty_one(self):
        self.assertRefused(self.capture("--model", str(self.saved_model())), "no tokenizer", "--tokens")


class Hub(Capture):
    def test_an_unreachable_hub_is_one_message(self):
        ran = spawn("tiny", "--root", str(self.root), "--model", "gpt2",
                    HF_HOME=str(self.folder / "hub"), HF_HUB_OFFLINE="1")
        self.assertRefused((ran.returncode, ran.stdout, ran.stderr), "cannot be reached", "hf download gpt2")

    def test_a_model_in_the_cache_of_the_hub_is_captured_with_its_commit(self):
        home = self.folder / "hub" / "hub" / "models--gpt2"
        shutil.copytree(self.saved_model(), home / "snapshots" / COMMIT)
        (home / "refs").mkdir()
        (home / "refs" / "main").write_text(COMMIT)
        ran = spawn("tiny", "--root", str(self.root), "--model", "gpt2", "--tokens", "50,52",
                    HF_HOME=str(self.folder / "hub"), HF_HUB_OFFLINE="1")
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        reference = json.loads((self.root / "tiny" / "suite.json").read_text())["reference"]
        self.assertEqual(reference["model"], {"source": "hub", "name": "gpt2", "revision": COMMIT})

    def test_what_is_neither_folder_nor_model_is_refused(self):
        self.assertRefused(self.capture("--model", "./no/such/folder"), "no such local folder")


class Options(Capture):
    def test_bad_options_are_refused_by_name(self):
        for arguments, word in (
            (["--tokens", "1,x"], "1,x"),
            (["--tokens", "1,256"], "256 is outside 0..255"),
            (["--tokens=-1"], "-1 is outside"),
            (["--tokens", ",".join(["1"] * 33)], "33 token ids"),
            (["--prompt", ""], "no token ids"),
            (["--prompt", "\udcff"], "not UTF-8"),
            (["--tokens", "1", "--prompt", "a"], "--prompt"),
            (["--n-head", "3"], "not a multiple"),
            (["--n-layer", "0"], "n_layer 0"),
            (["--seed", "-1"], "seed -1"),
            (["--tokenizer", "model"], "no tokenizer"),
            (["--revision", "main"], "--revision means nothing"),
            (["--model", "gpt2"], "--model"),
            (["--n-layers", "2"], "--n-layers"),
            (["--see", "2"], "--see"),
        ):
            with self.subTest(word):
                sizes = SEEDED[:-2]
                self.assertRefused(self.capture(*sizes, *arguments), word)
        self.assertRefused(self.capture("--model", "gpt2", "--seed", "1"), "--seed means nothing")
        self.assertRefused(self.capture(), "--model")
        self.assertFalse(self.root.exists())


class Packages(Capture):
    def test_without_any_package_the_message_is_one_command(self):
        ran = spawn("tiny", *SEEDED, python=("-S",), PYTHONPATH="")
        self.assertRefused((ran.returncode, ran.stdout, ran.stderr), "torch, transformers", "-m pip install 'torch")

    def test_without_torch_only_torch_is_named(self):
        find = packages.importlib.util.find_spec
        with mock.patch.object(packages.importlib.util, "find_spec", lambda n: None if n == "torch" else find(n)):
            self.assertRefused(self.capture(*SEEDED), "not installed: torch\n")

    def test_a_package_that_is_too_old_is_named_with_the_version_that_is_needed(self):
        find = packages.importlib.metadata.version
        for old, said in (("2.1.9+cpu", "too old: torch 2.1.9+cpu (needs 2.2)\n"), ("2.2.0rc1", None), ("10.0", None)):
            with mock.patch.object(packages.importlib.metadata, "version", lambda n: old if n == "torch" else find(n)):
                if said:
                    self.assertRefused(self.capture(*SEEDED), said, "-m pip install 'torch>=2.2'")
                else:
                    self.assertEqual(packages.require()["torch"], old)

    def test_a_python_that_is_too_old_is_named(self):
        with mock.patch.object(packages.sys, "version_info", (3, 8, 19)):
            self.assertRefused(self.capture(*SEEDED), "is too old: 3.9 or later is needed")

    def test_the_command_that_installs_names_what_the_file_declares(self):
        text = (HERE / "capture.py").read_text()
        header = re.search(r"^# dependencies = \[\n(.*?)^# \]", text, re.MULTILINE | re.DOTALL)
        self.assertEqual(tuple(re.findall(r'"([^"]+)"', header.group(1))), packages.DEPENDENCIES)
        self.assertIn(f'# requires-python = ">={packages.dotted(packages.PYTHON)}"', text)


if __name__ == "__main__":
    unittest.main()
