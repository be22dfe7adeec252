"""What a lab consists of, as plain data: links, nodes (namespaces) and sites."""
import re
from dataclasses import dataclass, field

from .netns import LabError

NAT_KINDS = ("public", "public-fw", "fullcone", "addr-restricted", "port-restricted",
             "symmetric-random", "symmetric-seq", "symmetric-block", "udp-blocked", "tcp443-only")
# What a router's miniupnpd speaks: all; UPnP alone; PCP and NAT-PMP; NAT-PMP alone; all, but it names an address that is not its own.
UPNP_KINDS = ("on", "igd", "pcp", "nat-pmp", "lies")
SEQ_BASE, SEQ_COUNT = 40000, 4096      # port range of symmetric-seq
BLOCK_BASE, BLOCK_COUNT = 43008, 512   # port range of symmetric-block


@dataclass
class Link:
    """Properties of an access link (both directions unless said otherwise)."""
    delay_ms: float = 0        # one-way, each direction (delaybox)
    jitter_ms: float = 0       # uniform +-, order is kept
    reorder: float = 0         # fraction of packets that skip the delay
    loss: float = 0            # 0..1, each direction, independent
    rate_up: object = None     # '10mbit', towards the core
    rate_down: object = None
    rate: object = None        # both, where rate_up/rate_down are not given
    queue_ms: float = 50       # shaper queue
    mtu: int = 1500

    def up(self):
        return self.rate_up or self.rate

    def down(self):
        return self.rate_down or self.rate

    def needs_box(self):
        return bool(self.delay_ms or self.jitter_ms or self.reorder)


@dataclass
class Node:
    """A namespace: kind is core|public|host|gw|cgn|probe|delay."""
    name: str
    ns: str
    kind: str
    ip: str = ""               # its own v4 address (wan address for routers)
    ip6: str = ""
    site: str = ""             # site (or cgn) it belongs to
    iface: str = ""
    up_node: str = ""          # node its wan link goes to
    up_if: str = ""            # interface name at that node
    link: dict = field(default_factory=dict)
    idx: int = 0
    box: bool = False          # a delaybox sits in the link


@dataclass
class Site:
    name: str
    nat: str
    gw: str                    # router node name
    hosts: list
    lan: str                   # "192.168.1.0/24"
    hairpin: bool = False
    udp_timeout: int = 0       # 0: kernel default (30 s unreplied / 120 s stream)
    upstream: str = "core"
    is_cgn: bool = False
    intra: bool = False        # cgn: customers reach each other's inner addresses
    ipv6: bool = False
    v6_open: bool = False      # no inbound v6 firewall
    wan_reject: bool = False   # RST / port-unreachable for unsolicited, in place of silence
    wan_accept: bool = False   # the router takes unsolicited packets itself: they can occupy a mapping's tuple (poisoning)
    block: str = "drop"        # how udp-blocked answers: drop | reject
    upnp: str = ""             # "on": miniupnpd (PCP, NAT-PMP, UPnP IGD), for IPv6 too where the site has it; see UPNP_KINDS
    next_host: int = 1
    next_cust: int = 0
    lan6: str = ""

    def keeps_maps(self):
        """What netfilter does not offer: a mapping for all destinations, for a cone's filter or for a hairpin."""
        return self.hairpin or self.nat in ("fullcone", "addr-restricted")


def as_link(l):
    return l if isinstance(l, Link) else Link(**(l or {}))


def rate_bits(rate):
    """'20mbit', '512kbit', 1e6 -> bits per second"""
    if isinstance(rate, (int, float)):
        return int(rate)
    m = re.fullmatch(r"([\d.]+)\s*([kmg]?)(bit)?", rate.lower())
    if not m:
        raise LabError("bad rate %r" % rate)
    return int(float(m[1]) * {"": 1, "k": 1e3, "m": 1e6, "g": 1e9}[m[2]])
