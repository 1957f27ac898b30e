#!/usr/bin/env python3
"""Damages a store. usage: damage.py anywhere|older|end STORE SEED

anywhere: one to three segments, their headers and whole files included. older: not the last segment. end: the last segment, at any byte of its frames.
Prints what it did.
"""
import os, random, sys
from encoding import Bad
from segments import Frame, Log

HEADER = 1024 # bytes of both copies that are sure to be there


def records(rng, store, name):
    """One byte of each of some frames of one type; "": the store is too broken for that, or the segment has none."""
    try:
        log = Log(store)
    except Bad:
        return ""
    segment, by_type = next(s for s in log.segments if "%08d.seg" % s.number == name), {}
    at = segment.begin
    try:
        while True:
            f = Frame(segment, at, len(segment.data), log.identity.salt)
            by_type.setdefault(f.type, []).append(at)
            at += f.size
    except Bad:
        pass
    if not by_type:
        return ""
    kind = rng.choice(sorted(by_type))
    hit = rng.sample(by_type[kind], min(len(by_type[kind]), rng.choice([1, 3, 10])))
    with open(store + "/segments/" + name, "r+b") as f:
        for at in hit:
            f.seek(at + rng.randrange(32))
            byte = f.read(1)[0]
            f.seek(-1, os.SEEK_CUR)
            f.write(bytes([byte ^ 1 << rng.randrange(8)]))
    return "%s %d records of type %d" % (name, len(hit), kind)


def change(rng, path, kind, whole):
    """What was done to the file. whole: the header, too, may be cut off."""
    with open(path, "r+b") as f:
        data = f.read()
        frames, end = 2 * int.from_bytes(data[8:12], "little"), len(data.rstrip(b"\0"))
        if not HEADER <= frames < end:
            return "%s has no frames" % os.path.basename(path)
        at = rng.randrange(HEADER) if kind == "head" else rng.randrange(0 if kind == "cut" and whole else frames, end)
        if kind == "cut":
            f.truncate(at)
        else:
            n = min({"flip": 1, "head": 1, "zero": 4096, "rubbish": rng.choice([100, 7000, 70000])}[kind], len(data) - at)
            f.seek(at)
            f.write(bytes(n) if kind == "zero" else bytes([data[at] ^ 1 << rng.randrange(8)]) if n == 1 else rng.randbytes(n))
    return "%s %s at %d of %d" % (os.path.basename(path), kind, at, end)


def main():
    where, store, rng = sys.argv[1], sys.argv[2], random.Random(int(sys.argv[3]))
    folder, done = store + "/segments/", []
    names = sorted(os.listdir(folder))
    kinds = ["flip", "zero", "cut", "rubbish", "record", "record"] + {"anywhere": ["head", "gone"], "older": [], "end": ["cut"]}[where]
    candidates = {"anywhere": names, "older": names[:-1] or names, "end": names[-1:]}[where]
    for _ in range(1 if where == "end" else rng.choice([1, 1, 2, 3])):
        kind, name = rng.choice(kinds), rng.choice(candidates)
        if not os.path.exists(folder + name):
            continue
        if kind == "gone":
            os.unlink(folder + name)
            done.append(name + " gone")
        else:
            done.append(kind == "record" and records(rng, store, name) or change(rng, folder + name, "flip" if kind == "record" else kind, where == "anywhere"))
    print("; ".join(done))


main()
