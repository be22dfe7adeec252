"""Looks at a NAT from outside: mapping, filtering, ports, hairpin, and plain punching.

Two public addresses serve as vantage points, as in RFC 5780. The same probes tell the
self-test whether each emulated NAT is what it claims to be."""
import contextlib
import errno
import itertools
import os
import random
import select
import socket
import threading
import time

from .lab import PROBE_IPS
from .model import Link


def add_probe(lab):
    """Namespace with two public addresses, the vantage points of the classifier."""
    with lab._lock:
        if "probe" not in lab.nodes:
            node = lab._node("probe", "probe")
            lab._attach(node, lab.nodes["core"], PROBE_IPS[0], Link(), extra_ips=PROBE_IPS[1:])
            lab._save()
    return lab.nodes["probe"]


def receive(sock, want, timeout):
    """First datagram equal to `want` -> its source, or None."""
    end = time.monotonic() + timeout
    while True:
        left = end - time.monotonic()
        if left <= 0 or not select.select([sock], [], [], left)[0]:
            return None
        try:
            data, src = sock.recvfrom(2048)
        except OSError:
            continue
        if data == want:
            return src


_token_n = [0]


def token():
    _token_n[0] += 1
    return b"natlab-%d-%d" % (os.getpid(), _token_n[0]) + os.urandom(4).hex().encode()


def udp_map(lab, sock, psock, timeout=0.5, tries=4):
    """Send from host socket to a probe socket; the external (ip, port) seen, or None."""
    for _ in range(tries):
        t = token()
        with contextlib.suppress(OSError):
            sock.sendto(t, psock.getsockname())
        src = receive(psock, t, timeout)
        if src:
            return src
    return None


def udp_reaches(psock, ext, sock, timeout=0.25, tries=2):
    """Does it arrive? Asked twice: a busy machine, or a neighbour not yet resolved, may lose the first."""
    for _ in range(tries):
        t = token()
        psock.sendto(t, ext)
        if receive(sock, t, timeout):
            return True
    return False


def _mapping_name(e11, e12, e21):
    if e11 == e12 == e21:
        return "EIM"
    return "ADM" if e11 == e12 else "APDM"


def _port_name(local, ports):
    if all(p == local for p in ports):
        return "preserved"
    d = [b - a for a, b in zip(ports, ports[1:])]
    if all(x == 0 for x in d):
        return "fixed"
    if all(0 < x <= 4 for x in d):
        return "sequential"
    return "random"


def classify_udp(lab, host, wait=0.25):
    add_probe(lab)
    A1, A2 = PROBE_IPS
    P = [lab.socket("probe", bind=(a, 0)) for a in (A1, A1, A2)]       # p11, p12, p21
    s = lab.socket(host, bind=0)
    f = lab.socket(host, bind=0)
    try:
        ext = [udp_map(lab, s, p, max(wait, 0.3)) for p in P]
        if not all(ext):
            return dict(proto="udp", mapping="blocked", ports="-", filtering="-", ext=None)
        more = [lab.socket("probe", bind=(A2, 0)) for _ in range(3)]
        ports = [e[1] for e in ext] + [(udp_map(lab, s, p) or (0, 0))[1] for p in more]
        for p in more:
            p.close()
        fe = udp_map(lab, f, P[0])
        unsol = lab.socket("probe", bind=(A2, 0))
        if udp_reaches(unsol, fe, f, wait):
            filt = "EIF"
        elif udp_reaches(P[1], fe, f, wait):
            filt = "ADF"
        elif udp_reaches(P[0], fe, f, wait + 0.3):
            filt = "APDF"
        else:
            filt = "?"
        unsol.close()
        return dict(proto="udp", mapping=_mapping_name(*ext), ports=_port_name(s.getsockname()[1], ports),
                    filtering=filt, ext=ext[0][0])
    finally:
        for x in P + [s, f]:
            x.close()


def tcp_connect(sock, addr, timeout=1.0):
    """True / error name; the socket is left blocking."""
    sock.setblocking(False)
    try:
        sock.connect(addr)
    except BlockingIOError:
        pass
    except OSError as e:
        return errno.errorcode.get(e.errno, "?")
    r = select.select([], [sock], [], timeout)[1]
    if not r:
        return "ETIMEDOUT"
    e = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    sock.setblocking(True)
    return True if e == 0 else errno.errorcode.get(e, "?")


def _connected(s):
    try:
        s.getpeername()
        return True
    except OSError:
        return False


def _accept(lsock, timeout):
    if not select.select([lsock], [], [], timeout)[0]:
        return None, None
    return lsock.accept()


