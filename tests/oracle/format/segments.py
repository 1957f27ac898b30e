"""Part of a reader of cubby stores that is written from FORMAT.md alone, never from src/.

This file: identity, segments, frames and commits (3, 4, 5), and what a rebuild passes over where they are damaged (9, step 2).
"""
import os
from encoding import HEADER_STORED_MAX, NUMBER_MAX, PIECE_MAX, Bad, Reader, checksum, fixed, need, words

COMMIT, PROOF, STORE, FOLDER, MARK, OBJECT, PIECE, ENTRY, FLAGS, EXPUNGE, KEYWORD, SUBSCRIPTION, ANNOTATION, DAMAGE = *range(1, 13), 16, 21
FRAME_TYPES = set(range(1, 13)) | {ANNOTATION, DAMAGE}
FRAME_MAX, HEADER_MAX, PROOF_SIZE = 64 << 20, 4 << 20, 40
FLOORS = ("commit", "object", "piece", "folder", "keyword", "uidvalidity", "thread", "reserved")
REST = 5


class Remarks:
    """What a store has that it should not: faults; what damage explains; bytes that are lost and that no DAMAGE covers; what a process explains that was killed."""

    def __init__(self):
        self.all = []

    def add(self, kind, text, *values):
        self.all.append((kind, text % values if values else text))

    def fault(self, *what):
        self.add("fault", *what)

    def damage(self, *what):
        self.add("damage", *what)

    def lost(self, *what):
        self.add("lost", *what)

    def unclean(self, *what):
        self.add("unclean", *what)


class Identity:
    def __init__(self, block):
        need(block[:8] == b"cubbyid\n", "identity: magic")
        need(fixed(block, 80) == checksum(block[:80]), "identity: checksum")
        need(fixed(block, 8, 4) == 1 and fixed(block, 20, 4) == 0, "identity: version or features")
        self.block, self.uuid, self.account, self.salt = bytes(block), block[24:40], block[40:56], fixed(block, 56)


class SegmentHeader:
    """One copy."""

    def __init__(self, data, offset, copy, number, uuid):
        need(data[offset:offset + 8] == b"cubbyseg", "magic")
        self.len = n = fixed(data, offset + 8, 4)
        need(n and n % 512 == 0 and n <= HEADER_MAX and offset + n <= len(data), "length")
        b = self.raw = data[offset:offset + n]
        need(fixed(b, 12, 4) == copy and offset == copy * n, "copy number")
        need(fixed(b, 256) == checksum(b[264:], checksum(b[:256])), "checksum")
        self.identity = Identity(b[16:104])
        self.number, self.kind, self.nonce, self.pred = fixed(b, 104, 4), fixed(b, 108, 4), fixed(b, 112), fixed(b, 120, 4)
        need(self.identity.uuid == uuid and self.number == number and self.kind in (1, 2), "uuid, number or kind")
        self.pred_nonce, self.pred_end, self.last_commit, self.last_chain, self.proven, self.proven_commit = (fixed(b, o) for o in range(128, 176, 8))
        self.floors = {name: fixed(b, 176 + 8 * k) for k, name in enumerate(FLOORS)}
        need(max(self.last_commit, *self.floors.values()) <= NUMBER_MAX, "numbers")
        defs = 264 + fixed(b, 252, 4)
        need(fixed(b, 248, 4) == 0 and defs <= n, "ranges or definitions")
        r, self.definitions = Reader(b[264:defs]), []
        while r.left():
            self.definitions.append((r.byte(), r.varint(), r.counted()))
        self.zeros = not any(b[defs:]) and not any(b[124:128])


