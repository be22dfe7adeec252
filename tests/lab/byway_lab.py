"""Byway nodes in a lab: start one in a host, speak to it through its commands, stop it.

Everything goes through the program's public face (options, `ready` line, JSON keys, exit
codes), as a person or a script would use it. A node belongs to a *place*: a Lab, whose
hosts are namespaces, or Loopback, where every host is this machine."""
import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import time

from scenario import Failed

READY_WITHIN = 15      # seconds; the design allows 3 s after the first registration
COMMAND_WITHIN = 30    # seconds for a command that is given no limit of its own
PORT = 7000            # where nodes listen in the lab; any port above 1023 does

_libc = ctypes.CDLL(None)


def _end_with_parent():
    """In the child: if the scenario is killed outright, its nodes go too (prctl PR_SET_PDEATHSIG)."""
    _libc.prctl(1, signal.SIGKILL)


class Loopback:
    """A place without namespaces: every host is 127.0.0.1, and ports tell nodes apart."""

    def argv(self, _host, command):
        return [str(word) for word in command]

    def ip(self, _host):
        return "127.0.0.1"

    def port(self):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
            s.bind(("127.0.0.1", 0))
            return s.getsockname()[1]


class Node:
    """One byway process in one host, with a state directory of its own."""

    def __init__(self, nodes, host, role, seeds, options=()):
        """role: "supernode", or None for the default: what it can be, it finds out."""
        self.place, self.byway, self.host = nodes.place, nodes.byway, host
        self.role, self.seeds, self.options = role, list(seeds), list(options)
        nodes.started += 1
        self.state_dir = os.path.join(nodes.folder, "%s.%d" % (host, nodes.started))
        self.log, self.out = self.state_dir + ".log", self.state_dir + ".out"
        port = nodes.place.port() if isinstance(nodes.place, Loopback) else PORT
        address = nodes.place.ip(host) if role == "supernode" or isinstance(nodes.place, Loopback) else "0.0.0.0"
        self.listen = "%s:%d" % (address, port)
        self.port = port
        self.id = self.process = None

    # ---- life ------------------------------------------------------------------
    def start(self):
        """Starts the process and returns at once; ready() waits for it."""
        self.told_to_leave = False
        words = [self.byway, "run", "--state-dir", self.state_dir, "--listen", self.listen]
        words += ["--role", self.role] if self.role else []
        for seed in self.seeds:
            words += ["--seed", seed]
        with open(self.log, "ab") as log, open(self.out, "wb") as out:
            self.process = subprocess.Popen(self.place.argv(self.host, words + self.options), stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=log, preexec_fn=_end_with_parent)
        return self

    def ready(self, within=READY_WITHIN):
        """Waits for `ready id=… listen=…` and takes the id from it."""
        end = time.monotonic() + within
        while not (line := self._ready_line()):
            gone = self.process.poll()
            if gone is not None or time.monotonic() > end:
                raise Failed("the node at %s %s before it was ready; it said: %s" % (
                    self.host, "ended with %s" % gone if gone is not None else "took more than %d s" % within,
                    self.said() or "nothing"))
            time.sleep(0.01)
        facts = dict(word.split("=", 1) for word in line.split() if "=" in word)
        if "id" not in facts or "listen" not in facts:
            raise Failed("%s printed a ready line without id= and listen=: %s" % (self.host, line))
        self.id = facts["id"]
        return self

    def _ready_line(self):
        with open(self.out, errors="replace") as out:
            return next((line.strip() for line in out if line.startswith("ready ") and line.endswith("\n")), None)

    def said(self):
        """The last lines of its log, on one line."""
        with contextlib.suppress(OSError), open(self.log, errors="replace") as log:
            return " | ".join(log.read().strip().splitlines()[-3:])
        return ""

    def stop(self):
        """SIGTERM, and what it must do: leave by itself, with 0, within seconds. Returns its code."""
        if not self.process:
            return None
        if self.process.poll() is None:
            if not self.told_to_leave:  # a second signal would end it the hard way
                self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
        return self._reap()

    def kill(self):
        """As a power cut does: no goodbye."""
        if self.process:
            self.process.kill()
            self._reap()

    def _reap(self):
        if self.process.poll() is None:
            self.process.kill()
        code = self.process.wait(5)
        self.process = None
        return code

    @property
    def pid(self):
        return self.process.pid

    @property
    def seed(self):
        return "%s@%s:%d" % (self.id, self.place.ip(self.host), self.port)

    # ---- its commands ------------------------------------------------------------
    def argv(self, *words):
        return self.place.argv(self.host, [self.byway, words[0], "--state-dir", self.state_dir] + list(words[1:]))

    def command(self, *words, within=COMMAND_WITHIN, **kw):
        """Runs one command to its end: CompletedProcess with text."""
        try:
            return subprocess.run(self.argv(*words), capture_output=True, text=True, timeout=within, **kw)
        except subprocess.TimeoutExpired:
            raise Failed("`byway %s` at %s did not end within %d s" % (" ".join(words), self.host, within)) from None

    def json(self, *words, within=COMMAND_WITHIN):
        """Runs a command with --json: the objects it printed. Failed when it does not exit with 0."""
        done = self.command(*words, "--json", within=within)
        objects = parse_lines(done.stdout, "byway %s --json" % words[0])
        if done.returncode != 0:
            raise Failed("`byway %s` at %s ended with %d: %s" % (
                " ".join(words), self.host, done.returncode, done.stderr.strip() or "no word"))
        if not objects and words[0] != "inbox":
            raise Failed("`byway %s --json` at %s printed nothing" % (words[0], self.host))
        return objects

    def ping(self, peer, count=None, interval=None, until=None, timeout=None):
        """(echoes, summary): the line per echo, and the last line."""
        words = ["ping", peer.id]
        words += ["-c", str(count)] if count else []
        words += ["-i", str(interval)] if interval else []
        words += ["--until", until] if until else []
        words += ["--timeout", str(timeout)] if timeout else []
        lines = self.json(*words, within=(timeout or 0) + (count or 0) * (interval or 1) + 20)
        need(lines[-1], "ping", "sent", "received", "first_byte_ms", "direct_ms", "path", "method")
        return lines[:-1], lines[-1]

    def say(self, peer, text):
        return self.json("say", peer.id, text)[-1]

    def inbox(self):
        return self.json("inbox")

    def heard(self, peer, text, within=5):
        """Does the text, said by peer, come up in the inbox?"""
        end = time.monotonic() + within
        while True:
            if any(m.get("from") == peer.id and m.get("text") == text for m in self.inbox()):
                return True
            if time.monotonic() > end:
                return False
            time.sleep(0.1)

    def status(self):
        return self.json("status")[-1]

    def path_to(self, peer):
        """What `status` says about that peer: its entry, or {} when there is no link."""
        return next((p for p in self.status().get("peers", []) if p.get("id") == peer.id), {})

    def knows(self, name, peer):
        """Takes the peer up as a contact: what contacts say is delivered, strangers wait."""
        done = self.command("contact", "add", name, peer.id)
        if done.returncode != 0:
            raise Failed("`byway contact add` at %s: %s" % (self.host, done.stderr.strip()))

    def popen(self, *words, **kw):
        """A command that goes on (listen, pipe, inbox --follow)."""
        return subprocess.Popen(self.argv(*words), preexec_fn=_end_with_parent, **kw)

    def rss_kb(self):
        with open("/proc/%d/status" % self.pid) as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))


