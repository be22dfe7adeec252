"""What is measured, and beside what. Each case yields rows:
name, value, unit, and, where there is one, reference_name, reference and ratio."""
import json
import os
import shutil
import statistics
import subprocess
import time

from machine import Unable, cpu_seconds, rss_bytes, wait_for

RELAY_CORE, CLIENT_CORE = 0, 1


def row(name, value, unit, reference_name=None, reference=None, note=None):
    ratio = value / reference if reference else None
    return {"name": name, "value": value, "unit": unit, "reference_name": reference_name,
            "reference": reference, "ratio": ratio, "note": note}


def median(values):
    return statistics.median(values) if values else 0.0


# --- relay ----------------------------------------------------------------------------------------

SIZE = 1200


def blast(machine, pid, to, seconds, burst, sockets, rate, lanes):
    """Sends through the forwarder and counts what comes out of it."""
    packets = machine.program("bench_packets")
    sink = machine.start("client", CLIENT_CORE, packets, "sink", f"10.77.1.1:{20000 + sockets}", seconds + 1, SIZE)
    time.sleep(0.2)
    before = cpu_seconds(pid)
    sent = json.loads(machine.run("client", CLIENT_CORE, packets, "send", to, seconds, SIZE, burst, sockets, rate,
                                  *lanes))
    got = json.loads(sink.communicate(timeout=seconds + 10)[0])
    cpu = cpu_seconds(pid) - before
    return {"per_second": got["received"] / sent["seconds"],
            "loss": 1 - got["received"] / max(1, sent["sent"]),
            "cpu_us": 1e6 * cpu / max(1, got["received"])}


def at_low_loss(measure, offered):
    """The most that is carried with less than 1 % lost: offered ever less until so little is."""
    best = None
    for _ in range(6):
        best = measure(offered)
        if best["loss"] < 0.01:
            return best
        offered = 0.9 * min(offered, best["per_second"])
    return best


def relay(machine, options):
    client_end, hub_end = machine.wire("client", "10.77.1.1", "hub", "10.77.1.2")
    node, identity, _ = machine.node("hub", RELAY_CORE, "relay", "10.77.1.2:7000", "--role", "supernode")
    packets = machine.program("bench_packets")

    def byway(seconds, burst, sockets, rate):
        lanes = machine.run("client", CLIENT_CORE, machine.program("bench_lanes"), f"{identity}@10.77.1.2:7000",
                            sockets, 20000).split()
        return blast(machine, node.pid, "10.77.1.2:7000", seconds, burst, sockets, rate, lanes)

    def bare(seconds, burst, sockets, rate):
        words = ["trains"] if burst > 1 else []
        child = machine.start("hub", RELAY_CORE, packets, "forward", "10.77.1.2:7001", f"10.77.1.1:{20000 + sockets}",
                              *words)
        time.sleep(0.2)
        try:
            return blast(machine, child.pid, "10.77.1.2:7001", seconds, burst, sockets, rate, [])
        finally:
            child.kill()
            child.wait()

    for name, burst, sockets, hardware in (("one lane, bursts of 16", 16, 1, True),
                                           ("one lane, bursts of 16, software segmentation", 16, 1, False),
                                           ("100 senders, bursts of 4", 4, 100, True),
                                           ("100 senders, packet by packet", 1, 100, True)):
        if not hardware and not shutil.which("ethtool"):
            continue
        if shutil.which("ethtool"):
            machine.run("hub", None, "ethtool", "-K", hub_end, "tx-udp-segmentation", "on" if hardware else "off")
        ours, theirs = [], []
        for _ in range(options.repeat):
            ours.append(byway(options.seconds, burst, sockets, 0))
            theirs.append(bare(options.seconds, burst, sockets, 0))
        of = lambda runs, key: median([run[key] for run in runs])  # noqa: E731
        yield row(f"relay: {name}, all it takes", of(ours, "per_second"), "datagrams/s", "bare forwarder",
                  of(theirs, "per_second"))
        yield row(f"relay: {name}, processor", of(ours, "cpu_us"), "us/datagram", "bare forwarder",
                  of(theirs, "cpu_us"))
        calm = at_low_loss(lambda rate: byway(options.seconds, burst, sockets, rate), of(ours, "per_second"))
        yield row(f"relay: {name}, under 1 % lost", calm["per_second"], "datagrams/s",
                  note=f"{100 * calm['loss']:.2f} % lost")


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


