"""Part of a reader of cubby stores that is written from FORMAT.md alone, never from src/.

This file: the state that the records of a store make (6), and the rows that an index must have of it (7.6).
"""
import message
from encoding import (HEADER_STORED_MAX, NUMBER_MAX, PIECE_MAX, STRUCTURE_MAX, Bad, Reader, content_hash, decompress, keynum, keywords, need, read_keywords,
                      read_ranges, signed, varint, words)
from segments import ANNOTATION, ENTRY, EXPUNGE, FLAGS, FLOORS, FOLDER, KEYWORD, MARK, OBJECT, PIECE, STORE, SUBSCRIPTION

LIVE, DISPLACED, DELETED = range(3)
SEEN, DELETED_FLAG, HAS_KEYWORDS = 1, 8, 0x20
UIDVALIDITY_LAST, LOST_MAX, DEPTH_MAX = (1 << 32) - (1 << 24) - 1, 1 << 26, 64
STRETCH, CONTENT = 1, 2


class Folder:
    def __init__(self, number):
        self.id, self.state, self.commit, self.parent, self.name = number, LIVE, 0, 0, None
        self.uidnext = self.recent = 1
        self.highest = self.created = self.tombstone_floor = 0
        self.messages, self.expunged = {}, {} # uid -> Message; (commit, first uid) -> last uid
        self.payload, self.uidvalidity, self.special = b"", 0, 0


class Message:
    pass


class Object:
    pass


class Piece:
    pass


def place(frame):
    return frame.segment, frame.offset, frame.len