class Segment:
    """A file: its header, from either copy, and its bytes. edges: the offsets behind commits and PROOFs, with commit and chain."""

    def __init__(self, path, number, identity, remarks):
        with open(path, "rb") as f:
            self.data = f.read()
        found, wrong = None, []
        try:
            found = SegmentHeader(self.data, 0, 0, number, identity.uuid)
        except Bad as e:
            wrong.append(str(e))
        for at in [found.len] if found else range(512, min(len(self.data), HEADER_MAX) + 1, 512):
            if found or self.data[at:at + 8] == b"cubbyseg":
                try:
                    other = SegmentHeader(self.data, at, 1, number, identity.uuid)
                except Bad as e:
                    wrong.append(str(e))
                    continue
                if found and (found.raw[:12], found.raw[16:256], found.raw[264:]) != (other.raw[:12], other.raw[16:256], other.raw[264:]):
                    remarks.fault("segment %d: the copies of its header differ", number)
                found = found or other
                break
        need(found, "segment %d: no header: %s", number, wrong)
        if wrong:
            remarks.damage("segment %d: a copy of its header: %s", number, wrong[0])
        if not found.zeros:
            remarks.fault("segment %d: header: bytes that must be zero", number)
        if found.identity.block != identity.block:
            remarks.fault("segment %d: identity block", number)
        self.header, self.number, self.begin, self.proven = found, number, 2 * found.len, found.proven
        self.edges = {self.begin: (found.last_commit, found.last_chain)}
        if found.proven > len(self.data):
            remarks.damage("segment %d: shorter than SEG_PROVEN", number)


class BadContent(Bad):
    """A frame whose header is valid, and its content is not; size: of the whole."""

    def __init__(self, why, size):
        super().__init__(why)
        self.size = size


class Frame:
    """The frame at that offset of a segment; Bad says why there is none."""

    def __init__(self, segment, offset, end, salt):
        b = segment.data
        need(offset + 32 <= end, "ends early")
        self.len, self.type, self.flags, self.commit = fixed(b, offset, 4), b[offset + 4], b[offset + 5], fixed(b, offset + 8)
        head = 64 if self.type == PIECE else 32
        behind = offset + head + self.len
        need(self.len <= FRAME_MAX and behind <= end and self.commit <= NUMBER_MAX, "length or commit")
        seed = checksum(words(salt, segment.header.nonce, offset, self.commit))
        need(fixed(b, offset + 24) == checksum(b[offset:offset + 24] + b[offset + 32:offset + head], seed), "FRAME_HEADSUM")
        self.payload = b[offset + head:behind]
        self.size = (head + self.len + 7) // 8 * 8
        if self.type != PIECE and fixed(b, offset + 16) != checksum(self.payload, seed): # a PIECE's: see its content
            raise BadContent("FRAME_PAYSUM", self.size)
        self.segment, self.offset, self.head = segment.number, offset, b[offset:offset + head]
        self.tidy = not any(b[offset + 6:offset + 8]) and (head == 32 or not any(b[offset + 46:offset + 48]))
        self.padded = len(b) >= offset + self.size and not any(b[behind:offset + self.size])
        if self.type == PIECE:
            self.piece, self.original, self.codec, self.kind, self.hash = fixed(b, offset + 32), fixed(b, offset + 40, 4), b[offset + 44], b[offset + 45], \
                b[offset + 48:offset + 64]
            self.intact = fixed(b, offset + 16) == checksum(self.payload, seed)
            need(1 <= self.piece <= NUMBER_MAX, "PIECE_ID")
            need(self.original <= PIECE_MAX + HEADER_STORED_MAX, "PIECE_ORIG_LEN")