def pair(machine, client_wire=(), far_wire=()):
    """Two leaves and their home, all on one wire's two ends; the leaves talk directly."""
    client_end, far_end = machine.wire("client", "10.77.1.1", "far", "10.77.1.2")
    hub, hub_id, _ = machine.node("far", None, "hub", "10.77.1.2:7000", "--role", "supernode")
    seed = f"{hub_id}@10.77.1.2:7000"
    far, far_id, far_state = machine.node("far", 0, "far", "10.77.1.2:7001", "--seed", seed)
    client, _, state = machine.node("client", 1, "client", "10.77.1.1:7002", "--seed", seed)
    found = machine.ask("client", state, "ping", far_id, "-c", "1", "--until", "direct", "--timeout", "20")
    if not str(found[-1].get("path", "")).startswith("direct"):
        raise RuntimeError(f"no direct path: {found[-1]}")
    if client_wire:
        machine.shape("client", client_end, *client_wire)
        machine.shape("far", far_end, *(far_wire or client_wire))
    return state, far_id, far_state


def stream(machine, options):
    state, far_id, _ = pair(machine)
    runs = [machine.ask("client", state, "bench", far_id, "--seconds", str(int(options.seconds)))[-1]
            for _ in range(options.repeat)]
    rate = median([run["gbit_s"] for run in runs])
    per_gb = lambda key: median([run[key] / (run["bytes"] / 1e9) for run in runs])  # noqa: E731
    bare = bare_quic(machine, options)
    yield row("stream: one, direct", rate, "Gbit/s", "bare ngtcp2", bare["gbit_s"])
    yield row("stream: one, direct", rate, "Gbit/s", "iperf3 TCP", iperf3(machine, options))
    yield row("stream: processor of both sides", per_gb("cpu_s_local") + per_gb("cpu_s_remote"), "s/GB", "bare ngtcp2",
              bare["cpu_per_gb"])
    yield row("stream: processor of the sender", per_gb("cpu_s_local"), "s/GB")
    yield row("stream: processor of the receiver", per_gb("cpu_s_remote"), "s/GB")