class State:
    """sample: of every so many objects one is put together and compared with what 6.4 and 6.5 say of its bytes; 0: of none."""

    def __init__(self, log, sample=1):
        self.log, self.remarks, self.sample = log, log.remarks, sample
        self.floors = dict.fromkeys(FLOORS, 0)
        self.folders, self.names, self.keywords, self.keyword_numbers, self.subscriptions, self.annotations = {}, {}, {}, {}, {}, {}
        self.objects, self.pieces, self.bytes_of_segment = {}, {}, {}
        self.over_damage, self.compared = False, 0
        self.again = self.homeless = False
        self.handlers = {STORE: self.store, FOLDER: self.folder, MARK: self.mark, OBJECT: self.object, PIECE: self.piece, ENTRY: self.entry, FLAGS: self.flags,
                         EXPUNGE: self.expunge, KEYWORD: self.keyword, SUBSCRIPTION: self.subscription, ANNOTATION: self.annotation}

    def see(self, floor, *numbers):
        for n in numbers:
            need(n <= NUMBER_MAX, "number above NUMBER_MAX")
            self.floors[floor] = max(self.floors[floor], n)

    def apply(self, kind, commit, payload, frame=None):
        self.see("commit", commit)
        need(kind in self.handlers, "record of type %d", kind)
        r = Reader(payload)
        self.handlers[kind](commit, r, frame)
        if kind != PIECE:
            r.end()

    def apply_frames(self, frames):
        for f in frames:
            self.apply(f.type, f.commit, f.payload, f)

    def definitions(self, header):
        """Those that find no place are tried again behind the others."""
        left = header.definitions
        for _ in range(9):
            homeless = []
            for d in left:
                self.homeless = False
                self.apply(*d)
                if self.homeless:
                    homeless.append(d)
            if not homeless or self.again and len(homeless) == len(left):
                break
            self.again, left = True, homeless
        self.again = False
        for name, v in header.floors.items():
            self.see(name, v)

    def live(self):
        return {n: x for n, x in sorted(self.folders.items()) if x.state != DELETED}

    def live_folder(self, number, record):
        x = self.folders.get(number)
        if x is None or x.state == DELETED:
            self.remarks.damage("%s for folder %d, which is not there", record, number)
            return None
        return x

    # ---- damage

    def lose(self, records):
        """So many records may have stood in bytes that are lost."""
        for name in ("commit", "object", "piece", "folder", "thread"):
            self.floors[name] = min(self.floors[name] + records, NUMBER_MAX)
        self.floors["uidvalidity"] = max(self.floors["uidvalidity"], min(self.floors["uidvalidity"] + records, UIDVALIDITY_LAST))
        for x in self.live().values():
            x.uidnext = min(x.uidnext + records, 1 << 32)

    def stretch(self, length, top):
        self.see("commit", top)
        self.lose(min(length // 32 + 1, LOST_MAX))
        self.over_damage = True

    def damage(self, frame):
        r = Reader(frame.payload)
        kind, records = (r.byte(), r.varint()) if frame.len else (STRETCH, 2)
        need(1 <= kind <= 5 and not any(r.rest()), "DAMAGE")
        self.remarks.damage("segment %d, offset %d: DAMAGE of kind %d, %d records", frame.segment, frame.offset, kind, records)
        if kind == CONTENT:
            self.floors["piece"] = min(self.floors["piece"] + records, NUMBER_MAX)
        else:
            self.lose(records)

    # ---- handlers (6.2, 6.6)

    def store(self, commit, r, frame):
        need(r.take(16) == self.log.identity.account, "STORE: account")

    def folder(self, commit, r, frame):
        number, state = r.varints(2)
        need(number and state in (0, 1), "FOLDER: id or state")
        self.see("folder", number)
        if state == 0:
            parent, uidvalidity, special, attributes, created = r.varints(5)
            name, extension = r.counted(), r.counted()
            self.see("folder", parent)
            self.see("uidvalidity", uidvalidity)
            need(1 <= uidvalidity < 1 << 32 and special < 256 and 1 <= len(name) <= 255 and not attributes and not extension, "FOLDER: fields")
            name.decode("utf-8")
        x = self.folders.get(number)
        if x is not None and (x.state == DELETED or commit < x.commit):
            return
        if state == 1:
            self.delete(number, commit)
            return
        if x is None:
            x = self.folders[number] = Folder(number)
            x.highest = created or commit
        elif x.payload == r.data and (commit == x.commit and not self.again or x.state == LIVE and x.parent == parent):
            return
        x.commit, x.payload, x.uidvalidity, x.special, x.created = commit, bytes(r.data), uidvalidity, special, created or commit
        self.put(x, self.usable_parent(number, parent), name)

    def usable_parent(self, number, parent):
        """The top, if that folder is not there, lies below this one, or is too deep."""
        above, depth = parent, 0
        while above:
            depth += 1
            x = self.folders.get(above)
            if x is None or x.state == DELETED or above == number or depth >= DEPTH_MAX:
                self.remarks.damage("folder %d: parent %d", number, parent)
                self.homeless = True
                return 0
            above = x.parent
        return parent

    def put(self, x, parent, name):
        if x.name is not None:
            self.names.pop((x.parent, x.name), None)
        x.state = LIVE
        if self.names.get((parent, name), x.id) != x.id:
            self.remarks.damage("folder %d: its name has another", x.id)
            self.homeless = True
            name, x.state = name + b"~%d" % x.id, DISPLACED
        while x:
            x.parent, x.name = parent, name
            other, self.names[parent, name] = self.names.get((parent, name)), x.id
            x = self.folders[other] if other not in (None, x.id) else None
            if x:
                name, x.state = name + b"~%d" % x.id, DISPLACED

    def delete(self, number, commit):
        x = self.folders.setdefault(number, Folder(number))
        for uid in list(x.messages):
            self.remove(x, uid)
        if x.name is not None:
            self.names.pop((x.parent, x.name), None)
        x.state, x.commit, x.expunged = DELETED, commit, {}
        for child in [c for c in self.live().values() if c.parent == number]:
            self.remarks.damage("folder %d: its parent is deleted", child.id)
            self.put(child, 0, child.name)
        self.annotations = {k: v for k, v in self.annotations.items() if k[0] != number}

    def mark(self, commit, r, frame):
        number, uidnext, highest, tombstone_floor, recent = r.varints(5)
        need(uidnext <= 1 << 32 and recent <= 1 << 32, "MARK: uids")
        self.see("folder", number)
        self.see("commit", highest)
        x = self.live_folder(number, "MARK")
        if x:
            x.uidnext, x.highest = max(x.uidnext, uidnext), max(x.highest, highest)
            x.tombstone_floor, x.recent = max(x.tombstone_floor, tombstone_floor), max(x.recent, recent)

    def piece(self, commit, r, frame):
        self.see("piece", frame.piece)
        need(frame.kind in (0, 1) and frame.codec < 3, "PIECE: kind or codec")
        if not frame.intact:
            self.remarks.damage("piece %d: its content is damaged", frame.piece)
        if frame.piece in self.pieces:
            self.remarks.damage("piece %d again", frame.piece)
            return
        p = self.pieces[frame.piece] = Piece()
        p.frame, p.place, p.references = frame, place(frame), 0

    def object(self, commit, r, frame):
        o = self.read_object(r)
        o.place, o.stored, o.entries = place(frame), frame.size, 0
        if o.id in self.objects:
            self.remarks.damage("object %d again", o.id)
            return
        self.objects[o.id] = o
        for i in o.named:
            p = self.pieces.get(i)
            if p is None:
                self.remarks.damage("object %d: piece %d is not there", o.id, i)
                continue
            if not p.references:
                o.stored += p.frame.size
            p.references += 1
        self.count_bytes(o, "retained", o.stored)
        if self.sample and o.id % self.sample == 0:
            self.compare(o)

    def read_object(self, r):
        o = Object()
        o.id, o.thread = r.varints(2)
        what = r.byte()
        o.eol, o.traits, o.sent = what & 3, what >> 2 & 31, r.signed() if what & 128 else None
        o.size, o.grown = r.varints(2)
        o.hash, o.behind, list_len = r.take(16), r.varint(), r.varint()
        list_stored = r.varint() if list_len else 0
        o.rest_len = r.varint()
        o.rest = r.varint() if o.rest_len else 0
        structure_len = r.varint()
        structure_stored = r.varint() if structure_len else 0
        runs_len, piece_count = r.varints(2)
        need(1 <= o.id and o.size < 1 << 62 and o.grown <= o.size, "OBJECT: id or size")
        o.stored_header = list_len + o.rest_len
        need(o.stored_header <= HEADER_STORED_MAX and o.rest_len <= PIECE_MAX and structure_len <= STRUCTURE_MAX, "OBJECT: lengths")
        need(o.stored_header + o.behind <= o.size, "OBJECT: behind")
        runs, o.runs = Reader(r.take(runs_len)), []
        while runs.left():
            o.runs.append(runs.varint())
        need(all(o.runs[1:]) and o.runs != [0] and sum(o.runs) == o.stored_header and sum(o.runs[::2]) == o.rest_len, "OBJECT: runs")
        o.list = decompress(list_stored & 3, r.take(list_stored >> 2), list_len) if list_len else b""
        o.structure = decompress(structure_stored & 3, r.take(structure_stored >> 2), structure_len) if structure_len else b""
        o.pieces = [(o.rest + r.signed(), r.varint(), r.varint()) for _ in range(piece_count)]
        need(all(i > 0 and 1 <= n <= PIECE_MAX and g <= n for i, n, g in o.pieces), "OBJECT: references")
        need(o.stored_header + sum(p[1] for p in o.pieces) == o.size and sum(p[2] for p in o.pieces) <= o.grown, "OBJECT: sums")
        o.named = ([o.rest] if o.rest_len else []) + [p[0] for p in o.pieces]
        self.see("object", o.id)
        self.see("thread", o.thread)
        self.see("piece", *o.named)
        return o

    def count_bytes(self, o, which, n):
        self.bytes_of_segment.setdefault(o.place[0], {"live": 0, "retained": 0})[which] += n

    def entry(self, commit, r, frame):
        m = Message()
        number, uid, m.object = r.varints(3)
        m.date, m.zone, m.saved, m.flags = r.signed(), r.signed(), r.signed(), r.byte()
        m.keywords, extension = read_keywords(r), r.counted()
        m.modseq = m.created = commit
        need(number and 1 <= uid < 1 << 32 and m.object and m.flags < 32 and not extension, "ENTRY: fields")
        self.see("folder", number)
        self.see("object", m.object)
        self.see("keyword", *m.keywords)
        x = self.folders.get(number) or self.make_up(number)
        if x.state == DELETED or not self.new_uid(x, uid, commit):
            return
        x.uidnext, x.highest, o = max(x.uidnext, uid + 1), max(x.highest, commit), self.objects.get(m.object)
        if o is None:
            self.remarks.damage("ENTRY: object %d is not there", m.object)
            return
        x.messages[uid] = m
        o.entries += 1
        if o.entries == 1:
            self.count_bytes(o, "retained", -o.stored)
            self.count_bytes(o, "live", o.stored)

    def make_up(self, number):
        self.remarks.damage("ENTRY of folder %d, which is not there", number)
        x, name = Folder(number), b"lost+found-%d" % number
        self.folders[number] = x
        x.uidvalidity = self.floors["uidvalidity"] + 1
        self.see("uidvalidity", x.uidvalidity)
        x.payload = b"".join(map(varint, (number, 0, 0, x.uidvalidity, 0, 0, 0, len(name)))) + name + varint(0)
        self.put(x, 0, name)
        return x

    def new_uid(self, x, uid, commit):
        if uid >= x.uidnext:
            return True
        if uid in x.messages:
            self.remarks.damage("ENTRY: folder %d has uid %d", x.id, uid)
            return False
        return not any(modseq >= commit and first <= uid <= last for (modseq, first), last in x.expunged.items())

    def uids_there(self, x, first, last):
        return [u for u in range(first, last + 1) if u in x.messages] if last - first < len(x.messages) else [u for u in x.messages if first <= u <= last]

    def flags(self, commit, r, frame):
        number, principal = r.varints(2)
        self.see("folder", number)
        x, seen = self.live_folder(number, "FLAGS"), []
        while r.left():
            flags, numbers = r.byte(), read_keywords(r)
            ranges = read_ranges(r, r.varint())
            need(flags < 32 and ranges, "FLAGS: run")
            self.see("keyword", *numbers)
            seen += ranges
            for m in [x.messages[u] for a, z in ranges for u in self.uids_there(x, a, z)] if x and not principal else []:
                if m.modseq <= commit:
                    m.flags, m.keywords, m.modseq = flags, numbers, commit
        seen.sort()
        need(all(a[1] < b[0] for a, b in zip(seen, seen[1:])), "FLAGS: runs are not disjoint")
        if x:
            x.highest = max(x.highest, commit)

    def expunge(self, commit, r, frame):
        number = r.varint()
        r.signed() # the time
        self.see("folder", number)
        x, ranges = self.live_folder(number, "EXPUNGE"), read_ranges(r)
        if not x:
            return
        for first, last in ranges:
            for uid in self.uids_there(x, first, last):
                self.remove(x, uid)
            x.expunged[commit, first] = last
            x.uidnext = max(x.uidnext, last + 1)
        x.highest = max(x.highest, commit)

    def remove(self, x, uid):
        o = self.objects[x.messages.pop(uid).object]
        o.entries -= 1
        if not o.entries:
            self.count_bytes(o, "live", -o.stored)
            self.count_bytes(o, "retained", o.stored)

    def keyword(self, commit, r, frame):
        number, name = r.varint(), r.rest()
        need(1 <= number <= 1024 and 1 <= len(name) <= 255, "KEYWORD")
        self.see("keyword", number)
        if number not in self.keywords and name.lower() not in self.keyword_numbers:
            self.keywords[number] = (commit, name)
            self.keyword_numbers[name.lower()] = number

    def subscription(self, commit, r, frame):
        on, path = r.varint(), r.rest()
        need(on in (0, 1) and 2 <= len(path) <= 511 and path[-1] == 0 and b"\0\0" not in path, "SUBSCRIPTION")
        if on:
            self.subscriptions.setdefault(path, commit)
        else:
            self.subscriptions.pop(path, None)

    def annotation(self, commit, r, frame):
        number, principal = r.varints(2)
        entry, state = r.counted(), r.varint()
        value = r.rest() if state else b""
        need(2 <= len(entry) <= 200 and entry[:1] == b"/" and entry == entry.lower() and state in (0, 1) and len(value) <= 1000, "ANNOTATION")
        self.see("folder", number)
        if number:
            x = self.live_folder(number, "ANNOTATION")
            if not x:
                return
            x.highest = max(x.highest, commit)
        if state:
            self.annotations[number, principal, entry] = (commit, value)
        else:
            self.annotations.pop((number, principal, entry), None)

    # ---- messages

    def content(self, i, length, kind):
        f = self.pieces[i].frame
        need(f.intact and f.kind == kind and f.original == length, "piece %d: content, kind or length", i)
        out = decompress(f.codec, f.payload, length)
        need(content_hash(out) == f.hash, "piece %d: PIECE_HASH", i)
        return out

    def message_bytes(self, o):
        """The message, put together. Bad or KeyError: it cannot be."""
        rest, out, at = self.content(o.rest, o.rest_len, 1) if o.rest_len else b"", [], [0, 0]
        for k, n in enumerate(o.runs):
            out.append((rest, o.list)[k & 1][at[k & 1]:at[k & 1] + n])
            at[k & 1] += n
        data = b"".join(out + [self.content(i, n, 0) for i, n, _ in o.pieces])
        need(len(data) == o.size and content_hash(data) == o.hash, "object %d: hash", o.id)
        return data

    def compare(self, o):
        """What the store says of a message, beside what follows from its bytes."""
        try:
            data = self.message_bytes(o)
        except (Bad, KeyError) as e:
            self.remarks.damage("object %d: the message: %s", o.id, e)
            return
        stored = message.stored_header_length(data)
        group, rest, runs = message.groups(data[:stored])
        derived = {"eol, traits, grown": message.traits(data), "header": message.header_length(data), "stored_header": stored, "list": group, "runs": runs,
                   "pieces": self.cut(data, stored)}
        said = {"eol, traits, grown": (o.eol, o.traits, o.grown), "header": o.stored_header + o.behind, "stored_header": o.stored_header, "list": o.list,
                "runs": o.runs, "pieces": [p[1:] for p in o.pieces]}
        for name, v in derived.items():
            if said[name] != v:
                self.remarks.fault("object %d: %s: %.200r, derived %.200r", o.id, name, said[name], v)
        self.compare_structure(o, data)
        self.compared += 1

    def cut(self, data, at):
        return [(len(data[p:p + PIECE_MAX]), message.grown(data[p - 1:p] if p else b"", data[p:p + PIECE_MAX])) for p in range(at, len(data), PIECE_MAX)]

    def compare_structure(self, o, data):
        try:
            said = message.read_structure(o.structure, o.size, o.stored_header + o.behind)
        except Bad as e:
            self.remarks.fault("object %d: %s", o.id, e)
            return
        parts = message.parse(data)
        derived = message.described(data, parts)
        if said != derived:
            first = next((i for i, (a, b) in enumerate(zip(said, derived)) if a != b), min(len(said), len(derived)))
            self.remarks.fault("object %d: structure: %d parts, derived %d; part %d: %.300r, derived %.300r", o.id, len(said), len(derived), first,
                               said[first:first + 1], derived[first:first + 1])
        elif message.encode(data, parts) != o.structure:
            self.remarks.fault("object %d: structure: another encoding", o.id)

    # ---- rows (7.6)

    def size(self, m):
        o = self.objects[m.object]
        return o.size + o.grown

    def counters(self, x):
        """Messages, unseen, deleted, bytes, deleted bytes."""
        ms = x.messages.values()
        deleted = [m for m in ms if m.flags & DELETED_FLAG]
        return len(ms), sum(not m.flags & SEEN for m in ms), len(deleted), sum(map(self.size, ms)), sum(map(self.size, deleted))

    def rows(self):
        out = {}
        if self.over_damage:
            out[b"\x01\x01"] = b"\x01"
        if any(self.floors.values()):
            out[b"\x01"] = words(*(self.floors[name] for name in FLOORS))
        for n, b in self.bytes_of_segment.items():
            out[b"\x02" + keynum(n)] = varint(b["live"]) + varint(b["retained"])
        for x in self.folders.values():
            self.folder_rows(x, out)
        for n, (commit, name) in self.keywords.items():
            out[b"\x05" + keynum(n)] = varint(commit) + name
        for name, n in self.keyword_numbers.items():
            out[b"\x06" + name] = varint(n)
        for path, commit in self.subscriptions.items():
            out[b"\x07" + path] = varint(commit)
        for o in self.objects.values():
            out[b"\x20" + keynum(o.id)] = b"".join(map(varint, (*o.place, o.entries, o.stored, o.size + o.grown, o.size, o.thread))) + \
                (signed(o.sent) if o.sent is not None else b"")
        for i, p in self.pieces.items():
            out[b"\x28" + keynum(i)] = b"".join(map(varint, (*p.place, p.references, p.frame.original)))
        for (number, principal, entry), (commit, value) in self.annotations.items():
            out[b"\x32" + keynum(number) + keynum(principal) + entry] = varint(commit) + value
        return out

    def folder_rows(self, x, out):
        key, change = keynum(x.id), b"\x11" + keynum(0) + keynum(x.commit) + keynum(x.id)
        if x.state == DELETED:
            out[b"\x03" + key], out[change] = b"\x02" + varint(x.commit), b"\x81"
            return
        numbers = (x.commit, x.parent, x.uidnext, x.recent, x.highest, x.tombstone_floor, *self.counters(x))
        out[b"\x03" + key] = bytes([x.state]) + b"".join(map(varint, numbers)) + x.payload
        out[b"\x04" + keynum(x.parent) + x.name] = varint(x.id)
        out[change] = b"\x80" + varint(x.commit - x.created)
        for uid, m in x.messages.items():
            o, u = self.objects[m.object], uid.to_bytes(4, "big")
            flags, numbers = bytes([m.flags | (HAS_KEYWORDS if m.keywords else 0)]), keywords(m.keywords) if m.keywords else b""
            age = varint(m.modseq - m.created)
            dates = signed(m.date) + signed(m.zone) + signed(m.saved - m.date) + (signed(o.sent - m.date) if o.sent is not None else b"\0")
            out[b"\x10" + key + u] = flags + varint(m.modseq) + age + dates + b"".join(map(varint, (self.size(m), o.id, o.thread, *o.place))) + numbers
            out[b"\x11" + key + keynum(m.modseq) + u] = flags + age + numbers
            out[b"\x21" + keynum(o.id) + key + u] = b""
        for (commit, first), last in x.expunged.items():
            out[b"\x11" + key + keynum(commit) + first.to_bytes(4, "big")] = b"\x40" + varint(last - first)
