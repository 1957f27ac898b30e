"""Compares what cubby makes of PST files with what other programs find in them, item by item.

usage: compare.py [-v] NAME CUBBY-DIR DATES PROGRAM OUTPUT    PROGRAM: pffexport, readpst, extractor; NAME export: the messages are in order,
the dates are not compared with, and explained.tsv says what differs
Prints "ok"/"not ok" lines. Differences that are explained, item by item, stand in EXPLAINED; a line there that no longer happens fails, too.
"""
import collections, json, os, re, sys

import items

# What no item needs explained one by one, because it holds for all of a program's output:
RULES = """
addresses   An Exchange address (/O=...) is no address of the Internet: cubby shows the SMTP address that the message has in its header or properties,
            else IMCEAEX-...@invalid. One without a domain gets @invalid, none at all unknown@invalid: these are taken back. Header fields that the
            message came with go before properties. So only what the other program shows as an address of the Internet is compared.
quoting     readpst shows names in place of addresses where a message came without a header (to), and MAILER-DAEMON where there is no sender.
meetings    pffexport writes no attachments and no text of IPM.Schedule items and appointments; readpst adds an event of its own making, twice, and
            makes an .ics file of an appointment, with its times in UTC: those are compared where cubby shows UTC, too, else the titles.
contacts    are compared by name, addresses, telephone numbers and title.
empty text  pffexport writes a text that is "" or white space; cubby writes none.
rtf         readpst attaches rtf-body.rtf; it is compared with cubby's text/rtf part.
embedded    readpst and pst-extractor show embedded messages differently or not at all: those of pffexport are compared.
CR          readpst leaves out every carriage return, pffexport gets characters beyond U+FFFF wrong: each is passed over in texts of that program.
unnamed     An attachment without a name gets one in an export: partN and an ending. readpst passes over empty attachments: those are not compared.
order       Attachments are compared as a set with numbers: cubby puts those first that the HTML shows.
"""

# (file, program, item of cubby, field): why. Items: FOLDER/UID; a folder with /* is all of its items.
EXPLAINED = {}


def explain(file, program, where, fields, why):
    for w in where:
        for f in fields:
            EXPLAINED[(file, program, w, f)] = why


POST = "passes over items of class IPM.Post"
P = "lokay-m/MLOKAY (Non-Privileged)/"
for program in ("pffexport", "extractor"):
    explain("pst-extractor_enron", program, [P + "Personal/00000032"], ["sender"], "property is two addresses run together; the header's is shown")
    explain("pst-extractor_enron", program, [P + "Personal/00000026", P + "Personal/00000035"], ["to"], "the header has one of the two recipients")
T = "aspose-net_Test_part1"
explain(T, "pffexport", ["Contacts/%08d" % n for n in range(10, 22)], ["item"], "pffexport leaves out contacts with an empty record behind their last property")
explain(T, "readpst", ["Contacts/00000016", "Contacts/00000017"], ["item"],
        "readpst skips two contacts (and says so) of those that have a display name only: it shows nothing of them that would tell which")
explain("java-libpst_dist-list", "readpst", ["Contacts/00000001"], ["item"], "readpst passes over distribution lists")
explain("pstsdk_test_ansi", "pffexport", ["Folder/00000001"], ["item"], POST)
explain("pstsdk_test_ansi", "readpst", ["Folder/00000001"], ["item"], POST)
for program in ("pffexport", "readpst"):
    explain("pstsdk_test_unicode", program, ["Folder/00000001", "Top of Personal Folders/00000001"], ["item"], POST)
O = "pst-extractor_pstextractortest@outlook.com.ost"
for program in ("pffexport", "extractor"):
    explain(O, program, ["Deleted Items/00000001", "INBOX/00000008", "INBOX/00000009"], ["sender"],
            "the header says who sent it, the property for whom")
explain(O, "extractor", ["Calendar/United States holidays/*"], ["item"], "pst-extractor stops after 24 of 160 rows")


def plain_address(a):
    """As the property has it, without what cubby adds to make an address of it. None: not comparable."""
    a = re.sub(r"\s+", " ", a.lower()).strip("'\"")
    if a.endswith("@invalid"):
        a = a[:-8].strip('"')
        m = re.match(r"imcea[a-z0-9]+-(.*)", a)
        if m:
            a = re.sub(r"\+([0-9a-f]{2})", lambda h: chr(int(h.group(1), 16)), m.group(1).replace("_", "/"))
        if a == "unknown":
            return ""
    return a


def internet(a):
    return "@" in a and not a.startswith("/o=")


def same_sender(mine, other):
    other = plain_address(other)
    return not internet(other) and (not other or other.startswith("/o=") or other == "mailer-daemon" or plain_address(mine) == other or internet(mine)) \
        or plain_address(mine) == other


