"""How a lab scenario ends: one line that says what was found, and an exit code ctest understands.

    0 every expectation held    1 one did not    77 this machine cannot show it (no root, no namespaces)

A scenario is a function that takes a Verdict and says what it expects; it never runs
longer than its limit, and what it started is gone when it returns."""
import argparse
import os
import signal
import sys
import tempfile

from natlab import Lab, LabError

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SKIPPED = 77


class Skip(Exception):
    """This machine cannot show it; the text says why."""


class Failed(Exception):
    """Going on makes no sense; the text says what was missing."""


class Verdict:
    """Collects what was measured and what was missed."""

    def __init__(self, name):
        self.name, self.missed, self.facts = name, [], []

    def expect(self, holds, sentence):
        """sentence: what a reader should know when it does not hold."""
        sentence = " ".join(sentence.split())
        if not holds:
            self.missed.append(sentence)
            print("  missed: " + sentence, flush=True)
        return bool(holds)

    def fact(self, sentence):
        """Something measured, worth a place in the closing line."""
        self.facts.append(sentence)

    def note(self, sentence):
        """Progress, for whoever watches."""
        print("  " + sentence, flush=True)

    def close(self):
        if self.missed:
            more = len(self.missed) - 3
            print("FAIL %s: %s%s" % (self.name, "; ".join(self.missed[:3]), "; and %d more" % more if more > 0 else ""))
            return 1
        print("PASS %s: %s" % (self.name, "; ".join(self.facts) or "as expected"))
        return 0


def arguments(description, **extra):
    """Options every scenario has; extra: NAME=dict(...) for add_argument("--NAME", ...)."""
    parser = argparse.ArgumentParser(description=description.split("\n\n")[0])
    parser.add_argument("--byway", default=os.environ.get("BYWAY") or os.path.join(ROOT, "build/dev/node/byway"),
                        help="the program to test (default: $BYWAY, else build/dev/node/byway)")
    parser.add_argument("--logs", metavar="DIR", help="keep what the nodes wrote in this folder")
    for name, how in extra.items():
        parser.add_argument("--" + name.replace("_", "-"), **how)
    given = parser.parse_args()
    given.byway = os.path.abspath(given.byway)
    return given


def lab(**kw):
    """A new lab, or Skip with the reason why there can be none here; kw: for natlab.Lab."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    try:
        with Lab() as trial:             # a NAT and a host, to see whether this kernel lets us
            trial.add_public("host")
            trial.add_site("site", nat="fullcone")
        return Lab(**kw)
    except FileNotFoundError as e:
        raise Skip("%s is not installed; tools/deps installs it" % (e.filename or e)) from e
    except (LabError, OSError) as e:
        raise Skip("no network namespaces here (%s)" % str(e).strip().splitlines()[0]) from e


def _out_of_time(seconds):
    def on_alarm(_signal, _frame):
        raise Failed("not finished after %d s" % seconds)
    return on_alarm


def _asked_to_stop(_signal, _frame):
    raise KeyboardInterrupt


def run(name, given, scenario, limit):
    """Runs scenario(verdict, given, folder) within `limit` seconds and exits with its code.
    folder: a new one, for what the nodes keep and write."""
    verdict = Verdict(name)
    signal.signal(signal.SIGALRM, _out_of_time(limit))
    signal.signal(signal.SIGTERM, _asked_to_stop)
    signal.alarm(limit)
    try:
        if not os.access(given.byway, os.X_OK):
            raise Failed("there is no %s; build it, or name one with --byway" % given.byway)
        if given.logs:
            os.makedirs(given.logs, exist_ok=True)
            scenario(verdict, given, tempfile.mkdtemp(prefix=name + "-", dir=os.path.abspath(given.logs)))
        else:
            with tempfile.TemporaryDirectory(prefix="byway-") as folder:
                scenario(verdict, given, folder)
    except Skip as e:
        print("SKIP %s: %s" % (name, e))
        sys.exit(SKIPPED)
    except (Failed, LabError) as e:
        verdict.expect(False, str(e))
    except KeyboardInterrupt:
        verdict.expect(False, "interrupted")
    signal.alarm(0)
    sys.exit(verdict.close())
