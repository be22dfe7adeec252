"""Networks that have to do with one another, built into a lab: two hosts of one LAN, two customers of one
carrier, two NATs in a row, two households with IPv6. Each function returns the two hosts."""


def one_lan(lab, name, link, nat="port-restricted", hairpin=False, hosts=2):
    lab.add_site(name, nat=nat, hosts=hosts, hairpin=hairpin, link=link)
    return name + "-1", name + "-2"


def one_carrier(lab, name, link, hairpin=False, open_inside=False):
    """Two customers with routers of their own behind one carrier's NAT, which may send back in what they send out,
    or let its customers reach one another inside."""
    lab.add_cgn(name, hairpin=hairpin, intra=open_inside, link=link)
    for side in "lr":
        lab.add_site(name + side, upstream=name)
    return name + "l-1", name + "r-1"


def phones_of_one_carrier(lab, name, link):
    """Two customers without routers, who reach one another at the addresses that the carrier gave them."""
    lab.add_cgn(name, intra=True, link=link)
    for side in "lr":
        lab.add_customer(name + side, name)
    return name + "l", name + "r"


def two_nats_in_a_row(lab, name, link):
    """A customer of a carrier, and a household elsewhere."""
    lab.add_cgn(name + "isp", link=link)
    lab.add_site(name, upstream=name + "isp")
    lab.add_site(name + "far", nat="port-restricted", link=link)
    return name + "-1", name + "far-1"


def two_carriers(lab, name, link):
    """Customers of two carriers: two NATs in a row on both sides."""
    for side in "lr":
        lab.add_cgn("%sisp%s" % (name, side), link=link)
        lab.add_site(name + side, upstream="%sisp%s" % (name, side))
    return name + "l-1", name + "r-1"


def two_ipv6_firewalls(lab, name, link):
    """IPv6 behind firewalls that let in only answers, and IPv4 NATs that cannot be punched."""
    for side in "lr":
        lab.add_site(name + side, nat="symmetric-random", ipv6=True, link=link)
    return name + "l-1", name + "r-1"


def ipv4_and_ipv6(lab, name, link):
    """One household without IPv6, and one whose IPv4 was taken away."""
    lab.add_site(name + "old", nat="port-restricted", ipv6=False, link=link)
    lab.add_site(name + "new", nat="port-restricted", ipv6=True, link=link)
    lab.exec(name + "new-1", ["ip", "-4", "addr", "flush", "dev", "eth0"], check=True)
    return name + "old-1", name + "new-1"