def same_people(mine, other):
    mine = {plain_address(a) for a in mine}
    return {a for a in map(plain_address, other) if internet(a)} <= mine


def loosely(program, value):
    """RULES: carriage returns, characters beyond 16 bits."""
    if value is None:
        return None
    if program == "readpst":
        return value.replace(b"\r", b"") if isinstance(value, bytes) else value.replace("\r", "")
    if program == "pffexport" and isinstance(value, str):
        return re.sub("[\U00010000-\U0010ffff]", "?", value)
    return value


def same_html(program, item, other):
    mine = item.get("html", b"")
    if isinstance(other, bytes):
        return loosely(program, mine) == loosely(program, other)
    return other in (items.clean_text(items.in_charset(mine, item.get("charset"))), items.clean_text(mine.decode("ascii", "replace")),
                     items.clean_text(mine.decode("latin-1")))


# What cubby writes anew where a message came with a header.
ANEW = re.compile(r"mime-version|content-(?!class)|x-ms-tnef|from|to|cc|bcc|sender|reply-to|date|subject|message-id|x-unsent", re.I)
exported = False # the messages are those that the file was made of: the header is the same to the letter


def same_header(mine, other):
    """The same to the letter in an export; else all fields that are kept are there, in their order, folded in whatever way."""
    if exported:
        return mine == other

    def fields(header):
        for f in re.split(r"\n(?![ \t])", header):
            if ":" in f and not ANEW.match(f):
                yield re.sub(r"\s+", " ", f.replace(":", ": ", 1)).strip()
    kept = fields(mine)
    return all(any(f == g for g in kept) for f in fields(other))


def lines(text):
    """Of a vCard or an event: {name: value}, parameters left out."""
    out = {}
    for line in re.sub(r"\r?\n[ \t]", "", text or "").splitlines():
        k, sep, v = line.partition(":")
        out.setdefault(k.split(";")[0], []).append(re.sub(r"\\(.)", lambda m: "\n" if m.group(1) in "nN" else m.group(1), v).strip())
    return out


def contact_of(item):
    """Name; a set of addresses, numbers and titles."""
    if "text/vcard" in item:
        f = lines(item["text/vcard"])
        return (f.get("N", [""])[0].split(";") + ["", ""])[:2], {v.lower() for k in ("EMAIL", "TEL", "TITLE") for v in f.get(k, []) if v}
    f = item.get("fields", {})
    many = {v.lower() for k, v in f.items() if v and (k.startswith("Email address ") or "phone number" in k or k == "Job title")}
    return [f.get("Surname", ""), f.get("Given name", "")], many


def same_contact(mine, other):
    (a, has), (b, wanted) = contact_of(mine), contact_of(other)
    return a == b and wanted <= has


def event_of(item):
    if "text/calendar" in item:
        f = lines(item["text/calendar"])
        return {"start": f.get("DTSTART", [""])[0], "end": f.get("DTEND", [""])[0], "title": items.clean_subject(f.get("SUMMARY", [""])[0])}
    return {}


def same_event(mine, other):
    a, b = event_of(mine), event_of(other)
    # Whole days and series in Outlook's own zone are dates and local times for cubby, and UTC for others: only times in UTC are compared.
    return not b or (a["title"] == b["title"] and (not a["start"].endswith("Z") or (a["start"], a["end"]) == (b["start"], b["end"])))


def same_files(mine, other):
    """RULES: unnamed parts have whatever name others give them; empty ones may be missing."""
    empty = items.sha(b"")
    mine = collections.Counter(f for f in mine["files"] if f[1] != empty)
    other = collections.Counter(f for f in other["files"] if f[1] != empty)
    unnamed = collections.Counter(s for (n, s), k in (mine - other).items() for _ in range(k) if not n)
    left = collections.Counter(s for (n, s), k in (other - mine).items() for _ in range(k))
    return left == unnamed and all(not n for n, _ in mine - other)


