"""Facts about the suite that is captured from a GPT-2."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import unittest
from unittest import mock

import numpy
import torch

from trial import SEEDED, Capture, tiny_model

import generation
import gpt2
import masks
import noise
import observer
import suite
import tolerance
from plan import MODEL, SELECTED, Place
from refusal import Refusal

OPERATIONS = {"ln_1", "qkv", "attention_scores", "attention_mask", "softmax", "attention_output", "residual_1", "ln_2", "mlp",
              "residual_2", "block"}


class Suite(Capture):
    def test_a_suite_holds_every_checkpoint_of_every_layer(self):
        layers = {f"h.{layer}/{name}" for layer in (0, 1) for name in OPERATIONS}
        steps = {f"step/h.{layer}/{name}" for layer in (0, 1) for name in ("kv_cache", "attention_scores")}
        ends = {"embeddings", "ln_f", "logits", "selected_logits", "probabilities", "argmax", "step/embeddings", "generate"}
        self.assertEqual(suite.case_ids(self.captured()), layers | steps | ends)

    def test_what_must_be_exact_has_no_tolerance(self):
        folder = self.captured()
        for name in ("selected_logits", "argmax", "step/h.0/kv_cache", "generate"):
            case = json.loads((folder / name / "case.json").read_text())
            self.assertEqual(set(map(str, case["tolerance"].values())), {"{'atol': 0.0, 'rtol': 0}"}, name)

    def test_probabilities_are_the_softmax_of_the_selected_logits_and_held_to_their_size(self):
        folder = self.captured()
        case = json.loads((folder / "probabilities/case.json").read_text())
        self.assertEqual(case["checkpoint"], "softmax")
        self.assertEqual(case["inputs"]["x"]["from"], "tiny/selected_logits:y")
        logits, y = (numpy.load(folder / name / "y.npy") for name in ("selected_logits", "probabilities"))
        numpy.testing.assert_array_equal(y, torch.softmax(torch.from_numpy(logits), dim=-1).numpy())
        atol = case["tolerance"]["y"]["atol"]
        self.assertLess(y.max() * 2.0**-15, atol)
        self.assertLess(atol, y.max() * 2.0**-12)
        self.assertLessEqual(tolerance.limits(gpt2.PROBABILITIES_SHARE, numpy.ones(1, "f4"), None).atol, 1e-6)

    def test_operations_and_blocks_are_two_chains(self):
        folder = self.captured()
        source = lambda case: json.loads((folder / case / "case.json").read_text())["inputs"]["x"]["from"]
        self.assertEqual(source("h.1/block"), "tiny/h.0/block:y")
        self.assertEqual(source("h.1/ln_1"), "tiny/h.0/residual_2:y")
        self.assertEqual(source("ln_f"), "tiny/h.1/residual_2:y")

    def test_scores_are_compared_where_the_causal_mask_lets_them_through(self):
        folder = self.captured()
        where = numpy.load(folder / "h.1/attention_scores/y.where.npy")
        self.assertTrue((where == numpy.tri(8, dtype=bool)).all())
        self.assertEqual(where.shape, (1, 4, 8, 8))
        step = json.loads((folder / "step/h.1/attention_scores/case.json").read_text())
        self.assertEqual(step["outputs"]["y"], "y.npy")

    def test_what_the_mask_hides_is_compared_in_a_case_of_its_own(self):
        folder = self.captured()
        shown, hidden = (numpy.load(folder / f"h.1/{name}/y.where.npy") for name in ("attention_scores", "attention_mask"))
        self.assertTrue((shown != hidden).all())
        y = numpy.load(folder / "h.1/attention_mask/y.npy")
        self.assertTrue((y[hidden] == numpy.finfo("f4").min).all())
        # A single row hides nothing.
        self.assertFalse((folder / "step/h.1/attention_mask").exists())

    def test_the_second_forward_begins_where_the_prompt_ends(self):
        folder = self.captured()
        offset = lambda case: json.loads((folder / case / "case.json").read_text())["params"]["offset"]
        self.assertEqual((offset("embeddings"), offset("step/embeddings")), (0, 8))
        tokens = numpy.load(folder / "generate/tokens.npy")
        self.assertEqual(numpy.load(folder / "step/embeddings/ids.npy").tolist(), [[tokens[0, 8]]])
        self.assertEqual(tokens[0, 8], numpy.load(folder / "argmax/y.npy")[0])

    def test_generate_holds_every_parameter_under_its_name_in_the_transformer(self):
        inputs = json.loads((self.captured() / "generate/case.json").read_text())["inputs"]
        self.assertEqual(set(inputs), {"ids", *(name for name, _ in tiny_model().transformer.named_parameters())})

    def test_a_head_that_is_not_tied_is_captured_with_its_own_weight(self):
        model = tiny_model()
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight * 2)
        logits = next(case for case in gpt2.plan(model).cases if case.id == "logits")
        self.assertEqual(logits.inputs["weight"].name, "lm_head.weight")

    def test_a_gpt2_that_computes_something_else_is_refused(self):
        for name, value in (("scale_attn_by_inverse_layer_idx", True), ("scale_attn_weights", False),
                            ("activation_function", "relu")):
            model = tiny_model()
            setattr(model.config, name, value)
            with self.subTest(name), self.assertRaisesRegex(Refusal, f"no checkpoint is known for {name}"):
                gpt2.plan(model)

    def test_a_prompt_must_leave_room_for_what_is_generated(self):
        self.assertRefused(self.capture(*SEEDED[:-2], "--tokens", ",".join(["1"] * 24)),
                           "24 token ids and 9 that are generated, and the model has 32 positions")
        self.captured(*SEEDED[:-2], "--tokens", ",".join(["1"] * 23))


class Doubt(Capture):
    """Two rows of the vocabulary that are equal, or nearly, have logits that are."""

    def tied(self, step: int, apart: float = 0.0, rows: int = 1, seed: int = 0) -> tuple[str, int, list[int]]:
        """A folder with a model in which other tokens are as good as the one chosen at `step`: the folder, that token, and
        the others."""
        model = tiny_model(seed)
        text = self.greedy(model, list(b"24 karat"), 10)
        chosen, used = text[8 + step], {*text}
        others = [token for token in range(256) if token not in used][:rows]
        with torch.no_grad():
            for other in others:
                model.transformer.wte.weight[other] = model.transformer.wte.weight[chosen] * (1 - apart)
        folder = self.folder / "tied"
        with contextlib.redirect_stderr(io.StringIO()):
            model.save_pretrained(folder)
        return str(folder), chosen, others

    def greedy(self, model, ids: list[int], count: int) -> list[int]:
        """Without a cache and without transformers' own generation."""
        for _ in range(count):
            with torch.inference_mode():
                ids = [*ids, int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax())]
        return ids

    def told(self, folder: str) -> str:
        code, _, err = self.capture("--model", folder, "--tokenizer", "bytes", "--prompt", "24 karat")
        self.assertEqual(code, 0, err)
        return err

    def outputs(self, case: str) -> dict:
        return json.loads((self.root / "tiny" / case / "case.json").read_text())["outputs"]

    def generation(self) -> dict:
        return json.loads((self.root / "tiny/suite.json").read_text())["reference"]["generation"]

    def patch(self, module, name: str, value):
        patch = mock.patch.object(module, name, value)
        patch.start()
        self.addCleanup(patch.stop)

    def test_where_the_first_token_is_doubtful_either_is_accepted(self):
        folder, chosen, (other,) = self.tied(0)
        self.assertIn("for token 1 are 0 apart", self.told(folder))
        self.assertEqual(self.outputs("argmax"), {"y": {"tensor": "y.npy", "or": ["y.or.npy"]}})
        y, instead = (numpy.load(self.root / "tiny/argmax" / name) for name in ("y.npy", "y.or.npy"))
        self.assertEqual({int(y[0]), int(instead[0])}, {chosen, other})
        self.assertEqual((y.dtype, y.shape), (instead.dtype, instead.shape))

    def test_every_text_that_may_come_is_generated_by_the_model_after_the_other_token(self):
        # The first and the second token of seed 11 are the same one.
        for seed, step, apart, count in ((11, 3, 0.0, 1), (11, 3, 1e-7, 1), (0, 9, 0.0, 1), (11, 0, 0.0, 3)):
            with self.subTest(seed=seed, step=step, apart=apart):
                folder, chosen, (other,) = self.tied(step, apart, seed=seed)
                err = self.told(folder)
                output = self.outputs("generate")["tokens"]
                self.assertEqual(output["tensor"], "tokens.npy")
                home = self.root / "tiny/generate"
                texts = [numpy.load(home / file)[0].tolist() for file in ("tokens.npy", *output["or"])]
                self.assertEqual(len({*map(tuple, texts)}), len(texts))
                self.assertEqual({text[8 + step] for text in texts}, {chosen, other})
                with contextlib.redirect_stderr(io.StringIO()):
                    model = type(tiny_model()).from_pretrained(folder)
                recorded = self.generation()["alternatives"]
                self.assertEqual((len(recorded), len(texts)), (count, count + 1))
                for text, branch in zip(texts[1:], recorded):
                    begin = 8 + branch["token"]
                    self.assertEqual(text[begin - 1], branch["is"])
                    self.assertEqual(self.greedy(model, text[:begin], 18 - begin), text)
                    self.assertIn(f"for token {branch['token']} are", err)
                self.assertFalse((home / "tokens.where.npy").exists())
                shutil.rmtree(self.root)

    def test_a_doubtful_token_in_what_comes_instead_has_alternatives_of_its_own(self):
        folder, chosen, others = self.tied(9, rows=3)
        self.told(folder)
        files = self.outputs("generate")["tokens"]["or"]
        self.assertEqual(files, ["tokens.or.1.npy", "tokens.or.2.npy", "tokens.or.3.npy"])
        last = [int(numpy.load(self.root / "tiny/generate" / file)[0, -1]) for file in ("tokens.npy", *files)]
        self.assertEqual({*last}, {chosen, *others})

    def test_where_more_texts_may_come_than_anyone_reads_the_doubtful_token_is_left_out_and_it_is_said(self):
        folder, _, _ = self.tied(3, rows=generation.MOST + 1, seed=11)
        self.assertIn("more than 8 texts may come: `generate` is compared up to the token before", self.told(folder))
        self.assertNotIn("or", self.outputs("generate")["tokens"])
        where = numpy.load(self.root / "tiny/generate/tokens.where.npy")
        self.assertEqual(self.generation()["compared_tokens"], 3)
        self.assertEqual(where.tolist(), [[True] * 11 + [False] * 7])
        self.assertTrue((self.root / "tiny/argmax/case.json").exists())

    def test_where_the_first_token_is_one_of_too_many_no_token_is_captured(self):
        self.patch(gpt2, "doubt", lambda *_: 1e9)
        code, _, err = self.capture(*SEEDED)
        self.assertEqual(code, 0)
        self.assertIn("not captured: argmax, generate", err)
        self.assertEqual(self.generation()["not_captured"], ["argmax", "generate"])
        self.assertFalse((self.root / "tiny/argmax").exists() or (self.root / "tiny/generate").exists())

    def test_where_every_token_is_sure_there_is_no_alternative(self):
        self.captured()
        self.assertEqual(self.outputs("generate"), {"tokens": "tokens.npy"})
        self.assertEqual(self.outputs("argmax"), {"y": "y.npy"})
        self.assertEqual(set(self.generation()), {"new_tokens", "smallest_margin"})

    def test_other_tokens_are_those_behind_by_no_more_than_the_doubt_nearest_first(self):
        scores = numpy.array([1.0, 3.0, 2.5, 2.75, 3.0], "f4")
        self.assertEqual(generation.others(scores, 1, 0.5), [(4, 0.0), (3, 0.25), (2, 0.5)])
        self.assertEqual(generation.others(scores, 1, 0.2), [(4, 0.0)])

    def test_a_margin_is_between_the_two_best(self):
        values = {Place(MODEL, SELECTED, step): numpy.array([[3.0, 1.0, 2.5]], "f4") for step in range(10)}
        self.assertEqual(generation.margins(values), [0.5] * 10)


