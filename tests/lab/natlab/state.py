"""What outlives a lab's process: a state file per lab, and how a dead lab is cleared away.

A namespace is written into the state file before it is made, so that whatever happens
to the process that made it, the next lab on this machine finds it and removes it. Nothing
that no state file names is ever touched."""
import contextlib
import json
import os

from .netns import end_pids, namespaces, run, start_time

STATE_DIR = "/run/byway-lab"


def state_file(prefix):
    return "%s/%s.json" % (STATE_DIR, prefix)


def read_state(prefix):
    """The lab's state, or None where there is none that can be read."""
    try:
        with open(state_file(prefix)) as f:
            return json.load(f)
    except (OSError, ValueError):
        return None


def write_state(state):
    path = state_file(state["prefix"])
    with open(path + ".tmp", "w") as f:
        json.dump(state, f, indent=1)
    os.replace(path + ".tmp", path)


def abandoned(state):
    """Has the process that made this lab gone (or is it this one)? A kept lab is nobody's to clear."""
    owner = state.get("owner")
    return bool(owner) and (owner[0] == os.getpid() or start_time(owner[0]) != owner[1])


def sweep():
    """Clears away every lab whose process has died."""
    with contextlib.suppress(FileNotFoundError):
        for name in sorted(os.listdir(STATE_DIR)):
            prefix = name[:-len(".json")]
            state = read_state(prefix) if name.endswith(".json") else None
            if state and state["owner"][:1] != [os.getpid()] and abandoned(state):
                wipe(prefix)


def wipe(prefix, extra=()):
    """Ends the lab's processes by pid and removes its namespaces and files, whatever state it is in."""
    state = read_state(prefix) or {"nodes": {}}
    there = set(namespaces())
    mine = [n["ns"] for n in state["nodes"].values() if n["ns"] in there]
    pids = set(extra)
    for ns in mine:
        pids.update(int(pid) for pid in run(["ip", "netns", "pids", ns], check=False).stdout.split())
    end_pids(pids)
    for ns in mine:
        run(["ip", "netns", "del", ns], check=False)
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(STATE_DIR):
            if name == prefix + ".json" or name.startswith(prefix + "-"):
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(STATE_DIR, name))
