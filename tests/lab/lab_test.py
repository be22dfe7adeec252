"""The lab's own judgement: what it reads out of captures and JSON, and when it says that a row misses.

A scenario that cannot fail proves nothing, so each judge is shown something bad."""
import contextlib
import importlib.machinery
import importlib.util
import io
import os
import struct
import unittest

import byway_lab
import pcap
import scenario
from scenario import Failed


def program(name):
    """A scenario as a module; its file has no .py, for people run it by name."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
    loader = importlib.machinery.SourceFileLoader(name, path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


@contextlib.contextmanager
def silence():
    with contextlib.redirect_stdout(io.StringIO()) as out:
        yield out


def run(path="direct-udp", first=160.0, direct=240.0, endpoint="198.51.100.11:7000", answered=3):
    return dict(first_byte_ms=first, direct_ms=direct, path=path, method="punch", why=None, endpoint=endpoint,
                answered=answered)


class Matrix(unittest.TestCase):
    def setUp(self):
        self.matrix = program("matrix")
        self.punched = self.matrix.Pair("port-restricted", "port-restricted", "direct", first_byte=250, direct=500)

    def test_medians_within_the_limits_are_fine_even_when_one_run_is_slow(self):
        self.assertEqual(self.matrix.judge(self.punched, [run(), run(first=900.0, direct=2000.0), run()]), [])

    def test_a_slow_median_misses(self):
        self.assertEqual(self.matrix.judge(self.punched, [run(first=251.0)] * 3), ["first byte 251 ms"])
        self.assertEqual(self.matrix.judge(self.punched, [run(direct=501.0)] * 3), ["direct 501 ms"])

    def test_one_run_that_stays_on_the_relay_misses(self):
        missed = self.matrix.judge(self.punched, [run(), run(path="relay", direct=None), run()])
        self.assertEqual(len(missed), 2)          # its path, and the row has no figure for direct any more

    def test_a_run_without_an_answer_misses(self):
        self.assertTrue(self.matrix.judge(self.punched, [run(), run(answered=0), run()]))

    def test_a_pair_that_should_be_relayed_must_be(self):
        hard = self.matrix.Pair("symmetric-random", "symmetric-random", "relay", first_byte=300)
        self.assertEqual(self.matrix.judge(hard, [run(path="relay", direct=None)] * 3), [])
        self.assertTrue(self.matrix.judge(hard, [run()] * 3))

    def test_a_lan_pair_must_use_the_private_address(self):
        lan = self.matrix.Pair("port-restricted", "port-restricted", "direct", lan=True)
        self.assertEqual(self.matrix.judge(lan, [run(endpoint="192.168.7.102:7000")] * 3), [])
        self.assertEqual(self.matrix.judge(lan, [run()] * 3), ["not over the private address"])
        self.assertEqual(self.matrix.judge(lan, [run(endpoint=None)] * 3), ["not over the private address"])


class Capture(unittest.TestCase):
    @staticmethod
    def frame(payload, proto=pcap.UDP, ether=pcap.IPV4):
        udp = struct.pack("!HHHH", 7000, 7001, 8 + len(payload), 0) + payload
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, proto, 0, bytes([198, 51, 100, 10]),
                         bytes([203, 0, 113, 10])) + udp
        return bytes(12) + struct.pack("!H", ether) + ip + b"\0" * 6          # Ethernet pads short frames

    @staticmethod
    def file(*frames):
        out = struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1)
        for frame in frames:
            out += struct.pack("<IIII", 100, 500000, len(frame), len(frame)) + frame
        return out

    def test_a_datagram_is_read_without_the_padding(self):
        found, = pcap.packets(self.file(self.frame(b"hello")))
        self.assertEqual(found, pcap.Packet(100.5, pcap.UDP, ("198.51.100.10", 7000), ("203.0.113.10", 7001), b"hello"))

    def test_other_protocols_are_left_out(self):
        self.assertEqual(list(pcap.packets(self.file(self.frame(b"x", ether=0x86dd), self.frame(b"x", proto=1)))), [])

    def test_a_last_frame_cut_short_is_left_out(self):
        self.assertEqual(len(list(pcap.packets(self.file(self.frame(b"one"), self.frame(b"two"))[:-3]))), 1)

    def test_anything_else_is_no_capture(self):
        with self.assertRaises(ValueError):
            list(pcap.packets(b"x" * 24))


class Json(unittest.TestCase):
    def test_objects_a_line(self):
        self.assertEqual(byway_lab.parse_lines('{"a":1}\n{"b":2}\n', "x"), [{"a": 1}, {"b": 2}])

    def test_anything_else_on_stdout_breaks_the_promise(self):
        for text in ("ready\n", '{"a":1}\nand more\n', "[1]\n", '{"a":1\n'):
            with self.assertRaises(Failed):
                byway_lab.parse_lines(text, "x")

    def test_a_missing_key_is_named(self):
        with self.assertRaisesRegex(Failed, "direct_ms"):
            byway_lab.need({"sent": 1}, "ping", "sent", "direct_ms")


class Errors(unittest.TestCase):
    def setUp(self):
        self.errors = program("errors")

    def missed(self, script, code, *words):
        verdict = scenario.Verdict("x")
        with silence():
            self.errors.Case(verdict, "case", ["/bin/sh", "-c", script]).gives(code, *words)
        return verdict.missed

    def test_one_sentence_with_the_right_code_is_what_is_wanted(self):
        self.assertEqual(self.missed("echo 'port 7000 is in use' >&2; exit 1", 1, "7000", "in use|taken"), [])

    def test_everything_else_is_not(self):
        for script in ("echo 'port 7000' >&2; exit 2",                              # the wrong code
                       "exit 1",                                                    # no word
                       "echo 'port 7000' >&2; echo more >&2; exit 1",               # two lines
                       "echo 'cannot' >&2; exit 1",                                 # does not name it
                       "echo 'port 7000' >&2; echo out; exit 1",                    # something on stdout
                       "echo 'terminate called: port 7000' >&2; exit 1"):           # noise
            self.assertTrue(self.missed(script, 1, "7000"), script)


class Survive(unittest.TestCase):
    def test_the_longest_silence_is_the_one_in_the_interval(self):
        drain = program("survive").Drain(io.BytesIO(b""))
        drain.gaps = [(10.0, 3.0), (20.0, 5.5), (40.0, 9.0)]
        self.assertEqual(drain.longest_gap(15.0, 25.0), 5.5)
        self.assertEqual(drain.longest_gap(18.0, 19.0), 5.5)
        self.assertEqual(drain.longest_gap(21.0, 25.0), 0.0)


class Verdicts(unittest.TestCase):
    def test_one_miss_fails_the_whole(self):
        verdict = scenario.Verdict("x")
        with silence() as out:
            verdict.expect(True, "fine")
            verdict.expect(False, "the path is relay")
            self.assertEqual(verdict.close(), 1)
        self.assertIn("FAIL x: the path is relay", out.getvalue())

    def test_nothing_missed_passes_with_its_facts(self):
        verdict = scenario.Verdict("x")
        verdict.fact("direct after 200 ms")
        with silence() as out:
            self.assertEqual(verdict.close(), 0)
        self.assertEqual(out.getvalue(), "PASS x: direct after 200 ms\n")


if __name__ == "__main__":
    unittest.main()
