"""An emulated internet with real NATs, out of Linux network namespaces.

One lab is a core router, public hosts and sites, each in a namespace of its own; no
interface of it is ever attached to the namespace it was started from. Needs root
(CAP_NET_ADMIN and CAP_SYS_ADMIN), iproute2, nft, conntrack, and a C compiler for
links with delay.

    with Lab(prefix="mine") as lab:                          # torn down on exit
        lab.add_public("hub")                                # host "hub", lab.ip("hub")
        lab.add_site("a", nat="port-restricted", hosts=2)    # hosts a-1, a-2, router a-gw
        lab.add_site("b", nat="symmetric-random", link=Link(delay_ms=20))
        node = lab.popen("hub", ["byway", "run"])
"""
from .compiled import compiled
from .lab import PROBE_IPS, Lab
from .model import NAT_KINDS, Link
from .netns import LabError, in_netns
from .probe import classify, punch_tcp, punch_udp
from .state import sweep, wipe

__all__ = ["Lab", "Link", "LabError", "NAT_KINDS", "PROBE_IPS", "classify", "compiled", "in_netns", "punch_tcp", "punch_udp",
           "sweep", "wipe"]
