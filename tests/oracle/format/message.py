"""Part of a reader of cubby stores that is written from FORMAT.md alone, never from src/.

This file: what the store must say of a message, from its bytes (6.4, 6.5): header groups, traits, MIME structure.
"""
import re
from encoding import HEADER_STORED_MAX, PIECE_MAX, Reader, need, varint

MIME_PARTS_MAX, MIME_DEPTH_MAX, MIME_FIELDS_MAX = 10000, 100, 64 << 10
LEAF, MULTIPART, MESSAGE = range(3)
SEVENBIT, EIGHTBIT, BINARY, QUOTED_PRINTABLE, BASE64, OTHER = range(6)
ENCODINGS = {b"7bit": SEVENBIT, b"8bit": EIGHTBIT, b"binary": BINARY, b"quoted-printable": QUOTED_PRINTABLE, b"base64": BASE64}
HAS_NUL, HAS_8BIT_HEADER, HAS_8BIT_BODY, HAS_BARE_CR, HAS_LONG_LINE = 1, 2, 4, 8, 16
LIST_FIELDS = set(b"""Bcc Cc Chat-Version Date Delivered-To Disposition-Notification-To From Importance In-Reply-To Lines Mail-Followup-To
    Message-ID MIME-Version Newsgroups Priority References Reply-To Sender Subject To X-K9mail-Identity X-Label X-Original-To X-Priority
    X-Uniform-Type-Identifier X-Universally-Unique-Identifier""".lower().split())
BLANKS = b" \t\r\n"
FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:")


# ---- lines, items, groups

def lines(data):
    at = 0
    while at < len(data):
        end = data.find(b"\n", at) + 1 or len(data)
        yield at, end
        at = end


def is_empty(line):
    return line in (b"\n", b"\r\n")


def header_length(data):
    for at, end in lines(data):
        if end - at <= 2 and is_empty(data[at:end]):
            return end
    return len(data)


def items(header):
    out = []
    for at, end in lines(header):
        folded = header[at:at + 1] in (b" ", b"\t") and out and not is_empty(header[out[-1][0]:out[-1][1]])
        if folded:
            out[-1][1] = end
        else:
            out.append([at, end])
    return out


def field_name(item, limit=None):
    m = FIELD.match(item[:limit] if limit else item)
    return m.group(1).lower() if m else None


def is_list_field(name):
    return name is not None and (name in LIST_FIELDS or name.startswith((b"content-", b"list-")))


def groups(header):
    """List group, rest group, runs."""
    parts, runs = (bytearray(), bytearray()), [0]
    for at, end in items(header):
        k = int(is_list_field(field_name(header[at:end])))
        parts[k].extend(header[at:end])
        if (len(runs) - 1) % 2 != k:
            runs.append(0)
        runs[-1] += end - at
    return bytes(parts[1]), bytes(parts[0]), runs if header else []


def stored_header_length(data):
    n = min(header_length(data), HEADER_STORED_MAX)
    return PIECE_MAX if n > PIECE_MAX and len(groups(data[:n])[1]) > PIECE_MAX else n


def traits(data):
    """Line ends, traits, and by how much CRLF line ends would make it longer."""
    body, out, lf, crlf = header_length(data), 0, data.count(b"\n"), data.count(b"\r\n")
    eol = 0 if not lf else 1 if not crlf else 2 if crlf == lf else 3
    out |= HAS_NUL if 0 in data else 0
    out |= HAS_8BIT_HEADER if re.search(rb"[\x80-\xff]", data[:body]) else 0
    out |= HAS_8BIT_BODY if re.search(rb"[\x80-\xff]", data[body:]) else 0
    out |= HAS_BARE_CR if data.count(b"\r") > crlf else 0
    for at, end in lines(data):
        if end - at > 998 and len(re.sub(rb"\r?\n\Z", b"", data[at:end])) > 998:
            out |= HAS_LONG_LINE
            break
    return eol, out, lf - crlf


def grown(before, piece):
    """What CRLF line ends add to one piece; before: the byte in front of it."""
    return piece.count(b"\n") - piece.count(b"\r\n") - (before == b"\r" and piece[:1] == b"\n")


