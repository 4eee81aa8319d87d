"""Facts about the benchmark of benches/speed.py that hold without its peers."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import unittest
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from speed import bench, cores, kernel, main, peers, process, rows
from speed.refusal import Refusal

LINUX = unittest.skipUnless(sys.platform.startswith("linux") and (os.cpu_count() or 1) > 1, "it runs on Linux and two cores")
SCRIPT = Path(__file__).parent / "speed.py"


def row(value: float, bar=None, peer: str = "2 s") -> rows.Row:
    return rows.Row("a thing", "1 s", peer, value, rows.times, bar)


def line(**other) -> dict:
    return {"what": "large", "data": "near", "dtype": "f32", "elements": 1 << 20, "bytes": 8 << 20, "outside": 0.0, "threads": 2,
            "sum_seconds": [1.0, 2.0, 1.0], "measure_seconds": [2.0, 4.0, 4.0], **other}


class Rows(unittest.TestCase):
    def test_a_bar_is_met_at_its_limit_unless_it_is_to_be_below(self):
        for bar, met in ((rows.at_least(2), [False, True, True]), (rows.at_most(2), [True, True, False]),
                         (rows.below(2), [True, False, False])):
            self.assertEqual([bar.is_met(value) for value in (1, 2, 3)], met, bar)

    def test_a_value_that_is_no_number_meets_no_bar(self):
        for bar in (rows.at_least(2), rows.at_most(2), rows.below(2)):
            self.assertFalse(bar.is_met(float("nan")))

    def test_the_table_says_of_each_row_whether_its_bar_is_met(self):
        text = rows.table([row(3, rows.at_least(2)), row(1, rows.at_least(2)), row(5), row(5, rows.below(9), peer="")])
        self.assertEqual(text.splitlines(), [
            "|  | karat | peer | ratio | bar |  |",
            "| --- | --- | --- | --- | --- | --- |",
            "| a thing | 1 s | 2 s | 3.00× | ≥ 2.00× | met |",
            "| a thing | 1 s | 2 s | 1.00× | ≥ 2.00× | **not met** |",
            "| a thing | 1 s | 2 s | 5.00× |  |  |",
            "| a thing | 1 s |  |  | < 9.00× | met |",
        ])

    def test_the_ratio_is_the_median_of_those_of_each_turn(self):
        self.assertEqual(rows.ratio([2, 30, 4], [1, 10, 2]), 2)

    def test_a_duration_has_three_digits(self):
        for seconds, text in ((123, "123 s"), (1.2345, "1.23 s"), (0.0123, "12.3 ms"), (0.9996, "1000 ms"), (4.5e-6, "4.50 µs"),
                              (7e-9, "7.00 ns")):
            self.assertEqual(rows.duration(seconds), text)

    def test_a_rate_is_in_gigabytes(self):
        self.assertEqual(rows.rate(30e9, 2), "15.0 GB/s")


class Kernel(unittest.TestCase):
    def test_the_share_is_that_of_the_rates(self):
        found = kernel.large(line())
        self.assertEqual((found.value, found.is_met(), found.bar.limit), (0.5, True, 0.5))
        self.assertFalse(kernel.large(line(measure_seconds=[2.1, 4.1, 4.1])).is_met())
        self.assertEqual(kernel.large(line(dtype="bf16", data="outliers")).bar.limit, 0.175)

    def test_integers_of_64_bits_have_no_bar(self):
        self.assertIsNone(kernel.large(line(dtype="i64")).bar)

    def test_data_that_is_not_what_its_name_says_is_refused(self):
        self.assertEqual(len(kernel.parse(json.dumps(line()) + "\n" + json.dumps(line(data="outliers", outside=0.05)))), 2)
        for wrong in (line(outside=0.01), line(data="outliers"), line(data="unrelated", outside=0.5)):
            with self.assertRaises(Refusal):
                kernel.parse(json.dumps(wrong))

    def test_scaling_is_by_how_much_two_threads_are_faster(self):
        one, two = line(what="scaling", measure_seconds=[4.0] * 3), line(what="scaling", measure_seconds=[2.0] * 3)
        measure, total = cores.large([line(), one, two])
        self.assertEqual((measure.value, measure.is_met()), (2, True))
        self.assertEqual((total.value, total.bar), (1, None))


class Processes(unittest.TestCase):
    def test_a_program_has_an_environment_in_which_nothing_is_set(self):
        given = {"PATH": "/bin", "CI": "1", "INSTA_UPDATE": "no", "RAYON_NUM_THREADS": "7", "CARGO_TARGET_DIR": "x", "CARGO_HOME": "y"}
        self.assertEqual(process.clean(given, A="b"), {"PATH": "/bin", "CARGO_HOME": "y", "A": "b"})

    def test_a_program_that_fails_is_no_measurement(self):
        command = [sys.executable, "-c", "print('why'); raise SystemExit(3)"]
        with self.assertRaisesRegex(Refusal, "ended with 3") as caught:
            process.seconds(command)
        self.assertIn("why", str(caught.exception))
        self.assertGreater(process.seconds(command, status=3), 0)

    def test_the_first_turn_does_not_count(self):
        said = []
        first, second = process.in_turn(2, lambda: said.append("a") or len(said), lambda: said.append("b") or len(said))
        self.assertEqual("".join(said), "ababab")
        self.assertEqual((first, second), ([3, 5], [4, 6]))

    @LINUX
    def test_memory_is_the_most_that_there_was(self):
        hold = "x = bytearray(b'1') * (48 << 20); import time; time.sleep(0.2); del x; time.sleep(0.1)"
        most = process.watch([sys.executable, "-c", hold], Path("."))
        self.assertTrue(48 < most.anonymous <= most.resident < 96, most)

    def test_a_process_that_ended_has_no_memory(self):
        self.assertEqual(process.field(b"Name:\tx\nState:\tZ (zombie)\n", b"RssAnon"), 0)
        self.assertEqual(process.field(b"VmRSS:\t 9 kB\nRssAnon:\t  2048 kB\n", b"RssAnon"), 2)

    @LINUX
    def test_a_start_is_timed(self):
        self.assertGreater(process.start(["true"]), 0)


class Peers(unittest.TestCase):
    def test_another_version_is_as_good_as_none(self):
        wanted = {"numpy": "2.0", "torch": "2.1", "pytest-regressions": "1.0"}
        self.assertEqual(peers.wrong({"numpy": "2.0", "torch": "2.1+cpu", "pytest_regressions": "1.0"}, wanted), [])
        self.assertEqual(peers.wrong({"numpy": "1.9", "torch": "not installed"}, wanted),
                         ["numpy 2.0 (1.9)", "torch 2.1 (not installed)"])

    def test_each_package_that_a_section_needs_has_a_version(self):
        wanted = peers.pinned(peers.REQUIREMENTS.read_text())
        needed = {module.replace("_", "-") for modules in peers.MODULES.values() for module in modules}
        self.assertEqual(set(wanted), needed)
        self.assertEqual(set(peers.MODULES), set(main.SECTIONS))
        self.assertEqual(set(peers.PROGRAMS), set(main.SECTIONS))

    def test_candle_has_the_version_of_the_lock_file(self):
        self.assertRegex(peers.candle(), r"^\d+\.\d+\.\d+$")

    @LINUX
    def test_a_peer_that_is_absent_stops_it_and_says_what_to_type(self):
        with mock.patch.object(peers, "PYTHON", peers.ROOT / "target" / "nowhere" / "bin" / "python"):
            status, out, err = run("--only", "files,cases", "--no-install")
        self.assertEqual((status, out), (2, ""))
        self.assertIn("a peer is absent: numpy 2.4.6 (not installed), pytest ", err)
        self.assertIn("-m pip install -r benches/speed/requirements.txt", err)

    @LINUX
    def test_a_program_that_is_absent_stops_it(self):
        with mock.patch.object(peers.shutil, "which", lambda name: None):
            status, _, err = run("--only", "weight")
        self.assertEqual(status, 2)
        self.assertIn("there is no `cargo`\n       install Rust", err)


class Command(unittest.TestCase):
    def test_its_help_needs_no_peer(self):
        ended = subprocess.run([sys.executable, str(SCRIPT), "--help"], capture_output=True, text=True)
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))
        self.assertIn("--only", ended.stdout)

    def test_sections_are_measured_in_the_order_of_the_table(self):
        self.assertEqual(main.sections("weight,files"), ["files", "weight"])
        for wrong in ("speed", "", "files,"):
            with self.assertRaises(argparse.ArgumentTypeError):
                main.sections(wrong)

    def test_sizes_are_divided_by_a_whole_number(self):
        self.assertEqual(main.divisor("16"), 16)
        for wrong in ("0", "-1", "1.5", "many"):
            with self.assertRaises(argparse.ArgumentTypeError):
                main.divisor(wrong)

    @LINUX
    def test_it_fails_where_a_bar_is_not_met(self):
        for values, expected, says in (([3, 4], 0, "All 2 bars are met."), ([3, 1], 1, "1 of 2 bars are met.")):
            section = SimpleNamespace(NOTE="How.", rows=lambda _: (row(value, rows.at_least(2)) for value in values))
            with mock.patch.dict(main.SECTIONS, kernel=section):
                status, out, _ = run("--only", "kernel")
            self.assertEqual(status, expected)
            self.assertIn(says, out)
            self.assertNotIn("reduced", out)

    @LINUX
    def test_it_says_that_sizes_are_reduced(self):
        section = SimpleNamespace(NOTE="How.", rows=lambda bench: [row(bench.size(1600), peer="")])
        with mock.patch.dict(main.SECTIONS, kernel=section):
            _, out, _ = run("--only", "kernel", "--reduce", "16")
        self.assertIn("Sizes are reduced by 16", out)

    def test_cargo_names_the_executable(self):
        def artifact(name: str, file):
            return json.dumps({"reason": "compiler-artifact", "target": {"name": name}, "executable": file})

        said = "\n".join([artifact("karat", None), artifact("other", "/o"), artifact("karat", "/t/karat"), '{"reason": "build-finished"}'])
        self.assertEqual(bench.executable(said, "karat"), "/t/karat")


def run(*arguments: str) -> tuple[int, str, str]:
    """The exit status of the command, and what it prints."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main.main(arguments)
    return status, out.getvalue(), err.getvalue()


if __name__ == "__main__":
    unittest.main()