def local(machine, options):
    """The way between a command and its node: `pipe` beside `bench`."""
    state, far_id, far_state = pair(machine)
    rate = median([machine.ask("client", state, "bench", far_id, "--seconds", str(int(options.seconds)))[-1]["gbit_s"]
                   for _ in range(options.repeat)])
    size = int(max(rate, 0.1) * options.seconds * 1e9 / 8)
    client_id = machine.run("client", None, machine.program("byway"), "id", "--state-dir", state).strip()
    runs = []
    for _ in range(options.repeat):
        listening = machine.start("far", 0, machine.program("byway"), "listen", "in", "--allow", client_id,
                                  "--state-dir", far_state, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        begun = time.monotonic()
        words = machine.words("client", 1, [machine.program("byway"), "pipe", far_id, "in", "--state-dir", state])
        source = subprocess.Popen(["head", "-c", str(size), "/dev/zero"], stdout=subprocess.PIPE)
        pipe = subprocess.Popen(words, stdin=source.stdout, stdout=subprocess.DEVNULL)
        got = 0
        while chunk := os.read(listening.stdout.fileno(), 1 << 20):
            got += len(chunk)
        runs.append(8e-9 * got / (time.monotonic() - begun))
        for child in (source, pipe, listening):
            child.wait(20)
        if got != size:
            raise RuntimeError(f"{got} bytes of {size} came through the pipe")
    yield row("local: pipe", median(runs), "Gbit/s", "bench", rate)


def bare_quic(machine, options):
    program = machine.program("bench_quic")
    runs = []
    for _ in range(options.repeat):
        server = machine.start("far", 0, program, "serve", "10.77.1.2:7100", options.seconds + 1, 1400)
        time.sleep(0.3)
        sent = json.loads(machine.run("client", 1, program, "send", "10.77.1.2:7100", options.seconds, 1400))
        got = json.loads(server.communicate(timeout=30)[0])
        got["cpu_per_gb"] = (sent["cpu_s"] + got["cpu_s"]) / max(1e-9, got["bytes"] / 1e9)
        runs.append(got)
    return {key: median([run[key] for run in runs]) for key in ("gbit_s", "cpu_per_gb")}


def iperf3(machine, options):
    if not shutil.which("iperf3"):
        return None
    server = machine.start("far", 0, "iperf3", "-s", "-1")
    time.sleep(0.3)
    out = json.loads(machine.run("client", 1, "iperf3", "-c", "10.77.1.2", "-J", "-t", int(options.seconds)))
    server.wait(10)
    return out["end"]["sum_received"]["bits_per_second"] / 1e9


def links(machine, options):
    """Links that are slow, long or lossy."""
    for name, mbit, netem in (
            ("50 ms, 400 Mbit/s", 400, ("delay", "25ms", "rate", "400mbit", "limit", "4000")),
            ("20 ms, 100 Mbit/s, 1 % lost", 100, ("delay", "10ms", "loss", "1%", "rate", "100mbit", "limit", "1000"))):
        with type(machine)(machine.build) as other:
            state, far_id, _ = pair(other, netem)
            runs = [other.ask("client", state, "bench", far_id, "--seconds", str(max(8, int(options.seconds))))[-1]
                    for _ in range(options.repeat)]
            yield row(f"stream: {name}", 1000 * median([run["gbit_s"] for run in runs]), "Mbit/s", "the link", mbit)


# --- latency --------------------------------------------------------------------------------------


def latency(machine, options):
    del options
    state, far_id, _ = pair(machine)
    count = 40
    lines = machine.ask("client", state, "ping", far_id, "-c", str(count), "-i", "0.05")
    ours = median([line["rtt_ms"] for line in lines if line.get("seq") is not None and line.get("rtt_ms")])
    packets = machine.program("bench_packets")
    echo = machine.start("far", 0, packets, "echo", "10.77.1.2:7200")
    time.sleep(0.2)
    reference = json.loads(machine.run("client", 1, packets, "ping", "10.77.1.2:7200", count, 50))["rtt_ms"]
    echo.kill()
    yield row("latency: ping over a direct path", 1000 * ours, "us", "bare UDP echo", 1000 * reference,
              note=f"{1000 * (ours - reference):.0f} us more")


def memory(machine, options):
    """What each kind of thing costs a supernode: the growth of its memory over how many there are."""
    machine.wire("client", "10.77.1.1", "hub", "10.77.1.2")
    for leaves in sorted({1000, 10000, options.leaves}):
        node, identity, state = machine.node("hub", RELAY_CORE, f"hub{leaves}", "10.77.1.2:7000", "--role", "supernode",
                                             "--max-leaves", str(max(100000, leaves)))
        base = rss_bytes(node.pid)
        load = machine.start("client", CLIENT_CORE, machine.program("bench_load"), "--supernode",
                             f"{identity}@10.77.1.2:7000", "--leaves", leaves, "--seconds", 0, "--json", "--hold", 2)
        load.stdout.readline()
        result = json.loads(load.stdout.readline())
        rss = rss_bytes(node.pid)
        cpu = cpu_seconds(node.pid)
        load.wait(60)
        machine.stop(node)
        yield row(f"memory: {leaves} leaves", rss / 1e6, "MB",
                  note=f"{(rss - base) / max(1, result['registered']):.0f} bytes a leaf, "
                       f"{1e6 * cpu / max(1, result['registered']):.0f} us of processor to register one")


ALL = {"relay": relay, "supernode": supernode, "memory": memory, "stream": stream, "links": links,
       "local": local,
       "latency": latency, "micro": micro}
