"""Two or three hosts on one machine: network namespaces joined by veth, programs pinned to cores.

  client (10.77.1.1) ---veth 1500--- hub (10.77.1.2)
     '--------------veth 1500--------------- far (10.77.2.2)     where a third is asked for

Everything is named after this process and taken away at the end.
"""
import json
import os
import shutil
import signal
import struct
import subprocess
import tempfile
import time


class Unable(Exception):
    """This machine cannot show it; the reason."""


class Machine:
    def __init__(self, build, byway=None):
        """`byway`: the program to measure, where it is not the build's own."""
        self.build, self.byway = build, byway
        self.prefix = f"byb{os.getpid()}"
        self.spaces = []
        self.children = []
        self.counter = None  # of what arrives, where a socket is not what counts
        self.dir = tempfile.mkdtemp(prefix="byway-bench-")

    def another(self):
        return type(self)(self.build, self.byway)

    def __enter__(self):
        if os.geteuid() != 0 or not shutil.which("ip"):
            raise Unable("needs root and the ip command")
        return self

    def __exit__(self, *_):
        for child in self.children:
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
        for child in self.children:
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        for space in self.spaces:
            subprocess.run(["ip", "netns", "del", space], check=False)
        shutil.rmtree(self.dir, ignore_errors=True)

    # --- hosts ---

    def host(self, name):
        space = f"{self.prefix}-{name}"
        if space not in self.spaces:
            sh("ip", "netns", "add", space)
            self.spaces.append(space)
            sh("ip", "-n", space, "link", "set", "lo", "up")
            self.unpaced_tcp(space)
        return space

    def unpaced_tcp(self, space):
        """TCP as most systems have it: some (this kernel, perhaps) pace it by default, for which loopback is slow."""
        setting = ["ip", "netns", "exec", space, "sysctl", "-n", "net.ipv4.tcp_congestion_control"]
        if subprocess.run(setting, check=True, capture_output=True, text=True).stdout.strip() == "bbr":
            sh("ip", "netns", "exec", space, "sysctl", "-qw", "net.ipv4.tcp_congestion_control=reno")

    @staticmethod
    def has_bbr():
        with open("/proc/sys/net/ipv4/tcp_available_congestion_control") as file:
            return "bbr" in file.read().split()

    def wire(self, a, a_address, b, b_address):
        """Joins two hosts. Returns the two interfaces' names."""
        number = len(os.listdir(self.dir))
        ends = [f"{self.prefix[-6:]}w{number}{side}" for side in "ab"]
        open(os.path.join(self.dir, f"wire{number}"), "w").close()
        spaces = [self.host(a), self.host(b)]
        sh("ip", "link", "add", ends[0], "netns", spaces[0], "mtu", "1500", "type", "veth",
           "peer", "name", ends[1], "netns", spaces[1], "mtu", "1500")
        for space, end, address in zip(spaces, ends, (a_address, b_address)):
            if address:
                sh("ip", "-n", space, "addr", "add", f"{address}/24", "dev", end)
            sh("ip", "-n", space, "link", "set", end, "up")
        return ends

    def long_wire(self, a, a_address, b, b_address, delay_ms, loss, mbit):
        """A wire that takes its time, loses, and carries so much each way: the lab's delay box, with tbf before it."""
        if not shutil.which("ethtool"):
            raise Unable("needs ethtool")
        near, near_box = self.wire(a, a_address, "box", None)
        far, far_box = self.wire(b, b_address, "box", None)
        for host, end in ((a, near), (b, far)):
            for offload in ("tx", "gso", "tso", "gro", "tx-udp-segmentation"):  # the box takes single frames only
                sh("ip", "netns", "exec", self.host(host), "ethtool", "-K", end, offload, "off")
            sh("ip", "netns", "exec", self.host(host), "tc", "qdisc", "replace", "dev", end, "root", "tbf", "rate",
               f"{mbit}mbit", "burst", str(max(mbit * 500, 3100)), "latency", "50ms")
        conf = os.path.join(self.folder("box"), "conf")
        with open(conf, "w") as file:
            file.write(f"{delay_ms * 1000} 0 0 {loss * 1e6:.0f}\n")
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lab/natlab/delaybox.c")
        program = os.path.join(self.folder("box"), "delaybox")
        sh("cc", "-O2", "-o", program, source)
        box = self.start("box", None, program, near_box, far_box, conf)
        if box.stdout.readline().strip() != "ready":
            raise Unable("the delay box did not start")
        return near, far

    def folder(self, name):
        path = os.path.join(self.dir, name)
        os.makedirs(path, exist_ok=True)
        return path

    # --- programs ---

    def program(self, name):
        if name == "byway" and self.byway:
            return self.byway
        for folder in ("node", "tests/bench", "tools"):
            path = os.path.join(self.build, folder, name)
            if os.path.exists(path):
                return path
        raise Unable(f"{name} is not in {self.build}; build it first")

    def start(self, host, core, *command, quiet=False, **how):
        """`quiet`: what it prints is of no interest."""
        if quiet:
            how |= {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        child = subprocess.Popen(self.words(host, core, command), **{"stdout": subprocess.PIPE, "text": True} | how)
        self.children.append(child)
        return child

    def run(self, host, core, *command, timeout=300):
        done = subprocess.run(self.words(host, core, command), stdout=subprocess.PIPE, text=True, timeout=timeout)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: exit code {done.returncode}")
        return done.stdout

    def words(self, host, core, command):
        words = ["ip", "netns", "exec", self.host(host)]
        if core is not None and os.cpu_count() > 1:
            words += ["taskset", "-c", str(core)]
        return words + [str(word) for word in command]

    def stop(self, child):
        child.send_signal(signal.SIGTERM)
        child.wait(10)

    def node(self, host, core, name, listen, *options):
        """A byway that is ready. Returns the process, its id and its state directory."""
        state = os.path.join(self.dir, name)
        child = self.start(host, core, self.program("byway"), "run", "--state-dir", state, "--listen", listen,
                           *options, stderr=subprocess.DEVNULL)
        for line in child.stdout:
            if line.startswith("ready"):
                return child, line.split("id=")[1].split()[0], state
        raise RuntimeError(f"{name} did not become ready")

    def ask(self, host, state, *words, core=None, timeout=300):
        """The JSON objects that a command prints."""
        out = self.run(host, core, self.program("byway"), *words, "--json", "--state-dir", state, timeout=timeout)
        return [json.loads(line) for line in out.splitlines() if line.strip()]


class Counter:
    """Counts datagrams of a kilobyte and more as they come off the wire, and lets one of so many through.

    Without it whoever forwards has also the receiver's work on its core: over a veth the kernel of the one who sends
    carries a datagram all the way into the socket of the one who receives. So what comes off the wire is handed to
    `core` (receive packet steering), is counted there (nftables), and only the few that keep the sender going reach
    its socket."""

    worth = 64

    def __init__(self, machine, host, device, core):
        self.machine, self.host = machine, host
        self.device = device
        steer(machine, host, device, 1 << core)
        machine.run(host, None, "nft", f"add table netdev bench; add chain netdev bench wire {{ type filter hook ingress "
                    f"device {device} priority 0; }}; add rule netdev bench wire meta length 1000-1400 "
                    f"numgen inc mod {self.worth} != 0 counter drop")

    def count(self):
        """Without those let through."""
        listed = json.loads(self.machine.run(self.host, None, "nft", "-j", "list", "table", "netdev", "bench"))
        rules = [one["rule"]["expr"] for one in listed["nftables"] if "rule" in one]
        return next(part["counter"]["packets"] for part in rules[0] if "counter" in part)

    def remove(self):
        self.machine.run(self.host, None, "nft", "delete table netdev bench")
        steer(self.machine, self.host, self.device, 0)
        self.machine.counter = None


def steer(machine, host, devices, cores):
    """What arrives at the host's devices (a pattern) goes to these cores, a bit each (receive packet steering); 0: it
    stays on the core of whoever sent it."""
    if os.cpu_count() > 1:
        machine.run(host, None, "sh", "-c",
                    f"for queue in /sys/class/net/{devices}/queues/rx-0; do echo {cores:x} > $queue/rps_cpus; done")


class OwnCores:
    """While it lasts each host takes what arrives on the core of its own programs, as where a card of its own wakes it.
    Over a veth it is otherwise the sender's core that answers a ping(8), and nobody has to be woken."""

    def __init__(self, machine, cores):
        self.machine, self.cores = machine, cores

    def __enter__(self):
        for host, core in self.cores.items():
            steer(self.machine, host, "*w*", 1 << core)

    def __exit__(self, *_):
        for host in self.cores:
            steer(self.machine, host, "*w*", 0)


class Awake:
    """Keeps the processors from sleeping, as cyclictest does: waking one of a virtual machine takes longer than most of
    what is measured here."""

    path = "/dev/cpu_dma_latency"  # the kernel's PM QoS interface: so many microseconds at most, while it is open

    @classmethod
    def possible(cls):
        return os.access(cls.path, os.W_OK)

    def __enter__(self):
        self.file = open(self.path, "wb", buffering=0)
        self.file.write(struct.pack("i", 0))

    def __exit__(self, *_):
        self.file.close()


def sh(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_bytes(pid):
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    return 0