# ---- Content-Type and Content-Transfer-Encoding

def skip_comments(s, at):
    while at < len(s):
        if s[at] in BLANKS:
            at += 1
        elif s[at:at + 1] == b"(":
            depth = 0
            while at < len(s):
                c = s[at:at + 1]
                at += 2 if c == b"\\" else 1
                depth += (c == b"(") - (c == b")")
                if not depth:
                    break
        else:
            break
    return at


def word(s, at, stop):
    first = at
    while at < len(s) and s[at] not in stop:
        at += 1
    return s[first:at], at


def quoted(s, at):
    out, at = bytearray(), at + 1
    while at < len(s) and s[at:at + 1] != b'"':
        if s[at:at + 1] in (b"\r", b"\n"):
            at += 1
            continue
        if s[at:at + 1] == b"\\" and at + 1 < len(s):
            at += 1
        out += s[at:at + 1]
        at += 1
    return bytes(out), at + 1


def skip_rubbish(s, at):
    """Up to the next semicolon that is in no quotes and no comment."""
    while at < len(s) and s[at:at + 1] != b";":
        if s[at:at + 1] == b'"':
            at = quoted(s, at)[1]
        elif s[at:at + 1] == b"(":
            at = skip_comments(s, at)
        else:
            at += 1
    return at


def content_type(s):
    """Type, subtype (None without a slash), parameters."""
    main, at = word(s, skip_comments(s, 0), BLANKS + b';(/"')
    at, sub = skip_comments(s, at), None
    if s[at:at + 1] == b"/":
        sub, at = word(s, skip_comments(s, at + 1), BLANKS + b';("')
        at, sub = skip_comments(s, at), sub.lower()
    parameters = []
    while at < len(s):
        name, at = word(s, skip_comments(s, skip_rubbish(s, at) + 1), BLANKS + b';("=')
        at = skip_comments(s, at)
        if s[at:at + 1] != b"=":
            continue
        at = skip_comments(s, at + 1)
        value, at = quoted(s, at) if s[at:at + 1] == b'"' else word(s, at, BLANKS + b';("')
        parameters.append((name.lower(), value))
    return main.lower(), sub, parameters


def percent(value):
    return re.sub(rb"%([0-9a-fA-F]{2})", lambda m: bytes([int(m.group(1), 16)]), value)


def boundary(parameters):
    for name, value in parameters:
        if name == b"boundary":
            return value.rstrip(BLANKS)
    out, section = b"", 0
    for name, value in parameters:
        m = re.fullmatch(rb"boundary[*]([0-9]*)([*]?)", name)
        if not m or int(m.group(1) or b"0") != section:
            continue
        if name.endswith(b"*"):
            if section == 0:
                pieces = value.split(b"'", 2)
                value = pieces[2] if len(pieces) == 3 else b""
            value = percent(value)
        out += value
        section += 1
    return out.rstrip(BLANKS)


# ---- MIME structure

class Part:
    def __init__(self, start, parent, number):
        self.start, self.parent, self.number = start, parent, number
        self.header_end = self.end = None
        self.kind, self.encoding, self.fields, self.boundary = LEAF, SEVENBIT, b"", None
        self.closed = self.digest = False
        self.depth = parent.depth + 1 if parent else 0
        self.children, self.older = [], None # older: the sibling before it
        self.fields_seen, self.item, self.item_counts = 0, start, False
        if parent:
            self.older = parent.children[-1] if parent.children else None
            parent.children.append(self)


