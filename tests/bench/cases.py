"""What is measured, and beside what. Each case yields rows:
name, value, unit, and, where there is one, reference_name, reference and ratio."""
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import time

import overlays
from machine import Awake, Counter, OwnCores, Unable, cpu_seconds, rss_bytes

RELAY_CORE, CLIENT_CORE = 0, 1
BOTH_CORES = "0,1"


def row(name, value, unit, reference_name=None, reference=None, note=None):
    ratio = value / reference if reference else None
    return {"name": name, "value": value, "unit": unit, "reference_name": reference_name,
            "reference": reference, "ratio": ratio, "note": note}


def median(values):
    return statistics.median(values) if values else 0.0


# --- relay ----------------------------------------------------------------------------------------

SIZE = 1200


WINDOW = 1024  # datagrams on the way: fewer than any buffer on it holds


def first_port_after(sockets):
    """The senders have the ports before it, so this is where what they send comes out."""
    return f"10.77.1.1:{20000 + sockets}"


def through(machine, pid, to, seconds, burst, sockets, frames=(), rate=0, size=SIZE, window=WINDOW):
    """Sends through whatever forwards at `to`, and counts what comes out of it."""
    counter = machine.counter
    before, counted = cpu_seconds(pid), counter.count() if counter else 0
    got = json.loads(machine.run("client", CLIENT_CORE, machine.program("bench_packets"), "through", to,
                                 first_port_after(sockets), seconds, size, burst, sockets, window, rate,
                                 counter.worth if counter else 1, *frames))
    used = cpu_seconds(pid) - before
    if counter:  # each and every one, not those that were let through times what they are worth
        got["received"] = got["received"] // counter.worth + counter.count() - counted
    return {"per_second": got["per_second"], "loss": 1 - got["received"] / max(1, got["sent"]),
            "cpu_us": 1e6 * used / max(1, got["received"]), "client_us": 1e6 * got["cpu_s"] / max(1, got["received"]),
            "busy": used / got["seconds"], "client_busy": got["cpu_s"] / got["seconds"]}


class Byway:
    name = "Byway"

    def __init__(self, machine, port=7000, core=RELAY_CORE, threads=1):
        self.machine, self.at = machine, f"10.77.1.2:{port}"
        self.node, self.identity, _ = machine.node("hub", core, f"relay{port}", self.at, "--role", "supernode",
                                                   "--threads", str(threads))

    def measure(self, seconds, burst, sockets, window=WINDOW):
        lanes = self.machine.run("client", CLIENT_CORE, self.machine.program("bench_lanes"),
                                 f"{self.identity}@{self.at}", sockets, 20000).split()
        return through(self.machine, self.node.pid, self.at, seconds, burst, sockets, lanes, window=window)


class Bare:
    name = "bare forwarder"

    def __init__(self, machine, core=RELAY_CORE, threads=1):
        self.machine, self.core, self.threads = machine, core, threads

    def measure(self, seconds, burst, sockets, window=WINDOW, trains=True):
        how = "trains" if trains and burst > 1 else "singles"
        child = self.machine.start("hub", self.core, self.machine.program("bench_packets"), "forward",
                                   "10.77.1.2:7001", first_port_after(sockets), how, self.threads)
        time.sleep(0.2)
        try:
            return through(self.machine, child.pid, "10.77.1.2:7001", seconds, burst, sockets, window=window)
        finally:
            child.kill()
            child.wait()


class Coturn:
    name = "coturn"

    def __init__(self, machine):
        self.machine = machine

    def measure(self, seconds, burst, sockets):
        folder = self.machine.folder("coturn")
        server = self.machine.start(
            "hub", RELAY_CORE, "turnserver", "-n", "--no-auth", "--no-tcp", "--no-tls", "--no-dtls", "--no-cli",
            "--listening-ip", "10.77.1.2", "--relay-ip", "10.77.1.2", "--log-file", "stdout", "--pidfile",
            os.path.join(folder, "pid"), "--userdb", os.path.join(folder, "db"), quiet=True)
        try:
            time.sleep(1.5)
            self.machine.run("client", CLIENT_CORE, self.machine.program("bench_packets"), "turn", "10.77.1.2:3478",
                             first_port_after(sockets), sockets)
            # What it passes on is four bytes shorter, as ours would be by nine: both take 1,200 in.
            return through(self.machine, server.pid, "10.77.1.2:3478", seconds, burst, sockets, ["turn"])
        finally:
            self.machine.stop(server)


