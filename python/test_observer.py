"""Facts about how tensors are taken out of a forward."""

from __future__ import annotations

import json
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import numpy
import torch
from transformers import DynamicCache
from transformers.models.gpt2 import modeling_gpt2

from trial import Capture, tiny_model

import generation
import gpt2
import observer
import suite
from plan import (CHOSEN, INPUT, KEY, MODEL, NEW_KEY, OUTPUT, PAST_KEY, PROBABILITIES, QUERY, RETURNED, SCORES, SELECTED,
                  VALUE, Case, Place, Plan)
from refusal import Refusal


class Observing(unittest.TestCase):
    def setUp(self):
        self.model = tiny_model()
        self.plan = gpt2.plan(self.model)
        self.forward = lambda: generation.generate(self.model, list(range(8)))

    def observe(self, places=None, forward=None, calls=generation.NEW_TOKENS):
        probes = {"places": sorted(places or self.plan.places())}
        return observer.observe(self.model, forward or self.forward, Plan([], probes, calls))

    def hooks(self):
        return [(name, list(module._forward_pre_hooks), list(module._forward_hooks))
                for name, module in self.model.named_modules()]

    def test_q_k_and_v_are_the_split_of_what_c_attn_returned(self):
        name = "transformer.h.1.attn"
        whole = Place(f"{name}.c_attn", OUTPUT)
        seen = self.observe({whole, *self.plan.places()})
        parts = numpy.split(seen[whole].values, 3, axis=-1)
        for port, part in zip((QUERY, KEY, VALUE), parts):
            heads = part.reshape(1, 8, 4, 8).transpose(0, 2, 1, 3)
            self.assertTrue(observer.same_bits(seen[Place(name, port)].values, numpy.ascontiguousarray(heads)), port)

    def test_a_forward_that_watching_changes_is_refused(self):
        record = observer.Recorder.record
        for port in (QUERY, SCORES, PROBABILITIES, NEW_KEY, SELECTED, INPUT, OUTPUT):
            def meddle(recorder, module, seen, tensor):
                record(recorder, module, seen, tensor)
                # Of a generation only what decides more than the order of two tokens is sure to show.
                if seen == port and tensor.is_floating_point() and tensor.shape[-1] != 256:
                    tensor.add_(torch.linspace(0, 0.1, tensor.shape[-1]))
                elif seen == port == SELECTED:
                    tensor.neg_()

            with self.subTest(port), mock.patch.object(observer.Recorder, "record", meddle), \
                    self.assertRaisesRegex(Refusal, "differs from the clean"):
                self.observe()

    def test_what_was_seen_is_what_the_clean_forward_computes(self):
        clean = {}

        def keep(module, inputs, output):
            clean.setdefault("x", (inputs[0].clone(), output.clone()))

        handle = self.model.transformer.ln_f.register_forward_hook(keep)
        with torch.inference_mode():
            self.forward()
        handle.remove()
        seen = self.observe()
        for port, tensor in zip((INPUT, OUTPUT), clean["x"]):
            self.assertTrue(observer.same_bits(seen[Place("transformer.ln_f", port)].values, tensor.numpy()), port)

    def test_scores_are_what_is_softmaxed_and_probabilities_what_comes_out(self):
        seen = self.observe()
        for layer in range(2):
            attn = f"transformer.h.{layer}.attn"
            scores = torch.from_numpy(seen[Place(attn, SCORES)].values)
            probabilities = seen[Place(attn, PROBABILITIES)].values
            self.assertTrue(observer.same_bits(torch.softmax(scores, -1).numpy(), probabilities))
            self.assertTrue((probabilities[..., numpy.triu_indices(8, 1)[0], numpy.triu_indices(8, 1)[1]] == 0).all())

    def test_a_cache_holds_the_keys_of_the_prompt_and_gets_that_of_the_token(self):
        seen = self.observe()
        attn = "transformer.h.1.attn"
        past, new = (seen[Place(attn, port)].values for port in (PAST_KEY, NEW_KEY))
        self.assertTrue(observer.same_bits(past, seen[Place(attn, KEY)].values))
        self.assertTrue(observer.same_bits(numpy.concatenate([past, new], axis=2), seen[Place(attn, KEY, 1)].values))

    def test_a_generation_takes_the_largest_of_the_last_row_of_the_logits(self):
        seen = self.observe()
        logits = seen[Place("lm_head", OUTPUT)].values
        selected, chosen = (seen[Place(MODEL, port)].values for port in (SELECTED, CHOSEN))
        self.assertTrue(observer.same_bits(selected, numpy.ascontiguousarray(logits[:, -1])))
        self.assertEqual(chosen.tolist(), [int(logits[0, -1].argmax())])
        self.assertEqual(seen[Place(MODEL, RETURNED)].values.shape, (1, 18))

    def test_hooks_are_gone_even_if_the_forward_fails(self):
        attention, update = modeling_gpt2.eager_attention_forward, DynamicCache.update
        own = "update" in vars(DynamicCache)
        # transformers sets hooks of its own the first time, and leaves them there.
        self.forward()
        before = self.hooks()
        failing = mock.patch.object(self.model.transformer.h[1].mlp, "forward", side_effect=ZeroDivisionError)
        with failing, self.assertRaises(ZeroDivisionError), \
                observer.watch(self.model, observer.Recorder(self.plan.places())):
            self.assertIsNot(modeling_gpt2.eager_attention_forward, attention)
            self.assertIsNot(DynamicCache.update, update)
            self.forward()
        self.assertIs(modeling_gpt2.eager_attention_forward, attention)
        self.assertIs(DynamicCache.update, update)
        self.assertEqual("update" in vars(DynamicCache), own)
        self.assertEqual(self.hooks(), before)

    def test_a_place_that_is_never_reached_is_refused(self):
        self.model.config.reorder_and_upcast_attn = True
        for block in self.model.transformer.h:
            block.attn.reorder_and_upcast_attn = True
        with self.assertRaisesRegex(Refusal, "never reached"):
            self.observe()

    def test_a_module_that_runs_twice_is_refused(self):
        with self.assertRaisesRegex(Refusal, "more than once"):
            self.observe(forward=lambda: (self.forward(), self.forward()))

    def test_a_forward_without_tensors_is_refused(self):
        with self.assertRaisesRegex(Refusal, "gives no tensor"):
            self.observe(forward=lambda: self.forward() and None)

    def test_nan_in_a_reference_is_refused(self):
        place = Place("m", OUTPUT)
        with tempfile.TemporaryDirectory() as folder, self.assertRaisesRegex(Refusal, "NaN"):
            suite.write_tensor(Path(folder) / "y.npy", numpy.array([1, numpy.nan], "f4"), place)


class Linking(Capture):
    def test_a_tensor_changed_in_place_since_is_written_and_not_linked(self):
        class InPlace(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.one, self.two = torch.nn.Identity(), torch.nn.Identity()

            def forward(self, x):
                return self.two(self.one(x.clone()).add_(1))

        model = InPlace()
        plan = Plan([Case(name, "same", {}, {"x": Place(name, INPUT)}, {"y": Place(name, OUTPUT)}, None)
                     for name in ("one", "two")])
        seen = observer.observe(model, lambda: model(torch.zeros(3)), plan)
        self.assertEqual(seen[Place("one", OUTPUT)].source.data_ptr(), seen[Place("two", INPUT)].source.data_ptr())
        suite.write(suite.Target(self.root / "s", "s"), plan, seen, model, {})
        self.assertEqual(numpy.load(self.root / "s/one/y.npy").tolist(), [0, 0, 0])
        self.assertEqual(json.loads((self.root / "s/two/case.json").read_text())["inputs"]["x"], "x.npy")


if __name__ == "__main__":
    unittest.main()