class Parser:
    """Finds the parts, line by line."""

    def __init__(self, data):
        self.data, self.parts, self.open = data, [], []
        self.fields_total, self.last = 0, False # last: the part at hand reaches to the end of the message
        self.begin(0, None)

    def begin(self, start, parent):
        self.parts.append(Part(start, parent, len(self.parts)))
        self.open.append(self.parts[-1])

    def read_fields(self, part, end):
        """Content-Type and -Transfer-Encoding of a header that ends there; keeps its fields, if there is room."""
        header, found, fields = self.data[part.start:end], {}, bytearray()
        for at, behind in items(header):
            name = field_name(header[at:min(behind, at + 1000)], 1000)
            if name is None or not name.startswith(b"content-"):
                continue
            item = header[at:behind]
            fields += item
            if len(item) <= MIME_FIELDS_MAX and name not in found:
                found[name] = item[item.index(b":") + 1:]
        if part.number:
            if self.last or self.fields_total + len(fields) > MIME_FIELDS_MAX:
                self.last = True
            else:
                self.fields_total += len(fields)
                part.fields = bytes(fields)
        return found.get(b"content-type"), found.get(b"content-transfer-encoding")

    def end_header(self, part, end, header_end, empty_line):
        part.header_end = header_end
        kind, encoding = self.read_fields(part, end)
        if encoding is not None:
            name = word(encoding, skip_comments(encoding, 0), BLANKS + b';("')[0].lower()
            part.encoding = ENCODINGS.get(name, OTHER) if name else SEVENBIT
        if not empty_line or part.depth >= MIME_DEPTH_MAX or self.last:
            return
        may_hold = part.encoding in (SEVENBIT, EIGHTBIT, BINARY) and len(self.parts) < MIME_PARTS_MAX
        if kind is None:
            part.kind = MESSAGE if part.parent and part.parent.digest and may_hold else LEAF
            return
        main, sub, parameters = content_type(kind)
        found = boundary(parameters) if main == b"multipart" and sub is not None else b""
        if 1 <= len(found) <= 255:
            part.kind, part.boundary, part.digest = MULTIPART, found, sub == b"digest"
        elif main == b"message" and sub in (b"rfc822", b"global") and may_hold:
            part.kind = MESSAGE

    def boundary_line(self, line):
        """Which open multipart it ends or divides, and whether it closes it."""
        if line[:2] != b"--" or len(line) >= 1000 or self.last:
            return None
        for k in range(len(self.open) - 1, -1, -1):
            part = self.open[k]
            if part.boundary is None or part.closed or not line.startswith(part.boundary, 2):
                continue
            rest = line[2 + len(part.boundary):]
            if not rest.strip(BLANKS):
                if len(self.parts) >= MIME_PARTS_MAX:
                    self.last = True
                    return None
                return k, False
            if rest[:2] == b"--" and not rest[2:].strip(BLANKS):
                return k, True
        return None

    def end_parts(self, k, at):
        """A boundary line of the k-th open part begins there: what is open inside ends before its line end."""
        end = at - (self.data[at - 1:at] == b"\n")
        end -= end < at and self.data[end - 1:end] == b"\r"
        inner = self.open[k + 1:]
        if inner:
            outermost = inner[0]
            end = max(end, outermost.start if outermost.header_end is None else outermost.header_end)
        for part in inner:
            if part.header_end is None:
                self.end_header(part, at, end, False)
            part.end = end
        del self.open[k + 1:]

    def header_line(self, part, at, end, line):
        if is_empty(line):
            self.end_header(part, end, end, True)
            if part.kind == MESSAGE:
                self.begin(end, part)
            return
        if at > part.start and line[:1] in (b" ", b"\t"):
            return
        if part.item_counts: # the item before this one is complete: the excess is noticed where a field ends
            part.fields_seen += at - part.item
            if part.number and self.fields_total + part.fields_seen > MIME_FIELDS_MAX:
                self.last = True
        part.item, part.item_counts = at, (field_name(line, 1000) or b"").startswith(b"content-")

    def parse(self):
        for at, end in lines(self.data):
            line = self.data[at:end]
            hit = self.boundary_line(line)
            if hit:
                k, closes = hit
                self.end_parts(k, at)
                if closes:
                    self.open[k].closed = True
                else:
                    self.begin(end, self.open[k])
            elif self.open[-1].header_end is None:
                self.header_line(self.open[-1], at, end, line)
        for part in self.open:
            if part.header_end is None:
                self.end_header(part, len(self.data), len(self.data), False)
            part.end = len(self.data)
        for part in self.parts: # what lies in a part is cut to it
            limit = part.parent.end if part.parent else len(self.data)
            part.start, part.header_end, part.end = min(part.start, limit), min(part.header_end, limit), min(part.end, limit)
        return self.parts