def relay(machine, options):
    client_end, hub_end = machine.wire("client", "10.77.1.1", "hub", "10.77.1.2")
    relays = [Byway(machine), Bare(machine)]
    if shutil.which("turnserver"):
        relays.append(Coturn(machine))
    for name, burst, sockets, hardware, off_the_wire in (
            ("one lane, bursts of 16", 16, 1, True, False),
            ("one lane, bursts of 16, software segmentation", 16, 1, False, False),
            ("the same, counted off the wire", 16, 1, False, True),
            ("100 senders, bursts of 4", 4, 100, True, False),
            ("100 senders, packet by packet", 1, 100, True, False)):
        if not hardware and not shutil.which("ethtool") or off_the_wire and not shutil.which("nft"):
            continue
        machine.counter = Counter(machine, "client", client_end, CLIENT_CORE) if off_the_wire else None
        if shutil.which("ethtool"):
            machine.run("hub", None, "ethtool", "-K", hub_end, "tx-udp-segmentation", "on" if hardware else "off")
        # In turn, so that what the machine does meanwhile meets all of them.
        turns = [[one.measure(options.seconds, burst, sockets) for one in relays] for _ in range(options.repeat)]
        runs = {one.name: [turn[i] for turn in turns] for i, one in enumerate(relays)}
        of = lambda who, key: median([run[key] for run in runs[who]])  # noqa: E731
        for other in relays[1:]:
            yield row(f"relay: {name}", of("Byway", "per_second"), "datagrams/s", other.name,
                      of(other.name, "per_second"), f"{100 * of('Byway', 'loss'):.2f} % lost")
        for other in relays[1:]:
            yield row(f"relay: {name}, processor", of("Byway", "cpu_us"), "us/datagram", other.name,
                      of(other.name, "cpu_us"))
        if machine.counter:
            machine.counter.remove()


def segmentation(machine, options):
    """Where the limit of trains lies that software has to cut: more on the way than `relay` has, and no trains."""
    if not shutil.which("ethtool"):
        raise Unable("needs ethtool")
    client_end, hub_end = machine.wire("client", "10.77.1.1", "hub", "10.77.1.2")
    machine.run("hub", None, "ethtool", "-K", hub_end, "tx-udp-segmentation", "off")
    byway, bare = Byway(machine), Bare(machine)
    for window, burst, off_the_wire in ((WINDOW, 16, False), (4 * WINDOW, 16, False), (4 * WINDOW, 16, True),
                                        (4 * WINDOW, 48, True)):
        if off_the_wire and not machine.counter:
            machine.counter = Counter(machine, "client", client_end, CLIENT_CORE)
        name = f"segmentation: bursts of {burst}, {window} on the way" + (", off the wire" if off_the_wire else "")
        turns = [[one.measure(options.seconds, burst, 1, window) for one in (byway, bare)] for _ in range(options.repeat)]
        ours, plain = ({key: median([turn[i][key] for turn in turns]) for key in turns[0][0]} for i in (0, 1))
        yield row(name, ours["per_second"], "datagrams/s", "bare forwarder",
                  plain["per_second"], f"busy {100 * ours['busy']:.0f} and {100 * plain['busy']:.0f} %, the client "
                  f"{100 * ours['client_busy']:.0f} and {100 * plain['client_busy']:.0f} %")
        yield row(name + ", processor", ours["cpu_us"], "us/datagram", "bare forwarder",
                  plain["cpu_us"])
    if machine.counter:
        machine.counter.remove()
    single = [bare.measure(options.seconds, 16, 1, WINDOW, False) for _ in range(options.repeat)]
    yield row("segmentation: bare forwarder, no trains", median([run["per_second"] for run in single]), "datagrams/s",
              note=f"{median([run['cpu_us'] for run in single]):.2f} us each")