def tcp_map(lab, host, lport, lsock, timeout=1.0):
    """Connect from host:lport to a probe listener -> (client sock, server sock, ext) or Nones."""
    c = lab.socket(host, socket.SOCK_STREAM, bind=lport)
    if tcp_connect(c, lsock.getsockname(), timeout) is not True:
        c.close()
        return None, None, None
    srv, ext = _accept(lsock, timeout)
    return c, srv, ext


def free_port(lab, host):
    with lab.socket(host, socket.SOCK_STREAM, bind=0) as t:
        return t.getsockname()[1]


def classify_tcp(lab, host, wait=0.4, port=0):
    add_probe(lab)
    A1, A2 = PROBE_IPS
    socks = []

    def listener(addr, prt=0):
        l = lab.socket("probe", socket.SOCK_STREAM, bind=(addr, prt))
        l.listen(8)
        socks.append(l)
        return l

    try:
        if port:        # one fixed server port (tcp443-only)
            Ls = [listener(A1, port), listener(A2, port)]
            Ls = [Ls[0], Ls[0], Ls[1]]
        else:
            Ls = [listener(A1), listener(A1), listener(A2)]
        lport = free_port(lab, host)
        ext = []
        for l in Ls[:1] + Ls[2:] if port else Ls:
            c, srv, e = tcp_map(lab, host, lport, l, wait + 0.5)
            if not c:
                return dict(proto="tcp", mapping="blocked", ports="-", filtering="-", ext=None)
            socks += [c, srv]
            ext.append(e)
        if port:
            ext.insert(1, ext[0])
        ports = [e[1] for e in ext]
        if not port:
            for _ in range(3):
                c, srv, e = tcp_map(lab, host, lport, listener(A2), wait + 0.5)
                socks += [x for x in (c, srv) if x]
                ports.append(e[1] if e else 0)
        # filtering: a listener on the port of an outbound connection
        fport = free_port(lab, host)
        c, srv, fe = tcp_map(lab, host, fport, Ls[0], wait + 0.5)
        socks += [x for x in (c, srv) if x]
        fl = lab.socket(host, socket.SOCK_STREAM, bind=fport)
        socks.append(fl)
        fl.listen(8)
        filt = "APDF"
        for addr, name in ((A2, "EIF"), (A1, "ADF")):
            t = lab.socket("probe", socket.SOCK_STREAM, bind=(addr, 0))
            socks.append(t)
            if tcp_connect(t, fe, wait) is True:
                filt = name
                break
        return dict(proto="tcp", mapping=_mapping_name(*ext), ports=_port_name(lport, ports), filtering=filt, ext=ext[0][0])
    finally:
        for x in socks:
            if x:
                x.close()


def shared_ports(lab, h1, h2, rounds):
    """Two inside hosts send from the same local port at the same moment, each from a processor of its own, to two places.
    In how many rounds did somebody's packet not arrive, or did both get one port?"""
    add_probe(lab)
    probes = [lab.socket("probe", bind=(ip, 0)) for ip in PROBE_IPS[:2]]
    shared = 0
    for _ in range(rounds):
        a = lab.socket(h1, bind=0)
        b = lab.socket(h2, bind=a.getsockname()[1])
        texts, moment, children = (token(), token()), time.monotonic() + 0.03, []
        for sock, text, cpu in zip((a, b), texts, itertools.cycle(sorted(os.sched_getaffinity(0)))):
            child = os.fork()
            if not child:
                os.sched_setaffinity(0, {cpu})
                while time.monotonic() < moment:
                    pass
                for probe in probes:
                    sock.sendto(text, probe.getsockname())
                os._exit(0)
            children.append(child)
        for child in children:
            os.waitpid(child, 0)
        seen = [heard(probe, texts, 0.5) for probe in probes]
        shared += any(len(ports) < 2 for ports in seen) or seen[0] != seen[1] or seen[0][texts[0]] == seen[0][texts[1]]
        a.close(), b.close()
    for probe in probes:
        probe.close()
    return shared


def heard(sock, texts, timeout):
    """Who sent each of these datagrams, of those that came."""
    sources, end = {}, time.monotonic() + timeout
    while len(sources) < len(texts) and (left := end - time.monotonic()) > 0 and select.select([sock], [], [], left)[0]:
        data, source = sock.recvfrom(2048)
        if data in texts:
            sources[data] = source
    return sources


