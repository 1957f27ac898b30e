"""Items of a mailbox as each program shows them, brought to one form: a dict with the keys folder, kind and whatever of FIELDS it shows.

NORMALISED, and why:
  folder       case, and everything but letters and digits: file names cannot have it all; INBOX and Inbox are one; the top is left out.
  subject      one blank for white space (folding); RFC 2047 undone; NFC (pffexport composes).
  date         seconds since 1970, UTC: each program has its own way to write a time zone.
  address      case: people write it either way, and readers change it.
  text, html   CRLF is LF; white space at the end goes (mail parts end with a line end, properties need not); NFC; no NULs.
  html         as bytes; of pst-extractor, which shows text, in the character set that cubby names.
  characters   text in UTF-8 if it is that, else windows-1252, where a message names no character set; and sets by their usual supersets (ISO-8859-1 is
               windows-1252, GB 2312 is GB 18030), as browsers and cubby do; white space at the end of a quoted-printable line goes (RFC 2045, 6.7).
  files        (name, SHA-256) pairs; names to letters and digits only, 40 characters from the start (pffexport cuts and replaces). The bytes as they are.
"""
import codecs, datetime, email, email.header, email.utils, hashlib, json, os, quopri, re, unicodedata

FIELDS = ("subject", "date", "delivery", "sender", "to", "text", "html", "files", "inner")


def folder_key(parts):
    return "/".join(re.sub(r"[^\w]|_", "", unicodedata.normalize("NFC", p)).casefold() for p in parts)


def clean_subject(s):
    return re.sub(r"\s+", " ", unicodedata.normalize("NFC", s).replace("\0", "")).strip()


def clean_text(s):
    if isinstance(s, bytes):
        s = s.replace(b"\r\n", b"\n").rstrip(b"\0 \t\r\n")
        return s
    s = unicodedata.normalize("NFC", s).replace("\r\n", "\n").replace("\0", "").lstrip("\ufeff")
    return s.rstrip()


def clean_header(s):
    return clean_text(s.replace("\r", "")) or None


def file_key(name):
    return re.sub(r"[^\w]|_", "", unicodedata.normalize("NFC", name or "")).casefold()[:40]


def sha(data):
    return hashlib.sha256(data).hexdigest()


def unlabelled(data):
    """Bytes that no character set is named for."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return "".join(bytes([b]).decode("windows-1252", "replace") for b in data)


def in_charset(data, charset):
    charset = {"gb2312": "gb18030", "gbk": "gb18030", "ks_c_5601-1987": "cp949", "euc-kr": "cp949", "shift_jis": "cp932", "iso-8859-1": "windows-1252",
               "us-ascii": "utf-8", "ascii": "utf-8", "iso-8859-9": "windows-1254", "big5": "cp950"}.get((charset or "").lower(), charset)
    if not charset or charset == "utf-8":
        return unlabelled(data)
    try:
        return data.decode(charset) if charset != "windows-1252" else data.decode(charset, "replace")
    except (LookupError, UnicodeDecodeError):
        try:
            return data.decode(charset, "replace")
        except LookupError:
            return unlabelled(data)


def html_charset(part, data):
    """What the MIME header says, if it says something that is known and can be; else what the HTML itself says."""
    def fits(name):
        try:
            data.decode(name) if name in ("us-ascii", "ascii") else codecs.lookup(name)
            return name
        except (LookupError, ValueError):
            return "big5" if name == "chinesebig5" else None

    said = part.get_content_charset()
    meta = (re.search(rb"charset[\s=\"']*([^\s\"';/>]+)", m.group(0), re.I) for m in re.finditer(rb"<meta[^>]*", data[:1024], re.I))
    return next((n for n in [said and fits(said)] + [fits(m.group(1).decode("ascii", "replace").lower()) for m in meta if m] if n), None)


def words(value):
    """A header's value as text."""
    out = []
    if isinstance(value, email.header.Header): # it holds bytes that are not ASCII
        value = b"".join(str(p).encode("ascii", "surrogateescape") for p, _ in value._chunks).decode("ascii", "surrogateescape")
    try:
        for piece, charset in email.header.decode_header(re.sub(r"\r?\n", "", value)):
            data = piece.encode("ascii", "surrogateescape") if isinstance(piece, str) else piece
            out.append(in_charset(data, charset if not isinstance(piece, str) and charset != "unknown-8bit" else None))
    except UnicodeEncodeError: # decoded already
        return value
    except (ValueError, email.errors.MessageError):
        return unlabelled(value.encode("ascii", "surrogateescape"))
    return "".join(out)


def seconds(value):
    try:
        return int(email.utils.parsedate_to_datetime(str(value)).timestamp())
    except Exception:
        return None