class Noise(unittest.TestCase):
    def rows(self):
        model = tiny_model()
        forward = lambda runner: generation.generate(runner, list(b"24 karat"))
        plan = gpt2.plan(model)
        seen = observer.observe(model, lambda: forward(model), plan)
        return {(row.checkpoint, row.output): row for row in noise.worst(noise.measure(model, forward, plan, seen))}

    def test_float32_takes_at_most_half_of_every_tolerance(self):
        for row in self.rows().values():
            self.assertLess(noise.share(row), 1 / 2, row)
            self.assertGreater(row.largest_difference, 0, row)

    def test_the_noise_of_an_operation_is_its_own(self):
        # An addition of two float32 numbers is off by half a spacing at most; what was added is not its noise.
        row = self.rows()["residual", "y"]
        self.assertLessEqual(row.largest_difference, row.largest_value * 2.0**-23)

    def test_the_noise_of_a_block_is_that_of_all_that_it_is_made_of(self):
        rows = self.rows()
        self.assertGreater(rows["block", "y"].largest_difference, 2 * rows["residual", "y"].largest_difference)

    def test_a_tolerance_grows_until_the_noise_takes_a_third_of_it_and_never_above_the_ceiling(self):
        plan = gpt2.plan(tiny_model())
        row = lambda case, checkpoint, output, off, largest, atol: noise.Noise(
            checkpoint, output, off, largest, atol, min(atol, 1e-5), case)
        rows = [row("h.0/ln_1", "layer_norm", "y", 2.25e-6, 2.6, 5e-6), row("h.0/qkv", "qkv", "q", 1e-6, 4.0, 1e-5),
                row("h.0/mlp", "mlp", "y", 1.0, 4.0, 1e-5), row("h.0/residual_1", "residual", "y", 1.0, 4.0, 1e-6),
                row("h.1/mlp", "mlp", "y", 5e-4, 2900.0, 1e-5)]
        roomy, told = noise.with_room(plan, rows, gpt2.CEILINGS)
        self.assertEqual([row.atol for row in told], [1e-5, 1e-5, 1e-4, 1e-6, 1e-4])
        tolerances = {case.id: case.tolerance for case in roomy.cases}
        self.assertEqual([tolerances[name]["y"] for name in ("h.0/ln_1", "h.1/ln_1", "h.0/mlp", "h.0/residual_1", "h.1/mlp")],
                         [1e-5, gpt2.LAYER_NORM, 1e-4, 1e-6, 1e-4])
        self.assertEqual(noise.with_room(plan, rows, {})[0], plan)

    def test_no_tolerance_is_above_its_ceiling(self):
        for case in gpt2.plan(tiny_model()).cases:
            for atol in case.tolerance.values():
                most = atol.most if isinstance(atol, tolerance.Relative) else atol
                self.assertLessEqual(most, gpt2.CEILINGS.get(case.checkpoint, 1e-6), case.id)

    def test_exact_outputs_and_integers_have_no_noise(self):
        self.assertFalse({"kv_cache", "selected_logits", "argmax", "generate"} & {name for name, _ in self.rows()})

    def test_a_table_marks_a_tolerance_that_leaves_no_room(self):
        rows = [noise.Noise("tight", "y", 5e-7, 1.0, 1e-6), noise.Noise("wide", "y", 1e-7, 1.0, 1e-6)]
        self.assertEqual([line.endswith("too tight") for line in noise.lines(rows)[2:]], [True, False])