def parse(data):
    return Parser(data).parse()


def described(data, parts):
    """The parts as read_structure() gives them."""
    return [(p.kind, p.encoding, p.start, p.header_end - p.start, p.end - p.header_end, data.count(b"\n", p.header_end, p.end), p.fields,
             p.parent.number if p.parent else None) for p in parts]


def encode(data, parts):
    """The structure, as the OBJECT must hold it."""
    out, before = bytearray(varint(len(parts) - 1)), None
    for p in parts:
        levels = 0
        if before is not None and p.parent is not before:
            levels, a = 1, before
            while a.parent is not p.parent:
                a, levels = a.parent, levels + 1
        out.append(p.kind | p.encoding << 2 | min(levels, 7) << 5)
        if levels >= 7:
            out += varint(levels - 7)
        if p.parent and p.parent.kind == MULTIPART:
            out += varint(p.start - (p.older.end if p.older else p.parent.header_end)) + varint(p.end - p.header_end)
        out += varint(p.header_end - p.start) + varint(data.count(b"\n", p.header_end, p.end))
        if p.parent:
            out += varint(len(p.fields)) + p.fields
        before = p
    return bytes(out)


def read_structure(structure, size, header_len):
    """The parts: (kind, encoding, start, header length, body length, body lines, fields, parent). Refuses what FORMAT.md says."""
    r = Reader(structure)
    count, fields_total, parts, free, depth = r.varint() + 1, 0, [], [], []
    need(count <= MIME_PARTS_MAX and count <= len(structure), "structure: count of parts")
    for i in range(count):
        tag = r.byte()
        kind, encoding, levels = tag & 3, tag >> 2 & 7, tag >> 5
        levels += r.varint() if levels == 7 else 0
        need(kind <= MESSAGE and encoding <= OTHER, "structure: kind or encoding")
        need(i or not levels, "structure: levels of the first part")
        parent, start, limit, body = None, 0, size, None
        if i:
            parent = i - 1
            for _ in range(levels):
                parent = parts[parent][7]
                need(parent is not None, "structure: levels beyond the first part")
            p_kind, p_body_end = parts[parent][0], sum(parts[parent][2:5])
            need(p_kind == MULTIPART or p_kind == MESSAGE and free[parent] is None, "structure: child of a leaf, or second child of a message")
            start, limit = sum(parts[parent][2:4]) if free[parent] is None else free[parent], p_body_end
            if p_kind == MULTIPART:
                start += r.varint()
                body = r.varint()
        header = r.varint()
        body = limit - start - header if body is None else body
        body_lines = r.varint()
        fields = r.counted() if i else b""
        fields_total += len(fields)
        need(body >= 0 and start + header + body <= limit, "structure: part not in its parent")
        need(body_lines <= body and fields_total <= MIME_FIELDS_MAX, "structure: lines or fields")
        parts.append((kind, encoding, start, header, body, body_lines, fields, parent))
        free.append(None)
        depth.append(depth[parent] + 1 if i else 0)
        need(depth[i] <= MIME_DEPTH_MAX, "structure: depth")
        if i:
            free[parent] = start + header + body
    need(all(p[0] != MESSAGE or free[i] is not None for i, p in enumerate(parts)), "structure: message without a child")
    need(parts[0][3] == header_len, "structure: header length of the message")
    r.end()
    return parts


def selftest():
    """The examples of FORMAT.md."""
    data = b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-ID: <1>\n\nhi\n--b--\n"
    structure = bytes.fromhex("01 01 2b 05 00 04 02 11 00 10 43 6f 6e 74 65 6e 74 2d 49 44 3a 20 3c 31 3e 0a")
    need(encode(data, parse(data)) == structure and read_structure(structure, 73, 43) == described(data, parse(data)), "the example of 6.5")
    need(groups(b"Received: x\nTo: a\nCc: b\nX: c\nY: d\n\n") == (b"To: a\nCc: b\n", b"Received: x\nX: c\nY: d\n\n", [12, 12, 11]), "the example of 6.5")
