#!/usr/bin/env python3
"""Reads a cubby store by FORMAT.md alone, never by src/, and compares: the rows of both index slots, every message's derived data, and what the program says
(dump, ls, scan, cat) with the state that the segments make.

usage: read.py [--allow repaired] [--allow damage] [--allow unclean] [--messages N] [--cubby PROGRAM] STORE
       read.py --check           what it needs is there (77: it is not), and the examples of FORMAT.md hold

--allow repaired: the store was damaged, and repaired: what damage explains is no fault. --allow damage: it was not repaired, so that bytes may be lost, too.
--allow unclean: a process was killed while it wrote.
--messages N: puts one of N messages together and derives all of it, 0: none (all). --cubby: compares with that program, too.
Prints what is not as it must be; exits 1 if there is anything. The last line counts what was compared.
"""
import argparse, collections, datetime, json, os, random, subprocess, sys
import message
from encoding import Bad, varint
from index import Tree, slots
from records import DELETED, State
from segments import FOLDER, KEYWORD, MARK, SUBSCRIPTION, Log

SYSTEM_FLAGS = ("\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft")
SPECIAL_USES = ("\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent", "\\Trash", "\\Important")
MANY = 4 # differences of one kind that are shown


# ---- the segments, beside the index

def check_definitions(state, segment):
    """A header repeats floors, live folders, keywords and subscriptions as they were."""
    header, remarks = segment.header, state.remarks
    want = [(FOLDER, x.commit, x.payload) for x in state.live().values()]
    want += [(MARK, x.highest, b"".join(map(varint, (x.id, x.uidnext, x.highest, x.tombstone_floor, x.recent)))) for x in state.live().values()]
    want += [(KEYWORD, c, varint(n) + name) for n, (c, name) in state.keywords.items()]
    want += [(SUBSCRIPTION, c, b"\1" + path) for path, c in state.subscriptions.items()]
    if sorted(want) != sorted(header.definitions):
        remarks.damage("segment %d: definitions: derived only %.300r, there only %.300r", segment.number, [d for d in want if d not in header.definitions],
                       [d for d in header.definitions if d not in want])
    if segment.number > 1 and any(v < state.floors[name] if name == "commit" else v != state.floors[name] for name, v in header.floors.items()):
        remarks.damage("segment %d: SEG_FLOORS %s, derived %s", segment.number, header.floors, state.floors)


def replay(log, sample, ends):
    """All records, from the first segment on. ends: (segment, offset) at which the rows are wanted. Gives the state and rows, commit, chain, ceiling there."""
    state, found = State(log, sample), {}

    def stop(segment, offset):
        if (segment.number, offset) in ends:
            found[segment.number, offset] = (state.rows(), *segment.edges[offset], log.ceiling)

    for what, segment, x in log.walk():
        if what == "header":
            check_definitions(state, segment)
            state.definitions(segment.header)
            stop(segment, segment.begin)
        elif what == "commit":
            state.apply_frames(x[0])
            state.see("commit", x[1].commit)
            stop(segment, x[1].offset + x[1].size)
        elif what == "proof":
            stop(segment, x.offset + x.size)
        elif what == "damage":
            state.apply_frames(x[0])
            state.damage(x[1])
        elif what == "stretch":
            state.apply_frames(x[0])
            state.stretch(x[1], x[2])
        elif what == "loose":
            state.apply_frames(x)
            state.over_damage = True
    return state, found


def compare_rows(remarks, slot, derived, there):
    differ = collections.Counter()
    for key in sorted(set(derived) | set(there)):
        if derived.get(key) != there.get(key):
            differ[key[0]] += 1
            if differ[key[0]] <= MANY:
                text = ["no row" if v is None else v.hex(" ")[:240] for v in (there.get(key), derived.get(key))]
                remarks.fault("slot %d: row %s: %s, derived %s", slot.number, key.hex(" ")[:120], *text)
    for space, n in differ.items():
        if n > MANY:
            remarks.fault("slot %d: keyspace %02x: %d rows differ", slot.number, space, n)


