"""The lab from the command line: python3 -m natlab --help (from the folder above)."""
import argparse
import json
import os
import sys
import time

from .lab import Lab
from .netns import LabError
from .probe import classify
from .selftest import selftest
from .state import wipe

PRESETS = {
    "basic": {"public": [{"name": "sn"}],
              "sites": [{"name": "a", "nat": "port-restricted"}, {"name": "b", "nat": "port-restricted"}]},
    "zoo": {"public": [{"name": "sn1"}, {"name": "sn2"}],
            "sites": [{"name": "pub", "nat": "public"}, {"name": "pubfw", "nat": "public-fw"},
                      {"name": "full", "nat": "fullcone"}, {"name": "addr", "nat": "addr-restricted"},
                      {"name": "port", "nat": "port-restricted"}, {"name": "sym", "nat": "symmetric-random"},
                      {"name": "seq", "nat": "symmetric-seq"}, {"name": "noudp", "nat": "udp-blocked"},
                      {"name": "tcp443", "nat": "tcp443-only"}]},
    "overlap": {"public": [{"name": "sn"}],
                "sites": [{"name": "a", "lan": "192.168.1.0/24", "hosts": 2},
                          {"name": "b", "lan": "192.168.1.0/24", "hosts": 2}]},
    "cgn": {"public": [{"name": "sn"}], "cgn": [{"name": "isp", "hairpin": False}],
            "sites": [{"name": "a", "upstream": "isp"}, {"name": "b", "upstream": "isp"}, {"name": "c"}]},
    "cgn-hairpin": {"public": [{"name": "sn"}], "cgn": [{"name": "isp", "hairpin": True}],
                    "sites": [{"name": "a", "upstream": "isp"}, {"name": "b", "upstream": "isp"}, {"name": "c"}]},
    "v6": {"ipv6": True, "public": [{"name": "sn"}], "sites": [{"name": "a"}, {"name": "b", "nat": "symmetric-random"}]},
    "wan": {"public": [{"name": "sn", "link": {"delay_ms": 5}}],
            "sites": [{"name": "a", "link": {"delay_ms": 10, "rate_up": "10mbit", "rate_down": "50mbit"}},
                      {"name": "b", "link": {"delay_ms": 25, "loss": 0.01}}]},
}


def build(topo, prefix="nl", **kw):
    """Make a Lab from a topology dict (see PRESETS); returns it."""
    lab = Lab(prefix, ipv6=topo.get("ipv6", False), **kw)
    try:
        for d in topo.get("public", []):
            lab.add_public(**d)
        for d in topo.get("cgn", []):
            lab.add_cgn(**d)
        for d in topo.get("sites", []):
            lab.add_site(**d)
    except BaseException:
        lab.down()
        raise
    return lab


def show(lab):
    for s in lab.sites.values():
        gw = lab.nodes.get(s.gw)
        print("site %-10s %-17s wan %-15s lan %-18s%s%s" % (
            s.name, s.nat, gw.ip if gw else "-", s.lan or "-",
            "  behind " + s.upstream if s.upstream != "core" else "", "  hairpin" if s.hairpin else ""))
    for n in lab.nodes.values():
        if n.kind in ("public", "host"):
            print("host %-10s %-15s %-24s netns %s" % (n.name, n.ip, n.ip6, n.ns))


def main(argv=None):
    ap = argparse.ArgumentParser(description="emulated internet with real NATs in network namespaces")
    ap.add_argument("--prefix", default="nl", help="name of the lab (default nl); labs with different prefixes coexist")
    sub = ap.add_subparsers(dest="cmd", required=True)
    p = sub.add_parser("up", help="build a topology")
    p.add_argument("topology", help="JSON file or preset: " + " ".join(PRESETS))
    p.add_argument("--force", action="store_true", help="replace a running lab of this prefix")
    p = sub.add_parser("exec", help="run a command in a host: exec HOST -- CMD...")
    p.add_argument("host")
    p.add_argument("command", nargs=argparse.REMAINDER)
    sub.add_parser("down", help="remove the lab")
    sub.add_parser("show", help="list sites and hosts")
    p = sub.add_parser("classify", help="probe the NAT in front of a host")
    p.add_argument("host")
    for c, h in (("nft", "nft rules of a host's router"), ("conntrack", "conntrack table of a host's router")):
        p = sub.add_parser(c, help=h)
        p.add_argument("host")
    p = sub.add_parser("reboot", help="NAT reboot: lose mappings, new public address")
    p.add_argument("site")
    p.add_argument("--same-ip", action="store_true")
    p.add_argument("--outage", type=float, default=0)
    p = sub.add_parser("link", help="change link properties: link HOST|SITE loss=0.02 delay_ms=30 rate=5mbit")
    p.add_argument("host")
    p.add_argument("changes", nargs="+")
    p = sub.add_parser("move", help="roam a LAN host to another site")
    p.add_argument("host")
    p.add_argument("site")
    p = sub.add_parser("selftest", help="expected versus observed, for every NAT kind")
    p.add_argument("--quick", action="store_true", help="without the punching matrix and link measurements")
    a = ap.parse_args(argv)

    if a.cmd == "up":
        if a.topology in PRESETS:
            topo = PRESETS[a.topology]
        else:
            with open(a.topology) as f:
                topo = json.load(f)
        t = time.monotonic()
        lab = build(topo, a.prefix, force=a.force, keep=True)
        show(lab)
        print("up in %.2f s" % (time.monotonic() - t))
        return 0
    if a.cmd == "down":
        wipe(a.prefix)
        return 0
    if a.cmd == "selftest":
        return selftest(a.prefix if a.prefix != "nl" else "nlst", quick=a.quick)
    lab = Lab.load(a.prefix)
    if a.cmd == "exec":
        cmd = a.command[1:] if a.command[:1] == ["--"] else a.command
        v = lab.argv(a.host, cmd)
        os.execvp(v[0], v)
    elif a.cmd == "show":
        show(lab)
    elif a.cmd == "classify":
        print(json.dumps(classify(lab, a.host), indent=1))
    elif a.cmd in ("nft", "conntrack"):
        print(getattr(lab, a.cmd)(a.host), end="")
    elif a.cmd == "reboot":
        print(lab.reboot(a.site, new_ip=not a.same_ip, outage=a.outage))
    elif a.cmd == "link":
        ch = {}
        for c in a.changes:
            k, v = c.split("=", 1)
            ch[k] = v if k.startswith("rate") else float(v)
        lab.set_link(a.host, **ch)
    elif a.cmd == "move":
        lab.move(a.host, a.site)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as e:
        sys.exit("natlab: %s" % e)
