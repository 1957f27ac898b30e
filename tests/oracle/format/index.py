"""Part of a reader of cubby stores that is written from FORMAT.md alone, never from src/.

This file: the index (7.1, 7.2), with all that fsck demands of a page.
"""
from encoding import Bad, Reader, checksum, fixed, need

PAGE_SIZE, LEVELS, KEY_MAX, VALUE_MAX = 4096, 16, 512, 1024


class Slot:
    """A meta slot that is not empty. Bad: it is not valid."""

    def __init__(self, data, n, identity):
        b = data[PAGE_SIZE * n:PAGE_SIZE * (n + 1)]
        need(b[:8] == b"cubbyidx" and fixed(b, 120) == checksum(b[:120], identity.salt), "magic or checksum")
        need(fixed(b, 8, 4) == 1 and b[16:32] == identity.uuid, "version or uuid")
        self.level, self.segment = fixed(b, 12, 4), fixed(b, 64, 4)
        self.nonce, self.seq, self.commit, self.chain = (fixed(b, o) for o in range(32, 64, 8))
        self.segment_nonce, self.segment_end, self.root, self.root_sum, self.pages, self.ceiling = (fixed(b, o) for o in range(72, 120, 8))
        empty = not (self.root or self.root_sum or self.level)
        need(self.seq % 2 == n and self.pages >= 2, "META_SEQ or META_PAGES")
        need(empty or 2 <= self.root < self.pages and self.root_sum and self.level < LEVELS, "root")
        need(not fixed(b, 68, 4) and not any(b[128:]), "bytes that must be zero")
        self.number, self.label = n, self.seq == 0


def slots(data, identity):
    """Of both slots: the slot, None if it is empty, or why it is not valid."""
    out = []
    for n in (0, 1):
        try:
            out.append(Slot(data, n, identity) if any(data[PAGE_SIZE * n:PAGE_SIZE * n + 128]) else None)
        except Bad as e:
            out.append(str(e))
    return out


class Tree:
    """All rows below a slot."""

    def __init__(self, data, salt, slot):
        self.data, self.salt, self.slot, self.rows, self.seen = data, salt, slot, {}, set()
        if slot.root:
            self.page(slot.root, slot.root_sum, slot.level, slot.commit, b"", None)

    def page(self, n, said, level, birth, low, high):
        """Keys of it are not below low and below high, if there is one."""
        need(2 <= n < self.slot.pages and PAGE_SIZE * (n + 1) <= len(self.data), "page %d is not in the file", n)
        need(n not in self.seen, "page %d is reached twice", n)
        self.seen.add(n)
        p = self.data[PAGE_SIZE * n:PAGE_SIZE * (n + 1)]
        need((checksum(p[8:], self.salt ^ n) or 1) == fixed(p, 0) == said, "page %d: TREE_SUM", n)
        need(fixed(p, 8) == n and p[24] == level and p[25] == 0 and fixed(p, 16) <= birth, "page %d: number, level or birth", n)
        cells = self.cells(p, n, level)
        keys = [key for key, _ in cells]
        need(all(a < b for a, b in zip(keys, keys[1:])), "page %d: keys do not ascend", n)
        need(all(k >= low and (high is None or k < high) for k in keys[1 if level else 0:]), "page %d: keys out of their bounds", n)
        if not level:
            self.rows.update(cells)
            return
        for k, (key, (child, sum_)) in enumerate(cells):
            self.page(child, sum_, level - 1, fixed(p, 16), key or low, keys[k + 1] if k + 1 < len(keys) else high)

    def cells(self, p, n, level):
        count, lowest, free = (fixed(p, o, 2) for o in (26, 28, 30))
        need(count >= 1 and 32 + 2 * count <= lowest <= PAGE_SIZE and not any(p[32 + 2 * count:lowest]), "page %d: counts, or the gap", n)
        out, used = [], []
        for k in range(count):
            r = Reader(p)
            r.at = at = fixed(p, 32 + 2 * k, 2)
            need(lowest <= at < PAGE_SIZE, "page %d: slot %d", n, k)
            child = (fixed(r.take(8), 0), fixed(r.take(8), 0)) if level else None
            need(not level or child[0] >= 2 and child[1], "page %d: child %d", n, k)
            key_len = r.varint()
            value_len = 0 if level else r.varint()
            need(key_len <= KEY_MAX and value_len <= VALUE_MAX and (key_len == 0) == (level > 0 and k == 0), "page %d: lengths in cell %d", n, k)
            out.append((r.take(key_len), child if level else r.take(value_len)))
            used.append((at, r.at))
        used.sort()
        at = lowest
        for first, behind in used + [(PAGE_SIZE, PAGE_SIZE)]:
            need(first >= at and not any(p[at:first]), "page %d: cells overlap, or a hole is not zero", n)
            at = behind
        need(sum(z - a for a, z in used) + free == PAGE_SIZE - lowest, "page %d: TREE_FREE", n)
        return out
