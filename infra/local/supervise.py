"""Runs one command so that nothing it starts outlives the program that asked for it.

usage: supervise.py [--log FILE] [--detached] -- COMMAND [ARGUMENT...]

Attached (the default), standard input is a pipe held by the asking program: when that program ends, however it ends,
the pipe closes and the command is stopped with every process it started, those in other sessions included. Detached,
the command runs until this process gets SIGTERM. In both cases the command gets SIGKILL should this process be killed.

Exit status: the command's own; 128 + signal number where a signal ended it; 127 where it could not be started.
"""

import argparse
import ctypes
import os
import select
import signal
import subprocess
import sys
import time

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
# Time that the command has to end by itself: the emulator stops its functions in less than a second.
GRACE_S = 5.0
ON_LINUX = sys.platform.startswith("linux")


def prctl(option, value):
    """Asks the kernel of Linux; elsewhere process groups have to do."""
    if ON_LINUX:
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def descendants(root):
    """Ids of the processes below `root`. Orphans are among them: this process is their subreaper."""
    children = {}
    for entry in os.listdir("/proc") if ON_LINUX else []:
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as stat:
                parent = int(stat.read().rpartition(")")[2].split()[1])
        except (OSError, IndexError, ValueError):
            continue  # ended while we looked
        children.setdefault(parent, []).append(int(entry))
    found, queue = [], [root]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def signal_all(group, number):
    """Sends `number` to the command's process group and to everything below this process."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        pass
    for pid in descendants(os.getpid()):
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            pass


def reap():
    """Collects ended children, so that `descendants` does not count zombies."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def stop(group):
    """Ends the command and all its descendants: asks, waits, insists."""
    signal_all(group, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_S
    while time.monotonic() < deadline:
        reap()
        if not (descendants(os.getpid()) if ON_LINUX else group_lives(group)):
            return
        time.sleep(0.05)
    for _ in range(20):
        signal_all(group, signal.SIGKILL)
        time.sleep(0.05)
        reap()
        if not descendants(os.getpid()):
            return


def group_lives(group):
    """Whether the process group still has a member."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def wait_for_end(child, watched):
    """Returns once the command ended, the asking program is gone, or a signal asks this process to end."""
    asked = []
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda got, _frame: asked.append(got))
    signal.signal(signal.SIGCHLD, lambda _got, _frame: None)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    while not asked and child.poll() is None:
        ready, _, _ = select.select([wake_read, *watched], [], [], 1.0)
        if wake_read in ready:
            os.read(wake_read, 4096)
        if any(fd in ready and not os.read(fd, 4096) for fd in watched):
            return


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--log", help="file that takes the command's output; without it the output is ours")
    parser.add_argument("--detached", action="store_true", help="do not watch standard input")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if not command:
        parser.error("no command")

    prctl(PR_SET_CHILD_SUBREAPER, 1)
    output = open(arguments.log, "ab") if arguments.log else None
    me = os.getpid()

    def die_with_parent():
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != me:
            os._exit(1)

    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
    except OSError as error:
        print(f"cannot start `{command[0]}`: {error.strerror}", file=sys.stderr)
        return 127

    wait_for_end(child, [] if arguments.detached else [0])
    status = child.poll()
    stop(child.pid)
    if status is None:
        status = child.returncode if child.returncode is not None else -signal.SIGTERM
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
