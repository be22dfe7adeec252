"""A tcpdump on a host's public interface, for as long as the `with` lasts."""
import os
import subprocess
import time

import pcap
from scenario import Failed, Skip


class Capture:
    def __init__(self, lab, host, path):
        self.lab, self.host, self.path, self.process = lab, host, path, None

    def __enter__(self):
        words = ["tcpdump", "-i", self.lab.node(self.host).iface, "-n", "-p", "-U", "-s", "0", "-B", "16384", "-Z", "root",
                 "-w", self.path]
        try:
            self.process = self.lab.popen(self.host, words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        except OSError as e:
            raise Skip("no tcpdump here (%s)" % e) from e
        said = self.process.stderr.readline()        # "tcpdump: listening on wan, …" once it captures
        if "listening" not in said:
            self.process.kill()
            if "No such file" in said:
                raise Skip("no tcpdump here")
            raise Failed("tcpdump did not start: %s" % said.strip())
        return self

    def __exit__(self, *exc):
        self.stop()

    def stop(self):
        if self.process:
            time.sleep(0.3)                          # what is under way gets written
            self.process.terminate()
            self.process.wait(10)
            self.process.stderr.close()
            self.process = None

    def raw(self):
        with open(self.path, "rb") as f:
            return f.read()

    def packets(self):
        """Everything captured up to now."""
        return list(pcap.packets(self.raw())) if os.path.getsize(self.path) >= 24 else []
