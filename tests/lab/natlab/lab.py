"""The lab: one core router, public hosts, and sites (a NAT router with LAN hosts behind it)."""
import atexit
import contextlib
import errno
import ipaddress
import os
import re
import signal
import socket
import subprocess
import threading
import time
from dataclasses import asdict
from itertools import permutations

from .compiled import compiled
from .model import NAT_KINDS, UPNP_KINDS, Link, Node, Site, as_link, rate_bits
from .netns import LabError, alive, end_pids, in_netns, ip_batch, load_rules, namespaces, offload_off, one_cpu, run, start_time, sysctl
from .rules import host_firewall, router_rules
from .state import STATE_DIR, abandoned, read_state, sweep, wipe, write_state

# miniupnpd maps nothing where the outside address is of a documentation block, so these routers get
# one of the unused first addresses of a real one; nothing leads out of the lab.
UPNP_NET = "11.0.0.%d"
CORE_GW = "192.0.2.1"                  # the core's address on every link
PROBE_IPS = ("203.0.113.250", "203.0.113.251")


def _base36(n):
    return (_base36(n // 36) if n >= 36 else "") + "0123456789abcdefghijklmnopqrstuvwxyz"[n % 36]


def _mac(link, end):
    return "02:4e:4c:%02x:%02x:%02x" % (link >> 8, link & 255, end)


class Lab:
    def __init__(self, prefix=None, ipv6=False, force=False, keep=False,
                 public_net="203.0.113.0/24", site_net="198.51.100.0/24"):
        """Creates the core at once, after clearing away labs whose process has died.
        prefix: names the namespaces; by default it is made of this process's id, so labs coexist.
        force: replace a living lab of the same prefix.  keep: outlive this process (the command line does)."""
        if os.geteuid() != 0:
            raise LabError("they need root")
        prefix = prefix or "bw" + _base36(os.getpid())
        if not re.fullmatch(r"[a-z0-9]{1,8}", prefix):
            raise LabError("prefix: 1-8 of a-z0-9")
        self.prefix, self.ipv6 = prefix, ipv6
        self.public_net, self.site_net = public_net, site_net
        self.nodes, self.sites = {}, {}
        self.counter = {"link": 0, "public": 9, "site": 9, "lan": 0, "cgn": 0}
        self.boxes = {}                 # node name -> delaybox pid
        self.daemons = {}               # site -> miniupnpd
        self._popen = []
        self._lock = threading.RLock()
        self._down = False
        os.makedirs(STATE_DIR, exist_ok=True)
        sweep()
        old = read_state(prefix)
        if old and not (force or abandoned(old)):
            raise LabError("a lab with prefix %s is up; take another prefix, or force" % prefix)
        if old:
            wipe(prefix)
        self.owner = [] if keep else [os.getpid(), start_time(os.getpid())]
        if not keep:
            atexit.register(self.down)
        core = self._node("core", "core", forward=True)
        core.ip = CORE_GW
        self._save()

    # ---- state -------------------------------------------------------------
    def _save(self):
        if self._down:
            return
        write_state(dict(prefix=self.prefix, owner=self.owner, ipv6=self.ipv6, public_net=self.public_net,
                         site_net=self.site_net, counter=self.counter, boxes=self.boxes,
                         nodes={k: asdict(v) for k, v in self.nodes.items()},
                         sites={k: asdict(v) for k, v in self.sites.items()}))

    @classmethod
    def load(cls, prefix="nl"):
        """Attach to a lab made by another process (it is not torn down at exit)."""
        st = read_state(prefix)
        if not st:
            raise LabError("no lab with prefix %s" % prefix)
        self = cls.__new__(cls)
        self.prefix = prefix
        for k in ("owner", "ipv6", "public_net", "site_net", "counter", "boxes"):
            setattr(self, k, st.get(k, []))
        self.nodes = {k: Node(**v) for k, v in st["nodes"].items()}
        self.sites = {k: Site(**v) for k, v in st["sites"].items()}
        self._popen, self._lock, self._down, self.daemons = [], threading.RLock(), False, {}
        return self

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.down()

    # ---- building blocks ----------------------------------------------------
    def _node(self, name, kind, forward=False, ipv6=False, **kw):
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}", name):
            raise LabError("bad name %r" % name)
        if name in self.nodes:
            raise LabError("%s exists already" % name)
        node = Node(name, "%s-%s" % (self.prefix, name), kind, **kw)
        if node.ns in namespaces():
            raise LabError("there is a namespace %s already, and it is not this lab's" % node.ns)
        self.nodes[name] = node
        self._save()                    # first on paper: see state.py
        run(["ip", "netns", "add", node.ns])
        v6 = ipv6 or (kind == "core" and self.ipv6)
        sc = {"net__ipv4__conf__all__rp_filter": 0, "net__ipv4__conf__default__rp_filter": 0,
              "net__ipv6__conf__all__disable_ipv6": 0 if v6 else 1,
              "net__ipv6__conf__default__disable_ipv6": 0 if v6 else 1,
              "net__ipv6__conf__default__accept_dad": 0, "net__ipv6__conf__all__accept_dad": 0,
              "net__ipv6__conf__default__accept_ra": 0, "net__ipv6__conf__all__accept_ra": 0}
        if forward:
            sc["net__ipv4__ip_forward"] = 1
            # a bridge in a router must not send bridged frames through ip nft hooks
            if os.path.exists("/proc/sys/net/bridge/bridge-nf-call-iptables"):
                sc["net__bridge__bridge-nf-call-iptables"] = 0
                sc["net__bridge__bridge-nf-call-ip6tables"] = 0
            if v6:
                sc["net__ipv6__conf__all__forwarding"] = 1
        with contextlib.suppress(FileNotFoundError):
            sysctl(node.ns, **sc)
        ip_batch(node.ns, "link set lo up")
        return node

    def _attach(self, node, up, ip, link, dev="wan", extra_ips=()):
        """veth from node's `dev` to the upstream router `up` (core or a CGN)."""
        i = self.counter["link"] = self.counter["link"] + 1
        upif = ("lan%d" if up.kind == "cgn" else "v%d") % i
        gw = CORE_GW if up.kind == "core" else self._cgn_gw(up)
        v6 = bool(node.ip6)
        node.iface, node.up_node, node.up_if, node.idx, node.ip = dev, up.name, upif, i, ip
        node.link = asdict(link)
        mac_n, mac_u = _mac(i, 2), _mac(i, 1)
        if link.needs_box():
            node.box = True
            dly = self._delay_ns()
            ip_batch(dly.ns, "link add a%d mtu 9000 type veth peer name %s address %s netns %s" % (i, dev, mac_n, node.ns),
                "link add b%d mtu 9000 type veth peer name %s address %s netns %s" % (i, upif, mac_u, up.ns),
                "link set a%d up" % i, "link set b%d up" % i)
        else:
            ip_batch(up.ns, "link add %s address %s type veth peer name %s address %s netns %s"
                     % (upif, mac_u, dev, mac_n, node.ns))
        lines = ["addr add %s/32 dev %s" % (a, dev) for a in (ip,) + tuple(extra_ips)]
        lines += ["link set %s mtu %d up" % (dev, link.mtu)]
        lines += ["neigh add %s lladdr %s dev %s nud permanent" % (gw, mac_u, dev)]     # no ARP over a slow link
        lines += ["route add %s dev %s" % (gw, dev), "route add default via %s dev %s src %s" % (gw, dev, ip)]
        if v6:
            lines += ["-6 addr add %s/64 dev %s nodad" % (node.ip6, dev), "-6 route add default via fe80::1 dev %s" % dev]
        ip_batch(node.ns, *[l for l in lines if not l.startswith("-6")])
        if v6:
            run(["ip", "-6", "-batch", "-"], node.ns, "\n".join(l[3:] for l in lines if l.startswith("-6")) + "\n")
        ip_batch(up.ns, "addr add %s/32 dev %s" % (gw, upif), "link set %s mtu %d up" % (upif, link.mtu),
            *["%s add %s %sdev %s%s" % (w, a, l, upif, p) for a in (ip,) + tuple(extra_ips)
              for w, l, p in (("route", "", ""), ("neigh", "lladdr %s " % mac_n, " nud permanent"))])
        if v6:
            run(["ip", "-6", "-batch", "-"], up.ns,
                 "addr add fe80::1/64 dev %s nodad\nroute add %s dev %s\n"
                 % (upif, ipaddress.ip_interface(node.ip6 + "/64").network, upif))
        self._apply_link(node, link, fresh=True)
        if up.kind == "cgn":
            self._one_at_a_time(self.sites[up.site])

    def _one_at_a_time(self, s):
        """A router that keeps maps of its own looks whether a port is free and takes it in two steps: no two packets
        from inside may be at that at once, or two hosts share a port."""
        if s.keeps_maps():
            one_cpu(self.nodes[s.gw].ns, "lan[0-9]*" if s.is_cgn else "p[0-9]*")

    def _cgn_gw(self, cgn_node):
        return str(next(ipaddress.ip_network(self.sites[cgn_node.site].lan).hosts()))

    def _delay_ns(self):
        return self.nodes.get("dly") or self._node("dly", "delay")

    def _alloc(self, what):
        net = ipaddress.ip_network(self.public_net if what == "public" else self.site_net)
        n = self.counter[what] = self.counter[what] + 1
        ip = str(net.network_address + n)
        if n >= net.num_addresses - 1 or (what == "public" and ip in PROBE_IPS):
            raise LabError("out of addresses in %s" % net)
        return ip

    # ---- links ---------------------------------------------------------------
    def _apply_link(self, node, link, fresh=False):
        up = self.nodes[node.up_node]
        if link.needs_box() or link.loss or link.up() or link.down():
            offload_off(node.ns, node.iface)
            offload_off(up.ns, node.up_if)
        for ns, dev, rate in ((node.ns, node.iface, link.up()), (up.ns, node.up_if, link.down())):
            if rate:
                bits = rate_bits(rate)
                burst = max(int(bits / 8 * 0.004), 2 * link.mtu + 100)
                run(["tc", "qdisc", "replace", "dev", dev, "root", "tbf", "rate", "%dbit" % bits,
                      "burst", str(burst), "latency", "%gms" % link.queue_ms], ns)
            elif not fresh:
                run(["tc", "qdisc", "del", "dev", dev, "root"], ns, check=False)
        if link.loss or not fresh:
            self._apply_loss(up)
        if node.box:
            self._delaybox(node, link)

    def _apply_loss(self, up):
        rules = []
        for n in self.nodes.values():
            loss = n.link.get("loss", 0) if n.up_node == up.name else 0
            if loss:
                dice = "" if loss >= 1 else "numgen random mod 1000000 < %d " % round(loss * 1000000)
                rules += ['iifname "%s" %sdrop' % (n.up_if, dice), 'oifname "%s" %sdrop' % (n.up_if, dice)]
        load_rules(up.ns, "table inet nl_loss\ndelete table inet nl_loss\ntable inet nl_loss {\n"
                   "  chain forward { type filter hook forward priority filter - 50; policy accept;\n    %s\n  }\n}\n" % "\n    ".join(rules))

    def _delaybox(self, node, link):
        conf = "%s/%s-box%d" % (STATE_DIR, self.prefix, node.idx)
        with open(conf, "w") as f:
            f.write("%d %d %d\n" % (link.delay_ms * 1000, link.jitter_ms * 1000, link.reorder * 1000000))
        pid = self.boxes.get(node.name)
        if pid and alive(pid):
            os.kill(pid, signal.SIGHUP)            # re-reads conf
            return
        exe = compiled(os.path.join(os.path.dirname(os.path.abspath(__file__)), "delaybox.c"))
        with in_netns(self.nodes["dly"].ns):
            p = subprocess.Popen([exe, "a%d" % node.idx, "b%d" % node.idx, conf], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, start_new_session=True)
        if p.stdout.readline().strip() != b"ready":
            raise LabError("delaybox did not start")
        p.stdout.close()
        self._popen.append(p)
        self.boxes[node.name] = p.pid

    def set_link(self, name, **changes):
        """Change delay/jitter/loss/rate of a node's or site's access link while it runs.
        (Delay can only be changed where the link was made with some delay > 0.)"""
        with self._lock:
            node = self._wan_node(name)
            link = Link(**{**node.link, **changes})
            if link.needs_box() and not node.box:
                raise LabError("%s was built without a delaybox; give it a small delay_ms at creation" % name)
            node.link = asdict(link)
            self._apply_link(node, link)
            self._save()

    def cut(self, a, b):
        """The core drops whatever goes between the two sites' (or hosts') public addresses."""
        self._cuts({frozenset((self.wan_ip(a), self.wan_ip(b)))})

    def mend(self):
        """Takes every cut back."""
        self._cuts(set())

    def _cuts(self, pairs):
        rules = ["ip saddr %s ip daddr %s drop" % way for pair in pairs for way in permutations(pair)]
        load_rules(self.nodes["core"].ns, "table inet nl_cut\ndelete table inet nl_cut\ntable inet nl_cut {\n"
                   "  chain forward { type filter hook forward priority filter - 60; policy accept;\n    %s\n  }\n}\n"
                   % "\n    ".join(rules))

    def _wan_node(self, name):
        if name in self.sites and self.sites[name].gw:
            return self.nodes[self.sites[name].gw]
        n = self.node(name)
        return n if n.up_node else self.nodes[self.sites[n.site].gw]

    # ---- public API: building --------------------------------------------------
    def add_public(self, name, fw=False, ip=None, link=None, ipv6=None):
        """A host with a public address.  fw: stateful firewall, unsolicited dropped."""
        with self._lock:
            v6 = self.ipv6 if ipv6 is None else ipv6
            node = self._node(name, "public", ipv6=v6)
            if v6:
                node.ip6 = "2001:db8:0:%x::2" % (self.counter["link"] + 1)
            self._attach(node, self.nodes["core"], ip or self._alloc("public"), as_link(link))
            if fw:
                load_rules(node.ns, host_firewall())
            self._save()
            return node

    def add_cgn(self, name, nat="port-restricted", hairpin=False, intra=False, udp_timeout=0, link=None, ip=None):
        """A carrier-grade NAT; give its name as upstream= of add_site."""
        with self._lock:
            n = self.counter["cgn"] = self.counter["cgn"] + 1
            s = Site(name, nat, name + "-gw", [], "100.64.%d.0/24" % n, hairpin=hairpin, intra=intra,
                     udp_timeout=udp_timeout, is_cgn=True, next_cust=9)
            return self._router(s, "cgn", self.nodes["core"], ip or self._alloc("site"), as_link(link))

    def add_customer(self, name, cgn, link=None):
        """A host right behind a carrier's NAT, without a router of its own, as phones are."""
        with self._lock:
            s = self.sites[cgn]
            s.next_cust += 1
            node = self._node(name, "host", site=cgn)
            self._attach(node, self.nodes[s.gw], str(ipaddress.ip_network(s.lan).network_address + s.next_cust), as_link(link))
            s.hosts.append(name)
            self._save()
            return node

    def add_site(self, name, nat="port-restricted", hosts=1, hairpin=False, upstream=None, lan=None,
                 udp_timeout=0, ipv6=None, v6_open=False, wan_reject=False, wan_accept=False, block="drop",
                 upnp="", link=None, ip=None):
        """A NAT router and its LAN hosts <name>-1..<name>-N.  With nat public/public-fw
        there is no router: the hosts themselves have public addresses.
        upnp: one of UPNP_KINDS; nat="upnp" is short for port-restricted with it."""
        with self._lock:
            if nat == "upnp":
                nat, upnp = "port-restricted", upnp or "on"
            if upnp and upnp not in UPNP_KINDS:
                raise LabError("unknown upnp kind %r; one of %s" % (upnp, ", ".join(UPNP_KINDS)))
            if upnp and not ip and not upstream:
                self.counter["upnp"] = self.counter.get("upnp", 9) + 1
                ip = UPNP_NET % self.counter["upnp"]
            if nat not in NAT_KINDS:
                raise LabError("unknown nat kind %r; one of %s" % (nat, ", ".join(NAT_KINDS)))
            if nat in ("public", "public-fw"):
                s = Site(name, nat, "", [], "")
                self.sites[name] = s
                for i in range(1, hosts + 1):
                    h = self.add_public("%s-%d" % (name, i), fw=nat == "public-fw", ip=ip or self._alloc("site"),
                                        link=link, ipv6=ipv6)
                    h.site = name
                    s.hosts.append(h.name)
                self._save()
                return s
            if lan is None:
                self.counter["lan"] += 1
                lan = "192.168.%d.0/24" % self.counter["lan"]
            up = self.nodes[self.sites[upstream].gw] if upstream else self.nodes["core"]
            if upstream and not ip:
                cgn = self.sites[upstream]
                cgn.next_cust += 1
                ip = str(ipaddress.ip_network(cgn.lan).network_address + cgn.next_cust)
            s = Site(name, nat, name + "-gw", [], lan, hairpin=hairpin, udp_timeout=udp_timeout,
                     upstream=upstream or "core", ipv6=(self.ipv6 if ipv6 is None else ipv6) and not upstream,
                     v6_open=v6_open, wan_reject=wan_reject, wan_accept=wan_accept, block=block, upnp=upnp)
            self._router(s, "gw", up, ip or self._alloc("site"), as_link(link))
            for _ in range(hosts):
                self.add_host(name)
            return s

    def _router(self, s, kind, up, ip, link):
        self.sites[s.name] = s
        gw = self._node(s.gw, kind, forward=True, ipv6=s.ipv6, site=s.name)
        if s.ipv6:
            if not self.ipv6:
                raise LabError("make the Lab with ipv6=True")
            i = self.counter["link"] + 1
            gw.ip6, s.lan6 = "2001:db8:0:%x::2" % i, "2001:db8:%x:1::/64" % i
        load_rules(gw.ns, router_rules(s, ip, link.mtu))         # firewall before the link
        sysctl(gw.ns, net__netfilter__nf_conntrack_timestamp=1)  # for expire()
        self._attach(gw, up, ip, link)
        if s.udp_timeout:
            sysctl(gw.ns, net__netfilter__nf_conntrack_udp_timeout=s.udp_timeout,
                    net__netfilter__nf_conntrack_udp_timeout_stream=s.udp_timeout)
        if kind == "gw":
            net = ipaddress.ip_network(s.lan)
            ip_batch(gw.ns, "link add lan type bridge forward_delay 0 mcast_snooping 0", "addr add %s/%d brd + dev lan"
                % (next(net.hosts()), net.prefixlen), "link set lan up")
            if s.ipv6:
                run(["ip", "-6", "addr", "add", s.lan6.replace("::/", "::1/"), "dev", "lan", "nodad"], gw.ns)
                run(["ip", "-6", "route", "add", s.lan6[:-len(":1::/64")] + "::/48", "via", gw.ip6, "dev", gw.up_if], up.ns)
        if s.upnp:
            self._start_upnp(s)
        self._save()
        return s

    def _start_upnp(self, s):
        """miniupnpd on the router's inside. For IPv6 what it opens is the forward chain."""
        gw = self.nodes[s.gw]
        base = "%s/%s-upnp-%s" % (STATE_DIR, self.prefix, s.name)
        with open(base + ".conf", "w") as f:
            f.write("ext_ifname=wan\nlistening_ip=lan\nhttp_port=5000\nenable_natpmp=%s\nenable_upnp=%s\n%s"
                    "min_lifetime=10\nmax_lifetime=86400\nsecure_mode=yes\nipv6_disable=%s\nsystem_uptime=no\n"
                    "notify_interval=30\nclean_ruleset_interval=600\nuuid=6e6c0000-0000-4000-8000-%012x\n"
                    "upnp_table_name=nl_fw\nupnp_nat_table_name=nl_upnp\nupnp_forward_chain=miniupnpd\n"
                    "upnp_nat_chain=prerouting_miniupnpd\nupnp_nat_postrouting_chain=postrouting_miniupnpd\n"
                    "%sallow 1-65535 %s 1-65535\ndeny 0-65535 0.0.0.0/0 0-65535\n"
                    % ("no" if s.upnp == "igd" else "yes", "no" if s.upnp in ("pcp", "nat-pmp") else "yes",
                       "ext_ifname6=wan\n" if s.ipv6 else "", "no" if s.ipv6 else "yes", gw.idx, "ext_ip=11.99.99.99\n" if s.upnp == "lies" else "", s.lan))
        try:
            with in_netns(gw.ns), open(base + ".log", "w") as log:
                p = subprocess.Popen(["miniupnpd", "-d", "-f", base + ".conf", "-P", base + ".pid"],
                                     stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        except FileNotFoundError as e:
            raise LabError("miniupnpd is not installed; tools/deps installs it") from e
        self._popen.append(p)
        end = time.monotonic() + 3
        while time.monotonic() < end and p.poll() is None:      # until its SSDP or NAT-PMP port is bound
            with in_netns(gw.ns), open("/proc/thread-self/net/udp") as f:
                if (":076C " if s.upnp == "igd" else ":14E7 ") in f.read():
                    self.daemons[s.name] = p
                    return
            time.sleep(0.01)
        raise LabError("miniupnpd did not start; see %s.log" % base)

    def stop_upnp(self, site):
        """Ends the router's miniupnpd."""
        p = self.daemons.pop(site, None)
        if p:
            end_pids([p.pid])
            p.wait(2)

    def add_host(self, site):
        """One more LAN host at a site."""
        with self._lock:
            s = self.sites[site]
            node = self._node("%s-%d" % (site, s.next_host), "host", ipv6=s.ipv6)
            self._join_lan(node, s)
            self._save()
            return node

    def _join_lan(self, node, s):
        gw = self.nodes[s.gw]
        net = ipaddress.ip_network(s.lan)
        k = s.next_host
        s.next_host += 1
        node.site, node.iface = s.name, "eth0"
        node.ip = str(net.network_address + 100 + k)
        ip_batch(gw.ns, "link add p%d type veth peer name eth0 netns %s" % (k, node.ns),
            "link set p%d master lan up" % k)
        ip_batch(node.ns, "addr add %s/%d brd + dev eth0" % (node.ip, net.prefixlen), "link set eth0 up",
            "route add default via %s" % next(net.hosts()))
        if s.ipv6:
            node.ip6 = s.lan6.replace("::/64", "::%x" % (0x100 + k))
            run(["ip", "-6", "-batch", "-"], node.ns, "addr add %s/64 dev eth0 nodad\nroute add default via %s\n"
                 % (node.ip6, s.lan6.replace("::/64", "::1")))
        else:
            node.ip6 = ""
        self._one_at_a_time(s)
        s.hosts.append(node.name)

    # ---- public API: using -----------------------------------------------------
    def node(self, name) -> Node:
        """Node by name; a site's name means its first host."""
        if name in self.nodes:
            return self.nodes[name]
        if name in self.sites and self.sites[name].hosts:
            return self.nodes[self.sites[name].hosts[0]]
        raise LabError("no host %r; there are: %s" % (name, " ".join(self.nodes)))

    def ip(self, name):
        return self.node(name).ip

    def ip6(self, name):
        return self.node(name).ip6

    def wan_ip(self, name):
        """The public-side address of the site (or host's site) router, or the host's own."""
        return self._wan_node(name).ip

    def hosts(self):
        return [n.name for n in self.nodes.values() if n.kind in ("public", "host")]

    def argv(self, name, cmd):
        if isinstance(cmd, str):
            cmd = ["sh", "-c", cmd]
        return ["ip", "netns", "exec", self.node(name).ns] + [str(c) for c in cmd]

    def exec(self, name, cmd, timeout=None, check=False, **kw):
        """Run to completion in a host; returns CompletedProcess (text, captured)."""
        kw.setdefault("text", True)
        if "stdout" not in kw and "stderr" not in kw:
            kw.setdefault("capture_output", True)
        return subprocess.run(self.argv(name, cmd), timeout=timeout, check=check, **kw)

    def popen(self, name, cmd, **kw):
        """Start in a host; ended by down().  The Popen's pid is the command itself."""
        p = subprocess.Popen(self.argv(name, cmd), **kw)
        self._popen.append(p)
        return p

    def socket(self, name, type=socket.SOCK_DGRAM, bind=None, family=socket.AF_INET):
        """A Python socket living in a host's namespace."""
        with in_netns(self.node(name).ns):
            s = socket.socket(family, type)
        if type == socket.SOCK_STREAM:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if bind is not None:
            addr, tries = bind if isinstance(bind, tuple) else ("", bind), 20
            while True:         # another thread's fork can hold a just closed socket for a moment
                tries -= 1
                try:
                    s.bind(addr)
                    break
                except OSError as e:
                    if e.errno != errno.EADDRINUSE or not tries:
                        s.close()
                        raise
                    time.sleep(0.01)
        return s

    def flush(self, site):
        """Forget every mapping of a router (conntrack and tables), same address."""
        s = self.sites[site]
        gw = self.nodes[s.gw]
        load_rules(gw.ns, router_rules(s, gw.ip, gw.link["mtu"]))
        if s.is_cgn:
            self._apply_loss(gw)
        run(["conntrack", "-F"], gw.ns)

    def expire(self, site, after):
        """Forget the UDP mappings that are older than so many seconds, used or not."""
        gw = self.nodes[self.sites[site].gw]
        table = run(["conntrack", "-L", "-p", "udp", "-o", "ktimestamp"], gw.ns).stdout
        for age, flow in ((int(m[1]), line) for line in table.splitlines() if (m := re.search(r"delta-time=(\d+)", line))):
            if age >= after:
                tuple_ = re.search(r"src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)", flow)
                run(["conntrack", "-D", "-p", "udp", "-s", tuple_[1], "-d", tuple_[2], "--sport", tuple_[3], "--dport", tuple_[4]],
                    gw.ns, check=False)

    def reboot(self, site, new_ip=True, ip=None, outage=0):
        """NAT reboot: blackout for `outage` s, all mappings lost, and a new public
        address (unless new_ip=False).  Hosts keep running.  Returns the address."""
        with self._lock:
            s = self.sites[site]
            gw, up = self.nodes[s.gw], self.nodes[self.nodes[s.gw].up_node]
            old = gw.ip
            if outage:
                load_rules(gw.ns, "flush ruleset\ntable inet nl_fw {\n"
                           "  chain f { type filter hook forward priority 0; policy drop; }\n"
                           "  chain i { type filter hook input priority 0; policy drop; }\n}\n")
                time.sleep(outage)
            if ip or new_ip:
                if not ip and up.kind == "cgn":
                    cgn = self.sites[up.site]
                    cgn.next_cust += 1
                    ip = str(ipaddress.ip_network(cgn.lan).network_address + cgn.next_cust)
                new = ip or self._alloc("site")
                g = CORE_GW if up.kind == "core" else self._cgn_gw(up)
                ip_batch(gw.ns, "addr add %s/32 dev wan" % new, "addr del %s/32 dev wan" % old,
                    "route replace %s dev wan" % g, "route replace default via %s dev wan src %s" % (g, new))
                ip_batch(up.ns, "route del %s dev %s" % (old, gw.up_if), "route add %s dev %s" % (new, gw.up_if),
                    "neigh replace %s lladdr %s dev %s nud permanent" % (new, _mac(gw.idx, 2), gw.up_if))
                gw.ip = new
            self.flush(site)
            if s.upnp:
                self.stop_upnp(site)
                self._start_upnp(s)
            self._save()
            return gw.ip

    def set_nat(self, site, **changes):
        """Change nat kind / hairpin / udp_timeout / ... of a running router; mappings are lost."""
        with self._lock:
            s = self.sites[site]
            for k, v in changes.items():
                setattr(s, k, v)
            if "udp_timeout" in changes:
                t = s.udp_timeout
                sysctl(self.nodes[s.gw].ns, net__netfilter__nf_conntrack_udp_timeout=t or 30,
                        net__netfilter__nf_conntrack_udp_timeout_stream=t or 120)
            self.flush(site)
            self._one_at_a_time(s)
            self._save()

    def move(self, host, site):
        """Roam: a LAN host leaves its site and joins another; its processes keep running."""
        with self._lock:
            node, s = self.node(host), self.sites[site]
            if node.kind != "host":
                raise LabError("only LAN hosts can move")
            self.sites[node.site].hosts.remove(node.name)
            ip_batch(node.ns, "link del eth0")
            self._join_lan(node, s)
            self._save()

    def nft(self, name):
        return run(["nft", "list", "ruleset"], self._wan_node(name).ns).stdout

    def conntrack(self, name):
        return run(["conntrack", "-L"], self._wan_node(name).ns).stdout

    # ---- down --------------------------------------------------------------------
    def down(self):
        with self._lock:
            if self._down:
                return
            self._down = True
            wipe(self.prefix, extra=[p.pid for p in self._popen if p.poll() is None])
            for p in self._popen:
                with contextlib.suppress(Exception):
                    p.wait(timeout=1)
            atexit.unregister(self.down)