class Log:
    """Walks over all segments. walk() yields, in order:
    ("header", segment, None)
    ("commit", segment, (frames, COMMIT frame))
    ("proof", segment, PROOF frame)
    ("damage", segment, (frames before it that have no COMMIT, DAMAGE frame))
    ("stretch", segment, (frames before it that have no COMMIT, bytes, highest commit that later frames bear, or 0))
    ("loose", segment, frames without COMMIT at the end of a segment that has a successor)."""

    def __init__(self, path):
        self.remarks = Remarks()
        with open(path + "/cubby.id", "rb") as f:
            data = f.read()
        need(len(data) >= 12288, "cubby.id: %d bytes", len(data))
        blocks = []
        for at in (0, 4096):
            try:
                blocks.append(Identity(data[at:at + 88]))
            except Bad as e:
                self.remarks.damage("cubby.id, offset %d: %s", at, e)
        need(blocks, "no identity block")
        if blocks[0].block != blocks[-1].block:
            self.remarks.fault("cubby.id: the copies differ")
        self.identity = blocks[0]
        names = sorted(os.listdir(path + "/segments"))
        need(names == ["%08d.seg" % (k + 1) for k in range(len(names))], "segments/ has %s", names)
        self.segments = [Segment(path + "/segments/" + name, k + 1, self.identity, self.remarks) for k, name in enumerate(names)]
        self.commit = self.chain = self.ceiling = 0
        self.on_trust = False # the next COMMIT is taken at its word

    def frame(self, segment, offset, end):
        f = Frame(segment, offset, end, self.identity.salt)
        if not f.tidy or f.flags:
            self.remarks.fault("segment %d, offset %d: flags, or bytes that must be zero", segment.number, offset)
        if not f.padded:
            self.remarks.damage("segment %d, offset %d: padding is not zero, or not there", segment.number, offset)
        return f

    def next_frame(self, segment, at, end):
        """Where the next valid frame begins, from there on; None: nowhere. None begins in what is the content of another."""
        b = segment.data
        while at + 32 <= end:
            if b[at + 4] in FRAME_TYPES and b[at + 6:at + 8] == b"\0\0":
                try:
                    f = Frame(segment, at, end, self.identity.salt)
                    if f.type != PIECE or f.intact:
                        return at
                    at += f.size
                    continue
                except BadContent as bad:
                    at += bad.size
                    continue
                except Bad:
                    pass
            at += 8
        return None

    def accepted_end(self, k):
        """Of the k-th segment, and how much of that there is. None: it is the last one, all of it may count."""
        segment = self.segments[k]
        if k + 1 == len(self.segments):
            return None, len(segment.data)
        header = next((s.header for s in self.segments[k + 1:] if s.header.pred), self.segments[k + 1].header)
        if (header.pred, header.pred_nonce) != (segment.number, segment.header.nonce):
            self.remarks.damage("segment %d: its successor names predecessor %d", segment.number, header.pred)
            return len(segment.data) & ~7, len(segment.data)
        end = header.pred_end & ~7
        if header.pred_end % 8:
            self.remarks.damage("segment %d: SEG_PRED_END %d of its successor", segment.number, header.pred_end)
        if len(segment.data) < end:
            self.remarks.damage("segment %d: %d bytes, accepted end %d", segment.number, len(segment.data), end)
        return end, min(end, len(segment.data))

    def check_header(self, segment):
        header = segment.header
        if header.last_commit != self.commit:
            self.remarks.damage("segment %d: SEG_LAST_COMMIT %d, it was %d", segment.number, header.last_commit, self.commit)
        unknown = header.last_commit and not header.last_chain
        if header.last_chain != self.chain and not unknown:
            self.remarks.damage("segment %d: SEG_LAST_CHAIN", segment.number)
        self.on_trust = bool(unknown)
        self.commit, self.chain = max(self.commit, header.last_commit), header.last_chain

    def check_commit(self, segment, frames, f, begin):
        """What of a commit is not as it must be."""
        heads = b"".join(g.head for g in frames)
        chain = checksum(heads, checksum(words(self.identity.salt, segment.header.nonce, self.chain, len(heads))))
        rules = {"number": f.commit > self.commit, "numbers of its frames": all(g.commit == f.commit for g in frames),
                 "COMMIT_PREV": fixed(f.payload, 8) == self.commit, "COMMIT_BYTES": fixed(f.payload, 32) == f.offset - begin,
                 "COMMIT_CHAIN": fixed(f.payload, 0) == chain, "COMMIT_DURABLE": fixed(f.payload, 16) < f.commit, "COMMIT_CEILING": fixed(f.payload, 24) <= NUMBER_MAX}
        return [name for name, holds in rules.items() if not holds]

    def walk(self):
        for k, segment in enumerate(self.segments):
            yield from self.walk_segment(k, segment)

    def walk_segment(self, k, segment):
        accepted, end = self.accepted_end(k)
        self.check_header(segment)
        yield "header", segment, None
        at = begin = segment.begin
        frames, last_type = [], None
        while at < end or accepted and at < accepted:
            try:
                f = self.frame(segment, at, end)
            except Bad as why:
                if last_type == DAMAGE and rest_of_segment and at >= end:
                    break # the last DAMAGE says that the file ends here
                behind, lost, top = self.lost_bytes(segment, at, end, accepted)
                if behind is None and accepted is None:
                    break
                if behind is None and accepted - at == PROOF_SIZE and not frames and at >= segment.proven:
                    break # it may have been a PROOF that was never synced
                self.remarks.lost("segment %d, offset %d, %s bytes: %s", segment.number, at, "+".join(map(str, lost)), why)
                for n in lost:
                    yield "stretch", segment, (frames, n, top)
                    frames = []
                self.on_trust, last_type = True, None
                if behind is None:
                    at = begin = accepted
                    break
                at = begin = behind
                continue
            at, last_type = at + f.size, f.type
            if f.type == PROOF:
                self.proof(segment, f, frames)
                segment.edges[at] = (f.commit, fixed(f.payload, 0))
                begin = at
                yield "proof", segment, f
            elif f.type == DAMAGE:
                rest_of_segment = f.payload[:1] == bytes([REST])
                yield "damage", segment, (frames, f)
                frames, self.on_trust, begin = [], True, at
            elif f.type == COMMIT:
                need(f.len == 48, "segment %d, offset %d: COMMIT of %d bytes", segment.number, f.offset, f.len)
                wrong = self.check_commit(segment, frames, f, begin)
                if wrong and not self.on_trust:
                    self.remarks.damage("segment %d, offset %d: commit %d: %s", segment.number, f.offset, f.commit, ", ".join(wrong))
                    if accepted is None:
                        break
                self.commit, self.chain, self.ceiling = f.commit, fixed(f.payload, 0), fixed(f.payload, 24)
                segment.edges[at], begin, self.on_trust = (self.commit, self.chain), at, False
                yield "commit", segment, (frames, f)
                frames = []
            else:
                frames.append(f)
        if frames and accepted is not None:
            self.remarks.lost("segment %d: %d frames without COMMIT at its end", segment.number, len(frames))
            yield "loose", segment, frames
        self.check_behind(segment, begin if accepted is None else accepted, accepted is None)

    def lost_bytes(self, segment, at, end, accepted):
        """Where frames go on (None: nowhere), how long the stretches up to there are, and the highest commit behind them, in a segment that is the last."""
        behind = self.next_frame(segment, at, end) # there is none at `at`
        if behind is not None:
            top, p = 0, behind
            while accepted is None and p is not None:
                f = Frame(segment, p, end, self.identity.salt)
                top = max(top, f.commit)
                p = self.next_frame(segment, p + f.size, end)
            return behind, [behind - at], top
        if accepted is None:
            return None, [], 0
        return None, ([end - at] if end > at else []) + ([accepted - max(at, end)] if accepted > max(at, end) else []), 0

    def proof(self, segment, f, frames):
        need(f.len == 8, "segment %d, offset %d: PROOF of %d bytes", segment.number, f.offset, f.len)
        if frames or (f.commit, fixed(f.payload, 0)) != (self.commit, self.chain):
            self.remarks.damage("segment %d, offset %d: PROOF of commit %d, the last is %d", segment.number, f.offset, f.commit, self.commit)
        self.ceiling = 0

    def check_behind(self, segment, end, last):
        """Only zeros stand behind the end; of a segment that has a successor a PROOF may (8, Roll)."""
        rest = segment.data[end:]
        if not any(rest):
            return
        if not last:
            try:
                f = Frame(segment, end, len(segment.data), self.identity.salt)
                if f.type == PROOF and f.commit == self.commit + 1 and not any(f.payload) and not any(rest[f.size:]):
                    return
            except Bad:
                pass
        self.remarks.unclean("segment %d: bytes behind offset %d", segment.number, end)
