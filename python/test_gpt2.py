"""Facts about the suite that is captured from a GPT-2."""

from __future__ import annotations

import json
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

OPERATIONS = {"ln_1", "qkv", "attention_scores", "softmax", "attention_output", "residual_1", "ln_2", "mlp",
              "residual_2", "block"}


class Suite(Capture):
    def test_a_suite_holds_every_checkpoint_of_every_layer(self):
        layers = {f"h.{layer}/{name}" for layer in (0, 1) for name in OPERATIONS}
        steps = {f"step/h.{layer}/{name}" for layer in (0, 1) for name in ("kv_cache", "attention_scores")}
        ends = {"embeddings", "ln_f", "logits", "selected_logits", "argmax", "step/embeddings", "generate"}
        self.assertEqual(suite.case_ids(self.captured()), layers | steps | ends)

    def test_what_must_be_exact_has_no_tolerance(self):
        folder = self.captured()
        for name in ("selected_logits", "argmax", "step/h.0/kv_cache", "generate"):
            case = json.loads((folder / name / "case.json").read_text())
            self.assertEqual(set(map(str, case["tolerance"].values())), {"{'atol': 0.0, 'rtol': 0}"}, name)

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
    """With a doubt of the size of the margins, tokens that are sure become doubtful."""

    def doubt(self, size: float):
        patch = mock.patch.object(gpt2, "DOUBT", size)
        patch.start()
        self.addCleanup(patch.stop)

    def margins(self):
        model = tiny_model()
        seen = observer.observe(model, lambda: generation.generate(model, list(b"24 karat")), gpt2.plan(model))
        return generation.margins({place: value.values for place, value in seen.items()})

    def test_tokens_from_the_first_doubtful_one_on_are_left_out_and_it_is_said(self):
        margins = self.margins()
        step = next(i for i in range(1, 10) if margins[i] < min(margins[:i]))
        self.doubt(margins[step])
        code, _, err = self.capture(*SEEDED)
        self.assertEqual(code, 0)
        self.assertIn(f"two best logits of token {step + 1} are", err)
        folder = self.root / "tiny"
        where = numpy.load(folder / "generate/tokens.where.npy")
        self.assertEqual(where.tolist(), [[True] * (8 + step) + [False] * (10 - step)])
        self.assertTrue((folder / "argmax/case.json").exists())

    def test_where_the_first_token_is_doubtful_no_token_is_captured(self):
        self.doubt(1e9)
        code, _, err = self.capture(*SEEDED)
        self.assertEqual(code, 0)
        self.assertIn("not captured: argmax, generate", err)
        self.assertFalse((self.root / "tiny/argmax").exists() or (self.root / "tiny/generate").exists())

    def test_nothing_is_left_out_where_every_token_is_sure(self):
        self.assertFalse(list(self.captured().rglob("tokens.where.npy")))

    def test_a_margin_is_between_the_two_best(self):
        values = {Place(MODEL, SELECTED, step): numpy.array([[3.0, 1.0, 2.5]], "f4") for step in range(10)}
        self.assertEqual(generation.margins(values), [0.5] * 10)


class Noise(unittest.TestCase):
    def rows(self):
        model = tiny_model()
        forward = lambda runner: generation.generate(runner, list(b"24 karat"))
        plan = gpt2.plan(model)
        seen = observer.observe(model, lambda: forward(model), plan)
        return {(row.checkpoint, row.output): row for row in noise.measure(model, forward, plan, seen)}

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

    def test_exact_outputs_and_integers_have_no_noise(self):
        self.assertFalse({"kv_cache", "selected_logits", "argmax", "generate"} & {name for name, _ in self.rows()})

    def test_a_table_marks_a_tolerance_that_leaves_no_room(self):
        rows = [noise.Noise("tight", "y", 5e-7, 1.0, 1e-6), noise.Noise("wide", "y", 1e-7, 1.0, 1e-6)]
        self.assertEqual([line.endswith("too tight") for line in noise.lines(rows)[2:]], [True, False])


class Tolerances(unittest.TestCase):
    def test_a_tolerance_grows_with_what_is_compared_and_with_nothing_else(self):
        values = numpy.array([3000.0, -1.0], "f4")
        self.assertEqual(tolerance.scaled(1e-5, values, None), 1e-3)
        self.assertEqual(tolerance.scaled(1e-5, values, numpy.array([False, True])), 1e-5)
        self.assertEqual(tolerance.scaled(0.0, values, None), 0.0)
        self.assertEqual(tolerance.scaled(1e-5, numpy.array([3000]), None), 1e-5)

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