def threads(machine, options):
    """A second thread. On two cores it takes turns with whoever sends, so what each datagram costs says more."""
    machine.wire("client", "10.77.1.1", "hub", "10.77.1.2")
    relays = {"two threads": Byway(machine, 7000, BOTH_CORES, 2), "one thread": Byway(machine, 7002, BOTH_CORES, 1),
              "bare forwarder, two threads": Bare(machine, BOTH_CORES, 2),
              "bare forwarder, one thread": Bare(machine, BOTH_CORES, 1)}
    for name, burst in (("100 senders, bursts of 4", 4), ("100 senders, packet by packet", 1)):
        runs = {who: [one.measure(options.seconds, burst, 100) for _ in range(options.repeat)]
                for who, one in relays.items()}
        of = lambda who, key: median([run[key] for run in runs[who]])  # noqa: E731
        for who in relays:
            yield row(f"threads: {name}, {who}", of(who, "per_second"), "datagrams/s",
                      note=f"{of(who, 'cpu_us'):.2f} us of its processor for each, {of(who, 'client_us'):.2f} of the "
                           f"sender's; {100 * of(who, 'loss'):.2f} % lost")


# --- supernode ------------------------------------------------------------------------------------


def supernode(machine, options):
    machine.wire("client", "10.77.1.1", "hub", "10.77.1.2")
    node, identity, _ = machine.node("hub", RELAY_CORE, "hub", "10.77.1.2:7000", "--role", "supernode")
    base = rss_bytes(node.pid)
    yield row("supernode: memory at the start", base / 1e6, "MB")
    load = machine.start("client", CLIENT_CORE, machine.program("bench_load"), "--supernode",
                         f"{identity}@10.77.1.2:7000", "--leaves", options.leaves, "--seconds", options.seconds,
                         "--json", "--hold", 3)
    bare = {"register": bare_rate(machine)}
    what = {"register": "registrations", "keepalives": "keepalives", "lookups": "introductions answered"}
    before = cpu_seconds(node.pid)
    for line in load.stdout:
        phase = json.loads(line)
        if "phase" not in phase:
            break
        cpu, before = cpu_seconds(node.pid) - before, cpu_seconds(node.pid)
        name = what[phase["phase"]]
        yield row(f"supernode: {name}", phase["per_second"], "/s", note=f"{phase['lost']} lost")
        yield row(f"supernode: {name} a second of its processor", phase["count"] / max(cpu, 0.01), "/s",
                  "bare cryptography", bare.get(phase["phase"]))
    rss = rss_bytes(node.pid)
    load.wait(60)
    yield row(f"supernode: memory with {phase['registered']} leaves", rss / 1e6, "MB",
              note=f"{(rss - base) / max(1, phase['registered']):.0f} bytes a leaf")


def mixed(machine, options):
    """A supernode that relays 100,000 datagrams a second while everybody comes to register."""
    machine.wire("client", "10.77.1.1", "hub", "10.77.1.2")
    byway = Byway(machine)
    lanes = machine.run("client", CLIENT_CORE, machine.program("bench_lanes"), f"{byway.identity}@10.77.1.2:7000", 1,
                        20000).split()
    load = machine.start("client", CLIENT_CORE, machine.program("bench_load"), "--supernode",
                         f"{byway.identity}@10.77.1.2:7000", "--leaves", options.leaves, "--seconds", 0, "--json")
    relayed = []
    while load.poll() is None:
        relayed.append(through(machine, byway.node.pid, "10.77.1.2:7000", 5, 16, 1, lanes, rate=100000))
    result = [json.loads(line) for line in load.stdout][-1]
    yield row("mixed: registered while 100,000/s are relayed", result["registered"], "leaves",
              note=f"{result['unanswered']} unanswered, {result['registrations_s']:.0f} a second")
    yield row("mixed: keepalives lost", result["keepalives_lost"], f"of {result['keepalives']}")
    yield row("mixed: relayed meanwhile", median([run["per_second"] for run in relayed]), "datagrams/s",
              note=f"{100 * max(run['loss'] for run in relayed):.3f} % lost at worst")