def hairpin_udp(lab, h1, h2=None, wait=0.3):
    """Do two inside hosts (or one, with two sockets) reach each other's external endpoints?
    Returns 'external' / 'internal' (source address seen) or 'no'."""
    add_probe(lab)
    p = lab.socket("probe", bind=(PROBE_IPS[0], 0))
    a, b = lab.socket(h1, bind=0), lab.socket(h2 or h1, bind=0)
    try:
        ea, eb = udp_map(lab, a, p), udp_map(lab, b, p)
        if not ea or not eb:
            return "blocked"
        return punch_loop(a, b, ea, eb, wait, report_src=(ea[0], eb[0]))
    finally:
        for x in (a, b, p):
            x.close()


def punch_loop(a, b, ea, eb, timeout, report_src=None, reply=True):
    """Both send to the other's endpoint every 50 ms; success when each got one."""
    ta, tb = token(), token()
    da, db = eb, ea
    got_a = got_b = None
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        for s, t, d in ((a, ta, da), (b, tb, db)):
            with contextlib.suppress(OSError):
                s.sendto(t, d)
        got_a = receive(a, tb, 0.025) or got_a
        got_b = receive(b, ta, 0.025) or got_b
        if reply:                    # answer to the source really seen
            da, db = got_a or da, got_b or db
        if got_a and got_b:
            if report_src:
                return "external" if got_a[0] == report_src[1] and got_b[0] == report_src[0] else "internal"
            return True
    return "no" if report_src else False


def punch_udp(lab, h1, h2, timeout=1.2):
    """Plain UDP hole punching with endpoints learned from one server; True/False/'blocked'."""
    add_probe(lab)
    p = lab.socket("probe", bind=(PROBE_IPS[0], 0))
    a, b = lab.socket(h1, bind=0), lab.socket(h2, bind=0)
    try:
        ea, eb = udp_map(lab, a, p), udp_map(lab, b, p)
        if not ea or not eb:
            return "blocked"
        return punch_loop(a, b, ea, eb, timeout)
    finally:
        for x in (a, b, p):
            x.close()


def punch_tcp(lab, h1, h2, timeout=4.0, port=0):
    """TCP punch: both connect from (and listen on) the ports whose mappings a server saw."""
    add_probe(lab)
    l = lab.socket("probe", socket.SOCK_STREAM, bind=(PROBE_IPS[0], port))
    l.listen(8)
    keep = [l]
    try:
        ends = []
        for h in (h1, h2):
            lp = free_port(lab, h)
            c, srv, e = tcp_map(lab, h, lp, l)
            if not c:
                return "blocked"
            keep += [c, srv]
            ends.append((h, lp, e))
        socks = [None, None]
        end = time.monotonic() + timeout

        def side(i):
            # A listener on the same port takes the SYN of a peer whose NAT (or lack of one) lets it
            # in while we are not connecting ourselves; without it our kernel would answer RST.
            h, lp, _ = ends[i]
            ls = lab.socket(h, socket.SOCK_STREAM, bind=lp)
            ls.listen(4)
            keep.append(ls)
            while time.monotonic() < end:
                s = lab.socket(h, socket.SOCK_STREAM, bind=lp)
                s.setblocking(False)
                with contextlib.suppress(OSError):
                    s.connect(ends[1 - i][2])
                r, w, _ = select.select([ls], [s], [], max(0.05, end - time.monotonic()))
                if w and s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0 and _connected(s):
                    socks[i] = s
                elif r or select.select([ls], [], [], random.uniform(0.001, 0.02))[0]:
                    socks[i], src = ls.accept()
                    s.close()
                else:
                    s.close()
                    continue
                keep.append(socks[i])
                return
        th = [threading.Thread(target=side, args=(i,)) for i in (0, 1)]
        [t.start() for t in th]
        [t.join() for t in th]
        if not (socks[0] and socks[1]):
            return False
        t = token()                      # it is one and the same connection
        socks[0].setblocking(True)
        socks[0].sendall(t)
        if not select.select([socks[1]], [], [], 1)[0]:
            return False
        return socks[1].recv(100) == t
    finally:
        for x in keep:
            if x:
                x.close()


def classify(lab, host):
    n = lab.node(host)
    s = lab.sites.get(n.site)
    out = dict(host=n.name, nat=s.nat if s else "public", ip=n.ip, wan=lab.wan_ip(host))
    out["udp"] = classify_udp(lab, host)
    out["tcp"] = classify_tcp(lab, host)
    if out["tcp"]["mapping"] == "blocked":
        out["tcp443"] = classify_tcp(lab, host, port=443)
    if s and s.gw:
        out["hairpin_udp"] = hairpin_udp(lab, host)
    return out
