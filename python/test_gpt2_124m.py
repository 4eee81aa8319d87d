"""Facts about the command that runs the whole of a GPT-2."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import shutil
import subprocess
import sys
import unittest
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import torch
from safetensors.torch import load_file, save_file

from trial import HERE, SEEDED, Capture, tree

import account
import gpt2_124m
import karat

NAME = "gpt2-2x32-seed-0"
KNOWN = ["layer_norm", "bert_qkv", "generate"]


def outcome(cases: list[dict], executor: str = "builtin", **other) -> dict:
    """What `karat run --accuracy-only --json` says."""
    verdicts = ("broken", "missing", "mismatch", "orphaned", "unrecorded", "drift", "skipped", "pass")
    return {"executor": executor, "gates": "accuracy", "snapshots": "/nowhere/snapshots", "total": len(cases),
            "filtered_out": 0, "failed": sum(case["verdict"] != "pass" for case in cases), "elapsed_seconds": 0.5,
            "cases": cases,
            "counts": {verdict: sum(case["verdict"] == verdict for case in cases) for verdict in verdicts}, **other}


def case(name: str, checkpoint: str = "layer_norm", verdict: str = "pass", used: float = 0.25, **output) -> dict:
    compared = {"differing": int(used > 0), "tolerance_used": used, "max_abs_diff": {"value": used * 1e-6}}
    problems = [] if verdict == "pass" else [{"kind": "outside", "message": "3 of 512 elements are outside\natol 1e-6"}]
    return {"id": f"{NAME}/{name}", "checkpoint": checkpoint, "verdict": verdict, "problems": [],
            "outputs": [{"name": "y", "problems": problems, "or": [], "kept": None, "comparison": compared, **output}]}


class Command(Capture):
    """With a karat that is not run: what it would say is made of the cases that are there."""

    def setUp(self):
        super().setUp()
        self.verdict, self.ran = "pass", []
        self.patch(karat, "cargo", lambda checkout: "1.0.0")
        self.patch(karat, "build", lambda checkout, executors: 0.0)
        self.patch(karat, "run", self.run_cases)
        self.patch(karat, "checkpoints", lambda *_: KNOWN)

    def patch(self, module, name: str, value):
        patch = mock.patch.object(module, name, value)
        patch.start()
        self.addCleanup(patch.stop)

    def run_cases(self, checkout, folder, executors, executor):
        self.ran.append(executor)
        files = sorted(folder.rglob("case.json"))
        cases = [case(path.parent.relative_to(folder).as_posix(), json.loads(path.read_text())["checkpoint"]) for path in files]
        cases[0]["verdict"] = self.verdict
        return outcome(cases, executor)

    def prove(self, *arguments: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = gpt2_124m.main(["--goldens", str(self.root), *(arguments or SEEDED)])
        return code, out.getvalue(), err.getvalue()

    def refused(self, answer: tuple[int, str, str], *words: str):
        """One message of three lines at the end, and no verdict."""
        code, out, err = answer
        self.assertEqual(code, 2)
        self.assertEqual(len(err.rstrip("\n").split("\n")), 3, err)
        self.assertNotIn("passed", out)
        for word in words:
            self.assertIn(word, err)


class Goldens(Command):
    def test_goldens_are_captured_once_and_found_there_the_next_time(self):
        code, out, _ = self.prove()
        self.assertEqual(code, 0)
        self.assertRegex(out, r"goldens    captured: .*" + NAME)
        before = tree(self.root)
        code, out, err = self.prove()
        self.assertEqual((code, err), (0, ""))
        self.assertRegex(out, r"goldens    there: .*" + NAME)
        self.assertEqual(tree(self.root), before)

    def test_goldens_of_other_options_are_refused_and_captured_again_when_told(self):
        self.prove()
        other = [*SEEDED[:-1], "24 carat"]
        self.refused(self.prove(*other), "of other options", "--prompt '24 karat'", "--prompt '24 carat' --recapture")
        self.assertEqual(self.prove(*other, "--recapture")[0], 0)
        self.assertEqual(self.prove(*other)[0], 0)

    def test_another_seed_and_another_size_have_goldens_of_their_own(self):
        self.prove()
        self.prove(*SEEDED, "--seed", "1")
        self.assertEqual(sorted(p.name for p in self.root.iterdir()), [NAME, "gpt2-2x32-seed-1"])

    def test_weights_that_are_not_those_captured_are_refused(self):
        self.prove()
        weights = self.root / NAME / "weights.safetensors"
        data = bytearray(weights.read_bytes())
        data[-1] ^= 1
        weights.write_bytes(data)
        self.refused(self.prove(), "weights.safetensors is not what was captured", "--recapture")

    def test_a_case_that_went_missing_is_named(self):
        self.prove()
        shutil.rmtree(self.root / NAME / "h.1/mlp")
        self.refused(self.prove(), "not whole: h.1/mlp is the first of 1", "--recapture")

    def test_a_folder_with_other_weights_than_it_had_is_refused(self):
        model = self.saved_model()
        arguments = ["--model", str(model), "--tokens", "1,2,3"]
        code, out, err = self.prove(*arguments)
        self.assertEqual((code, err), (0, ""))
        self.assertIn("weights of the folder my model, as they are there, trained or not", out)
        self.assertNotIn("trained weights:", out)
        self.assertEqual(self.prove(*arguments)[0], 0)
        weights = load_file(model / "model.safetensors")
        weights["transformer.wpe.weight"] = weights["transformer.wpe.weight"] + torch.ones(())
        save_file(weights, model / "model.safetensors", {"format": "pt"})
        self.refused(self.prove(*arguments), "of other weights than the folder has now")

    def test_what_is_no_capture_is_refused_and_kept(self):
        (self.root / NAME).mkdir(parents=True)
        (self.root / NAME / "suite.json").write_text("{}")
        self.refused(self.prove(), "no goldens of a capture")
        self.assertEqual((self.root / NAME / "suite.json").read_text(), "{}")

    def test_every_model_has_a_name_of_its_own(self):
        named = lambda *words: gpt2_124m.parse([*words]).suite
        names = [named(), named("--revision", "v1"), named("--model", str(self.saved_model("gpt2"))), named("--random-init"),
                 named("--random-init", "--seed", "1"), named("--random-init", "--n-layer", "1"), named("--model", "a/b")]
        self.assertEqual(names, ["gpt2", "gpt2-v1", "gpt2-folder", "gpt2-12x768-seed-0", "gpt2-12x768-seed-1",
                                 "gpt2-1x768-seed-0", "a-b"])


class Refused(Command):
    def test_a_capture_that_is_refused_says_what_to_type_here_and_leaves_nothing(self):
        model = str(self.saved_model())
        self.refused(self.prove("--model", model, "--prompt", "Hello."), "no tokenizer", f"{gpt2_124m.SELF} --model")
        self.refused(self.prove("--model", model), "token id 50256 is outside 0..255")
        self.assertFalse(self.root.exists())

    def test_options_that_mean_nothing_here_are_refused(self):
        for words, said in ((["--load", "a.py:b", "--module", "*"], "this runs a GPT-2 on a text"), (["--nope"], "--nope"),
                            (["--random-init", "--module", "h.*"], "--tokens means nothing with --random-init"),
                            (["--executor", "nobody"], "nobody"), (["--seed", "1"], "--seed means nothing")):
            with self.subTest(said):
                code, _, err = self.prove(*words)
                self.assertEqual(code, 2)
                self.assertTrue(err.startswith("error: "), err)

    def test_the_goldens_root_has_the_name_by_which_karat_finds_it(self):
        code, _, err = self.prove(*SEEDED, "--goldens", str(self.folder / "elsewhere"))
        self.assertEqual(code, 2)
        self.assertIn(f"--goldens {self.folder}/elsewhere/goldens", err)

    def test_a_python_without_packages_is_told_what_to_install(self):
        ran = self.spawn("--random-init", python=("-S",), PYTHONPATH="")
        self.refused((ran.returncode, ran.stdout, ran.stderr), "not installed: torch, transformers", "-m pip install 'torch")

    def test_a_hub_that_is_not_reached_is_one_message_with_both_other_ways(self):
        ran = self.spawn(HF_HOME=str(self.folder / "hub"), HF_HUB_OFFLINE="1")
        self.refused((ran.returncode, ran.stdout, ran.stderr), "the model hub cannot be reached", "--model DIR", "--random-init")
        self.assertFalse(self.root.exists())

    def spawn(self, *arguments: str, python: tuple[str, ...] = (), **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, *python, str(HERE / "gpt2_124m.py"), "--goldens", str(self.root), *arguments],
                              check=False, capture_output=True, text=True, env={**os.environ, **environment}, timeout=300)


class Verdicts(Command):
    def test_only_where_everything_passed_the_exit_code_is_0(self):
        for verdict, code in (("pass", 0), ("mismatch", 1), ("broken", 1), ("skipped", 1), ("missing", 1)):
            self.verdict = verdict
            with self.subTest(verdict):
                answer = self.prove()
                self.assertEqual(answer[0], code)
                self.assertEqual(answer[1].rstrip().split("\n")[-1], "passed" if code == 0 else "failed")
        one = outcome([case("ln_f")])
        self.assertTrue(account.passed(one))
        self.assertFalse(account.passed(outcome([])))
        self.assertFalse(account.passed({**one, "filtered_out": 1}))
        self.assertFalse(account.passed({**one, "failed": 1}))

    def test_another_executor_runs_besides_the_built_in_one(self):
        self.assertEqual(self.prove(*SEEDED, "--executor", "candle")[0], 0)
        self.assertEqual(self.ran, ["builtin", "candle"])

    def test_a_line_says_how_close_a_case_came_and_under_a_mismatch_why(self):
        lines = list(account.cases(outcome([
            case("ln_f"), case("argmax", used=0, **{"or": ["y.or.npy"]}), case("mlp", verdict="mismatch", used=3.0, kept="k.npy")])))
        self.assertEqual(lines, [
            f"pass       {NAME}/ln_f    off by 2.5e-07, 25% of the tolerance",
            f"pass       {NAME}/argmax  equal; either of 2 references",
            f"mismatch   {NAME}/mlp     off by 3e-06, 300% of the tolerance",
            "           y: 3 of 512 elements are outside",
            "           atol 1e-6",
            "           actual saved to k.npy",
        ])


class NotRun(unittest.TestCase):
    reference = {
        "config": {"n_layer": 2, "n_embd": 32, "n_head": 4, "vocab_size": 256, "n_positions": 32}, "seed": 3,
        "versions": {"torch": "2.2", "transformers": "5.0"}, "token_ids": [1, 2, 3], "dtype": "float32",
        "attn_implementation": "eager", "generation": {"new_tokens": 10}, "model": {"source": "seeded"},
    }

    def told(self, cases=("h.0/ln_1", "h.1/ln_1"), others=(), known=("layer_norm",), **reference) -> str:
        run = outcome([case(name) for name in cases])
        return "\n".join(account.not_run(Path("/nowhere/goldens") / NAME, {**self.reference, **reference}, [run],
                                         {"builtin": list(known)}, list(others)))

    def test_a_seeded_model_is_not_a_trained_one(self):
        self.assertIn("trained weights: the model was seeded (3)", self.told())
        trained = copy.deepcopy(self.reference)
        del trained["seed"]
        self.reference = trained
        hub = {"source": "hub", "name": "gpt2", "revision": "abc"}
        self.assertNotIn("trained", self.told(model=hub))
        self.assertEqual(account.weights({**trained, "model": hub}), "weights of gpt2 on the hub, commit abc")

    def test_executors_checkpoints_and_layers_that_did_not_run_are_named(self):
        self.assertIn("candle: to run it say --executor candle", self.told(others=["candle"]))
        self.assertNotIn("candle", self.told())
        self.assertIn("checkpoints of builtin that no case here has: mlp", self.told(known=("layer_norm", "mlp")))
        self.assertNotIn("checkpoints of", self.told())
        self.assertIn("layers that no case has: 1", self.told(cases=("h.0/ln_1",)))
        self.assertNotIn("layers", self.told())
        self.assertIn("drift: there are no accepted snapshots", self.told())

    def test_doubtful_tokens_and_the_positions_after_the_text_are_named(self):
        told = self.told(generation={"new_tokens": 10, "compared_tokens": 4})
        self.assertIn("generated tokens after the first 4", told)
        self.assertIn("positions from 12 on, of 32", told)
        told = self.told(generation={"new_tokens": 10, "not_captured": ["argmax", "generate"]})
        self.assertIn("in doubt: argmax, generate", told)
        self.assertNotIn("positions", self.told(token_ids=[1] * 23))


class Karat(unittest.TestCase):
    """How karat is called, with a cargo that is not."""

    def run_with(self, code: int, stdout: str, executor: str = "builtin"):
        with mock.patch.object(karat.subprocess, "run", return_value=SimpleNamespace(returncode=code, stdout=stdout)) as called:
            result = karat.run(Path("/checkout"), Path("/goldens/x"), ["builtin", executor], executor)
        return result, called.call_args[0][0]

    def test_the_built_in_executor_is_the_default_and_another_needs_its_feature(self):
        _, words = self.run_with(0, json.dumps(outcome([])))
        self.assertEqual(words, ["cargo", "run", "--release", "--locked", "--quiet", "--", "run", "/goldens/x",
                                 "--accuracy-only", "--json"])
        _, words = self.run_with(1, json.dumps(outcome([], "candle")), "candle")
        self.assertEqual(words[2:6], ["--release", "--locked", "--features", "candle"])
        self.assertEqual(words[-3:], ["--executor", "candle", "--json"])

    def test_another_executor_than_the_one_asked_for_is_no_run_of_it(self):
        with self.assertRaisesRegex(karat.Refusal, "karat ran builtin where candle was asked for"):
            self.run_with(0, json.dumps(outcome([])), "candle")

    def test_a_karat_that_cannot_run_is_refused(self):
        for code, stdout in ((2, ""), (101, ""), (0, "no json")):
            with self.subTest(code), self.assertRaisesRegex(karat.Refusal, "karat could not run builtin"):
                self.run_with(code, stdout)

    def test_without_cargo_it_is_said_how_to_get_it(self):
        with mock.patch.object(karat.shutil, "which", return_value=None), self.assertRaisesRegex(karat.Refusal, "cargo, which builds karat, is not installed"):
            karat.cargo(Path("/checkout"))


class EndToEnd(Capture):
    def test_a_tiny_model_is_captured_and_run_by_the_karat_of_this_checkout(self):
        ran = subprocess.run([sys.executable, str(HERE / "gpt2_124m.py"), "--goldens", str(self.root), *SEEDED],
                             check=False, capture_output=True, text=True, timeout=1800)
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        self.assertEqual(ran.stdout.count("\npass "), 34)
        self.assertIn("builtin:   34 cases", ran.stdout)
        self.assertIn("34 pass", ran.stdout)
        self.assertIn("checkpoints of builtin that no case here has: ", ran.stdout)
        self.assertTrue(ran.stdout.endswith("\npassed\n"))


if __name__ == "__main__":
    unittest.main()