class Nodes:
    """The nodes of one scenario; leaving the `with` stops them all."""

    def __init__(self, place, byway, folder):
        self.place, self.byway, self.folder = place, byway, folder
        self.started, self.all = 0, []

    def supernode(self, host, seeds=(), options=()):
        """Started and ready: it is there as soon as it listens."""
        return self._start(host, "supernode", seeds, options).ready()

    def leaf(self, host, seeds, options=()):
        """Started, as everybody starts it, so a leaf at first; call ready() on it, after starting others beside it."""
        return self._start(host, None, seeds, options)

    def leaves(self, *hosts, seeds):
        """Starts one leaf in each host, all at once, and waits for all of them."""
        return [leaf.ready() for leaf in [self.leaf(host, seeds) for host in hosts]]

    def _start(self, host, role, seeds, options):
        node = Node(self, host, role, [s.seed if isinstance(s, Node) else s for s in seeds], options)
        self.all.append(node)
        return node.start()

    def stop(self, *nodes):
        """Stops these at the same time."""
        for node in nodes:
            if node.process and node.process.poll() is None and not node.told_to_leave:
                node.process.terminate()
                node.told_to_leave = True
        return [node.stop() for node in nodes]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop(*self.all)


def introduce(ana, bo):
    """Each becomes a contact of the other."""
    ana.knows("bo", bo)
    bo.knows("ana", ana)


def parse_lines(text, what):
    """One JSON object a line and nothing else: that is what --json promises."""
    objects = []
    for line in text.splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise Failed("`%s` printed a line that is no JSON object: %s" % (what, line[:100]))
        objects.append(found)
    return objects


def need(found, what, *keys):
    """The keys a command promises are all there."""
    missing = [key for key in keys if key not in found]
    if missing:
        raise Failed("`byway %s --json` lacks %s" % (what, ", ".join(missing)))
    return found