def bare_rate(machine):
    """Registrations a second that the cryptography alone would allow, from the microbenchmark."""
    try:
        program = machine.program("bench_micro")
    except Unable:
        return None
    out = machine.run("hub", RELAY_CORE, program, "--benchmark_filter=BM_RegistrationCryptography",
                      "--benchmark_format=json")
    return 1e9 / json.loads(out)["benchmarks"][0]["cpu_time"]


def micro(machine, options):
    del options
    out = machine.run("hub", RELAY_CORE, machine.program("bench_micro"), "--benchmark_format=json")
    for one in json.loads(out)["benchmarks"]:
        note = f"{one['allocations']:.2f} allocations" if "allocations" in one else None
        yield row("micro: " + one["name"].removeprefix("BM_"), one["cpu_time"], "ns", note=note)


# --- streams --------------------------------------------------------------------------------------


def pair(machine, wire=None):
    """Two leaves and their home, all on one wire's two ends; the leaves talk directly."""
    (wire or machine.wire)("client", "10.77.1.1", "far", "10.77.1.2")
    _, hub_id, _ = machine.node("far", None, "hub", "10.77.1.2:7000", "--role", "supernode")
    seed = f"{hub_id}@10.77.1.2:7000"
    _, far_id, far_state = machine.node("far", 0, "far", "10.77.1.2:7001", "--seed", seed)
    _, client_id, state = machine.node("client", 1, "client", "10.77.1.1:7002", "--seed", seed)
    machine.ask("far", far_state, "contact", "add", "client", client_id)
    reach(machine, state, far_id, "direct")
    return state, far_id, far_state


def relayed_pair(machine):
    """Two leaves with no network between them but their home."""
    machine.wire("client", "10.77.1.1", "hub", "10.77.1.2")
    machine.wire("hub", "10.77.2.1", "far", "10.77.2.2")
    hub, hub_id, _ = machine.node("hub", 0, "hub", "10.77.1.2:7000", "--listen", "10.77.2.1:7000", "--role",
                                  "supernode")
    _, far_id, _ = machine.node("far", 0, "far", "10.77.2.2:7001", "--seed", f"{hub_id}@10.77.2.1:7000")
    _, _, state = machine.node("client", 1, "client", "10.77.1.1:7002", "--seed", f"{hub_id}@10.77.1.2:7000")
    reach(machine, state, far_id, "relay")
    return state, far_id, hub


def reach(machine, state, peer, kind):
    found = machine.ask("client", state, "ping", peer, "-c", "1", "--until", kind, "--timeout", "20")
    if not str(found[-1].get("path", "")).startswith(kind):
        raise RuntimeError(f"no such path: {found[-1]}")


def fill(machine, options, state, peer, streams=1):
    """`byway bench`, so many streams together. Gbit/s, and seconds of processor for a GB at each end."""
    seconds = str(max(1, int(options.seconds)))
    words = machine.words("client", None, [machine.program("byway"), "bench", peer, "--seconds", seconds, "--json",
                                           "--state-dir", state])
    commands = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(streams)]
    runs = [json.loads(command.communicate(timeout=120)[0]) for command in commands]
    gb = sum(run["bytes"] for run in runs) / 1e9
    # Each stream's processor time is the whole program's while it ran.
    return {"gbit_s": 8 * gb / median([run["seconds"] for run in runs]),
            "sender": median([run["cpu_s_local"] for run in runs]) / gb,
            "receiver": median([run["cpu_s_remote"] for run in runs]) / gb}


