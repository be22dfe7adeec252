"""A pipe between two nodes that carries a little all the time, so that every stall shows."""
import hashlib
import os
import threading
import time
from subprocess import DEVNULL, PIPE

EVERY = 0.02           # seconds between two pieces
PIECE = 1000           # bytes


class SteadyPipe:
    """Bytes from `teller` to `hearer` until close(); both ends keep a sha256."""

    def __init__(self, teller, hearer, service):
        self.inlet = hearer.popen("listen", service, "--allow", teller.id, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL)
        time.sleep(0.5)                      # `listen` says nothing when it stands
        self.outlet = teller.popen("pipe", hearer.id, service, stdin=PIPE, stdout=DEVNULL)
        self.sent, self.got = hashlib.sha256(), hashlib.sha256()
        self.bytes_sent = self.bytes_got = 0
        self.ended, self.error = threading.Event(), None
        self.flowing = threading.Event()
        self.flowing.set()
        self.arrivals = [time.monotonic()]   # moments at which anything came
        self.threads = [threading.Thread(target=t, daemon=True) for t in (self._tell, self._hear)]
        for thread in self.threads:
            thread.start()

    def _tell(self):
        try:
            while not self.ended.wait(EVERY):
                if not self.flowing.wait(EVERY):
                    continue
                piece = os.urandom(PIECE)
                self.outlet.stdin.write(piece)
                self.outlet.stdin.flush()
                self.sent.update(piece)
                self.bytes_sent += len(piece)
            self.outlet.stdin.close()
        except OSError as e:
            self.error = str(e)

    def _hear(self):
        while piece := self.inlet.stdout.read1(1 << 16):
            self.arrivals.append(time.monotonic())
            self.got.update(piece)
            self.bytes_got += len(piece)

    def pause(self):
        """Nothing is sent until resume()."""
        self.flowing.clear()

    def resume(self):
        self.flowing.set()

    def flows(self):
        return time.monotonic() - self.arrivals[-1] < 0.5

    def longest_stall(self, since):
        """The longest silence after that moment, one that still lasts included."""
        moments = [since] + [m for m in list(self.arrivals) if m > since] + [time.monotonic()]
        return max(b - a for a, b in zip(moments, moments[1:]))

    def close(self, within=20):
        """Ends it; None where every byte came through, else what is wrong."""
        self.ended.set()
        self.threads[0].join(within)
        self.threads[1].join(within)
        for end in (self.outlet, self.inlet):
            end.kill()
            end.wait(5)
        if self.error:
            return "the sender's end broke after %d bytes: %s" % (self.bytes_sent, self.error)
        if self.bytes_got != self.bytes_sent:
            return "%d bytes arrived of %d" % (self.bytes_got, self.bytes_sent)
        if self.got.digest() != self.sent.digest():
            return "sha256 differs between the two ends"
        return None
