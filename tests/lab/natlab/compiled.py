"""Small C programs of the lab, compiled when first needed."""
import os

from .netns import run
from .state import STATE_DIR


def compiled(source):
    """Path of the program made from one C file; built again when the file is newer."""
    program = os.path.join(STATE_DIR, os.path.basename(source)[:-len(".c")])
    if not os.path.exists(program) or os.path.getmtime(program) < os.path.getmtime(source):
        os.makedirs(STATE_DIR, exist_ok=True)
        fresh = "%s.%d" % (program, os.getpid())
        run(["cc", "-O2", "-Wall", "-Wextra", "-o", fresh, source])
        os.replace(fresh, program)
    return program
