"""CPU time of processes, from /proc: user and system together, in seconds."""

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def of_process(pid: int) -> float:
    """What the process itself has used."""
    user, system, _, _ = _times(pid)
    return user + system


def of_family(pid: int) -> float:
    """What the process and all its children, living and gone, have used: all of PostgreSQL by its first process."""
    return sum(_times(pid)) + sum(of_process(child) for child in _children(pid))


def memory(pid: int) -> int:
    """Resident memory in bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _times(pid: int) -> tuple[float, float, float, float]:
    """utime, stime, cutime, cstime (proc_pid_stat(5)); zeros for a process that ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0, 0.0, 0.0, 0.0
    user, system, gone_user, gone_system = (int(field) / _TICKS for field in fields[11:15])
    return user, system, gone_user, gone_system


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