def decoded(part):
    """Bytes of a leaf."""
    if str(part.get("Content-Transfer-Encoding", "")).strip().lower() == "quoted-printable":
        raw = part._payload.encode("ascii", "surrogateescape") # get_payload() would decode 8-bit characters
        return quopri.decodestring(re.sub(rb"[ \t]+(?=\r*\n|$)", b"", raw))
    data = part.get_payload(decode=True)
    return data if data is not None else b""


def text_of(part):
    return in_charset(decoded(part), part.get_content_charset())


def raw_value(value):
    """A header's value as text; its encoded words as they are."""
    if isinstance(value, email.header.Header):
        return unlabelled(b"".join(str(p).encode("ascii", "surrogateescape") for p, _ in value._chunks))
    return str(value)


def in_turn(m, field):
    return [a.lower() for _, a in email.utils.getaddresses([raw_value(v) for v in m.get_all(field, [])]) if a]


def people(m, fields):
    return sorted({a for f in fields for a in in_turn(m, f)})


def from_message(m, made=()):
    """An item from a parsed message. made: content types that its writer made of properties."""
    out = {"kind": "mail", "subject": clean_subject(words(m.get("Subject", ""))), "date": seconds(m.get("Date")), "files": [], "inner": []}
    out["sender"] = (in_turn(m, "From") + in_turn(m, "Sender") + [""])[0]
    out["to"] = people(m, ["To", "Cc", "Bcc"])
    for k, field in ((1, "To"), (2, "Cc"), (3, "Bcc")):
        out["to", k] = people(m, [field])
    out["id"], out["reply"] = (clean_subject(words(m.get(f, ""))) for f in ("Message-ID", "In-Reply-To"))
    cls = str(m.get("X-MAPI-Message-Class", ""))

    def walk(p, alternative):
        kind = p.get_content_type()
        if kind == "message/rfc822" and p.is_multipart():
            out["inner"].append(from_message(p.get_payload()[0], made))
            return
        if p.is_multipart():
            for child in p.get_payload():
                walk(child, kind == "multipart/alternative")
            return
        name = p.get_filename()
        plain = p.get_content_disposition() != "attachment" and not name
        if kind in made and name in (None, "event.ics", "contact.vcf") and p.get_content_disposition() != "attachment" and cls:
            out[kind] = text_of(p)
        elif kind == "text/plain" and plain and "text" not in out:
            out["text"] = clean_text(text_of(p))
        elif kind == "text/html" and plain and "html" not in out:
            out["html"] = clean_text(decoded(p))
            out["charset"] = html_charset(p, decoded(p))
        elif kind == "text/rtf" and plain:
            out["rtf"] = decoded(p)
        else:
            out["files"].append((file_key(words(name or "")), sha(decoded(p))))

    walk(m, False)
    if "text/vcard" in out:
        out["kind"] = "contact"
    if "text/calendar" in out:
        out["kind"] = "event"
    out["class"] = cls
    return out


# ---- cubby: exported with --format eml --verbatim, and scan --json for the internal dates

def of_cubby(eml, dates):
    for at, _, names in sorted(os.walk(eml)):
        for n in sorted(n for n in names if n.endswith(".eml")):
            with open(os.path.join(at, n), "rb") as f:
                data = f.read()
            item = from_message(email.message_from_bytes(data), ("text/calendar", "text/vcard"))
            item["header"] = clean_header(unlabelled(re.split(rb"\r?\n\r?\n", data, maxsplit=1)[0]))
            parts = os.path.relpath(at, eml).split(os.sep)
            item["folder"] = folder_key(parts)
            item["where"] = "%s/%s" % ("/".join(parts), n[:8])
            item["delivery"] = dates.get((item["folder"], int(n[:8])))
            yield item


# ---- pffexport -m items -f all

def pff_time(s):
    t = re.match(r"(\w{3} \d\d, \d{4} \d\d:\d\d:\d\d)", s)
    if not t:
        return None
    return int(datetime.datetime.strptime(t.group(1) + " +0000", "%b %d, %Y %H:%M:%S %z").timestamp())


def pff_fields(path):
    out = {}
    with open(path, encoding="utf-8", errors="replace", newline="\n") as f:
        for line in f.read().split("\n"):
            k, sep, v = line.partition(":")
            if sep:
                out.setdefault(k, v.strip())
    return out