def compare_index(log, data, found, state_slots):
    """Rows compared in all."""
    count, valid = 0, [s for s in state_slots if not isinstance(s, str) and s and not s.label]
    for n, why in enumerate(state_slots):
        if isinstance(why, str):
            log.remarks.fault("index slot %d: %s", n, why)
    newest = max((s.seq for s in valid), default=0)
    for slot in valid:
        try:
            tree = Tree(data, log.identity.salt, slot)
        except Bad as e:
            if slot.seq == newest: # pages of an older one may have been used again
                log.remarks.fault("index slot %d: %s", slot.number, e)
            continue
        there = found.get((slot.segment, slot.segment_end))
        if there is None:
            log.remarks.damage("index slot %d: no commit ends at %d of segment %d", slot.number, slot.segment_end, slot.segment)
            continue
        rows, commit, chain, ceiling = there
        if (commit, chain, log.segments[slot.segment - 1].header.nonce) != (slot.commit, slot.chain, slot.segment_nonce):
            log.remarks.fault("index slot %d: commit, chain or nonce", slot.number)
        if slot.ceiling != ceiling:
            log.remarks.fault("index slot %d: META_CEILING %d, derived %d", slot.number, slot.ceiling, ceiling)
        compare_rows(log.remarks, slot, rows, tree.rows)
        count += len(rows)
    return count


# ---- what the program says

def line(**fields):
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False)


def component(name):
    return name.decode().replace("%", "%25").replace("/", "%2F")


def path_of(state, number):
    x = state.folders[number]
    return (path_of(state, x.parent) + "/" if x.parent else "") + component(x.name)


def dump(state):
    """The lines of `cubby dump`."""
    live = state.live()
    yield line(store="cubby", format=1, modseq=max(max(x.highest, x.commit) for x in live.values()))
    for n, x in live.items():
        count, unseen, deleted, size, deleted_size = state.counters(x)
        uses = " ".join(name for k, name in enumerate(SPECIAL_USES) if x.special >> k & 1)
        yield line(folder=n, parent=x.parent, name=x.name.decode(), uidvalidity=x.uidvalidity, uidnext=x.uidnext, special=uses or None, highestmodseq=x.highest,
                   messages=count, unseen=unseen, deleted=deleted, bytes=size, deleted_bytes=deleted_size, props_modseq=x.commit,
                   created=x.created, tombstone_floor=x.tombstone_floor, recent_uid=x.recent)
    for n, (_, name) in sorted(state.keywords.items()):
        yield line(keyword=n, name=name.decode())
    for path in sorted(state.subscriptions):
        yield line(subscribed="/".join(map(component, path[:-1].split(b"\0"))))
    for (n, _, entry), (_, value) in sorted(state.annotations.items()):
        if n: # the store's own are not shown
            yield line(annotation=n, entry=entry.decode(), value=value.decode())
    for n, x in live.items():
        for uid, m in sorted(x.messages.items()):
            o, zone = state.objects[m.object], datetime.timezone(datetime.timedelta(minutes=m.zone))
            date = datetime.datetime.fromtimestamp(m.date, zone).isoformat().replace("+00:00", "Z")
            flags = [name for k, name in enumerate(SYSTEM_FLAGS) if m.flags >> k & 1] + sorted(state.keywords[k][1].decode() for k in m.keywords)
            yield line(entry=[n, uid], object=o.id, hash=o.hash.hex(), size=o.size + o.grown, internaldate=date, flags=flags, modseq=m.modseq, created=m.created)
        yield from expunged_lines(n, x)


def expunged_lines(number, x):
    by_commit = {}
    for (commit, first), last in sorted(x.expunged.items()):
        ranges = by_commit.setdefault(commit, [])
        if ranges and ranges[-1][1] + 1 == first:
            ranges[-1] = (ranges[-1][0], last)
        else:
            ranges.append((first, last))
    for commit, ranges in by_commit.items():
        yield line(expunged=number, uids=",".join("%d" % a if a == z else "%d:%d" % (a, z) for a, z in ranges), modseq=commit)


