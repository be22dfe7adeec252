"""The nft rule sets that turn a namespace into a NAT router or a firewalled host.

Kinds that netfilter offers itself (port-restricted, symmetric) are one masquerade rule.
Cones are not: netfilter filters by remote endpoint, so full cone and address-restricted
keep maps of their own (external port -> inside endpoint, and back), learnt from packets
going out."""
from .model import BLOCK_BASE, BLOCK_COUNT, SEQ_BASE, SEQ_COUNT, Site
from .netns import LabError


def host_firewall():
    return """
table inet nl_fw {
  chain input { type filter hook input priority filter; policy drop;
    iif lo accept
    ct state established,related accept
    meta l4proto { icmp, ipv6-icmp } accept
  }
}
"""


def router_rules(s: Site, wan_ip: str, mtu: int = 1500) -> str:
    """The complete nft rule set of a site router or CGN, as text."""
    hp = s.hairpin
    if hp and s.nat.startswith("symmetric"):
        raise LabError("hairpin with %s is not offered" % s.nat)

    # --- filter.  Unsolicited packets to the wan address die in `input`, before
    # conntrack confirms an entry for them: they can not occupy a mapping's tuple.
    inp, fwd = [], []
    if s.upnp == "igd":         # by IPv6 miniupnpd speaks PCP even where it was told not to
        inp += ["meta nfproto ipv6 udp dport 5351 reject"]
    if s.upnp == "nat-pmp":     # miniupnpd speaks PCP as well: version 2, the first byte
        inp += ["udp dport 5351 @th,64,8 2 drop"]
    inp += ["iif lo accept", "ct state established,related accept", "meta l4proto ipv6-icmp accept"]
    if not s.upnp:
        inp += ['iifname "lan*" ip daddr %s meta l4proto { tcp, udp } drop' % wan_ip]
    inp += ['iifname "lan*" accept']
    if s.wan_accept:
        inp += ['iifname "wan" meta l4proto { tcp, udp } accept']
    if s.wan_reject:
        inp += ["meta l4proto tcp reject with tcp reset", "meta l4proto udp reject"]
    end = "drop" if s.block == "drop" else "reject"
    if s.nat == "udp-blocked":
        fwd += ['iifname "lan*" meta l4proto udp ' + end]
    if s.nat == "tcp443-only":
        fwd += ['iifname "lan*" meta l4proto != tcp ' + end, 'iifname "lan*" tcp dport != 443 ' + end]
    fwd += ["ct state established,related accept"]
    if mtu != 1500:
        fwd.insert(0, 'oifname "wan" tcp flags syn / syn,rst tcp option maxseg size set rt mtu')
    fwd += ['iifname "lan*" oifname "wan" accept', "ct status dnat accept"]
    if s.intra:
        fwd += ['iifname "lan*" oifname "lan*" accept']
    if s.v6_open:
        fwd += ["meta nfproto ipv6 accept"]
    if s.upnp:
        fwd += ["jump miniupnpd"]

    # --- nat
    pre, post, learn, decl = [], [], [], []
    T = "meta l4proto { tcp, udp } "
    if s.keeps_maps():
        tu = s.udp_timeout or 120
        decl = [
            # external (proto, port) -> internal endpoint, and the reverse
            "map eim_in { type inet_proto . inet_service : ipv4_addr . inet_service; size 65535; flags dynamic,timeout; timeout 120s; }",
            "map eim_out { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; size 65535; flags dynamic,timeout; timeout 120s; }",
            # (remote address[, remote port], proto, external port) an inside host has sent to
            "set adf { type ipv4_addr . inet_proto . inet_service; size 65535; flags dynamic,timeout; timeout 120s; }",
            "set apdf { type ipv4_addr . inet_service . inet_proto . inet_service; size 65535; flags dynamic,timeout; timeout 120s; }",
        ]
        to_inside = "dnat ip to meta l4proto . th dport map @eim_in"
        if s.nat == "fullcone":
            pre += ['iifname "wan" ' + T + to_inside]
        elif s.nat == "addr-restricted":
            pre += ['iifname "wan" ' + T + "ip saddr . meta l4proto . th dport @adf " + to_inside]
        if hp:
            pre += ['iifname "lan*" ip daddr %s ' % wan_ip + T + to_inside]
        # existing mapping first; else keep the port if nobody else holds it; else a random one
        outs = ['oifname "wan" ']
        if hp:
            outs += ['iifname "lan*" oifname "lan*" ct status dnat ']
        for o in outs:
            post += [o + T + "snat ip to ip saddr . meta l4proto . th sport map @eim_out",
                     o + T + "meta l4proto . th sport @eim_in snat ip to %s:20000-60000 random" % wan_ip,
                     o + "snat ip to " + wan_ip]
        # learn / refresh on outbound packets only (after srcnat, so the external port is known)
        paths = ['iifname "lan*" oifname "wan" ']
        if hp:
            paths += ['iifname "lan*" oifname "lan*" ct status dnat ']
        for p in paths:
            for proto, t in (("udp", tu), ("tcp", 7200)):
                o = p + "meta l4proto %s ct direction original update " % proto
                learn += [
                    o + "@eim_in { meta l4proto . ct reply proto-dst timeout %ds : ct original ip saddr . ct original proto-src }" % t,
                    o + "@eim_out { ct original ip saddr . meta l4proto . ct original proto-src timeout %ds : ct reply ip daddr . ct reply proto-dst }" % t,
                    o + "@adf { ct original ip daddr . meta l4proto . ct reply proto-dst timeout %ds }" % t,
                    o + "@apdf { ct original ip daddr . ct original proto-dst . meta l4proto . ct reply proto-dst timeout %ds }" % t]
                learn += [p + "meta l4proto %s ct direction reply update " % proto +
                          "@eim_in { meta l4proto . ct original proto-dst timeout %ds : ct reply ip saddr . ct reply proto-src }" % t,
                          p + "meta l4proto %s ct direction reply update " % proto +
                          "@eim_out { ct reply ip saddr . meta l4proto . ct reply proto-src timeout %ds : ct original ip daddr . ct original proto-dst }" % t]
        if hp:      # hairpinned packets pass the same filter as packets from outside
            h = 'iifname "lan*" oifname "lan*" ct status dnat ct state new ' + T
            if s.nat == "addr-restricted":
                learn += [h + "ct reply ip daddr . meta l4proto . ct original proto-dst != @adf drop"]
            elif s.nat != "fullcone":
                learn += [h + "ct reply ip daddr . ct reply proto-dst . meta l4proto . ct original proto-dst != @apdf drop"]
    elif s.nat == "symmetric-random":
        post += ['oifname "wan" ' + T + "masquerade to :1024-65535 fully-random", 'oifname "wan" masquerade']
    elif s.nat == "symmetric-block":
        ports = "%d-%d" % (BLOCK_BASE, BLOCK_BASE + BLOCK_COUNT - 1)
        post += ['oifname "wan" ' + T + "masquerade to :%s fully-random" % ports, 'oifname "wan" masquerade']
    elif s.nat == "symmetric-seq":
        seq = ", ".join("%d : %s . %d" % (i, wan_ip, SEQ_BASE + i) for i in range(SEQ_COUNT))
        post += ['oifname "wan" ' + T + "snat ip to numgen inc mod %d map { %s }" % (SEQ_COUNT, seq),
                 'oifname "wan" masquerade']
    else:
        post += ['oifname "wan" masquerade']

    # miniupnpd fills these chains, and miniupnpd in nl_fw; its mappings come before what the site's kind says
    upnp = """table inet nl_upnp {
  chain prerouting { type nat hook prerouting priority dstnat - 1; policy accept; jump prerouting_miniupnpd; }
  chain postrouting { type nat hook postrouting priority srcnat - 1; policy accept; jump postrouting_miniupnpd; }
  chain prerouting_miniupnpd { }
  chain postrouting_miniupnpd { }
}
""" if s.upnp else ""

    def chain(name, head, rules):
        return "  chain %s { %s\n%s  }\n" % (name, head, "".join("    %s\n" % r for r in rules))

    out = "flush ruleset\ntable inet nl_fw {\n" + ("  chain miniupnpd { }\n" if s.upnp else "")
    out += chain("input", "type filter hook input priority filter; policy drop;", inp)
    out += chain("forward", "type filter hook forward priority filter; policy drop;", fwd)
    out += "}\ntable ip nl_nat {\n" + "".join("  %s\n" % d for d in decl)
    if pre:
        out += chain("pre", "type nat hook prerouting priority dstnat; policy accept;", pre)
    out += chain("post", "type nat hook postrouting priority srcnat; policy accept;", post)
    if learn:
        out += chain("learn", "type filter hook postrouting priority srcnat + 10; policy accept;", learn)
    return out + "}\n" + upnp
