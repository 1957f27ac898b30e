"""Have two stores the same folders and, in the same order, the same messages: hashes, sizes, flags, internal dates? usage: same_mail.py DUMP DUMP"""
import json, sys


def load(path):
    names, parents, mail = {}, {}, []
    with open(path, encoding="utf-8") as f:
        for line in f:
            d = json.loads(line)
            if "folder" in d:
                names[d["folder"]], parents[d["folder"]] = d["name"], d.get("parent", 0)
            elif "entry" in d:
                mail.append(d)

    def path_of(n):
        return (path_of(parents[n]) if parents[n] else ()) + (names[n],)
    return sorted(path_of(n) for n in names), sorted((path_of(d["entry"][0]), d["entry"][1], d["hash"], d["size"], d["internaldate"], d["flags"]) for d in mail)


(folders, mail), (folders2, mail2) = load(sys.argv[1]), load(sys.argv[2])
if folders != folders2:
    print("# folders: %s" % sorted(set(folders) ^ set(folders2)))
for a, b in [(a, b) for a, b in zip(mail, mail2) if a != b][:10]:
    print("# %s\n# %s" % (a, b))
print("# %d folders, %d messages" % (len(folders), len(mail)))
sys.exit(folders != folders2 or mail != mail2 or not mail)
