#!/usr/bin/env python3
"""Random operations on a store by the program, each a process. usage: operations.py PROGRAM STORE SEED COUNT MAIL   (MAIL: a folder of message files)

Many are refused (names that are taken, folders that are not empty); one that ends with more than that is told, and exits 1.
"""
import json, os, random, subprocess, sys

WORDS = ["a", "b", "Zoë", "x y", "%2F", "~", "日本", "lost+found-9", "Ω"]
FLAGS = ["\\Seen", "\\Flagged", "\\Deleted", "\\Draft", "\\Answered"]
KINDS = "flag flag flag flag cp cp mv mv rm rm append append append create create rename rename delete subscribe unsubscribe special annotate unannotate".split()
REFUSED, BAD_USAGE = (0, 1, 8), 16


class Operations:
    def __init__(self, program, store, seed, mail):
        self.program, self.store, self.rng, self.mail = program, store, random.Random(seed), mail
        self.one, self.files = self.rng.choice, sorted(os.listdir(mail))

    def run(self, *arguments):
        return subprocess.run([self.program, *arguments], capture_output=True, text=True, timeout=60, check=False)

    def folders(self):
        return [json.loads(text) for text in self.run("ls", "--json", self.store).stdout.splitlines()]

    def keyword(self):
        name = self.one(["$Forwarded", "$Junk", "$Label%d", "todo", "later", "$MDNSent", "x-%d"])
        return name % self.rng.randrange(40) if "%d" in name else name

    def uids(self, folder):
        top = max(1, folder["uidnext"] - 1)
        first = self.rng.randint(1, top)
        out = "%d:%d" % (first, min(top, first + self.one([0, 0, 1, 5, 50])))
        return out + (",%d" % self.rng.randint(1, top) if self.rng.random() < .4 else "")

    def arguments(self, kind, folder, other):
        s, f, name = self.store, folder["path"], self.one(WORDS) + str(self.rng.randrange(30))
        if kind == "flag":
            return ["flag", s, f, self.uids(folder)] + [self.one("+-=") + self.one(FLAGS + [self.keyword()]) for _ in range(self.rng.randint(1, 3))]
        if kind in ("cp", "mv"):
            return [kind, s, f, self.uids(folder), other["path"]]
        if kind == "rm":
            return ["rm", s, f, self.uids(folder)]
        if kind == "append":
            date = self.one(["2001-02-03T04:05:06+05:30", "1969-01-01T00:00:00-11:00", "2099-12-31T23:59:59Z"])
            flags = self.one(["\\Seen", "$Junk \\Flagged", "\\Deleted todo", ""])
            return ["append", "--flags", flags, "--date", date, s, f, os.path.join(self.mail, self.one(self.files))]
        if kind == "create":
            return ["folder", "create", s, self.one([name, f + "/" + name, f + "/" + name + "/q"])]
        if kind == "rename":
            return ["folder", "rename", s, f, self.one([name, other["path"] + "/" + name])]
        if kind == "delete" and f != "INBOX" and folder["messages"] < 60:
            return ["folder", "delete", "-r", s, f]
        if kind in ("subscribe", "unsubscribe"):
            return ["folder", kind, s, self.one([name, f])]
        if kind == "special":
            return ["folder", "special", s, f, self.one(["\\Sent", "\\Trash", "\\Junk", "\\All", "none"])]
        if kind == "annotate":
            return ["annotate", s, f, self.one(["/shared/comment", "/private/x", "/shared/vendor/y%d" % self.rng.randrange(5)]), "v" * self.one([0, 1, 10, 900])]
        return ["annotate", "--remove", s, f, "/shared/comment"]

    def step(self):
        folders = self.folders()
        arguments = self.arguments(self.one(KINDS), self.one(folders), self.one(folders))
        done = self.run(*arguments)
        fine = done.returncode in REFUSED or done.returncode == BAD_USAGE and arguments[0] == "folder" # such as a folder below itself
        if not fine:
            print("%s: exit %d: %s" % (" ".join(arguments), done.returncode, done.stderr.strip()))
        return fine


def main():
    program, store, seed, count, mail = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
    operations = Operations(program, store, seed, mail)
    return 0 if all([operations.step() for _ in range(count)]) else 1


sys.exit(main())