def differences(program, mine, other, top=True):
    """Fields that differ, and how many could be compared."""
    out, compared = [], 0

    def check(field, same):
        nonlocal compared
        compared += 1
        if not same:
            out.append(field)

    other = dict(other)
    if program == "readpst":
        rtf = [f for f in other.get("files", []) if f[0] == "rtfbodyrtf"]
        other["files"] = [f for f in other.get("files", []) if f[0] != "rtfbodyrtf"]
        made = {s for n, s in other["files"] if re.fullmatch(r"i\d+ics", n)}
        other["files"] = [f for f in other["files"] if f[1] not in made]
        if rtf and "rtf" in mine:
            check("rtf", [items.sha(mine["rtf"])] == [s for _, s in rtf])
    if other.get("subject") is not None:
        check("subject", mine.get("subject") == other["subject"])
    for f in ("date", "delivery"):
        if other.get(f) is not None and mine.get(f) is not None:
            check(f, mine[f] == other[f])
    if other.get("sender") is not None:
        check("sender", same_sender(mine["sender"], other["sender"]))
    if other.get("to") is not None:
        check("to", same_people(mine["to"], other["to"]))
        for k in (1, 2, 3):
            if other.get(("to", k)) is not None and "to" not in out:
                check("to %d" % k, same_people(mine["to", k], other["to", k]))
    for f in ("id", "reply"):
        if other.get(f) and mine.get(f) is not None:
            check(f, mine[f] == other[f])
    if other.get("header") and mine.get("header") is not None:
        check("header", same_header(loosely(program, mine["header"]), loosely(program, other["header"])))
    if other.get("embedded") is not None:
        check("embedded", other["embedded"] == len(mine["inner"]))
    if other.get("text"):
        check("text", loosely(program, mine.get("text")) == loosely(program, other["text"]))
    if other.get("html"):
        check("html", same_html(program, mine, other["html"]))
    if other.get("files") is not None and not (program == "readpst" and other["kind"] != "mail") and not (program == "pffexport" and other["kind"] == "event"):
        check("files", same_files(mine, other))
    if other["kind"] == "contact" and ("text/vcard" in other or "fields" in other):
        check("contact", same_contact(mine, other))
    if other["kind"] == "event" and "text/calendar" in mine:
        check("event", same_event(mine, other))
    if program == "pffexport" and other["kind"] != "event":
        inner = other.get("inner") or []
        check("embedded", len(inner) == len(mine["inner"]))
        for a, b in zip(mine["inner"], inner):
            d, n = differences(program, a, b, False)
            compared += n
            out += ["embedded " + f for f in d]
    return out, compared


def pair(program, mine, others):
    """Each item of the other program with the one of the same folder that fits best: (mine or None, other)."""
    left = collections.defaultdict(list)
    for i in mine:
        left[i["folder"]].append(i)
    pairs, late = [], []
    for o in others:
        fits = next((i for i in left[o["folder"]] if not differences(program, i, o)[0]), None)
        if fits:
            left[o["folder"]].remove(fits)
            pairs.append((fits, o))
        else:
            late.append(o)
    for o in late:
        best = min(left[o["folder"]], key=lambda i: len(differences(program, i, o)[0]), default=None)
        if best:
            left[o["folder"]].remove(best)
        pairs.append((best, o))
    return pairs, [i for f in left.values() for i in f]


def in_order(mine, others):
    by = {}
    for side, all_items in enumerate((mine, others)):
        for i in all_items:
            by.setdefault(i["folder"], ([], []))[side].append(i)
    pairs, extra = [], []
    for a, b in by.values():
        pairs += list(zip(a, b)) + [(None, o) for o in b[len(a):]]
        extra += a[len(b):]
    return pairs, extra


def load_explained():
    """Lines: item, field, programs, why."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "explained.tsv"), encoding="utf-8") as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                where, field, programs, why = line.rstrip("\n").split("\t")
                for program in programs.split(","):
                    EXPLAINED[("export", program, where, field)] = why


def main(argv):
    global exported
    verbose = argv[1] == "-v"
    name, eml, dates, program, output = argv[1 + verbose:]
    internal = {}
    if name == "export":
        exported = True
        load_explained()
    else:
        with open(dates) as f:
            internal = {(d[0], d[1]): d[2] for d in json.load(f)}
    mine = list(items.of_cubby(eml, internal))
    others = list({"pffexport": items.of_pffexport, "readpst": items.of_readpst, "extractor": items.of_extractor}[program](output))
    pairs, extra = in_order(mine, others) if name == "export" else pair(program, mine, others)
    found, fields = [], 0
    for i, o in pairs:
        if i is None:
            found.append((o["where"], "missing", o.get("subject"), ""))
            continue
        d, n = differences(program, i, o)
        fields += n
        found += [(i["where"], f, i.get(f), o.get(f)) for f in d]
    found += [(i["where"], "item", i.get("subject"), "not there") for i in extra]
    bad = explained = 0
    used = set()
    for where, field, a, b in found:
        key = next((k for k in ((name, program, where, field), (name, program, re.sub(r"/[^/]*$", "/*", where), field)) if k in EXPLAINED), None)
        if key:
            explained += 1
            used.add(key)
            if verbose:
                print("# %s: %s: %s" % (where, field, EXPLAINED[key]))
            continue
        bad += 1
        print("not ok - %s, %s: %s of %s differs\n#   cubby: %.300r\n#   other: %.300r" % (name, program, field, where, a, b))
    for k in EXPLAINED:
        if k[:2] == (name, program) and k not in used:
            bad += 1
            print("not ok - %s, %s: %s of %s is explained, but does not differ" % (k[0], k[1], k[3], k[2]))
    if not bad:
        print("ok - %s: %d items beside %d of %s, %d fields equal, %d explained" % (name, len(mine), len(others), program, fields - explained, explained))
    return bad != 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
