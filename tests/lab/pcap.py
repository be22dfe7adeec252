"""Reads what tcpdump wrote: the UDP datagrams of a capture on an Ethernet interface.

The format is the classic pcap file (24-byte header, then 16 bytes before each frame), in
the byte order and resolution its magic number tells."""
import ipaddress
import struct
from dataclasses import dataclass

MAGIC = {0xa1b2c3d4: 1e-6, 0xa1b23c4d: 1e-9}     # resolution of the stamps, in seconds
ETHERNET, IPV4, UDP, TCP = 1, 0x0800, 17, 6


@dataclass
class Packet:
    at: float            # seconds, wall clock
    proto: int           # IP protocol number
    source: tuple        # (address, port)
    target: tuple
    payload: bytes       # of UDP; for TCP everything after the IP header


def packets(raw):
    """The IPv4 UDP and TCP packets of a capture; a last frame cut short is left out."""
    for order in "<>":
        magic, = struct.unpack_from(order + "I", raw)
        if magic in MAGIC:
            break
    else:
        raise ValueError("not a capture file")
    if struct.unpack_from(order + "I", raw, 20)[0] != ETHERNET:
        raise ValueError("not a capture of an Ethernet interface")
    offset = 24
    while offset + 16 <= len(raw):
        seconds, fraction, length, _ = struct.unpack_from(order + "IIII", raw, offset)
        frame = raw[offset + 16:offset + 16 + length]
        if len(frame) < length:
            return
        offset += 16 + length
        found = _parse(seconds + fraction * MAGIC[magic], frame)
        if found:
            yield found


def _parse(at, frame):
    if len(frame) < 34 or struct.unpack_from("!H", frame, 12)[0] != IPV4:
        return None
    header = (frame[14] & 15) * 4
    ip = frame[14:14 + struct.unpack_from("!H", frame, 16)[0]]
    proto, rest = ip[9], ip[header:]
    if proto not in (UDP, TCP) or len(rest) < 8:
        return None
    sport, dport = struct.unpack_from("!HH", rest)
    return Packet(at, proto, (str(ipaddress.ip_address(ip[12:16])), sport), (str(ipaddress.ip_address(ip[16:20])), dport),
                  rest[8:] if proto == UDP else rest)
