#!/bin/bash
# Which lines and branches of the library do the tests of `make check` reach? After a run with COVERAGE=1: see `make coverage`. Fails below 95 % of the lines, and if
# a line or branch of commit, recovery or check is reached by nothing and not listed, with a reason, in coverage.txt, or if what is listed there is not in its file.
set -eu
cd "$(dirname "$0")/.."
BUILD=${BUILD:-build-coverage}
gcovr -r . "$BUILD" -f 'src/.*' --exclude-throw-branches --json "$BUILD/coverage.json" >/dev/null
python3 - "$BUILD/coverage.json" tests/coverage.txt <<'PY'
import json, re, sys
core = re.compile(r'src/(store|log)/\w+\.c$|src/mail/(spy|orphan|lostfound|fsck_check|fsck_repair|resync|relog|tomb|mailcheck)\.c$')
known = {}
for line in open(sys.argv[2]):
    if line.strip() and not line.startswith('#'):
        place, rest = line.split(' | ', 1)
        known.setdefault(place, set()).add(rest.rsplit(' | ', 1)[0].strip())
lines = reached = branches = taken = 0
open_places, excused = [], 0
gone = [f + ': ' + code for f in known for code in known[f] if code not in (x.strip() for x in open(f))]
for f in json.load(open(sys.argv[1]))['files']:
    source = open(f['file']).read().split('\n')
    n = hit = b = t = 0
    for l in f['lines']:
        if l.get('gcovr/noncode'):
            continue
        n += 1
        hit += l['count'] > 0
        missed = [x for x in l['branches'] if x['count'] == 0]
        b += len(l['branches'])
        t += len(l['branches']) - len(missed)
        code = source[l['line_number'] - 1].strip()
        if core.search(f['file']) and (missed or l['count'] == 0):
            if code in known.get(f['file'], ()):
                excused += 1
            else:
                open_places.append('%s:%d: %s' % (f['file'], l['line_number'], code))
    lines, reached, branches, taken = lines + n, reached + hit, branches + b, taken + t
    print('%-32s %5.1f %% of %4d lines, %5.1f %% of %4d branches' % (f['file'], 100 * hit / max(n, 1), n, 100 * t / max(b, 1), b))
print('all: %.1f %% of %d lines, %.1f %% of %d branches' % (100 * reached / lines, lines, 100 * taken / branches, branches))
print('%d places in commit, recovery and check are reached by nothing, for reasons in coverage.txt, which lists %d' % (excused, sum(map(len, known.values()))))
print('%d places there are reached by nothing and not in coverage.txt' % len(open_places))
for p in open_places:
    print('  ' + p)
if gone:
    print('coverage.txt lists what is not there any more:\n  ' + '\n  '.join(gone))
sys.exit(reached < 0.95 * lines or bool(open_places or gone))
PY