def together(machine, options, state, peer, streams):
    """Gbit/s of so many streams of one command."""
    return machine.ask("client", state, "bench", peer, "--seconds", str(max(1, int(options.seconds))), "--streams",
                       str(streams))[-1]["gbit_s"]


def stream(machine, options):
    state, far_id, _ = pair(machine)
    # In turn, so that what the machine does meanwhile meets all of them.
    runs, together_of, commands_of, bares, tcp = [], [], [], [], []
    for _ in range(options.repeat):
        runs.append(fill(machine, options, state, far_id))
        together_of.append(together(machine, options, state, far_id, 100))
        bares.append(bare_quic(machine, options))
        commands_of.append(fill(machine, options, state, far_id, 100)["gbit_s"])
        tcp.append(iperf3(machine, options))
    of = lambda key: median([run[key] for run in runs])  # noqa: E731
    bare = lambda key: median([run[key] for run in bares])  # noqa: E731
    yield row("stream: one, direct", of("gbit_s"), "Gbit/s", "bare ngtcp2", bare("gbit_s"))
    yield row("stream: one, direct", of("gbit_s"), "Gbit/s", "iperf3 TCP", None if None in tcp else median(tcp))
    yield row("stream: processor of the sender", of("sender"), "s/GB", "bare ngtcp2", bare("sender"))
    yield row("stream: processor of the receiver", of("receiver"), "s/GB", "bare ngtcp2", bare("receiver"))
    yield row("stream: 100 together", median(together_of), "Gbit/s", "one", of("gbit_s"))
    yield row("stream: 100 together, of 100 commands", median(commands_of), "Gbit/s", "one", of("gbit_s"))


def relayed(machine, options):
    """A stream over a relay. Three programs share two cores here, so the processor time tells more than the rate."""
    with machine.another() as other:
        state, far_id, _ = pair(other)
        direct = median([fill(other, options, state, far_id)["gbit_s"] for _ in range(options.repeat)])
    state, far_id, hub = relayed_pair(machine)
    runs, relay_cpu = [], []
    for _ in range(options.repeat):
        before = cpu_seconds(hub.pid)
        runs.append(fill(machine, options, state, far_id))
        gb = runs[-1]["gbit_s"] * max(1, int(options.seconds)) / 8
        relay_cpu.append((cpu_seconds(hub.pid) - before) / gb)
    yield row("relayed: one stream", median([run["gbit_s"] for run in runs]), "Gbit/s", "direct", direct)
    yield row("relayed: processor of the relay", median(relay_cpu), "s/GB")


def local(machine, options):
    """The way between a command and its node: `pipe` and `forward` beside `bench`. What fills them and what empties
    them copy nothing, and then do what `head` and `wc`, or iperf3, would."""
    state, far_id, far_state = pair(machine)
    client_id = machine.run("client", None, machine.program("byway"), "id", "--state-dir", state).strip()
    packets = machine.program("bench_packets")
    ways = {"pipe": (lambda size: [packets, "source", size], [packets, "sink"]),
            "pipe, between head and wc": (lambda size: ["head", "-c", size, "/dev/zero"], ["wc", "-c"])}
    rates, runs = [], {name: [] for name in ways}
    for _ in range(options.repeat):
        rates.append(machine.ask("client", state, "bench", far_id, "--seconds", str(int(options.seconds)))[-1]["gbit_s"])
        size = int(max(median(rates), 0.1) * options.seconds * 1e9 / 8)
        for name, (source, sink) in ways.items():
            runs[name].append(piped(machine, state, far_id, far_state, client_id, source(str(size)), sink, size))
        with forwarded(machine, state, far_id, far_state, client_id) as port:
            runs.setdefault("forward", []).append(drained(machine, port, size))
            if machine.has_bbr():
                runs.setdefault("forward, from an end whose TCP is paced (BBR)", []).append(
                    drained(machine, port, size, "bbr"))
            if shutil.which("iperf3"):
                runs.setdefault("forward, between the ends of iperf3", []).append(
                    iperf3(machine, options, "127.0.0.1", port, FORWARDED))
    for name in runs:
        yield row(f"local: {name}", median(runs[name]), "Gbit/s", "bench", median(rates))