class Tolerances(unittest.TestCase):
    def test_large_elements_that_are_compared_have_room_and_the_small_ones_beside_them_have_not(self):
        values = numpy.array([3000.0, -1.0], "f4")
        self.assertEqual(tolerance.limits(1e-5, values, None), (1e-5, 2.0**-20))
        self.assertEqual(tolerance.limits(1e-5, values, numpy.array([False, True])), (1e-5, 0))
        self.assertEqual(tolerance.limits(0.0, values, None), (0.0, 0))
        self.assertEqual(tolerance.limits(1e-5, numpy.array([3000]), None), (1e-5, 0))

    def test_numbers_are_rounded_up_to_one_two_or_five(self):
        for number, rounded in ((1.1e-6, 2e-6), (2e-6, 2e-6), (4.9e-3, 5e-3), (6e-3, 1e-2), (0.0, 0.0)):
            self.assertEqual(tolerance.round_up(number), rounded)

    def test_masks_join_and_are_absent_where_nothing_is_masked(self):
        place, mask = Place("m", "scores"), Place("m", "mask")
        values = {place: numpy.array([[[[1.0, numpy.finfo("f4").min]]]], "f4"), mask: numpy.array([[1, 0]])}
        self.assertEqual(masks.attended(place)(values, (1, 1, 1, 2)).tolist(), [[[[True, False]]]])
        self.assertEqual(masks.tokens(mask, 1)(values, (1, 2, 1)).tolist(), [[[True], [False]]])
        nothing = {place: numpy.zeros((1, 1, 1, 2), "f4"), mask: numpy.ones((1, 2))}
        self.assertIsNone(masks.both(masks.attended(place), masks.tokens(mask, 3))(nothing, (1, 1, 1, 2)))


if __name__ == "__main__":
    unittest.main()
