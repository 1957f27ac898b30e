#!/usr/bin/env python3
"""Writes messages as files into a folder. usage: mail.py mime|limits SEED COUNT FOLDER

mime: random messages that are hard to take apart. limits: messages at the limits of FORMAT.md, COUNT of them (0: all, 100 MB).
"""
import os, random, sys

BOUNDARIES = [b"b", b"bb", b"b--", b"a b", b"b b", b"x'y", b"'=_='", b"-", b"--", b"B", b"b;c", b'b"q', b"bc"]
MULTIPART = b"Content-Type: multipart/mixed; boundary=%s\n\n"


def quote(b):
    return b'"' + b.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


class Mime:
    def __init__(self, rng):
        self.rng, self.one = rng, rng.choice
        self.ends = self.one([[b"\n"], [b"\r\n"], [b"\n", b"\r\n"], [b"\n", b"\r\n", b"\r", b"\r\r\n"]])

    def end(self):
        return self.one(self.ends)

    def blank(self):
        return self.one([b"", b"", b"", b" ", b"\t", b"(c)", b" (a(b)\\)c) ", b"\n ", b"\r\n\t", b"\x0b", b"\x0c", b"\0"])

    def boundary(self):
        b = self.one(BOUNDARIES)
        value = self.one([b, quote(b), quote(b + b"  "), quote(b)[:-1], b + b"(c)", b'"' + b + b'\n "', b"%62", quote(b[:1] + b"\r\n" + b[1:]), b'""', b"",
                          quote(b"x" * self.one([254, 255, 256])), b + b"\t", b'"b" c', b'b"c"'])
        name = self.one([b"boundary"] * 6 + [b"Boundary", b"boundary*", b"boundary*0", b"boundary*0*", b"boundary*1", b"boundary**", b"xboundary", b"boundary*00",
                                             b"boundary*01"])
        if name.endswith(b"*"):
            value = self.one([b"us-ascii''%62", b"''b", b"b", b"''%6", b"%62", b"'b", b"''%zz", b"a'b'%62'c", quote(b"''%62")])
        return name + self.blank() + b"=" + self.blank() + value

    def content_type(self):
        chance = self.rng.random()
        if chance < .5:
            main = self.one([b"multipart", b"Multipart", b"MULTIPART", b"multipart", b"multipartx", b'"multipart"'])
            sub = self.one([b"mixed", b"digest", b"DIGEST", b"alternative", b"", b"x y", b"m;"])
            parameters = [self.boundary()]
            if self.rng.random() < .4:
                parameters.insert(self.rng.randrange(2), self.one([
                    b"charset=x", b"boundary=zz", b'type="a;boundary=b"', b"x", b"x(;boundary=b)=y", b"boundary", b"boundary=;", b"boundary*1=c",
                    b"boundary*1*=%63", b"boundary*0=b", b"boundary*2=d", b"=b", b"a==b", b'"boundary"=b', b"\\boundary=b", b'boundary="', b'a="x',
                    b"(boundary=b", b"a=(boundary"]))
            out = main + self.blank() + self.one([b"/"] * 9 + [b""]) + self.blank() + sub + self.blank()
            return out + b"".join(self.one([b";"] * 9 + [b" ", b";;"]) + self.blank() + p + self.blank() for p in parameters)
        if chance < .8:
            out = self.one([b"message", b"Message"]) + self.blank() + b"/" + self.blank()
            return out + self.one([b"rfc822", b"RFC822", b"global", b"partial", b"rfc822x"]) + self.blank() + self.one([b"", b"; x=y", b" z", b'"', b"/x", b"="])
        return self.one([b"text/plain", b"", b"text", b"/", b"multipart/mixed", b"multipart/; boundary=b", b"multipart/mixed boundary=b", b";boundary=b"])

    def header(self):
        out = b""
        for _ in range(self.one([0, 1, 1, 2, 3])):
            chance, space = self.rng.random(), self.one([b"", b"", b" ", b"\t ", b"\n ", b" " * 995])
            if chance < .65:
                name = self.one([b"Content-Type"] * 5 + [b"content-type", b"CONTENT-TYPE", b"Content-Type "])
                out += name + (space if self.rng.random() < .05 else b"") + b":" + self.one([b" ", b"", b"\t", self.end() + b" "]) + self.content_type()
            elif chance < .85:
                out += b"Content-Transfer-Encoding:" + self.one([b" ", b""]) + self.one([
                    b"7bit", b"8BIT", b"binary", b"base64", b"Quoted-Printable", b"x-uu", b"", b"(c)8bit", b'"8bit"', b"8bit;x", b"8bit x", b"7bit(c)",
                    b"8bit/x", b"7bit=", b"(c", b"base64\x0b", b'"8bit', b'"base\\64"', b'""', b'8"bit"', b'7bit "x"', b"@8bit", b"7bit,8bit", b"8bit."])
            else:
                out += self.one([b"X: y", b"Content-ID: <1>", b"Content- : x", b"Content-", b"From x y", b" folded", b"To: a\r", b"\rContent-A: b",
                                 b"content-b:", b"Content-C\x7f: x", b"Content-\xc3\xa4: x", b": x", b"Content-Description: a\n\tb\n  c", b"--b", b"--b--",
                                 b"\0Content-X: y", b"Content-Y:" + b"z" * 1100])
            out += self.end()
        return out

    def boundary_line(self):
        tail = self.one([b""] * 5 + [b"--"] * 4 + [b" ", b"-- \t", b"\t", b"--x", b"x", b"-", b"---", b" --", b"\x0b", b"\x0c", b"\0", b"\r", b"--\x0b"]
                        + [b" " * n for n in (994, 995, 996, 997, 1000)])
        return b"--" + self.one(BOUNDARIES) + tail + self.one([self.end(), self.end(), self.end(), b"\r", b"\r\r\n", b""])

    def message(self):
        out = self.header()
        for _ in range(self.rng.randint(0, 14)):
            chance = self.rng.random()
            if chance < .3:
                out += self.end()
            elif chance < .6:
                out += self.boundary_line()
            elif chance < .9:
                out += self.header()
            else:
                out += self.one([b"text", b"a\xff\0b", b"x" * self.one([997, 998, 999, 1000])]) + self.one([self.end(), b""])
        return out or b"x"