def piped(machine, state, far_id, far_state, client_id, source, sink, size):
    """Gbit/s from `source` through `byway pipe` and `byway listen` into `sink`, from the first byte to the last."""
    byway = machine.program("byway")
    listening = machine.start("far", 0, byway, "listen", "in", "--allow", client_id, "--state-dir", far_state,
                              stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    counter = subprocess.Popen(sink, stdin=listening.stdout, stdout=subprocess.PIPE, text=True)
    listening.stdout.close()
    time.sleep(0.5)
    begun = time.monotonic()
    filler = subprocess.Popen(source, stdout=subprocess.PIPE)
    pipe = subprocess.Popen(machine.words("client", 1, [byway, "pipe", far_id, "in", "--state-dir", state]),
                            stdin=filler.stdout, stdout=subprocess.DEVNULL)
    filler.stdout.close()
    found = json.loads(counter.communicate(timeout=120)[0])
    seconds = time.monotonic() - begun
    got = found if isinstance(found, int) else found["bytes"]
    for child in (filler, pipe, listening):
        if child.wait(20) != 0:
            raise RuntimeError("a pipe's end failed")
    if got != size:
        raise RuntimeError(f"{got} bytes of {size} came through the pipe")
    return 8e-9 * got / seconds


FORWARDED = 5300  # the port at the far host that a forwarded connection is taken to


@contextlib.contextmanager
def forwarded(machine, state, far_id, far_state, client_id):
    """A port of the client's that leads to one of the far host's, while it lasts."""
    byway = machine.program("byway")
    listening = machine.start("far", 0, byway, "listen", "tcp", "--to", FORWARDED, "--allow", client_id, "--json",
                              "--state-dir", far_state)
    listening.stdout.readline()
    forward = machine.start("client", 1, byway, "forward", 0, f"{far_id}:tcp", "--json", "--state-dir", state)
    try:
        yield int(json.loads(forward.stdout.readline())["forwarding"].rsplit(":", 1)[1])
    finally:
        machine.stop(forward)
        machine.stop(listening)


def drained(machine, port, size, *congestion):
    """Gbit/s through a forwarded connection, from the first byte to the last."""
    packets = machine.program("bench_packets")
    drain = machine.start("far", 0, packets, "drain", f"127.0.0.1:{FORWARDED}")
    time.sleep(0.3)
    machine.run("client", 1, packets, "send", f"127.0.0.1:{port}", size, *congestion)
    got = json.loads(drain.communicate(timeout=60)[0])
    if got["bytes"] != size:
        raise RuntimeError(f"{got['bytes']} bytes of {size} came through the forwarded connection")
    return 8e-9 * size / got["seconds"]


def bare_quic(machine, options):
    program = machine.program("bench_quic")
    server = machine.start("far", 0, program, "serve", "10.77.1.2:7100", options.seconds + 1, 1400)
    time.sleep(0.3)
    sent = json.loads(machine.run("client", 1, program, "send", "10.77.1.2:7100", options.seconds, 1400))
    got = json.loads(server.communicate(timeout=30)[0])
    gb = max(1e-9, got["bytes"] / 1e9)
    return {"gbit_s": got["gbit_s"], "sender": sent["cpu_s"] / gb, "receiver": got["cpu_s"] / gb}


def iperf3(machine, options, to="10.77.1.2", port=5201, server_port=None):
    if not shutil.which("iperf3"):
        return None
    server = machine.start("far", 0, "iperf3", "-s", "-1", "-B", to, "-p", server_port or port)
    time.sleep(0.3)
    out = json.loads(machine.run("client", 1, "iperf3", "-c", to, "-p", port, "-J", "-t", int(options.seconds)))
    server.wait(10)
    return out["end"]["sum_received"]["bits_per_second"] / 1e9


def links(machine, options):
    """Links that are slow, long or lossy."""
    for name, mbit, delay_ms, loss in (("50 ms, 400 Mbit/s", 400, 25, 0),
                                       ("20 ms, 100 Mbit/s, 1 % lost", 100, 10, 0.01)):
        with machine.another() as other:
            state, far_id, _ = pair(other, lambda *ends: other.long_wire(*ends, delay_ms, loss, mbit))
            runs = [other.ask("client", state, "bench", far_id, "--seconds", str(max(8, int(options.seconds))))[-1]
                    for _ in range(options.repeat)]
            yield row(f"stream: {name}", 1000 * median([run["gbit_s"] for run in runs]), "Mbit/s", "the link", mbit)


def tunnels(machine, options):
    """A stream beside TCP through what others offer as tunnels, between the same two hosts."""
    state, far_id, _ = pair(machine)
    ours = median([fill(machine, options, state, far_id)["gbit_s"] for _ in range(options.repeat)])
    yield row("tunnels: a stream of Byway's", ours, "Gbit/s", "iperf3 with no tunnel", iperf3(machine, options))
    for name, start in overlays.ALL.items():
        address = start(machine)
        if address is None:
            continue
        theirs = median([iperf3(machine, options, address) for _ in range(options.repeat)])
        yield row("tunnels: a stream of Byway's", ours, "Gbit/s", name, theirs)


# --- latency --------------------------------------------------------------------------------------


def latency(machine, options):
    with machine.another() as other:
        state, far_id, _ = pair(other)
        yield from compared(other, options, "a direct path", state, far_id, [("far", "10.77.1.2:7200")],
                            {"client": 1, "far": 0})
    state, far_id, _ = relayed_pair(machine)
    yield from compared(machine, options, "the relay", state, far_id,
                        [("hub", "10.77.1.2:7200"), ("far", "10.77.2.2:7200")], {"client": 1, "hub": 0, "far": 0})


def compared(machine, options, name, state, far_id, hops, cores):
    """Beside it, over the same wires (over several, one after another), what is measured the same way: ping(8) also
    ends when the kernel has the answer, and UDP echoes by plain sockets when the program has it, as an app here.
    Over one wire also what the libraries take that carry our streams, with nothing of ours around them."""
    ways = ([("ping", "rtt_ms", "raw ping", raw_pinged)] if shutil.which("ping") else []) + \
        [("ping, until the app has it", "app_ms", "bare UDP echo", echoed)]
    conditions = {"": contextlib.nullcontext(),
                  ", each host receiving on its own core": OwnCores(machine, cores)} | \
        ({", processors kept awake": Awake()} if Awake.possible() else {})
    for how, condition in conditions.items():
        with condition:
            runs = [(pinged(machine, state, far_id),
                     [sum(way(machine, *hop) for hop in zip(("client", "hub"), hops)) for *_, way in ways],
                     quic_echoed(machine, "client", hops[0]) if len(hops) == 1 else {})
                    for _ in range(options.repeat)]
        for i, (what, key, reference, _) in enumerate(ways):
            for whose, took in ((what, [ours[key] for ours, *_ in runs]),
                                (f"a bare QUIC stream's echo{what.removeprefix('ping')}",
                                 [quic[key] for *_, quic in runs if quic])):
                if took:
                    theirs = [raw[i] for _, raw, _ in runs]
                    more = median([one - other for one, other in zip(took, theirs)])
                    yield row(f"latency: {whose}, over {name}{how}", 1000 * median(took), "us", reference,
                              1000 * median(theirs), note=f"{1000 * more:.0f} us more")


PINGS = 100


def pinged(machine, state, far_id):
    """Milliseconds: medians of many pings."""
    lines = machine.ask("client", state, "ping", far_id, "-c", str(PINGS), "-i", "0.02")
    return {key: median([line[key] for line in lines if line.get(key)]) for key in ("rtt_ms", "app_ms")}


def echoed(machine, before, hop):
    host, at = hop
    packets = machine.program("bench_packets")
    echo = machine.start(host, 0, packets, "echo", at)
    time.sleep(0.2)
    plain = json.loads(machine.run(before, 1, packets, "ping", at, PINGS, 20))["rtt_ms"]
    echo.kill()
    echo.wait()
    return plain


def quic_echoed(machine, before, hop):
    """Milliseconds: a few bytes over a stream of ngtcp2 and GnuTLS alone, by the kernel's clock, and until they are read."""
    host, at = hop
    try:
        program = machine.program("bench_quic")
    except Unable:
        return {}
    at = at.split(":")[0] + ":7300"
    echo = machine.start(host, 0, program, "echo", at, 60, 1400)
    time.sleep(0.2)
    found = json.loads(machine.run(before, 1, program, "ping", at, PINGS, 20))
    echo.kill()
    echo.wait()
    return found


def raw_pinged(machine, before, hop):
    out = machine.run(before, 1, "ping", "-c", str(PINGS), "-i", "0.02", hop[1].split(":")[0])
    return median([float(line.split("time=")[1].split()[0]) for line in out.splitlines() if "time=" in line])


# --- growth ---------------------------------------------------------------------------------------


def growth(machine, options):
    """Memory and processor time against how many leaves and lanes there are; tests/bench/plot draws it."""
    machine.wire("client", "10.77.1.1", "hub", "10.77.1.2")
    for leaves in sorted({1000, 10000, options.leaves}):
        found = often(lambda: grown(machine, leaves, 0, options.seconds), options)
        yield row(f"growth: memory, {leaves} leaves", found["bytes"] / 1e6, "MB",
                  note=f"{found['bytes'] / leaves:.0f} bytes a leaf")
        for phase in ("register", "keepalives", "lookups"):
            yield row(f"growth: {phase}, {leaves} leaves", found[phase], "us")
    for lanes in (10, 1000, 10000):
        found = often(lambda: grown(machine, 2 * lanes, lanes, options.seconds), options)
        yield row(f"growth: memory, {lanes} lanes", found["lane_bytes"] / 1e6, "MB",
                  note=f"{found['lane_bytes'] / lanes:.0f} bytes a lane")
        yield row(f"growth: lanes, {lanes} lanes", found["lanes"], "us")


def often(measure, options):
    """The median of each of the figures that several runs give."""
    runs = [measure() for _ in range(options.repeat)]
    return {key: median([run[key] for run in runs]) for key in runs[0]}


def grown(machine, leaves, lanes, seconds):
    """Microseconds of the supernode's processor for one of each, and its growth in bytes."""
    name = f"hub{len(machine.children)}"
    node, identity, _ = machine.node("hub", RELAY_CORE, name, "10.77.1.2:7000", "--role", "supernode")
    base, cpu, found = rss_bytes(node.pid), cpu_seconds(node.pid), {}
    load = machine.start("client", CLIENT_CORE, machine.program("bench_load"), "--supernode",
                         f"{identity}@10.77.1.2:7000", "--leaves", leaves, "--lanes", lanes, "--seconds", seconds,
                         "--json", "--hold", 2)
    for line in load.stdout:
        phase = json.loads(line)
        if "phase" not in phase:
            break
        before, cpu = cpu, cpu_seconds(node.pid)
        found[phase["phase"]] = 1e6 * (cpu - before) / max(1, phase["count"])
        if phase["phase"] == "lookups":
            found["bytes"] = rss_bytes(node.pid) - base
        if phase["phase"] == "open":
            found["lane_bytes"] = rss_bytes(node.pid) - base - found["bytes"]
    load.wait(60)
    machine.stop(node)
    return found


ALL = {"relay": relay, "threads": threads, "segmentation": segmentation, "supernode": supernode, "mixed": mixed,
       "growth": growth, "stream": stream, "relayed": relayed, "tunnels": tunnels, "links": links, "local": local,
       "latency": latency, "micro": micro}
