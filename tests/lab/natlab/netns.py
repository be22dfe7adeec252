"""Network namespaces and the processes in them: the few system calls the lab is made of.

Everything here acts on a namespace named by the caller; nothing lists or changes the
namespace this program was started in."""
import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
import time


class LabError(RuntimeError):
    pass


_libc = ctypes.CDLL(None, use_errno=True)


def _setns(fd):
    if _libc.setns(fd, 0x40000000) != 0:           # CLONE_NEWNET
        e = ctypes.get_errno()
        raise OSError(e, "setns: " + os.strerror(e))


@contextlib.contextmanager
def in_netns(ns):
    """Run the body of the `with` in network namespace `ns` (this thread only).
    Sockets made inside stay in that namespace; so do child processes."""
    old = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        new = os.open("/run/netns/" + ns, os.O_RDONLY)
        try:
            _setns(new)
        finally:
            os.close(new)
        try:
            yield
        finally:
            _setns(old)
    finally:
        os.close(old)


def run(argv, ns=None, input=None, check=True):
    with (in_netns(ns) if ns else contextlib.nullcontext()):
        r = subprocess.run(argv, input=input, text=True, capture_output=True)
    if check and r.returncode:
        raise LabError("%s%s: %s%s" % ("[%s] " % ns if ns else "", " ".join(argv), r.stderr.strip(),
                                       "\n--- input:\n" + input if input else ""))
    return r


def ip_batch(ns, *lines):
    run(["ip", "-batch", "-"], ns, "\n".join(lines) + "\n")


def load_rules(ns, text):
    run(["nft", "-f", "-"], ns, text)


def sysctl(ns, **kv):
    """keys with '__' for '/': net__ipv4__ip_forward=1"""
    with in_netns(ns):
        for k, v in kv.items():
            with open("/proc/sys/" + k.replace("__", "/"), "w") as f:
                f.write(str(v))


def one_cpu(ns, devices):
    """What comes in by these devices (a shell pattern; those there are) is worked on by one processor, packet by packet (RPS)."""
    run(["ip", "netns", "exec", ns, "sh", "-c",
         'for queue in /sys/class/net/%s/queues/rx-*/rps_cpus; do test ! -e "$queue" || echo 1 > "$queue" || exit; done' % devices])


def offload_off(ns, dev):
    """No TSO/GSO/USO/checksum offload on dev: packets on the wire are MTU size
    and carry full checksums (needed by AF_PACKET forwarders, loss, shaping)."""
    with in_netns(ns), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for cmd in (0x1f, 0x24, 0x17, 0x2c):       # STSO SGSO STXCSUM SGRO
            val = ctypes.create_string_buffer(struct.pack("II", cmd, 0))
            req = struct.pack("16sP8x", dev.encode(), ctypes.addressof(val))
            with contextlib.suppress(OSError):
                fcntl.ioctl(s, 0x8946, req)        # SIOCETHTOOL


def namespaces():
    try:
        return sorted(os.listdir("/run/netns"))
    except FileNotFoundError:
        return []


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def end_pids(pids, grace=1.0):
    """SIGTERM, then SIGKILL what is left; by pid only."""
    pids = [p for p in pids if p != os.getpid() and alive(p)]
    for sig, wait in ((signal.SIGTERM, grace), (signal.SIGKILL, 1.0)):
        for p in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(p, sig)
        end = time.monotonic() + wait
        while pids and time.monotonic() < end:
            pids = [p for p in pids if alive(p)]
            if pids:
                time.sleep(0.01)
        if not pids:
            return


def start_time(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return int(f.read().rsplit(")", 1)[1].split()[19])
    except OSError:
        return 0
