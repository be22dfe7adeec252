"""Expected against observed, for every kind of NAT the lab offers."""
import contextlib
import os
import re
import select
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from .lab import PROBE_IPS, Lab
from .model import NAT_KINDS, Link
from .netns import namespaces, run
from .probe import (add_probe, classify_tcp, classify_udp, hairpin_udp, punch_loop, punch_tcp, punch_udp, receive,
                    shared_ports, token, udp_map, udp_reaches)
from .state import STATE_DIR

# kind -> (mapping, ports, filtering) for UDP and TCP; None = blocked
EXPECT = {
    "public":           (("EIM", "preserved", "EIF"),) * 2,
    "public-fw":        (("EIM", "preserved", "APDF"),) * 2,
    "fullcone":         (("EIM", "preserved", "EIF"),) * 2,
    "addr-restricted":  (("EIM", "preserved", "ADF"),) * 2,
    "port-restricted":  (("EIM", "preserved", "APDF"),) * 2,
    "symmetric-random": (("APDM", "random", "APDF"),) * 2,
    "symmetric-seq":    (("APDM", "sequential", "APDF"),) * 2,
    "symmetric-block":  (("APDM", "random", "APDF"),) * 2,
    "udp-blocked":      (None, ("EIM", "preserved", "APDF")),
    "tcp443-only":      (None, None),
}
PUNCH_KINDS = ("public", "public-fw", "fullcone", "addr-restricted", "port-restricted",
               "symmetric-random", "symmetric-seq")


def punch_expected(a, b):
    """Does plain UDP punching (endpoints from one server, answering to the source
    really seen) connect kinds a and b?  One direction getting in is enough."""
    def gets_in(x, y):      # a packet from x towards y's known endpoint passes y's filter
        filt = EXPECT[y][0][2]
        sym = lambda k: EXPECT[k][0][0] != "EIM"
        return filt == "EIF" or not sym(y) and (filt == "ADF" or not sym(x))
    return gets_in(a, b) or gets_in(b, a)


