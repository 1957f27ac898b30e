"""Internal dates of all messages of a store, as JSON: [folder key, uid, seconds]. usage: dates.py CUBBY STORE"""
import datetime, json, subprocess, sys

import items


def lines(*command):
    for line in subprocess.run(command, check=True, capture_output=True).stdout.splitlines():
        yield json.loads(line)


def main(cubby, store):
    out = []
    for folder in lines(cubby, "ls", "--json", store):
        if folder.get("messages"):
            for m in lines(cubby, "scan", "--json", store, folder["path"]):
                at = datetime.datetime.fromisoformat(m["internaldate"].replace("Z", "+00:00"))
                out.append([items.folder_key(folder["path"].split("/")), m["uid"], int(at.timestamp())])
    print(json.dumps(out))


main(*sys.argv[1:])
