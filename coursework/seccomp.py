"""A filter of system calls for the sandbox: what a student's code never needs, and may not do.

It closes ways around the limits on memory (files in memory, file systems of one's own) and to
other processes. The kernel's classic BPF, as bubblewrap takes it.
"""

import platform
import struct

__all__ = ["program"]

# Numbers of the calls on each kind of machine, from the kernel's tables.
CALLS = {
    "memfd_create": (319, 279),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "mq_open": (240, 180),
}
SAME_EVERYWHERE = (425, 426, 427, 428, 429, 430, 431, 432, 433, 442, 447)  # io_uring, new mounts
CLONE = (56, 220)
CLONE3 = 435  # its flags lie in memory, where a filter cannot look; libc does without it
NEW_USER = 0x10000000
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}

LOAD, EQUAL, ABOVE, BITS, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # places in the kernel's record of a call
ALLOW, KILL, REFUSE, MISSING = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026


def _step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)


def program(machine: str | None = None) -> bytes | None:
    """The filter for this kind of machine, or None where the numbers are not known."""
    column, architecture = MACHINES.get(machine or platform.machine(), (None, 0))
    if column is None:
        return None
    steps = [
        _step(LOAD, ARCHITECTURE),
        _step(EQUAL, architecture, yes=1),
        _step(RETURN, KILL),
        _step(LOAD, NUMBER),
        _step(ABOVE, 0x40000000, no=1),  # another way to call on x86_64
        _step(RETURN, REFUSE),
        _step(EQUAL, CLONE3, no=1),
        _step(RETURN, MISSING),
    ]
    for number in (*(pair[column] for pair in CALLS.values()), *SAME_EVERYWHERE):
        steps += [_step(EQUAL, number, no=1), _step(RETURN, REFUSE)]
    steps += [
        _step(EQUAL, CLONE[column], no=3),
        _step(LOAD, FIRST_ARGUMENT),
        _step(BITS, NEW_USER, no=1),
        _step(RETURN, REFUSE),
        _step(RETURN, ALLOW),
    ]
    return b"".join(steps)
