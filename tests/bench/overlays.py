"""What others offer as tunnels, between the hosts `client` and `far` of a machine, where Debian's package is there.
Each is started with next to no configuration; returns the address of `far` inside, or None where it is missing."""
import json
import os
import shutil
import subprocess
import sys
import time


def wireguard(machine):
    if not shutil.which("wireguard-go") or not shutil.which("wg"):
        return None
    folder = machine.folder("wireguard")
    keys = {}
    for host in ("client", "far"):
        secret = subprocess.run(["wg", "genkey"], check=True, capture_output=True, text=True).stdout
        public = subprocess.run(["wg", "pubkey"], input=secret, check=True, capture_output=True, text=True).stdout
        with open(os.path.join(folder, host), "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(secret)
        keys[host] = public.strip()
    ends = {"client": ("far", 1, "10.77.1.2"), "far": ("client", 0, "10.77.1.1")}
    for host, (other, core, its_address) in ends.items():
        device = f"bywg{core}"
        machine.start(host, core, "wireguard-go", "-f", device, quiet=True)
        in_host = lambda *words: machine.run(host, None, *words)  # noqa: E731, B023
        wait_for_device(in_host, device)
        in_host("wg", "set", device, "listen-port", "7300", "private-key", os.path.join(folder, host), "peer",
                keys[other], "allowed-ips", "10.78.0.0/24", "endpoint", f"{its_address}:7300")
        in_host("ip", "addr", "add", f"10.78.0.{1 if host == 'client' else 2}/24", "dev", device)
        in_host("ip", "link", "set", device, "mtu", "1420", "up")
    return "10.78.0.2"


def nebula(machine):
    if not shutil.which("nebula") or not shutil.which("nebula-cert"):
        return None
    folder = machine.folder("nebula")
    cert = lambda *words: subprocess.run(["nebula-cert", *words], check=True, cwd=folder,  # noqa: E731
                                         stdout=subprocess.DEVNULL)
    cert("ca", "-name", "bench")
    for host, core, inside in (("far", 0, "10.79.0.2"), ("client", 1, "10.79.0.1")):
        cert("sign", "-name", host, "-ip", f"{inside}/24")
        config = {"pki": {key: os.path.join(folder, name) for key, name in
                          (("ca", "ca.crt"), ("cert", f"{host}.crt"), ("key", f"{host}.key"))},
                  "static_host_map": {"10.79.0.2": ["10.77.1.2:7301"]},
                  "lighthouse": {"am_lighthouse": host == "far", "hosts": [] if host == "far" else ["10.79.0.2"]},
                  "listen": {"host": "0.0.0.0", "port": 7301}, "tun": {"dev": f"byneb{core}", "mtu": 1300},
                  "firewall": {way: [{"port": "any", "proto": "any", "host": "any"}]
                               for way in ("outbound", "inbound")}}
        path = os.path.join(folder, f"{host}.json")
        with open(path, "w") as file:
            json.dump(config, file)  # YAML as well
        machine.start(host, core, "nebula", "-config", path, quiet=True)
    return "10.79.0.2" if answers(machine, "10.79.0.2") else None


def yggdrasil(machine):
    if not shutil.which("yggdrasil"):
        return None
    folder = machine.folder("yggdrasil")
    address = None
    for host, core in (("far", 0), ("client", 1)):
        made = subprocess.run(["yggdrasil", "-genconf", "-json"], check=True, capture_output=True, text=True).stdout
        config = json.loads(made) | {"IfName": f"byygg{core}", "AdminListen": "none", "MulticastInterfaces": [],
                                     "Listen": ["tcp://10.77.1.2:7302"] if host == "far" else [],
                                     "Peers": [] if host == "far" else ["tcp://10.77.1.2:7302"]}
        path = os.path.join(folder, host)
        with open(path, "w") as file:
            json.dump(config, file)
        if host == "far":
            address = subprocess.run(["yggdrasil", "-useconffile", path, "-address"], check=True, capture_output=True,
                                     text=True).stdout.strip()
        machine.start(host, core, "yggdrasil", "-useconffile", path, quiet=True)
    return address if answers(machine, address) else None


def wait_for_device(in_host, device):
    for _ in range(50):
        if f" {device}:" in in_host("ip", "-o", "link"):
            return
        time.sleep(0.1)
    raise RuntimeError(f"{device} did not come up")


# Nobody listens at the port: to be refused is to be heard.
KNOCK = """
import errno, socket, sys
kind = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.socket(kind) as knock:
    knock.settimeout(1)
    sys.exit(knock.connect_ex((sys.argv[1], 9)) != errno.ECONNREFUSED)
"""


def answers(machine, address):
    for _ in range(20):
        words = machine.words("client", None, [sys.executable, "-c", KNOCK, address])
        if subprocess.run(words, check=False).returncode == 0:
            return True
        time.sleep(0.5)
    return False


ALL = {"wireguard-go": wireguard, "nebula": nebula, "yggdrasil": yggdrasil}
