"""Runs a command and says how fast it was: megabytes of FILE (as it is at the end) a second, by the clock and by the processor, and the peak of its
memory. Ends as the command does; with 99 if it took more than LIMIT MiB (0: any). usage: measured.py NAME LIMIT FILE COMMAND..."""
import os, resource, subprocess, sys, time


def main(name, limit, path, *command):
    start = time.monotonic()
    status = subprocess.run(command).returncode
    wall = max(time.monotonic() - start, 0.001)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu, peak, size = max(used.ru_utime + used.ru_stime, 0.001), used.ru_maxrss / 1024, os.path.getsize(path) / 1e6
    print("# %-34s %6.0f MB in %5.1f s: %4.0f MB/s (%4.0f of the processor), at most %3.0f MiB of memory" % (name, size, wall, size / wall, size / cpu, peak))
    return status or (99 if int(limit) and peak > int(limit) else 0)


sys.exit(main(*sys.argv[1:]))
