"""Part of a reader of cubby stores that is written from FORMAT.md alone, never from src/: where the two differ, one of them is wrong.

This file: numbers, checksums, sets and blocks (sections 2, 6.2 "Shared encodings", 6.5 "Codecs").
"""
import ctypes, ctypes.util, os, re, sys

PIECE_MAX, HEADER_STORED_MAX, STRUCTURE_MAX, NUMBER_MAX = 128 << 10, 256 << 10, 4 << 20, (1 << 63) - 1
STORED, LZ4, LZ4_DICT = range(3)


class Bad(Exception):
    """What was read breaks a rule of FORMAT.md."""


def need(holds, why, *values):
    if not holds:
        raise Bad(why % values if values else why)


def library(name, version):
    try:
        return ctypes.CDLL("lib%s.so.%d" % (name, version))
    except OSError:
        found = ctypes.util.find_library(name)
        if not found:
            print("lib" + name)
            sys.exit(77)
        return ctypes.CDLL(found)


class Hash128(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


xxhash, lz4 = library("xxhash", 0), library("lz4", 1)
xxhash.XXH3_64bits_withSeed.restype = ctypes.c_uint64
xxhash.XXH3_64bits_withSeed.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64]
xxhash.XXH3_128bits.restype = Hash128
xxhash.XXH3_128bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]


def checksum(data, seed=0):
    return xxhash.XXH3_64bits_withSeed(bytes(data), len(data), seed)


def content_hash(data):
    h = xxhash.XXH3_128bits(bytes(data), len(data))
    return (h.high << 64 | h.low).to_bytes(16, "big")


def fixed(data, offset, size=8):
    return int.from_bytes(data[offset:offset + size], "little")


def words(*values):
    return b"".join(v.to_bytes(8, "little") for v in values)


def varint(v):
    out = bytearray()
    while v > 127:
        out.append(v & 127 | 128)
        v >>= 7
    out.append(v)
    return bytes(out)


def signed(v):
    v = (v + (1 << 63)) % (1 << 64) - (1 << 63) # differences wrap around
    return varint(v << 1 if v >= 0 else ~v << 1 | 1)


def keynum(v):
    n = (v.bit_length() + 7) // 8
    return bytes([n]) + v.to_bytes(n, "big")


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def left(self):
        return len(self.data) - self.at

    def take(self, n):
        need(n <= self.left(), "ends early: %d of %d bytes", self.left(), n)
        self.at += n
        return self.data[self.at - n:self.at]

    def rest(self):
        return self.take(self.left())

    def byte(self):
        return self.take(1)[0]

    def varint(self):
        v = n = 0
        while True:
            c = self.byte()
            v |= (c & 127) << (7 * n)
            n += 1
            if c < 128:
                break
            need(n < 10, "varint too long")
        need((n == 1 or c) and v < 1 << 64, "varint not in its shortest form")
        return v

    def varints(self, n):
        return [self.varint() for _ in range(n)]

    def signed(self):
        v = self.varint()
        return v >> 1 ^ -(v & 1)

    def counted(self):
        return self.take(self.varint())

    def end(self):
        need(not self.left(), "%d bytes left over", self.left())


def read_keywords(r):
    head = r.varint()
    if head & 1:
        n = head // 2
        need(1 <= n <= 128, "keyword bitmap of %d bytes", n)
        bitmap = r.take(n)
        need(bitmap[-1], "keyword bitmap ends with 0")
        return tuple(8 * i + j + 1 for i in range(n) for j in range(8) if bitmap[i] >> j & 1)
    out, last = [], 0
    need(head // 2 <= 1024, "too many keywords")
    for _ in range(head // 2):
        step = r.varint()
        last += step
        need(step and last <= 1024, "keyword number")
        out.append(last)
    return tuple(out)


def keywords(numbers):
    """The shorter form; the list if both are equally long."""
    out, last = varint(2 * len(numbers)), 0
    for k in numbers:
        out += varint(k - last)
        last = k
    if not numbers:
        return out
    bitmap = bytearray((numbers[-1] + 7) // 8)
    for k in numbers:
        bitmap[(k - 1) // 8] |= 1 << (k - 1) % 8
    other = varint(len(bitmap) * 2 + 1) + bytes(bitmap)
    return out if len(out) <= len(other) else other


def read_ranges(r, count=None):
    """Uid ranges: so many, or up to the end."""
    out, last = [], 0
    while r.left() if count is None else len(out) < count:
        step = r.varint()
        need(step >= (2 if out else 1), "uid ranges: not ascending, or adjacent")
        first = last + step
        last = first + r.varint()
        need(last < 1 << 32, "uid range")
        out.append((first, last))
    return out


def header_dictionary():
    """The text that FORMAT.md points to; its checksum stands there, too."""
    top = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../..")
    with open(os.path.join(top, "src/codec/dict.c"), encoding="ascii") as f:
        text = re.sub(r"/\*.*?\*/|^#.*?$", "", f.read(), flags=re.S | re.M)
    out = b"".join(s.encode().decode("unicode_escape").encode("latin1") for s in re.findall(r'"((?:[^"\\]|\\.)*)"', text))
    need(len(out) == 8172 and checksum(out) == 0x94F4574AD3760C4B, "the header dictionary of src/codec/dict.c is not that of FORMAT.md")
    return out


dictionary = header_dictionary()


def decompress(codec, block, length):
    need(codec in (STORED, LZ4, LZ4_DICT), "codec %d", codec)
    need(length <= 8 * PIECE_MAX, "content too long")
    if codec == STORED:
        need(len(block) == length, "stored length")
        return bytes(block)
    need(len(block) <= length - (length + 15) // 16, "block of %d bytes for %d saves less than a sixteenth", len(block), length)
    out = ctypes.create_string_buffer(length)
    if codec == LZ4:
        n = lz4.LZ4_decompress_safe(bytes(block), out, len(block), length)
    else:
        n = lz4.LZ4_decompress_safe_usingDict(bytes(block), out, len(block), length, dictionary, len(dictionary))
    need(n == length, "block gives %d bytes for %d", n, length)
    return out.raw