def parts_and_depth():
    top = MULTIPART % b"b"
    for n in (9997, 9998, 9999, 10000, 10001, 10050):
        yield top + b"--b\n\nx\n" * n + b"--b--\nend\n"
    for n in (9996, 9997, 9998, 9999):
        yield top + b"--b\n\nx\n" * n + b"--b\nContent-Type: message/rfc822\n\nSubject: x\n\nbody\n--b\n\ny\n--b--\nend\n"
        yield top + b"--b\n\nx\n" * n + b"--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\nx\n--c--\n--b\n\ny\n--b--\nend\n"
    for n in (98, 99, 100, 101, 102, 150):
        nested = b"".join(MULTIPART % (b"b%d" % i) + b"--b%d\n" % i for i in range(n))
        yield nested + b"\nleaf\n" + b"".join(b"--b%d--\n" % i for i in reversed(range(n)))
        yield b"Content-Type: message/rfc822\n\n" * n + b"S: x\n\nbody\n"
        yield top + b"--b\n" + b"Content-Type: message/rfc822\n\n" * n + b"S: x\n\nbody\n--b\n\nx\n--b--\n"


def fields():
    top = MULTIPART % b"b"
    for n in (65500, 65510, 65515, 65518, 65519, 65520, 65521, 65522, 65530, 65536, 65537, 70000):
        field = b"Content-Description: " + b"x" * (n - 22) + b"\n"
        half, rest = field[:n // 2] + b"\n", field[:n - n // 2]
        yield top + b"--b\n" + field + b"\nx\n--b\nContent-ID: a\n\ny\n--b\n\nz\n--b--\n"
        yield top + b"--b\n" + field + b"Content-Type: message/rfc822\n\nContent-A: x\n\nx\n--b\nContent-ID: a\n\ny\n--b\n\nz\n--b--\n"
        yield top + b'--b\nContent-Type: multipart/mixed; boundary=c;x="' + b"y" * n + b'"\n\n--c\n\nx\n--c--\n--b--\n'
        yield b'Content-Type: multipart/mixed; boundary=b;x="' + b"y" * (n - 46) + b'"\n\n--b\n\nx\n--b--\n'
        yield b'Content-Type: multipart/mixed;x="' + b"y" * (n - 46) + b'";boundary=b\n\n--b\n\nx\n--b--\n'
        yield top + b"--b\n" + field + b"--b\nContent-ID: a\n--b\n\nz\n--b--\n"
        yield top + b"--b\n" + field[:-100] + b"\n" + b"Content-T: y\n" * 10 + b"--b\nContent-ID: a\n--b\n\nz\n--b--\n"
        yield top + b"--b\n" + half + b"--b\n" + rest + b"\n--b\nC: d\n\nz\n--b--\n"
        yield top + b"--b\n" + half + b"--b\n" + rest + b"\n\nx\n--b\nC: d\n\nz\n--b--\n"
        yield top + b"--b\n" + half + b"--b\n" + rest + b"\nContent-Type: multipart/mixed; boundary=b\n\nx\n--b\nC: d\n\nz\n--b--\n"


def long_headers():
    for n in (131000, 131071, 131072, 131073, 131112, 200000, 262143, 262144, 262145, 393216, 300000, 600000, 1000000):
        yield b"X: " + b"a" * (n - 3)
        yield b"X: " + b"a" * (n - 4) + b"\r"
        yield b"\n" * (n // 10)
        for end in (b"\n", b"\r\n"):
            pair = b"To: a@b" + end + b"X: " + b"y" * 20 + end
            pairs = pair * (n // len(pair) + 1)
            yield b"To: " + b"a" * (n - 4) + end + end + b"body" + end
            yield b"X: " + b"a" * (n - 4) + end + end + b"body"
            yield pairs[:n - len(end) - 1] + end + end + b"b" + end
            yield pairs[:n]
            yield b"A: b" + end + b"To: " + b"c" * (n - 20) + end + b"Subject: s" + end + b"X: " + b"z" * 131072 + end + end + b"body" * 100000 + end
            yield b"Subject: x" + end + end + b"q" * (n - len(end) * 2 - 11) + end + b"\n" * 10
            yield b"Subject: x" + end + end + (b"\r\n" * n)[:n] + b"\n\r"
            yield b"Subject: x" + end + end + (b"\r\n" * n)[1:n] + b"\n\r"
            yield (b"To: a" + end + b"C: d" + end) * (n // 12) + end


def long_lines():
    top = MULTIPART % b"b"
    for n in (990, 994, 995, 996, 997, 998, 999, 1000, 1001, 1010):
        for m in (n, n + 1):
            yield b"Subject" + b" " * (m - 8) + b": x\n\nb\n"
            yield b"Content-" + b"x" * (m - 9) + b": x\n\nb\n"
            yield top + b"--b\nContent-ID" + b" " * (m - 11) + b": x\n\n\n--b--"
            yield top + b"--b\nContent-" + b"x" * (m - 9) + b": x\n\n\n--b--"
            yield b"Content-Type" + b" " * (m - 13) + b": multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n"
        yield b"List-" + b"x" * (5 * n) + b": x\n\nb\n"
        yield top + b"--b" + b" " * (n - 4) + b"\nX: y\n\nz\n--b--"
        yield top + b"--b" + b" " * (n - 5) + b"\r\nX: y\n\nz\n--b--"
        yield top + b"--b\n\nz\n--b--" + b" " * (n - 5)
        for end in (b"", b"\r", b"\r\n"):
            yield b"A: b\n\n" + b"x" * n + end
        yield b"A: " + b"x" * (n - 3) + b"\r\r\n"


def main():
    kind, seed, count, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    rng = random.Random(seed)
    os.makedirs(folder, exist_ok=True)
    if kind == "mime":
        messages = [Mime(rng).message() for _ in range(count)]
    else:
        messages = [m for source in (parts_and_depth, fields, long_headers, long_lines) for m in source()]
        if count:
            messages = rng.sample(messages, count)
    for k, data in enumerate(messages):
        with open("%s/%05d.eml" % (folder, k), "wb") as f:
            f.write(data)


main()