class Program:
    def __init__(self, program, store, state):
        self.program, self.store, self.state, self.remarks = program, store, state, state.remarks

    def run(self, *arguments):
        return subprocess.run([self.program, *arguments], capture_output=True, timeout=60, check=False).stdout

    def objects(self, *arguments):
        return [json.loads(text) for text in self.run(*arguments).decode().splitlines()]

    def compare(self):
        said, derived = self.run("dump", self.store).decode().splitlines(), list(dump(self.state))
        if len(said) != len(derived):
            self.remarks.fault("dump: %d lines, derived %d", len(said), len(derived))
        for a, b in [(a, b) for a, b in zip(said, derived) if a != b][:MANY]:
            self.remarks.fault("dump: %s\n    derived %s", a, b)
        listed = {d["path"]: d for d in self.objects("ls", "--json", self.store)}
        for n, x in self.state.live().items():
            path, want = path_of(self.state, n), {"id": n, "uidnext": x.uidnext, "uidvalidity": x.uidvalidity, "messages": len(x.messages), "highestmodseq": x.highest}
            got = listed.pop(path, {})
            if {k: got.get(k) for k in want} != want:
                self.remarks.fault("ls: %s: %s, derived %s", path, got, want)
            if x.messages:
                self.compare_folder(path, x)
        if listed:
            self.remarks.fault("ls: more folders: %s", list(listed))

    def compare_folder(self, path, x):
        said = {d["uid"]: (d["modseq"], d["size"]) for d in self.objects("scan", "--json", self.store, path)}
        derived = {uid: (m.modseq, self.state.size(m)) for uid, m in x.messages.items()}
        if said != derived:
            self.remarks.fault("scan: %s: %.300s, derived %.300s", path, sorted(said.items() - derived.items()), sorted(derived.items() - said.items()))
        for uid in random.Random(x.id).sample(sorted(x.messages), min(2, len(x.messages))):
            o, out = self.state.objects[x.messages[uid].object], self.run("cat", self.store, path, str(uid))
            try:
                if out != self.state.message_bytes(o):
                    self.remarks.fault("cat: %s %d: other bytes", path, uid)
            except (Bad, KeyError) as e:
                self.remarks.damage("cat: %s %d: %s; the program gives %d bytes", path, uid, e, len(out))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--allow", action="append", default=[], choices=["repaired", "damage", "unclean"])
    parser.add_argument("--messages", type=int, default=1)
    parser.add_argument("--cubby")
    parser.add_argument("store", nargs="?")
    options = parser.parse_args()
    sys.setrecursionlimit(5000)
    message.selftest()
    if options.check:
        return 0
    log, index_path, data = Log(options.store), options.store + "/index", b""
    if os.path.exists(index_path):
        with open(index_path, "rb") as f:
            data = f.read()
    state_slots = slots(data, log.identity)
    ends = {(s.segment, s.segment_end) for s in state_slots if s and not isinstance(s, str)}
    state, found = replay(log, options.messages, ends)
    rows = compare_index(log, data, found, state_slots)
    if options.cubby:
        Program(options.cubby, options.store, state).compare()
    explained = {kind for a in options.allow for kind in {"repaired": ["damage"], "damage": ["damage", "lost"], "unclean": ["unclean"]}[a]}
    wrong = [text for kind, text in log.remarks.all if kind not in explained]
    for text in wrong[:40]:
        print("  " + text)
    print("%d segments, %d folders, %d messages, %d put together, %d rows%s" % (len(log.segments), sum(x.state != DELETED for x in state.folders.values()),
          sum(len(x.messages) for x in state.folders.values()), state.compared, rows, ", %d wrong" % len(wrong) if wrong else ""))
    return 1 if wrong else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Bad as e:
        print("  %s" % e)
        sys.exit(1)
