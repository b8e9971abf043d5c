"""A seccomp filter for a child: system calls that no kernel needs are refused with an error, none of them kills.

An error, because libraries try things that they can do without, and what Python reports can be told to the user. What
is not named here stays allowed: Numba compiles, threads start, files are read. Needs the package pyseccomp and the C
library libseccomp.
"""

from __future__ import annotations

import contextlib
import errno
import os
from typing import Any

_CLONE_THREAD = 0x00010000
_SET_DUMPABLE = 4

_OTHER_PROGRAMS = "execve execveat"
_NEW_PROCESSES = "fork vfork unshare setns sched_setaffinity"
_OTHER_PROCESSES = """ptrace process_vm_readv process_vm_writev process_madvise kcmp pidfd_open pidfd_getfd
    pidfd_send_signal tkill rt_sigqueueinfo rt_tgsigqueueinfo"""
_NETWORK = "socket bind listen connect accept accept4"
# of files that stay writable for their owner whatever Landlock says: it has no right for these
_FILE_MARKS = """chmod fchmod fchmodat chown fchown lchown fchownat setxattr lsetxattr fsetxattr removexattr
    lremovexattr fremovexattr utime utimes utimensat futimesat"""
# memory that no limit counts; ways round this very filter; the machine's own state
_BEYOND_LIMITS = "memfd_create memfd_secret shmget msgget io_uring_setup userfaultfd perf_event_open bpf"
_MACHINE = """mount umount2 pivot_root chroot mknod mknodat swapon swapoff reboot kexec_load init_module
    finit_module delete_module settimeofday clock_settime adjtimex clock_adjtime sethostname setdomainname quotactl
    acct syslog iopl ioperm add_key request_key keyctl personality setuid setgid setreuid setregid
    setresuid setresgid"""

_GROUPS = (_OTHER_PROGRAMS, _NEW_PROCESSES, _OTHER_PROCESSES, _NETWORK, _FILE_MARKS, _BEYOND_LIMITS, _MACHINE)
REFUSED = [name for group in _GROUPS for name in group.split()]


def why_not() -> str:
    """Why there can be no filter; empty where there can."""
    try:
        import pyseccomp  # noqa: F401, PLC0415 - an optional package, and importing it starts ldconfig
    except ImportError:
        return "the package pyseccomp is not installed (pip install 'evolve-kernels[hardening]')"
    except RuntimeError:
        return "the library libseccomp is not installed"
    return ""


def restrict() -> bool:
    """From here on this process, and all that it starts, is refused what is named above.

    Returns:
        Whether it is: False where a package is missing, or the system allows no filter.
    """
    if why_not():
        return False
    try:
        _filter(os.getpid()).load()
    except OSError:
        return False
    return True


def _filter(pid: int) -> Any:
    import pyseccomp as seccomp  # noqa: PLC0415

    made = seccomp.SyscallFilter(seccomp.ALLOW)
    refuse = seccomp.ERRNO(errno.EPERM)
    # threads of libraries that were loaded before are under it too
    made.set_attr(seccomp.Attr.CTL_TSYNC, 1)
    with contextlib.suppress(OSError):
        # before Linux 5.16 a filter switches speculative stores off, and with them the speed of what is measured
        made.set_attr(seccomp.Attr.CTL_SSB, 1)
    for name in REFUSED:
        number = seccomp.resolve_syscall(seccomp.Arch.NATIVE, name)
        if number != -1:  # one that this libseccomp does not know
            made.add_rule(refuse, number)
    made.add_rule(refuse, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, _CLONE_THREAD, 0))
    # its flags lie in memory, where a filter cannot look; without it the C library starts threads by clone
    made.add_rule(seccomp.ERRNO(errno.ENOSYS), "clone3")
    for name in ("kill", "tgkill"):  # abort() signals itself
        made.add_rule(refuse, name, seccomp.Arg(0, seccomp.NE, pid))
    made.add_rule(refuse, "prlimit64", seccomp.Arg(0, seccomp.NE, 0))
    # it would hide the memory from the parent's audit
    made.add_rule(refuse, "prctl", seccomp.Arg(0, seccomp.EQ, _SET_DUMPABLE))
    return made