def pff_item(at):
    head = next((n for n in ("OutlookHeaders.txt", "Appointment.txt", "Contact.txt", "Meeting.txt", "DistributionList.txt", "Task.txt", "Note.txt", "Activity.txt")
                 if os.path.exists(os.path.join(at, n))), None)
    if not head:
        return None
    f = pff_fields(os.path.join(at, head))
    kind = {"Contact.txt": "contact", "Appointment.txt": "event", "Meeting.txt": "event"}.get(head, "mail")
    out = {"kind": kind, "subject": clean_subject(f.get("Subject", "")), "files": [], "inner": [], "fields": f}
    out["date"] = pff_time(f.get("Client submit time", ""))
    out["delivery"] = pff_time(f.get("Delivery time", ""))
    out["sender"] = f.get("Sent representing email address", f.get("Sender email address", "")).lower()
    path = os.path.join(at, "Recipients.txt")
    if os.path.exists(path):
        with open(path, encoding="utf-8", errors="replace") as r:
            blocks = r.read().split("\n\n")
        out["to"] = sorted({m.group(1).strip().lower() for b in blocks for m in [re.search(r"^Email address:\s*(.*)$", b, re.M)] if m})
    path = os.path.join(at, "InternetHeaders.txt")
    if os.path.exists(path):
        with open(path, encoding="utf-8", errors="replace", newline="") as r:
            out["header"] = clean_header(r.read())
    for name, key in (("Message.txt", "text"), ("Message.html", "html"), ("Message.rtf", "rtf")):
        path = os.path.join(at, name)
        if os.path.exists(path):
            with open(path, "rb") as b:
                data = b.read()
            out[key] = data if key == "rtf" else clean_text(data if key == "html" else data.decode("utf-8", "replace"))
    attachments = os.path.join(at, "Attachments")
    if os.path.isdir(attachments):
        for n in sorted(os.listdir(attachments)):
            path = os.path.join(attachments, n)
            if os.path.isdir(path):
                out["inner"] += [x for x in (pff_item(os.path.join(path, d)) for d in sorted(os.listdir(path))) if x]
            else:
                with open(path, "rb") as b:
                    out["files"].append((file_key(re.sub(r"^\d+_", "", n)), sha(b.read())))
    return out


def below_top(parts):
    """The path without what is above the user's folders, unless that is all; None: not one of the user's."""
    if parts[:2] == ["Root - Mailbox", "IPM_SUBTREE"]:
        return parts[2:] or parts[1:]
    if parts and (parts[0].startswith("Top of ") or parts[0].startswith("Outlook ")):
        return parts[1:] or parts[:1]
    return None


def of_pffexport(top):
    def walk(at, parts):
        for n in sorted(os.listdir(at)):
            path = os.path.join(at, n)
            if not os.path.isdir(path):
                continue
            item = pff_item(path) if re.fullmatch(r"[A-Z]\w+\d{5}", n) else None
            if item is None:
                yield from walk(path, parts + [n])
            elif below_top(parts) is not None:
                item["folder"] = folder_key(below_top(parts))
                item["where"] = "/".join(parts + [n])
                item["number"] = int(n[-5:])
                yield item
    yield from walk(top, [])


# ---- readpst -e -8 -D

def of_readpst(top):
    for at, _, names in sorted(os.walk(top)):
        parts = os.path.relpath(at, top).split(os.sep)[1:]
        for n in sorted(names, key=lambda n: (len(n), n)):
            path = os.path.join(at, n)
            with open(path, "rb") as f:
                data = f.read()
            end = n.rpartition(".")[2]
            if end == "eml":
                item = from_message(email.message_from_bytes(data))
            elif end in ("vcf", "ics"):
                item = {"kind": "contact" if end == "vcf" else "event", "text/vcard" if end == "vcf" else "text/calendar": data.decode("utf-8", "replace")}
            else:
                continue
            item["folder"] = folder_key(parts)
            item["where"] = "/".join(parts + [n])
            yield item


# ---- npm pst-extractor, by dump_pst.js

def of_extractor(path):
    with open(path, encoding="utf-8", errors="surrogatepass") as f:
        for line in f:
            d = json.loads(line)
            parts = below_top(d["path"])
            if parts is None or d.get("folder"):
                continue
            out = {"folder": folder_key(parts), "where": "/".join(d["path"]), "kind": "mail", "inner": None}
            out["kind"] = {"IPM.Contact": "contact", "IPM.Appointment": "event"}.get(d["class"], "mail")
            if d["class"].startswith(("IPM.Schedule", "IPM.OLE.CLASS")):
                out["kind"] = "event"
            out["subject"] = clean_subject(d["subject"])
            out["date"], out["delivery"] = d["submit"], d["delivery"]
            out["sender"] = d["sender"][1].lower()
            out["to"] = sorted({r[2].lower() for r in d["recipients"] if r[2]})
            for k in (1, 2, 3):
                out["to", k] = sorted({r[2].lower() for r in d["recipients"] if r[2] and r[0] == k})
            out["id"], out["reply"], out["header"] = clean_subject(d["id"]), clean_subject(d["reply"]), clean_header(d["header"])
            out["embedded"] = sum(1 for a in d["attachments"] if a and a["method"] == 5)
            if d["text"]:
                out["text"] = clean_text(d["text"])
            if d["html"]:
                out["html"] = clean_text(d["html"])
            out["files"] = [(file_key(a["name"]), a["sha"]) for a in d["attachments"] if a and a["sha"]]
            yield out