def selftest(prefix="nlst", quick=False):
    rows, t_start = [], time.monotonic()

    def row(what, expected, observed):
        rows.append((what, str(expected), str(observed), str(expected) == str(observed)))

    def retry(fn, expected, n=2):
        """A loaded machine can make a probe miss its deadline: look again before complaining."""
        for _ in range(n):
            r = fn()
            if str(r) == str(expected):
                break
        return r

    root_links = sorted(os.listdir("/sys/class/net"))
    lab = Lab(prefix, ipv6=True)
    pool = ThreadPoolExecutor(8)
    try:
        jobs = []

        def check(what, expected, fn):
            jobs.append((what, expected, pool.submit(retry, fn, expected)))

        def collect():
            for what, expected, f in jobs:
                try:
                    row(what, expected, f.result())
                except Exception as e:
                    row(what, expected, "%s: %s" % (type(e).__name__, e))
            jobs.clear()

        t0 = time.monotonic()
        add_probe(lab)
        name = {k: re.sub(r"[^a-z0-9]", "", k) for k in NAT_KINDS}
        for k in NAT_KINDS:
            for side in "xy" if k in PUNCH_KINDS else "x":
                lab.add_site(name[k] + side, nat=k, ipv6=False)
        t_up, n_ns = time.monotonic() - t0, len(lab.nodes)

        # 1. classification of every kind
        def one(fn, host, **kw):
            r = fn(lab, host, wait=0.4, **kw)
            return " ".join((r["mapping"], r["ports"], r["filtering"])) if r["mapping"] != "blocked" else "blocked"
        for k in NAT_KINDS:
            h = name[k] + "x-1"
            for fn, proto, exp in ((classify_udp, "udp", EXPECT[k][0]), (classify_tcp, "tcp", EXPECT[k][1])):
                check("%s %s" % (k, proto), " ".join(exp) if exp else "blocked", lambda fn=fn, h=h: one(fn, h))
        check("tcp443-only tcp to port 443", "EIM preserved APDF", lambda: one(classify_tcp, "tcp443onlyx-1", port=443))
        collect()

        # 2. unsolicited inbound must not take a mapping's tuple from the inside host
        def steal(site):
            p = lab.socket("probe", bind=(PROBE_IPS[0], 0))
            h = lab.socket(site, bind=0)
            lport = h.getsockname()[1]
            for _ in range(5):
                p.sendto(b"unsolicited", (lab.wan_ip(site), lport))
                time.sleep(0.02)
            e = udp_map(lab, h, p)
            p.close(), h.close()
            return bool(e and e[1] == lport)
        for k in ("port-restricted", "addr-restricted", "fullcone"):
            check("%s: port kept after unsolicited inbound" % k, True, lambda k=k: steal(name[k] + "x"))

        # 3. two hosts on one LAN, hairpin on/off, equal local ports
        for hp in (False, True):
            for k in ("port-restricted", "addr-restricted", "fullcone"):
                s = "hp%d%s" % (hp, name[k][:4])
                lab.add_site(s, nat=k, hosts=2, hairpin=hp, ipv6=False)
                check("%s, two hosts, hairpin %s" % (k, "on" if hp else "off"), "external" if hp else "no",
                      lambda s=s: hairpin_udp(lab, s + "-1", s + "-2", wait=0.6))
                check("%s, hairpin %s: classification" % (k, "on" if hp else "off"), " ".join(EXPECT[k][0]),
                      lambda s=s: one(classify_udp, s + "-1"))

        def same_port(site):        # both hosts use the same local port towards the same server
            p = lab.socket("probe", bind=(PROBE_IPS[0], 0))
            a, b = lab.socket(site + "-1", bind=0), None
            b = lab.socket(site + "-2", bind=a.getsockname()[1])
            ea, eb = udp_map(lab, a, p), udp_map(lab, b, p)
            q = lab.socket("probe", bind=(PROBE_IPS[1], 0))
            fa, fb = udp_map(lab, a, q), udp_map(lab, b, q)
            ok = ea != eb and udp_reaches(p, ea, a) and udp_reaches(p, eb, b)
            r = "distinct" if ok else "clash %s %s" % (ea, eb)
            for x in (a, b, p, q):
                x.close()
            return r + (", EIM" if (ea, eb) == (fa, fb) else ", second host not EIM")
        check("fullcone: two hosts, same local port", "distinct, EIM", lambda: same_port("hp0full"))
        check("port-restricted: two hosts, same local port", "distinct, EIM", lambda: same_port("hp0port"))
        collect()

        # 4. CGN / double NAT
        for hp in (False, True):
            c = "cgn%d" % hp
            lab.add_cgn(c, hairpin=hp)
            for i in "ab":
                lab.add_site(c + i, upstream=c)
            check("double NAT (CGN) udp", "EIM preserved APDF", lambda c=c: one(classify_udp, c + "a"))
            check("double NAT (CGN) tcp", "EIM preserved APDF", lambda c=c: one(classify_tcp, c + "a"))
            check("punch between two customers of a CGN, hairpin %s" % ("on" if hp else "off"), hp,
                  lambda c=c: punch_udp(lab, c + "a", c + "b"))
            check("punch CGN customer <-> port-restricted", True, lambda c=c: punch_udp(lab, c + "a", "portrestrictedx"))
        collect()
        # Not asked again where it fails: once is what is looked for.
        row("CGN with hairpin: two customers' first packets at one moment, ports shared", 0,
            shared_ports(lab, "cgn1a", "cgn1b", 60))

        # 5. punching
        if not quick:
            for i, a in enumerate(PUNCH_KINDS):
                for b in PUNCH_KINDS[i:]:
                    check("udp punch %s <-> %s" % (a, b), punch_expected(a, b),
                          lambda a=a, b=b: punch_udp(lab, name[a] + "x", name[b] + "y"))
        else:
            for a, b in (("port-restricted",) * 2, ("symmetric-random", "port-restricted")):
                check("udp punch %s <-> %s" % (a, b), punch_expected(a, b),
                      lambda a=a, b=b: punch_udp(lab, name[a] + "x", name[b] + "y"))
        for a, b, exp in (("port-restricted", "port-restricted", True), ("port-restricted", "fullcone", True),
                          ("port-restricted", "addr-restricted", True), ("public-fw", "port-restricted", True),
                          ("fullcone", "fullcone", True), ("public", "fullcone", True), ("symmetric-random", "fullcone", True),
                          ("symmetric-random", "port-restricted", False)):
            check("tcp punch %s <-> %s" % (a, b), exp,
                  lambda a=a, b=b: punch_tcp(lab, name[a] + "x", name[b] + "y"))
        check("udp punch udp-blocked <-> port-restricted", "blocked", lambda: punch_udp(lab, "udpblockedx", "portrestrictedy"))
        check("tcp punch udp-blocked <-> port-restricted", True,
              lambda: punch_tcp(lab, "udpblockedx", "portrestrictedy"))
        collect()

        # 6. mapping lifetime
        def lifetime(site, idle):
            p, h = lab.socket("probe", bind=(PROBE_IPS[0], 0)), lab.socket(site, bind=0)
            e = udp_map(lab, h, p)
            time.sleep(idle)
            r = udp_reaches(p, e, h)
            p.close(), h.close()
            return r
        for k in ("port-restricted", "fullcone"):
            s = "short" + name[k][:4]
            lab.add_site(s, nat=k, udp_timeout=3, ipv6=False)
            check("%s udp_timeout=3: open after 1.5 s" % k, True, lambda s=s: lifetime(s, 1.5))
            check("%s udp_timeout=3: closed after 5 s" % k, False, lambda s=s: lifetime(s, 5))
        collect()

        # 7. NAT reboot, NAT change, roaming: the same socket goes on
        def reboot(site):
            p, h = lab.socket("probe", bind=(PROBE_IPS[0], 0)), lab.socket(site, bind=0)
            old = udp_map(lab, h, p)
            new_ip = lab.reboot(site)
            dead = not udp_reaches(p, old, h) and not udp_reaches(p, (new_ip, old[1]), h)
            new = udp_map(lab, h, p)
            ok = new and new[0] == new_ip != old[0] and udp_reaches(p, new, h)
            p.close(), h.close()
            return "old mapping dead, new address works" if dead and ok else "old %s new %s dead %s" % (old, new, dead)
        for k in ("port-restricted", "fullcone", "symmetric-seq"):
            check("reboot %s" % k, "old mapping dead, new address works", lambda k=k: reboot(name[k] + "y"))
        check("reboot CGN customer", "True", lambda: lab.reboot("cgn1a") == lab.wan_ip("cgn1a") and punch_udp(lab, "cgn1a", "cgn1b"))

        def roam():
            p, h = lab.socket("probe", bind=(PROBE_IPS[0], 0)), lab.socket("roam1-1", bind=0)
            a = udp_map(lab, h, p)
            lab.move("roam1-1", "roam2")
            b = udp_map(lab, h, p)
            lab.move("roam1-1", "roam1")
            p.close(), h.close()
            return bool(a and b) and (a[0], b[0]) == (lab.wan_ip("roam1"), lab.wan_ip("roam2"))
        lab.add_site("roam1", ipv6=False)
        lab.add_site("roam2", ipv6=False)
        check("roaming host keeps its socket, new public address", True, roam)
        lab.add_site("chg", nat="port-restricted", ipv6=False)

        def change():
            lab.set_nat("chg", nat="symmetric-random")
            r = one(classify_udp, "chg")
            lab.set_nat("chg", nat="port-restricted")
            return r
        check("set_nat port-restricted -> symmetric-random", "APDM random APDF", change)
        collect()

        # 8. IPv6: NATed v4 plus global v6 behind a stateful firewall
        lab.add_public("sn6")
        for i, o in (("v6a", False), ("v6b", False), ("v6open", True)):
            lab.add_site(i, v6_open=o)

        def v6(kind):
            S = lambda h: lab.socket(h, bind=("::", 0), family=socket.AF_INET6)
            p = S("sn6")
            a, b = S("v6a"), S("v6b")
            ea, eb = (lab.ip6("v6a"), a.getsockname()[1]), (lab.ip6("v6b"), b.getsockname()[1])
            to = (lab.ip6("sn6"), p.getsockname()[1])
            t = token()
            try:
                if kind == "out":
                    a.sendto(t, to)
                    src = receive(p, t, 1)
                    return bool(src) and src[:2] == ea
                if kind == "in":
                    return udp_reaches(p, ea, a)
                if kind == "open":
                    o = S("v6open")
                    return udp_reaches(p, (lab.ip6("v6open"), o.getsockname()[1]), o)
                return punch_loop(a, b, ea, eb, 1.5)
            finally:
                for x in (a, b, p):
                    x.close()
        check("ipv6: out, source address unchanged", True, lambda: v6("out"))
        check("ipv6: unsolicited inbound", False, lambda: v6("in"))
        check("ipv6: unsolicited inbound, v6_open", True, lambda: v6("open"))
        check("ipv6: punch between two firewalled sites", True, lambda: v6("punch"))
        collect()

        # 9. links (one after the other: they measure)
        if not quick:
            lab.add_site("slow", link=Link(delay_ms=20), ipv6=False)
            lab.add_site("lossy", link=Link(loss=0.1), ipv6=False)
            lab.add_site("thin", link=Link(rate_up="8mbit", rate_down="16mbit"), ipv6=False)
            lab.add_site("fat", ipv6=False)

            def rtt(site):
                p, h = lab.socket("probe", bind=(PROBE_IPS[0], 0)), lab.socket(site, bind=0)
                v = []
                for _ in range(20):
                    t, tok = time.perf_counter(), token()
                    h.sendto(tok, p.getsockname())
                    src = receive(p, tok, 1)
                    p.sendto(tok, src)
                    receive(h, tok, 1)
                    v.append((time.perf_counter() - t) * 1000)
                p.close(), h.close()
                return sorted(v)[len(v) // 2]

            def loss(site, n=2000):
                p, h = lab.socket("probe", bind=(PROBE_IPS[0], 0)), lab.socket(site, bind=0)
                got = 0
                for i in range(n):
                    h.sendto(b"x" * 50, p.getsockname())
                    if i % 50 == 49:
                        while select.select([p], [], [], 0.02)[0]:
                            p.recv(100)
                            got += 1
                p.close(), h.close()
                return 1 - got / n

            def speed(site, down, secs=1.5):
                l = lab.socket("probe", socket.SOCK_STREAM, bind=(PROBE_IPS[0], 0))
                l.listen(1)
                c = lab.socket(site, socket.SOCK_STREAM)
                c.connect(l.getsockname())
                srv, _ = l.accept()
                tx, rx = (srv, c) if down else (c, srv)
                stop = time.monotonic() + secs + 0.5
                tx.settimeout(1)

                def send():
                    with contextlib.suppress(OSError):
                        while time.monotonic() < stop:
                            tx.sendall(b"z" * 65536)
                th = threading.Thread(target=send)
                th.start()
                rx.settimeout(1)
                n, t0, warm = 0, time.monotonic(), 0
                with contextlib.suppress(OSError):
                    while time.monotonic() < t0 + secs + 0.5:
                        k = len(rx.recv(1 << 18))
                        if time.monotonic() > t0 + 0.5:
                            n += k
                th.join()
                for x in (l, c, srv):
                    x.close()
                return n * 8 / secs / 1e6

            def within(what, lo, hi, fn, unit):
                v = fn()
                if not lo <= v <= hi:
                    v = fn()
                rows.append((what, "%g..%g %s" % (lo, hi, unit), "%.3g %s" % (v, unit), lo <= v <= hi))
            within("rtt without delay", 0, 2, lambda: rtt("fat"), "ms")
            within("rtt, delay_ms=20", 40, 43, lambda: rtt("slow"), "ms")
            lab.set_link("slow", delay_ms=50)
            within("rtt, set_link delay_ms=50", 100, 103, lambda: rtt("slow"), "ms")
            within("loss=0.1", 0.07, 0.13, lambda: loss("lossy"), "")
            lab.set_link("lossy", loss=1.0)
            within("set_link loss=1 (blackhole)", 1, 1, lambda: loss("lossy", 100), "")
            lab.set_link("lossy", loss=0)
            within("set_link loss=0", 0, 0, lambda: loss("lossy"), "")
            within("rate_up=8mbit (TCP goodput)", 6.5, 8.1, lambda: speed("thin", False), "Mbit/s")
            within("rate_down=16mbit (TCP goodput)", 13, 16.2, lambda: speed("thin", True), "Mbit/s")
            within("rate unlimited (TCP goodput)", 300, 1e6, lambda: speed("fat", True), "Mbit/s")
            check("delayed link: tcp punch", True, lambda: punch_tcp(lab, "slow", "portrestrictedx"))
            collect()

        # 10. isolation and clean-up
        leaks = []
        for n in lab.nodes.values():
            for l in run(["ip", "-o", "link", "show", "type", "veth"], n.ns).stdout.splitlines():
                if not re.search(r"link-netns %s-" % prefix, l):
                    leaks.append("%s %s" % (n.name, l.split()[1]))
        row("interfaces with a peer outside the lab", "[]", leaks)
        row("root namespace interfaces untouched", "True", sorted(os.listdir("/sys/class/net")) == root_links)
        sleeper = lab.popen("slow-1" if not quick else "portrestrictedx-1", ["sleep", "600"])
        t0 = time.monotonic()
        lab.down()
        t_down = time.monotonic() - t0
        left = [n for n in namespaces() if n.startswith(prefix + "-")]
        row("after down: namespaces, processes, files left", "0 0 0", "%d %d %d" % (
            len(left), sleeper.poll() is None, len([f for f in os.listdir(STATE_DIR) if re.match(prefix + r"[-.]", f)])))
    finally:
        pool.shutdown(wait=False)
        lab.down()

    w = max(len(r[0]) for r in rows)
    print("%-*s  %-36s %-36s" % (w, "test", "expected", "observed"))
    for what, e, o, ok in rows:
        print("%-*s  %-36s %-36s %s" % (w, what, e, o, "ok" if ok else "MISMATCH"))
    bad = sum(not r[3] for r in rows)
    print("%d checks, %d mismatches; %d namespaces up in %.2f s, everything down in %.2f s, total %.0f s"
          % (len(rows), bad, n_ns, t_up, t_down, time.monotonic() - t_start))
    return 1 if bad else 0
